//! What a place does: found out by writing, reading and removing an object of no meaning.

use std::{
    io::Read as _,
    path::Path,
    time::{Duration, Instant},
};

use modstore_core::Cancel;

use crate::{Key, Objects, Published, TierError};

/// How often a small request is timed.
const TIMES: usize = 3;

/// What a place did when it was tried.
#[derive(Debug, Default)]
pub struct TierCheck {
    /// Whether objects may be read; none if that could not be found out.
    pub may_read: Option<bool>,
    /// Whether objects may be written.
    pub may_write: bool,
    /// Whether an object that is there is kept when another is written under its key; none where nothing may be written.
    pub keeps_conditions: Option<bool>,
    /// By how many seconds its clock is ahead of ours, if it says what time it is.
    pub clock_ahead: Option<i64>,
    /// How long a small request takes, the middle of three.
    pub round_trip: Option<Duration>,
    /// What went wrong. That writing is refused is not among it.
    pub troubles: Vec<TierError>,
    /// Why nothing may be written.
    pub refusal: Option<TierError>,
    /// An object that was read was not as it was written.
    pub is_altered: bool,
    /// The object that could not be removed again.
    pub left: Option<Key>,
}

/// What is written to try a place: two files of the same length that differ, and a key of their own.
#[derive(Debug)]
pub struct TierProbe<'a> {
    /// Where.
    pub key: Key,
    /// The content.
    pub content: &'a Path,
    /// What is written to the same key afterwards.
    pub other: &'a Path,
}

/// Tries a place. What is written is removed again.
pub fn check(place: &dyn Objects, probe: &TierProbe<'_>, cancel: &Cancel) -> TierCheck {
    let mut found = TierCheck::default();
    if found.ask(place, &probe.key, cancel) {
        found.write(place, probe, cancel);
    }
    let observed = place.observed();
    found.clock_ahead = observed.clock_ahead;
    // What a place says is not there was looked for first, and so nothing was kept by it.
    if found.keeps_conditions.is_some() && observed.keeps_conditions == Some(false) {
        found.keeps_conditions = Some(false);
    }
    found
}

impl TierCheck {
    /// Asks for what is not there. Whether the place answers at all.
    fn ask(&mut self, place: &dyn Objects, key: &Key, cancel: &Cancel) -> bool {
        let mut times = Vec::new();
        for _ in 0..TIMES {
            let begun = Instant::now();
            match place.get(key, cancel) {
                Ok(_) if self.may_read.is_none() && times.is_empty() => self.may_read = Some(true),
                Ok(_) => {}
                // A place may refuse what is not there.
                Err(TierError::Refused { .. }) if times.is_empty() => {}
                Err(error) => {
                    self.troubles.push(error);
                    return false;
                }
            }
            times.push(begun.elapsed());
        }
        times.sort();
        self.round_trip = times.get(times.len() / 2).copied();
        true
    }

    fn write(&mut self, place: &dyn Objects, probe: &TierProbe<'_>, cancel: &Cancel) {
        match place.put(&probe.key, probe.content.into(), false, cancel) {
            Ok(_) => self.may_write = true,
            Err(error @ TierError::Refused { .. }) => {
                return self.refuse(error, place, probe, cancel);
            }
            Err(error) => return self.troubles.push(error),
        }
        self.read_back(place, probe, probe.content, cancel);
        match place.put(&probe.key, probe.other.into(), false, cancel) {
            Ok(published) => {
                self.keeps_conditions = Some(published == Published::AlreadyThere);
                let is_kept = published == Published::AlreadyThere;
                let expected = if is_kept { probe.content } else { probe.other };
                self.read_back(place, probe, expected, cancel);
            }
            Err(error) => self.troubles.push(error),
        }
        if let Err(error) = place.delete(&probe.key, cancel) {
            self.troubles.push(error);
            self.left = Some(probe.key.clone());
        }
    }

    fn refuse(
        &mut self,
        error: TierError,
        place: &dyn Objects,
        probe: &TierProbe<'_>,
        cancel: &Cancel,
    ) {
        if self.may_read.is_none()
            && let Err(error) = place.get(&probe.key, cancel)
        {
            self.troubles.push(error);
        }
        self.refusal = Some(error);
    }

    /// Reads what was written.
    fn read_back(
        &mut self,
        place: &dyn Objects,
        probe: &TierProbe<'_>,
        expected: &Path,
        cancel: &Cancel,
    ) {
        let found = match place.get(&probe.key, cancel) {
            Ok(Some(found)) => found,
            Ok(None) => return self.is_altered = true,
            Err(error) => {
                self.may_read = Some(false);
                return self.troubles.push(error);
            }
        };
        let expected = std::fs::read(expected).unwrap_or_default();
        let mut bytes = Vec::new();
        let most = expected.len() as u64 + 1;
        self.may_read = Some(found.bytes.take(most).read_to_end(&mut bytes).is_ok());
        self.is_altered |= bytes != expected;
    }
}
