//! Words and columns: how values look to a person.
//!
//! Widths are counted in characters; wide ones (CJK) are not looked up.

use std::{borrow::Cow, io};

use crate::{escape::escaped, page::Page};

/// The longest text of somebody else's that is shown, in characters.
const LONGEST: usize = 4096;

/// The widest column that other rows are padded for.
const WIDEST: usize = 256;

/// `text`, of which at most so many characters are shown; it says how many there are when it is more.
pub(crate) fn cut(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most).and_then(|(end, _)| text.get(..end)) {
        None => Cow::Borrowed(text),
        Some(shown) => format!("{shown}… ({} characters)", text.chars().count()).into(),
    }
}

/// What is shown of a text that somebody else chose the length of.
pub(crate) fn shortened(text: &str) -> Cow<'_, str> {
    cut(text, LONGEST)
}

/// The first seven digits of a commit or entry: enough for a person.
pub(crate) fn short(id: &str) -> &str {
    id.get(..7).unwrap_or(id)
}

/// `1 module`, `3 modules`.
pub(crate) fn count(number: usize, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

/// `17 B`, `1.5 kB`, `23.4 MB`.
pub(crate) fn size(bytes: u64) -> String {
    let units = ["kB", "MB", "GB", "TB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1000.0;
    let mut unit = 0;
    while value >= 999.95 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    format!("{value:.1} {}", units.get(unit).copied().unwrap_or_default())
}

/// Rows whose columns line up. The last column is never padded, and nothing is ever wrapped.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Adds a row.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = impl AsRef<str>>) {
        let cell = |cell: &str| escaped(&shortened(cell)).into_owned();
        self.rows.push(cells.into_iter().map(|text| cell(text.as_ref())).collect());
    }

    /// Writes it, with `indent` spaces before each row.
    pub(crate) fn write(&self, to: &mut Page<'_>, indent: usize) -> io::Result<()> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            // Nothing stands behind the last cell of a row, so that it pushes nothing aside.
            let rows = self.rows.iter().filter(|row| column + 1 < row.len());
            rows.filter_map(|row| Some(row.get(column)?.chars().count()))
                .max()
                .unwrap_or(0)
                .min(WIDEST)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for row in &self.rows {
            let mut line = " ".repeat(indent);
            for (cell, width) in row.iter().zip(&widths) {
                line.push_str(cell);
                // A width in a format string has a limit, and panics beyond it.
                line.push_str(&" ".repeat(width.saturating_sub(cell.chars().count()) + 2));
            }
            writeln!(to, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_lines_have_no_trailing_space() {
        let mut table = Table::default();
        table.row(["a", "bb", ""]);
        table.row(["üüü", "b", "c"]);
        let mut text = Vec::new();
        table.write(&mut Page::new(&mut text), 2).unwrap();
        assert_eq!(String::from_utf8(text).unwrap(), "  a    bb\n  üüü  b   c\n");
    }

    #[test]
    fn a_size_is_told_in_the_unit_that_fits() {
        let table = [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (999_999, "1.0 MB"),
            (23_400_000, "23.4 MB"),
        ];
        for (bytes, told) in table {
            assert_eq!(size(bytes), told);
        }
    }

    #[test]
    fn a_row_of_any_width_is_written() {
        let mut table = Table::default();
        table.row(["a", &"b".repeat(70_000)]);
        table.row(["c", &"d".repeat(66_000), "e"]);
        table.row(["f", "g", "h"]);
        let mut text = Vec::new();
        table.write(&mut Page::new(&mut text), 0).unwrap();
        let text = String::from_utf8(text).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].ends_with("b… (70000 characters)"), "{text}");
        assert!(lines[1].ends_with("d… (66000 characters)  e"), "{text}");
        assert_eq!(lines[2].len(), 3 + WIDEST + 2 + 1, "{text}");
    }
}
