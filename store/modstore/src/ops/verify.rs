//! `verify`: is everything as it was written?

use crate::{
    Cancel, Store,
    commit::State,
    disk::{LockWait, has_no_links},
    model::ModuleName,
    update::{Event, Events},
    verify::{self, Depth, Finding, Looking, Verification, VerifyError},
};

impl Store {
    /// Checks that everything is as it was written: the journal, both books, every link, and every file of every entry,
    /// or of those that `names` lead to in any kept generation. Changes nothing. Takes the store's lock only when
    /// something seems wrong, to check that again while no other process writes, and never for as long as files are
    /// read.
    ///
    /// # Errors
    /// When the store cannot be read. Damage is no error; it is among the findings.
    pub fn verify(
        &self,
        depth: Depth,
        names: &[ModuleName],
        events: &dyn Events,
        cancel: &Cancel,
    ) -> Result<Verification, VerifyError> {
        let patience = LockWait {
            limit: self.options().lock_limit,
            stop: &|| cancel.is_cancelled(),
            on_wait: &|holder| events.happened(Event::Waiting { holder }),
        };
        // Another user's store is read, and not written to.
        let may_lock = self.must_be_ours().is_ok() && has_no_links(self.layout()).is_ok();
        let how = Looking {
            depth,
            names,
            command: &self.options().command,
            patience,
            may_lock,
            progress: &|bytes, of| events.happened(Event::Hashing { bytes, of }),
            cancel,
        };
        verify::verify(self.layout(), &how)
    }

    /// The leftovers of crashes and failed clean-ups, by a look at names: the next sweep tries to remove them.
    #[must_use]
    pub fn leftovers(&self, state: &State) -> Vec<Finding> {
        verify::leftovers(self.layout(), state)
    }
}
