//! A release that is made around a small program: a script that runs the real one.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Output,
};

use modstore_testbed::{Python, TestHome, skip_loudly};

/// The program that the tests run.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_modstore");
/// The version of the release.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The root of the repository.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A program of the system, unless the test is skipped without it.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let found = on_the_path(name);
    if found.is_none() {
        skip_loudly(&format!("there is no {name}"));
    }
    found
}

/// A program of the system, if it is there.
pub(crate) fn on_the_path(name: &str) -> Option<PathBuf> {
    let directories = std::env::var_os("PATH").unwrap();
    std::env::split_paths(&directories).map(|place| place.join(name)).find(|path| path.is_file())
}

/// Writes a script that anyone may run.
pub(crate) fn write_script(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Makes the release for this machine into a directory of that name. Its program fails while `BROKEN` is set.
pub(crate) fn make(home: &TestHome, name: &str) -> Option<PathBuf> {
    make_for(home, name, &format!("{}-unknown-linux-gnu", std::env::consts::ARCH))
}

/// The same for a platform.
pub(crate) fn make_for(home: &TestHome, name: &str, target: &str) -> Option<PathBuf> {
    let python = Python::any()?.executable;
    let small = home.scratch().join("small-modstore");
    let script =
        format!("#!/bin/sh\n[ -z \"${{BROKEN-}}\" ] || exit 126\nexec '{BINARY}' \"$@\"\n");
    write_script(&small, &script);
    let dist = home.scratch().join(name);
    let make = repository().join("cli/packaging/dist.py");
    let mut command = home.command_of(&python, &[make]);
    command.arg("--binary").arg(&small).arg("--out").arg(&dist).args(["--target", target]);
    let made = command.env("SOURCE_DATE_EPOCH", "1700000000").output();
    succeeded(&made.unwrap());
    Some(dist)
}

/// Both outputs of a program that ended well.
#[track_caller]
pub(crate) fn succeeded(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    said(output)
}

/// Both outputs of a program.
pub(crate) fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr]
        .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
        .concat()
}
