//! Locks and leases: several programs on one store.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader},
    process::{Child, Stdio},
};

use super::{Machine, Sandbox, Unproved, commit, holds, read, repository, run};
use crate::failure::LabError;

/// How many programs change the store at the same time.
const WRITERS: usize = 4;

/// Several programs add a module each.
pub(super) fn all_succeed(sandbox: &Sandbox<'_>, _: &Machine) -> Result<Vec<String>, Unproved> {
    let names: Vec<String> = (0..WRITERS).map(|number| format!("module-{number}")).collect();
    let mut sources = Vec::new();
    for name in &names {
        sources.push(repository(sandbox, name, &[("name", name)])?.1);
    }
    let mut writers: Vec<Child> = Vec::new();
    for source in &sources {
        let mut command = sandbox.command(&["add", source]);
        let started =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        writers.push(started.map_err(LabError::cannot("run this program"))?);
    }
    for mut writer in writers {
        let ended = writer.wait().map_err(LabError::cannot("wait for this program"))?;
        holds("every writer succeeds", ended.success(), || format!("one ended with {ended}"))?;
    }
    for name in &names {
        let text = read(sandbox, &format!("{name}/name"));
        holds("every module is there", text == *name, || format!("{name}: {text}"))?;
    }
    let current = sandbox.current();
    holds("each made a generation", current == Some(WRITERS as u64), || format!("{current:?}"))?;
    run(sandbox, &["verify"], 0)?;
    Ok(vec![format!("{WRITERS} writers, {WRITERS} generations")])
}

/// A lock of another process is waited for, and named.
pub(super) fn wait(sandbox: &Sandbox<'_>, _: &Machine) -> Result<Vec<String>, Unproved> {
    let (_, source) = repository(sandbox, "module", &[("a", "1")])?;
    run(sandbox, &["add", &source], 0)?;
    let path = sandbox.store().join("locks/store");
    let held =
        File::options().write(true).open(&path).map_err(LabError::cannot("open the lock"))?;
    held.lock().map_err(LabError::cannot("take the lock"))?;
    let arguments = ["--lock-timeout", "1", "remove", "module"];
    let ran = run(sandbox, &arguments, 3)?;
    holds("the module is still there", read(sandbox, "module/a") == "1", || ran.stderr.clone())?;
    drop(held);
    run(sandbox, &arguments, 0)?;
    let first = ran.stderr.lines().next().unwrap_or_default().to_owned();
    Ok(vec![first])
}

/// `exec` keeps a generation through updates and a sweep, and no longer than its program runs.
pub(super) fn lease(sandbox: &Sandbox<'_>, _: &Machine) -> Result<Vec<String>, Unproved> {
    let (repo, source) = repository(sandbox, "module", &[("a", "1")])?;
    run(sandbox, &["add", &source], 0)?;
    let script = "echo \"$MODSTORE_MODULES\"; cat";
    let mut command = sandbox.command(&["exec", "--", "sh", "-c", script]);
    let started = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut host = started.map_err(LabError::cannot("run this program"))?;
    let mut directory = String::new();
    if let Some(output) = host.stdout.take() {
        let read = BufReader::new(output).read_line(&mut directory);
        read.map_err(LabError::cannot("read what the program says"))?;
    }
    let file = std::path::Path::new(directory.trim_end()).join("module/a");
    for text in ["2", "3"] {
        commit(&repo, &[("a", text)])?;
        run(sandbox, &["update"], 0)?;
    }
    let sweep = ["gc", "--keep", "1", "--older-than", "0s"];
    run(sandbox, &sweep, 0)?;
    let kept = fs::read_to_string(&file).unwrap_or_default();
    drop(host.stdin.take());
    let ended = host.wait().map_err(LabError::cannot("wait for this program"))?;
    holds("the program ends well", ended.success(), || format!("it ended with {ended}"))?;
    holds("its generation was kept while it ran", kept == "1", || file.display().to_string())?;
    run(sandbox, &sweep, 0)?;
    holds("it is deleted afterwards", !file.exists(), || file.display().to_string())?;
    Ok(Vec::new())
}
