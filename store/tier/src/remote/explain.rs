//! What a call met, in words.

use std::io;

use super::exchange::{Exchange, Fault, Seen};
use crate::TierError;

/// A clock that is wrong by more than this is named: S3 refuses at 15 minutes.
const WRONG_CLOCK: i64 = 5 * 60;

/// Why a call did not do what it was asked.
pub(super) fn explain(place: &str, exchange: &Exchange) -> TierError {
    let place = place.to_owned();
    if exchange.cancel().is_cancelled() {
        return TierError::Cancelled;
    }
    let seen = exchange.seen();
    match &seen.fault {
        Some(Fault::NoConnection(cause)) => {
            return TierError::Unreachable { place, cause: format!("{}: {cause}", seen.host) };
        }
        Some(Fault::Broken(kind, text)) => {
            let source = io::Error::new(*kind, format!("{}: {text}", seen.host));
            return TierError::Io { place, source };
        }
        Some(Fault::NoLogin(cause)) => {
            return TierError::Refused { place, cause: cause.clone() };
        }
        None => {}
    }
    let cause = answered(&seen);
    match seen.status {
        Some(429 | 500..) => TierError::Busy { place, cause },
        _ => TierError::Refused { place, cause },
    }
}

/// What was answered, with what helps.
fn answered(seen: &Seen) -> String {
    let Some(status) = seen.status else {
        return "no request was made: its login is missing or cannot be read".to_owned();
    };
    let mut text = format!("{} answered {status}", seen.host);
    match (&seen.code, &seen.message) {
        (Some(code), Some(message)) => text.push_str(&format!(" {code}: {message}")),
        (Some(said), None) | (None, Some(said)) => text.push_str(&format!(" {said}")),
        (None, None) => {}
    }
    if let Some(ahead) = seen.ahead.filter(|ahead| ahead.abs() > WRONG_CLOCK) {
        let direction = if ahead > 0 { "behind" } else { "ahead of" };
        text.push_str(&format!("; this machine's clock is {} s {direction} its", ahead.abs()));
    }
    let is_redirect = (300..400).contains(&status);
    if let Some(region) =
        seen.region.as_ref().filter(|_| is_redirect || matches!(status, 400 | 403))
    {
        text.push_str(&format!("; the bucket is in {region}: add ?region={region}"));
    } else if is_redirect {
        let to = seen.moved_to.as_deref().unwrap_or("another address");
        text.push_str(&format!("; it leads to {to}, and redirects are not followed"));
    }
    text
}
