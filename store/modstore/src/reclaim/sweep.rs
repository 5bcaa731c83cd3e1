//! The sweep: what a [`SweepPlan`] gives up is given up, and then deleted.
//!
//! ```text
//! lock      the store's lock; a plan for another state is refused
//! condemn   `condemned` published: from now on nobody is given a lease on what is listed
//! look      the leases and both books once more; what is in use by now is taken off the list
//! record    one frame appended to the journal, synced                            ← it has happened
//! move      generations, then entries, renamed to the trash, or deleted where that is refused; their directories
//!           synced
//! withdraw  `condemned` removed if all of it is gone, the lock let go
//! delete    the trash, in parallel, without the lock; the next sweep goes on where this one ended
//! forget    environments that have been gone for a day
//! ```
//!
//! What keeps entries is in `roots`, what is kept how long in `policy`. Waits for nothing but the store's lock.

use std::{
    collections::BTreeSet,
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use modstore_core::Context;

use super::{
    environments::{ForgetError, forget_gone},
    lease::{leases, live_leases},
    plan::{Gone, PlanError, SweepPlan, plan},
    policy::Policy,
    roots::{Found, mirrors_of},
    trash::{Deleted, empty},
};
use crate::{
    access::AccessError,
    commit::{BeginError, GiveUpError, Journal, JournalError, Locked, State, is_unfinished},
    disk::{
        DiskError, Layout, Lock, LockError, Staging, StagingError, ensure_reserve, random_name,
        use_reserve,
    },
    model::Generation,
};

/// A journal that is smaller than this is never worth compacting.
const LARGE: u64 = 256 * 1024;

/// How often a plan is made when generations come and go while it is made.
const ATTEMPTS: usize = 3;

/// What a sweep works on.
#[derive(Clone, Copy)]
pub(crate) struct SweepContext<'a> {
    pub(crate) store: Context<'a>,
    /// When to stop deleting; the rest is for the next sweep.
    pub(crate) until: Option<Instant>,
}

/// What a sweep did.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct SweepReport {
    /// The generations that were retired.
    pub retired: Vec<Generation>,
    /// The entries that were given up.
    pub removed: Vec<Gone>,
    /// How many generations and entries of the plan came into use meanwhile, and stay.
    pub spared: usize,
    /// The mirrors that were given up, by the hash of their origin.
    pub mirrors: Vec<String>,
    /// How many trees and files were deleted from the trash.
    pub deleted: usize,
    /// How many are left there for the next sweep.
    pub left: usize,
    /// What could not be cleaned up, if anything: it keeps nothing else from working, and the next one to write tries
    /// again.
    pub trouble: Option<DiskError>,
    /// Whether the journal was compacted.
    pub compacted: bool,
    /// The directories of environments that have been gone for a day, and are looked after no longer.
    pub forgotten: Vec<PathBuf>,
}

/// The sweep did not end well.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SweepError {
    /// Nothing was given up: the store cannot be changed.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// Nothing was changed: the store is not what it was when the plan was made.
    #[error("the plan is for generation {}, journal frame {}, and the store has {}, frame {}", named(planned.0), planned.1, named(now.0), now.1)]
    Stale {
        /// The head and the journal's last frame that it was made for.
        planned: (Option<Generation>, u64),
        /// Those that are there.
        now: (Option<Generation>, u64),
    },
    /// Nothing was given up: it is not known what is in use.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The sweep has happened. An environment that is gone is looked after as before.
    #[error(transparent)]
    Forget(#[from] ForgetError),
    /// Nothing was given up.
    #[error(transparent)]
    Staging(#[from] StagingError),
    /// Nothing was given up: the store's lock was not had.
    #[error(transparent)]
    Begin(#[from] BeginError),
    /// Nothing was given up.
    #[error("nothing was given up")]
    NotDone(#[source] DiskError),
    /// What was to go was condemned; the error says whether it has happened.
    #[error(transparent)]
    GiveUp(#[from] GiveUpError),
    /// The sweep has happened. The journal is as it was, or compacted, which says the same.
    #[error("the journal cannot be compacted")]
    Compact(#[source] JournalError),
    /// Nothing was given up, because of a wish to stop.
    #[error("interrupted; nothing was given up")]
    Cancelled,
}

fn named(generation: Option<Generation>) -> String {
    generation.map_or_else(|| "no generation".into(), |number| format!("generation {number}"))
}

impl SweepError {
    /// Whether the change has happened, or may have, although there is an error.
    #[must_use]
    pub const fn has_happened(&self) -> bool {
        matches!(self, Self::GiveUp(_) | Self::Forget(_) | Self::Compact(_))
    }
}

/// What a sweep by `policy` would do, without any lock. Changes nothing.
///
/// # Errors
/// See [`PlanError`].
pub(crate) fn plan_now(layout: &Layout, policy: &Policy, now: u64) -> Result<SweepPlan, PlanError> {
    let attempt = || {
        let leases = leases(layout).map_err(PlanError::Disk)?;
        let state = Journal::state(&layout.journal())?;
        let found = Found::read(layout)?;
        let leased = leases.iter().map(|lease| lease.generation);
        let held = leased.chain(found.shown).chain(found.led_through()).collect();
        plan(&state, found, &leases, &policy.retiring(&state, &held, now))
    };
    // A directory that another process removed while it was read could not be read; the next time it is not there.
    // And books that differ because a transaction came in between the two do not differ the next time.
    let is_doubtful = |planned: &Result<SweepPlan, PlanError>| match planned {
        Ok(plan) => plan.disagreements().next().is_some(),
        Err(error) => matches!(error, PlanError::Root { .. } | PlanError::Disk(_)),
    };
    let mut planned = attempt();
    for _ in 1..ATTEMPTS {
        if !is_doubtful(&planned) {
            break;
        }
        planned = attempt();
    }
    planned
}

/// Does what is planned.
///
/// # Errors
/// See [`SweepError`].
pub(crate) fn sweep(
    context: SweepContext<'_>,
    planned: SweepPlan,
    now: u64,
) -> Result<SweepReport, SweepError> {
    let mut report = SweepReport::default();
    Staging::remove_dead(context.store.disk, context.store.layout).map_err(SweepError::NotDone)?;
    // For the dead that it buries.
    live_leases(context.store.disk, context.store.layout).map_err(SweepError::NotDone)?;
    // What an earlier sweep left comes first: it needs no space, and may give the space to go on with.
    report.note(empty_trash(context)?);
    use_reserve(context.store.disk, context.store.layout);
    if !planned.gives_up_nothing() {
        if context.store.cancel.is_cancelled() {
            return Err(SweepError::Cancelled);
        }
        let wanted = planned.size();
        let given_up = give_up(context, planned.clone())?;
        report.spared = wanted - given_up.size();
        (report.retired, report.removed) = (given_up.retire, given_up.remove);
    } else if is_unfinished(context.store.layout, &journal_state(context)?) {
        // Taking the lock finishes it. What it takes to the trash goes below.
        drop(lock(context.store)?);
    }
    report.mirrors = discard_mirrors(context, &planned.mirrors).map_err(SweepError::NotDone)?;
    report.note(empty_trash(context)?);
    report.trouble = context.store.disk.first_left();
    report.forgotten = forget_gone(context.store, now)?;
    report.compacted = compact_if_worthwhile(context)?;
    ensure_reserve(context.store.disk, context.store.layout);
    Ok(report)
}

fn journal_state(context: SweepContext<'_>) -> Result<State, PlanError> {
    Ok(Journal::state(&context.store.layout.journal())?)
}

impl SweepReport {
    const fn note(&mut self, Deleted { deleted, left }: Deleted) {
        self.deleted += deleted;
        self.left = left;
    }
}

fn empty_trash(context: SweepContext<'_>) -> Result<Deleted, SweepError> {
    empty(context.store, context.until).map_err(SweepError::NotDone)
}

/// Everything that is done under the store's lock; returns the part of the plan that was done.
fn give_up(context: SweepContext<'_>, planned: SweepPlan) -> Result<SweepPlan, SweepError> {
    let locked = lock(context.store)?;
    let state = locked.state();
    let now = (state.head().map(|head| head.number), state.sequence());
    if now != (planned.generation, planned.sequence) {
        return Err(SweepError::Stale { planned: (planned.generation, planned.sequence), now });
    }
    let condemned = planned.condemned();
    locked.mark(&condemned).map_err(SweepError::NotDone)?;
    // Only now, with it condemned: a reader takes its lease first and then looks whether it is condemned.
    let reduced = match look_again(&locked, planned) {
        Ok(reduced) => reduced,
        Err(error) => {
            // If this fails too, the next one to have the lock takes it back.
            let _ = locked.unmark();
            return Err(error);
        }
    };
    if reduced.gives_up_nothing() {
        locked.unmark().map_err(SweepError::NotDone)?;
        return Ok(reduced);
    }
    locked.give_up(&reduced.condemned())?;
    Ok(reduced)
}

/// The part of the plan that still holds, condemned again if that is less.
fn look_again(locked: &Locked, planned: SweepPlan) -> Result<SweepPlan, SweepError> {
    let layout = locked.layout();
    let leases = leases(layout).map_err(PlanError::Disk)?;
    let found = Found::read(layout).map_err(PlanError::from)?;
    let again = plan(locked.state(), found, &leases, &planned.retire)?;
    let condemned = planned.condemned();
    let reduced = planned.reduced_to(&again);
    let is_less = reduced.condemned() != condemned;
    if is_less && !reduced.gives_up_nothing() {
        locked.mark(&reduced.condemned()).map_err(SweepError::NotDone)?;
    }
    Ok(reduced)
}

fn lock(context: Context<'_>) -> Result<Locked, SweepError> {
    Locked::take(context, context.staging()?).map_err(|error| match error {
        BeginError::Lock(LockError::Stopped) => SweepError::Cancelled,
        error => SweepError::Begin(error),
    })
}

/// Moves mirrors to the trash, or deletes them where that is refused, each under the lock of its origin. One in use
/// stays, and so does one that cannot be taken away.
fn discard_mirrors(context: SweepContext<'_>, hashes: &[String]) -> Result<Vec<String>, DiskError> {
    let Context { disk, layout, command, .. } = context.store;
    let mut discarded = Vec::new();
    for hash in hashes {
        let lock = layout.lock(&format!("origin-{hash}"));
        let discard = || {
            let Some(_lock) = Lock::try_take(&lock, command)? else { return Ok(false) };
            for path in mirrors_of(layout, hash)? {
                let moved = disk.rename(&path, &layout.trash().join(random_name(&path)?));
                moved.or_else(|_stays| disk.remove_tree(&path))?;
            }
            Ok(true)
        };
        match discard() {
            Ok(true) => discarded.push(hash.clone()),
            Ok(false) => {}
            Err(error) => disk.leave(error)?,
        }
    }
    Ok(discarded)
}

/// Compacts the journal when it is large and at most half of it would be left. Does not wait for the lock.
fn compact_if_worthwhile(context: SweepContext<'_>) -> Result<bool, SweepError> {
    let length = fs::metadata(context.store.layout.journal()).map_or(0, |meta| meta.len());
    if length <= LARGE || context.store.cancel.is_cancelled() {
        return Ok(false);
    }
    let locked = match lock(Context { lock_limit: Duration::ZERO, ..context.store }) {
        Err(SweepError::Begin(BeginError::Lock(LockError::Busy { .. }))) => return Ok(false),
        locked => locked?,
    };
    if locked.compacted_size().is_none_or(|compacted| compacted * 2 > length) {
        return Ok(false);
    }
    locked.compact(context.store.command).map(|()| true).map_err(SweepError::Compact)
}

/// Compacts the journal, whatever it saves.
///
/// # Errors
/// See [`SweepError`].
pub(crate) fn compact(context: Context<'_>) -> Result<(), SweepError> {
    Staging::remove_dead(context.disk, context.layout).map_err(SweepError::NotDone)?;
    lock(context)?.compact(context.command).map_err(SweepError::Compact)
}

/// Sweeps if `state` says that there is something to sweep, and deletes what is in the trash, both as far as
/// it takes no time. Gives nothing when there was nothing to do.
///
/// # Errors
/// See [`SweepError`].
pub(crate) fn sweep_briefly(
    context: SweepContext<'_>,
    policy: &Policy,
    state: &State,
    now: u64,
) -> Result<Option<SweepReport>, SweepError> {
    if !may_reclaim(policy, state, now) {
        forget_gone(context.store, now)?;
        let deleted = empty_trash(context)?;
        let mut report = SweepReport::default();
        let did = deleted.deleted > 0;
        report.note(deleted);
        return Ok(did.then_some(report));
    }
    let plan = plan_now(context.store.layout, policy, now)?;
    if plan.is_empty() { Ok(None) } else { sweep(context, plan, now).map(Some) }
}

/// Whether a sweep could find anything, as far as the journal tells.
fn may_reclaim(policy: &Policy, state: &State, now: u64) -> bool {
    state.needed().len() < state.entries().len()
        || !policy.retiring(state, &BTreeSet::new(), now).is_empty()
}
