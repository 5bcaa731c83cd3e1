//! Repositories outside the file system whose power is cut, with all their commits made beforehand: publishing one is
//! writing forty bytes, in whichever process.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap},
    fs,
    path::{Path, PathBuf},
    rc::Rc,
};

use modstore_testbed::{Change, Item, Random, Repo};

/// The modules there may be.
pub(crate) const NAMES: [&str; 5] = ["m0", "m1", "m2", "m3", "m4"];

/// The one that keeps files with Git LFS.
const LARGE: &str = "m2";

const COMMITS: u64 = 10;

/// The one that has a submodule.
const WITH_SUBMODULE: &str = "m4";

/// What it says of it.
const SUBMODULE: &str = "[submodule \"sub\"]\n\tpath = deep/sub\n\turl = ../part.git\n";

/// Everything a module shows, by path.
pub(crate) type Tree = BTreeMap<String, Item>;

/// Where the repositories are, and which commits they have. Each process has its own.
pub(crate) struct Upstream {
    root: PathBuf,
    commits: BTreeMap<String, Vec<String>>,
}

impl Upstream {
    /// What [`Origin::make`] made in `root`.
    pub(crate) fn found_in(root: &Path) -> Self {
        let commits = |name: &str| {
            let list = fs::read_to_string(root.join(name).with_extension("commits")).unwrap();
            list.lines().map(str::to_owned).collect()
        };
        let commits = NAMES.into_iter().map(|name| (name.to_owned(), commits(name))).collect();
        Self { root: root.to_owned(), commits }
    }

    /// The source of a module.
    pub(crate) fn source(&self, name: &str) -> String {
        let contents = if name == LARGE { "#lfs=true" } else { "" };
        format!("git+file://{}/{name}.git{contents}", self.root.display())
    }

    /// Makes `main` of some repositories, one at least, lead somewhere else.
    pub(crate) fn publish(&self, random: &mut Random) {
        let first = *random.pick(&NAMES);
        for name in NAMES {
            if name == first || random.percent(40) {
                let commit = random.pick(&self.commits[name]);
                let main = self.root.join(format!("{name}.git/refs/heads/main"));
                fs::write(main, format!("{commit}\n")).unwrap();
            }
        }
    }
}

/// The repositories themselves, and what git says is in them.
pub(crate) struct Origin {
    root: tempfile::TempDir,
    repos: BTreeMap<String, Repo>,
    /// The repository of the submodule.
    part: Repo,
    trees: RefCell<HashMap<(String, String), Rc<Tree>>>,
}

impl Origin {
    /// Makes all repositories, with `main` at their first commits.
    pub(crate) fn make() -> Self {
        let memory = Path::new("/dev/shm");
        let place = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let root = tempfile::tempdir_in(place).unwrap();
        let part = Repo::create(root.path(), "part");
        part.config("uploadpack.allowAnySHA1InWant", "true");
        let filled = |name: &str| filled(root.path(), name, &part);
        let repos = NAMES.map(|name| (name.to_owned(), filled(name))).into();
        Self { root, repos, part, trees: RefCell::default() }
    }

    /// The directory of them all.
    pub(crate) fn path(&self) -> &Path {
        self.root.path()
    }

    /// What git checks out for a commit.
    pub(crate) fn tree(&self, name: &str, revision: &str) -> Rc<Tree> {
        let tree = || Rc::new(self.whole_tree(name, revision));
        let key = (name.to_owned(), revision.to_owned());
        Rc::clone(self.trees.borrow_mut().entry(key).or_insert_with(tree))
    }

    fn whole_tree(&self, name: &str, revision: &str) -> Tree {
        let mut tree = self.repos[name].large_tree(revision);
        if name == WITH_SUBMODULE {
            let commit = self.repos[name].git(&["rev-parse", &format!("{revision}:deep/sub")]);
            let below = self.part.tree(&commit).into_iter();
            tree.extend(below.map(|(path, item)| (format!("deep/sub/{path}"), item)));
        }
        tree
    }

    /// The commit that `main` leads to now.
    pub(crate) fn tip(&self, name: &str) -> String {
        let main = self.root.path().join(format!("{name}.git/refs/heads/main"));
        fs::read_to_string(main).unwrap().trim_end().to_owned()
    }
}

/// A repository of some twenty files, of nothing up to 60 kB, of which each commit changes about a third.
fn filled(root: &Path, name: &str, part: &Repo) -> Repo {
    let repo = Repo::create(root, name);
    let mut random = Random::of(name.bytes().map(u64::from).sum());
    let mut commits = String::new();
    for number in 0..COMMITS {
        let mut changes = vec![
            Change::write("number", number.to_string()),
            Change::exec("bin/run", format!("#!/bin/sh\necho {number}\n")),
            Change::symlink("deep/er/link", "../../number"),
            Change::write("empty", ""),
        ];
        if name == LARGE {
            changes.push(Change::write(".gitattributes", "*.bin filter=lfs\n"));
            let size = *random.pick(&[0, 300, 5000, 200_000]);
            let content = random.bytes(size);
            changes.push(repo.large("large.bin", &content));
            if number % 3 == 0 {
                changes.push(repo.large("deep/er/large.bin", content));
            }
        }
        for file in 0..18 {
            if number == 0 || random.percent(33) {
                let size = *random.pick(&[10, 300, 4096, 5000, 20_000, 60_000]);
                let path = format!("{}file{file}", ["", "src/", "deep/er/"][file % 3]);
                changes.push(Change::write(path, random.bytes(size)));
            }
        }
        if name == WITH_SUBMODULE {
            let part = part.write(&[("number", &number.to_string()), ("stays", "the same")]);
            changes.push(Change::write(".gitmodules", SUBMODULE));
            changes.push(Change::gitlink("deep/sub", &part));
        }
        commits += &(repo.commit("main", &changes) + "\n");
    }
    fs::write(root.join(name).with_extension("commits"), &commits).unwrap();
    repo.branch("main", commits.lines().next().unwrap());
    repo
}
