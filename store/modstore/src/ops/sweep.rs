//! `gc`: planning a sweep, carrying it out, and the brief one that follows each change.

use std::time::{Duration, Instant};

use crate::{
    Cancel, Context, Store,
    commit::{self, State},
    disk::Format,
    events::Events,
    reclaim::{self, PlanError, Policy, Sizes, SweepContext, SweepError, SweepPlan, SweepReport},
};

/// The longest time that a sweep which follows a change may take: no user asked for it.
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
        let store = self.context(events, cancel);
        self.ensure_writable(store)?;
        reclaim::sweep(SweepContext { store, until: None }, plan, commit::now())
    }

    fn is_made(&self) -> Result<bool, SweepError> {
        let format = Format::read(self.layout()).map_err(crate::access::AccessError::from)?;
        Ok(format.is_some())
    }

    /// Makes the journal as short as it can be. Retired generations are no longer listed.
    ///
    /// # Errors
    /// The journal is as it was, or compacted.
    pub fn compact(&self, events: &dyn Events, cancel: &Cancel) -> Result<(), SweepError> {
        let (context, _leftovers) = self.begin(events, cancel)?;
        reclaim::compact(context)
    }

    /// Follows each change: sweeps if there is anything to sweep, waits for no lock, and leaves the rest to the next
    /// sweep when it takes long. Its failure is no failure of the change.
    pub(super) fn sweep_briefly(&self, context: Context<'_>, after: Option<&State>) {
        let (Some(policy), Some(after)) = (&self.options().sweep, after) else { return };
        if context.offline || context.cancel.is_cancelled() {
            return;
        }
        let store = Context { lock_limit: Duration::ZERO, ..context };
        let briefly = SweepContext { store, until: Some(Instant::now() + BRIEF) };
        let _ = reclaim::sweep_briefly(briefly, policy, after, commit::now());
    }
}
