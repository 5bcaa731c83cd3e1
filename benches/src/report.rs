//! Numbers as the tables of the README.
//!
//! Limits: Markdown only; a table is complete before it is printed.

use std::fmt::{self, Write as _};
use std::time::Duration;

use crate::contender::Role;
use crate::measure::Spread;

/// A Markdown table.
#[derive(Debug)]
pub(crate) struct Table {
    words: usize,
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table whose first columns, `words` of them, are not numbers.
    pub(crate) fn new(words: usize, columns: &[&str]) -> Self {
        let columns = columns.iter().map(|&name| name.to_owned()).collect();
        Self { words, columns, rows: Vec::new() }
    }

    /// Adds a row of as many cells as there are columns.
    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        f.write_str(&line(&self.columns))?;
        f.write_str("|")?;
        for (at, _) in self.columns.iter().enumerate() {
            f.write_str(if at < self.words { "---|" } else { "---:|" })?;
        }
        f.write_char('\n')?;
        self.rows.iter().try_for_each(|row| f.write_str(&line(row)))
    }
}

/// One bar of the plot: a step of one contender.
#[derive(Debug, Clone)]
pub(crate) struct Timing {
    /// What was to be done.
    pub(crate) group: String,
    /// Who did it.
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) seconds: f64,
}

/// Median and extremes, in seconds.
pub(crate) fn seconds(spread: Option<Spread>) -> String {
    let shown = |it: Spread| format!("{:.3} [{:.3}..{:.3}]", it.median, it.least, it.most);
    spread.map_or_else(dash, shown)
}

/// Median and extremes of seconds, in milliseconds.
pub(crate) fn milliseconds(spread: Option<Spread>) -> String {
    let [median, least, most] =
        spread.map_or([0.0; 3], |it| [it.median, it.least, it.most]).map(|it| it * 1000.0);
    spread.map_or_else(dash, |_| format!("{median:.0} [{least:.0}..{most:.0}]"))
}

/// A plain number with so many digits after the point.
pub(crate) fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(dash, |value| format!("{value:.digits$}"))
}

/// The middle of some durations, in seconds.
pub(crate) fn middle(values: impl Iterator<Item = Duration>) -> Option<f64> {
    Spread::of(values.map(|value| value.as_secs_f64())).map(|it| it.median)
}

/// Bytes as MiB.
pub(crate) fn mebibytes(bytes: f64) -> String {
    format!("{:.0}", bytes / 1_048_576.0)
}

pub(crate) fn dash() -> String {
    "–".to_owned()
}
