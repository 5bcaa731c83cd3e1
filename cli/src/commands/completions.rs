//! `completions`: a script that teaches a shell to complete the commands and options.

use std::io;

use clap::Args;
use clap_complete::Shell;
use schemars::JsonSchema;
use serde::Serialize;

use super::Runnable;
use crate::{context::Context, effect::Effect, output::Answer, page::Page, report::Failure};

/// Print the completions for a shell
///
/// Writes a script to standard output that teaches the shell to complete modstore's commands and options.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore completions bash > ~/.local/share/bash-completion/completions/modstore
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
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut context.manual(), "modstore", &mut script);
        Ok(CompletionsAnswer {
            generation: context.generation(),
            shell: self.shell.to_string(),
            script: String::from_utf8_lossy(&script).into_owned(),
        })
    }
}

impl Answer for CompletionsAnswer {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        to.ours(&self.script)
    }
}
