//! Whether what failed is tried again, and what is remembered of a try. Pure; the clock is passed in.
//!
//! An update that a person asks for tries everything, except a build that has failed for what it was given and
//! would be given the same. A scan, which a host does at its natural moments, leaves alone what is not due yet, and
//! what will not change by itself. [`RetryPolicy::All`] leaves out nothing.
//!
//! The code that meets a failure knows its class; `docs/failures.md` lists them.

use std::time::Duration;

use super::options::{Retry, RetryPolicy};
use crate::{
    build::is_built_of,
    model::{Attempt, Binding, Class, Digest, RecordedSource, Revision, Stage},
};

/// The longest that a server is believed when it asks us to stay away.
const LONGEST_WISH: Duration = Duration::from_secs(24 * 3600);
/// The most bytes that are remembered of an error, and of each of its causes: of these the end.
const MOST_TEXT: usize = 2048;
/// The most causes that are remembered, the last among them.
const MOST_CAUSES: usize = 8;

/// What was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tried {
    /// The source.
    pub(super) source: RecordedSource,
    /// The commit, if that much was found out.
    pub(super) revision: Option<Revision>,
    /// A name for all else that it depended on.
    pub(super) conditions: Option<Digest>,
    /// How long the server asked us to stay away.
    pub(super) retry_after: Option<Duration>,
}

impl Tried {
    /// What came as far as this, and did not become current.
    pub(super) fn of(binding: &Binding) -> Self {
        let revision = binding.bound.fetched().map(|from| from.revision);
        Self { source: binding.source.clone(), revision, conditions: None, retry_after: None }
    }
}

/// Whether something is tried now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is.
    Now,
    /// Not before this time, in milliseconds since 1970.
    Later(u64),
    /// Not until something that it depends on changes.
    Pinned,
}

/// How a failure is remembered.
pub(super) struct Ended<'a> {
    pub(super) class: Class,
    pub(super) stage: Stage,
    pub(super) error: &'a (dyn std::error::Error + 'static),
}

/// Whether a module is asked for at all, before any server is asked. `is_local`: whether asking costs no more than a
/// look at this machine.
pub(super) fn before_asking(
    attempt: Option<&Attempt>,
    source: &RecordedSource,
    is_local: bool,
    (policy, now): (RetryPolicy, u64),
) -> Verdict {
    let Some(attempt) = attempt.filter(|attempt| attempt.source == *source) else {
        return Verdict::Now;
    };
    match (policy, attempt.class) {
        (RetryPolicy::Interactive | RetryPolicy::All, _) => Verdict::Now,
        // The build is asked about when its source is there.
        (RetryPolicy::DueOnly, _) if attempt.conditions.is_some() => Verdict::Now,
        (RetryPolicy::DueOnly, Class::Permanent)
            if attempt.stage == Stage::Resolve && !is_local =>
        {
            Verdict::Pinned
        }
        // What is meant has been found out, so that it may have been changed since.
        (RetryPolicy::DueOnly, Class::Permanent) => Verdict::Now,
        // What an environment, or a program of somebody's, says may change without our knowing.
        (RetryPolicy::DueOnly, Class::Transient | Class::Deterministic) => due(attempt, now),
    }
}

/// Whether a source is fetched, now that it is known which commit of it. `is_built_so`: whether it would now be built as
/// under these conditions, whatever from.
pub(super) fn before_fetching(
    attempt: Option<&Attempt>,
    (source, revision): (&RecordedSource, Option<Revision>),
    is_built_so: impl FnOnce(Digest) -> bool,
    policy: RetryPolicy,
) -> Verdict {
    let is_same = |it: &&Attempt| it.source == *source && it.revision == revision;
    let Some(attempt) = attempt.filter(is_same) else { return Verdict::Now };
    let is_pinned = match attempt.conditions {
        None => {
            revision.is_some()
                && policy == RetryPolicy::DueOnly
                && attempt.class == Class::Permanent
        }
        Some(failed) => is_pinned(attempt, policy) && is_built_so(failed),
    };
    if is_pinned { Verdict::Pinned } else { Verdict::Now }
}

/// Whether something is built from what is there, under `conditions`, which say all that it depends on.
pub(super) fn before_building(
    attempt: Option<&Attempt>,
    conditions: Digest,
    (policy, now): (RetryPolicy, u64),
) -> Verdict {
    let is_same = |failed: Option<Digest>| failed.is_some_and(|it| is_built_of(it, conditions));
    let Some(attempt) = attempt.filter(|attempt| is_same(attempt.conditions)) else {
        return Verdict::Now;
    };
    match (policy, attempt.class) {
        _ if is_pinned(attempt, policy) => Verdict::Pinned,
        (RetryPolicy::DueOnly, Class::Transient) => due(attempt, now),
        _ => Verdict::Now,
    }
}

/// Whether a build that failed is left alone for as long as it would be the same.
const fn is_pinned(attempt: &Attempt, policy: RetryPolicy) -> bool {
    matches!(
        (policy, attempt.class),
        (RetryPolicy::Interactive | RetryPolicy::DueOnly, Class::Deterministic)
            | (RetryPolicy::DueOnly, Class::Permanent)
    )
}

fn due(attempt: &Attempt, now: u64) -> Verdict {
    // A clock that went back must not make a module wait for the years between.
    if now >= attempt.not_before || attempt.last > now {
        Verdict::Now
    } else {
        Verdict::Later(attempt.not_before)
    }
}

/// What is remembered of a failure that followed `before`.
pub(super) fn remember(
    tried: &Tried,
    ended: &Ended<'_>,
    before: Option<&Attempt>,
    (retry, now): (Retry, u64),
) -> Attempt {
    let again = before.filter(|before| is_same(before, tried));
    let count = again.map_or(1, |before| before.count.saturating_add(1));
    let wish = tried.retry_after.unwrap_or_default().min(LONGEST_WISH);
    let wait = retry.wait(count).max(wish);
    let causes = std::iter::successors(ended.error.source(), |error| (*error).source());
    Attempt {
        source: tried.source.clone(),
        revision: tried.revision,
        conditions: tried.conditions,
        class: ended.class,
        stage: ended.stage,
        error: shortened(&ended.error.to_string()),
        causes: fewer(causes.map(|cause| shortened(&cause.to_string())).collect()),
        count,
        first: again.map_or(now, |before| before.first),
        last: now,
        not_before: now.saturating_add(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
    }
}

/// What is remembered of a failure that would be the same of what a module comes from now.
pub(super) fn moved(attempt: &Attempt, source: &Binding) -> Attempt {
    let Tried { source, revision, .. } = Tried::of(source);
    Attempt { source, revision, ..attempt.clone() }
}

/// Whether it is the same thing that failed before. One of the two may not have come so far as to know which commit
/// it was.
fn is_same(before: &Attempt, tried: &Tried) -> bool {
    let same_revision = match (before.revision, tried.revision) {
        (Some(before), Some(now)) => before == now,
        _ => true,
    };
    let same_conditions = match (before.conditions, tried.conditions) {
        (Some(before), Some(now)) => is_built_of(before, now),
        (before, now) => before == now,
    };
    before.source == tried.source && same_conditions && same_revision
}

/// The end of a text: what a program says last is what it failed of.
fn shortened(text: &str) -> String {
    let skip = text.len().saturating_sub(MOST_TEXT);
    let from = (skip..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
    let end = text.get(from..).unwrap_or_default();
    if skip == 0 { end.to_owned() } else { format!("… {end}") }
}

fn fewer(mut causes: Vec<String>) -> Vec<String> {
    let excess = causes.len().saturating_sub(MOST_CAUSES);
    causes.drain(..excess);
    causes
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETRY: Retry = Retry { first: Duration::from_secs(5), most: Duration::from_secs(600) };
    const NOW: u64 = 1_790_000_000_000;

    fn commit(byte: u8) -> Revision {
        Revision::from_bytes([byte; 20])
    }

    fn tried(conditions: Option<u8>) -> Tried {
        Tried {
            source: RecordedSource::read("git+https://example.com/o/r"),
            revision: None,
            conditions: conditions.map(|byte| Digest::from_bytes([byte; 32])),
            retry_after: None,
        }
    }

    fn failed(class: Class, stage: Stage, tried: &Tried, before: Option<&Attempt>) -> Attempt {
        let error = std::io::Error::other("no");
        remember(tried, &Ended { class, stage, error: &error }, before, (RETRY, NOW))
    }

    #[test]
    fn the_wait_doubles_from_five_seconds_to_ten_minutes() {
        let (mut waits, mut before) = (Vec::new(), None);
        for _ in 0..9 {
            let attempt = failed(Class::Transient, Stage::Fetch, &tried(None), before.as_ref());
            waits.push((attempt.not_before - NOW) / 1000);
            before = Some(attempt);
        }
        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 320, 600, 600]);
        assert_eq!(before.map(|before| before.count), Some(9));
        assert_eq!(RETRY.wait(u64::MAX), RETRY.most);
    }

    #[test]
    fn what_a_server_asks_for_is_kept_to_but_not_for_ever() {
        let asked = |seconds| {
            let retry_after = Some(Duration::from_secs(seconds));
            let tried = Tried { retry_after, ..tried(None) };
            (failed(Class::Transient, Stage::Resolve, &tried, None).not_before - NOW) / 1000
        };
        assert_eq!((asked(1), asked(3600), asked(u64::MAX / 2000)), (5, 3600, 86_400));
    }

    #[test]
    fn another_source_or_other_conditions_begin_again_and_the_same_goes_on() {
        let first = failed(Class::Transient, Stage::Build, &tried(Some(1)), None);
        let count =
            |tried: Tried| failed(Class::Transient, Stage::Build, &tried, Some(&first)).count;
        assert_eq!(count(tried(Some(1))), 2);
        assert_eq!(count(tried(Some(2))), 1);
        assert_eq!(count(Tried { source: RecordedSource::read("other"), ..tried(Some(1)) }), 1);
        assert_eq!(count(Tried { revision: Some(commit(1)), ..tried(Some(1)) }), 2);
    }

    #[test]
    fn only_a_scan_waits_for_what_is_asked_of_a_server() {
        let wait = Verdict::Later(NOW + 5000);
        let (source, other) = (tried(None).source, RecordedSource::read("other"));
        let resolve = |class| failed(class, Stage::Resolve, &tried(None), None);
        let place = |class| failed(class, Stage::Place, &tried(None), None);
        let table = [
            (resolve(Class::Transient), wait),
            (resolve(Class::Permanent), Verdict::Pinned),
            (place(Class::Transient), wait),
            (place(Class::Permanent), Verdict::Now),
            (failed(Class::Deterministic, Stage::Import, &tried(None), None), wait),
            (failed(Class::Deterministic, Stage::Build, &tried(Some(1)), None), Verdict::Now),
        ];
        for (attempt, scanned) in table {
            let ask = |source: &RecordedSource, policy, now| {
                before_asking(Some(&attempt), source, false, (policy, now))
            };
            assert_eq!(ask(&source, RetryPolicy::DueOnly, NOW), scanned, "{attempt:?}");
            assert_eq!(ask(&other, RetryPolicy::DueOnly, NOW), Verdict::Now, "{attempt:?}");
            assert_eq!(ask(&source, RetryPolicy::Interactive, NOW), Verdict::Now, "{attempt:?}");
            assert_eq!(ask(&source, RetryPolicy::All, NOW), Verdict::Now, "{attempt:?}");
            if scanned == wait {
                assert_eq!(
                    ask(&source, RetryPolicy::DueOnly, NOW + 5000),
                    Verdict::Now,
                    "{attempt:?}"
                );
                assert_eq!(
                    ask(&source, RetryPolicy::DueOnly, NOW - 1),
                    Verdict::Now,
                    "the clock went back"
                );
            }
        }
        let local = before_asking(
            Some(&resolve(Class::Permanent)),
            &source,
            true,
            (RetryPolicy::DueOnly, NOW),
        );
        assert_eq!(local, Verdict::Now, "a look at this machine costs nothing");
    }

    #[test]
    fn a_commit_that_is_refused_is_fetched_again_only_when_it_is_another() {
        let tried = Tried { revision: Some(commit(1)), ..tried(None) };
        let refused = failed(Class::Permanent, Stage::Place, &tried, None);
        let never = |_| panic!("it was not built");
        let fetch = |revision, policy| {
            before_fetching(Some(&refused), (&tried.source, Some(revision)), never, policy)
        };
        assert_eq!(fetch(commit(1), RetryPolicy::DueOnly), Verdict::Pinned);
        assert_eq!(fetch(commit(2), RetryPolicy::DueOnly), Verdict::Now);
        assert_eq!(fetch(commit(1), RetryPolicy::Interactive), Verdict::Now);
        let transient = failed(Class::Transient, Stage::Place, &tried, None);
        let what = (&tried.source, Some(commit(1)));
        let again = before_fetching(Some(&transient), what, never, RetryPolicy::DueOnly);
        assert_eq!(again, Verdict::Now, "it was due, or no server would have been asked");
    }

    #[test]
    fn a_build_that_failed_for_what_it_was_given_is_pinned_until_that_is_another() {
        let build = |class, policy, conditions: u8| {
            let attempt = failed(class, Stage::Build, &tried(Some(1)), None);
            before_building(Some(&attempt), Digest::from_bytes([conditions; 32]), (policy, NOW))
        };
        for policy in [RetryPolicy::Interactive, RetryPolicy::DueOnly] {
            assert_eq!(build(Class::Deterministic, policy, 1), Verdict::Pinned);
            assert_eq!(build(Class::Deterministic, policy, 2), Verdict::Now);
        }
        assert_eq!(build(Class::Deterministic, RetryPolicy::All, 1), Verdict::Now);
        assert_eq!(build(Class::Permanent, RetryPolicy::Interactive, 1), Verdict::Now);
        assert_eq!(build(Class::Permanent, RetryPolicy::DueOnly, 1), Verdict::Pinned);
        assert_eq!(build(Class::Transient, RetryPolicy::Interactive, 1), Verdict::Now);
        assert_eq!(build(Class::Transient, RetryPolicy::DueOnly, 1), Verdict::Later(NOW + 5000));
    }

    #[test]
    fn the_source_of_a_pinned_build_is_fetched_again_only_when_it_would_be_built_otherwise() {
        let tried = Tried { revision: Some(commit(1)), ..tried(Some(1)) };
        let fetch = |class, policy, revision, is_built_so| {
            let failed = failed(class, Stage::Build, &tried, None);
            let what = (&tried.source, Some(revision));
            before_fetching(Some(&failed), what, |_| is_built_so, policy)
        };
        for policy in [RetryPolicy::Interactive, RetryPolicy::DueOnly] {
            assert_eq!(fetch(Class::Deterministic, policy, commit(1), true), Verdict::Pinned);
            assert_eq!(fetch(Class::Deterministic, policy, commit(1), false), Verdict::Now);
            assert_eq!(fetch(Class::Deterministic, policy, commit(2), true), Verdict::Now);
            assert_eq!(fetch(Class::Transient, policy, commit(1), true), Verdict::Now);
        }
        assert_eq!(fetch(Class::Deterministic, RetryPolicy::All, commit(1), true), Verdict::Now);
        assert_eq!(
            fetch(Class::Permanent, RetryPolicy::Interactive, commit(1), true),
            Verdict::Now
        );
        assert_eq!(fetch(Class::Permanent, RetryPolicy::DueOnly, commit(1), true), Verdict::Pinned);
    }

    #[test]
    fn only_the_end_of_a_long_story_is_remembered() {
        let long = format!("{}ä the reason", "ü".repeat(MOST_TEXT));
        let error = std::io::Error::other(long);
        let ended = Ended { class: Class::Transient, stage: Stage::Build, error: &error };
        let attempt = remember(&tried(None), &ended, None, (RETRY, NOW));
        assert!(attempt.error.ends_with("the reason") && attempt.error.len() <= MOST_TEXT + 4);
    }
}
