//! Measuring for benchmarks, and plots of the results.

mod process;
mod disk_usage;
mod reader;
mod plot;

pub use disk_usage::DiskUsage;
pub use plot::{Bar, Bars, Line, Rounds};
pub use process::{cpu_time, peak_memory, reset_peak_memory};
pub use reader::{Reader, Reads, files_below};
