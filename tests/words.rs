//! The words that our prose does not use: in the pages, in `--help`, in comments, in texts of programs and in the names
//! of tests. The list is `tests/words.txt`.
//!
//! `MODSTORE_WORDS=store/fetch cargo nextest run -p modstore-cli --test words` checks what lies below that path instead,
//! whether or not it is in [`CLEAN`]; `MODSTORE_WORDS=help` checks only what `--help` prints, `.` everything.
//!
//! Limits: finds words and short phrases, not long sentences or hidden subjects. Names in code are not prose.

#![expect(clippy::unwrap_used, reason = "helpers panic, and that is how a test fails")]

#[path = "words/list.rs"]
mod list;
#[path = "words/prose.rs"]
mod prose;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use list::List;

/// The areas that are clean and must stay clean: files and directories, by their path below the repository's root.
///
/// Still to come: the rest of `store/core`, `tests` and `benches`.
const CLEAN: &[&str] = &[
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "CHANGELOG.md",
    "docs/architecture.md",
    "docs/comparison.md",
    "docs/concurrency.md",
    "docs/doctor.md",
    "docs/failures.md",
    "docs/format.md",
    "docs/hosts.md",
    "docs/hosts",
    "docs/json.md",
    "docs/performance.md",
    "docs/python.md",
    "docs/security.md",
    "docs/reliability.md",
    "docs/troubleshooting.md",
    "docs/verify.md",
    "docs/decisions",
    "help",
    "cli",
    "store/core/src/model",
    "store/fetch",
    "store/modstore",
    "store/python",
    "store/doctor",
    "store/tier",
];

/// The first decision that is held to the list. Older ones are history, and are amended, not rewritten.
const FIRST_PLAIN_DECISION: &str = "0047";

/// The area that is no path: the help of every command.
const HELP: &str = "help";

#[test]
fn our_prose_uses_no_word_of_the_list() {
    let list = List::parse(&read("tests/words.txt"));
    let asked = std::env::var("MODSTORE_WORDS").ok();
    let areas = asked.as_deref().map_or(CLEAN.to_vec(), |area| vec![area.trim_end_matches('/')]);
    let faults: Vec<String> = areas.iter().flat_map(|area| faults_in(area, &list)).collect();
    assert!(faults.is_empty(), "{} to write otherwise:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn every_word_of_the_list_has_a_better_one_and_a_reason() {
    let list = List::parse(&read("tests/words.txt"));
    assert!(list.len() > 20, "the list is somewhere else");
    // The list itself has every phrase that it forbids, so it is found by itself.
    assert_eq!(found_in("It is no\nmore, and made anew."), ["1: no more", "2: anew"]);
}

#[test]
fn a_phrase_is_found_across_lines_and_not_across_code_or_paragraphs() {
    assert_eq!(found_in("it cannot\nbe had."), ["2: be had"]);
    assert_eq!(found_in("it cannot be\n\nhad."), [""; 0]);
    assert_eq!(found_in("`is told` and be `x` had, no more than two, as shown below"), [""; 0]);
    assert_eq!(found_in("```sh\nmodstore anew   # once anew\n```\n"), ["2: anew"]);
}

#[test]
fn of_a_source_comments_texts_and_names_of_tests_are_read() {
    let source = "/// It is\n/// told.\nlet told = \"told\"; // anew\nlet x = 'a'; f(\"it is\\\n told: {told}\");\n";
    let list = List::parse(&read("tests/words.txt"));
    let found = list.find(&prose::of_rust(source));
    assert_eq!(said(found), ["2: told", "3: anew", "5: told"]);
    let found =
        list.find(&prose::of_rust("fn what_is_declared_no_more_goes() { r#\"a \"told\" b\"#; }\n"));
    assert_eq!(said(found), ["1: declared no more", "1: told"]);
}

fn found_in(markdown: &str) -> Vec<String> {
    let list = List::parse(&read("tests/words.txt"));
    said(list.find(&prose::of_markdown(markdown)))
}

fn said(found: Vec<list::Found<'_>>) -> Vec<String> {
    found.into_iter().map(|it| format!("{}: {}", it.line, it.phrase)).collect()
}

/// Every use of a listed word in an area, as `path:line: word (instead)`.
fn faults_in(area: &str, list: &List) -> Vec<String> {
    let texts = if area == HELP { help() } else { texts_below(area) };
    assert!(!texts.is_empty(), "nothing to read in {area}");
    let mut faults = Vec::new();
    for (name, prose) in texts {
        for it in list.find(&prose) {
            faults.push(format!("{name}:{}: \"{}\": write: {}", it.line, it.phrase, it.instead));
        }
    }
    faults
}

/// The prose of every file at or below a path, by the file's name below the root.
fn texts_below(area: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open = vec![root().join(area)];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            let children = fs::read_dir(&path).unwrap().map(|child| child.unwrap().path());
            open.extend(children.filter(|child| !is_left_out(child)));
        } else if let Some(prose) = prose_of(&path) {
            found.push((below_root(&path), prose));
        }
    }
    found.sort();
    found
}

fn prose_of(path: &Path) -> Option<String> {
    let text = || fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    match path.extension()?.to_str()? {
        "md" if path.ends_with("CHANGELOG.md") => Some(prose::of_markdown(newest_section(&text()))),
        "md" => Some(prose::of_markdown(&text())),
        "rs" => Some(prose::of_rust(&text())),
        _ => None,
    }
}

/// Builds, old decisions, and this test, which has to name the words.
fn is_left_out(path: &Path) -> bool {
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    let is_old_decision = path.parent().is_some_and(|parent| parent.ends_with("docs/decisions"))
        && name.as_str() < FIRST_PLAIN_DECISION;
    name.starts_with('.')
        || ["target", "words", "words.rs"].contains(&name.as_str())
        || is_old_decision
}

/// The changelog up to its second version: what was released stays as it was written.
fn newest_section(changelog: &str) -> &str {
    let second = changelog.match_indices("\n## ").nth(1).map(|(at, _)| at);
    &changelog[..second.unwrap_or(changelog.len())]
}

/// What `--help` prints, of every command and of theirs.
fn help() -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open = vec![Vec::new()];
    while let Some(command) = open.pop() {
        let printed = Command::new(env!("CARGO_BIN_EXE_modstore"))
            .args(&command)
            .arg("--help")
            .output()
            .unwrap();
        let text = String::from_utf8(printed.stdout).unwrap();
        for child in commands_in(&text) {
            open.push(command.iter().cloned().chain([child]).collect());
        }
        let name = format!("modstore {} --help", command.join(" "));
        found.push((name, prose::of_markdown(&text)));
    }
    found
}

/// The first words below "Commands:".
fn commands_in(help: &str) -> Vec<String> {
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    listed
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
        .filter(|word| !word.is_empty() && *word != "help")
        .map(str::to_owned)
        .collect()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn below_root(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().display().to_string()
}
