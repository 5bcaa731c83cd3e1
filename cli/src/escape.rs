//! What a terminal, or a reader's eye, would take for something else than the text it stands in.
//!
//! Text from outside (servers, names, commits, other programs) is shown with these characters written out, `\u{202e}`
//! for the character U+202E, and in JSON as the escapes that JSON has, so that the value stays exactly what it was.
//! A backslash stays a backslash: to escape twice is to escape once, and `--json` has the exact text for whoever
//! needs it. Not looked at: combining marks, letters that look alike, and spaces that are wider than others.

use std::{borrow::Cow, fmt::Write as _, io};

use serde::Serialize;
use serde_json::{
    Serializer,
    ser::{CompactFormatter, Formatter},
};

/// Characters beyond ASCII that are invisible, or change how those around them are shown: all of the categories Cf, Zl
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
pub(crate) fn is_deceptive(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    let after = DECEPTIVE.partition_point(|(first, _)| *first <= c);
    after.checked_sub(1).and_then(|at| DECEPTIVE.get(at)).is_some_and(|(_, last)| c <= *last)
}

/// `text` on one line, with what deceives written out.
pub(crate) fn escaped(text: &str) -> Cow<'_, str> {
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

/// The same for bytes; those that are no text are written out one by one, `\xff`.
pub(crate) fn escaped_bytes(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(&escaped(chunk.valid()));
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}"); // A String takes everything.
        }
    }
    text
}

/// `value` as JSON on one line, with what deceives as `\u202e`.
pub(crate) fn json_line(value: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    value.serialize(&mut Serializer::with_formatter(&mut line, WrittenOut))?;
    line.push(b'\n');
    Ok(line)
}

/// JSON in which nothing deceives. What JSON itself demands to be escaped has been when a fragment gets here.
struct WrittenOut;

impl Formatter for WrittenOut {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        to: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(is_deceptive) {
            let (before, after) = rest.split_at(at);
            let mut found = after.chars();
            let deceptive = found.next().unwrap_or_default();
            CompactFormatter.write_string_fragment(to, before)?;
            for unit in deceptive.encode_utf16(&mut [0; 2]) {
                write!(to, "\\u{unit:04x}")?;
            }
            rest = found.as_str();
        }
        CompactFormatter.write_string_fragment(to, rest)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    /// What issue reports and standards name, apart from the table above.
    fn is_named(c: char) -> bool {
        matches!(u32::from(c),
            0..=0x1f | 0x7f..=0x9f | 0x61c | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x2069 | 0xfeff
            | 0xfe00..=0xfe0f | 0xe0000..=0xe007f | 0xe0100..=0xe01ef)
    }

    /// Text in which every second character is one that deceives.
    fn hostile() -> impl Strategy<Value = String> {
        let odd = (0..=0x10_ffff_u32).prop_filter_map("no character", char::from_u32);
        let named = odd.clone().prop_filter("an honest one", |c| is_deceptive(*c));
        let near = prop::sample::select(DECEPTIVE.as_slice()).prop_map(|(first, _)| first);
        let plain = prop::char::range(' ', '~');
        let one = prop_oneof![4 => near, 1 => named, 2 => plain, 1 => odd];
        prop::collection::vec(one, 0..40).prop_map(String::from_iter)
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
    fn what_a_terminal_would_obey_is_shown_and_not_sent() {
        assert_eq!(escaped("a b"), "a b");
        assert_eq!(escaped("a\u{1b}[31m\nb"), "a\\u{1b}[31m\\nb");
        assert_eq!(escaped("\u{9b}2J\u{202e}txt\u{e0041}"), "\\u{9b}2J\\u{202e}txt\\u{e0041}");
        assert_eq!(escaped_bytes(b"\x9b\xe2\x80\xae/\xff"), "\\x9b\\u{202e}/\\xff");
    }

    proptest! {
        #[test]
        fn whatever_the_text_nothing_deceptive_is_left_and_once_more_changes_nothing(text in hostile()) {
            let once = escaped(&text).into_owned();
            prop_assert!(!once.chars().any(is_deceptive), "{once:?}");
            prop_assert_eq!(escaped(&once), once.as_str());
        }

        #[test]
        fn whatever_the_bytes_nothing_deceptive_is_left(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let text = escaped_bytes(&bytes);
            prop_assert!(!text.chars().any(is_deceptive), "{text:?}");
        }

        #[test]
        fn in_json_nothing_deceptive_is_left_and_the_value_stays_the_same(text in hostile()) {
            let value = serde_json::json!({ text.clone(): [text] });
            let line = String::from_utf8(json_line(&value).unwrap()).unwrap();
            let line = line.strip_suffix('\n').unwrap();
            prop_assert!(!line.chars().any(is_deceptive), "{line:?}");
            prop_assert_eq!(serde_json::from_str::<Value>(line).unwrap(), value);
        }
    }
}
