//! `import`: the clones that another program keeps become modules, without a network, and stay as they are.
//!
//! ```text
//! plan      each clone is looked at; nothing is changed
//! declare   one edit of modules.toml for all of them
//! update    entries from the clones' own objects, links to the others, one transaction
//! link      a clone that turned out not to have all of its commit is linked after all
//! ```
//!
//! A crash leaves modules that are declared and not there yet; running it again goes on. The clones are only read.

use std::path::Path;

use crate::{
    Cancel, Context, Store,
    access::AccessError,
    commit::{JournalError, is_unfinished},
    declare::{self, DeclareError},
    disk::{DiskError, Staging, names_in},
    events::Events,
    import::{self, CloneLayout, ImportItem, ImportPlan, Imported},
    model::{self, EditError, FailureCode, ModuleName, Source},
    update::{self, Failed, RetryPolicy, UpdateError, UpdateReport, UpdateRequest},
};

/// Nothing was imported, unless the error of the update says that it has happened. The clones are as they were.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The directory cannot be looked at.
    #[error("no clones can be found there")]
    Look(#[source] DiskError),
    /// The store cannot be changed.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The store cannot be read.
    #[error("the store cannot be read")]
    Journal(#[from] JournalError),
    /// `modules.toml` cannot be read or changed.
    #[error(transparent)]
    Declare(#[from] DeclareError),
    /// The update failed as a whole.
    #[error(transparent)]
    Update(#[from] UpdateError),
    /// A wish to stop.
    #[error("interrupted; nothing was changed")]
    Cancelled,
}

impl Store {
    /// What [`import`](Self::import) would do with the clones in a directory. Changes nothing, and makes no connection.
    ///
    /// # Errors
    /// The directory or the store cannot be read.
    pub fn plan_import(
        &self,
        directory: &Path,
        layout: CloneLayout,
        events: &dyn Events,
        cancel: &Cancel,
    ) -> Result<ImportPlan, ImportError> {
        let (declared, state) = (self.declarations()?, self.state()?);
        let at = (self.layout(), &declared, &state);
        let planned = import::plan(at, (directory, layout), events, cancel);
        if cancel.is_cancelled() {
            return Err(ImportError::Cancelled);
        }
        planned.map_err(ImportError::Look)
    }

    /// Makes modules of the clones, as planned. Gives what became of each, which is a link where a clone did not have what
    /// was planned, and what the update did.
    ///
    /// # Errors
    /// `modules.toml` is as it was, except where an error of the update says that it has happened.
    pub fn import(
        &self,
        mut plan: ImportPlan,
        events: &dyn Events,
        cancel: &Cancel,
    ) -> Result<(ImportPlan, Option<UpdateReport>), ImportError> {
        let is_new = |item: &&ImportItem| matches!(item.becomes, Imported::Entry | Imported::Link);
        let new: Vec<&ImportItem> = plan.items.iter().filter(is_new).collect();
        if new.is_empty() {
            self.finish_import(events, cancel)?;
            return Ok((plan, None));
        }
        let (context, _leftovers) = self.begin(events, cancel)?;
        // What a clone does not have is not fetched.
        let context = Context { offline: true, ..context };
        let mut report = self.take_in(context, &new)?;
        let mut failed = Vec::new();
        for item in plan.items.iter_mut().filter(|item| item.becomes == Imported::Entry) {
            let of =
                report.failed.iter().find(|failed| Some(&failed.module) == item.module.as_ref());
            // A full disk says nothing of the clone.
            let is_of_the_store = |failed: &&Failed| failed.code == FailureCode::Store;
            if of.is_some_and(|failed| !is_of_the_store(&failed)) {
                item.becomes = Imported::Link;
                item.why.insert(0, "its repository does not have all of the commit".to_owned());
                failed.push(item.clone());
            }
        }
        if !failed.is_empty() {
            let linked = self.take_in(context, &failed.iter().collect::<Vec<_>>())?;
            report.failed = linked.failed;
            report.updated.extend(linked.updated);
            report.generation = linked.generation;
            report.committed |= linked.committed;
        }
        Ok((plan, Some(report)))
    }

    /// Declares these clones and makes them current.
    fn take_in(
        &self,
        context: Context<'_>,
        items: &[&ImportItem],
    ) -> Result<UpdateReport, ImportError> {
        let editing = self.editing(context.cancel);
        let names: Vec<ModuleName> = items.iter().filter_map(|item| item.module.clone()).collect();
        let edited = declare::edit_all(editing, names.clone(), |text| {
            items.iter().try_fold(text.to_owned(), |text, item| self.declared(&text, item))
        })?;
        let clones = items.iter().filter(|item| item.becomes == Imported::Entry);
        let clones =
            clones.filter_map(|item| Some((item.module.clone()?, item.clone.clone()?))).collect();
        let request =
            UpdateRequest { names, clones, policy: RetryPolicy::All, ..UpdateRequest::default() };
        let updated = self
            .state()
            .map_err(UpdateError::from)
            .and_then(|state| self.update_declared(context, state, &edited.declarations, &request));
        updated.or_else(|error| {
            if !error.has_happened() {
                edited.undo(editing)?;
            }
            Err(error.into())
        })
    }

    /// Finishes what a crash of an earlier import has left, where nothing else is to be done.
    fn finish_import(&self, events: &dyn Events, cancel: &Cancel) -> Result<(), ImportError> {
        let is_left = |path| names_in(path).is_ok_and(|names| !names.is_empty());
        let is_unfinished = is_unfinished(self.layout(), &self.state()?);
        if is_unfinished || is_left(&self.layout().staging()) {
            let (context, _leftovers) = self.begin(events, cancel)?;
            Staging::remove_dead(context.disk, context.layout).map_err(UpdateError::Leftovers)?;
            let staging = context.staging().map_err(UpdateError::from)?;
            drop(update::begin(context, staging)?);
        }
        Ok(())
    }

    /// The text with a clone declared: its source, and for a link its directory, which counts until it is unlinked.
    fn declared(&self, text: &str, item: &ImportItem) -> Result<String, EditError> {
        let Some(name) = &item.module else { return Ok(text.to_owned()) };
        let directory = self.layout().written(&item.directory);
        match (&item.source, item.becomes) {
            (Some(source), Imported::Entry) => model::add_module(text, name, source),
            (Some(source), _) => {
                let text = model::add_module(text, name, source)?;
                model::link_module(&text, name, &directory)
            }
            (None, _) => model::add_module(text, name, &Source::linked(&directory)),
        }
    }
}
