//! [`LinkedPath`]: the directory of the user's own that a linked module leads to.
//!
//! Limits: what a path below a project is relative to, its store knows.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

/// The path of a linked directory: absolute, or below the directory of the project whose store it is linked in. It is
/// text, because the journal holds it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LinkedPath(String);

impl LinkedPath {
    /// This path, if it is text.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        path.to_str().map(Self::from)
    }

    /// This path below a project's directory, if it is text.
    #[must_use]
    pub fn below_a_project(path: &Path) -> Option<Self> {
        let text = path.to_str()?;
        Some(Self::from(if text.is_empty() { "." } else { text }))
    }

    /// The text of a module's link to it, in the directory of a generation.
    #[must_use]
    pub fn link_text(&self) -> PathBuf {
        let path = self.as_path();
        if path.is_absolute() { path.to_owned() } else { Path::new(Self::TO_PROJECT).join(path) }
    }

    /// The directory that the text of such a link leads to.
    #[must_use]
    pub fn of_link_text(text: &Path) -> Option<Self> {
        match text.strip_prefix(Self::TO_PROJECT) {
            Ok(below) => Self::below_a_project(below),
            Err(_) => Self::of(text).filter(|_| text.is_absolute()),
        }
    }

    /// From the directory of a generation to the project's.
    const TO_PROJECT: &str = "../../..";

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
        match self.as_path().is_absolute() || self.0 == "." {
            true => f.pad(&self.0),
            false => f.pad(&format!("./{}", self.0)),
        }
    }
}
