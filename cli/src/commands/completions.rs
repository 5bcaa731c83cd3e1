//! `completions`: a script that teaches a shell to complete commands, options and names of modules.

use std::io;

use clap::Args;
use clap_complete::Shell;
use schemars::JsonSchema;
use serde::Serialize;

use super::{Runnable, suggestions};
use crate::{
    context::Context, effect::Effect, exit::Exit, output::Answer, page::Page, report::Failure,
};

/// Print the completions for a shell
///
/// Writes a script to standard output that teaches the shell to complete modstore's commands and options, the names
/// of modules and the numbers of generations. The shell runs the `modstore` that it finds on its PATH for that, which
/// reads the store's names and changes nothing. After an upgrade of modstore, write the script again.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore completions bash > ~/.local/share/bash-completion/completions/modstore
  modstore completions zsh > ~/.zfunc/_modstore          (a directory of zsh's fpath)
  modstore completions fish > ~/.config/fish/completions/modstore.fish")]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL", value_enum)]
    shell: Shell,
}

/// The answer of `completions`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct CompletionsAnswer {
    generation: Option<u64>,
    /// The shell.
    shell: String,
    /// The script.
    script: String,
}

impl Runnable for CompletionsArgs {
    type Answer = CompletionsAnswer;
    const EFFECT: Effect = Effect::Reads;

    fn run(&self, context: &Context) -> Result<CompletionsAnswer, Failure> {
        let shell = self.shell.to_string();
        let script = suggestions::script(&shell).ok_or_else(|| {
            Failure::new(Exit::Usage, format!("there are no completions for {shell}"))
        })?;
        Ok(CompletionsAnswer { generation: context.generation(), shell, script })
    }
}

impl Answer for CompletionsAnswer {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        to.ours(&self.script)
    }
}
