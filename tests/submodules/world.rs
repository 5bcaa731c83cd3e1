//! Repositories with submodules, a server in front of them, and git beside modstore.

use std::collections::BTreeMap;
use std::path::Path;

use modstore_testbed::{Change, HttpServer, Item, Ran, Repo, Running, TestHome, listing};
use serde_json::Value;

pub(crate) struct World {
    pub(crate) http: HttpServer,
    pub(crate) home: TestHome,
    root: tempfile::TempDir,
}

/// What a repository says of one of its submodules: path, url and commit.
pub(crate) type Part<'a> = (&'a str, &'a str, &'a str);

impl World {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().expect("a temporary directory can be made");
        let http = HttpServer::start(root.path());
        Self { http, home: TestHome::new(env!("CARGO_BIN_EXE_modstore")), root }
    }

    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    /// A repository of one file, whose commits anyone may ask for, and its commit.
    pub(crate) fn part(&self, name: &str) -> (Repo, String) {
        let repo = Repo::create(self.root.path(), name);
        repo.config("uploadpack.allowAnySHA1InWant", "true");
        let commit = repo.write(&[("name", name), ("deep/lines", "one\ntwo\n")]);
        (repo, commit)
    }

    pub(crate) fn source(&self, name: &str) -> String {
        format!("git+{}", self.http.url(name))
    }

    /// What git clones from the server, without its own files; its error where it fails.
    pub(crate) fn git_clone(&self, url: &str) -> Result<BTreeMap<String, Item>, String> {
        let into = tempfile::tempdir().expect("a temporary directory can be made");
        let to = into.path().join("clone");
        let to_text = to.display().to_string();
        let args =
            ["clone", "--quiet", "--recurse-submodules", "--depth", "1", url, to_text.as_str()];
        let ran = Running::start(self.home.command_of("git".as_ref(), &args)).wait();
        if ran.status != 0 {
            return Err(ran.stderr);
        }
        Ok(files(&to))
    }

    /// Asserts that the module has what git clones.
    #[track_caller]
    pub(crate) fn is_as_git(&self, module: &str, url: &str) {
        let cloned = self.git_clone(url).unwrap_or_else(|error| panic!("git: {error}"));
        assert_eq!(files(&self.home.target(module)), cloned);
    }

    #[track_caller]
    pub(crate) fn add(&self, name: &str) -> Ran {
        self.home.run(&["add", &self.source(name), "--json"])
    }

    /// How often each repository was listed, and how often a pack of it was sent.
    pub(crate) fn asked(&self) -> BTreeMap<String, (usize, usize)> {
        let mut asked: BTreeMap<String, (usize, usize)> = BTreeMap::new();
        for seen in self.http.stats().requests {
            let (listed, fetched) = asked.entry(seen.repo).or_default();
            let wants = seen.body_start.windows(5).any(|bytes| bytes == b"want ");
            *(if wants { fetched } else { listed }) += 1;
        }
        asked
    }
}

/// The files and links below a directory. Directories do not count: git makes an empty one for a submodule that it
/// leaves out.
pub(crate) fn files(dir: &Path) -> BTreeMap<String, Item> {
    let mut found = listing(dir);
    found.retain(|path, item| *item != Item::Dir && !path.split('/').any(|name| name == ".git"));
    found
}

/// What `.gitmodules` says of these, called by their paths.
pub(crate) fn gitmodules(parts: &[Part<'_>]) -> String {
    let section = |(path, url, _): &Part<'_>| {
        format!("[submodule \"{path}\"]\n\tpath = {path}\n\turl = {url}\n")
    };
    parts.iter().map(section).collect()
}

/// Commits submodules on `main`.
pub(crate) fn commit_parts(repo: &Repo, parts: &[Part<'_>]) -> String {
    let mut changes = vec![Change::write(".gitmodules", gitmodules(parts))];
    changes.extend(parts.iter().map(|(path, _, commit)| Change::gitlink(path, commit)));
    repo.commit("main", &changes)
}

/// The one failed module of a report.
#[track_caller]
pub(crate) fn failed(ran: &Ran) -> Value {
    let report = ran.json();
    let report = if report["update"].is_object() { report["update"].clone() } else { report };
    let failed = report["failed"].as_array().unwrap_or_else(|| panic!("nothing failed: {ran:?}"));
    assert_eq!(failed.len(), 1, "{ran:?}");
    failed[0].clone()
}
