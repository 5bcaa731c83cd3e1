//! Plots as SVG: rounds of work with the disk below them, or bars side by side.

mod page;
mod rounds;
mod bars;

pub use bars::{Bar, Bars};
pub use rounds::{Line, Rounds};
