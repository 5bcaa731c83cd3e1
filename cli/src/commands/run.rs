//! [`Run`]: how every command is run.

use crate::{context::Context, output::Answer, report::Failure};

/// What a command does to the store and to this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Reads the store only, in a single thread.
    Reads,
    /// May change the store, with threads that work in parallel.
    Changes,
    /// Reads the store, and then another program takes the place of this one.
    Replaces,
}

/// A command, implemented by its arguments.
pub(crate) trait Run {
    /// What it has to say when it ends.
    type Answer: Answer;

    /// What it does to the store and to this process.
    const EFFECT: Effect = Effect::Changes;

    /// Runs it.
    fn run(&self, context: &Context) -> Result<Self::Answer, Failure>;
}
