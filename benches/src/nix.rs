//! Nix's store, fed with trees by git: each is added by `nix-store --add` and kept by a root.
//!
//! Moving on is git's look and fetch, then the addition of what moved, then `nix-store --gc`; files that are the same are hard
//! links (`auto-optimise-store`). It comes from the distribution's package `nix-bin`, and works in a store of its own without its daemon.
//! Limits: it keeps no older version; roots are what a person's own script would write.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::contender::{Contender, Role, Step, Wanted, empty, point};
use crate::git::Git;
use crate::measure::{Usage, run};

const SETTINGS: &str =
    "sandbox = false\nbuild-users-group =\nsubstitute = false\nauto-optimise-store = true\n";

/// A store with git beside it.
#[derive(Debug)]
pub(crate) struct Nix {
    place: PathBuf,
    git: Git,
}

impl Nix {
    /// A store in a directory of its own below `place`.
    pub(crate) fn new(place: &Path, wanted: &[Wanted]) -> Self {
        let place = place.join("nix");
        Self { git: Git::feeding(&place, wanted), place }
    }

    /// Whether this machine has it.
    pub(crate) fn is_there() -> bool {
        run(Command::new("nix-store").arg("--version")).is_ok()
    }

    /// Leaves an empty directory.
    pub(crate) fn remove(&self) -> Result<(), String> {
        let store = self.place.join("store");
        if store.exists() {
            // Its directories are read-only.
            run(Command::new("chmod").args(["-R", "u+w"]).arg(store))?;
        }
        empty(&self.place)
    }

    /// An empty store, for trees that are added by hand.
    pub(crate) fn init(&self) -> Result<(), String> {
        self.remove()?;
        let told = |error: std::io::Error| format!("{}: {error}", self.place.display());
        fs::create_dir_all(self.roots()).map_err(told)?;
        fs::create_dir(self.place.join("etc")).map_err(told)?;
        fs::write(self.place.join("etc/nix.conf"), SETTINGS).map_err(told)
    }

    fn roots(&self) -> PathBuf {
        self.place.join("var/gcroots")
    }

    fn nix_store(&self) -> Command {
        let mut nix = Command::new("nix-store");
        nix.env("HOME", &self.place).env_remove("NIX_REMOTE");
        for (name, dir) in [("STORE", "store"), ("STATE", "var"), ("LOG", "log"), ("CONF", "etc")] {
            nix.env(format!("NIX_{name}_DIR"), self.place.join(dir));
        }
        nix
    }

    /// Adds a tree, and keeps it as `name`; what was kept under that name is not any more.
    pub(crate) fn add(&self, tree: &Path, name: &str) -> Result<Usage, String> {
        let (used, printed) = run(self.nix_store().arg("--add").arg(tree))?;
        point(&self.roots().join(name), String::from_utf8_lossy(&printed).trim().as_ref())?;
        Ok(used)
    }

    /// Hashes everything in the store.
    pub(crate) fn verify(&self) -> Result<Usage, String> {
        Ok(run(self.nix_store().args(["--verify", "--check-contents", "--quiet"]))?.0)
    }
}

impl Contender for Nix {
    fn name(&self) -> &str {
        "nix, fed by git"
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
        self.roots().join(module)
    }

    fn collect(&self, _: &[&str]) -> Result<Usage, String> {
        Ok(run(self.nix_store().args(["--gc", "--quiet"]))?.0)
    }

    fn place(&self) -> &Path {
        &self.place
    }
}
