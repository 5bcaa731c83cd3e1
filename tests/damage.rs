//! Every kind of file in a home × every kind of damage: `verify` finds it and names it, nothing panics, and what
//! `verify` calls sound is served as git has it, byte for byte; `verify --repair` repairs it. And the other way round: whatever a store has been
//! through in normal work, or is going through, it is found sound.
//!
//! Limits: two damages at once, and repairs that find no content, are in `repair.rs`. A flipped bit that no check covers (a digit of the store's
//! identity, a letter in a source of `modules.toml`) cannot be found, and harms no module.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "helpers panic, and that is how a test fails"
)]

#[path = "damage/world.rs"]
mod world;
#[path = "damage/kinds.rs"]
mod kinds;
#[path = "damage/harm.rs"]
mod harm;
#[path = "damage/matrix.rs"]
mod matrix;
#[path = "damage/sound.rs"]
mod sound;

const BINARY: &str = env!("CARGO_BIN_EXE_modstore");
