//! What a mirror gives to the code that writes the tree, and why it may fail.

use std::{error::Error, io::BufRead};

use super::objects::MirrorObjects;
use crate::{
    errors::AcquireError,
    protocol::Tip,
    tree::{KeptPack, KnownObject},
};

/// Where the tree of a commit comes from.
pub(crate) enum CommitSource<'s> {
    /// The mirror has it.
    Mirror(&'s MirrorObjects),
    /// The server sends it, in a pack that the mirror keeps.
    Pack(&'s mut dyn BufRead, Tip, KeptPack<'s>),
}

/// The result, and the objects of the pack that the mirror can give again.
pub(crate) type Done<T> = (T, Vec<KnownObject>);

/// Why an attempt with a mirror failed.
pub(crate) enum AttemptError {
    /// The mirror is missing, damaged, or was tampered with: a rebuilt one may do.
    Mirror(Box<dyn Error + Send + Sync>),
    /// The server sent bad data without knowing of a mirror: the data may come whole the next time.
    Sent(AcquireError),
    /// It is not the mirror's fault.
    Other(AcquireError),
}

impl AttemptError {
    pub(super) fn mirror(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Mirror(error.into())
    }
}

impl From<AcquireError> for AttemptError {
    fn from(error: AcquireError) -> Self {
        Self::Other(error)
    }
}
