//! [`PackLimits`]: what one pack may cost.

use std::fmt;

/// What one pack may cost. A pack that wants more is [`LimitError::TooLarge`](crate::LimitError::TooLarge).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackLimits {
    /// Memory for all fetches of an update together, in bytes. What can be in a file as well is in a file beyond it.
    pub memory: usize,
    /// Largest single object, in bytes.
    pub object: u64,
    /// Largest commit, tree or tag, in bytes: these are looked at whole.
    pub listing: u64,
    /// Most objects in a pack.
    pub objects: u32,
    /// All commits and trees together, in bytes.
    pub trees: u64,
    /// Most files in a tree.
    pub files: usize,
    /// All files of a tree together, in bytes.
    pub tree: u64,
    /// What may be inflated and made by deltas, in bytes, and 64 more for each byte received.
    pub unpacked: u64,
    /// What may be written to the staging, in bytes, and 64 more for each byte received.
    pub staging: u64,
    /// What may be received that nothing asks for, in bytes.
    pub unwanted: u64,
    /// A pack with all its history, from a server that gives no less, in bytes.
    pub history: u64,
    /// Inflated files waiting for a worker, in bytes.
    pub in_flight: usize,
}

impl Default for PackLimits {
    fn default() -> Self {
        Self {
            memory: 256 << 20,
            object: 16 << 30,
            listing: 64 << 20,
            objects: 8_000_000,
            trees: 512 << 20,
            files: 2_000_000,
            tree: 64 << 30,
            unpacked: 2 << 30,
            staging: 768 << 20,
            unwanted: 512 << 20,
            history: 512 << 20,
            in_flight: 8 << 20,
        }
    }
}

/// One of [`PackLimits`], by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PackLimit {
    /// [`PackLimits::memory`].
    Memory,
    /// [`PackLimits::object`].
    Object,
    /// [`PackLimits::listing`].
    Listing,
    /// [`PackLimits::objects`].
    Objects,
    /// [`PackLimits::trees`].
    Trees,
    /// [`PackLimits::files`].
    Files,
    /// [`PackLimits::tree`].
    Tree,
    /// [`PackLimits::unpacked`].
    Unpacked,
    /// [`PackLimits::staging`].
    Staging,
    /// [`PackLimits::unwanted`].
    Unwanted,
    /// [`PackLimits::history`].
    History,
}

impl PackLimit {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Memory,
        Self::Object,
        Self::Listing,
        Self::Objects,
        Self::Trees,
        Self::Files,
        Self::Tree,
        Self::Unpacked,
        Self::Staging,
        Self::Unwanted,
        Self::History,
    ];

    /// The environment variable that sets it.
    #[must_use]
    pub const fn variable(self) -> &'static str {
        match self {
            Self::Memory => "MODSTORE_PACK_MEMORY",
            Self::Object => "MODSTORE_PACK_OBJECT",
            Self::Listing => "MODSTORE_PACK_LISTING",
            Self::Objects => "MODSTORE_PACK_OBJECTS",
            Self::Trees => "MODSTORE_PACK_TREES",
            Self::Files => "MODSTORE_PACK_FILES",
            Self::Tree => "MODSTORE_PACK_TREE",
            Self::Unpacked => "MODSTORE_PACK_UNPACKED",
            Self::Staging => "MODSTORE_PACK_STAGING",
            Self::Unwanted => "MODSTORE_PACK_UNWANTED",
            Self::History => "MODSTORE_PACK_HISTORY",
        }
    }

    const fn what(self) -> &'static str {
        match self {
            Self::Memory => "the memory of all fetches together",
            Self::Object => "an object",
            Self::Listing => "a commit, tree or tag",
            Self::Objects => "number of objects",
            Self::Trees => "size of all commits and trees",
            Self::Files => "number of files",
            Self::Tree => "size of all files",
            Self::Unpacked => "what the pack is inflated to",
            Self::Staging => "what so small a pack writes to the disk",
            Self::Unwanted => "size of what nothing asked for",
            Self::History => "a pack with its history",
        }
    }
}

impl fmt::Display for PackLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what())
    }
}

impl PackLimits {
    /// Sets one of them by name, to the largest that it can be where `value` is larger.
    pub fn set(&mut self, limit: PackLimit, value: u64) {
        let size = usize::try_from(value).unwrap_or(usize::MAX);
        match limit {
            PackLimit::Memory => self.memory = size,
            PackLimit::Object => self.object = value,
            PackLimit::Listing => self.listing = value,
            PackLimit::Objects => self.objects = u32::try_from(value).unwrap_or(u32::MAX),
            PackLimit::Trees => self.trees = value,
            PackLimit::Files => self.files = size,
            PackLimit::Tree => self.tree = value,
            PackLimit::Unpacked => self.unpacked = value,
            PackLimit::Staging => self.staging = value,
            PackLimit::Unwanted => self.unwanted = value,
            PackLimit::History => self.history = value,
        }
    }
}
