//! What is measured: a program that keeps a set of modules up to date, and the steps it is put through.
//!
//! Limits: a contender owns one directory and never sees another's; it says nothing about correctness, which the
//! caller checks on the trees it leaves.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::measure::Usage;

/// What has happened on the server since the contender last looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    /// The contender's directory is empty.
    Cold,
    /// Nothing.
    Nothing,
    /// One module moved by a commit.
    One,
    /// Ten others moved by a commit each.
    Ten,
}

impl Step {
    /// In the order in which a round goes through them.
    pub(crate) const ALL: [Self; 4] = [Self::Cold, Self::Nothing, Self::One, Self::Ten];

    /// How many modules moved.
    pub(crate) fn moved(self) -> usize {
        match self {
            Self::Cold | Self::Nothing => 0,
            Self::One => 1,
            Self::Ten => 10,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cold => "cold",
            Self::Nothing => "nothing changed",
            Self::One => "1 changed",
            Self::Ten => "10 changed",
        })
    }
}

/// A module as a contender is told of it.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) name: String,
    pub(crate) url: String,
}

/// How a contender is told apart in a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Git with the settings it has by itself: the quickest of these is what ratios are to.
    Reference,
    /// Somebody else.
    Peer,
    /// Us.
    Ours,
}

/// A program under measurement.
pub(crate) trait Contender {
    /// Its name in the tables.
    fn name(&self) -> &str;

    /// What its times are compared with.
    fn role(&self) -> Role;

    /// Empties its directory, and writes what configuration it needs. Not timed.
    fn clear(&self) -> Result<(), String>;

    /// Does what the step asks for. Timed. The error is what the failing program said.
    fn run(&self, step: Step) -> Result<Usage, String>;

    /// Where a module's live tree stands.
    fn tree(&self, module: &str) -> PathBuf;

    /// The part of the repository that the live tree is; all of it, unless the contender takes no more.
    fn part(&self, module: &str) -> PathBuf {
        let _ = module;
        PathBuf::new()
    }

    /// Deletes what nothing needs any more, of modules that have moved. Timed.
    fn collect(&self, moved: &[&str]) -> Result<Usage, String> {
        let _ = moved;
        Ok(Usage::default())
    }

    /// The directory that everything of it lies in.
    fn place(&self) -> &Path;
}

/// An existing and empty directory.
pub(crate) fn empty(dir: &Path) -> Result<(), String> {
    let emptied = match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => std::fs::create_dir_all(dir),
    };
    emptied.map_err(|error| format!("emptying {}: {error}", dir.display()))
}

/// Makes a symbolic link lead somewhere else, in one step.
pub(crate) fn point(link: &Path, target: &Path) -> Result<(), String> {
    let new = link.with_extension("new");
    std::os::unix::fs::symlink(target, &new)
        .and_then(|()| std::fs::rename(&new, link))
        .map_err(|error| format!("{}: {error}", link.display()))
}
