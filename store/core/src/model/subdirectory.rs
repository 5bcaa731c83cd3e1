//! [`Subdirectory`]: the part of a repository or an archive that is the module.
//!
//! Lexical only: that it exists and that no symbolic link leads out of the tree is checked where the
//! tree is.

use std::{fmt, path::Path, str::FromStr};

use serde::{Deserialize, Serialize};

/// A relative path of at least one component, separated by `/`, that stays below where it begins.
///
/// `.` components and doubled or trailing slashes are dropped when it is read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Subdirectory(String);

/// Why a text is not a subdirectory.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseSubdirectoryError {
    /// Nothing is left when `.` and slashes are dropped.
    #[error("a subdirectory may not be empty")]
    Empty,
    /// It begins with `/`.
    #[error("a subdirectory is relative to the top of the tree, so it may not begin with `/`")]
    Absolute,
    /// A `..` component.
    #[error("a subdirectory may not contain `..`")]
    Parent,
    /// A `.git` component, in whatever case.
    #[error("a subdirectory may not contain `.git`")]
    DotGit,
    /// A NUL or a backslash.
    #[error("a subdirectory may not contain {0:?}")]
    Character(char),
}

impl Subdirectory {
    /// The path as text, `/`-separated.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path, to be joined to a tree's.
    #[must_use]
    pub fn as_path(&self) -> &Path {
        Path::new(&self.0)
    }

    /// Its last component.
    #[must_use]
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }
}

impl FromStr for Subdirectory {
    type Err = ParseSubdirectoryError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(bad) = text.chars().find(|c| matches!(c, '\0' | '\\')) {
            return Err(ParseSubdirectoryError::Character(bad));
        }
        if text.starts_with('/') {
            return Err(ParseSubdirectoryError::Absolute);
        }
        let parts: Vec<&str> = text.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        if parts.contains(&"..") {
            return Err(ParseSubdirectoryError::Parent);
        }
        if parts.iter().any(|part| part.eq_ignore_ascii_case(".git")) {
            return Err(ParseSubdirectoryError::DotGit);
        }
        if parts.is_empty() {
            return Err(ParseSubdirectoryError::Empty);
        }
        Ok(Self(parts.join("/")))
    }
}

impl TryFrom<String> for Subdirectory {
    type Error = ParseSubdirectoryError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Subdirectory> for String {
    fn from(subdirectory: Subdirectory) -> Self {
        subdirectory.0
    }
}

impl AsRef<Path> for Subdirectory {
    fn as_ref(&self) -> &Path {
        self.as_path()
    }
}

impl fmt::Display for Subdirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_subdirectory_read_as_one() {
        for text in ["a/b", "./a/b", "a//b", "a/./b/", "a/b/."] {
            assert_eq!(text.parse::<Subdirectory>().unwrap().as_str(), "a/b", "{text}");
        }
    }

    #[test]
    fn a_subdirectory_never_leads_out_or_into_git_s_own_files() {
        for text in
            ["", ".", "/", "/a", "..", "a/../b", "../../x", ".git", "a/.GIT/b", "a\\b", "a\0b"]
        {
            assert!(text.parse::<Subdirectory>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn names_that_only_look_like_dots_are_allowed() {
        for text in ["...", ".github", "a..b", "modules/.gitignore.d"] {
            assert!(text.parse::<Subdirectory>().is_ok(), "{text:?}");
        }
    }
}
