//! How a failure is told: when it is worth trying again, and how far things had come.

use std::fmt;

use serde::{Deserialize, Serialize};

/// When it is worth trying again.
///
/// Its place in this list is what the journal holds: a class may be added at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Class {
    /// At any later time: the network, a server, a full disk.
    Transient,
    /// When what the user wrote changes, or the server does.
    Permanent,
    /// When an input changes.
    Deterministic,
}

/// How far things had come.
///
/// Its place in this list is what the journal holds: a stage may be added at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Stage {
    /// Finding out which commit is wanted.
    Resolve,
    /// Receiving it.
    Fetch,
    /// Writing it to staging.
    Place,
    /// Building it, or having its own build backend tell what it is.
    Build,
    /// Importing it in an environment that is bound to it.
    Import,
    /// Installing it, or what it needs, in such an environment.
    Install,
    /// Trying what was built, before it is shown.
    Validate,
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Transient => "transient",
            Self::Permanent => "permanent",
            Self::Deterministic => "deterministic",
        })
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolve => "resolve",
            Self::Fetch => "fetch",
            Self::Place => "place",
            Self::Build => "build",
            Self::Import => "import",
            Self::Install => "install",
            Self::Validate => "validate",
        })
    }
}
