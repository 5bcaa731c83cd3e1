//! `verify --repair`: what is damaged is put right.

use crate::{
    Cancel, Store,
    check::{self, RepairError, RepairReport},
    events::Events,
};

impl Store {
    /// Repairs damage: each damaged thing is put right, rebuilt from what the store knows, or fetched again; the damaged
    /// copy is moved to the quarantine. Readers miss nothing meanwhile.
    ///
    /// # Errors
    /// What was repaired until then stays repaired. Damage that cannot be repaired is no error; it is in the report.
    pub fn repair(
        &self,
        events: &dyn Events,
        cancel: &Cancel,
    ) -> Result<RepairReport, RepairError> {
        let _leftovers = self.report_leftovers(events);
        let context = self.context(events, cancel);
        if context.disk.has_failed_to_sync() {
            return Err(crate::access::AccessError::Poisoned.into());
        }
        if !check::has_parts(self.layout()) {
            return Ok(RepairReport::default());
        }
        self.may_write()?;
        check::repair(context, self.options().settings())
    }
}
