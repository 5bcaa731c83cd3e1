//! Plants each fault of `tests/sabotages/` in a copy of this repository, one at a time, and runs the test
//! that has to notice. Prints a line for each, and ends with 1 when one goes unnoticed.
//!
//! ```sh
//! cargo run -p modstore-testbed --bin sabotage            # all of them, about ten minutes
//! cargo run -p modstore-testbed --bin sabotage -- lease   # those with `lease` in their name
//! ```

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a tool for developers: it prints, and ends where it cannot go on"
)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
};

use modstore_testbed::sabotage::{Sabotage, repository};

/// How the test runner ends when a test failed, which is the purpose of a sabotage.
const TEST_FAILED: i32 = 100;

fn main() -> ExitCode {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    let copy = repository().join("target/sabotage/tree");
    copy_repository(&copy);
    let chosen: Vec<Sabotage> =
        Sabotage::all().into_iter().filter(|sabotage| sabotage.name.contains(&wanted)).collect();
    let unnoticed = chosen.iter().filter(|sabotage| !is_noticed(sabotage, &copy)).count();
    println!("{} planted, {unnoticed} unnoticed", chosen.len());
    if unnoticed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn is_noticed(sabotage: &Sabotage, copy: &Path) -> bool {
    let path = copy.join(&sabotage.file);
    let sound = fs::read_to_string(&path).unwrap();
    let Some(planted) = sabotage.plant(&sound) else {
        println!("DOES NOT FIT  {}: {} has changed", sabotage.name, sabotage.file.display());
        return false;
    };
    fs::write(&path, planted).unwrap();
    let code = run_test(sabotage, copy);
    fs::write(&path, sound).unwrap();
    let (noticed, said) = match code {
        Some(TEST_FAILED) => (true, "caught".to_owned()),
        Some(0) => (false, "NOT CAUGHT".to_owned()),
        other => (false, format!("DID NOT RUN ({other:?})")),
    };
    println!("{said}  {}: {} — {} {}", sabotage.name, sabotage.law, sabotage.binary, sabotage.test);
    noticed
}

fn run_test(sabotage: &Sabotage, copy: &Path) -> Option<i32> {
    let (package, binary) = match sabotage.binary.split_once("::") {
        Some((package, binary)) => (package, vec!["--test", binary]),
        None => (sabotage.binary.as_str(), vec!["--lib"]),
    };
    let mut cargo = Command::new("cargo");
    cargo.args(["nextest", "run", "--retries", "0", "-p", package]).args(binary);
    cargo.args(["--", "--exact", &sabotage.test]);
    cargo.current_dir(copy).env("CARGO_TARGET_DIR", copy.with_file_name("build"));
    // A test that skips would let a fault pass.
    cargo.env("MODSTORE_TESTS_NO_SKIP", "1");
    let log = fs::File::create(copy.with_file_name(format!("{}.log", sabotage.name))).unwrap();
    cargo.stdout(Stdio::null()).stderr(log);
    cargo.status().unwrap().code()
}

/// Copies the files that git knows, as they are here; a file that is as it was before keeps its time, so that cargo
/// does not build it again.
fn copy_repository(to: &Path) {
    let files = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(repository())
        .output()
        .unwrap();
    for file in String::from_utf8(files.stdout).unwrap().lines().map(PathBuf::from) {
        let (from, to) = (repository().join(&file), to.join(&file));
        let Ok(now) = fs::read(from) else { continue };
        if fs::read(&to).is_ok_and(|before| before == now) {
            continue;
        }
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::write(to, now).unwrap();
    }
    // Tests look for uv and wheels where `tests/setup.sh` puts them.
    let (tools, there) = (repository().join("target/tools"), to.join("target/tools"));
    fs::create_dir_all(there.parent().unwrap()).unwrap();
    if tools.is_dir() && there.symlink_metadata().is_err() {
        std::os::unix::fs::symlink(tools.canonicalize().unwrap(), there).unwrap();
    }
}
