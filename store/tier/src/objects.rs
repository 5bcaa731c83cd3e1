//! What every place can do.

use std::{io::Read, path::Path, time::SystemTime};

use modstore_core::Cancel;

use crate::{Key, TierError};

/// An object that is being read.
pub struct Found {
    /// Its bytes. Reading ends with an error when the place stalls, or the command is cancelled.
    pub bytes: Box<dyn Read + Send>,
    /// How many bytes the place says it has.
    pub length: Option<u64>,
    /// When the place says it was last written: a renewal looks at it.
    pub written: Option<SystemTime>,
}

/// The bytes that an object is to have.
#[derive(Clone, Copy)]
pub enum Content<'c> {
    /// Those of this file.
    File(&'c Path),
    /// These.
    Bytes(&'c [u8]),
}

impl<'c> From<&'c Path> for Content<'c> {
    fn from(file: &'c Path) -> Self {
        Self::File(file)
    }
}

impl<'c> From<&'c [u8]> for Content<'c> {
    fn from(bytes: &'c [u8]) -> Self {
        Self::Bytes(bytes)
    }
}

/// What publishing found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    /// The place took it.
    Written,
    /// The place has an object of this key, and kept it.
    AlreadyThere,
}

/// What was noticed of a place while it was asked for other things.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observed {
    /// By how many seconds its clock is ahead of ours.
    pub clock_ahead: Option<i64>,
    /// Whether it kept an object that was there, in one step with looking whether it is.
    pub keeps_conditions: Option<bool>,
}

/// A place with objects. All calls block, may be made from any thread, and end within the limits that it was opened with.
pub trait Objects: Send + Sync {
    /// The object; none if the place does not have it.
    ///
    /// # Errors
    /// See [`TierError`]. Nothing changes.
    fn get(&self, key: &Key, cancel: &Cancel) -> Result<Option<Found>, TierError>;

    /// When an object was written, and how long it is, without its bytes; none if the place does not have it.
    ///
    /// # Errors
    /// See [`TierError`]. Nothing changes.
    fn head(
        &self,
        key: &Key,
        cancel: &Cancel,
    ) -> Result<Option<(u64, Option<SystemTime>)>, TierError>;

    /// Gives an object these bytes. With `replace`, an object that is there is written again, which makes
    /// it young; else it is kept, where the place can promise that.
    ///
    /// # Errors
    /// See [`TierError`]. Under the key there is a whole object, or none.
    fn put(
        &self,
        key: &Key,
        content: Content<'_>,
        replace: bool,
        cancel: &Cancel,
    ) -> Result<Published, TierError>;

    /// Removes an object, which need not be there. Only `tier check` does it, with what it wrote itself.
    ///
    /// # Errors
    /// See [`TierError`]. It may be there still.
    fn delete(&self, key: &Key, cancel: &Cancel) -> Result<(), TierError>;

    /// What was noticed of it so far.
    fn observed(&self) -> Observed {
        Observed::default()
    }
}
