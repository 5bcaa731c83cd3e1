//! The command line under `strace`, which shows its system calls, makes them fail, or kills it at one of them.
//!
//! Limits: Linux; a call is numbered within its thread, not within the process.

use std::{path::Path, process::Command};

use super::{
    home::TestHome,
    running::{Ran, Running},
};
use crate::system::skip_loudly;

/// Whether system calls can be traced here; says so when not.
pub fn has_strace() -> bool {
    let mut strace = Command::new("strace");
    let there =
        strace.args(["-o", "/dev/null", "true"]).status().is_ok_and(|status| status.success());
    if !there {
        skip_loudly("strace cannot be run");
    }
    there
}

impl TestHome {
    /// Runs the command line to its end with its system calls written to `log`. `options` are strace's.
    ///
    /// # Panics
    /// As [`TestHome::run`].
    pub fn run_traced<S: AsRef<str>>(&self, log: &Path, options: &[S], args: &[S]) -> Ran {
        let log = log.to_str().expect("a test's own path is text");
        let binary = self.binary().to_str().expect("a test's own path is text");
        let mut all = vec!["-f", "-q", "-o", log];
        all.extend(options.iter().map(AsRef::as_ref));
        all.push(binary);
        all.extend(args.iter().map(AsRef::as_ref));
        Running::start(self.command_of(Path::new("strace"), &all)).wait()
    }
}
