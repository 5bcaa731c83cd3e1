//! [`RefName`]: the full name of a git ref, as a server gave it.
//!
//! Not checked: a server may call a ref what it likes, and its answer is recorded as it is. The text that a person
//! writes is a [`Reference`](super::Reference).

use std::fmt;

use serde::{Deserialize, Serialize};

/// The full name of a git ref: `refs/heads/main`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RefName(String);

impl RefName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for RefName {
    fn from(name: String) -> Self {
        Self(name)
    }
}

impl From<&str> for RefName {
    fn from(name: &str) -> Self {
        Self(name.to_owned())
    }
}

impl From<RefName> for String {
    fn from(name: RefName) -> Self {
        name.0
    }
}

impl fmt::Display for RefName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
