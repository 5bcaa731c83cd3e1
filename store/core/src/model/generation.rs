//! The number of a [`Generation`].

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The full set module → entry after one transaction, by its number: 1, 2, 3, …
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Generation(u64);

/// The text is not a generation's number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a generation, which is a whole number from 1")]
pub struct ParseGenerationError {
    text: String,
}

impl Generation {
    /// The first generation of every store.
    pub const FIRST: Self = Self(1);

    /// The generation after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The generation before this one; the first has none.
    #[must_use]
    pub fn before(self) -> Option<Self> {
        (self > Self::FIRST).then_some(Self(self.0 - 1))
    }

    /// The number.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Generation {
    type Err = ParseGenerationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = !text.starts_with(['0', '+']);
        match text.parse() {
            Ok(number) if digits => Ok(Self(number)),
            _ => Err(ParseGenerationError { text: text.to_owned() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_numbers_from_one_are_generations() {
        assert_eq!("17".parse(), Ok(Generation(17)));
        for bad in ["", "0", "017", "+1", "-1", "1.0", "seventeen", "99999999999999999999"] {
            assert!(bad.parse::<Generation>().is_err(), "{bad}");
        }
    }
}
