//! When a tier is left alone for the rest of a command: an ill tier costs one bounded wait, never one for each module.

use std::{
    io::ErrorKind,
    sync::{Mutex, PoisonError},
};

use modstore_tier::TierError;

/// After so many failed requests in a row a tier is not asked again.
const MOST: u32 = 3;

/// What has gone wrong with one tier.
#[derive(Debug, Default)]
pub(super) struct Trouble(Mutex<TroubleSoFar>);

#[derive(Debug, Default)]
struct TroubleSoFar {
    in_a_row: u32,
    given_up: bool,
    /// Whether a line was printed about it: one for each tier.
    reported: bool,
    reported_refusal: bool,
}

impl Trouble {
    /// Whether the tier is not asked again.
    pub(super) fn is_given_up(&self) -> bool {
        self.with(|record| record.given_up)
    }

    /// The tier has answered.
    pub(super) fn answered(&self) {
        self.with(|record| record.in_a_row = 0);
    }

    /// A request has failed. Gives the line for a person, the first time.
    pub(super) fn failed(&self, error: &TierError, causes: &str) -> Option<String> {
        self.with(|record| {
            record.in_a_row += 1;
            let is_gone = is_gone(error);
            record.given_up |= is_gone || record.in_a_row >= MOST;
            let first = !std::mem::replace(&mut record.reported, true);
            let given_up = if is_gone { "; it is not asked again now" } else { "" };
            first.then(|| format!("shared tier: {causes}{given_up}"))
        })
    }

    /// An object did not prove. Whether a line is to be printed: one for each tier.
    pub(super) fn refused(&self) -> bool {
        self.with(|record| !std::mem::replace(&mut record.reported_refusal, true))
    }

    fn with<T>(&self, act: impl FnOnce(&mut TroubleSoFar) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Whether the next request would wait as long as this one did, for nothing: there is no connection, or bytes come too slowly.
fn is_gone(error: &TierError) -> bool {
    match error {
        TierError::Unreachable { .. } => true,
        TierError::Io { source, .. } => source.kind() == ErrorKind::TimedOut,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn busy() -> TierError {
        TierError::Busy { place: "s3://b".into(), cause: "503".into() }
    }

    #[test]
    fn three_failures_in_a_row_are_enough_and_an_answer_begins_the_row_again() {
        let trouble = Trouble::default();
        assert_eq!(trouble.failed(&busy(), "why").as_deref(), Some("shared tier: why"));
        trouble.failed(&busy(), "why");
        trouble.answered();
        assert_eq!(trouble.failed(&busy(), "why"), None);
        trouble.failed(&busy(), "why");
        assert!(!trouble.is_given_up());
        trouble.failed(&busy(), "why");
        assert!(trouble.is_given_up());
    }

    #[test]
    fn a_tier_that_cannot_be_reached_or_is_too_slow_is_given_up_at_once() {
        let unreachable = TierError::Unreachable { place: "s3://b".into(), cause: "no".into() };
        let slow = TierError::Io { place: "s3://b".into(), source: ErrorKind::TimedOut.into() };
        for gone in [unreachable, slow] {
            let trouble = Trouble::default();
            assert!(trouble.failed(&gone, "why").unwrap().ends_with("; it is not asked again now"));
            assert!(trouble.is_given_up());
        }
    }

    #[test]
    fn a_connection_that_broke_is_no_reason_to_give_up_at_once() {
        let (trouble, source) = (Trouble::default(), ErrorKind::UnexpectedEof.into());
        trouble.failed(&TierError::Io { place: "s3://b".into(), source }, "why");
        assert!(!trouble.is_given_up());
    }
}
