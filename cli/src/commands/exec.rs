//! `exec`: a program that sees one generation from its start to its end.
//!
//! This process becomes the program, so there is no exit code, signal or terminal to pass on. The lease is a
//! locked file that the program and its children inherit; see `modstore::Lease`. Waits for no lock.
//!
//! What Rust does at the start of every program cannot be taken back: SIGPIPE is as usual again, and no signal is
//! blocked, whatever the caller of modstore had set.

use std::{
    ffi::{OsStr, OsString},
    io,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use modstore::{Exit, Lease, environment::Registration};

use crate::{args::ExecArgs, context::Context, report::Failure};

/// As shells say it.
const NOT_FOUND: u8 = 127;
const NOT_RUN: u8 = 126;

/// Becomes the program, or says why not.
pub(crate) fn run(context: &Context, args: &ExecArgs) -> Failure {
    try_run(context, args).unwrap_or_else(|failure| failure)
}

fn try_run(context: &Context, args: &ExecArgs) -> Result<Failure, Failure> {
    let (program, arguments) = args.command.split_first().ok_or_else(nothing_to_run)?;
    let lease = lease(context, args, program)?;
    let mut command = Command::new(program);
    command.args(arguments).env("MODSTORE_HOME", context.home()?);
    command.env("MODSTORE_GENERATION", lease.generation().to_string());
    command.env("MODSTORE_MODULES", lease.directory());
    if let Some(paths) = import_path(context, args, program, &lease)? {
        command.env("PYTHONPATH", paths);
    }
    // Comes back only if it could not be done.
    Ok(not_run(program, &command.exec()))
}

fn lease(context: &Context, args: &ExecArgs, program: &OsStr) -> Result<Lease, Failure> {
    // Its name and no more of it: arguments may hold secrets.
    let name = Path::new(program).file_name().unwrap_or(program);
    let store = context.store_for(&name.to_string_lossy())?;
    let mut lease = match args.generation {
        Some(generation) => store.lease_of(generation)?,
        None => store.lease()?,
    };
    lease.let_children_inherit()?;
    Ok(lease)
}

/// What the leased generation puts on the import path, before what `PYTHONPATH` says already.
fn import_path(
    context: &Context,
    args: &ExecArgs,
    program: &OsStr,
    lease: &Lease,
) -> Result<Option<OsString>, Failure> {
    let store = context.store()?;
    let registrations = store.environments()?;
    let wanted = match &args.python {
        Some(python) => vec![bound(&registrations, python)?],
        None => match registrations.iter().find(|each| is_in(each, program)) {
            Some(registration) => vec![registration],
            None => registrations.iter().filter(|each| !each.is_missing()).collect(),
        },
    };
    let mut paths: Vec<PathBuf> = Vec::new();
    for registration in wanted {
        let pinned = store.pinned_paths(lease, registration)?;
        paths.extend(pinned.into_iter().filter(|path| !paths.contains(path)).collect::<Vec<_>>());
    }
    if paths.is_empty() {
        return Ok(None);
    }
    let before = std::env::var_os("PYTHONPATH").filter(|before| !before.is_empty());
    paths.extend(before.iter().flat_map(std::env::split_paths));
    std::env::join_paths(paths).map(Some).map_err(|error| {
        Failure::new(Exit::Failed, "the store's path cannot stand in PYTHONPATH")
            .because(vec![error.to_string()])
    })
}

/// The environment that is meant by an interpreter or a directory.
fn bound<'a>(
    registrations: &'a [Registration],
    python: &Path,
) -> Result<&'a Registration, Failure> {
    let found = registrations.iter().find(|each| each.is_meant_by(python));
    found.ok_or_else(|| {
        let message = format!("the environment {} is not bound", python.display());
        Failure::new(Exit::Usage, message).hint("`modstore status` lists the environments that are")
    })
}

/// Whether the program, as it is found in `PATH`, lies in the environment.
fn is_in(registration: &Registration, program: &OsStr) -> bool {
    let is_name = Path::new(program).components().count() == 1;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = match is_name {
        true => std::env::split_paths(&path).map(|at| at.join(program)).find(|path| path.is_file()),
        false => std::path::absolute(program).ok(),
    };
    let resolved = |found: &Path| found.parent()?.canonicalize().ok();
    found.is_some_and(|found| {
        found.starts_with(&registration.prefix)
            || resolved(&found).is_some_and(|at| at.starts_with(&registration.prefix))
    })
}

fn nothing_to_run() -> Failure {
    Failure::new(Exit::Usage, "no program was given").hint("see `modstore exec --help`")
}

fn not_run(program: &OsStr, error: &io::Error) -> Failure {
    let shown = program.display();
    let is_there = Path::new(program).components().count() > 1 && Path::new(program).exists();
    let failure = |text: String| Failure::new(Exit::Failed, text).because(vec![error.to_string()]);
    match error.kind() {
        io::ErrorKind::NotFound if is_there => failure(format!("cannot run {shown}"))
            .hint("the interpreter in its first line is not there")
            .with_exit(NOT_FOUND),
        io::ErrorKind::NotFound => failure(format!("there is no program {shown}"))
            .hint("it is looked for in the directories of PATH, unless its name has a `/`")
            .with_exit(NOT_FOUND),
        io::ErrorKind::PermissionDenied => failure(format!("cannot run {shown}"))
            .hint("it must be a file with the permission to be executed: `chmod +x` gives it")
            .with_exit(NOT_RUN),
        _ => failure(format!("cannot run {shown}")).with_exit(NOT_RUN),
    }
}
