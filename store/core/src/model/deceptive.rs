//! Characters that a terminal, or a reader's eye, takes for something else than the text they stand in.
//!
//! The texts of this library, its errors above all, repeat what servers, archives and other programs say, exactly as
//! they say it. A program that prints them for a person uses [`escaped`]: a character such as U+202E is then written out,
//! `\u{202e}`. A backslash stays a backslash: to escape twice is to escape once. Not looked at: combining marks, letters
//! that look alike, and spaces that are wider than others.

use std::borrow::Cow;

/// Characters beyond ASCII that are invisible, or change how those around them look: all of the categories Cf, Zl
/// and Zp, and what Unicode calls default-ignorable, which is where text can be hidden.
const DECEPTIVE: [(char, char); 26] = [
    ('\u{80}', '\u{9f}'),
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{600}', '\u{605}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{6dd}', '\u{6dd}'),
    ('\u{70f}', '\u{70f}'),
    ('\u{890}', '\u{891}'),
    ('\u{8e2}', '\u{8e2}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{2028}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff0}', '\u{fffb}'),
    ('\u{110bd}', '\u{110bd}'),
    ('\u{110cd}', '\u{110cd}'),
    ('\u{13430}', '\u{1343f}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0000}', '\u{e0fff}'),
];

/// Whether `c` is written out rather than sent: every control character (the end of a line too), and what deceives.
#[must_use]
pub fn is_deceptive(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    let after = DECEPTIVE.partition_point(|(first, _)| *first <= c);
    after.checked_sub(1).and_then(|at| DECEPTIVE.get(at)).is_some_and(|(_, last)| c <= *last)
}

/// `text` on one line, with deceptive characters written out: for programs that print a text of this library.
///
/// Errors and reports repeat exactly what servers, archives and programs say.
#[must_use]
pub fn escaped(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_deceptive) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match is_deceptive(c) {
            true => escaped.extend(c.escape_default()),
            false => escaped.push(c),
        }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What issue reports and standards name, apart from the table above.
    fn is_named(c: char) -> bool {
        matches!(u32::from(c),
            0..=0x1f | 0x7f..=0x9f | 0x61c | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x2069 | 0xfeff
            | 0xfe00..=0xfe0f | 0xe0000..=0xe007f | 0xe0100..=0xe01ef)
    }

    #[test]
    fn every_character_that_is_named_as_deceptive_is_and_letters_and_emoji_are_not() {
        assert!(DECEPTIVE.is_sorted() && DECEPTIVE.iter().all(|(first, last)| first <= last));
        for c in (0..=0x10_ffff).filter_map(char::from_u32).filter(|c| is_named(*c)) {
            assert!(is_deceptive(c), "{c:?}");
        }
        for c in "aÜ中\u{301}→✓…│😀\u{a0}\u{fffd}\u{e000}שع\\".chars() {
            assert!(!is_deceptive(c), "{c:?}");
        }
    }

    #[test]
    fn what_a_terminal_would_obey_is_written_out() {
        assert_eq!(escaped("a b"), "a b");
        assert_eq!(escaped("a\u{1b}[31m\nb"), "a\\u{1b}[31m\\nb");
        assert_eq!(escaped("\u{9b}2J\u{202e}txt\u{e0041}"), "\\u{9b}2J\\u{202e}txt\\u{e0041}");
    }
}
