//! Git itself, eight modules at a time.
//!
//! Cold: `git clone --depth 1`. Later, in place: `git ls-remote`, and for what moved `git fetch --depth 1` and
//! `git reset --hard`; or the fetch for every module without looking first. Each is what git does best somewhere.
//! Limits: `fetch` is spared its automatic maintenance, which would only cost it time here.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::contender::{Contender, Role, Step, Wanted, empty};
use crate::measure::{Usage, for_each_at_once, run};

/// Whether git looks before it fetches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Habit {
    /// `ls-remote`, then a fetch of what moved.
    LookFirst,
    /// A fetch of everything.
    FetchAll,
}

/// Git, with one habit and one version of its protocol.
#[derive(Debug)]
pub(crate) struct Git {
    name: &'static str,
    role: Role,
    habit: Habit,
    protocol: Option<&'static str>,
    place: PathBuf,
    wanted: Vec<Wanted>,
}

impl Git {
    /// Git as installed, in a directory of its own below `place`.
    pub(crate) fn new(habit: Habit, place: &Path, wanted: &[Wanted]) -> Self {
        let name = match habit {
            Habit::LookFirst => "git, look first",
            Habit::FetchAll => "git, fetch all",
        };
        let place = place.join(name.replace(", ", "-").replace(' ', "-"));
        let wanted = wanted.to_vec();
        Self { name, role: Role::Reference, habit, protocol: None, place, wanted }
    }

    /// Git told to speak protocol version 0, which lists in one request instead of two. Nobody's default.
    pub(crate) fn with_protocol_0(place: &Path, wanted: &[Wanted]) -> Self {
        Self {
            name: "git, protocol 0",
            role: Role::Peer,
            protocol: Some("protocol.version=0"),
            place: place.join("git-protocol-0"),
            ..Self::new(Habit::LookFirst, place, wanted)
        }
    }

    fn git(&self) -> Command {
        let mut git = modstore_tests::git();
        if let Some(protocol) = self.protocol {
            git.args(["-c", protocol]);
        }
        git
    }

    fn clone(&self, module: &Wanted) -> Result<Usage, String> {
        let mut clone = self.git();
        clone.args(["clone", "--quiet", "--depth", "1", &module.url]).arg(self.tree(&module.name));
        Ok(run(&mut clone)?.0)
    }

    /// What it used, and whether the module moved.
    fn look(&self, module: &Wanted) -> Result<(Usage, bool), String> {
        let (used, printed) =
            run(self.git().args(["ls-remote", "--quiet", &module.url, "refs/heads/main"]))?;
        let at = self.tree(&module.name).join(".git/refs/heads/main");
        let mine = fs::read(&at).map_err(|error| format!("{}: {error}", at.display()))?;
        Ok((used, !printed.starts_with(mine.trim_ascii_end())))
    }

    fn fetch(&self, module: &Wanted) -> Result<Usage, String> {
        let tree = self.tree(&module.name);
        let in_tree = |args: &[&str]| run(self.git().arg("-C").arg(&tree).args(args));
        let fetch = ["fetch", "--quiet", "--no-auto-maintenance", "--depth", "1", "origin", "main"];
        let (fetched, _) = in_tree(&fetch)?;
        let (reset, _) = in_tree(&["reset", "--quiet", "--hard", "FETCH_HEAD"])?;
        Ok(fetched.and(reset))
    }

    fn update(&self, module: &Wanted) -> Result<Usage, String> {
        if self.habit == Habit::FetchAll {
            return self.fetch(module);
        }
        let (looked, moved) = self.look(module)?;
        if moved { Ok(looked.and(self.fetch(module)?)) } else { Ok(looked) }
    }
}

impl Contender for Git {
    fn name(&self) -> &str {
        self.name
    }

    fn role(&self) -> Role {
        self.role
    }

    fn clear(&self) -> Result<(), String> {
        empty(&self.place)
    }

    fn run(&self, step: Step) -> Result<Usage, String> {
        for_each_at_once(&self.wanted, |module| match step {
            Step::Cold => self.clone(module),
            _ => self.update(module),
        })
    }

    fn tree(&self, module: &str) -> PathBuf {
        self.place.join(module)
    }

    fn collect(&self, moved: &[&str]) -> Result<Usage, String> {
        for_each_at_once(moved, |module| {
            let mut gc = self.git();
            // `look` reads the branch from its file.
            gc.args(["-c", "gc.packRefs=false", "-C"]).arg(self.tree(module));
            gc.args(["gc", "--quiet", "--prune=now"]);
            Ok(run(&mut gc)?.0)
        })
    }

    fn place(&self) -> &Path {
        &self.place
    }
}
