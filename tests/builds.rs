//! Modules that are built: fifteen laws from the ways in which a real catalog of extensions lost good builds, pinned bad
//! ones and built the same thing for ever. What counts is how often a builder was started, not only how things end.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers panic, and that is how a test fails"
)]

mod builds {
    pub(crate) mod world;
    mod laws;
    mod pins;
    mod consent;
    mod inputs;
    mod each;
    mod moves;
    mod network;
    mod terminal;
}
