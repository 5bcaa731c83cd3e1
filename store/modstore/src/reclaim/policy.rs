//! [`Policy`]: how long generations are kept.
//!
//! Pure: the clock is passed in, and nothing is looked up on the disk. Sizes are those the journal knows: of
//! the files of each entry, as if entries shared none.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroUsize,
    time::Duration,
};

use crate::{
    commit::{GenerationInfo, State},
    model::{Digest, Generation, ModuleName},
};

/// How long generations are kept. The current one, and those that are leased, are always kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// So many of the newest are kept, whatever else is said. The current one is the first of them.
    pub keep: NonZeroUsize,
    /// One that was current within this time is kept too.
    pub grace: Duration,
    /// When the entries of what is kept have more bytes, the grace does not count: the oldest go, until
    /// they have less or only `keep` are left.
    pub max_bytes: Option<u64>,
}

impl Default for Policy {
    /// The newest three, and all that were current in the last 24 hours.
    fn default() -> Self {
        Self {
            keep: const { NonZeroUsize::new(3).expect("three is not zero") },
            grace: Duration::from_secs(24 * 60 * 60),
            max_bytes: None,
        }
    }
}

impl Policy {
    /// Only the current generation, and those that are leased.
    #[must_use]
    pub const fn only_current() -> Self {
        let keep = const { NonZeroUsize::new(1).expect("one is not zero") };
        Self { keep, grace: Duration::ZERO, max_bytes: None }
    }

    /// The generations that are to be kept no longer, oldest first. `now` is in milliseconds since 1970; a
    /// clock that went back retires nothing.
    #[must_use]
    pub fn retiring(
        &self,
        state: &State,
        held: &BTreeSet<Generation>,
        now: u64,
    ) -> Vec<Generation> {
        let candidates = self.candidates(state, held);
        let grace = u64::try_from(self.grace.as_millis()).unwrap_or(u64::MAX);
        let is_over =
            |shown_until: u64| now.checked_sub(shown_until).is_some_and(|age| age >= grace);
        let (mut retiring, young): (Vec<_>, Vec<_>) =
            candidates.into_iter().partition(|(_, shown_until)| is_over(*shown_until));
        if let Some(most) = self.max_bytes {
            let mut held = HeldEntries::of(state);
            retiring.iter().for_each(|(number, _)| held.let_go(*number));
            for candidate in young {
                if held.bytes <= most {
                    break;
                }
                held.let_go(candidate.0);
                retiring.push(candidate);
            }
        }
        let mut numbers: Vec<Generation> = retiring.into_iter().map(|(number, _)| number).collect();
        numbers.sort_unstable();
        numbers
    }

    /// The generations that may go at all, oldest first, and until when each was current.
    fn candidates(&self, state: &State, held: &BTreeSet<Generation>) -> Vec<(Generation, u64)> {
        let kept = state.kept().count();
        let next = state.generations().iter().skip(1);
        let shown = state.generations().iter().zip(next).filter(|(info, _)| !info.retired);
        let older = shown.take(kept.saturating_sub(self.keep.get()));
        let until =
            |(info, next): (&GenerationInfo, &GenerationInfo)| (info.number, next.at.max(info.at));
        older.map(until).filter(|(number, _)| !held.contains(number)).collect()
    }
}

/// What the kept generations hold on to.
struct HeldEntries {
    entries: BTreeMap<Generation, BTreeSet<Digest>>,
    counts: BTreeMap<Digest, u64>,
    sizes: BTreeMap<Digest, u64>,
    bytes: u64,
}

impl HeldEntries {
    fn of(state: &State) -> Self {
        let digests = |modules: BTreeMap<&ModuleName, &crate::model::Binding>| {
            modules.values().filter_map(|binding| binding.digest()).collect::<BTreeSet<Digest>>()
        };
        let entries =
            state.kept_modules().map(|(info, modules)| (info.number, digests(modules))).collect();
        let counts = state.refcounts();
        let size = |digest: &Digest| state.entry(*digest).map_or(0, |info| info.bytes);
        let sizes: BTreeMap<_, _> = counts.keys().map(|digest| (*digest, size(digest))).collect();
        let bytes = sizes.values().sum();
        Self { entries, counts, sizes, bytes }
    }

    fn let_go(&mut self, generation: Generation) {
        for digest in self.entries.remove(&generation).unwrap_or_default() {
            let Some(count) = self.counts.get_mut(&digest) else { continue };
            *count -= 1;
            if *count == 0 {
                self.bytes -= self.sizes.get(&digest).copied().unwrap_or(0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        commit::{Frame, Record},
        model::{Binding, Bound, RecordedSource},
    };

    const HOUR: u64 = 3_600_000;

    fn number(number: u64) -> Generation {
        number.to_string().parse().unwrap()
    }

    /// One generation every hour from 0 on, each with an entry of its own of 100 bytes.
    fn hourly(count: u64) -> State {
        let mut state = State::default();
        for each in 1..=count {
            let digest = Digest::from_bytes([u8::try_from(each).unwrap(); 32]);
            let bound = Bound::Entry { digest, subdirectory: None, fetched: None };
            let records = vec![
                Record::Entered { digest, files: 1, bytes: 100 },
                Record::Generation {
                    number: number(each),
                    at: (each - 1) * HOUR,
                    reason: "update".into(),
                    restores: None,
                },
                Record::Bound {
                    module: "a".parse().unwrap(),
                    binding: Binding { source: RecordedSource::unknown(), bound },
                },
            ];
            state.apply(Frame { sequence: each, previous: [0; 16], records });
        }
        state
    }

    fn retiring(policy: &Policy, state: &State, held: &[u64], now: u64) -> Vec<u64> {
        let held = held.iter().copied().map(number).collect();
        policy.retiring(state, &held, now).into_iter().map(Generation::number).collect()
    }

    fn keeping(keep: usize, grace_hours: u64) -> Policy {
        Policy {
            keep: NonZeroUsize::new(keep).unwrap(),
            grace: Duration::from_millis(grace_hours * HOUR),
            max_bytes: None,
        }
    }

    #[test]
    fn the_newest_stay_and_the_head_always_does() {
        let state = hourly(5);
        for (keep, gone) in [(1, vec![1, 2, 3, 4]), (3, vec![1, 2]), (5, vec![]), (9, vec![])] {
            assert_eq!(retiring(&keeping(keep, 0), &state, &[], u64::MAX), gone, "keep {keep}");
        }
        assert!(retiring(&keeping(1, 0), &hourly(1), &[], u64::MAX).is_empty());
        assert!(retiring(&keeping(1, 0), &State::default(), &[], u64::MAX).is_empty());
    }

    #[test]
    fn what_was_current_within_the_grace_stays_however_old_it_is() {
        // Generation n was current until hour n, when the next one came.
        let state = hourly(5);
        assert_eq!(retiring(&keeping(1, 2), &state, &[], 4 * HOUR), [1, 2]);
        assert_eq!(retiring(&keeping(1, 2), &state, &[], 4 * HOUR - 1), [1]);
    }

    #[test]
    fn a_leased_generation_stays_and_counts_for_none_of_the_newest() {
        assert_eq!(retiring(&keeping(2, 0), &hourly(5), &[2], u64::MAX), [1, 3]);
    }

    #[test]
    fn a_clock_that_went_back_retires_nothing() {
        assert!(retiring(&keeping(1, 0), &hourly(5), &[], 0).is_empty());
        assert!(retiring(&keeping(1, 1), &hourly(5), &[], 1).is_empty());
    }

    #[test]
    fn a_limit_of_bytes_lifts_the_grace_oldest_first_and_never_below_the_newest() {
        let state = hourly(6);
        let with = |max_bytes| Policy { max_bytes: Some(max_bytes), ..keeping(2, 100) };
        let now = 5 * HOUR;
        assert!(retiring(&with(600), &state, &[], now).is_empty());
        assert_eq!(retiring(&with(599), &state, &[], now), [1]);
        assert_eq!(retiring(&with(300), &state, &[], now), [1, 2, 3]);
        assert_eq!(retiring(&with(0), &state, &[], now), [1, 2, 3, 4]);
        assert_eq!(retiring(&with(0), &state, &[3], now), [1, 2, 4]);
    }

    #[test]
    fn a_retired_generation_does_not_retire_again() {
        let mut state = hourly(4);
        let records =
            vec![Record::Retired { number: number(1) }, Record::Retired { number: number(3) }];
        state.apply(Frame { sequence: 5, previous: [0; 16], records });
        assert_eq!(retiring(&keeping(1, 0), &state, &[], u64::MAX), [2]);
        // Generation 2 was current until 3 came, whatever became of 3.
        assert!(retiring(&keeping(1, 1), &state, &[], 3 * HOUR - 1).is_empty());
        assert_eq!(retiring(&keeping(1, 1), &state, &[], 3 * HOUR), [2]);
    }
}
