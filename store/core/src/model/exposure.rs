//! [`Exposure`]: a link at a place of a host's that leads to a module.
//!
//! Knows where the link leads and not where it is, and looks at no disk.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::ModuleName;

/// What a link at a place of a host's leads to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exposure {
    /// The module.
    pub module: ModuleName,
    /// The text of the link, as it was made: a path through the switch.
    pub text: String,
}

impl Exposure {
    /// The text of the link, as a path.
    #[must_use]
    pub fn as_path(&self) -> &Path {
        Path::new(&self.text)
    }
}
