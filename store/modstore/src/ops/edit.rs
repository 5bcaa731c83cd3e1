//! `edit`: the whole text of `modules.toml` is replaced by another, as an editor made it.
//!
//! No lock is held while a person writes: the text is replaced only if it is still the one that the person began with.

use crate::{
    Cancel, Store,
    access::AccessError,
    declare::{self, DeclareError},
    model::Declarations,
};

/// `modules.toml` is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EditTextError {
    /// The store cannot be changed.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The new text cannot be understood, or the file cannot be written.
    #[error(transparent)]
    Declare(#[from] DeclareError),
    /// Another process, or a person, has changed it since the text was read.
    #[error("modules.toml was changed meanwhile")]
    Changed,
}

impl Store {
    /// The bytes of `modules.toml`, whether they can be understood or not; none, if there is no such file.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn declared_text(&self) -> Result<Option<Vec<u8>>, DeclareError> {
        declare::read_text(self.layout())
    }

    /// Replaces `before`, the bytes of `modules.toml`, by a text that can be understood. Fetches nothing.
    ///
    /// # Errors
    /// `modules.toml` is as it was.
    pub fn replace_declarations(
        &self,
        before: Option<&[u8]>,
        after: Vec<u8>,
        cancel: &Cancel,
    ) -> Result<Declarations, EditTextError> {
        let editing = self.editing(cancel);
        self.ensure_writable(editing)?;
        declare::replace_text(editing, before, after)?.ok_or(EditTextError::Changed)
    }
}
