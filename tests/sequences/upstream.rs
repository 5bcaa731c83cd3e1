//! The repositories and directories that modules come from, made once for all cases.
//!
//! All commits are made at the start; publishing writes one ref, so that a step costs no git process of its own.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use modstore_testbed::{Change, Item, Repo};

/// How many repositories there are.
pub(crate) const REPOS: usize = 2;
/// How many commits each of them has.
pub(crate) const COMMITS: usize = 4;
/// How many directories can be linked. The last of them is not there.
pub(crate) const DIRECTORIES: usize = 3;

/// Everything that is outside of the store.
pub(crate) struct Upstream {
    place: tempfile::TempDir,
    repos: Vec<Pool>,
}

/// A repository, and what each of its commits looks like.
struct Pool {
    repo: Repo,
    commits: Vec<String>,
    trees: Vec<BTreeMap<String, Item>>,
}

impl Upstream {
    pub(crate) fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let place = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let place = tempfile::tempdir_in(place).unwrap();
        for directory in 0..DIRECTORIES - 1 {
            let path = place.path().join(format!("live{directory}"));
            fs::create_dir(&path).unwrap();
            fs::write(path.join("file"), format!("live {directory}")).unwrap();
        }
        let repos = (0..REPOS).map(|number| pool(place.path(), number)).collect();
        Self { place, repos }
    }

    /// Where homes of stores can be made.
    pub(crate) fn place(&self) -> &Path {
        self.place.path()
    }

    pub(crate) fn url(&self, repo: usize) -> String {
        self.repos[repo].repo.url_file()
    }

    pub(crate) fn directory(&self, directory: usize) -> PathBuf {
        self.place.path().join(format!("live{directory}"))
    }

    pub(crate) fn commit_id(&self, repo: usize, commit: usize) -> &str {
        &self.repos[repo].commits[commit]
    }

    /// Whether the commit has the directory `part`.
    pub(crate) fn has_part(&self, repo: usize, commit: usize) -> bool {
        self.repos[repo].trees[commit].contains_key("part")
    }

    /// What git itself checks out, or a part of it.
    pub(crate) fn tree(&self, repo: usize, commit: usize, part: bool) -> BTreeMap<String, Item> {
        let tree = self.repos[repo].trees[commit].clone();
        if !part {
            return tree;
        }
        let below = |(path, item): (String, Item)| Some((path.strip_prefix("part/")?.into(), item));
        tree.into_iter().filter_map(below).collect()
    }

    /// Makes `main` this commit.
    pub(crate) fn publish(&self, repo: usize, commit: usize) {
        let path = self.repos[repo].repo.path();
        let path = if path.is_dir() { path.to_owned() } else { broken(path) };
        fs::write(path.join("refs/heads/main"), format!("{}\n", self.commit_id(repo, commit)))
            .unwrap();
    }

    /// Takes the repository away, or puts it back.
    pub(crate) fn set_broken(&self, repo: usize, is_broken: bool) {
        let path = self.repos[repo].repo.path();
        match (is_broken, path.is_dir()) {
            (true, true) => fs::rename(path, broken(path)).unwrap(),
            (false, false) => fs::rename(broken(path), path).unwrap(),
            _ => {}
        }
    }
}

fn broken(path: &Path) -> PathBuf {
    path.with_extension("away")
}

/// Commits that add, change, empty and take away files, links and the directory `part`.
fn pool(place: &Path, number: usize) -> Pool {
    let repo = Repo::create(place, &format!("repo{number}"));
    let first = vec![
        Change::write("same", "the same\n"),
        Change::write("file", format!("{number}.0")),
        Change::exec("part/run", "#!/bin/sh\n"),
        Change::symlink("part/link", "../same"),
        Change::write("part/deep/er", "deep"),
    ];
    // Linear, so that each is a delta to the one before; the third has no `part`.
    let changes = [
        first,
        vec![Change::write("file", format!("{number}.1")), Change::write("part/new", "new")],
        vec![Change::delete("part"), Change::write("file", "")],
        vec![Change::write("part/run", "now a file"), Change::exec("file", format!("{number}.3"))],
    ];
    let commits: Vec<String> = changes.iter().map(|changes| repo.commit("main", changes)).collect();
    for (number, commit) in commits.iter().enumerate() {
        repo.tag(&format!("v{number}"), commit);
    }
    let trees = commits.iter().map(|commit| repo.tree(commit)).collect();
    assert_eq!(commits.len(), COMMITS);
    Pool { repo, commits, trees }
}
