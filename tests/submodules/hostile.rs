//! What a hostile repository may write of its submodules. Nothing outside the store is written or run, no server is asked
//! for what is refused, and a limit ends each attempt to cost more than it may.

use modstore_testbed::{Change, Repo};

use crate::world::{World, commit_parts, failed, gitmodules};

/// Adds a module whose `.gitmodules` says this of the submodule at `x`, which cannot be had.
fn told(world: &World, text: &str) -> serde_json::Value {
    let (_, x) = world.part("x");
    let (parent, _) = world.part("parent");
    parent.commit("main", &[Change::write(".gitmodules", text), Change::gitlink("x", &x)]);
    world.http.forget();
    let ran = world.add("parent").fails(1);
    assert!(!world.home.target("parent").exists());
    assert_eq!(world.asked().len(), 1, "only the parent is asked: {:?}", world.asked());
    failed(&ran)
}

#[test]
fn what_leaves_the_tree_or_names_a_program_is_refused_before_a_server_is_asked() {
    for (text, words) in [
        ("[submodule \"x\"]\npath = ../x\nurl = ../x.git\n", "is refused"),
        ("[submodule \"x\"]\npath = .git/modules\nurl = ../x.git\n", "is refused"),
        ("[submodule \"x\"]\npath = a/.Git/x\nurl = ../x.git\n", "is refused"),
        ("[submodule \"x\"]\npath = /tmp/x\nurl = ../x.git\n", "absolute"),
        ("[submodule \"../../x\"]\npath = x\nurl = ../x.git\n", "not the name"),
        ("[submodule \"-x\"]\npath = x\nurl = ../x.git\n", "not the name"),
        ("[submodule \"x\"]\npath = x\nurl = --upload-pack=touch\n", "not the url"),
        ("[submodule \"x\"]\npath = x\nurl = ext::sh -c true\n", "protocol `ext`"),
        ("[submodule \"x\"]\npath = x\nurl = file:///etc\n", "protocol `file`"),
        ("[submodule \"x\"]\npath = x\nurl = /etc\n", "protocol `file`"),
        ("[submodule \"x\"]\npath = x\nurl = ssh://-oProxyCommand=true/x\n", "not the url"),
        ("[submodule \"x\"]\npath = x\nurl = \"../x\\n.git\"\n", "not the url"),
        ("[submodule \"x\"]\npath = x\nurl = ../x.git\nupdate = !true\n", "not allowed"),
        ("[submodule \"x\"]\npath = x\n", "no url"),
        ("[submodule \"x\npath = x\n", "cannot be read"),
    ] {
        let world = World::new();
        let failed = told(&world, text);
        let all = format!("{} {}", failed["message"], failed["causes"]);
        assert!(all.contains(words), "{text}: {failed:#}");
        assert_eq!(
            (&failed["code"], &failed["class"]),
            (&"submodule".into(), &"permanent".into()),
            "{text}"
        );
    }
}

#[test]
fn a_link_on_the_way_to_a_submodule_is_refused() {
    let world = World::new();
    let (_, x) = world.part("x");
    let (parent, _) = world.part("parent");
    let text = gitmodules(&[("way/x", "../x.git", ""), ("y", "../x.git", "")]);
    let changes = [
        Change::write(".gitmodules", text),
        Change::symlink("way", "deep"),
        Change::gitlink("y", &x),
    ];
    parent.commit("main", &changes);
    let failed = failed(&world.add("parent").fails(1));
    assert!(failed["message"].as_str().unwrap().contains("symbolic link"), "{failed:#}");
}

#[test]
fn a_link_that_leaves_by_way_of_a_submodules_link_is_refused() {
    let world = World::new();
    let x = Repo::create(world.root(), "x");
    x.config("uploadpack.allowAnySHA1InWant", "true");
    let commit = x.commit("main", &[Change::symlink("here", "."), Change::write("a", "")]);
    let (parent, _) = world.part("parent");
    commit_parts(&parent, &[("x", "../x.git", &commit)]);
    parent.commit("main", &[Change::symlink("out", "x/here/../..")]);
    let failed = failed(&world.add("parent").fails(1));
    assert_eq!(failed["code"], "refused-tree", "{failed:#}");
}

#[test]
fn a_submodules_tree_is_held_to_the_rules_of_any_tree() {
    let world = World::new();
    let x = Repo::create(world.root(), "x");
    x.config("uploadpack.allowAnySHA1InWant", "true");
    let blob = x.blob(b"evil");
    let hooks = x.raw_tree(&[("100755", b"post-checkout", &blob)]);
    let commit = x.raw_tree_commit(&[("40000", b".git", &hooks)]);
    let (parent, _) = world.part("parent");
    commit_parts(&parent, &[("x", "../x.git", &commit)]);
    let failed = failed(&world.add("parent").fails(1));
    assert_eq!(failed["code"], "refused-tree", "{failed:#}");
    assert!(failed["message"].as_str().unwrap().contains("submodule `x`"), "{failed:#}");
}

#[test]
fn a_list_over_the_limit_is_refused() {
    let world = World::new();
    let text = format!("{}[submodule \"x\"]\npath = x\nurl = ../x.git\n", "# a\n".repeat(1 << 18));
    let failed = told(&world, &text);
    assert_eq!(failed["code"], "limit", "{failed:#}");
}

#[test]
fn more_submodules_than_the_limit_are_refused() {
    let world = World::new();
    let (_, x) = world.part("x");
    let (parent, _) = world.part("parent");
    let paths: Vec<String> = (0..1001).map(|number| format!("m/{number}")).collect();
    let parts: Vec<_> = paths.iter().map(|path| (path.as_str(), "../x.git", x.as_str())).collect();
    commit_parts(&parent, &parts);
    let failed = failed(&world.add("parent").fails(1));
    assert_eq!(failed["code"], "limit", "{failed:#}");
    assert!(failed["message"].as_str().unwrap().contains("1000"), "{failed:#}");
}

#[test]
fn submodules_in_submodules_end_at_the_limit() {
    let world = World::new();
    let (chain, mut commit) = world.part("chain");
    for _ in 0..22 {
        commit = commit_parts(&chain, &[("again", "../chain.git", &commit)]);
    }
    let failed = failed(&world.add("chain").fails(1));
    assert_eq!(failed["code"], "limit", "{failed:#}");
    assert!(failed["message"].as_str().unwrap().contains("deeper than 20"), "{failed:#}");
}
