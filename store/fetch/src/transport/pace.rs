//! [`Pace`]: the time that one fetch may still wait, and how its server earns more of it.
//!
//! Not every byte is progress. A fetch begins with the time of [`Limits::progress`](crate::limits::Limits::progress); every
//! wait for its server uses it up, and useful bytes, those of a listing, a pack or a file, earn it back, one second for each
//! [`Limits::rate`](crate::limits::Limits::rate) of them. A server that sends at that rate or faster can go on; one that
//! drips, or sends keep-alives only, is given up after that time, however often it speaks.
//!
//! Limits: our own time, to unpack or to write, counts against the whole fetch only, not against the server.

use std::{
    sync::atomic::{AtomicI64, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use crate::{
    errors::TransferError,
    limits::{CHATTER, Limits, LowSpeed},
};

/// The time that one fetch has left, shared by all its connections.
#[derive(Debug)]
pub(crate) struct Pace {
    progress_limit: Duration,
    rate: u64,
    fetch_limit: Duration,
    begun: Instant,
    /// Microseconds.
    left: AtomicI64,
    received: AtomicU64,
    useful: AtomicU64,
}

impl Pace {
    pub(crate) fn new(limits: &Limits, git: LowSpeed) -> Self {
        let (progress_limit, rate) = limits.pace(git);
        Pace {
            progress_limit,
            rate,
            fetch_limit: limits.fetch,
            begun: Instant::now(),
            left: AtomicI64::new(micros(progress_limit)),
            received: AtomicU64::new(0),
            useful: AtomicU64::new(0),
        }
    }

    /// The pace of one of several exchanges that run at once for one fetch: each has to come on, and all of them end when
    /// the time of the fetch is over.
    pub(crate) fn branch(&self) -> Self {
        Pace {
            left: AtomicI64::new(micros(self.progress_limit)),
            received: AtomicU64::new(0),
            useful: AtomicU64::new(0),
            ..*self
        }
    }

    /// How long the fetch may still wait; an error when that is over.
    pub(crate) fn time_left(&self) -> Result<Duration, TransferError> {
        let fetch_limit = self.fetch_limit.saturating_sub(self.begun.elapsed());
        if fetch_limit.is_zero() {
            return Err(TransferError::Overlong(self.fetch_limit));
        }
        match u64::try_from(self.left.load(Ordering::Relaxed)) {
            Ok(left @ 1..) => Ok(Duration::from_micros(left).min(fetch_limit)),
            _ => Err(TransferError::Slow { rate: self.rate, over: self.progress_limit }),
        }
    }

    /// Counts a wait.
    pub(crate) fn spend(&self, time: Duration) {
        self.left.fetch_sub(micros(time), Ordering::Relaxed);
    }

    /// Counts useful bytes, which give time back.
    pub(crate) fn earn(&self, bytes: usize) {
        self.useful.fetch_add(bytes as u64, Ordering::Relaxed);
        let most = micros(self.progress_limit);
        let earned = match (self.rate, bytes) {
            (_, 0) => 0,
            (0, _) => most,
            (rate, bytes) => {
                let micros = (bytes as u64).saturating_mul(1_000_000) / rate;
                i64::try_from(micros).unwrap_or(i64::MAX)
            }
        };
        // Capped: bytes that came fast must not pay for a silence later on.
        let add = |left: i64| Some(left.saturating_add(earned).min(most));
        // The closure always gives a value, so this cannot fail.
        let _ = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    /// Counts bytes, useful or not; an error when too many of them were of no use.
    pub(crate) fn receive(&self, bytes: usize) -> Result<(), TransferError> {
        let received = self.received.fetch_add(bytes as u64, Ordering::Relaxed) + bytes as u64;
        // Twice: servers that send in very small pieces wrap each useful byte in about one that is not.
        let useful = self.useful.load(Ordering::Relaxed);
        if received.saturating_sub(useful.saturating_mul(2)) > CHATTER {
            Err(TransferError::Chatter(CHATTER))
        } else {
            Ok(())
        }
    }
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn pace(rate: u64) -> Pace {
        let limits = Limits { progress: Some(15 * SECOND), rate: Some(rate), ..Limits::default() };
        Pace::new(&limits, LowSpeed::default())
    }

    /// The seconds until it is at its end, at so many useful bytes each.
    fn lasts(pace: &Pace, bytes: usize) -> Option<usize> {
        (1..100_000).find(|_| {
            pace.spend(SECOND);
            pace.earn(bytes);
            pace.time_left().is_err()
        })
    }

    #[test]
    fn a_drip_is_given_up_and_a_slow_line_is_not() {
        assert_eq!(lasts(&pace(128), 0), Some(15));
        assert_eq!(lasts(&pace(128), 1), Some(16));
        assert_eq!(lasts(&pace(128), 128), None);
        assert_eq!(lasts(&pace(128), 2048), None);
        assert_eq!(lasts(&pace(0), 1), None);
        assert_eq!(lasts(&pace(0), 0), Some(15));
    }

    #[test]
    fn a_server_that_thought_for_long_and_then_sends_slowly_may_finish() {
        let pace = pace(128);
        pace.spend(14 * SECOND);
        assert_eq!(lasts(&pace, 2048), None);
    }

    #[test]
    fn what_was_sent_before_buys_no_more_than_the_whole_time() {
        let pace = pace(128);
        pace.earn(1 << 30);
        assert_eq!(lasts(&pace, 0), Some(15));
    }

    #[test]
    fn bytes_without_use_have_a_limit_and_useful_ones_allow_as_many_more() {
        let quiet = pace(128);
        assert!(quiet.receive(CHATTER as usize).is_ok());
        assert!(matches!(quiet.receive(1), Err(TransferError::Chatter(_))));
        let busy = pace(128);
        busy.earn(1000);
        assert!(busy.receive(CHATTER as usize + 2000).is_ok());
        assert!(busy.receive(1).is_err());
    }

    #[test]
    fn all_together_has_an_end_too() {
        let limits = Limits { fetch: Duration::ZERO, ..Limits::default() };
        let over = Pace::new(&limits, LowSpeed::default());
        assert!(matches!(over.time_left(), Err(TransferError::Overlong(_))));
    }
}
