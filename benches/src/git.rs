//! Git itself, eight modules at a time; also what feeds the stores that do not fetch for themselves.
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
    /// Repositories lie beside their trees, not in them.
    apart: bool,
    place: PathBuf,
    wanted: Vec<Wanted>,
    trusted: Option<PathBuf>,
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
        let (role, protocol, apart, trusted) = (Role::Reference, None, false, None);
        Self { name, role, habit, protocol, apart, place, wanted, trusted }
    }

    /// The same, trusting this certificate's authority.
    pub(crate) fn trusting(self, authority: Option<&Path>) -> Self {
        Self { trusted: authority.map(Path::to_owned), ..self }
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

    /// Git that looks first, with trees that hold nothing of its own: for a store that is given them.
    pub(crate) fn feeding(place: &Path, wanted: &[Wanted]) -> Self {
        let place = place.join("git");
        Self { apart: true, place, ..Self::new(Habit::LookFirst, Path::new(""), wanted) }
    }

    fn git(&self) -> Command {
        let mut git = modstore_testbed::git();
        git.envs(self.trusted.iter().map(|authority| ("GIT_SSL_CAINFO", authority)));
        if let Some(protocol) = self.protocol {
            git.args(["-c", protocol]);
        }
        git
    }

    fn repository(&self, module: &str) -> PathBuf {
        if self.apart {
            self.place.join("repositories").join(module)
        } else {
            self.tree(module).join(".git")
        }
    }

    fn clone(&self, module: &Wanted) -> Result<Usage, String> {
        let (tree, repository) = (self.tree(&module.name), self.repository(&module.name));
        let mut clone = self.git();
        clone.args(["clone", "--quiet", "--depth", "1"]);
        if self.apart {
            let parent = repository.parent().unwrap_or(&repository);
            fs::create_dir_all(parent).map_err(|error| format!("{}: {error}", parent.display()))?;
            clone.arg("--separate-git-dir").arg(&repository);
        }
        let (used, _) = run(clone.arg(&module.url).arg(&tree))?;
        if self.apart {
            let pointer = tree.join(".git");
            fs::remove_file(&pointer).map_err(|error| format!("{}: {error}", pointer.display()))?;
        }
        Ok(used)
    }

    /// What it used, and whether the module moved.
    fn look(&self, module: &Wanted) -> Result<(Usage, bool), String> {
        let (used, printed) =
            run(self.git().args(["ls-remote", "--quiet", &module.url, "refs/heads/main"]))?;
        let at = self.repository(&module.name).join("refs/heads/main");
        let mine = fs::read(&at).map_err(|error| format!("{}: {error}", at.display()))?;
        Ok((used, !printed.starts_with(mine.trim_ascii_end())))
    }

    fn fetch(&self, module: &Wanted) -> Result<Usage, String> {
        let (tree, repository) = (self.tree(&module.name), self.repository(&module.name));
        let in_tree = |args: &[&str]| {
            let mut git = self.git();
            git.arg("--git-dir").arg(&repository).arg("--work-tree").arg(&tree);
            run(git.args(args))
        };
        let fetch = ["fetch", "--quiet", "--no-auto-maintenance", "--depth", "1", "origin", "main"];
        let (fetched, _) = in_tree(&fetch)?;
        let (reset, _) = in_tree(&["reset", "--quiet", "--hard", "FETCH_HEAD"])?;
        Ok(fetched.and(reset))
    }

    /// Brings one tree to what is served; gives what that used, and whether the tree changed.
    fn bring(&self, module: &Wanted, step: Step) -> Result<(Usage, bool), String> {
        if step == Step::Cold {
            return Ok((self.clone(module)?, true));
        }
        if self.habit == Habit::FetchAll {
            return Ok((self.fetch(module)?, true));
        }
        let (looked, moved) = self.look(module)?;
        Ok((if moved { looked.and(self.fetch(module)?) } else { looked }, moved))
    }

    /// Brings all trees to what is served, and gives each that changed, with its name, to `add`.
    pub(crate) fn feed(
        &self,
        step: Step,
        add: impl Fn(&Path, &str) -> Result<Usage, String> + Sync,
    ) -> Result<Usage, String> {
        for_each_at_once(&self.wanted, |module| {
            let (brought, changed) = self.bring(module, step)?;
            if !changed {
                return Ok(brought);
            }
            Ok(brought.and(add(&self.tree(&module.name), &module.name)?))
        })
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
        self.feed(step, |_, _| Ok(Usage::default()))
    }

    fn tree(&self, module: &str) -> PathBuf {
        self.place.join(module)
    }

    fn collect(&self, moved: &[&str]) -> Result<Usage, String> {
        for_each_at_once(moved, |module| {
            let mut gc = self.git();
            // `look` reads the branch from its file.
            gc.args(["-c", "gc.packRefs=false", "--git-dir"]).arg(self.repository(module));
            gc.args(["gc", "--quiet", "--prune=now"]);
            Ok(run(&mut gc)?.0)
        })
    }

    fn place(&self) -> &Path {
        &self.place
    }
}
