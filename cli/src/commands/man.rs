//! `man`: the manual pages, made from the arguments and their help.
//!
//! Writes only into the directory that it is given. What a page looks like is in `page`.

mod page;

use std::{
    io,
    path::{Path, PathBuf},
};

use clap::{Args, Command as Manual};
use schemars::JsonSchema;
use serde::Serialize;

use super::Runnable;
use crate::{
    context::Context, effect::Effect, exit::Exit, output::Answer, page::Page, report::Failure,
};

/// Print a manual page, or write all of them
///
/// Prints the page of a command, or of modstore itself, for the program `man`. With --dir it writes a page for each
/// command into a directory, where packages and `man` look for them.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore man update | man -l -
  modstore man --dir ~/.local/share/man/man1     (then: man modstore-update)")]
pub(crate) struct ManArgs {
    /// The command [default: modstore itself]
    #[arg(value_name = "COMMAND")]
    command: Option<String>,
    /// Write all pages into this directory, which is made if it is not there
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    dir: Option<PathBuf>,
}

/// The answer of `man`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ManAnswer {
    generation: Option<u64>,
    /// The page, in the language of `man`; null with `--dir`.
    page: Option<String>,
    /// The files that were written, with `--dir`.
    written: Vec<String>,
}

impl Runnable for ManArgs {
    type Answer = ManAnswer;
    const EFFECT: Effect = Effect::Reads;

    fn run(&self, context: &Context) -> Result<ManAnswer, Failure> {
        let mut manual = context.manual().disable_help_subcommand(true);
        manual.build();
        let (page, written) = match &self.dir {
            Some(dir) => (None, write_all(&manual, dir)?),
            None => (Some(page::of(self.chosen(&manual)?)), Vec::new()),
        };
        Ok(ManAnswer { generation: context.generation(), page, written })
    }
}

impl ManArgs {
    fn chosen<'a>(&self, manual: &'a Manual) -> Result<&'a Manual, Failure> {
        let Some(name) = &self.command else { return Ok(manual) };
        manual.find_subcommand(name).ok_or_else(|| {
            Failure::new(Exit::Usage, format!("there is no command `{name}`"))
                .hint("`modstore --help` lists the commands")
        })
    }
}

/// Writes the page of each command, and gives the files in order.
fn write_all(manual: &Manual, dir: &Path) -> Result<Vec<String>, Failure> {
    std::fs::create_dir_all(dir).map_err(|error| not_written(dir, &error))?;
    let commands = std::iter::once(manual).chain(manual.get_subcommands());
    let mut written = Vec::new();
    for command in commands.filter(|command| !command.is_hide_set()) {
        let file = dir.join(format!("{}.1", page::name_of(command)));
        std::fs::write(&file, page::of(command)).map_err(|error| not_written(&file, &error))?;
        written.push(file.display().to_string());
    }
    written.sort();
    Ok(written)
}

fn not_written(path: &Path, error: &io::Error) -> Failure {
    Failure::new(Exit::Failed, format!("cannot write {}", path.display()))
        .because(vec![error.to_string()])
        .hint("name a directory that you may write to")
}

impl Answer for ManAnswer {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        match &self.page {
            Some(page) => to.ours(page),
            None => self.written.iter().try_for_each(|file| writeln!(to, "{file}")),
        }
    }
}
