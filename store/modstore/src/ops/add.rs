//! `add`: modules are declared and fetched, or neither.

use crate::{
    AccessError, Cancel, Context, Store,
    declare::{self, Addition, DeclareError},
    events::Events,
    model::ModuleName,
    update::{UpdateError, UpdateReport, UpdateRequest},
};

/// What came of adding.
#[derive(Debug)]
pub struct Added {
    /// The names, in the order of the additions.
    pub modules: Vec<ModuleName>,
    /// The update that followed, if one was asked for.
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
    /// A module could not be fetched, and `modules.toml` is as it was.
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
    /// Declares modules and, if `fetch`, updates them. When they cannot be fetched, they are not declared.
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
        let modules = edited.names.clone();
        let report = if fetch { Some(self.follow(context, edited)?) } else { None };
        Ok(Added { modules, report })
    }

    /// Updates the modules that an edit was about, and takes the edit back when that fails.
    pub(super) fn follow(
        &self,
        context: Context<'_>,
        edited: declare::Edited,
    ) -> Result<UpdateReport, AddError> {
        let request = UpdateRequest {
            names: edited.names.clone(),
            all_or_nothing: true,
            dry_declare: true,
            ..UpdateRequest::default()
        };
        let updated = self
            .state()
            .map_err(UpdateError::from)
            .and_then(|state| self.update_declared(context, state, &edited.declarations, &request));
        let failed = match updated {
            Ok(report) if report.has_all() => return Ok(report),
            Err(error) if error.has_happened() => return Err(error.into()),
            Ok(report) => AddError::NotFetched(Box::new(report)),
            Err(error) => error.into(),
        };
        edited.undo(self.editing(context.cancel))?;
        Err(failed)
    }
}
