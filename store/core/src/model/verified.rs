//! When the files of entries were last read, or written, and found right: a line for each entry, in `verified` in the home.
//!
//! Nothing depends on it but which files are read next, and what `status` shows. A line that is missing or cannot be read means that
//! it is not known.

use std::{collections::BTreeMap, fmt::Write as _};

use gix::bstr::{BString, ByteSlice as _};

use super::digest::Digest;

/// The longest path of a [`Round`] that is kept.
const LONGEST: usize = 4096;

/// What is known of one entry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verified {
    /// Each of its files was read or written at this time or later, in milliseconds since 1970; 0 if that is not known.
    pub since: u64,
    /// How far a large tree has been read since then.
    pub round: Option<Round>,
}

/// A tree that is read in slices, in the order of its paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Round {
    /// When its first file was read, in milliseconds since 1970.
    pub begun: u64,
    /// The last path that was read.
    pub after: BString,
    /// Microseconds that it might have taken until now, and has not; less than none where a file took longer than it should.
    pub left: i64,
}

impl Verified {
    /// All of it was read or written now.
    #[must_use]
    pub const fn at(now: u64) -> Self {
        Self { since: now, round: None }
    }
}

/// All that is known, by entry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VerifiedEntries(pub BTreeMap<Digest, Verified>);

impl VerifiedEntries {
    /// The text kept on disk.
    #[must_use]
    pub fn print(&self) -> String {
        let mut text = String::with_capacity(self.0.len() * 80);
        for (digest, Verified { since, round }) in &self.0 {
            let _ = write!(text, "{digest} {since}");
            if let Some(Round { begun, after, left }) = round {
                let _ = write!(text, " {begun} {left} ");
                for byte in after.iter() {
                    let _ = write!(text, "{byte:02x}");
                }
            }
            text.push('\n');
        }
        text
    }

    /// Reads it back. Lines that say nothing are left out.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Self {
        Self(bytes.lines().filter_map(line).collect())
    }
}

fn line(line: &[u8]) -> Option<(Digest, Verified)> {
    let mut words = std::str::from_utf8(line).ok()?.split(' ');
    let (digest, since) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let round = match words.next() {
        None => None,
        Some(begun) => Some(Round {
            begun: begun.parse().ok()?,
            left: words.next()?.parse().ok()?,
            after: unhex(words.next()?)?,
        }),
    };
    words.next().is_none().then_some((digest, Verified { since, round }))
}

fn unhex(digits: &str) -> Option<BString> {
    let bytes = digits.as_bytes();
    if !bytes.len().is_multiple_of(2) || bytes.len() > 2 * LONGEST {
        return None;
    }
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|it| u8::try_from(it).ok());
    let pairs = bytes.chunks_exact(2);
    pairs
        .map(|pair| match pair {
            [high, low] => Some(digit(high)? << 4 | digit(low)?),
            _ => None,
        })
        .collect::<Option<Vec<u8>>>()
        .map(BString::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_read_back_and_a_broken_line_says_nothing() {
        let digest = |byte| Digest::from_bytes([byte; 32]);
        let round = |after: &[u8]| Round { begun: 7, after: after.into(), left: -3 };
        let all = VerifiedEntries(BTreeMap::from([
            (digest(1), Verified::at(1_790_000_000_123)),
            (digest(2), Verified { since: 0, round: Some(round(b"")) }),
            (digest(3), Verified { since: 5, round: Some(round(b"a \n\xff/b")) }),
        ]));
        let text = all.print();
        assert_eq!(VerifiedEntries::read(text.as_bytes()), all);
        assert_eq!(text.lines().count(), 3);
        let two = digest(2);
        for broken in ["", "x 1", &format!("{two}"), &format!("{two} x"), &format!("{two} 1 2")] {
            assert_eq!(VerifiedEntries::read(broken.as_bytes()).0.len(), 0, "{broken}");
        }
        let broken = format!("{two} 1 2 3 abc\n\0\0\0\0\n{two} 9\n");
        assert_eq!(VerifiedEntries::read(broken.as_bytes()).0[&two], Verified::at(9));
    }
}
