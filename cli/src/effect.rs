//! [`Effect`]: what a command does to the store and to this process.

/// What a command does to the store and to this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Reads the store only, in a single thread.
    Reads,
    /// May change the store, with threads that work in parallel.
    Changes,
    /// Waits for an editor on the terminal, and may then change one file of the store.
    Edits,
    /// Reads the store, and then another program takes the place of this one.
    Replaces,
}
