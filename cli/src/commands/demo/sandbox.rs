//! A temporary directory with a store, in which this program runs without the machine's configuration.
//!
//! It goes with the value, unless it is kept.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use modstore::Cancel;
use modstore_testbed::Scratch;

use crate::{commands::cannot::cannot, exit::Exit, report::Failure};

/// The directory.
#[derive(Debug)]
pub(super) struct Sandbox {
    place: Scratch,
    program: PathBuf,
    cancel: Cancel,
}

/// A command that has ended.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) code: Option<i32>,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Sandbox {
    pub(super) fn new(cancel: Cancel) -> Result<Self, Failure> {
        let program =
            std::env::current_exe().map_err(|error| cannot("find this program", &error))?;
        let place = Scratch::new("modstore-demo-", None)
            .map_err(|error| cannot("make a temporary directory", &error))?;
        Ok(Self { place, program, cancel })
    }

    pub(super) fn path(&self) -> &Path {
        self.place.path()
    }

    pub(super) fn store(&self) -> PathBuf {
        self.path().join("store")
    }

    /// The number of the current generation.
    pub(super) fn current(&self) -> Option<u64> {
        crate::output::shown(&self.store())
    }

    /// Whether no staging is left in the store.
    pub(super) fn is_tidy(&self) -> bool {
        fs::read_dir(self.store().join("staging")).is_ok_and(|mut entries| entries.next().is_none())
    }

    /// Leaves the directory where it is.
    pub(super) fn keep(self) {
        self.place.keep();
    }

    /// Runs this program on the sandbox's store.
    pub(super) fn modstore(&self, arguments: &[&str]) -> Result<Finished, Failure> {
        let mut command = Command::new(&self.program);
        command.args(["--progress", "none"]).args(arguments).env_clear();
        for kept in ["PATH", "TMPDIR", "TZ", "LD_LIBRARY_PATH", "LLVM_PROFILE_FILE"] {
            if let Some(value) = std::env::var_os(kept) {
                command.env(kept, value);
            }
        }
        command.env("HOME", self.path()).env("MODSTORE_HOME", self.store());
        command.env("GIT_CONFIG_NOSYSTEM", "1").env("LC_ALL", "C");
        let output = command.current_dir(self.path()).stdin(Stdio::null()).output();
        let output = output.map_err(|error| cannot("run this program", &error))?;
        if self.cancel.is_cancelled() {
            return Err(Failure::new(Exit::Interrupted, "interrupted"));
        }
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok(Finished {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        })
    }
}
