//! Saying that a test did not run, and making that an error where everything is supposed to run.
//!
//! Limits: the test runner still counts a skipped test as passed; only the line on stderr shows it.

use std::io::Write as _;

/// Prints `SKIPPED: …` past the test runner's capture. With `MODSTORE_TESTS_NO_SKIP` set it panics instead.
pub fn skip_loudly(reason: &str) {
    assert!(
        std::env::var_os("MODSTORE_TESTS_NO_SKIP").is_none(),
        "would skip, but MODSTORE_TESTS_NO_SKIP is set: {reason}"
    );
    say(reason);
}

/// The same where no setting up can help, since the running kernel was built without it. Never an error.
pub(crate) fn skip_for_this_kernel(lacks: &str) {
    say(&format!("the kernel has no {lacks}"));
}

fn say(reason: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    // With stderr closed there is no reader.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {test}: {reason}");
}

/// Whether the tests run as root, which mounting and network namespaces need.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
