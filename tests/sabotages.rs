//! The planted faults of `tests/sabotages/` fit: each can be planted, and the test it names is there. Whether
//! that test notices takes a build for each; `cargo run -p modstore-testbed --bin sabotage` does it.

#![expect(clippy::unwrap_used, reason = "helpers panic, and that is how a test fails")]

use std::{collections::BTreeSet, fs, path::PathBuf};

use modstore_testbed::sabotage::{Sabotage, repository};

#[test]
fn every_planted_fault_still_fits_its_place() {
    let all = Sabotage::all();
    assert!(all.len() >= 12, "{} sabotages", all.len());
    for sabotage in all {
        let source = fs::read_to_string(repository().join(&sabotage.file)).unwrap();
        let planted = sabotage.plant(&source);
        assert!(planted.is_some(), "{}: {} has changed", sabotage.name, sabotage.file.display());
        assert_ne!(planted.as_ref(), Some(&source), "{} changes nothing", sabotage.name);
    }
}

#[test]
fn every_planted_fault_names_a_test_there_is() {
    let tests = tests();
    for sabotage in Sabotage::all() {
        let function = sabotage.test.rsplit("::").next().unwrap();
        assert!(tests.contains(function), "{} names {function}", sabotage.name);
    }
}

#[test]
fn the_page_about_reliability_lists_every_planted_fault() {
    let path = repository().join("docs/reliability.md");
    let page = fs::read_to_string(&path).unwrap();
    let is_row = |line: &&str| line.starts_with("| `") && line.ends_with("`) |");
    let rows: Vec<String> = Sabotage::all().iter().map(row).collect();
    let listed: Vec<&str> = page.lines().filter(is_row).collect();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let (before, rest) = page.split_once(TABLE).unwrap();
        let (_, after) = rest.split_once("\n\n").unwrap();
        fs::write(&path, format!("{before}{TABLE}{}\n\n{after}", rows.join("\n"))).unwrap();
    } else {
        assert_eq!(listed, rows, "UPDATE_GOLDEN=1 rewrites the table");
    }
}

/// The head of the table of planted faults.
const TABLE: &str = "| planted | the law it breaks | the test that fails |\n|---|---|---|\n";

/// A planted fault as a row of that table.
fn row(sabotage: &Sabotage) -> String {
    let test = sabotage.test.rsplit("::").next().unwrap().replace('_', " ");
    let binary = sabotage.binary.rsplit("::").next().unwrap();
    format!("| `{}` | {} | {test} (`{binary}`) |", sabotage.name, sabotage.law)
}

/// The names of all functions in all source files.
fn tests() -> BTreeSet<String> {
    let mut open: Vec<PathBuf> =
        ["store", "cli/src", "tests"].map(|directory| repository().join(directory)).to_vec();
    let mut names = BTreeSet::new();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(path).unwrap().map(|child| child.unwrap().path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(path).unwrap();
            let functions = text.lines().filter_map(|line| line.trim_start().strip_prefix("fn "));
            names.extend(functions.filter_map(|line| Some(line.split_once('(')?.0.to_owned())));
        }
    }
    names
}
