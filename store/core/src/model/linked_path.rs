//! [`LinkedPath`]: the directory of the user's own that a linked module leads to.

use std::{fmt, path::Path};

use serde::{Deserialize, Serialize};

/// The absolute path of a linked directory. It is text, because the journal holds it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LinkedPath(String);

impl LinkedPath {
    /// This path, if it is text.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        path.to_str().map(Self::from)
    }

    /// The path.
    #[must_use]
    pub fn as_path(&self) -> &Path {
        Path::new(&self.0)
    }

    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl AsRef<Path> for LinkedPath {
    fn as_ref(&self) -> &Path {
        self.as_path()
    }
}

impl From<&str> for LinkedPath {
    fn from(path: &str) -> Self {
        Self(path.to_owned())
    }
}

impl From<LinkedPath> for String {
    fn from(path: LinkedPath) -> Self {
        path.0
    }
}

impl fmt::Display for LinkedPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
