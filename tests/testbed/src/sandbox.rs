//! A temporary directory with a store, in which a program runs without the machine's configuration.
//!
//! It goes with the value, unless it is kept.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{failure::LabError, scratch::Scratch};

/// The directory.
#[derive(Debug)]
pub(crate) struct Sandbox<'a> {
    place: Scratch,
    program: &'a Path,
}

/// A command that has ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl<'a> Sandbox<'a> {
    pub(crate) fn new(program: &'a Path) -> Result<Self, LabError> {
        let place = Scratch::new("modstore-try-", None)
            .map_err(LabError::cannot("make a temporary directory"))?;
        Ok(Self { place, program })
    }

    pub(crate) fn path(&self) -> &Path {
        self.place.path()
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.path().join("store")
    }

    /// The program that runs here.
    pub(crate) const fn program(&self) -> &'a Path {
        self.program
    }

    /// A path through the switch.
    pub(crate) fn through_current(&self, below: &str) -> PathBuf {
        self.store().join("current").join(below)
    }

    /// The number of the current generation.
    pub(crate) fn current(&self) -> Option<u64> {
        let generation = fs::read_link(self.store().join("current")).ok()?;
        generation.file_name()?.to_str()?.parse().ok()
    }

    /// How many names one of the store's directories has.
    pub(crate) fn count(&self, directory: &str) -> usize {
        fs::read_dir(self.store().join(directory)).map_or(0, Iterator::count)
    }

    /// Leaves the directory where it is.
    pub(crate) fn keep(self) {
        self.place.keep();
    }

    /// Runs the program on the sandbox's store.
    pub(crate) fn run(&self, arguments: &[&str]) -> Result<Finished, LabError> {
        let output = self.command(arguments).stdin(Stdio::null()).output();
        let output = output.map_err(LabError::cannot("run this program"))?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok(Finished {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        })
    }

    /// The program on the sandbox's store, before it is started.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.program);
        command.args(["--progress", "none"]).args(arguments).env_clear();
        for kept in ["PATH", "TMPDIR", "TZ", "LD_LIBRARY_PATH", "LLVM_PROFILE_FILE"] {
            if let Some(value) = std::env::var_os(kept) {
                command.env(kept, value);
            }
        }
        command.env("HOME", self.path()).env("MODSTORE_HOME", self.store());
        command.env("GIT_CONFIG_NOSYSTEM", "1").env("LC_ALL", "C");
        command.current_dir(self.path());
        command
    }
}
