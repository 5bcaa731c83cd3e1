//! The pages: every link between them leads somewhere.
//!
//! Limits: addresses of the network are not asked. What the pages say is tested by what they describe.

#![expect(clippy::unwrap_used, reason = "helpers panic, and that is how a test fails")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use modstore_core::model::{Declarations, read_tiers};

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
    let ran = Command::new("python3").arg(docs.join("fleet.py")).output().unwrap();
    let printed = String::from_utf8(ran.stdout).unwrap();
    assert!(ran.status.success() && printed.lines().count() > 5, "{printed}");
    assert!(fs::read_to_string(docs.join("fleet.md")).unwrap().contains(&printed), "{printed}");
}

/// The TOML blocks of a page, in their order.
fn examples(page: &str) -> Vec<&str> {
    page.split("```toml\n").skip(1).map(|rest| rest.split_once("```").unwrap().0).collect()
}

/// What a source file quotes where it lists the keys that a table may have.
fn known_keys(file: &str) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../store/core/src/model");
    let text = fs::read_to_string(root.join(file)).unwrap();
    let openings = [".only(&[", "KEYS: [&str;", "KEYS: [&'static str;"];
    let lists = openings.iter().flat_map(|opening| text.split(*opening).skip(1));
    let quoted =
        lists.flat_map(|rest| rest.split_once(';').unwrap().0.split('"').skip(1).step_by(2));
    quoted.map(str::to_owned).collect()
}

#[test]
fn the_reference_has_every_key_and_its_examples_are_accepted() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference.md");
    let page = fs::read_to_string(page).unwrap();
    let [modules, tiers] = examples(&page)[..] else { panic!("the examples are others") };
    let declared = Declarations::parse(modules, "/home".as_ref(), None).unwrap();
    assert_eq!((declared.modules.len(), read_tiers(tiers).unwrap().len()), (4, 1));
    let mut keys = known_keys("declarations.rs");
    keys.extend(["build_spec.rs", "tier_settings.rs"].into_iter().flat_map(known_keys));
    assert!(keys.len() > 20, "the keys are listed somewhere else: {keys:?}");
    let containers = ["modules", "build", "tier"];
    for key in keys.iter().filter(|key| !containers.contains(&key.as_str())) {
        assert!(page.contains(&format!("| `{key}` |")), "{key} has no row");
        let shown = [modules, tiers].join("\n");
        assert!(
            shown.lines().any(|line| line.starts_with(&format!("{key} ="))),
            "{key}: no example"
        );
    }
}

#[test]
fn the_reference_has_every_variable_that_the_help_names() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference.md");
    let page = fs::read_to_string(page).unwrap();
    let help = Command::new(env!("CARGO_BIN_EXE_modstore")).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let words = help.split(|c: char| !(c.is_ascii_uppercase() || c == '_'));
    let variables: Vec<_> = words.filter(|word| word.starts_with("MODSTORE_")).collect();
    assert!(variables.len() > 15, "{variables:?}");
    for variable in variables {
        assert!(page.contains(&format!("`{variable}")), "{variable} has no row");
    }
}
