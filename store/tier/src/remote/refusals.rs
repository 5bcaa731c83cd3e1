//! What it means that an object may not be read.
//!
//! S3 answers 403 for an object that is not there to a user who may not list the bucket, and many static servers do the same. So a 403
//! may mean "nothing of this is for you", or only "not there". The first one of an opened place is an error that says so, unless
//! an object was read before; those that follow are misses.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::{exchange::Exchange, explain::explain};
use crate::TierError;

/// What a place has refused so far.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    /// Whether an object was read: then the login is right.
    was_read: AtomicBool,
    was_told: AtomicBool,
}

/// Codes of a 403 that say nothing of the object.
const LOGIN: [&str; 8] = [
    "SignatureDoesNotMatch",
    "InvalidAccessKeyId",
    "ExpiredToken",
    "InvalidToken",
    "TokenRefreshRequired",
    "RequestTimeTooSkewed",
    "AuthorizationHeaderMalformed",
    "InvalidSecurity",
];

impl Refusals {
    /// An object was read.
    pub(super) fn was_read(&self) {
        self.was_read.store(true, Relaxed);
    }

    /// No error, if what was answered means that the object is not there.
    pub(super) fn is_missing(&self, place: &str, exchange: &Exchange) -> Result<(), TierError> {
        let seen = exchange.seen();
        let code = seen.code.as_deref().unwrap_or_default();
        match seen.status {
            _ if seen.fault.is_some() || exchange.cancel().is_cancelled() => {}
            Some(404 | 410) if code != "NoSuchBucket" => return Ok(()),
            Some(403) if LOGIN.contains(&code) => {}
            Some(403) if self.was_read.load(Relaxed) || self.was_told.swap(true, Relaxed) => {
                return Ok(());
            }
            Some(403) => return Err(with_hint(explain(place, exchange))),
            _ => {}
        }
        Err(explain(place, exchange))
    }
}

fn with_hint(error: TierError) -> TierError {
    match error {
        TierError::Refused { place, cause } => {
            let hint = "objects may not be read, or the bucket may not be listed, and then a missing object is refused too";
            TierError::Refused { place, cause: format!("{cause} ({hint})") }
        }
        error => error,
    }
}
