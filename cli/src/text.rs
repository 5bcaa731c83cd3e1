//! Words for people: short ids, counts, sizes, and texts from outside cut to a reasonable length.

use std::borrow::Cow;

/// The longest text from outside that is printed, in characters.
const LONGEST: usize = 4096;

/// At most the first `most` characters of `text`; if it has more, their number follows.
pub(crate) fn cut(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most).and_then(|(end, _)| text.get(..end)) {
        None => Cow::Borrowed(text),
        Some(start) => format!("{start}… ({} characters)", text.chars().count()).into(),
    }
}

/// A text from outside, cut to a reasonable length.
pub(crate) fn shortened(text: &str) -> Cow<'_, str> {
    cut(text, LONGEST)
}

/// The first seven digits of a commit or entry: enough for a person.
pub(crate) fn short(id: &str) -> &str {
    id.get(..7).unwrap_or(id)
}

/// `1 module`, `3 modules`, `2 entries`.
pub(crate) fn count(number: usize, thing: &str) -> String {
    match thing.strip_suffix('y') {
        _ if number == 1 => format!("1 {thing}"),
        Some(stem) => format!("{number} {stem}ies"),
        None => format!("{number} {thing}s"),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_has_the_unit_that_fits() {
        let table = [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (999_999, "1.0 MB"),
            (23_400_000, "23.4 MB"),
        ];
        for (bytes, text) in table {
            assert_eq!(size(bytes), text);
        }
    }
}
