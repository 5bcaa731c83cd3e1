//! Which points are tried, what came of them, and the row that says so.

use std::io::Write as _;

/// Whether every point is tried.
pub(crate) fn all() -> bool {
    std::env::var_os("MODSTORE_CRASH").is_some_and(|wanted| wanted == "all")
}

/// Of `total` points, all or about `few`: each n-th, and the last one always. The same ones in every run.
pub(crate) fn slice(total: usize, few: usize) -> impl Iterator<Item = usize> {
    let step = if all() { 1 } else { total.div_ceil(few).max(1) };
    (0..total).filter(move |point| (total - 1 - point).is_multiple_of(step))
}

/// What came of the points of one law for one scenario.
pub(crate) struct Points {
    row: String,
    tried: usize,
    failures: Vec<String>,
}

impl Points {
    /// None yet. `row` begins the line that [`end`](Self::end) prints.
    pub(crate) fn of(row: String) -> Self {
        Self { row, tried: 0, failures: Vec::new() }
    }

    /// One more, described by `what` when it failed.
    pub(crate) fn tried(&mut self, what: impl FnOnce() -> String, came: Result<(), String>) {
        self.tried += 1;
        if let Err(why) = came {
            self.failures.push(format!("{}: {why}", what()));
        }
    }

    /// Prints the row.
    ///
    /// # Panics
    /// When a point failed, or none was tried.
    pub(crate) fn end(self) {
        let Self { row, tried, failures } = self;
        // Past the test runner's capture: the rows are what a person runs this for.
        let _ = writeln!(std::io::stdout(), "{row}, {tried} points, {} failed", failures.len());
        let first: Vec<_> = failures.iter().take(5).map(String::as_str).collect();
        assert!(failures.is_empty(), "{} of {tried} failed:\n{}", failures.len(), first.join("\n"));
        assert!(tried > 0, "no point was tried");
    }
}
