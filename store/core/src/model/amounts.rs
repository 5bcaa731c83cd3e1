//! Times and sizes as people write them: `30m`, `15d`, `500M`, `1GiB`.
//!
//! Whole numbers with one unit, and nothing else: no `1h30m`, no `1.5G`, no guessing what a bare number means.

use std::time::Duration;

/// A time: `0s`, `30m`, `12h`, `7d`.
#[must_use]
pub fn time(text: &str) -> Option<Duration> {
    let seconds = |unit: &str| match unit {
        "s" => Some(1),
        "m" => Some(60),
        "h" => Some(60 * 60),
        "d" => Some(24 * 60 * 60),
        _ => None,
    };
    amount(text, seconds).map(Duration::from_secs)
}

/// A size in bytes: `800k`, `500M`, `2G`, each 1000 times the previous, as in all output of modstore; and `1GiB`.
#[must_use]
pub fn size(text: &str) -> Option<u64> {
    let bytes = |unit: &str| match unit {
        "B" => Some(1),
        "k" | "kB" => Some(1000),
        "M" | "MB" => Some(1_000_000),
        "G" | "GB" => Some(1_000_000_000),
        "T" | "TB" => Some(1_000_000_000_000),
        "KiB" => Some(1 << 10),
        "MiB" => Some(1 << 20),
        "GiB" => Some(1 << 30),
        "TiB" => Some(1 << 40),
        _ => None,
    };
    amount(text, bytes)
}

fn amount(text: &str, worth: impl Fn(&str) -> Option<u64>) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    number.parse::<u64>().ok()?.checked_mul(worth(unit)?)
}
