//! What is known of a failure: when it is worth a retry, and which stage it ended in.

use std::fmt;

use serde::{Deserialize, Serialize};

/// When another try can succeed.
// Its place in this list is what the journal holds: a class may be added at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "FailureClass"))]
pub enum Class {
    /// Another try can succeed at any time: the network, a server, a full disk.
    Transient,
    /// Another try can succeed once the source or the server changes.
    Permanent,
    /// Another try can succeed once one of its inputs changes.
    Deterministic,
}

/// How far a module came before it failed.
// Its place in this list is what the journal holds: a stage may be added at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "FailureStage"))]
pub enum Stage {
    /// Finding the commit that the source names.
    Resolve,
    /// Receiving the commit or the archive.
    Fetch,
    /// Writing the tree to staging.
    Place,
    /// Building the module, or asking its build backend for its metadata.
    Build,
    /// Importing the module in a Python environment.
    Import,
    /// Installing the module, or what it requires, in a Python environment.
    Install,
    /// Running the validation command on the result of the build.
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
