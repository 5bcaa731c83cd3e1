//! The `modstore` command line: parse, dispatch, exit code.
//!
//! Prints nothing itself (see `output`, `report` and `progress`) and decides nothing about the store.

mod amounts;
mod options;
mod causes;
mod exit;
mod effect;
mod home;
mod limits;
mod tiers;
mod interrupt;
mod escape;
mod text;
mod page;
mod table;
mod time;
mod report;
mod explain;
mod output;
mod json;
mod progress;
mod context;
mod commands;
mod args;
mod other_words;
#[cfg(test)]
mod tests;

use std::{io, process::ExitCode};

use clap::error::ErrorKind;
use rustix::fs::Mode;

use self::{
    args::{Arguments, Command},
    context::Context,
    effect::Effect,
    exit::Exit,
    output::Output,
    report::Failure,
};

fn main() -> ExitCode {
    limits::outlive_file_sizes();
    limits::with_room(command_line)
}

fn command_line() -> ExitCode {
    match commands::suggestions::answer(args::manual) {
        Ok(true) => return ExitCode::SUCCESS,
        Ok(false) => {}
        Err(error) => return ExitCode::from(explain(error)),
    }
    match args::parse() {
        Ok(Arguments { global, command }) => {
            let context = Context::new(global, command.name(), args::manual);
            ExitCode::from(prepare(context, &command))
        }
        Err(error) => ExitCode::from(explain(error)),
    }
}

fn prepare(context: Context, command: &Command) -> u8 {
    if command.effect() == Effect::Replaces {
        // The program that takes over gets the signals and the umask as they are.
        return run(&context, command);
    }
    close_to_others();
    if command.effect() == Effect::Edits {
        // The keys of the terminal are for the editor.
        return run(&context, command);
    }
    run(&context.listening(), command)
}

/// Prevents other users from writing to the files that this program, its builders and its installers make.
fn close_to_others() {
    let others = Mode::WGRP | Mode::WOTH;
    let before = rustix::process::umask(others);
    rustix::process::umask(before | others);
}

fn run(context: &Context, command: &Command) -> u8 {
    if let Err(failure) = context.ready_for(command.effect()) {
        return context.output.fail(context.generation(), &failure);
    }
    command.run(context)
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
        // There is no way to report that standard error is gone.
        let _ = error.print();
        return Exit::Usage.code();
    }
    let instead = other_words::option_instead(&error);
    let failure = other_words::failure(&error).unwrap_or_else(|| Failure::of_usage(&mut error));
    let failure = match instead {
        Some(hint) => failure.hint(hint),
        None => failure,
    };
    Output::of_usage(json).fail(None, &failure)
}
