//! Parses times, sizes and numbers as people type them: `30m`, `7d`, `500M`, `3`.
//!
//! Whole numbers with one unit, and nothing else: no `1h30m`, no `1.5G`, no guessing what a bare number means.

use std::{num::NonZeroU16, time::Duration};

use modstore_core::model::amounts;

/// The text is not a time, a size or a number.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("write a whole number{what}")]
pub(crate) struct AmountError {
    what: &'static str,
}

/// A number of things, at least one.
pub(crate) fn number(text: &str) -> Result<NonZeroU16, AmountError> {
    text.parse().map_err(|_| NUMBER)
}

/// A number of seconds: `0`, `30`.
pub(crate) fn seconds(text: &str) -> Result<Duration, AmountError> {
    text.parse().map(Duration::from_secs).map_err(|_| SECONDS)
}

const NUMBER: AmountError = AmountError { what: ", at least 1 and at most 65535, for example 8" };
const SECONDS: AmountError = AmountError { what: " of seconds, for example 30" };
const TIME: AmountError =
    AmountError { what: " and a unit, one of s, m, h and d: 0s, 30m, 12h or 7d" };
const SIZE: AmountError = AmountError {
    what: " and a unit, one of B, k, M, G and T, each 1000 times the previous: 800k, 500M or 2G",
};

/// A time: `0s`, `30m`, `12h`, `7d`.
pub(crate) fn time(text: &str) -> Result<Duration, AmountError> {
    amounts::time(text).ok_or(TIME)
}

/// A size in bytes: `800k`, `500M`, `2G`. As in all output of modstore, k is 1000.
pub(crate) fn size(text: &str) -> Result<u64, AmountError> {
    amounts::size(text).ok_or(SIZE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_whole_number_and_a_unit() {
        let table = [("0s", 0), ("30m", 1800), ("12h", 43_200), ("7d", 604_800)];
        for (text, seconds) in table {
            assert_eq!(time(text), Ok(Duration::from_secs(seconds)));
        }
        for bad in [
            "",
            "0",
            "7",
            "d",
            "7 d",
            "-1d",
            "1.5h",
            "1h30m",
            "7D",
            "99999999999999999999s",
            "9999999999999999999d",
        ] {
            assert_eq!(time(bad), Err(TIME), "{bad}");
        }
    }

    #[test]
    fn a_size_is_a_whole_number_and_a_unit() {
        let table = [
            ("0B", 0),
            ("12B", 12),
            ("800k", 800_000),
            ("500M", 500_000_000),
            ("500MB", 500_000_000),
            ("2G", 2_000_000_000),
            ("1T", 1_000_000_000_000),
            ("1GiB", 1 << 30),
        ];
        for (text, bytes) in table {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for bad in ["", "0", "G", "2 G", "-2G", "1.5G", "2g", "2gib", "99999999T"] {
            assert_eq!(size(bad), Err(SIZE), "{bad}");
        }
    }
}
