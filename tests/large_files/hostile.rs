//! Servers that fail, lie, or never end.

use modstore_testbed::{Change, LfsFault, LfsServer};

use crate::world::{World, oid, pointer, said};

/// A world with an installed module, and a commit with new content that is in for trouble.
fn troubled() -> World {
    let world = World::new();
    let repo = world.repo("m");
    repo.commit("main", &[world.large("a.bin", "old"), Change::write("b", "1")]);
    world.add(&repo);
    world.lfs.clear();
    repo.commit("main", &[world.large("a.bin", vec![b'n'; 100_000]), Change::write("b", "2")]);
    world
}

/// Lets the update fail so, and keep what was; and succeed when the trouble is over.
#[track_caller]
fn fails(world: &World, code: &str, class: &str, words: &[&str]) {
    let failed = world.failure(&["update"]);
    assert_eq!((&failed["code"], &failed["class"]), (&code.into(), &class.into()), "{failed}");
    let told = said(&failed);
    words.iter().for_each(|word| assert!(told.contains(word), "{word:?}: {failed}"));
    assert!(failed["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "{failed}");
    assert_eq!((world.read("m", "a.bin"), world.read("m", "b")), (b"old".to_vec(), b"1".to_vec()));
    world.lfs.clear();
    world.home.run(&["update"]).ok();
    assert_eq!(world.read("m", "a.bin"), vec![b'n'; 100_000]);
    world.home.run(&["verify"]).ok();
}

#[test]
fn wrong_bytes_are_refused() {
    let world = troubled();
    world.lfs.fault(1, LfsFault::Wrong);
    fails(&world, "corrupt", "permanent", &["a.bin", "SHA-256"]);
}

#[test]
fn more_bytes_than_the_pointer_says_are_refused() {
    let world = troubled();
    world.lfs.fault(1, LfsFault::Longer);
    fails(&world, "corrupt", "permanent", &["a.bin", "more than the 100000 bytes"]);
}

#[test]
fn bytes_without_an_end_are_refused_at_once() {
    let world = troubled();
    world.lfs.fault(1, LfsFault::Endless);
    fails(&world, "corrupt", "permanent", &["a.bin", "more than the 100000 bytes"]);
}

#[test]
fn a_connection_that_always_breaks_is_a_transient_failure() {
    let world = troubled();
    world.lfs.fault(u64::MAX, LfsFault::Cut(10));
    fails(&world, "connection", "transient", &["a.bin", "the connection broke off"]);
}

#[test]
fn another_part_than_was_asked_for_is_refused() {
    let world = troubled();
    world.lfs.fault(9, LfsFault::OtherPart(10));
    fails(&world, "protocol", "permanent", &["another part of a content"]);
}

#[test]
fn a_storage_in_trouble_is_a_transient_failure() {
    let world = troubled();
    world.lfs.fault(u64::MAX, LfsFault::Status(503));
    fails(&world, "rate-limited", "transient", &["a.bin", "503"]);
}

#[test]
fn a_content_that_is_not_there_is_named() {
    let world = troubled();
    world.lfs.refuse(&oid(vec![b'n'; 100_000]), 404, "Object does not exist");
    fails(&world, "no-such-content", "permanent", &["a.bin", "Object does not exist"]);
    let world = troubled();
    world.lfs.fault(1, LfsFault::Status(404));
    fails(&world, "no-such-content", "permanent", &["a.bin", "404"]);
}

#[test]
fn a_quota_that_is_used_up_has_a_code_of_its_own() {
    let world = troubled();
    let body = "{\"message\":\"This repository is over its data quota. Account responsible for LFS bandwidth should purchase more data packs to restore access.\"}";
    world.lfs.answer(u64::MAX, 403, &[], body);
    fails(&world, "quota", "permanent", &["a.bin", "over its data quota"]);
}

#[test]
fn a_server_that_asks_for_time_gets_it() {
    let world = troubled();
    world.lfs.answer(1, 429, &[("Retry-After", "1")], "{\"message\":\"slow down\"}");
    world.home.run(&["update"]).ok();
    let world = troubled();
    world.lfs.answer(1, 429, &[("Retry-After", "3600")], "{\"message\":\"slow down\"}");
    fails(&world, "rate-limited", "transient", &["slow down"]);
}

#[test]
fn a_server_that_always_asks_for_time_is_left_alone() {
    let world = troubled();
    world.lfs.answer(u64::MAX, 503, &[("Retry-After", "0")], "{\"message\":\"busy\"}");
    fails(&world, "rate-limited", "transient", &["busy"]);
}

#[test]
fn a_configuration_of_the_repository_that_is_too_long_is_not_read() {
    let world = World::new();
    let repo = world.repo("m");
    let config = format!("[lfs]\n\turl = http://127.0.0.1:1/\n#{}\n", "x".repeat(64 * 1024));
    repo.commit("main", &[world.large("a.bin", "one"), Change::write(".lfsconfig", config)]);
    world.add(&repo);
    assert_eq!(world.read("m", "a.bin"), b"one");
}

#[test]
fn answers_that_are_none_are_refused() {
    let long = format!("{{\"objects\":[{}\"\"]}}", " ".repeat(9 << 20));
    for (body, words) in [
        ("", "not understood"),
        ("<html>hello</html>", "not understood"),
        ("{\"objects\":[]}", "it says nothing about a content"),
        ("{\"objects\":{}}", "not understood"),
        ("{\"hash_algo\":\"md5\",\"objects\":[]}", "another hash"),
        (&long, "it has more than"),
    ] {
        let world = troubled();
        world.lfs.answer(1, 200, &[], body);
        fails(&world, "protocol", "permanent", &[words]);
    }
}

#[test]
fn an_address_that_is_none_is_refused() {
    for (base, words) in [
        ("file:///etc", "cannot be used"),
        ("ext::sh -c touch% /tmp/x", "cannot be used"),
        ("ftp://127.0.0.1/x", "cannot be used"),
        ("javascript:x", "cannot be used"),
    ] {
        let world = troubled();
        world.lfs.offer_elsewhere(base, &[]);
        fails(&world, "protocol", "permanent", &[words]);
    }
}

#[test]
fn a_redirect_in_circles_ends() {
    let world = troubled();
    let here = format!("http://127.0.0.1:{}/content/x", world.lfs.port());
    world.lfs.fault(u64::MAX, LfsFault::Redirect(here));
    fails(&world, "protocol", "permanent", &["a.bin", "too many redirects"]);
}

#[test]
fn headers_that_a_server_chooses_change_no_request() {
    let world = troubled();
    let other = LfsServer::start(None);
    let content = vec![b'n'; 100_000];
    other.put(&oid(&content), &content);
    let base = format!("http://127.0.0.1:{}/content", other.port());
    let headers = [
        ("Host", "elsewhere"),
        ("Content-Length", "5"),
        ("Transfer-Encoding", "chunked"),
        ("Range", "bytes=5-"),
        ("X-Bad\r\nX-More", "1"),
        ("X-Split", "1\r\nX-More: 1"),
        ("X-Good", "1"),
    ];
    world.lfs.offer_elsewhere(&base, &headers);
    world.home.run(&["update"]).ok();
    assert_eq!(world.read("m", "a.bin"), content);
    let [request] = other.requests().try_into().unwrap();
    assert_eq!(request.header("x-good"), Some("1"));
    for name in ["content-length", "transfer-encoding", "range", "x-more", "x-split"] {
        assert_eq!(request.header(name), None, "{request:?}");
    }
    assert!(request.header("host").is_some_and(|host| host.starts_with("127.0.0.1")));
}

#[test]
fn more_than_is_allowed_is_refused_before_anything_is_asked_for() {
    for (variable, value, words) in [
        (
            "MODSTORE_LFS_SIZE",
            "99999",
            "size of all Git LFS files of 100000 is over the limit of 99999",
        ),
        ("MODSTORE_LFS_ATTRIBUTES", "5", "size of all .gitattributes"),
        ("MODSTORE_PACK_TREE", "1000", "size of all files"),
    ] {
        let mut world = troubled();
        world.home.env(variable, value);
        let failed = world.failure(&["update"]);
        assert_eq!(
            (&failed["code"], &failed["class"]),
            (&"limit".into(), &"permanent".into()),
            "{failed}"
        );
        assert!(said(&failed).contains(words), "{failed}");
        assert!(failed["hint"].as_str().unwrap().contains(variable), "{failed}");
        assert_eq!(world.asked(), (0, 0));
    }
    let world = World::new();
    let repo = world.repo("many");
    repo.commit("main", &[world.large("a.bin", "1"), world.large("b.bin", "2")]);
    let mut world = world;
    world.home.env("MODSTORE_LFS_FILES", "1");
    let failed = world.failure(&["add", "--lfs", &world.source(&repo)]);
    assert!(said(&failed).contains("number of Git LFS files"), "{failed}");
}

#[test]
fn two_pointers_that_say_different_sizes_of_one_content_count_as_the_larger() {
    let mut world = World::new();
    let repo = world.repo("m");
    let content = vec![b'n'; 100_000];
    let small = pointer(&content).replace("size 100000", "size 1");
    world.lfs.put(&oid(&content), &content);
    repo.commit(
        "main",
        &[Change::write("a.bin", pointer(&content)), Change::write("b.bin", small)],
    );
    world.home.env("MODSTORE_LFS_SIZE", "50000");
    let failed = world.failure(&["add", "--lfs", &world.source(&repo)]);
    assert_eq!(failed["code"], "limit", "{failed}");
    assert_eq!(world.asked(), (0, 0));
}

#[test]
fn a_pointer_that_needs_a_program_is_refused() {
    let world = World::new();
    let repo = world.repo("m");
    let with_extension = format!(
        "version https://git-lfs.github.com/spec/v1\next-0-fold sha256:{0}\noid sha256:{0}\nsize 3\n",
        oid("one")
    );
    repo.commit("main", &[Change::write("a.bin", with_extension)]);
    let failed = world.failure(&["add", "--lfs", &world.source(&repo)]);
    assert!(said(&failed).contains("a.bin") && said(&failed).contains("fold"), "{failed}");
    assert_eq!(failed["code"], "source");
}

#[test]
fn a_failing_server_keeps_back_only_its_own_module() {
    let world = troubled();
    let (good, bad) = (world.repo("good"), LfsServer::start(None));
    good.commit("main", &[world.large("g.bin", "good")]);
    bad.fault(u64::MAX, LfsFault::Wrong);
    world.lfs.fault(1, LfsFault::Wrong);
    world.home.run(&["update"]).fails(1);
    world.add(&good);
    assert_eq!(world.read("good", "g.bin"), b"good");
}
