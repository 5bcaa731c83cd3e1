//! The promises that the self-test tries, each by the program itself, as a person or a host would use it.

mod writers;
mod readers;
mod names;
mod damage;
mod doctor;

use std::fs;

use super::machine::Machine;
use crate::{
    demo::{Demo, DemoError, DemoStep},
    failure::LabError,
    repositories::{Change, GitError, Repo},
    sandbox::{Finished, Sandbox},
};

/// Why a promise was not proved.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unproved {
    /// It was broken: what was promised, and what was seen.
    #[error("a promise was broken")]
    Broken(Vec<String>),
    /// This machine lacks something.
    #[error("{0} is needed, and is not on this machine")]
    Needs(&'static str),
    /// The trial could not be set up.
    #[error(transparent)]
    Lab(#[from] LabError),
    /// The demo.
    #[error(transparent)]
    Demo(#[from] DemoError),
}

impl From<GitError> for Unproved {
    fn from(error: GitError) -> Self {
        Self::Lab(error.into())
    }
}

/// Tries a promise, and gives what was seen.
pub(super) type Attempt = fn(&Sandbox<'_>, &Machine) -> Result<Vec<String>, Unproved>;

/// All of them, with the promise that each tries.
pub(super) const TRIALS: &[(&str, Attempt)] = &[
    ("the demo holds what it claims", demo),
    ("writers at the same time all succeed, one after another", writers::all_succeed),
    (
        "a writer waits for another, and says who holds the lock when its time is over",
        writers::wait,
    ),
    ("a running program keeps its generation", writers::lease),
    (
        "a reader never misses a module and sees no mixture while generations switch",
        readers::switch,
    ),
    ("names that the file system takes for one are refused, others are kept apart", names::folding),
    ("a name is stored as it is written", names::normalisation),
    ("one changed bit is found, named and repaired", damage::bit),
    (
        "the doctor finds an editable install that leads nowhere, and where its code is now",
        doctor::broken,
    ),
];

fn demo(sandbox: &Sandbox<'_>, _: &Machine) -> Result<Vec<String>, Unproved> {
    let print = |_: &str| Ok(());
    let demo =
        Demo { program: sandbox.program(), keep: false, print: &print, is_cancelled: &|| false };
    let checks: usize = demo.play()?.steps.iter().map(DemoStep::checks).sum();
    Ok(vec![format!("{checks} checks")])
}

/// Runs a command, which must end with this code.
fn run(sandbox: &Sandbox<'_>, arguments: &[&str], code: i32) -> Result<Finished, Unproved> {
    let ran = sandbox.run(arguments)?;
    if ran.code == Some(code) {
        return Ok(ran);
    }
    let first = format!("`modstore {}` ended with {:?}, not {code}", arguments.join(" "), ran.code);
    let said = ran.stdout.lines().chain(ran.stderr.lines()).take(40).map(str::to_owned);
    Err(Unproved::Broken(std::iter::once(first).chain(said).collect()))
}

/// Ends the trial unless what was promised is so.
fn holds(promise: &str, is_so: bool, seen: impl FnOnce() -> String) -> Result<(), Unproved> {
    if is_so { Ok(()) } else { Err(Unproved::Broken(vec![format!("not so: {promise}"), seen()])) }
}

/// A repository with one commit, and the source that leads to it.
fn repository(
    sandbox: &Sandbox<'_>,
    name: &str,
    files: &[(&str, &str)],
) -> Result<(Repo, String), Unproved> {
    let repo = Repo::try_create(sandbox.path(), name)?;
    commit(&repo, files)?;
    let source = format!("git+{}", repo.url_file());
    Ok((repo, source))
}

fn commit(repo: &Repo, files: &[(&str, &str)]) -> Result<(), Unproved> {
    let changes: Vec<Change> = files.iter().map(|(path, text)| Change::write(path, text)).collect();
    repo.try_commit("main", &changes)?;
    Ok(())
}

/// A file as it is read through the switch, or why it cannot be read.
fn read(sandbox: &Sandbox<'_>, below: &str) -> String {
    fs::read_to_string(sandbox.through_current(below)).unwrap_or_else(|error| error.to_string())
}
