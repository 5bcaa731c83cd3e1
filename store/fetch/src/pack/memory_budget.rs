//! One budget of memory for all fetches of an update, however many run at once.
//!
//! No fetch waits for memory, so none can wait for ever. Memory that a fetch cannot do without (its tables, its trees)
//! is *reserved*: it is there or the fetch fails, with the limit by name. Memory that only makes it quicker (bytes of the
//! pack, the bases of deltas) is *offered*: where none is left, a file in the staging takes its place.
//!
//! ```text
//! total ┬ a quarter, divided among the fetches: what arrives and waits for a worker, and the first small tables
//!       └ three quarters, shared: reservations may take all of it, offers are made while half of it is free
//! ```
//!
//! Every fetch has its own part, so a server that eats the shared part keeps no ordinary repository from being
//! fetched.
//!
//! Limits: small objects that are being worked on are not counted one by one; each thread has few of them. The list of
//! the previous entry, which comes from the store, is not counted.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use crate::{errors::LimitError, limits::PackLimit};

/// Reservations are taken from the shared part in steps of this, so that it is rarely touched.
const STEP: u64 = 1 << 20;
/// However small the budget is, tables of this size fit in.
const LEAST: u64 = 16 << 20;

/// The memory of all fetches of an update. Clones are one budget.
#[derive(Debug, Clone)]
pub struct MemoryBudget(Arc<Pool>);

#[derive(Debug)]
struct Pool {
    total: u64,
    /// What each fetch has for itself.
    own: u64,
    /// The most that reservations may take together.
    needs: u64,
    /// Offers are made as long as no more than this is taken.
    offers: u64,
    taken: AtomicU64,
    /// Fetches that run now.
    fetches: AtomicU64,
}

impl MemoryBudget {
    /// `bytes` for at most `fetches` at once.
    #[must_use]
    pub fn new(bytes: usize, fetches: usize) -> MemoryBudget {
        let total = bytes as u64;
        let quarter = total / 4;
        MemoryBudget(Arc::new(Pool {
            total,
            own: quarter / (fetches.max(1) as u64),
            needs: (total - quarter).max(LEAST),
            offers: (total - quarter) / 2,
            taken: AtomicU64::new(0),
            fetches: AtomicU64::new(0),
        }))
    }

    /// Memory for something that can be in a file as well; `None` when it is to be in a file.
    pub(crate) fn offer(&self, bytes: u64) -> Option<Share> {
        self.take(bytes, self.0.offers).then(|| Share { budget: self.clone(), bytes })
    }

    /// The same for bulk, which is nearly as quick in a file: it leaves half of what is offered to others.
    pub(crate) fn offer_to_bulk(&self, bytes: u64) -> Option<Share> {
        self.take(bytes, self.0.offers / 2).then(|| Share { budget: self.clone(), bytes })
    }

    fn take(&self, bytes: u64, most: u64) -> bool {
        let more = |taken: u64| taken.checked_add(bytes).filter(|sum| *sum <= most);
        self.0.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    fn give_back(&self, bytes: u64) {
        self.0.taken.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// Memory that was offered and taken, given back when dropped.
#[derive(Debug)]
pub(crate) struct Share {
    budget: MemoryBudget,
    bytes: u64,
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.give_back(self.bytes);
    }
}

/// The memory that one fetch has reserved, given back when dropped.
#[derive(Debug)]
pub(crate) struct FetchMemory {
    budget: MemoryBudget,
    needed: AtomicU64,
    reserved: AtomicU64,
}

impl FetchMemory {
    pub(crate) fn new(budget: &MemoryBudget) -> FetchMemory {
        let needed = AtomicU64::new(0);
        let reserved = AtomicU64::new(0);
        budget.0.fetches.fetch_add(1, Ordering::Relaxed);
        FetchMemory { budget: budget.clone(), needed, reserved }
    }

    /// The budget that the memory is taken from.
    pub(crate) fn budget(&self) -> &MemoryBudget {
        &self.budget
    }

    /// Bytes that may wait for a worker.
    pub(crate) fn in_flight(&self) -> u64 {
        self.budget.0.own / 2
    }

    /// Counts `bytes` that stay until the fetch ends.
    ///
    /// # Errors
    /// [`PackLimit::Memory`]: neither the fetch's own part nor the shared part has them.
    pub(crate) fn reserve(&self, bytes: u64) -> Result<(), LimitError> {
        let needed = self.needed.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        let own = self.budget.0.own / 2 + self.reserved.load(Ordering::Relaxed);
        let Some(lacking) = needed.checked_sub(own).filter(|lacking| *lacking > 0) else {
            return Ok(());
        };
        let step = lacking.div_ceil(STEP).saturating_mul(STEP);
        if self.budget.take(step, self.budget.0.needs) {
            self.reserved.fetch_add(step, Ordering::Relaxed);
            return Ok(());
        }
        Err(self.shortage(step))
    }

    /// Takes `bytes` for a while, for an object that must be looked at whole.
    ///
    /// # Errors
    /// As [`FetchMemory::reserve`].
    pub(crate) fn hold(&self, bytes: u64) -> Result<Share, LimitError> {
        if self.budget.take(bytes, self.budget.0.needs) {
            Ok(Share { budget: self.budget.clone(), bytes })
        } else {
            Err(self.shortage(bytes))
        }
    }

    /// Why `bytes` more are not available: they are too many, or other fetches have taken them.
    fn shortage(&self, bytes: u64) -> LimitError {
        let Pool { total, needs, ref taken, ref fetches, .. } = *self.budget.0;
        let mine = self.reserved.load(Ordering::Relaxed).saturating_add(bytes);
        let taken = taken.load(Ordering::Relaxed);
        if fetches.load(Ordering::Relaxed) > 1 && mine <= needs / 2 {
            return LimitError::Crowded { taken, limit: needs };
        }
        let size = (total / 4).saturating_add(taken).saturating_add(bytes);
        LimitError::TooLarge { what: PackLimit::Memory, size, limit: total }
    }
}

impl Drop for FetchMemory {
    fn drop(&mut self) {
        self.budget.give_back(*self.reserved.get_mut());
        self.budget.0.fetches.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use modstore_core::model::Class;

    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn fetches_share_one_budget_and_each_keeps_a_part_of_its_own() {
        let budget = MemoryBudget::new(256 << 20, 8);
        let greedy = FetchMemory::new(&budget);
        let modest = FetchMemory::new(&budget);
        while greedy.reserve(MIB).is_ok() {}
        assert!(modest.reserve(4 * MIB).is_ok(), "its own part is left");
        let crowded = modest.reserve(2 * MIB).unwrap_err();
        assert_eq!(crowded.class(), Class::Transient, "others have the shared part: {crowded}");
        assert_eq!(greedy.reserve(MIB).unwrap_err().class(), Class::Permanent);
        drop(greedy);
        assert!(modest.reserve(2 * MIB).is_ok(), "what was taken is given back");
    }

    #[test]
    fn what_could_be_a_file_leaves_half_of_the_memory_to_what_could_not() {
        let budget = MemoryBudget::new(256 << 20, 8);
        let shares: Vec<Share> = std::iter::from_fn(|| budget.offer(MIB)).collect();
        assert_eq!(shares.len(), 96);
        let needs = FetchMemory::new(&budget);
        assert!(needs.reserve(100 * MIB).is_ok());
        drop(shares);
        assert!(budget.offer(MIB).is_none(), "needs come before offers");
        drop(needs);
        assert!(budget.offer(96 * MIB).is_some());
        assert!(budget.offer(u64::MAX).is_none());
    }

    #[test]
    fn the_error_names_the_whole_budget_and_more_than_that() {
        let needs = FetchMemory::new(&MemoryBudget::new(256 << 20, 8));
        let Err(LimitError::TooLarge { what: PackLimit::Memory, size, limit }) =
            needs.reserve(1 << 40)
        else {
            panic!("a terabyte is over the budget")
        };
        assert_eq!(limit, 256 << 20);
        assert!(size > limit);
    }
}
