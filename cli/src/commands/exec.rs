//! `exec`: a program that sees one generation from its start to its end.
//!
//! This process becomes the program, so there is no exit code, signal or terminal to pass on. The lease is a
//! locked file that the program and its children inherit; see `modstore::Lease`. Waits for no lock.
//!
//! What Rust does at the start of every program cannot be taken back: SIGPIPE is as usual again, and no signal is
//! blocked, whatever the caller of modstore had set.

use std::{ffi::OsStr, io, os::unix::process::CommandExt as _, path::Path, process::Command};

use modstore::{Exit, Lease};

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
