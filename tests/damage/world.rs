//! A store that has one of everything, and copies of it to damage.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use modstore_testbed::{Change, Ran, Repo, TestHome};
use serde_json::Value;

use super::BINARY;

/// A store, and the repository that two of its modules come from.
pub(super) struct World {
    pub(super) home: TestHome,
    pub(super) repo: Repo,
}

impl World {
    /// Four generations, three entries, two of them current; a file, a program, a link, a directory; a part of a
    /// repository, a module that keeps something and a linked module.
    pub(super) fn new() -> Self {
        let home = TestHome::in_memory(BINARY);
        let repo = Repo::create(&home.scratch(), "tool");
        repo.commit(
            "main",
            &[
                Change::write("readme", "the first tool\n"),
                Change::write("modules/part/lib.txt", "part of it\n"),
                Change::write("modules-and-more", "before modules/ in byte order\n"),
                Change::exec("run", "#!/bin/sh\necho run\n"),
                Change::symlink("link", "modules/part/lib.txt"),
            ],
        );
        let world = Self { home, repo };
        let own = world.home.scratch().join("own");
        fs::create_dir(&own).unwrap();
        let part = format!("{}#subdirectory=modules/part", world.source());
        world.home.run(&["add", &world.source()]).ok();
        world.repo.commit("main", &[Change::write("readme", "the second tool\n")]);
        world.home.run(&["update"]).ok();
        let declared = world.home.path().join("modules.toml");
        let declared = (fs::read_to_string(&declared).unwrap(), declared);
        // The list is so long that the middle of the file is in it: half of the file is no file.
        let keep = "    \"modules/**\",\n".repeat(32);
        let source = world.source();
        let also = format!(
            "\n[modules.keeper]\nsource = {source:?}\nkeep = [\n{keep}]\n\n[modules.part]\nsource = {part:?}\n"
        );
        fs::write(&declared.1, declared.0 + &also).unwrap();
        world.home.run(&["update"]).ok();
        world.home.run(&["link", "mine", own.to_str().unwrap()]).ok();
        world
    }

    pub(super) fn source(&self) -> String {
        format!("git+{}", self.repo.url_file())
    }

    /// A copy of the store, links between its files and times included, in a place of its own.
    pub(super) fn copy(&self) -> TestHome {
        let copy = TestHome::in_memory(BINARY);
        let done = Command::new("cp").arg("-a").args([self.home.path(), copy.path()]).status();
        assert!(done.unwrap().success());
        copy
    }

    /// Every path in the store, itself left out.
    pub(super) fn paths(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        walk(self.home.path(), Path::new(""), &mut found);
        found.sort();
        found
    }

    /// The digest of the entry that `tool` is in `generation`.
    pub(super) fn digest(&self, generation: u64) -> String {
        let link = self.home.path().join(format!("generations/{generation}/tool"));
        fs::read_link(link).unwrap().file_name().unwrap().to_str().unwrap().to_owned()
    }

    /// Whether every current module from git is what git has, if there is a current generation.
    #[track_caller]
    pub(super) fn assert_serves_what_git_has(&self, home: &TestHome, when: &str) {
        let listed = home.run(&["list", "--json"]);
        if listed.status != 0 {
            return;
        }
        for module in listed.json()["modules"].as_array().unwrap() {
            let (name, served) = (module["module"].as_str().unwrap(), &module["current"]);
            let Some(revision) = served["revision"].as_str() else { continue };
            // In its tree a link leads into its state.
            if !served["kept"].is_null() {
                continue;
            }
            let below = served["subdirectory"].as_str();
            let git = self.repo.tree(
                &below.map_or_else(|| revision.to_owned(), |below| format!("{revision}:{below}")),
            );
            assert_eq!(home.tree(name), git, "{when}: {name}");
        }
    }
}

fn walk(root: &Path, at: &Path, found: &mut Vec<PathBuf>) {
    for child in fs::read_dir(root.join(at)).unwrap() {
        let child = child.unwrap();
        let path = at.join(child.file_name());
        if child.file_type().unwrap().is_dir() {
            walk(root, &path, found);
        }
        found.push(path);
    }
}

/// What `verify` found.
pub(super) struct Verified {
    pub(super) ran: Ran,
    pub(super) json: Value,
}

impl Verified {
    pub(super) fn of(home: &TestHome, options: &[&str]) -> Self {
        let ran = home.run(&[&["verify", "--json"], options].concat());
        assert!(!ran.stderr.contains("panicked"), "{ran:?}");
        let json = ran.json();
        Self { ran, json }
    }

    pub(super) fn is_sound(&self) -> bool {
        self.json["sound"].as_bool().unwrap()
    }

    /// Each finding's code and path below the home; the file system the test runs on left out.
    pub(super) fn findings(&self) -> Vec<(String, String)> {
        let home = self.json["home"].as_str().unwrap();
        let findings = self.json["findings"].as_array().unwrap().iter().map(|finding| {
            let path = finding["path"].as_str().unwrap();
            let path = path.strip_prefix(home).unwrap_or(path).trim_start_matches('/');
            (finding["code"].as_str().unwrap().to_owned(), path.to_owned())
        });
        findings.filter(|(code, _)| !code.starts_with("file-system")).collect()
    }

    pub(super) fn codes(&self) -> Vec<String> {
        let mut codes: Vec<String> = self.findings().into_iter().map(|(code, _)| code).collect();
        codes.dedup();
        codes
    }

    pub(super) fn has(&self, code: &str, path: &str) -> bool {
        self.findings().iter().any(|(found, at)| found == code && at == path)
    }
}
