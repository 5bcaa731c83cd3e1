//! The repositories that are served, the same on every run, and what git itself checks out of them.
//!
//! The modules are those of the corpus that tests and the churn command use: three old commits below the one that is
//! served first, all in one pack as a host would keep it, and two commits to come as loose objects, as a push leaves them.
//! The filling happens in a child process, whose memory would otherwise be taken for the contenders'.
//! Limits: text only; no submodules, no binaries.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use modstore_testbed::{Contents, HttpServer, ModuleFiles, Repo, Shape, git};

use crate::contender::Wanted;
use crate::measure::run;

const OLD_COMMITS: usize = 3;

/// A corpus of this size, from the fixed seed of all benchmarks.
pub(crate) fn shape(modules: usize, files: usize, touched: usize, mean_size: usize) -> Shape {
    let rounds = OLD_COMMITS + 2;
    let contents = Contents::Project;
    Shape { modules, files, rounds, changing: modules, touched, mean_size, seed: 1, contents }
}

/// Which commit of a module is served, or expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    /// The one that a cold start finds.
    Base,
    /// The one after it.
    Next,
    /// The one after that.
    Later,
}

/// A module on the server.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) name: String,
    /// By [`Version`].
    ids: [String; 3],
}

/// All repositories, below one directory.
#[derive(Debug)]
pub(crate) struct Corpus {
    root: PathBuf,
    pub(crate) modules: Vec<Served>,
}

impl Corpus {
    /// Fills `root`, which is there and empty.
    pub(crate) fn build(root: &Path, shape: Shape) -> Result<Self, String> {
        let program = std::env::current_exe().map_err(|error| format!("own program: {error}"))?;
        let numbers = [shape.modules, shape.files, shape.touched, shape.mean_size];
        let mut child = Command::new(program);
        child.arg("fill").arg(root).args(numbers.map(|number| number.to_string()));
        let (_, printed) = run(&mut child)?;
        let modules = String::from_utf8_lossy(&printed).lines().filter_map(served).collect();
        Ok(Self { root: root.to_owned(), modules })
    }

    /// The modules with the URLs a server gives them.
    pub(crate) fn wanted(&self, server: &HttpServer) -> Vec<Wanted> {
        let wanted = |it: &Served| Wanted { name: it.name.clone(), url: server.url(&it.name) };
        self.modules.iter().map(wanted).collect()
    }

    /// Serves a commit from now on.
    pub(crate) fn serve(&self, module: &Served, version: Version) -> Result<(), String> {
        let id = self.id(module, version);
        let branch = self.root.join(format!("{}.git/refs/heads/main", module.name));
        // What `git update-ref` does, without a process.
        fs::write(&branch, format!("{id}\n"))
            .map_err(|error| format!("{}: {error}", branch.display()))
    }

    /// The commit's id.
    pub(crate) fn id<'a>(&self, module: &'a Served, version: Version) -> &'a str {
        let [base, next, later] = &module.ids;
        match version {
            Version::Base => base,
            Version::Next => next,
            Version::Later => later,
        }
    }

    /// What git checks out of a commit.
    pub(crate) fn expected(&self, module: &Served, version: Version) -> PathBuf {
        expected(&self.root, &module.name, self.id(module, version))
    }

    /// The directories of one commit of every module.
    pub(crate) fn trees(&self, version: Version) -> Vec<PathBuf> {
        self.modules.iter().map(|module| self.expected(module, version)).collect()
    }
}

fn served(line: &str) -> Option<Served> {
    let mut words = line.split(' ').map(str::to_owned);
    Some(Served { name: words.next()?, ids: [words.next()?, words.next()?, words.next()?] })
}

fn expected(root: &Path, name: &str, id: &str) -> PathBuf {
    root.join("expected").join(name).join(id)
}

/// The child's half of [`Corpus::build`]: fills `root` and gives a line for each module.
pub(crate) fn fill(root: &Path, shape: Shape) -> Result<String, String> {
    (0..shape.modules).map(|number| fill_one(root, shape, number)).collect()
}

fn fill_one(root: &Path, shape: Shape, number: usize) -> Result<String, String> {
    let mut files = ModuleFiles::new(shape, number);
    let repo = Repo::create(root, files.name());
    let mut rounds = 0..;
    let mut commit = |branch| {
        let changes = files.change(rounds.next().unwrap_or_default());
        repo.commit(branch, &changes)
    };
    let mut base = commit("main");
    for _ in 0..OLD_COMMITS {
        base = commit("main");
    }
    repo.git(&["repack", "-a", "-d", "-q", "--window=5", "--threads=2"]);
    repo.branch("next", &base);
    let (next, later) = (commit("next"), commit("next"));
    repo.delete_ref("refs/heads/next");
    for id in [&base, &next, &later] {
        check_out(&repo, id, &expected(root, repo.name(), id))?;
    }
    Ok(format!("{} {base} {next} {later}\n", repo.name()))
}

/// Asks git for the tree of a commit.
fn check_out(repo: &Repo, id: &str, to: &Path) -> Result<(), String> {
    let told = |error: std::io::Error| format!("{}: {error}", to.display());
    fs::create_dir_all(to).map_err(told)?;
    let archive = to.with_extension("tar");
    let out = File::create(&archive).map_err(told)?;
    let mut write = git();
    write.arg("--git-dir").arg(repo.path()).args(["archive", "--format=tar", id]).stdout(out);
    let written = write.stderr(Stdio::inherit()).status().map_err(told)?;
    if !written.success() {
        return Err(format!("git archive {id}: {written}"));
    }
    run(Command::new("tar").arg("-xf").arg(&archive).arg("-C").arg(to))?;
    fs::remove_file(&archive).map_err(told)
}
