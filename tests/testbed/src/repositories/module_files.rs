//! The files of a module: the same for the same seed, and the same changes from round to round.
//!
//! A module is text files, from small to large by equal factors. In a Python project two of them are for prek and uv, which
//! read them, and never change.
//! Text only: no links, no binaries.

use super::change::Change;
use crate::random::Random;

const SMALLEST: f64 = 200.0;
const LARGEST: f64 = 30_000.0;
/// From this many files on a module has areas of directories, and is no project.
const LARGE_MODULE: usize = 1000;

/// The size of a corpus, and how much of it changes.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// How many modules, each a repository.
    pub modules: usize,
    /// How many files in each.
    pub files: usize,
    /// How many rounds of changes after the first commit.
    pub rounds: usize,
    /// How many modules change in a round.
    pub changing: usize,
    /// How many files of such a module change.
    pub touched: usize,
    /// The mean size of a file in bytes.
    pub mean_size: usize,
    /// The seed of all contents and choices.
    pub seed: u64,
    /// Which files there are.
    pub contents: Contents,
}

/// Which files a module has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contents {
    /// Text alone.
    Text,
    /// Text, and the files that prek and uv need to install the module.
    Project,
}

/// This many percent of a number, rounded up; none of 0 percent, and else at least one.
#[must_use]
pub fn share(of: usize, percent: usize) -> usize {
    let exact = (of * percent).div_ceil(100);
    if percent == 0 { 0 } else { exact.clamp(1, of.max(1)) }
}

/// The name of a module.
pub(super) fn name(module: usize) -> String {
    format!("m{module:05}")
}

/// The files of one module, as they change from round to round.
#[derive(Debug)]
pub struct ModuleFiles {
    shape: Shape,
    number: usize,
    name: String,
    /// The factor from a file's place in the order of sizes to its size.
    scale: f64,
    /// How often each file was written.
    versions: Vec<usize>,
}

impl ModuleFiles {
    /// The files before the first commit.
    #[must_use]
    pub fn new(shape: Shape, number: usize) -> Self {
        let name = name(number);
        let texts = (0..shape.files).filter(|file| fixed(shape, *file, &name).is_none());
        let sum: f64 = texts.map(|file| unscaled(file, shape.files)).sum();
        let fixed = (0..shape.files).filter_map(|file| fixed(shape, file, &name));
        let fixed: usize = fixed.map(|(_, text)| text.len()).sum();
        let wanted = (shape.files * shape.mean_size).saturating_sub(fixed);
        let scale = wanted as f64 / sum.max(1.0);
        Self { shape, number, name, scale, versions: vec![0; shape.files] }
    }

    /// The module's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The changes of a round: every file in round 0, then a few files that a round chooses.
    pub fn change(&mut self, round: usize) -> Vec<Change> {
        let Shape { files, touched, seed, .. } = self.shape;
        if round == 0 {
            return (0..files).map(|file| self.write(file)).collect();
        }
        let texts: Vec<usize> =
            (0..files).filter(|file| fixed(self.shape, *file, &self.name).is_none()).collect();
        let mut random = Random::at(seed, &[2, self.number as u64, round as u64]);
        let chosen = random.choose(touched, texts.len());
        chosen.into_iter().filter_map(|at| texts.get(at)).map(|file| self.write(*file)).collect()
    }

    /// The next version of a file.
    fn write(&mut self, file: usize) -> Change {
        if let Some((path, text)) = fixed(self.shape, file, &self.name) {
            return Change::write(path, text);
        }
        let version = self.versions.get_mut(file).map_or(1, |version| {
            *version += 1;
            *version
        });
        let text = self.text(file, version);
        match path(file, self.shape.files, &self.name) {
            path if path.ends_with(".sh") => Change::exec(path, text),
            path => Change::write(path, text),
        }
    }

    /// A file after this many versions: each puts new lines into its middle.
    fn text(&self, file: usize, version: usize) -> Vec<u8> {
        let random = |version| {
            let coordinates = [3, self.number as u64, file as u64, version as u64];
            Random::at(self.shape.seed, &coordinates)
        };
        let size = unscaled(file, self.shape.files) * self.scale;
        let mut text = lines(random(0), size as usize);
        let middle = text.len() / 2;
        for version in 2..=version {
            text.splice(middle..middle, lines(random(version), 120));
        }
        text
    }
}

/// Path and text of a file that never changes: the one that prek reads, and the one that uv reads.
fn fixed(shape: Shape, file: usize, name: &str) -> Option<(&'static str, String)> {
    match file {
        _ if shape.contents == Contents::Text || shape.files >= LARGE_MODULE => None,
        1 => Some((
            ".pre-commit-hooks.yaml",
            format!("- id: {name}\n  name: {name}\n  entry: run.sh\n  language: script\n"),
        )),
        // uv's own back end, which it runs without a process.
        2 => Some((
            "pyproject.toml",
            format!(
                "[project]\nname = \"{name}\"\nversion = \"1\"\n\n[build-system]\nrequires = [\"uv_build\"]\n\
                 build-backend = \"uv_build\"\n\n[tool.uv.build-backend]\nmodule-name = \"{name}\"\nmodule-root = \"\"\n"
            ),
        )),
        _ => None,
    }
}

/// About 4 files in a directory of a small module, 50 in one of a large module.
fn path(file: usize, files: usize, name: &str) -> String {
    match file {
        0 => "run.sh".to_owned(),
        1 | 2 => format!("top_{file}.py"),
        3 if files >= LARGE_MODULE => format!("top_{file}.py"),
        _ if files >= LARGE_MODULE => {
            let (area, part) = (file / 2000, file / 50 % 40);
            format!("package/area_{area:02}/part_{part:02}/file_{file:05}.py")
        }
        3 => format!("{name}/__init__.py"),
        _ => format!("{name}/part_{:02}/file_{file:03}.py", file / 4),
    }
}

/// Sizes from small to large by equal factors, spread over the paths.
fn unscaled(file: usize, files: usize) -> f64 {
    let files = files.max(1);
    let rank = (file * 7919) % files;
    SMALLEST * (LARGEST / SMALLEST).powf(rank as f64 / files as f64)
}

const SYLLABLES: [&str; 48] = [
    "val", "ue", "res", "ult", "mod", "ule", "ses", "sion", "con", "fig", "pro", "vid", "er",
    "mes", "sage", "hand", "ler", "in", "dex", "to", "ken", "text", "re", "quest", "spon", "se",
    "buf", "len", "gth", "sta", "te", "ev", "ent", "sour", "ce", "tar", "get", "par", "opt", "ion",
    "lim", "it", "path", "err", "or", "list", "map", "key",
];

/// Text that compresses as source code does. Few runs of 16 bytes recur, so that a pack holds few deltas between files
/// that have nothing to do with each other, as with real code.
fn lines(mut random: Random, size: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(size + 80);
    while text.len() < size {
        let [a, b, c, d] = [(); 4].map(|()| word(&mut random));
        let line = match random.below(4) {
            0 => format!("def {a}_{b}({c}, {d}):\n"),
            1 => format!("    {a} = self.{b}.{c}({d})\n"),
            2 => format!("    if {a} and {b}.{c} > {d}:\n"),
            _ => format!("        return {a}_{b}[{c}]\n"),
        };
        text.extend(line.into_bytes());
    }
    text
}

fn word(random: &mut Random) -> String {
    let mut syllable = || {
        // Early ones more often, as words go.
        let at = random.below(SYLLABLES.len()) * random.below(SYLLABLES.len()) / SYLLABLES.len();
        SYLLABLES.get(at).copied().unwrap_or_default()
    };
    [syllable(), syllable(), syllable()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape {
        modules: 20,
        files: 10,
        rounds: 3,
        changing: 2,
        touched: 1,
        mean_size: 2000,
        seed: 1,
        contents: Contents::Project,
    };

    #[test]
    fn every_change_of_a_file_makes_it_another() {
        let files = ModuleFiles::new(SHAPE, 3);
        let texts: Vec<_> = (1..=4).map(|version| files.text(4, version)).collect();
        for (at, one) in texts.iter().enumerate() {
            assert!(texts.iter().skip(at + 1).all(|other| other != one));
        }
        let first = ModuleFiles::new(SHAPE, 0).change(0);
        let total: usize = first.iter().map(|change| change.content().len()).sum();
        assert!((18_000..23_000).contains(&total), "{total}");
    }

    #[test]
    fn the_files_for_other_programs_never_change_and_all_others_do() {
        let mut files = ModuleFiles::new(Shape { touched: 10, ..SHAPE }, 0);
        assert_eq!((files.change(0).len(), files.change(1).len()), (10, 8));
    }
}
