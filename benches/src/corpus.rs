//! The repositories that are served, the same on every run, and what git itself checks out of them.
//!
//! A module is Python-like text, files from 200 bytes to 30 kB (log-uniform), three old commits below the one that is
//! served first, all in one pack as a host would keep it, and two commits to come as loose objects, as a push leaves
//! them. Two files are what prek and uv ask of a module, and never change.
//! The filling happens in a child process, whose memory would otherwise be taken for the contenders'.
//! Limits: text only; no submodules, no binaries.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use modstore_testbed::{Change, HttpServer, Repo, git};

use crate::contender::Wanted;
use crate::measure::run;

const OLD_COMMITS: usize = 3;
const SMALLEST: f64 = 200.0;
const LARGEST: f64 = 30_000.0;

/// How much of it there is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) modules: usize,
    pub(crate) files: usize,
    /// Files that a commit touches.
    pub(crate) touched: usize,
    pub(crate) mean_size: usize,
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
    let repo = Repo::create(root, &format!("m{number:03}"));
    let mut module = Module::new(shape, number, repo.name());
    let mut base = repo.commit("main", &module.all());
    for _ in 0..OLD_COMMITS {
        base = repo.commit("main", &module.touch());
    }
    repo.git(&["repack", "-a", "-d", "-q", "--window=5", "--threads=2"]);
    repo.branch("next", &base);
    let next = repo.commit("next", &module.touch());
    let later = repo.commit("next", &module.touch());
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

/// The files of a module, as they change.
struct Module {
    text: Text,
    files: Vec<(String, Vec<u8>)>,
    touched: usize,
    cursor: usize,
}

impl Module {
    fn new(shape: Shape, number: usize, name: &str) -> Self {
        let mut text = Text(0x9e37_79b9_7f4a_7c15 ^ (number as u64 + 1));
        let unscaled: Vec<f64> = (0..shape.files).map(|at| size(at, shape.files)).collect();
        let mean = unscaled.iter().sum::<f64>() / shape.files.max(1) as f64;
        let scale = shape.mean_size as f64 / mean;
        let file = |(at, unscaled): (usize, &f64)| match (at, shape.files) {
            (1, ..1000) => (".pre-commit-hooks.yaml".to_owned(), hooks(name)),
            (2, ..1000) => ("pyproject.toml".to_owned(), project(name)),
            _ => (path(at, shape.files, name), text.lines((unscaled * scale) as usize)),
        };
        let files = unscaled.iter().enumerate().map(file).collect();
        Self { text, files, touched: shape.touched, cursor: number }
    }

    fn all(&self) -> Vec<Change> {
        self.files.iter().map(|(path, content)| change(path, content)).collect()
    }

    /// New lines in the middle of the next few files.
    fn touch(&mut self) -> Vec<Change> {
        let count = self.files.len().max(1);
        let mut changes = Vec::new();
        for _ in 0..self.touched {
            // 7 has no factor in common with 40 or 50,000, so that every file has its turn.
            self.cursor = (self.cursor + 7) % count;
            if count < 1000 && (self.cursor == 1 || self.cursor == 2) {
                self.cursor = (self.cursor + 7) % count;
            }
            let Some((path, content)) = self.files.get_mut(self.cursor) else { continue };
            let middle = content.len() / 2;
            content.splice(middle..middle, self.text.lines(120));
            changes.push(change(path, content));
        }
        changes
    }
}

fn change(path: &str, content: &[u8]) -> Change {
    if path.ends_with(".sh") { Change::exec(path, content) } else { Change::write(path, content) }
}

/// Sizes from small to large by equal factors, spread over the paths.
fn size(at: usize, files: usize) -> f64 {
    let rank = (at * 7919) % files.max(1);
    SMALLEST * (LARGEST / SMALLEST).powf(rank as f64 / files.max(1) as f64)
}

/// About 4 files in a directory of a small module, 50 in one of a large.
fn path(at: usize, files: usize, name: &str) -> String {
    match (at, files) {
        (0, _) => "run.sh".to_owned(),
        (3, ..1000) => format!("{name}/__init__.py"),
        (1..=3, _) => format!("top_{at}.py"),
        (_, ..1000) => format!("{name}/part_{:02}/file_{at:03}.py", at / 4),
        _ => format!("package/area_{:02}/part_{:02}/file_{at:05}.py", at / 2000, at / 50 % 40),
    }
}

/// What prek wants of a repository.
fn hooks(name: &str) -> Vec<u8> {
    format!("- id: {name}\n  name: {name}\n  entry: run.sh\n  language: script\n").into_bytes()
}

/// What uv wants of one; its own back end, which it runs without a process.
fn project(name: &str) -> Vec<u8> {
    format!(
        "[project]\nname = \"{name}\"\nversion = \"1\"\n\n[build-system]\nrequires = [\"uv_build\"]\n\
         build-backend = \"uv_build\"\n\n[tool.uv.build-backend]\nmodule-name = \"{name}\"\nmodule-root = \"\"\n"
    )
    .into_bytes()
}

/// Text that compresses as source code does, from a fixed seed (xorshift). Few runs of 16 bytes recur, so that a pack of
/// it holds few deltas between files that have nothing to do with each other, as is so with real code.
struct Text(u64);

impl Text {
    const SYLLABLES: [&str; 48] = [
        "val", "ue", "res", "ult", "mod", "ule", "ses", "sion", "con", "fig", "pro", "vid", "er",
        "mes", "sage", "hand", "ler", "in", "dex", "to", "ken", "text", "re", "quest", "spon",
        "se", "buf", "len", "gth", "sta", "te", "ev", "ent", "sour", "ce", "tar", "get", "par",
        "opt", "ion", "lim", "it", "path", "err", "or", "list", "map", "key",
    ];

    fn lines(&mut self, size: usize) -> Vec<u8> {
        let mut text = Vec::with_capacity(size + 80);
        while text.len() < size {
            let (a, b, c, d) = (self.word(), self.word(), self.word(), self.word());
            let line = match self.next() % 4 {
                0 => format!("def {a}_{b}({c}, {d}):\n"),
                1 => format!("    {a} = self.{b}.{c}({d})\n"),
                2 => format!("    if {a} and {b}.{c} > {d}:\n"),
                _ => format!("        return {a}_{b}[{c}]\n"),
            };
            text.extend(line.into_bytes());
        }
        text
    }

    fn word(&mut self) -> String {
        [self.syllable(), self.syllable(), self.syllable()].concat()
    }

    /// Early ones more often, as words go.
    fn syllable(&mut self) -> &'static str {
        let count = Self::SYLLABLES.len() as u64;
        let at = (self.next() % count) * (self.next() % count) / count;
        Self::SYLLABLES.get(at as usize).copied().unwrap_or_default()
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}
