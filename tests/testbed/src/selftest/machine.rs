//! [`Machine`]: what a report says of the system. No name of a machine or a person.

use std::process::{Command, Stdio};

use schemars::JsonSchema;
use serde::Serialize;

/// The system that the self-test ran on.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Machine {
    /// The operating system and its version, as `uname` calls them.
    system: String,
    /// The processor's architecture.
    processor: String,
    /// How many processors there are.
    processors: usize,
    /// The file system of the directory for temporary files, in which everything ran.
    pub file_system: Option<String>,
    /// The version of git; null if there is none.
    git: Option<String>,
    /// The version of Python; null if there is none.
    python: Option<String>,
    /// The version of uv; null if there is none.
    uv: Option<String>,
}

impl Machine {
    /// This machine.
    pub(super) fn this() -> Self {
        let uname = rustix::system::uname();
        let [system, release, processor] = [uname.sysname(), uname.release(), uname.machine()]
            .map(|name| name.to_string_lossy().into_owned());
        Self {
            system: format!("{system} {release}"),
            processor,
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            file_system: None,
            git: version_of("git"),
            python: version_of("python3"),
            uv: version_of("uv"),
        }
    }

    /// Whether there is a Python.
    pub(super) const fn has_python(&self) -> bool {
        self.python.is_some()
    }
}

/// The first line that a program prints for `--version`.
fn version_of(program: &str) -> Option<String> {
    let mut command = Command::new(program);
    let output = command.arg("--version").stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().next().filter(|_| output.status.success())?;
    Some(line.chars().filter(|letter| !letter.is_control()).take(80).collect())
}
