//! Times, for people and for machines.
//!
//! Only [`now`] reads the clock.

use std::time::{SystemTime, UNIX_EPOCH};

use jiff::{Timestamp, tz::TimeZone};

/// Milliseconds since 1970.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// `2026-11-20T19:21:02.123Z`, for machines. `at` is milliseconds since 1970.
pub(crate) fn stamp(at: u64) -> String {
    format!("{:.3}", timestamp(at))
}

/// `2026-11-20 19:21:02`, in the time zone of the reader.
pub(crate) fn local(at: u64) -> String {
    timestamp(at).to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// How long ago: `now`, `3 min`, `5 h`, `12 days`.
pub(crate) fn age(at: u64, now: u64) -> String {
    let seconds = now.saturating_sub(at) / 1000;
    match seconds {
        0..60 => "now".into(),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h", seconds / 3600),
        86_400..172_800 => "1 day".into(),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// How long until then: `now`, `in 20 s`, `in 3 min`, `in 7 days`.
pub(crate) fn left(at: u64, now: u64) -> String {
    let seconds = at.saturating_sub(now).div_ceil(1000);
    match seconds {
        0 => "now".into(),
        1..100 => format!("in {seconds} s"),
        100..7200 => format!("in {} min", seconds.div_ceil(60)),
        7200..172_800 => format!("in {} h", seconds.div_ceil(3600)),
        _ => format!("in {} days", seconds.div_ceil(86_400)),
    }
}

fn timestamp(at: u64) -> Timestamp {
    let at = i64::try_from(at).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(at).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_utc_with_milliseconds_whatever_the_time_zone() {
        assert_eq!(stamp(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(stamp(1_790_000_000_123), "2026-09-21T14:13:20.123Z");
        assert!(stamp(u64::MAX).starts_with("9999-"));
        let read: Timestamp = stamp(1_790_000_000_123).parse().unwrap();
        assert_eq!(read.as_millisecond(), 1_790_000_000_123);
    }

    #[test]
    fn the_time_left_is_rounded_up() {
        let table = [(0, "now"), (1, "in 1 s"), (5000, "in 5 s"), (99_001, "in 2 min")];
        for (left_ms, text) in table {
            assert_eq!(left(1_000 + left_ms, 1_000), text);
        }
        assert_eq!(left(7_300_000, 0), "in 3 h");
        assert_eq!(left(604_799_000, 0), "in 7 days");
        assert_eq!(left(1_000, 5_000), "now");
    }

    #[test]
    fn an_age_has_its_largest_unit() {
        let table = [
            (0, "now"),
            (59, "now"),
            (60, "1 min"),
            (3599, "59 min"),
            (3600, "1 h"),
            (86_400, "1 day"),
            (200_000, "2 days"),
        ];
        for (seconds, text) in table {
            assert_eq!(age(1_000, 1_000 + seconds * 1000), text);
        }
        assert_eq!(age(5_000, 1_000), "now", "a clock that went back");
    }
}
