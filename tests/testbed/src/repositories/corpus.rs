//! A corpus of modules: the same repositories for the same seed, and the same changes from round to round.
//!
//! One `git fast-import` writes all commits of all modules into one repository; each module is a bare repository of its own
//! that borrows its objects from there, as hosts keep forks. To change a module is to write its branch, as
//! `git update-ref` does.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    change::ImportedCommit,
    command::{GitError, git, output},
    module_files::{ModuleFiles, Shape, name},
};
use crate::random::Random;

/// All repositories, below one directory.
#[derive(Debug)]
pub struct Corpus {
    root: PathBuf,
    modules: usize,
    /// By round, 0 for the first commit: the modules that change, and their commits.
    turns: Vec<Vec<(usize, String)>>,
    /// By round: the bytes of the files that change.
    changed: Vec<u64>,
}

impl Corpus {
    /// Fills `root`, an empty directory, and serves the first commit of every module.
    ///
    /// # Errors
    /// The directory, and git.
    pub fn build(root: &Path, shape: Shape) -> Result<Self, GitError> {
        let objects = root.join("objects.git");
        let mut init = git();
        init.args(["init", "--quiet", "--bare", "--template=", "--initial-branch=main"]);
        output(init.arg(&objects), |_| Ok(()))?;
        let commits: Vec<(usize, usize)> = commits(shape).collect();
        let mut changed = vec![0; shape.rounds + 1];
        let ids = import(&objects, |stdin| write_all(stdin, shape, &commits, &mut changed))?;
        if ids.len() != commits.len() {
            let said = format!("{} of {} commits were made", ids.len(), commits.len());
            return Err(GitError::Failed { command: "git fast-import".to_owned(), said });
        }
        let mut turns = vec![Vec::new(); shape.rounds + 1];
        for ((module, round), id) in commits.into_iter().zip(ids) {
            if let Some(turn) = turns.get_mut(round) {
                turn.push((module, id));
            }
        }
        let corpus = Self { root: root.to_owned(), modules: shape.modules, turns, changed };
        (0..shape.modules).try_for_each(|module| corpus.make_repository(module))?;
        corpus.serve(0)?;
        Ok(corpus)
    }

    /// Serves the commits of this round from now on.
    ///
    /// # Errors
    /// The files of the branches.
    pub fn serve(&self, round: usize) -> Result<(), GitError> {
        let moved = self.turns.get(round).map_or(&[][..], Vec::as_slice);
        moved.iter().try_for_each(|(module, commit)| {
            let branch = self.repository(*module).join("refs/heads/main");
            fs::write(&branch, format!("{commit}\n")).map_err(GitError::file(branch))
        })
    }

    /// How many modules this round changes.
    #[must_use]
    pub fn changing(&self, round: usize) -> usize {
        self.turns.get(round).map_or(0, Vec::len)
    }

    /// The bytes of the files that this round changes.
    #[must_use]
    pub fn changed_bytes(&self, round: usize) -> u64 {
        self.changed.get(round).copied().unwrap_or_default()
    }

    /// The names of all modules. The repository of each is `<name>.git` below the root.
    pub fn names(&self) -> impl Iterator<Item = String> {
        (0..self.modules).map(name)
    }

    /// Every commit: its round, the name of its module, and its id.
    pub fn commits(&self) -> impl Iterator<Item = (usize, String, &str)> {
        let rounds = self.turns.iter().enumerate();
        rounds.flat_map(|(round, turn)| {
            turn.iter().map(move |(module, commit)| (round, name(*module), commit.as_str()))
        })
    }

    fn repository(&self, module: usize) -> PathBuf {
        self.root.join(format!("{}.git", name(module)))
    }

    fn make_repository(&self, module: usize) -> Result<(), GitError> {
        let place = self.repository(module);
        let make = || {
            fs::create_dir_all(place.join("objects/info"))?;
            fs::create_dir_all(place.join("refs/heads"))?;
            fs::write(place.join("HEAD"), "ref: refs/heads/main\n")?;
            let config = "[core]\n\trepositoryformatversion = 0\n\tbare = true\n";
            fs::write(place.join("config"), config)?;
            fs::write(place.join("objects/info/alternates"), "../../objects.git/objects\n")
        };
        make().map_err(GitError::file(&place))
    }
}

/// Writes every commit into the repository; gives their ids in the order of their marks.
fn import(
    repository: &Path,
    write: impl FnOnce(&mut dyn io::Write) -> io::Result<()> + Send,
) -> Result<Vec<String>, GitError> {
    let marks = repository.join("marks");
    let mut import = git();
    import.arg("--git-dir").arg(repository).args(["fast-import", "--quiet", "--done"]);
    output(import.arg(format!("--export-marks={}", marks.display())), write)?;
    let text = fs::read_to_string(&marks).map_err(GitError::file(&marks))?;
    let marked = |line: &str| {
        let (mark, id) = line.strip_prefix(':')?.split_once(' ')?;
        Some((mark.parse().ok()?, id.to_owned()))
    };
    let mut numbered: Vec<(usize, String)> = text.lines().filter_map(marked).collect();
    numbered.sort_unstable();
    Ok(numbered.into_iter().map(|(_, id)| id).collect())
}

/// Module and round of each commit, in the order of their marks: module by module, and of each the rounds.
fn commits(shape: Shape) -> impl Iterator<Item = (usize, usize)> {
    let mut rounds = vec![vec![0]; shape.modules];
    for round in 1..=shape.rounds {
        let mut random = Random::at(shape.seed, &[1, round as u64]);
        for module in random.choose(shape.changing, shape.modules) {
            if let Some(rounds) = rounds.get_mut(module) {
                rounds.push(round);
            }
        }
    }
    let modules = rounds.into_iter().enumerate();
    modules.flat_map(|(module, rounds)| rounds.into_iter().map(move |round| (module, round)))
}

fn write_all(
    to: &mut dyn io::Write,
    shape: Shape,
    commits: &[(usize, usize)],
    changed: &mut [u64],
) -> io::Result<()> {
    let mut files = ModuleFiles::new(shape, 0);
    for (at, (module, round)) in commits.iter().enumerate() {
        if *round == 0 {
            files = ModuleFiles::new(shape, *module);
        }
        let changes = files.change(*round);
        let parent = format!(":{at}");
        let commit = ImportedCommit {
            branch: files.name(),
            mark: at + 1,
            parent: (*round > 0).then_some(parent.as_str()),
            minute: *round as u64,
            message: "round\n",
        };
        to.write_all(&commit.stream(&changes))?;
        if let Some(changed) = changed.get_mut(*round) {
            *changed += changes.iter().map(|change| change.content().len() as u64).sum::<u64>();
        }
    }
    to.write_all(b"done\n")
}

#[cfg(test)]
mod tests {
    use super::{
        super::module_files::{Contents, share},
        *,
    };

    const SHAPE: Shape = Shape {
        modules: 20,
        files: 10,
        rounds: 3,
        changing: 2,
        touched: 1,
        mean_size: 2000,
        seed: 1,
        contents: Contents::Text,
    };

    #[test]
    fn what_is_committed_depends_on_the_seed_and_nothing_else() {
        let stream = |shape| {
            let (mut bytes, mut changed) = (Vec::new(), vec![0; 4]);
            let commits: Vec<_> = commits(shape).collect();
            write_all(&mut bytes, shape, &commits, &mut changed).unwrap();
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
}
