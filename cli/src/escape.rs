//! Text from outside, printed so that it cannot deceive: control characters and the like become escapes. In JSON these
//! are the escapes of JSON, so that the value stays exact.

use std::{fmt::Write as _, io};

pub(crate) use modstore_core::model::{escaped, is_deceptive};
use serde::Serialize;
use serde_json::{
    Serializer,
    ser::{CompactFormatter, Formatter},
};

/// As [`escaped`], for bytes; bytes that are not UTF-8 become `\xff` each.
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

/// `value` as JSON on one line, with deceptive characters as `\u202e`.
pub(crate) fn json_line(value: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    value.serialize(&mut Serializer::with_formatter(&mut line, WrittenOut))?;
    line.push(b'\n');
    Ok(line)
}

/// Writes JSON without deceptive characters. serde_json has escaped what JSON requires before a fragment gets here.
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

    /// Text in which every second character is deceptive.
    fn hostile() -> impl Strategy<Value = String> {
        let all: Vec<char> =
            (0..=0x10_ffff).filter_map(char::from_u32).filter(|c| is_deceptive(*c)).collect();
        let one = prop_oneof![
            prop::sample::select(all),
            prop::char::range(' ', '~'),
            prop::char::range('\u{80}', '\u{10ffff}'),
        ];
        prop::collection::vec(one, 0..40).prop_map(String::from_iter)
    }

    #[test]
    fn bytes_that_are_not_text_become_escapes() {
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
