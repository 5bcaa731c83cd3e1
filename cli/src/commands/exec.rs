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

use clap::{Args, ValueHint};
use modstore::{Generation, Lease};
use modstore_python::Registration;
use schemars::JsonSchema;
use serde::Serialize;

use super::Runnable;
use crate::{
    context::Context, effect::Effect, exit::Exit, output::Answer, page::Page, report::Failure,
};

/// As shells say it.
const NOT_FOUND: u8 = 127;
const NOT_RUN: u8 = 126;

/// Run a program that sees one generation from its start to its end
///
/// A path through `current` is resolved each time it is used. A program that loads
/// its modules one by one would mix two generations if an update came in between.
/// `exec` resolves `current` once, takes a lease on that generation, passes its
/// directory to the program and becomes the program: same process, terminal,
/// signals and exit code. The lease keeps the generation until the last process
/// that the program has started ends. `modstore status` lists the leases.
///
/// The program gets these variables:
///   MODSTORE_MODULES      the generation's directory, with one link per module
///   MODSTORE_GENERATION   its number
///   MODSTORE_HOME         the store's directory, as an absolute path
///   PYTHONPATH            what the modules of the generation put on the import
///                         path, followed by the previous value; for the Python
///                         environment that the program is in, or all bound ones
///
/// With --json, a failure to run the program is one JSON object. Once it runs, the
/// output is the program's own, and modstore prints nothing.
///
/// A descendant holds the lease through an open file that it inherits. Programs
/// that close unknown files (sudo, Python's subprocess for its children) release
/// their part of it; the lease then lasts as long as the remaining processes.
#[derive(Debug, Args)]
#[command(
    verbatim_doc_comment,
    after_help = "\
Examples:
  modstore exec -- python3 -m my_host
  modstore exec -- sh -c 'ls \"$MODSTORE_MODULES\"'
  modstore exec --generation 12 -- my-host      (an older one)

Exit codes: those of the program; 127 if it is not found, 126 if it cannot be run; 1 if no lease
can be taken, 2 for wrong usage or a generation that is not there."
)]
pub(crate) struct ExecArgs {
    /// This generation instead of the current one
    #[arg(long, value_name = "G", allow_negative_numbers = true)]
    generation: Option<Generation>,
    /// The Python environment whose modules go on PYTHONPATH [default: the one the program is in]
    #[arg(long, value_name = "PY", value_hint = ValueHint::AnyPath)]
    python: Option<PathBuf>,
    /// The program and its arguments
    #[arg(
        required = true,
        value_name = "CMD",
        trailing_var_arg = true,
        value_hint = ValueHint::CommandWithArguments
    )]
    command: Vec<OsString>,
}

impl Runnable for ExecArgs {
    type Answer = Replaced;
    const EFFECT: Effect = Effect::Replaces;

    fn run(&self, context: &Context) -> Result<Replaced, Failure> {
        Err(replace(context, self)?)
    }
}

/// No answer: this process is another program by then.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) enum Replaced {}

impl Answer for Replaced {
    fn write(&self, _: &mut Page<'_>) -> io::Result<()> {
        match *self {}
    }
}

/// Becomes the program. Returns only when that fails.
fn replace(context: &Context, args: &ExecArgs) -> Result<Failure, Failure> {
    let (program, arguments) = args.command.split_first().ok_or_else(nothing_to_run)?;
    let lease = lease(context, args, program)?;
    let mut command = Command::new(program);
    command.args(arguments).env("MODSTORE_HOME", context.home()?);
    command.env_remove("MODSTORE_PROJECT");
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
    let name = name.to_string_lossy();
    let store =
        context.store_with(|options| options.command = format!("{} {name}", options.command))?;
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
    let store = context.store_without_tiers()?;
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
    let found = registrations.iter().find(|each| each.is_named_by(python));
    found.ok_or_else(|| {
        let message = format!("the environment {} is not bound", python.display());
        Failure::new(Exit::Usage, message).hint("`modstore status` lists the environments that are")
    })
}

/// Whether the program, as it is found in `PATH`, lies in the environment.
fn is_in(registration: &Registration, program: &OsStr) -> bool {
    let is_name = Path::new(program).components().count() == 1;
    let found = if is_name {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).map(|at| at.join(program)).find(|path| path.is_file())
    } else {
        std::path::absolute(program).ok()
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
