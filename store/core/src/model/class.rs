//! What is known of a failure: when it is worth a retry, and which stage it ended in.

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
    /// Building it, or asking its own build backend for its metadata.
    Build,
    /// Importing it in an environment that is bound to it.
    Import,
    /// Installing it, or what it needs, in such an environment.
    Install,
    /// Trying the result of a build, before the switch.
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
