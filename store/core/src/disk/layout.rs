//! Every path in a store.
//!
//! ```text
//! HOME/
//! ├── modules.toml  modules.lock  format.json  journal
//! ├── current -> generations/17
//! ├── generations/17/<module> -> ../../entries/<digest>[/<subdirectory>]
//! ├── live/  entries/<digest>/  manifests/<digest>  mirrors/<origin-hash>.git
//! ├── staging/<random>/  trash/  leases/  locks/
//! ├── environments/<hash>.json  probes/<hash>/  allowed.json  verified  state/<module>/
//! ```
//!
//! A project keeps its `modules.toml` and `modules.lock` in its own directory, and its home in `.modstore` there, with a
//! `.gitignore` that names everything. Whoever can add a file to the project's repository can add one to that home too;
//! so what lets a store run something, `allowed.json` and `environments/`, lies where only the user writes.
//!
//! All links inside the store are relative, so that the home can be moved. Names only: what is looked at
//! on the disk is whether a home of that name is a project's, and where that project really lies.

use std::path::{Component, Path, PathBuf};

use super::user_directories::user_data;
use crate::model::{Bound, Digest, Generation, LinkedPath, ModuleName, Subdirectory};

/// The paths of the store whose home this is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    home: PathBuf,
    project: Option<Project>,
}

/// Where a project's store has what is not in its home.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Project {
    /// The project's own directory.
    directory: PathBuf,
    /// The directory of the user's for what may run in it.
    private: PathBuf,
}

impl Layout {
    /// The directory in a module's directory that is no part of its tree: what was made from that for one Python.
    pub const OWN: &'static str = ".modstore";

    /// The directories every store has, in the order they are made.
    pub const DIRECTORIES: [&'static str; 9] = [
        "generations",
        "live",
        "entries",
        "manifests",
        "mirrors",
        "staging",
        "trash",
        "leases",
        "locks",
    ];

    /// The directories that are made when they are first needed.
    pub const LATER: [&'static str; 4] = ["quarantine", "environments", "probes", "state"];

    /// The name of a project's home.
    pub const PROJECT_HOME: &'static str = ".modstore";

    /// The file that keeps a project's home out of its repository.
    pub const IGNORED: &'static str = ".gitignore";

    /// The layout below `home`; that of a project, if this is the home of one.
    pub fn new(home: impl Into<PathBuf>) -> Self {
        let home = home.into();
        let project = project_of(&home).filter(|_| home.join(Self::IGNORED).is_file());
        Self { project: project.map(Project::new), home }
    }

    /// The layout of the project in this directory, which is best given without a link in its path.
    #[must_use]
    pub fn of_project(directory: &Path) -> Self {
        let project = Some(Project::new(directory));
        Self { home: directory.join(Self::PROJECT_HOME), project }
    }

    /// The directory of the project, if it is a project's store.
    #[must_use]
    pub fn project(&self) -> Option<&Path> {
        self.project.as_ref().map(|project| &*project.directory)
    }

    /// The directory with what a project's store may run, which no other user and no repository writes to.
    #[must_use]
    pub fn private(&self) -> Option<&Path> {
        self.project.as_ref().map(|project| &*project.private)
    }

    /// Where `modules.toml` and `modules.lock` lie; what they name by a relative path is below it.
    #[must_use]
    pub fn declared_in(&self) -> &Path {
        self.project().unwrap_or(&self.home)
    }

    /// The directory of a linked module as it is recorded: below a project's own directory relative to that, so that the
    /// project can be moved.
    #[must_use]
    pub fn recorded(&self, linked: &Path) -> Option<LinkedPath> {
        let below = self.project().and_then(|project| linked.strip_prefix(project).ok());
        match below.filter(|below| below.components().all(|part| part != Component::ParentDir)) {
            Some(below) => LinkedPath::below_a_project(below),
            None => LinkedPath::of(linked),
        }
    }

    /// The path of a linked directory as `modules.toml` names it: a project's is read on other machines too.
    #[must_use]
    pub fn written(&self, linked: &Path) -> PathBuf {
        match self.recorded(linked) {
            Some(recorded) if recorded.as_path().is_relative() => {
                Path::new(".").join(recorded.as_path())
            }
            _ => linked.to_owned(),
        }
    }

    /// Where the directory of a linked module lies.
    #[must_use]
    pub fn linked(&self, recorded: &LinkedPath) -> PathBuf {
        self.declared_in().join(recorded.as_path())
    }

    /// Where a module lies: an entry, a part of one, or the user's own directory.
    #[must_use]
    pub fn place(&self, bound: &Bound) -> PathBuf {
        match bound {
            Bound::Linked { path } => self.linked(path),
            Bound::Entry { digest, subdirectory: None, .. } => self.entry(*digest),
            Bound::Entry { digest, subdirectory: Some(part), .. } => self.entry(*digest).join(part),
            Bound::Built(built) => self.entry(built.digest),
            Bound::Kept(kept) => match &kept.subdirectory {
                Some(part) => self.entry(kept.digest).join(part),
                None => self.entry(kept.digest),
            },
        }
    }

    /// The store's home.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// The home without any link in its path, as what is installed elsewhere names it; as it was given, where that
    /// is not known.
    #[must_use]
    pub fn resolved_home(&self) -> PathBuf {
        self.home.canonicalize().unwrap_or_else(|_| self.home.clone())
    }

    /// What the user declared.
    #[must_use]
    pub fn modules_toml(&self) -> PathBuf {
        self.declared_in().join("modules.toml")
    }

    /// What it resolved to.
    #[must_use]
    pub fn modules_lock(&self) -> PathBuf {
        self.declared_in().join("modules.lock")
    }

    /// The format marker; the last thing made in a new store.
    #[must_use]
    pub fn format(&self) -> PathBuf {
        self.home.join("format.json")
    }

    /// The journal.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.home.join("journal")
    }

    /// The switch: a link to the current generation.
    #[must_use]
    pub fn current(&self) -> PathBuf {
        self.home.join("current")
    }

    /// The text of the switch for `generation`.
    #[must_use]
    pub fn current_text(generation: Generation) -> PathBuf {
        Path::new("generations").join(generation.to_string())
    }

    /// All generations.
    #[must_use]
    pub fn generations(&self) -> PathBuf {
        self.home.join("generations")
    }

    /// The links of one generation.
    #[must_use]
    pub fn generation(&self, generation: Generation) -> PathBuf {
        self.generations().join(generation.to_string())
    }

    /// All entries.
    #[must_use]
    pub fn entries(&self) -> PathBuf {
        self.home.join("entries")
    }

    /// One entry.
    #[must_use]
    pub fn entry(&self, digest: Digest) -> PathBuf {
        self.entries().join(digest.to_string())
    }

    /// The text of a module's link in a generation.
    #[must_use]
    pub fn entry_text(digest: Digest, subdirectory: Option<&Subdirectory>) -> PathBuf {
        let entry = Path::new("../../entries").join(digest.to_string());
        subdirectory.map_or_else(|| entry.clone(), |below| entry.join(below))
    }

    /// All manifests.
    #[must_use]
    pub fn manifests(&self) -> PathBuf {
        self.home.join("manifests")
    }

    /// The canonical list the digest was made of.
    #[must_use]
    pub fn manifest(&self, digest: Digest) -> PathBuf {
        self.manifests().join(digest.to_string())
    }

    /// What git calls the files of the entry.
    #[must_use]
    pub fn git_tree(&self, digest: Digest) -> PathBuf {
        self.manifests().join(format!("{digest}.git"))
    }

    /// How the entry was built: the journal says so too, and this is for when it is lost.
    #[must_use]
    pub fn built(&self, digest: Digest) -> PathBuf {
        self.manifests().join(format!("{digest}.built"))
    }

    /// The commit objects of an entry from git.
    #[must_use]
    pub fn commits(&self, digest: Digest) -> PathBuf {
        self.manifests().join(format!("{digest}.commits"))
    }

    /// Everything that is there for an entry, the tree first.
    #[must_use]
    pub fn all_of(&self, digest: Digest) -> [PathBuf; 5] {
        [
            self.entry(digest),
            self.manifest(digest),
            self.git_tree(digest),
            self.built(digest),
            self.commits(digest),
        ]
    }

    /// The entry that a name in `manifests/` is about.
    #[must_use]
    pub fn listed(name: &str) -> Option<Digest> {
        let endings = [".git", ".built", ".commits"];
        let name = endings.iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name);
        name.parse().ok()
    }

    /// Bare repositories, each a cache that may be deleted at any time.
    #[must_use]
    pub fn mirrors(&self) -> PathBuf {
        self.home.join("mirrors")
    }

    /// When objects of shared tiers were last written, as far as is known. A cache.
    #[must_use]
    pub fn renewals(&self) -> PathBuf {
        self.mirrors().join("host.git/renewals")
    }

    /// Private trees being filled, each with a lock beside it.
    #[must_use]
    pub fn staging(&self) -> PathBuf {
        self.home.join("staging")
    }

    /// What is being deleted.
    #[must_use]
    pub fn trash(&self) -> PathBuf {
        self.home.join("trash")
    }

    /// The leases of processes that run with a generation.
    #[must_use]
    pub fn leases(&self) -> PathBuf {
        self.home.join("leases")
    }

    /// Damaged trees and files that were replaced by good ones, kept for a person to look at. Made when
    /// first needed.
    #[must_use]
    pub fn quarantine(&self) -> PathBuf {
        self.home.join("quarantine")
    }

    /// What a sweep that is at work is about to take away.
    #[must_use]
    pub fn condemned(&self) -> PathBuf {
        self.home.join("condemned")
    }

    /// The real directories that environments install from, one for each bound module.
    #[must_use]
    pub fn live(&self) -> PathBuf {
        self.home.join("live")
    }

    /// The environments that are looked after. Made when first needed.
    #[must_use]
    pub fn environments(&self) -> PathBuf {
        self.private().unwrap_or(&self.home).join("environments")
    }

    /// What Python build backends said about their projects: a cache that may be deleted at any time. Made when first
    /// needed.
    #[must_use]
    pub fn probes(&self) -> PathBuf {
        self.home.join("probes")
    }

    /// The builds that a person has allowed here. Made when first needed.
    #[must_use]
    pub fn allowed(&self) -> PathBuf {
        self.private().unwrap_or(&self.home).join("allowed.json")
    }

    /// What modules have written to the paths that they keep. Made when first needed.
    #[must_use]
    pub fn states(&self) -> PathBuf {
        self.home.join("state")
    }

    /// What this module has written. It is the user's: nothing but a wish of the user's deletes it.
    #[must_use]
    pub fn state(&self, module: &ModuleName) -> PathBuf {
        self.states().join(module)
    }

    /// The text of a link in an entry, at `depth` directories below its top, to a path that the module keeps.
    #[must_use]
    pub fn state_text(depth: usize, module: &ModuleName, path: &str) -> PathBuf {
        let up = "../".repeat(depth + 2);
        Path::new(&up).join("state").join(module).join(path)
    }

    /// What upstream had, when it was last put there, at the paths that this module keeps.
    #[must_use]
    pub fn seeded(&self, module: &ModuleName) -> PathBuf {
        // No name of a module begins with a dot.
        self.states().join(".seeded").join(module)
    }

    /// When the files of each entry were last read and found right. May be deleted at any time.
    #[must_use]
    pub fn verified(&self) -> PathBuf {
        self.home.join("verified")
    }

    /// Room that is given back when the file system is full.
    #[must_use]
    pub fn reserve(&self) -> PathBuf {
        self.home.join("reserve")
    }

    /// The lock file `name`. Lock files are never unlinked.
    #[must_use]
    pub fn lock(&self, name: &str) -> PathBuf {
        self.home.join("locks").join(name)
    }
}

impl Project {
    fn new(directory: &Path) -> Self {
        let resolved = directory.canonicalize().unwrap_or_else(|_| directory.to_owned());
        let name = blake3::hash(resolved.as_os_str().as_encoded_bytes()).to_hex();
        let name = name.get(..16).unwrap_or_default();
        // Without a directory of the user's nothing is allowed, and nothing can be: no path below it can be made.
        let data = user_data().unwrap_or_else(|| PathBuf::from("/dev/null"));
        Self { directory: directory.to_owned(), private: data.join("modstore/projects").join(name) }
    }
}

/// The directory that this would be the project's home of.
fn project_of(home: &Path) -> Option<&Path> {
    let is_named_so = home.file_name().is_some_and(|name| name == Layout::PROJECT_HOME);
    home.parent().filter(|_| is_named_so)
}
