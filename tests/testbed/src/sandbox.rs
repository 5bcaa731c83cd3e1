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
pub(super) struct Sandbox<'a> {
    place: Scratch,
    program: &'a Path,
}

/// A command that has ended.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) code: Option<i32>,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl<'a> Sandbox<'a> {
    pub(super) fn new(program: &'a Path) -> Result<Self, LabError> {
        let place = Scratch::new("modstore-demo-", None)
            .map_err(LabError::cannot("make a temporary directory"))?;
        Ok(Self { place, program })
    }

    pub(super) fn path(&self) -> &Path {
        self.place.path()
    }

    pub(super) fn store(&self) -> PathBuf {
        self.path().join("store")
    }

    /// A path through the switch.
    pub(super) fn through_current(&self, below: &str) -> PathBuf {
        self.store().join("current").join(below)
    }

    /// The number of the current generation.
    pub(super) fn current(&self) -> Option<u64> {
        let generation = fs::read_link(self.store().join("current")).ok()?;
        generation.file_name()?.to_str()?.parse().ok()
    }

    /// How many names one of the store's directories has.
    pub(super) fn count(&self, directory: &str) -> usize {
        fs::read_dir(self.store().join(directory)).map_or(0, Iterator::count)
    }

    /// Leaves the directory where it is.
    pub(super) fn keep(self) {
        self.place.keep();
    }

    /// Runs the program on the sandbox's store.
    pub(super) fn run(&self, arguments: &[&str]) -> Result<Finished, LabError> {
        let mut command = Command::new(self.program);
        command.args(["--progress", "none"]).args(arguments).env_clear();
        for kept in ["PATH", "TMPDIR", "TZ", "LD_LIBRARY_PATH", "LLVM_PROFILE_FILE"] {
            if let Some(value) = std::env::var_os(kept) {
                command.env(kept, value);
            }
        }
        command.env("HOME", self.path()).env("MODSTORE_HOME", self.store());
        command.env("GIT_CONFIG_NOSYSTEM", "1").env("LC_ALL", "C");
        let output = command.current_dir(self.path()).stdin(Stdio::null()).output();
        let output = output.map_err(LabError::cannot("run this program"))?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok(Finished {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        })
    }
}
