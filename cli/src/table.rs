//! [`Table`]: columns for people.
//!
//! Widths are counted in characters; double-width ones (CJK) count as one.

use std::{collections::BTreeMap, io};

use crate::{escape::escaped, page::Page, text::shortened};

/// The widest column that other rows are padded to.
const WIDEST: usize = 256;

/// Rows whose columns line up. The last column is never padded, and nothing is ever wrapped.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
    /// Lines below a row, by its number.
    below: BTreeMap<usize, Vec<String>>,
}

impl Table {
    /// Adds a row.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = impl AsRef<str>>) {
        let cell = |cell: &str| escaped(&shortened(cell)).into_owned();
        self.rows.push(cells.into_iter().map(|text| cell(text.as_ref())).collect());
    }

    /// Adds a line below the last row, if there is a text.
    pub(crate) fn below(&mut self, text: Option<&str>) {
        let text = text.map(|text| escaped(&shortened(text)).into_owned());
        self.below.entry(self.rows.len()).or_default().extend(text);
    }

    /// Adds a row of a name and a text, if there is a text.
    pub(crate) fn named(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.row([name, text]);
        }
    }

    /// Writes it, with `indent` spaces before each row.
    pub(crate) fn write(&self, to: &mut Page<'_>, indent: usize) -> io::Result<()> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            // The last cell of a row needs no padding.
            let rows = self.rows.iter().filter(|row| column + 1 < row.len());
            rows.filter_map(|row| Some(row.get(column)?.chars().count()))
                .max()
                .unwrap_or(0)
                .min(WIDEST)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for (number, row) in (1..).zip(&self.rows) {
            let mut line = " ".repeat(indent);
            for (cell, width) in row.iter().zip(&widths) {
                line.push_str(cell);
                // A width in a format string panics beyond a limit.
                line.push_str(&" ".repeat(width.saturating_sub(cell.chars().count()) + 2));
            }
            writeln!(to, "{}", line.trim_end())?;
            for text in self.below.get(&number).into_iter().flatten() {
                writeln!(to, "{}{text}", " ".repeat(indent + 2))?;
            }
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
        table.below(Some("a page"));
        table.row(["üüü", "b", "c"]);
        table.below(None);
        let mut text = Vec::new();
        table.write(&mut Page::new(&mut text), 2).unwrap();
        assert_eq!(String::from_utf8(text).unwrap(), "  a    bb\n    a page\n  üüü  b   c\n");
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
