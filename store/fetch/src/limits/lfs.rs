//! [`LfsLimits`]: what the large files of one commit may cost.

use std::fmt;

/// What the Git LFS files of one commit may cost. More than that is
/// [`LfsError::TooLarge`](crate::LfsError::TooLarge), before anything is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LfsLimits {
    /// All of them together, in bytes, each content once.
    pub size: u64,
    /// How many there may be.
    pub files: u64,
    /// All `.gitattributes` of the tree, in bytes: they say which files are kept by Git LFS.
    pub attributes: u64,
}

/// One of [`LfsLimits`], by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LfsLimit {
    /// [`LfsLimits::size`].
    Size,
    /// [`LfsLimits::files`].
    Files,
    /// [`LfsLimits::attributes`].
    Attributes,
}

impl LfsLimit {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Size, Self::Files, Self::Attributes];

    /// The environment variable that sets it.
    #[must_use]
    pub const fn variable(self) -> &'static str {
        match self {
            Self::Size => "MODSTORE_LFS_SIZE",
            Self::Files => "MODSTORE_LFS_FILES",
            Self::Attributes => "MODSTORE_LFS_ATTRIBUTES",
        }
    }
}

impl fmt::Display for LfsLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Size => "size of all Git LFS files",
            Self::Files => "number of Git LFS files",
            Self::Attributes => "size of all .gitattributes",
        })
    }
}

impl LfsLimits {
    /// Sets one of them by name.
    pub const fn set(&mut self, limit: LfsLimit, value: u64) {
        match limit {
            LfsLimit::Size => self.size = value,
            LfsLimit::Files => self.files = value,
            LfsLimit::Attributes => self.attributes = value,
        }
    }
}

impl Default for LfsLimits {
    fn default() -> Self {
        Self { size: 8 << 30, files: 100_000, attributes: 1 << 20 }
    }
}
