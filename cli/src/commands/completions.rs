//! `completions`: a script that teaches a shell to complete the commands and options.

use std::io;

use clap::CommandFactory as _;

use crate::{
    args::{Arguments, CompletionsArgs},
    json::Completions,
    output::Answer,
    page::Page,
    report::Failure,
};

/// Makes the script.
#[expect(clippy::unnecessary_wraps, reason = "as every command")]
pub(crate) fn run(args: &CompletionsArgs) -> Result<Completions, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Arguments::command(), "modstore", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    Ok(Completions { generation: None, shell: args.shell.to_string(), script })
}

impl Answer for Completions {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        to.ours(&self.script)
    }
}
