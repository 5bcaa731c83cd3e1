//! A scan with nothing to do, beside git's own look at the same files; and builds that find no network.
//!
//! Limits: the modules are linked directories that are built, so no server is asked; all is in the page cache. A network
//! that swallows everything is played by builds that only wait for their time limit.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::contender::empty;
use crate::local::{Local, Samples, middle, milliseconds, ratio, timed};
use crate::measure::run;
use crate::report::Table;

/// Modules, and files in each.
const MODULES: usize = 1000;
const FILES: usize = 4;
/// Modules whose builds wait for nothing.
const DEAD: usize = 107;

/// A thousand modules with nothing to do.
pub(crate) fn idle(local: &Local<'_>) -> Result<String, String> {
    let (home, sources) = (local.fresh("idle")?, local.fresh("idle-sources")?);
    let mut declared = String::new();
    for module in 0..MODULES {
        let directory = sources.join(format!("m{module:04}"));
        fs::create_dir_all(&directory).map_err(|error| error.to_string())?;
        for file in 0..FILES {
            let text = format!("{module} {file}\n").repeat(80);
            fs::write(directory.join(format!("f{file}")), text)
                .map_err(|error| error.to_string())?;
        }
        declare(
            &mut declared,
            module,
            &directory,
            "[\"cp\", \"f0\", \"out\"]",
            "output = \"out\"",
        )?;
    }
    fs::write(home.join("modules.toml"), declared).map_err(|error| error.to_string())?;
    for arguments in [
        &["init", "-q"][..],
        &["add", "."],
        &["-c", "user.name=b", "-c", "user.email=b@b", "commit", "-qm", "b"],
    ] {
        run(Command::new("git").arg("-C").arg(&sources).args(arguments))?;
    }
    let scan = || {
        let mut command = Command::new(local.modstore);
        command.arg("--home").arg(&home).args(["--quiet", "scan"]);
        command
    };
    let status = || {
        let mut command = Command::new("git");
        command.arg("-C").arg(&sources).args(["status", "--porcelain"]);
        command
    };
    let stat = || {
        let mut command = Command::new("find");
        command.arg(&sources).args(["-name", ".git", "-prune", "-o", "-size", "-0", "-print"]);
        command
    };
    let mut allow = Command::new(local.modstore);
    allow.arg("--home").arg(&home).arg("allow");
    run(allow.args((0..MODULES).map(|module| format!("m{module:04}"))))?;
    run(&mut scan())?;
    let mut samples = Samples::new();
    for _ in 0..local.rounds.max(3) {
        for (name, command) in
            [("scan", &scan as &dyn Fn() -> Command), ("git", &status), ("stat", &stat)]
        {
            let wall = timed(|| run(&mut command()).map(drop))?;
            samples.entry(name.to_owned()).or_default().push(wall);
        }
    }
    let git = middle(&samples, "git");
    let mut table = Table::new(1, &["what", "ms, median [min..max]", "× of git", "system calls"]);
    for (name, what, command) in [
        (
            "scan",
            "`modstore scan`: every input hashed, every file of what was built looked at",
            scan(),
        ),
        ("git", "`git status` of the same sources", status()),
        ("stat", "`find`: one lstat for each source", stat()),
    ] {
        let calls =
            calls(command).map_or_else(|| "no strace".to_owned(), |calls| calls.to_string());
        let times = ratio(middle(&samples, name), git);
        table.row(vec![what.to_owned(), milliseconds(&samples, name), times, calls]);
    }
    empty(&home)?;
    empty(&sources)?;
    Ok(format!("{MODULES} linked modules of {FILES} files, each built once before.\n\n{table}"))
}

/// Many builds that find no network.
pub(crate) fn dead(local: &Local<'_>) -> Result<String, String> {
    let (home, sources) = (local.fresh("dead")?, local.fresh("dead-sources")?);
    let mut declared = String::new();
    for module in 0..DEAD {
        let directory = sources.join(format!("m{module:04}"));
        fs::create_dir_all(&directory).map_err(|error| error.to_string())?;
        fs::write(directory.join("f"), "1").map_err(|error| error.to_string())?;
        declare(&mut declared, module, &directory, "[\"sleep\", \"600\"]", "timeout = \"2s\"")?;
    }
    fs::write(home.join("modules.toml"), declared).map_err(|error| error.to_string())?;
    let mut allow = Command::new(local.modstore);
    allow.arg("--home").arg(&home).arg("allow");
    run(allow.args((0..DEAD).map(|module| format!("m{module:04}"))))?;
    let mut command = Command::new(local.modstore);
    command.arg("--home").arg(&home).args(["--quiet", "scan", "--allow-partial"]);
    let wall = timed(|| run(&mut command).map(drop))?;
    empty(&home)?;
    empty(&sources)?;
    let all = DEAD * 2;
    Ok(format!(
        "{DEAD} builds, each with a time limit of 2 s: the scan ended after {wall:.1} s; one after the other they would take {all} s.\n"
    ))
}

fn declare(
    text: &mut String,
    module: usize,
    directory: &Path,
    command: &str,
    more: &str,
) -> Result<(), String> {
    let source = directory.display();
    write!(
        text,
        "[modules.m{module:04}]\nsource = \"{source}\"\nbuild = {{ command = {command}, {more} }}\n"
    )
    .map_err(|error| error.to_string())
}

/// How many system calls a command makes.
fn calls(command: Command) -> Option<u64> {
    let mut traced = Command::new("strace");
    traced
        .args(["-f", "-c", "-U", "calls,name"])
        .arg(command.get_program())
        .args(command.get_args());
    let output = traced.output().ok()?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let total = text.lines().rev().find(|line| line.trim_end().ends_with("total"))?;
    total.split_whitespace().next()?.parse().ok()
}
