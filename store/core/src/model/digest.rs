//! Names made of BLAKE3: the [`Digest`] of a tree and the [`ContentHash`] of one file in it.
//!
//! How a digest is made of a tree is in [`Manifest`](super::Manifest).

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The BLAKE3 of a whole tree, and so the name of an entry: 32 bytes, written as 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(description = "The name of an entry: 64 hex digits, made of the content of its tree.", extend("pattern" = "^[0-9a-f]{64}$"))
)]
pub struct Digest(#[cfg_attr(feature = "schema", schemars(with = "String"))] [u8; 32]);

/// The BLAKE3 of one file's content, or of a symbolic link's text: 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ContentHash([u8; 32]);

/// The text is not 64 lower-case hex digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a digest, which is 64 hex digits")]
pub struct ParseDigestError {
    text: String,
}

impl Digest {
    /// The digest with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first twelve hex digits: enough for a person, never enough for a machine.
    #[must_use]
    pub fn short(&self) -> String {
        self.to_string().chars().take(12).collect()
    }
}

impl ContentHash {
    /// The hash of `content`.
    #[must_use]
    pub fn of(content: &[u8]) -> Self {
        Self(blake3::hash(content).into())
    }

    /// The hash with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The modification time every file with this content gets, in seconds since 1970.
    ///
    /// Made from the content and never from the clock: with equal times, Python would run the byte
    /// code of the old source for the new one (its cache compares time and size only).
    #[must_use]
    pub fn file_time(&self) -> i64 {
        let [a, b, c, d, ..] = self.0;
        315_532_800 + i64::from(u32::from_be_bytes([a, b, c, d]) % (1 << 30))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(blake3::Hash::from_bytes(self.0).to_hex().as_str())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContentHash({})", blake3::Hash::from_bytes(self.0).to_hex())
    }
}

impl FromStr for Digest {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let lower = !text.bytes().any(|byte| byte.is_ascii_uppercase());
        match blake3::Hash::from_hex(text) {
            Ok(hash) if lower => Ok(Self(hash.into())),
            _ => Err(ParseDigestError { text: text.to_owned() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_reads_back_from_what_it_prints() {
        let digest = Digest::from_bytes([7; 32]);
        assert_eq!(digest.to_string().parse(), Ok(digest));
    }

    #[test]
    fn only_64_lower_case_hex_digits_are_a_digest() {
        let good = Digest::from_bytes([0xab; 32]).to_string();
        for bad in ["", "ab", &good.to_uppercase(), &format!("{good}0"), &good.replace('a', "g")] {
            assert!(bad.parse::<Digest>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_file_time_lies_between_1980_and_2014() {
        for seed in 0..=255 {
            let time = ContentHash::of(&[seed]).file_time();
            assert!((315_532_800..315_532_800 + (1 << 30)).contains(&time));
        }
    }
}
