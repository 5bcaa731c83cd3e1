//! OSTree, fed with trees by git: each is a commit on a branch of its own, checked out as hard links.
//!
//! Moving on is git's look and fetch, then a commit and a checkout of what moved and the switch of a link, then `ostree prune` that
//! keeps the last three commits. It comes from the distribution's package `ostree`. It syncs what it commits, by default.
//! Limits: links and the deletion of old checkouts are what a person's own script would do.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::contender::{Contender, Role, Step, Wanted, empty, point};
use crate::git::Git;
use crate::measure::{Usage, run};

/// A repository with git beside it.
#[derive(Debug)]
pub(crate) struct Ostree {
    place: PathBuf,
    git: Git,
}

impl Ostree {
    /// A repository in a directory of its own below `place`.
    pub(crate) fn new(place: &Path, wanted: &[Wanted]) -> Self {
        let place = place.join("ostree");
        Self { git: Git::feeding(&place, wanted), place }
    }

    /// Whether this machine has it.
    pub(crate) fn is_there() -> bool {
        run(Command::new("ostree").arg("--version")).is_ok()
    }

    /// An empty repository, for trees that are added by hand.
    pub(crate) fn init(&self) -> Result<(), String> {
        empty(&self.place)?;
        for dir in ["checkouts", "live"] {
            fs::create_dir(self.place.join(dir)).map_err(|error| format!("{dir}: {error}"))?;
        }
        run(self.ostree("init").arg("--mode=bare-user-only")).map(drop)
    }

    fn ostree(&self, verb: &str) -> Command {
        let mut ostree = Command::new("ostree");
        ostree.env("HOME", &self.place);
        ostree.arg(verb).arg(format!("--repo={}", self.place.join("repo").display()));
        ostree
    }

    /// Commits a tree to a branch of that name, and checks it out.
    pub(crate) fn add(&self, tree: &Path, name: &str) -> Result<Usage, String> {
        let mut commit = self.ostree("commit");
        commit.arg(format!("--branch=modules/{name}")).arg("--canonical-permissions");
        let (committed, id) = run(commit.arg(format!("--tree=dir={}", tree.display())))?;
        let id = String::from_utf8_lossy(&id).trim().to_owned();
        let checkout = self.place.join("checkouts").join(&id);
        let mut out = self.ostree("checkout");
        let (checked_out, _) =
            run(out.args(["--user-mode", "--require-hardlinks", &id]).arg(&checkout))?;
        point(&self.tree(name), &checkout)?;
        Ok(committed.and(checked_out))
    }

    /// Hashes every object.
    pub(crate) fn verify(&self) -> Result<Usage, String> {
        Ok(run(self.ostree("fsck").arg("--quiet"))?.0)
    }

    /// Deletes the checkouts that no link leads to.
    fn forget_checkouts(&self) -> std::io::Result<()> {
        let live = fs::read_dir(self.place.join("live"))?.map(|link| fs::read_link(link?.path()));
        let live = live.collect::<std::io::Result<Vec<PathBuf>>>()?;
        for checkout in fs::read_dir(self.place.join("checkouts"))? {
            let checkout = checkout?.path();
            if !live.contains(&checkout) {
                fs::remove_dir_all(checkout)?;
            }
        }
        Ok(())
    }
}

impl Contender for Ostree {
    fn name(&self) -> &str {
        "ostree, fed by git"
    }

    fn role(&self) -> Role {
        Role::Peer
    }

    fn clear(&self) -> Result<(), String> {
        self.init()?;
        self.git.clear()
    }

    fn run(&self, step: Step) -> Result<Usage, String> {
        self.git.feed(step, |tree, name| self.add(tree, name))
    }

    fn tree(&self, module: &str) -> PathBuf {
        self.place.join("live").join(module)
    }

    fn collect(&self, _: &[&str]) -> Result<Usage, String> {
        self.forget_checkouts().map_err(|error| format!("checkouts: {error}"))?;
        Ok(run(self.ostree("prune").args(["--refs-only", "--depth=2"]))?.0)
    }

    fn place(&self) -> &Path {
        &self.place
    }
}
