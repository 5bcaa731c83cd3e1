//! The `modstore` command line: parse, dispatch, exit code.
//!
//! Prints nothing itself (see `output`, `report` and `progress`) and decides nothing about the store.

mod amounts;
mod args;
mod home;
mod limits;
mod interrupt;
mod escape;
mod page;
mod text;
mod time;
mod report;
mod output;
mod progress;
mod json;
mod context;
mod commands;

use std::{io, process::ExitCode};

use clap::{Parser as _, error::ErrorKind};
use modstore::Exit;

use self::{
    args::{Arguments, Command},
    context::Context,
    output::Output,
    report::Failure,
};

fn main() -> ExitCode {
    limits::outlive_file_sizes();
    limits::with_room(command_line)
}

fn command_line() -> ExitCode {
    match Arguments::try_parse() {
        Ok(Arguments { global, command }) => {
            let context = Context::new(global, command.name());
            match command {
                // What is done about signals is left as it is, for the program that takes over.
                Command::Exec(_) => run(&context, &command),
                _ => run(&context.listening(), &command),
            }
        }
        Err(error) => ExitCode::from(explain(error)),
    }
}

fn run(context: &Context, command: &Command) -> ExitCode {
    if let Err(failure) = context.ready_for(command) {
        return ExitCode::from(context.output.fail(context.generation(), &failure));
    }
    use commands::{
        add, bench, bind, completions, demo, diff, doctor, events, exec, gc, helper, history, link,
        list, outdated, path, remove, reset, rollback, show, status, unlink, update, verify,
    };
    let Context { output, .. } = context;
    let shown = || context.generation();
    let code = match command {
        Command::Add(args) => output.end(shown, add::run(context, args)),
        Command::Remove(args) => output.end(shown, remove::run(context, args)),
        Command::Link(args) => output.end(shown, link::run(context, args)),
        Command::Unlink(args) => output.end(shown, unlink::run(context, args)),
        Command::Update(args) => output.end(shown, update::run(context, args)),
        Command::Scan(args) => output.end(shown, update::scan(context, args)),
        Command::Outdated(args) => output.end(shown, outdated::run(context, args)),
        Command::List(_) => output.end(shown, list::run(context)),
        Command::Show(args) => output.end(shown, show::run(context, args)),
        Command::Path(args) => output.end(shown, path::run(context, args)),
        Command::Status(_) => output.end(shown, status::run(context)),
        Command::Events(args) => output.end(shown, events::run(context, args)),
        Command::History(_) => output.end(shown, history::run(context)),
        Command::Diff(args) => output.end(shown, diff::run(context, args)),
        Command::Rollback(args) => output.end(shown, rollback::run(context, args)),
        Command::Gc(args) => output.end(shown, gc::run(context, args)),
        Command::Exec(args) => {
            let failure = exec::run(context, args);
            output.fail(shown(), &failure)
        }
        Command::Verify(args) => output.end(shown, verify::run(context, args)),
        Command::Bind(args) => output.end(shown, bind::run(context, args)),
        Command::Unbind(args) => output.end(shown, bind::unbind(context, args)),
        Command::Doctor(args) => output.end(shown, doctor::run(context, args)),
        Command::Reset(args) => output.end(shown, reset::run(context, args)),
        Command::Helper(args) => output.end(shown, helper::run(context, args)),
        Command::Completions(args) => output.end(shown, completions::run(args)),
        Command::Bench(args) => output.end(shown, bench::run(context, args)),
        Command::Demo(args) => output.end(shown, demo::run(context, args)),
    };
    ExitCode::from(code)
}

/// Help and versions go where they were asked for; wrong usage is a failure like any other, code 2.
fn explain(mut error: clap::Error) -> u8 {
    if !error.use_stderr() {
        return match error.print() {
            // A reader that has gone away has read enough.
            Err(failed) if failed.kind() != io::ErrorKind::BrokenPipe => {
                Output::of_usage(false).fail(None, &failed.into())
            }
            _ => 0,
        };
    }
    let mut arguments = std::env::args_os().take_while(|argument| argument != "--");
    let json = arguments.any(|argument| argument == "--json");
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand && !json {
        // Nobody can be told when standard error is gone.
        let _ = error.print();
        return Exit::Usage.code();
    }
    Output::of_usage(json).fail(None, &Failure::of_usage(&mut error))
}
