//! The pages: every link between them leads somewhere.
//!
//! Limits: addresses of the network are not asked. What the pages say is tested by what they describe.

#![expect(clippy::unwrap_used, reason = "helpers panic, and that is how a test fails")]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// All pages of the repository.
fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = Vec::new();
    let mut places = vec![root.clone()];
    while let Some(place) = places.pop() {
        for entry in fs::read_dir(&place).unwrap().map(|entry| entry.unwrap()) {
            let name = entry.file_name().into_string().unwrap();
            if entry.file_type().unwrap().is_dir() {
                if !name.starts_with('.') && !["target", "dist", "node_modules"].contains(&&*name) {
                    places.push(entry.path());
                }
            } else if name.ends_with(".md") {
                found.push(entry.path());
            }
        }
    }
    assert!(found.len() > 60, "the pages are somewhere else");
    found
}

/// The headings of a page, as links name them.
fn anchors(page: &str) -> Vec<String> {
    let headings = page.lines().filter(|line| line.starts_with('#'));
    let anchor = |line: &str| {
        let text = line.trim_start_matches('#').trim().to_lowercase();
        let kept = text.chars().filter(|c| c.is_alphanumeric() || "-_ ".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(anchor).collect()
}

/// The targets of the links of a page, outside of code.
fn links(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut in_code = false;
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        for rest in line.split("](").skip(1) {
            found.push(rest.split([')', ' ']).next().unwrap().to_owned());
        }
    }
    found
}

#[test]
fn every_link_between_pages_leads_to_a_file_and_to_a_heading_of_it() {
    let mut faults = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for link in links(&text) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target =
                if path.is_empty() { page.clone() } else { page.parent().unwrap().join(path) };
            let leads = target.exists()
                && (anchor.is_empty()
                    || fs::read_to_string(&target)
                        .is_ok_and(|text| anchors(&text).iter().any(|each| each == anchor)));
            if !leads {
                faults.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(faults.is_empty(), "links that lead nowhere:\n{}", faults.join("\n"));
}

#[test]
fn a_link_in_code_is_none_and_an_anchor_is_made_as_forges_make_it() {
    assert_eq!(links("a [b](c.md#d) and [e](f)\n```\n[g](h)\n```\n"), ["c.md#d", "f"]);
    assert_eq!(
        anchors("# Where the time goes\n## `modules.toml`, and more"),
        ["where-the-time-goes", "modulestoml-and-more"]
    );
}

#[test]
fn the_costs_of_a_fleet_are_what_its_script_prints() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let ran = std::process::Command::new("python3").arg(docs.join("fleet.py")).output().unwrap();
    let printed = String::from_utf8(ran.stdout).unwrap();
    assert!(ran.status.success() && printed.lines().count() > 5, "{printed}");
    assert!(fs::read_to_string(docs.join("fleet.md")).unwrap().contains(&printed), "{printed}");
}
