//! `add`: modules are declared and fetched; one that cannot be fetched is not declared.

use std::collections::BTreeSet;

use crate::{
    Cancel, Context, Store,
    access::AccessError,
    declare::{self, Addition, DeclareError},
    events::Events,
    model::{Lockfile, ModuleName, TierSettings},
    update::{UpdateError, UpdateReport, UpdateRequest},
};

/// What came of adding.
#[derive(Debug)]
pub struct Added {
    /// The names of those that were added, in the order of the additions.
    pub modules: Vec<ModuleName>,
    /// The update that followed, if one was asked for. Modules that failed in it are not declared.
    pub report: Option<UpdateReport>,
}

/// Nothing was added or linked, and `modules.toml` is as it was, unless the error of the update says that it has
/// happened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AddError {
    /// The store cannot be changed.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// `modules.toml` cannot be read or changed.
    #[error(transparent)]
    Declare(#[from] DeclareError),
    /// The update failed as a whole.
    #[error(transparent)]
    Update(#[from] UpdateError),
    /// No module could be fetched, and `modules.toml` is as it was.
    #[error("nothing was added")]
    NotFetched(Box<UpdateReport>),
}

impl AddError {
    /// Whether the change has happened, or may have.
    #[must_use]
    pub const fn has_happened(&self) -> bool {
        matches!(self, Self::Update(error) if error.has_happened())
    }
}

impl Store {
    /// Declares modules and, if `fetch`, updates them. Those that cannot be fetched are not declared; the others are
    /// added.
    ///
    /// # Errors
    /// `modules.toml` is as it was, except where an error of the update says that it has happened.
    pub fn add(
        &self,
        additions: &[Addition],
        fetch: bool,
        events: &dyn Events,
        cancel: &Cancel,
    ) -> Result<Added, AddError> {
        let (context, _leftovers) = self.begin(events, cancel)?;
        let edited = declare::add(self.editing(cancel), additions)?;
        let mut modules = edited.names.clone();
        if !fetch {
            return Ok(Added { modules, report: None });
        }
        let report = self.follow(context, edited, false)?;
        let failed: BTreeSet<&ModuleName> = not_had(&report).collect();
        modules.retain(|module| !failed.contains(module));
        Ok(Added { modules, report: Some(report) })
    }

    /// Updates the modules that an edit was about, and takes the edit back for those that fail; for all, if
    /// `all_or_nothing`.
    pub(super) fn follow(
        &self,
        context: Context<'_>,
        edited: declare::Edited,
        all_or_nothing: bool,
    ) -> Result<UpdateReport, AddError> {
        let from = (None, self.options().tiers.as_slice());
        self.follow_from(context, edited, all_or_nothing, from)
    }

    /// The same from this lock, if there is one, and with these tiers.
    pub(super) fn follow_from(
        &self,
        context: Context<'_>,
        edited: declare::Edited,
        all_or_nothing: bool,
        from: (Option<&Lockfile>, &[TierSettings]),
    ) -> Result<UpdateReport, AddError> {
        let request = UpdateRequest {
            names: edited.names.clone(),
            all_or_nothing,
            dry_declare: true,
            ..UpdateRequest::default()
        };
        let updated = self.state().map_err(UpdateError::from).and_then(|state| {
            self.ensure_writable(context)?;
            self.update_from(context, state, &edited.declarations, &request, from)
        });
        let report = match updated {
            Ok(report) => report,
            Err(error) if error.has_happened() => return Err(error.into()),
            Err(error) => {
                edited.undo(self.editing(context.cancel))?;
                return Err(error.into());
            }
        };
        let failed: BTreeSet<&ModuleName> = not_had(&report).collect();
        if failed.is_empty() {
            return Ok(report);
        }
        if all_or_nothing || edited.names.iter().all(|name| failed.contains(name)) {
            edited.undo(self.editing(context.cancel))?;
            return Err(AddError::NotFetched(Box::new(report)));
        }
        edited.undo_some(self.editing(context.cancel), |name| failed.contains(name))?;
        Ok(report)
    }
}

/// The modules that an update has not made what they are declared to be.
fn not_had(report: &UpdateReport) -> impl Iterator<Item = &ModuleName> {
    // A module whose build runs for each of several files is there without what was made of one of them.
    let failed = report.failed.iter().filter(|failed| failed.input.is_none());
    let waiting = report.waiting.iter().filter(|waiting| waiting.input.is_none());
    failed.map(|failed| &failed.module).chain(waiting.map(|waiting| &waiting.module))
}
