//! What becomes of pointers, and what is fetched for them.

use std::os::unix::fs::MetadataExt as _;

use modstore_testbed::{Change, Fault, LfsFault};

use crate::world::{World, oid, pointer};

#[test]
fn without_being_asked_for_content_pointers_stay_and_every_command_says_so() {
    let world = World::new();
    let repo = world.repo("m");
    repo.commit("main", &[world.large("a.bin", "one"), world.large("b.bin", [7; 2000])]);
    let ran = world.home.run(&["add", "--json", &world.source(&repo)]).ok();
    assert_eq!(world.read("m", "a.bin"), pointer("one").as_bytes());
    let told = ran.json()["update"]["warnings"][0]["message"].as_str().unwrap().to_owned();
    let words = "a.bin and 1 more are Git LFS pointers, and their content (2.0 kB) is not fetched; set lfs = true";
    assert!(told.contains(words), "{ran:?}");
    let ran = world.home.run(&["update", "--json"]).ok();
    assert_eq!(ran.json()["unchanged"][0]["pointers"]["files"], 2, "{ran:?}");
    assert_eq!(ran.json()["unchanged"][0]["pointers"]["bytes"], 2003, "{ran:?}");
    for command in [&["update"][..], &["status"], &["show", "m"]] {
        let ran = world.home.run(command).ok();
        let text = format!("{}{}", ran.stdout, ran.stderr);
        assert!(text.contains("Git LFS") && text.contains("set lfs = true"), "{ran:?}");
    }
    let status = world.home.run(&["status", "--json"]).ok().json();
    assert_eq!(
        (&status["pointers"][0]["module"], &status["pointers"][0]["files"]),
        (&"m".into(), &2.into())
    );
    let show = world.home.run(&["show", "m", "--json"]).ok().json();
    assert_eq!(show["pointers"]["bytes"], 2003);
    assert_eq!(world.asked(), (0, 0));

    // As soon as the content is there, nothing is said.
    world
        .home
        .write_modules(&format!("[modules.m]\nsource = \"{}\"\nlfs = true\n", world.source(&repo)));
    let ran = world.home.run(&["update", "--json"]).ok();
    assert_eq!(ran.json()["warnings"], serde_json::json!([]), "{ran:?}");
    assert_eq!(
        (world.read("m", "a.bin"), world.read("m", "b.bin")),
        (b"one".to_vec(), vec![7; 2000])
    );
    let status = world.home.run(&["status", "--json"]).ok().json();
    assert_eq!(status["pointers"], serde_json::json!([]));

    // And back again, without a connection: the entry with the pointers is in the store.
    world.home.declare(&[("m", &world.source(&repo))]);
    world.home.run(&["update"]).ok();
    assert_eq!(world.read("m", "a.bin"), pointer("one").as_bytes());
}

#[test]
fn the_files_that_attributes_name_get_their_content_and_no_others() {
    let world = World::new();
    let repo = world.repo("m");
    repo.commit(
        "main",
        &[
            world.large("a.bin", "one"),
            world.large("deep/er/b.bin", "two"),
            world.large("deep/no/c.bin", "three"),
            Change::write("deep/no/.gitattributes", "*.bin -filter\n"),
            Change::exec("run.bin", pointer("#!/bin/sh\n")),
            Change::exec("same.bin", pointer("one")),
            Change::write("pyproject.bin", pointer("one")),
            world.large("looks-like-one", "four"),
            Change::write("plain.bin", "no pointer"),
            Change::symlink("link.bin", "a.bin"),
        ],
    );
    world.lfs.put(&oid("#!/bin/sh\n"), "#!/bin/sh\n");
    world.add(&repo);
    for (path, expected) in [
        ("a.bin", "one".to_owned()),
        ("deep/er/b.bin", "two".into()),
        ("deep/no/c.bin", pointer("three")),
        ("run.bin", "#!/bin/sh\n".into()),
        ("same.bin", "one".into()),
        ("looks-like-one", pointer("four")),
        ("plain.bin", "no pointer".into()),
        ("link.bin", "one".into()),
    ] {
        assert_eq!(world.read("m", path), expected.as_bytes(), "{path}");
    }
    let mode = |path: &str| world.home.target("m").join(path).metadata().unwrap().mode() & 0o777;
    assert_eq!([mode("a.bin"), mode("run.bin"), mode("same.bin")], [0o444, 0o555, 0o555]);
    // Three contents, each once.
    assert_eq!(world.asked(), (1, 3));
    world.home.run(&["verify"]).ok();
}

#[test]
fn what_has_not_changed_is_linked_and_no_server_is_asked_for_it() {
    let world = World::new();
    let repo = world.repo("m");
    repo.commit(
        "main",
        &[world.large("a.bin", "one"), world.large("b.bin", "two"), Change::write("c", "1")],
    );
    world.add(&repo);
    let inode = |path: &str| world.home.target("m").join(path).metadata().unwrap().ino();
    let before = (inode("a.bin"), inode("b.bin"));
    world.lfs.clear();

    repo.commit("main", &[Change::write("c", "2")]);
    let ran = world.home.run(&["update", "--json"]).ok();
    assert_eq!(world.read("m", "c"), b"2");
    assert_eq!((inode("a.bin"), inode("b.bin")), before, "{ran:?}");
    assert_eq!(world.asked(), (0, 0), "no pointer has changed");

    // A moved file is linked, a changed one is the only one that is fetched.
    repo.commit(
        "main",
        &[
            Change::delete("a.bin"),
            Change::write("moved.bin", pointer("one")),
            world.large("b.bin", "new"),
        ],
    );
    world.home.run(&["update"]).ok();
    assert_eq!(inode("moved.bin"), before.0);
    assert_eq!(world.read("m", "b.bin"), b"new");
    assert_eq!(world.asked(), (1, 1));
    assert!(world.lfs.downloads()[0].target.ends_with(&oid("new")));

    // git still has the pointer: a file that is one no longer shows what git has.
    repo.commit("main", &[Change::write(".gitattributes", "")]);
    world.home.run(&["update"]).ok();
    assert_eq!(world.read("m", "b.bin"), pointer("new").as_bytes());
    world.home.run(&["verify"]).ok();
}

#[test]
fn a_content_that_two_modules_have_is_fetched_once() {
    let world = World::new();
    let (one, two) = (world.repo("one"), world.repo("two"));
    let same = vec![b'x'; 300_000];
    one.commit("main", &[world.large("a.bin", &same), world.large("only-one.bin", "1")]);
    two.commit("main", &[world.large("b.bin", &same)]);
    let module = |repo: &modstore_testbed::Repo| {
        format!("[modules.{}]\nsource = \"{}\"\nlfs = true\n", repo.name(), world.source(repo))
    };
    world.home.write_modules(&(module(&one) + &module(&two)));
    world.home.run(&["update"]).ok();
    assert_eq!(
        (world.read("one", "a.bin"), world.read("two", "b.bin")),
        (same.clone(), same.clone())
    );
    let times = world.lfs.downloads().iter().filter(|it| it.target.ends_with(&oid(&same))).count();
    assert_eq!(times, 1);
}

#[test]
fn more_than_a_hundred_contents_come_in_several_questions() {
    let world = World::new();
    let repo = world.repo("m");
    let files: Vec<Change> =
        (0..230).map(|n| world.large(&format!("{n}.bin"), format!("content {n}"))).collect();
    repo.commit("main", &files);
    world.add(&repo);
    assert_eq!(world.asked(), (3, 230));
    assert_eq!(world.read("m", "229.bin"), b"content 229");
}

#[test]
fn a_download_that_is_cut_goes_on_where_it_was() {
    let world = World::new();
    let repo = world.repo("m");
    let content: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    repo.commit("main", &[world.large("a.bin", &content)]);
    world.lfs.fault(4, LfsFault::Cut(700_000));
    world.add(&repo);
    assert_eq!(world.read("m", "a.bin"), content);
    let ranges: Vec<Option<String>> =
        world.lfs.downloads().iter().map(|it| it.header("range").map(str::to_owned)).collect();
    assert_eq!(ranges.len(), 5, "{ranges:?}");
    assert_eq!(ranges[0], None);
    assert_eq!(ranges[1].as_deref(), Some("bytes=700000-"));
    assert_eq!(ranges[4].as_deref(), Some("bytes=2800000-"));
}

#[test]
fn a_server_that_knows_no_parts_sends_everything_again() {
    let world = World::new();
    let repo = world.repo("m");
    let content = vec![b'x'; 200_000];
    repo.commit("main", &[world.large("a.bin", &content)]);
    world.lfs.fault(3, LfsFault::CutWhole(150_000));
    world.add(&repo);
    assert_eq!(world.read("m", "a.bin"), content);
    assert_eq!(world.asked(), (1, 4));
}

#[test]
fn a_server_that_makes_a_mirror_necessary_changes_nothing_about_large_files() {
    let world = World::new();
    let repo = world.repo("m");
    world.git.fault("m", Fault::WithoutCapability("shallow"));
    repo.commit("main", &[world.large("a.bin", "one"), Change::write("b", "1")]);
    world.add(&repo);
    repo.commit("main", &[Change::write("b", "2")]);
    world.lfs.clear();
    world.home.run(&["update"]).ok();
    assert_eq!((world.read("m", "a.bin"), world.read("m", "b")), (b"one".to_vec(), b"2".to_vec()));
    assert_eq!(world.asked(), (0, 0));
    // Taken from the mirror, with pointers.
    world.home.declare(&[("m", &world.source(&repo))]);
    world.home.run(&["update"]).ok().says("set lfs = true");
    assert_eq!(world.read("m", "a.bin"), pointer("one").as_bytes());
}

#[test]
fn an_offer_that_is_over_is_asked_for_again() {
    let world = World::new();
    let repo = world.repo("m");
    repo.commit("main", &[world.large("a.bin", "one"), world.large("b.bin", "two")]);
    world.lfs.expire(1);
    world.add(&repo);
    assert_eq!(world.read("m", "b.bin"), b"two");
    assert_eq!(world.asked(), (3, 2), "each offer was over when it was to be used");
}

#[test]
fn an_entry_with_large_files_is_repaired_from_where_they_are_kept() {
    let world = World::new();
    let repo = world.repo("m");
    repo.commit("main", &[world.large("a.bin", "one"), Change::write("b", "1")]);
    world.add(&repo);
    let path = world.home.target("m").join("a.bin");
    std::fs::remove_file(&path).unwrap();
    world.home.run(&["verify", "--repair"]).ok();
    assert_eq!(world.read("m", "a.bin"), b"one");
    // What a base lacks is fetched.
    std::fs::remove_file(&path).unwrap();
    repo.commit("main", &[Change::write("b", "2")]);
    world.home.run(&["update"]).ok();
    assert_eq!(world.read("m", "a.bin"), b"one");
    world.home.run(&["verify", "--repair"]).ok();
    world.home.run(&["verify"]).ok();
}

#[test]
fn files_that_the_configuration_of_git_lfs_leaves_out_stay_pointers() {
    let world = World::new();
    let repo = world.repo("m");
    repo.commit(
        "main",
        &[
            world.large("models/a.bin", "one"),
            world.large("models/old/b.bin", "two"),
            world.large("other.bin", "three"),
            Change::write(".lfsconfig", "[lfs]\n\tfetchexclude = models/old\n"),
        ],
    );
    world.home.git_config("[lfs]\n\tfetchinclude = models\n");
    let ran = world.home.run(&["add", "--lfs", &world.source(&repo)]).ok();
    assert_eq!(world.read("m", "models/a.bin"), b"one");
    assert_eq!(world.read("m", "models/old/b.bin"), pointer("two").as_bytes());
    assert_eq!(world.read("m", "other.bin"), pointer("three").as_bytes());
    ran.says("lfs.fetchinclude and lfs.fetchexclude leave them out");
}

#[test]
fn large_files_of_a_submodule_come_from_where_the_submodule_keeps_them() {
    let world = World::new();
    let (outer, part) = (world.repo("outer"), world.repo("part"));
    let commit = part.commit("main", &[world.large("p.bin", "of the part")]);
    let modules =
        format!("[submodule \"sub\"]\n\tpath = deep/sub\n\turl = {}\n", world.lfs.url("part"));
    let link = |commit: &str| Change::gitlink("deep/sub", commit);
    outer.commit(
        "main",
        &[
            world.large("o.bin", "of the outer"),
            Change::write(".gitmodules", modules),
            link(&commit),
        ],
    );
    world.add(&outer);
    assert_eq!(world.read("outer", "o.bin"), b"of the outer");
    assert_eq!(world.read("outer", "deep/sub/p.bin"), b"of the part");
    let asked: Vec<String> = world.lfs.requests().into_iter().map(|it| it.target).collect();
    assert!(asked.contains(&"/part.git/info/lfs/objects/batch".to_owned()), "{asked:?}");

    // Only the outer one changes: the part's files are linked.
    world.lfs.clear();
    outer.commit("main", &[Change::write("plain", "1")]);
    world.home.run(&["update"]).ok();
    assert_eq!(world.read("outer", "deep/sub/p.bin"), b"of the part");
    assert_eq!(world.asked(), (0, 0));
    let commit = part.commit("main", &[world.large("q.bin", "more")]);
    outer.commit("main", &[link(&commit)]);
    world.home.run(&["update"]).ok();
    assert_eq!(world.read("outer", "deep/sub/p.bin"), b"of the part");
    assert_eq!(world.read("outer", "deep/sub/q.bin"), b"more");
    assert_eq!(world.asked(), (1, 1));
    world.home.run(&["verify"]).ok();

    // Without content, the pointers of both are counted.
    world.home.declare(&[("outer", &world.source(&outer))]);
    world.home.run(&["update"]).ok().says("deep/sub/p.bin and 2 more are Git LFS pointers");
}
