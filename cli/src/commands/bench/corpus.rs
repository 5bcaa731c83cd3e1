//! The repositories that are served, the same for the same seed, and how they change from round to round.
//!
//! All commits of all modules are written at once by one `git fast-import`, into one repository; each module is a bare
//! repository of its own that borrows its objects from there, as hosts keep forks. To change a module is to write
//! its branch, which is what `git update-ref` does. Text only: no links, no binaries.

use std::{
    ffi::OsString,
    fs,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::exit::Exit;

use super::chance::Chance;
use crate::{commands::scratch::cannot, page::Page, report::Failure};

const SMALLEST: f64 = 200.0;
const LARGEST: f64 = 30_000.0;

/// How much of it there is, and how much of that changes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) modules: usize,
    pub(super) files: usize,
    pub(super) rounds: usize,
    /// Of a hundred modules, those that change in a round.
    pub(super) change: usize,
    /// Of a hundred files of such a module, those that change.
    pub(super) touch: usize,
    /// Of a file, on average.
    pub(super) mean_size: usize,
    pub(super) seed: u64,
}

impl Shape {
    /// How many modules change in a round: at least one, unless none are to.
    pub(super) fn moving(&self) -> usize {
        share(self.modules, self.change)
    }

    fn touched(&self) -> usize {
        share(self.files, self.touch).max(1)
    }

    /// The modules that change in a round, counted from 1.
    fn turn(&self, round: usize) -> Vec<usize> {
        Chance::of(self.seed, &[1, round as u64]).some(self.moving(), self.modules)
    }
}

fn share(of: usize, percent: usize) -> usize {
    let exact = (of * percent).div_ceil(100);
    if percent == 0 { 0 } else { exact.clamp(1, of.max(1)) }
}

/// All repositories, below one directory.
#[derive(Debug)]
pub(super) struct Corpus {
    root: PathBuf,
    shape: Shape,
    /// By round, 0 for what the first fill finds: the modules that change, and their commits.
    turns: Vec<Vec<(usize, String)>>,
    /// By round: the bytes of the files that change.
    changed: Vec<u64>,
}

impl Corpus {
    /// Fills `root`, which is there and empty, and serves the first commit of every module.
    pub(super) fn build(
        root: &Path,
        shape: Shape,
        variables: &[(OsString, OsString)],
    ) -> Result<Self, Failure> {
        let mut init = git(variables);
        init.args(["init", "--quiet", "--bare", "--template=", "--initial-branch=main"]);
        end(init.arg(root.join("objects.git")).output())?;
        let (marks, changed) = import(root, shape, variables)?;
        let turns = turns(shape, &marks).ok_or_else(|| {
            Failure::new(Exit::Failed, "git fast-import has not made every commit it was given")
        })?;
        let corpus = Self { root: root.to_owned(), shape, turns, changed };
        let made = (0..shape.modules).try_for_each(|module| corpus.make_repository(module));
        made.and_then(|()| corpus.write_branches(0))
            .map_err(|error| cannot("make a bare repository", &error))?;
        Ok(corpus)
    }

    /// What the `round` brings is served from now on.
    pub(super) fn serve(&self, round: usize) -> Result<(), Failure> {
        self.write_branches(round).map_err(|error| cannot("move a branch", &error))
    }

    /// How many modules the `round` changes.
    pub(super) fn changing(&self, round: usize) -> usize {
        self.turns.get(round).map_or(0, Vec::len)
    }

    /// The bytes of the files that the `round` changes.
    pub(super) fn changed_bytes(&self, round: usize) -> u64 {
        self.changed.get(round).copied().unwrap_or_default()
    }

    /// Which module is at which commit in which round, a line for each change.
    pub(super) fn tell(&self, to: &mut Page<'_>) -> io::Result<()> {
        let rounds = self.turns.iter().enumerate();
        let mut moves = rounds.flat_map(|(round, turn)| turn.iter().map(move |it| (round, it)));
        moves.try_for_each(|(round, (module, commit))| {
            writeln!(to, "{round} {} {commit}", name(*module))
        })
    }

    /// `modules.toml`, for a server on this port of loopback.
    pub(super) fn declared(&self, port: u16) -> String {
        let module = |number| {
            let name = name(number);
            format!(
                "[modules.{name}]\nsource = \"git+http://127.0.0.1:{port}/{name}.git@main\"\n\n"
            )
        };
        (0..self.shape.modules).map(module).collect()
    }

    fn repository(&self, module: usize) -> PathBuf {
        self.root.join(format!("{}.git", name(module)))
    }

    fn make_repository(&self, module: usize) -> io::Result<()> {
        let place = self.repository(module);
        fs::create_dir_all(place.join("objects/info"))?;
        fs::create_dir_all(place.join("refs/heads"))?;
        fs::write(place.join("HEAD"), "ref: refs/heads/main\n")?;
        fs::write(place.join("config"), "[core]\n\trepositoryformatversion = 0\n\tbare = true\n")?;
        fs::write(place.join("objects/info/alternates"), "../../objects.git/objects\n")
    }

    fn write_branches(&self, round: usize) -> io::Result<()> {
        let moved = self.turns.get(round).map_or(&[][..], Vec::as_slice);
        moved.iter().try_for_each(|(module, commit)| {
            fs::write(self.repository(*module).join("refs/heads/main"), format!("{commit}\n"))
        })
    }
}

/// A module's name.
pub(super) fn name(module: usize) -> String {
    format!("m{module:05}")
}

/// A file's path within its module: about four in a directory, as in Python packages.
pub(super) fn path(file: usize) -> String {
    match file {
        0 => "README.md".to_owned(),
        1..=3 => format!("top_{file}.py"),
        _ => format!("package/part_{:02}/file_{file:03}.py", file / 4),
    }
}

fn git(variables: &[(OsString, OsString)]) -> Command {
    let mut git = Command::new("git");
    git.env_clear().envs(variables.iter().cloned()).stdin(Stdio::null());
    git
}

fn end(output: io::Result<std::process::Output>) -> Result<(), Failure> {
    let output = output.map_err(|error| {
        cannot("start git, which makes the repositories", &error)
            .hint("install git, and run it again")
    })?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Failure::new(Exit::Failed, "git could not make the repositories").because(vec![said]))
}

/// Writes every commit; gives their ids by mark, and the changed bytes by round.
fn import(
    root: &Path,
    shape: Shape,
    variables: &[(OsString, OsString)],
) -> Result<(Vec<String>, Vec<u64>), Failure> {
    let marks = root.join("marks");
    let mut import = git(variables);
    import.arg("--git-dir").arg(root.join("objects.git")).args(["fast-import", "--quiet"]);
    import.arg("--done").arg(format!("--export-marks={}", marks.display()));
    import.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = import.spawn().map_err(|error| cannot("start git", &error))?;
    let mut changed = vec![0; shape.rounds + 1];
    let written = child.stdin.take().map_or(Ok(()), |stdin| {
        write_all(&mut BufWriter::with_capacity(1 << 16, stdin), shape, &mut changed)
    });
    // What git says is nearer to the cause than a pipe that it closed.
    end(child.wait_with_output())?;
    written.map_err(|error| cannot("tell git what to commit", &error))?;
    let text = fs::read_to_string(&marks).map_err(|error| cannot("read git's marks", &error))?;
    let mut numbered: Vec<(usize, String)> = text.lines().filter_map(marked).collect();
    numbered.sort_unstable();
    Ok((numbered.into_iter().map(|(_, id)| id).collect(), changed))
}

fn marked(line: &str) -> Option<(usize, String)> {
    let (mark, id) = line.strip_prefix(':')?.split_once(' ')?;
    Some((mark.parse().ok()?, id.to_owned()))
}

/// Commits in the order of their marks: module by module, and of each the rounds.
fn commits(shape: Shape) -> impl Iterator<Item = (usize, usize)> {
    let mut rounds = vec![vec![0]; shape.modules];
    for round in 1..=shape.rounds {
        for module in shape.turn(round) {
            if let Some(rounds) = rounds.get_mut(module) {
                rounds.push(round);
            }
        }
    }
    let modules = rounds.into_iter().enumerate();
    modules.flat_map(|(module, rounds)| rounds.into_iter().map(move |round| (module, round)))
}

fn turns(shape: Shape, ids: &[String]) -> Option<Vec<Vec<(usize, String)>>> {
    let mut turns = vec![Vec::new(); shape.rounds + 1];
    let mut ids = ids.iter();
    for (module, round) in commits(shape) {
        turns.get_mut(round)?.push((module, ids.next()?.clone()));
    }
    Some(turns)
}

fn write_all(to: &mut impl Write, shape: Shape, changed: &mut [u64]) -> io::Result<()> {
    let mut versions = Vec::new();
    for (mark, (module, round)) in commits(shape).enumerate() {
        if round == 0 {
            versions = vec![0; shape.files];
        }
        let mark = mark + 1;
        writeln!(to, "commit refs/heads/{}\nmark :{mark}", name(module))?;
        writeln!(
            to,
            "committer modstore bench <bench@example.com> {} +0000",
            1_700_000_000 + round
        )?;
        writeln!(to, "data 6\nround\n")?;
        if round > 0 {
            writeln!(to, "from :{}", mark - 1)?;
        }
        for file in touched(shape, module, round) {
            let version = versions.get_mut(file).map_or(0, |version| {
                *version += 1;
                *version
            });
            let text = text(shape, module, file, version);
            writeln!(to, "M 100644 inline {}\ndata {}", path(file), text.len())?;
            to.write_all(&text)?;
            writeln!(to)?;
            if let Some(changed) = changed.get_mut(round) {
                *changed += text.len() as u64;
            }
        }
    }
    writeln!(to, "done")?;
    to.flush()
}

/// The files of a module that a round changes: all of them in round 0.
fn touched(shape: Shape, module: usize, round: usize) -> Vec<usize> {
    match round {
        0 => (0..shape.files).collect(),
        _ => Chance::of(shape.seed, &[2, module as u64, round as u64])
            .some(shape.touched(), shape.files),
    }
}

/// Sizes from small to large by equal factors, spread over the paths.
fn size(shape: Shape, file: usize) -> usize {
    let files = shape.files.max(1);
    let unscaled = |file: usize| {
        let rank = (file * 7919) % files;
        SMALLEST * (LARGEST / SMALLEST).powf(rank as f64 / files as f64)
    };
    let mean = (0..files).map(unscaled).sum::<f64>() / files as f64;
    (unscaled(file) * shape.mean_size as f64 / mean) as usize
}

/// A file as it is after so many changes: each puts new lines into its middle.
fn text(shape: Shape, module: usize, file: usize, version: usize) -> Vec<u8> {
    let places = |version| [3, module as u64, file as u64, version as u64];
    let mut text = lines(Chance::of(shape.seed, &places(0)), size(shape, file));
    let middle = text.len() / 2;
    for version in 2..=version {
        let more = lines(Chance::of(shape.seed, &places(version)), 120);
        text.splice(middle..middle, more);
    }
    text
}

const SYLLABLES: [&str; 48] = [
    "val", "ue", "res", "ult", "mod", "ule", "ses", "sion", "con", "fig", "pro", "vid", "er",
    "mes", "sage", "hand", "ler", "in", "dex", "to", "ken", "text", "re", "quest", "spon", "se",
    "buf", "len", "gth", "sta", "te", "ev", "ent", "sour", "ce", "tar", "get", "par", "opt", "ion",
    "lim", "it", "path", "err", "or", "list", "map", "key",
];

/// Text that compresses as source code does.
fn lines(mut chance: Chance, size: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(size + 80);
    while text.len() < size {
        let [a, b, c] = [(); 3].map(|()| word(&mut chance));
        let line = match chance.below(4) {
            0 => format!("def {a}_{b}({c}):\n"),
            1 => format!("    {a} = self.{b}.{c}()\n"),
            2 => format!("    if {a} and {b} > {c}:\n"),
            _ => format!("        return {a}_{b}[{c}]\n"),
        };
        text.extend(line.into_bytes());
    }
    text
}

fn word(chance: &mut Chance) -> String {
    let mut syllable = || {
        // Early ones more often, as words go.
        let at = chance.below(SYLLABLES.len()) * chance.below(SYLLABLES.len()) / SYLLABLES.len();
        SYLLABLES.get(at).copied().unwrap_or_default()
    };
    [syllable(), syllable(), syllable()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape =
        Shape { modules: 20, files: 10, rounds: 3, change: 10, touch: 8, mean_size: 2000, seed: 1 };

    #[test]
    fn what_is_committed_depends_on_the_seed_and_nothing_else() {
        let stream = |shape| {
            let (mut bytes, mut changed) = (Vec::new(), vec![0; 4]);
            write_all(&mut bytes, shape, &mut changed).unwrap();
            (bytes, changed)
        };
        let (bytes, changed) = stream(SHAPE);
        assert_eq!(stream(SHAPE), (bytes.clone(), changed.clone()));
        assert_ne!(stream(Shape { seed: 2, ..SHAPE }).0, bytes);
        assert!(changed.iter().all(|bytes| *bytes > 0), "{changed:?}");
    }

    #[test]
    fn a_share_is_rounded_up_and_none_is_none() {
        assert_eq!((share(100, 10), share(1, 10), share(5, 100), share(5, 0)), (10, 1, 5, 0));
        assert_eq!(commits(SHAPE).count(), 20 + 3 * 2);
    }

    #[test]
    fn every_change_of_a_file_makes_it_another() {
        let texts: Vec<_> = (1..=4).map(|version| text(SHAPE, 3, 2, version)).collect();
        for (at, one) in texts.iter().enumerate() {
            assert!(texts.iter().skip(at + 1).all(|other| other != one));
        }
        let total: usize = (0..10).map(|file| text(SHAPE, 0, file, 1).len()).sum();
        assert!((18_000..23_000).contains(&total), "{total}");
    }
}
