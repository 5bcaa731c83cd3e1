//! `.gitattributes`: files stay as they were committed, and those that a checkout by git writes differently are named.

use std::collections::BTreeMap;

use modstore_testbed::{Change, Item, Repo, git, listing};

use crate::world::{World, is_settled};

/// Contents that git treats in different ways, by the beginning of a file's name.
const CONTENTS: [(&str, &[u8]); 7] = [
    ("lf", b"one\ntwo\n"),
    ("crlf", b"one\r\ntwo\r\n"),
    ("mixed", b"one\r\ntwo\n"),
    ("binary", b"one\0two\n"),
    ("empty", b""),
    ("id", b"x $Id$ y\n$Id: old $\n"),
    ("umlaut", "ü\n".as_bytes()),
];

/// A list in a directory of its own for each; the second part is one further up, or of the directory below.
const LISTS: [(&str, &str); 12] = [
    ("text", "* text eol=crlf\n"),
    ("auto", "* text=auto eol=crlf\n"),
    ("only", "* eol=crlf\n"),
    ("not", "* -text eol=crlf\n"),
    ("binary", "* binary eol=crlf\n"),
    ("old", "* crlf eol=crlf\n"),
    ("lf", "* text eol=lf\n"),
    ("ident", "* ident\n*.x -ident\n"),
    ("wide", "* working-tree-encoding=UTF-16LE-BOM\n"),
    ("narrow", "* working-tree-encoding=ISO-8859-1\n"),
    ("same", "* working-tree-encoding=UTF-8\n\"l f*\" text\n"),
    ("macro", "* win\n"),
];

fn filled(world: &World) -> Repo {
    let repo = world.repo("m");
    let mut changes = vec![Change::write(
        ".gitattributes",
        "[attr]win text eol=crlf\n/deep/**/*.x ident\n*.no !eol -ident !working-tree-encoding\n",
    )];
    for (directory, list) in LISTS {
        changes.push(Change::write(format!("{directory}/.gitattributes"), list));
        for (name, contents) in CONTENTS {
            changes.push(Change::write(format!("{directory}/{name}.x"), contents));
            changes.push(Change::write(format!("{directory}/below/{name}.y"), contents));
        }
    }
    let long = format!("* ident {}\n*.z ident\n", "x ".repeat(1100));
    changes.push(Change::write("long/.gitattributes", long));
    changes.extend(["y", "z"].map(|end| Change::write(format!("long/id.{end}"), "$Id$\n")));
    changes.push(Change::write("deep/a/b/.gitattributes", "*.y ident\n[attr]no ident\nz no\n"));
    changes.push(Change::symlink("deep/c/.gitattributes", "../../text/.gitattributes"));
    for path in ["deep/a/b/one.x", "deep/a/b/two.y", "deep/a/three.y", "deep/a/b/z", "deep/c/four"]
    {
        changes.push(Change::write(path, "$Id$\n"));
    }
    repo.commit("main", &changes);
    repo
}

/// The paths that a checkout by git has with other contents than the commit.
fn differing(repo: &Repo) -> Vec<String> {
    let place = tempfile::tempdir().expect("a temporary directory can be made");
    let to = place.path().join("clone");
    let output = git().args(["clone", "-q", &repo.url_file()]).arg(&to).output().expect("git runs");
    assert!(output.status.success(), "{output:?}");
    let checkout: BTreeMap<String, Item> = listing(&to);
    let committed = |path: &str| {
        let mut command = git();
        command.arg("-C").arg(&to).args(["cat-file", "blob", &format!("main:{path}")]);
        command.output().expect("git runs").stdout
    };
    let files = checkout.into_keys().filter(|path| to.join(path).is_file());
    files
        .filter(|path| !to.join(path).is_symlink())
        .filter(|path| std::fs::read(to.join(path)).expect("it is a file") != committed(path))
        .collect()
}

#[test]
fn each_file_that_a_checkout_by_git_writes_differently_is_named_and_no_other() {
    let world = World::new();
    let repo = filled(&world);
    let differing = differing(&repo);
    assert!(differing.len() > 40, "{differing:?}");
    let directories: Vec<&str> =
        LISTS.iter().map(|(directory, _)| *directory).chain(["deep", "long"]).collect();
    let home = world.home();
    let sources: Vec<String> = directories
        .iter()
        .map(|directory| format!("git+{}#subdirectory={directory}", world.http.url("m")))
        .collect();
    let declared: Vec<_> =
        directories.iter().copied().zip(sources.iter().map(String::as_str)).collect();
    home.declare(&declared);
    let said = home.run(&["update", "--json"]).ok().json()["warnings"].clone();
    let status = home.run(&["status", "--json"]).ok().json()["attributes"].clone();
    assert_eq!(said, status, "the state of the store says what the update said");
    for directory in directories {
        let within = |path: &&String| path.starts_with(&format!("{directory}/"));
        let expected: Vec<&String> = differing.iter().filter(within).collect();
        let of_module =
            said.as_array().expect("a list").iter().find(|it| it["module"] == directory);
        let message = of_module.map_or("", |it| it["message"].as_str().expect("a text"));
        assert_eq!(message.is_empty(), expected.is_empty(), "{directory}: {message} {expected:?}");
        let count = format!("write {} file", expected.len());
        assert!(
            expected.is_empty() || message.contains(&count),
            "{directory}: {message} {expected:?}"
        );
        for path in expected.iter().take(5) {
            assert!(message.contains(&format!("{path} (")), "{directory}: {message}");
        }
    }
    is_settled(&home);
}

#[test]
fn a_module_without_such_files_says_nothing_and_show_names_them_for_one_that_has_some() {
    let world = World::new();
    let repo = filled(&world);
    let home = world.home();
    let source = format!("git+{}", world.http.url("m"));
    let quiet = home.run(&["add", &format!("{source}#subdirectory=not"), "--json"]).ok();
    assert_eq!(quiet.json()["update"]["warnings"], serde_json::json!([]), "{quiet:?}");
    // The tree is in the store already, and what is said of it is said of each module.
    let ran = home.run(&["add", &format!("{source}#subdirectory=ident"), "--json"]).ok();
    let warning = ran.json()["update"]["warnings"][0].clone();
    let expected = "git attributes are not applied: `git checkout` would write 1 file differently, ident/below/id.y (ident)";
    assert_eq!(warning["message"], expected, "{ran:?}");
    assert_eq!(home.run(&["show", "ident", "--json"]).ok().json()["attributes"], expected);
    assert!(home.run(&["show", "ident"]).ok().stdout.contains(expected));
    assert!(home.run(&["status"]).ok().stdout.contains(expected));
    assert!(home.run(&["show", "not", "--json"]).ok().json()["attributes"].is_null(), "{repo:?}");
}

#[test]
fn lists_that_would_cost_too_much_are_reported_and_not_applied_to_each_file() {
    let words = "there are too many of them to see which files";
    let world = World::new();
    let pattern = "*.z ident\n";
    for (name, length, files) in [("long", (1 << 20) + 100, 1), ("many", 250_000, 2_100)] {
        let repo = world.repo(name);
        let mut changes =
            vec![Change::write(".gitattributes", pattern.repeat(length / pattern.len()))];
        changes.extend((0..files).map(|number| Change::write(format!("{number}.z"), "$Id$\n")));
        repo.commit("main", &changes);
        let ran =
            world.home().run(&["add", &format!("git+{}", world.http.url(name)), "--json"]).ok();
        let message = ran.json()["update"]["warnings"][0]["message"].to_string();
        assert!(message.contains(words), "{name}: {message}");
    }
}
