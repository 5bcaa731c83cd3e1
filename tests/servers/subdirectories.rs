//! `#subdirectory=` that is a link inside the repository, or a single file: as a checkout of git has it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use modstore_testbed::{Change, Item, Repo};

use crate::world::{World, is_settled};

fn monorepo(world: &World) -> Repo {
    let repo = world.repo("m");
    repo.commit(
        "main",
        &[
            Change::write("packages/clock/main.py", "one = 1\n"),
            Change::write("packages/clock/src/inner.py", "kept\n"),
            Change::symlink("plugins/clock", "../packages/clock"),
            Change::symlink("again", "plugins/clock"),
            Change::symlink("all", "packages"),
            Change::symlink("tool.py", "all/clock/main.py"),
            Change::symlink("lost", "packages/clok"),
        ],
    );
    repo
}

/// The files of `rev` below a directory without links on the way.
fn below(repo: &Repo, rev: &str, directory: &str) -> BTreeMap<String, Item> {
    let prefix = format!("{directory}/");
    let whole = repo.tree(rev).into_iter();
    whole.filter_map(|(path, item)| Some((path.strip_prefix(&prefix)?.to_owned(), item))).collect()
}

/// Each way to the directory, and to the file in it.
const DIRECTORIES: [&str; 4] = ["packages/clock", "plugins/clock", "again", "all/clock"];
const FILES: [&str; 3] = ["packages/clock/main.py", "again/main.py", "tool.py"];

#[test]
fn a_link_is_the_directory_or_file_that_it_leads_to_at_every_server_and_is_updated_as_that() {
    let world = World::new();
    let repo = monorepo(&world);
    for source in world.sources(&repo) {
        let home = world.home();
        let names: Vec<String> = (0..7).map(|number| format!("m{number}")).collect();
        let ways = DIRECTORIES.iter().chain(&FILES);
        let sources: Vec<String> = ways.map(|way| format!("{source}#subdirectory={way}")).collect();
        let declared: Vec<(&str, &str)> =
            names.iter().map(String::as_str).zip(sources.iter().map(String::as_str)).collect();
        home.declare(&declared);
        for text in ["two = 2\n", "three = 3\n"] {
            repo.write(&[("packages/clock/main.py", text)]);
            let ran = home.run(&["update", "--json"]).ok();
            for updated in ran.json()["updated"]
                .as_array()
                .expect("a list")
                .iter()
                .filter(|it| !it["from"].is_null())
            {
                assert_eq!(updated["files_changed"], 1, "{ran:?}");
            }
            for name in names.iter().take(DIRECTORIES.len()) {
                let target = home.target(name).canonicalize().expect("the link leads somewhere");
                assert_eq!(
                    modstore_testbed::listing(&target),
                    below(&repo, "main", "packages/clock"),
                    "{source} {name}"
                );
            }
            for name in names.iter().skip(DIRECTORIES.len()) {
                assert_eq!(
                    fs::read_to_string(home.target(name)).ok().as_deref(),
                    Some(text),
                    "{source} {name}"
                );
            }
        }
        is_settled(&home);
        home.run(&["verify"]).ok();
    }
}

#[test]
fn a_damaged_file_behind_a_link_is_found_and_repaired() {
    let world = World::new();
    let repo = monorepo(&world);
    let home = world.home();
    home.run(&["add", &format!("git+{}#subdirectory=tool.py", world.http.url("m")), "--name", "m"])
        .ok();
    let shown = home.run(&["show", "m", "--json"]).ok().json();
    assert_eq!(shown["current"]["subdirectory"], "tool.py");
    let file = home.target("m").canonicalize().expect("the link leads somewhere");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("the file is ours");
    fs::write(&file, "rot").expect("the file is ours");
    home.run(&["verify"]).fails(4);
    home.run(&["verify", "--repair"]);
    home.run(&["verify"]).ok();
    assert_eq!(fs::read_to_string(home.target("m")).ok().as_deref(), Some("one = 1\n"), "{repo:?}");
}

#[test]
fn a_link_that_leads_nowhere_is_named_and_the_module_keeps_its_version() {
    let world = World::new();
    let repo = monorepo(&world);
    let home = world.home();
    let source = format!("git+{}", world.http.url("m"));
    for (way, words) in [
        ("lost", "`lost` is a link to `packages/clok`, which is not in the tree"),
        ("lost/x", "`lost` is a link to `packages/clok`, which is not in the tree"),
        ("tool.py/x", "there is no directory `tool.py/x`"),
        ("packages/clock/main.py/x", "there is no directory"),
    ] {
        let ran =
            home.run(&["add", &format!("{source}#subdirectory={way}"), "--name", "x"]).fails(1);
        assert!(ran.stderr.contains(words) && ran.stderr.contains("permanent"), "{way}: {ran:?}");
    }
    home.run(&["add", &format!("{source}#subdirectory=again"), "--name", "m"]).ok();
    repo.commit("main", &[Change::symlink("plugins/clock", "../packages/gone")]);
    let ran = home.run(&["update"]).fails(1);
    assert!(ran.stderr.contains("`plugins/clock` is a link to `../packages/gone`"), "{ran:?}");
    assert!(home.target("m").join("main.py").is_file(), "{ran:?}");
    repo.commit("main", &[Change::symlink("plugins/clock", "../packages/clock/src")]);
    home.run(&["update"]).ok();
    assert!(home.target("m").join("inner.py").is_file());
}

#[test]
fn a_build_takes_the_directory_behind_a_link_and_no_single_file() {
    let world = World::new();
    monorepo(&world);
    let home = world.home();
    let declare = |way: &str| {
        let url = world.http.url("m");
        home.write_modules(&format!(
            "[modules.m]\nsource = \"git+{url}#subdirectory={way}\"\n[modules.m.build]\ncommand = [\"sh\", \"-c\", \"cat main.py > built\"]\n"
        ));
        home.run(&["allow", "m"]).ok();
    };
    declare("again");
    home.run(&["update"]).ok();
    assert_eq!(
        fs::read_to_string(home.target("m").join("built")).ok().as_deref(),
        Some("one = 1\n")
    );
    declare("tool.py");
    let ran = home.run(&["update"]).fails(1);
    assert!(ran.stderr.contains("only a directory can be built"), "{ran:?}");
}
