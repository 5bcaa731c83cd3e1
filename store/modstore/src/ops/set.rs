//! `set`: a declared module gets another source. Fetches nothing: the next update does.
//!
//! What the source stands for is asked first, so that the name of a branch that does not exist is refused at once. Where
//! the server cannot be asked, the declaration is changed all the same.

use crate::{
    Cancel, Store,
    access::AccessError,
    declare::{self, DeclareError, Edited},
    events::Events,
    model::{self, EditError, KeptPattern, ModuleName, Source, Stage},
    update::{Failed, Outdated, UpdateError},
};

/// A declaration that was changed.
#[derive(Debug)]
pub struct Set {
    /// The source before, without secrets.
    pub before: String,
    /// The source now, without secrets.
    pub after: String,
    /// What the next update that a person asks for would do.
    pub next: Outdated,
}

/// `modules.toml` is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetError {
    /// The store cannot be changed.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// `modules.toml` cannot be read or changed.
    #[error(transparent)]
    Declare(#[from] DeclareError),
    /// What the next update would do could not be found out.
    #[error(transparent)]
    Update(#[from] UpdateError),
    /// There is no such source: its repository does not have the branch or tag, or is not there.
    #[error("modules.toml is as it was")]
    Refused(Box<Failed>),
}

impl Store {
    /// Declares another source for a module, keeping everything else that a person wrote. A secret in the source is not
    /// written.
    ///
    /// # Errors
    /// `modules.toml` is as it was.
    pub fn set(
        &self,
        name: &ModuleName,
        source: &Source,
        events: &dyn Events,
        cancel: &Cancel,
    ) -> Result<Set, SetError> {
        let (_, _leftovers) = self.begin(events, cancel)?;
        let before = self.declared_source(name)?;
        let written = declare::as_written(self.layout(), source);
        let change = |text: &str| model::add_module(text, name, &written);
        let edited = declare::edit(self.editing(cancel), name, change)?;
        let (before, after) = (before, source.to_toml_text());
        self.or_undo(edited, name, (before, after), (events, cancel))
    }

    /// Declares that a module keeps these paths as well, and the others not any more.
    ///
    /// # Errors
    /// `modules.toml` is as it was.
    pub fn set_kept(
        &self,
        name: &ModuleName,
        (kept, not_kept): (&[KeptPattern], &[KeptPattern]),
        events: &dyn Events,
        cancel: &Cancel,
    ) -> Result<Set, SetError> {
        let (_, _leftovers) = self.begin(events, cancel)?;
        let source = self.declared_source(name)?;
        let change = |text: &str| model::keep_paths(text, name, (kept, not_kept));
        let edited = declare::edit(self.editing(cancel), name, change)?;
        self.or_undo(edited, name, (source.clone(), source), (events, cancel))
    }

    fn declared_source(&self, name: &ModuleName) -> Result<String, SetError> {
        let declared = self.declarations()?;
        let not_declared = || DeclareError::Edit(EditError::NotDeclared(name.clone()));
        Ok(declared.get(name).ok_or_else(not_declared)?.source.to_toml_text())
    }

    /// What the next update would do, unless it shows that there is no such source: then the edit is undone.
    fn or_undo(
        &self,
        edited: Edited,
        name: &ModuleName,
        (before, after): (String, String),
        (events, cancel): (&dyn Events, &Cancel),
    ) -> Result<Set, SetError> {
        let not_declared = || DeclareError::Edit(EditError::NotDeclared(name.clone()));
        let asked = self.outdated(std::slice::from_ref(name), events, cancel);
        let asked = asked.map(|modules| modules.into_iter().next());
        let refused = match asked {
            Ok(Some(next)) => match next.failed().filter(is_wrong) {
                None => return Ok(Set { before, after, next }),
                Some(failed) => SetError::Refused(Box::new(failed)),
            },
            // Another process has removed it meanwhile.
            Ok(None) => not_declared().into(),
            Err(error) => error.into(),
        };
        edited.undo(self.editing(cancel))?;
        Err(refused)
    }
}

/// Whether there is no such source, as far as its server says.
fn is_wrong(failed: &Failed) -> bool {
    failed.stage == Stage::Resolve && failed.class == model::Class::Permanent
}
