//! [`Runnable`]: how every command is run.

use crate::{context::Context, effect::Effect, output::Answer, report::Failure};

/// A command, implemented by its arguments.
pub(crate) trait Runnable {
    /// Its answer.
    type Answer: Answer;

    /// What it does to the store and to this process.
    const EFFECT: Effect = Effect::Changes;

    /// Runs it.
    fn run(&self, context: &Context) -> Result<Self::Answer, Failure>;
}
