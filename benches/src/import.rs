//! `import` of a directory of clones against `cp -r` of it, by turns; and both with the sync that makes a copy durable.
//!
//! Limits: the clones are of repositories on this machine and all is in the page cache; `cp -r` also copies what lies in
//! `.git`, which an import reads a part of.

use std::{fs, path::Path, process::Command};

use crate::{
    contender::empty,
    local::{Local, Samples, middle, milliseconds, ratio, timed},
    measure::{run, sync},
    report::Table,
};

/// Clones, and files in each.
const CLONES: usize = 40;
const FILES: usize = 40;

type Work<'a> = &'a dyn Fn() -> Result<(), String>;

/// Each imported into a new store, and copied.
pub(crate) fn clones(local: &Local<'_>) -> Result<String, String> {
    let (home, copy) = (local.place.join("imported"), local.place.join("copied"));
    let (origins, clones) = (local.fresh("import-origins")?, local.fresh("import-clones")?);
    for number in 0..CLONES {
        clone(&origins.join(format!("c{number:02}")), &clones, number)?;
    }
    let import = || {
        let mut command = Command::new(local.modstore);
        command.arg("--home").arg(&home).args(["--quiet", "import", "--layout", "clones"]);
        run(command.arg(&clones)).map(drop)
    };
    let cp = || run(Command::new("cp").arg("-r").args([&clones, &copy])).map(drop);
    let turns: [(&str, Work<'_>); 2] = [("import", &import), ("cp", &cp)];
    let mut samples = Samples::new();
    for _ in 0..local.rounds.max(3) {
        for (name, work) in turns {
            gone(&home)?;
            gone(&copy)?;
            sync(local.place)?;
            let alone = timed(work)?;
            let after = timed(|| sync(local.place))?;
            samples.entry(name.to_owned()).or_default().push(alone);
            samples.entry(format!("{name}, synced")).or_default().push(alone + after);
        }
    }
    let mut table = Table::new(1, &["what", "ms, median [min..max]", "× cp -r", "aim"]);
    for (name, what, against, aim) in [
        ("import", "`modstore import`", "cp", "≤ 2"),
        ("cp", "`cp -r`", "cp", ""),
        ("import, synced", "`modstore import`, and a sync", "cp, synced", ""),
        ("cp, synced", "`cp -r`, and a sync", "cp, synced", ""),
    ] {
        let times = ratio(middle(&samples, name), middle(&samples, against));
        table.row(vec![what.to_owned(), milliseconds(&samples, name), times, aim.to_owned()]);
    }
    [&home, &copy].into_iter().try_for_each(|at| gone(at))?;
    [&origins, &clones].into_iter().try_for_each(|at| gone(at))?;
    Ok(format!("{CLONES} clones of {FILES} files; `cp -r` leaves its copy in memory.\n\n{table}"))
}

fn gone(at: &Path) -> Result<(), String> {
    empty(at)?;
    fs::remove_dir(at).map_err(|error| format!("{}: {error}", at.display()))
}

/// A repository of files of 200 to 13,000 bytes, and its clone.
fn clone(origin: &Path, clones: &Path, number: usize) -> Result<(), String> {
    for file in 0..FILES {
        let directory = origin.join(format!("d{}", file % 11));
        fs::create_dir_all(&directory).map_err(|error| error.to_string())?;
        let line = format!("{number} {file} made up\n");
        let text = line.repeat(200 * (1 + (file * 7 + number) % 64) / line.len() + 1);
        fs::write(directory.join(format!("f{file}")), text).map_err(|error| error.to_string())?;
    }
    for arguments in [
        &["init", "-q", "-b", "main"][..],
        &["add", "."],
        &["-c", "user.name=b", "-c", "user.email=b@b", "commit", "-qm", "b"],
    ] {
        run(Command::new("git").arg("-C").arg(origin).args(arguments))?;
    }
    let to = clones.join(format!("c{number:02}"));
    let url = format!("file://{}", origin.display());
    run(Command::new("git").args(["clone", "-q", &url]).arg(&to))?;
    Ok(())
}
