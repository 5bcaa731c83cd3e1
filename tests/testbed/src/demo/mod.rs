//! The demo: the main job of a program on real repositories, each claim checked as it is printed.
//!
//! The commands are run as a person would run them, and their output is theirs. The story is in `play`.

mod play;

pub use play::{Demo, DemoError, DemoStep, Played};
