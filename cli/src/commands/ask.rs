//! Questions on a terminal, only with `--interactive`. Without it, nothing asks.

use std::io::{self, IsTerminal as _};

use crate::{context::Context, page::on_stderr, report::Failure};

/// Whether a question may be asked.
pub(super) fn may_ask(context: &Context) -> bool {
    context.global.interactive && io::stdin().is_terminal()
}

/// Whether a person says yes; anything else is no.
pub(super) fn says_yes(question: &str) -> Result<bool, Failure> {
    on_stderr(|to| writeln!(to, "{question} [y/N]"));
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}
