//! `reset`: everything is fetched again, and the rest deleted.

use crate::{
    Cancel, Store,
    events::Events,
    reclaim::{PlanError, Policy, Sizes, SweepError, SweepPlan, SweepReport},
    update::{UpdateError, UpdateReport, UpdateRequest},
};

/// The most plans that are made while other processes keep changing the store.
const ATTEMPTS: usize = 10;

/// What came of a reset.
#[derive(Debug)]
pub struct Reset {
    /// The update. When a module could not be fetched, it keeps its current version and nothing is deleted.
    pub update: UpdateReport,
    /// What was deleted.
    pub dropped: Option<Dropped>,
}

/// What a reset deleted.
#[derive(Debug)]
pub struct Dropped {
    /// What was to be deleted, and why the rest stays.
    pub plan: SweepPlan,
    /// The room it took on the disk.
    pub sizes: Sizes,
    /// What was deleted.
    pub report: SweepReport,
}

/// A reset did not end well.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResetError {
    /// Nothing was deleted; the error of the update says whether it has happened.
    #[error(transparent)]
    Update(#[from] UpdateError),
    /// Everything was fetched again and is current. Nothing was deleted.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// Everything was fetched again and is current. The error of the sweep says whether anything was deleted.
    #[error(transparent)]
    Sweep(#[from] SweepError),
}

impl Store {
    /// Fetches every declared module again, as if the store were empty, and switches to all of them as one new
    /// generation. Only when every module could be fetched, deletes the rest: all other generations but those that are
    /// leased, and the entries that only they need. There is no moment without modules.
    ///
    /// # Errors
    /// Each variant of [`ResetError`] says how much has happened.
    pub fn reset(&self, events: &dyn Events, cancel: &Cancel) -> Result<Reset, ResetError> {
        let _leftovers = self.report_leftovers(events);
        let request = UpdateRequest { refetch: true, ..UpdateRequest::default() };
        let update = self.update(&request, events, cancel)?;
        if !update.has_all() || !update.committed {
            return Ok(Reset { update, dropped: None });
        }
        let mut attempt = 1;
        loop {
            let plan = self.plan_sweep(&Policy::only_current())?;
            let sizes = self.sizes(&plan)?;
            match self.sweep(plan.clone(), events, cancel) {
                Err(SweepError::Stale { .. }) if attempt < ATTEMPTS => attempt += 1,
                done => {
                    let dropped = Some(Dropped { plan, sizes, report: done? });
                    return Ok(Reset { update, dropped });
                }
            }
        }
    }
}
