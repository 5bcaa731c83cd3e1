//! `gc`: planning a sweep, carrying it out, and the brief one that follows each change.

use std::time::{Duration, Instant};

use modstore_core::Context;

use crate::{
    Cancel, Store,
    commit::{self, State},
    disk::Format,
    events::Events,
    reclaim::{self, PlanError, Policy, Sizes, SweepContext, SweepError, SweepPlan, SweepReport},
};

/// The longest time that a sweep which follows a change may take: nobody asked for it.
const BRIEF: Duration = Duration::from_millis(200);

impl Store {
    /// What a sweep would delete, and why the rest stays. Takes no lock and changes nothing.
    ///
    /// # Errors
    /// When it cannot be determined what is in use.
    pub fn plan_sweep(&self, policy: &Policy) -> Result<SweepPlan, PlanError> {
        reclaim::plan_now(self.layout(), policy, commit::now())
    }

    /// What the entries of a plan take on the disk. Looks at every file of each of them.
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub fn sizes(&self, plan: &SweepPlan) -> Result<Sizes, PlanError> {
        reclaim::measure(self.layout(), plan).map_err(PlanError::Disk)
    }

    /// Deletes what is planned.
    ///
    /// # Errors
    /// [`SweepError::Stale`], when the plan was made for another state of the store; the other variants say whether
    /// anything happened. What cannot be deleted is no error: it is in the report.
    pub fn sweep(
        &self,
        plan: SweepPlan,
        events: &dyn Events,
        cancel: &Cancel,
    ) -> Result<SweepReport, SweepError> {
        let _leftovers = self.report_leftovers(events);
        if plan.is_empty() && !self.is_made()? {
            return Ok(SweepReport::default());
        }
        self.ensure_writable(events, cancel)?;
        self.sweeping(events, cancel, self.options().lock_limit, None, |context| {
            reclaim::sweep(context, plan, commit::now())
        })
    }

    fn is_made(&self) -> Result<bool, SweepError> {
        let format = Format::read(self.layout()).map_err(crate::AccessError::from)?;
        Ok(format.is_some())
    }

    /// Makes the journal as short as it can be. Retired generations are no longer listed.
    ///
    /// # Errors
    /// The journal is as it was, or compacted.
    pub fn compact(&self, events: &dyn Events, cancel: &Cancel) -> Result<(), SweepError> {
        let _leftovers = self.report_leftovers(events);
        self.ensure_writable(events, cancel)?;
        self.sweeping(events, cancel, self.options().lock_limit, None, reclaim::compact)
    }

    /// Follows each change: sweeps if there is anything to sweep, waits for no lock, and leaves the rest to the next
    /// sweep when it takes long. Its failure is no failure of the change.
    pub(super) fn sweep_briefly(
        &self,
        after: Option<&State>,
        events: &dyn Events,
        cancel: &Cancel,
    ) {
        let (Some(policy), Some(after)) = (&self.options().sweep, after) else { return };
        if self.options().offline || cancel.is_cancelled() {
            return;
        }
        let until = Instant::now() + BRIEF;
        let _ = self.sweeping(events, cancel, Duration::ZERO, Some(until), |context| {
            reclaim::sweep_briefly(context, policy, after, commit::now())
        });
    }

    fn sweeping<T>(
        &self,
        events: &dyn Events,
        cancel: &Cancel,
        limit: Duration,
        until: Option<Instant>,
        work: impl FnOnce(SweepContext<'_>) -> Result<T, SweepError>,
    ) -> Result<T, SweepError> {
        let store = Context { lock_limit: limit, ..self.ground(events, cancel).context() };
        work(SweepContext { store, until })
    }
}
