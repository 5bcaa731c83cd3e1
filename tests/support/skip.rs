//! Saying that a test did not run, and making that an error where everything is supposed to run.
//!
//! Limits: the test runner still counts a skipped test as passed; only the line on stderr tells.

use std::io::Write as _;

/// Prints `SKIPPED: …` past the test runner's capture. With `MODSTORE_TESTS_NO_SKIP` set it panics instead.
pub fn skip_loudly(reason: &str) {
    assert!(
        std::env::var_os("MODSTORE_TESTS_NO_SKIP").is_none(),
        "would skip, but MODSTORE_TESTS_NO_SKIP is set: {reason}"
    );
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    // Nobody can be told when stderr is closed.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {test}: {reason}");
}

/// Whether the tests run as root, which mounting and network namespaces need.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
