//! Trees that no entry may have, and trees that are not all there is.

use modstore_testbed::Change;

use crate::day::{Day, Trouble};

const REFUSED: Trouble<'_> =
    Trouble { class: "permanent", stage: "fetch", words: &[], hint: "only the repository's owner" };

/// Publishes the tree, and lets the update name `path` and the rule it breaks.
#[track_caller]
fn refused(entries: &[(&str, &[u8], &str)], path: &str, rule: &str) {
    let day = Day::begun();
    let blob = day.troubled.blob(b"content\n");
    let outside = day.troubled.blob(b"../../outside");
    let absolute = day.troubled.blob(b"/etc/passwd");
    let inner = day.troubled.raw_tree(&[("100644", b"file", &blob)]);
    let link_out = day.troubled.raw_tree(&[("120000", b"out", &outside)]);
    let git = day.troubled.raw_tree(&[("40000", b".git", &inner)]);
    let entries: Vec<(&str, &[u8], &str)> = entries
        .iter()
        .map(|(mode, name, what)| {
            let id = match *what {
                "blob" => &blob,
                "tree" => &inner,
                "absolute" => &absolute,
                "link out" => &link_out,
                "has .git" => &git,
                _ => &outside,
            };
            (*mode, *name, id.as_str())
        })
        .collect();
    day.troubled.raw_tree_commit(&entries);
    day.fails(&Trouble { words: &["the tree is not accepted", path, rule], ..REFUSED });
    // The owner repairs it.
    day.troubled.branch("main", &day.served());
    day.publish(&day.troubled);
    day.is_sound_again();
}

#[test]
fn a_name_that_leads_up_is_refused() {
    refused(&[("40000", b"..", "tree")], "..", "the name is not allowed");
}

#[test]
fn a_name_with_a_slash_is_refused() {
    refused(&[("100644", b"a/b", "blob")], "a/b", "the name is not allowed");
}

#[test]
fn a_git_directory_is_refused_wherever_it_is_and_however_it_is_written() {
    refused(&[("40000", b".git", "tree")], ".git", "the name is not allowed");
    refused(&[("40000", b".GIT", "tree")], ".GIT", "the name is not allowed");
    refused(&[("40000", b"git~1", "tree")], "git~1", "the name is not allowed");
    refused(&[("40000", b"deep", "has .git")], "deep/.git", "the name is not allowed");
}

#[test]
fn an_absolute_link_is_refused() {
    refused(&[("120000", b"passwords", "absolute")], "passwords", "the link is absolute");
}

#[test]
fn a_link_that_leaves_the_tree_is_refused() {
    refused(&[("120000", b"up", "outside")], "up", "the link leaves the tree");
    refused(&[("40000", b"deep", "link out")], "deep/out", "the link leaves the tree");
}

#[test]
fn a_name_that_occurs_twice_is_refused() {
    let twice: [(&str, &[u8], &str); 2] =
        [("100644", b"same", "blob"), ("100644", b"same", "absolute")];
    refused(&twice, "same", "occurs twice");
}

#[test]
fn a_submodule_that_may_not_be_fetched_is_refused_by_name() {
    let day = Day::begun();
    let modules = "[submodule \"parts\"]\n\tpath = deep/parts\n\turl = file:///srv/parts\n";
    let changes =
        [Change::write(".gitmodules", modules), Change::gitlink("deep/parts", &"a".repeat(40))];
    day.troubled.commit("main", &changes);
    let trouble = Trouble {
        stage: "place",
        words: &["submodule `deep/parts`", "protocol `file`"],
        hint: "protocol.file.allow",
        ..REFUSED
    };
    day.fails(&trouble);
    day.troubled.commit("main", &[Change::delete("deep/parts"), Change::delete(".gitmodules")]);
    day.is_sound_again();
}

#[test]
fn a_submodule_beside_the_subdirectory_that_is_wanted_is_nobodys_trouble() {
    let day = Day::begun();
    day.troubled.commit("main", &[Change::gitlink("parts", &"a".repeat(40))]);
    day.from(&format!("git+{}#subdirectory=deep", day.server.url("troubled")));
    day.home.run(&["update"]).ok();
    assert!(day.home.target("troubled").join("lines").is_file());
}

#[test]
fn a_large_file_pointer_is_installed_and_reported_by_path() {
    let day = Day::begun();
    let pointer = |size: u32| {
        let oid = "0".repeat(64);
        format!("version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {size}\n")
    };
    let attributes = Change::write(".gitattributes", "*.bin filter=lfs\n");
    day.troubled.commit("main", &[attributes, Change::write("deep/model.bin", pointer(12345))]);
    let ran = day.succeeds();
    let warnings = ran.json()["warnings"].clone();
    assert_eq!(warnings[0]["module"], "troubled", "{ran:?}");
    assert!(
        warnings[0]["message"].as_str().unwrap().contains("deep/model.bin is a Git LFS pointer"),
        "{ran:?}"
    );
    day.troubled.commit("main", &[Change::write("deep/model.bin", pointer(1))]);
    let ran = day.home.run(&["update"]).ok();
    let said = ran
        .stderr
        .lines()
        .filter(|line| line.contains("deep/model.bin is a Git LFS pointer"))
        .count();
    assert_eq!(said, 1, "{ran:?}");
}
