//! [`Revision`]: the exact commit a source resolved to.
//!
//! SHA-1 only, as all that is fetched here; repositories in SHA-256 format are not supported.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A git commit id: 20 bytes, written as 40 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Revision([u8; 20]);

/// The text is not 40 hex digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a commit id is 40 hex digits")]
pub struct ParseRevisionError;

impl Revision {
    /// The revision with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// The 20 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }

    /// The first eight hex digits: enough for a person, never enough for a machine.
    #[must_use]
    pub fn short(&self) -> String {
        self.to_string().chars().take(8).collect()
    }
}

impl FromStr for Revision {
    type Err = ParseRevisionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let id = gix::ObjectId::from_hex(text.as_bytes()).map_err(|_| ParseRevisionError)?;
        id.as_slice().try_into().map(Self).map_err(|_| ParseRevisionError)
    }
}

impl TryFrom<String> for Revision {
    type Error = ParseRevisionError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Revision> for String {
    fn from(revision: Revision) -> Self {
        revision.to_string()
    }
}

impl From<Revision> for gix::ObjectId {
    fn from(revision: Revision) -> Self {
        Self::Sha1(revision.0)
    }
}

impl From<gix::ObjectId> for Revision {
    /// Only SHA-1 ids exist here: gix is built without SHA-256.
    fn from(id: gix::ObjectId) -> Self {
        Self(id.as_slice().try_into().expect("gix is built with SHA-1 ids only"))
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&gix::ObjectId::from(*self).to_string())
    }
}

impl fmt::Debug for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Revision({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "00112233445566778899aabbccddeeff01234567";

    #[test]
    fn a_revision_reads_back_from_what_it_prints_and_from_git_s_id() {
        let revision: Revision = HEX.parse().unwrap();
        assert_eq!(revision.to_string(), HEX);
        assert_eq!(Revision::from(gix::ObjectId::from(revision)), revision);
        assert_eq!(HEX.to_uppercase().parse(), Ok(revision));
        let json = serde_json::to_string(&revision).unwrap();
        assert_eq!(serde_json::from_str::<Revision>(&json).unwrap(), revision);
    }

    #[test]
    fn only_40_hex_digits_are_a_revision() {
        for bad in ["", "abc", &HEX[1..], &format!("{HEX}0"), &HEX.replace('f', "g")] {
            assert_eq!(bad.parse::<Revision>(), Err(ParseRevisionError), "{bad}");
        }
    }
}
