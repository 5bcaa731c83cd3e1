//! `verify`: is everything as it was written?

use crate::{
    Cancel, Store,
    check::{self, Depth, Finding, Verification, VerifyError, VerifyOptions},
    commit::State,
    disk::has_no_links,
    events::Events,
    model::ModuleName,
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
        // Another user's store is read, and not written to.
        let may_lock = self.must_be_ours().is_ok() && has_no_links(self.layout()).is_ok();
        let options = VerifyOptions { depth, names, may_lock };
        check::verify(self.context(events, cancel), options)
    }

    /// The leftovers of crashes and failed clean-ups, by a look at names: the next sweep tries to remove them.
    #[must_use]
    pub fn leftovers(&self, state: &State) -> Vec<Finding> {
        check::leftovers(self.layout(), state)
    }
}
