//! [`ArchiveLimits`]: what one archive may cost.

use std::fmt;

use super::pack::PackLimit;

/// What one archive may cost. One that wants more is [`ArchiveError::TooLarge`](crate::ArchiveError::TooLarge).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArchiveLimits {
    /// The archive itself, in bytes.
    pub archive: u64,
    /// All its files together, in bytes; hard links count, since they become copies.
    pub files: u64,
    /// Most files, links and directories.
    pub entries: u64,
    /// All its paths together, in bytes.
    pub paths: u64,
    /// What describes one file of a tar archive, or all files of a zip archive, in bytes.
    pub headers: u64,
    /// What all its files may have whatever its own size is, in bytes, and [`ArchiveLimits::GROWTH`] more for each of
    /// its own.
    pub unpacked: u64,
}

/// One of [`ArchiveLimits`], by name, or the memory that archives share with packs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArchiveLimit {
    /// [`ArchiveLimits::archive`].
    Archive,
    /// [`ArchiveLimits::files`].
    Files,
    /// [`ArchiveLimits::entries`].
    Entries,
    /// [`ArchiveLimits::paths`].
    Paths,
    /// [`ArchiveLimits::headers`].
    Headers,
    /// [`ArchiveLimits::unpacked`].
    Unpacked,
    /// The memory of all fetches together.
    Memory,
}

impl ArchiveLimit {
    /// Those of [`ArchiveLimits`].
    pub const ALL: [ArchiveLimit; 6] = [
        ArchiveLimit::Archive,
        ArchiveLimit::Files,
        ArchiveLimit::Entries,
        ArchiveLimit::Paths,
        ArchiveLimit::Headers,
        ArchiveLimit::Unpacked,
    ];

    /// The environment variable that sets it.
    #[must_use]
    pub const fn variable(self) -> &'static str {
        match self {
            ArchiveLimit::Archive => "MODSTORE_ARCHIVE_SIZE",
            ArchiveLimit::Files => "MODSTORE_ARCHIVE_FILES",
            ArchiveLimit::Entries => "MODSTORE_ARCHIVE_ENTRIES",
            ArchiveLimit::Paths => "MODSTORE_ARCHIVE_PATHS",
            ArchiveLimit::Headers => "MODSTORE_ARCHIVE_HEADERS",
            ArchiveLimit::Unpacked => "MODSTORE_ARCHIVE_UNPACKED",
            ArchiveLimit::Memory => PackLimit::Memory.variable(),
        }
    }
}

impl fmt::Display for ArchiveLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ArchiveLimit::Archive => "the archive has bytes",
            ArchiveLimit::Files => "the archive's files have bytes",
            ArchiveLimit::Entries => "the archive lists entries",
            ArchiveLimit::Paths => "the archive's paths have bytes",
            ArchiveLimit::Headers => "the archive's headers have bytes",
            ArchiveLimit::Unpacked => "the files of so small an archive have bytes",
            ArchiveLimit::Memory => "all fetches together need memory",
        })
    }
}

impl ArchiveLimits {
    /// Bytes of files that may be made of one byte of the archive.
    pub const GROWTH: u64 = 64;

    /// Sets one of them by name.
    pub fn set(&mut self, limit: ArchiveLimit, value: u64) {
        match limit {
            ArchiveLimit::Archive => self.archive = value,
            ArchiveLimit::Files => self.files = value,
            ArchiveLimit::Entries => self.entries = value,
            ArchiveLimit::Paths => self.paths = value,
            ArchiveLimit::Headers => self.headers = value,
            ArchiveLimit::Unpacked => self.unpacked = value,
            ArchiveLimit::Memory => {}
        }
    }

    /// What the files of an archive of `size` bytes may have, and the limit that says so.
    pub(crate) const fn files_of(&self, size: u64) -> (ArchiveLimit, u64) {
        let grown = self.unpacked.saturating_add(size.saturating_mul(Self::GROWTH));
        if grown < self.files {
            (ArchiveLimit::Unpacked, grown)
        } else {
            (ArchiveLimit::Files, self.files)
        }
    }
}

impl Default for ArchiveLimits {
    fn default() -> Self {
        Self {
            archive: 768 << 20,
            files: 8 << 30,
            entries: 1_000_000,
            paths: 128 << 20,
            headers: 16 << 20,
            unpacked: 768 << 20,
        }
    }
}
