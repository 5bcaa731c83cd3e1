//! Running the real `git`, out of reach of the machine's own configuration.
//!
//! Limits: takes whatever `git` the PATH gives; does not check its version.

use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::{Command, Stdio},
};

/// Why git did not make a repository or a commit. Earlier commits stay.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// The program did not start.
    #[error("could not start {program}")]
    Start {
        /// Which program.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// The program ran and failed.
    #[error("`{command}` failed")]
    Failed {
        /// The program and its arguments.
        command: String,
        /// Its stderr and stdout.
        said: String,
    },
    /// A file of a repository could not be written or read.
    #[error("could not use {}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl GitError {
    /// Makes an error about this file.
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }

    /// Ends the test, with the whole error.
    #[track_caller]
    pub(crate) fn panic<T>(self) -> T {
        match self {
            Self::Start { program, source } => panic!("starting {program}: {source}"),
            Self::Failed { command, said } => panic!("{command}: {said}"),
            Self::File { path, source } => panic!("{}: {source}", path.display()),
        }
    }
}

/// `git` that reads no configuration but the repository's, never prompts, and writes as a fixed author.
#[must_use]
pub fn git() -> Command {
    let mut command = Command::new("git");
    isolate(&mut command);
    command
}

/// Removes the configuration of the person at this machine, and sets names and language.
pub(crate) fn isolate(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"GIT_") {
            command.env_remove(name);
        }
    }
    command
        .env("HOME", "/nonexistent")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("LC_ALL", "C");
    for role in ["AUTHOR", "COMMITTER"] {
        command
            .env(format!("GIT_{role}_NAME"), "Test")
            .env(format!("GIT_{role}_EMAIL"), "test@example.com")
            .env(format!("GIT_{role}_DATE"), "1700000000 +0000");
    }
}

/// The standard output of `command`, to whose standard input `write` writes.
pub(crate) fn output(
    command: &mut Command,
    write: impl FnOnce(&mut dyn io::Write) -> io::Result<()> + Send,
) -> Result<Vec<u8>, GitError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let arguments: Vec<_> = command.get_args().map(|argument| argument.to_string_lossy()).collect();
    let shown = format!("{program} {}", arguments.join(" "));
    let start = |source| GitError::Start { program, source };
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(start)?;
    let stdin = child.stdin.take().expect("stdin was piped");
    let output = std::thread::scope(|scope| {
        // A program that stops reading early says why on stderr; the broken pipe adds nothing.
        scope.spawn(move || {
            let mut stdin = io::BufWriter::with_capacity(1 << 16, stdin);
            let _ = write(&mut stdin).and_then(|()| stdin.flush());
        });
        child.wait_with_output()
    });
    let failed = |said| GitError::Failed { command: shown, said };
    match output {
        Err(error) => Err(failed(error.to_string())),
        Ok(output) if output.status.success() => Ok(output.stdout),
        Ok(output) => {
            let said = [output.stderr, output.stdout].concat();
            Err(failed(String::from_utf8_lossy(&said).trim().to_owned()))
        }
    }
}

/// The standard output of `command` fed with `input`.
///
/// # Panics
/// With the command and all it said, when it cannot start or fails.
#[track_caller]
pub(crate) fn run(command: &mut Command, input: &[u8]) -> Vec<u8> {
    output(command, |stdin| stdin.write_all(input)).unwrap_or_else(GitError::panic)
}

/// The first line `command` prints, as text.
///
/// # Panics
/// As [`run`].
#[track_caller]
pub(crate) fn line(command: &mut Command, input: &[u8]) -> String {
    String::from_utf8_lossy(&run(command, input)).trim_end().to_owned()
}

/// A program that lives in git's own directory, started without the `git` in front of it.
#[cfg(feature = "full")]
pub(crate) fn helper(name: &str) -> PathBuf {
    static EXEC_PATH: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    PathBuf::from(EXEC_PATH.get_or_init(|| line(git().arg("--exec-path"), b""))).join(name)
}
