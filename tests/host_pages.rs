//! The pages of `docs/hosts/`, each followed from its first line in a clean home.
//!
//! `host_pages/follow.py` does it, so that a person can do the same with an installed program. Where a host's own program is not on this
//! machine, a stand-in is followed, which the page says; `tests/hosts.sh` installs what the registries have, and follows all pages.

#![expect(clippy::unwrap_used, reason = "helpers panic, and that is how a test fails")]

use std::{collections::BTreeSet, path::Path, process::Command};

use modstore_testbed::{Python, PythonTools, skip_loudly};

/// The pages that are followed, with the programs of the system that each needs.
const PAGES: [(&str, &[&str]); 13] = [
    ("README", &[]),
    ("tutorial", &[]),
    ("hosts", &[]),
    ("amplifier", &[]),
    ("ci", &[]),
    ("claude-code", &[]),
    ("comfyui", &[]),
    ("fleet", &[]),
    ("gemini-cli", &[]),
    ("llm", &[]),
    ("neovim", &["nvim", "cc"]),
    ("shell-plugins", &["zsh", "tmux"]),
    ("swamp", &["wget"]),
];

/// Those that are not in `docs/hosts/`.
const APART: [&str; 4] = ["README", "tutorial", "hosts", "fleet"];

fn follow(page: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let (_, needs) = PAGES.iter().find(|(name, _)| *name == page).unwrap();
    let places: Vec<_> = std::env::split_paths(&std::env::var_os("PATH").unwrap()).collect();
    for need in *needs {
        if !places.iter().any(|place| place.join(need).is_file()) {
            skip_loudly(&format!("there is no {need}"));
            return;
        }
    }
    let (Some(python), Some(_)) = (Python::any(), PythonTools::find()) else { return };
    let output = Command::new(python.executable)
        .arg(root.join("tests/host_pages/follow.py"))
        .arg(match page {
            "README" => root.join("README.md"),
            "tutorial" | "hosts" | "fleet" => root.join("docs").join(page).with_extension("md"),
            page => root.join("docs/hosts").join(page).with_extension("md"),
        })
        .args(["--program", env!("CARGO_BIN_EXE_modstore")])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_readme_can_be_typed_as_it_stands() {
    follow("README");
}

#[test]
fn the_tutorial_can_be_typed_as_it_stands() {
    follow("tutorial");
}

#[test]
fn each_call_of_the_page_for_hosts_prints_what_it_says() {
    follow("hosts");
}

#[test]
fn modules_of_amplifier() {
    follow("amplifier");
}

#[test]
fn custom_nodes_of_comfyui() {
    follow("comfyui");
}

#[test]
fn extensions_of_swamp() {
    follow("swamp");
}

#[test]
fn plain_ci_with_a_committed_lock() {
    follow("ci");
}

#[test]
fn plugins_of_claude_code() {
    follow("claude-code");
}

#[test]
fn extensions_of_the_gemini_cli() {
    follow("gemini-cli");
}

#[test]
fn plugins_of_llm() {
    follow("llm");
}

#[test]
fn plugins_of_neovim() {
    follow("neovim");
}

#[test]
fn plugins_of_zsh_and_tmux() {
    follow("shell-plugins");
}

#[test]
fn every_page_is_followed() {
    let pages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/hosts");
    let pages = std::fs::read_dir(pages).unwrap().map(|entry| entry.unwrap().path());
    let found: BTreeSet<String> =
        pages.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    let followed = PAGES.iter().map(|(page, _)| (*page).to_owned());
    assert_eq!(found, followed.filter(|page| !APART.contains(&page.as_str())).collect());
}

#[test]
fn a_fleet_on_an_object_store() {
    follow("fleet");
}
