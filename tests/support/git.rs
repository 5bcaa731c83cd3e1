//! Running the real `git`, out of reach of the machine's own configuration.
//!
//! Limits: takes whatever `git` the PATH gives; does not check its version.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// `git` that reads no configuration but the repository's, never prompts, and writes as a fixed author.
pub fn git() -> Command {
    let mut command = Command::new("git");
    isolate(&mut command);
    command
}

/// Takes away what the person running the tests has configured, and sets names and language.
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

/// The standard output of `command` fed with `input`.
///
/// # Panics
/// With the command and all it said, when it cannot start or fails.
pub(crate) fn run(command: &mut Command, input: &[u8]) -> Vec<u8> {
    let shown = format!("{:?}", command.get_args().collect::<Vec<&OsStr>>());
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("starting {program} {shown}: {e}"));
    let mut stdin = child.stdin.take().expect("stdin was piped");
    let output = std::thread::scope(|scope| {
        // A program that stops reading early says why on stderr; the broken pipe adds nothing.
        scope.spawn(move || drop(stdin.write_all(input)));
        child.wait_with_output().expect("waiting for a child works")
    });
    assert!(
        output.status.success(),
        "{program} {shown}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

/// The first line `command` prints, as text.
pub(crate) fn line(command: &mut Command, input: &[u8]) -> String {
    String::from_utf8_lossy(&run(command, input)).trim_end().to_owned()
}

/// A program that lives in git's own directory, started without the `git` in front of it.
pub(crate) fn helper(name: &str) -> PathBuf {
    static EXEC_PATH: OnceLock<String> = OnceLock::new();
    PathBuf::from(EXEC_PATH.get_or_init(|| line(git().arg("--exec-path"), b""))).join(name)
}
