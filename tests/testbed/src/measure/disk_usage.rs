//! The disk usage of directories, hard links counted once.

use std::{collections::HashSet, fs, io, os::unix::fs::MetadataExt as _, path::Path};

/// The usage of every path that was added.
#[derive(Debug, Clone, Default)]
pub struct DiskUsage {
    /// Bytes of the blocks; directories count.
    pub blocks: u64,
    /// Bytes of the files.
    pub bytes: u64,
    /// Device and number of files with more than one name.
    linked: HashSet<(u64, u64)>,
}

impl DiskUsage {
    /// The usage of a directory or file.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of(path: &Path) -> io::Result<Self> {
        let mut usage = Self::default();
        usage.add(path)?;
        Ok(usage)
    }

    /// Adds another directory or file, without the files that were added before under other names.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn add(&mut self, path: &Path) -> io::Result<()> {
        let metadata = fs::symlink_metadata(path)?;
        let file = (metadata.dev(), metadata.ino());
        if metadata.nlink() > 1 && !metadata.is_dir() && !self.linked.insert(file) {
            return Ok(());
        }
        self.blocks += metadata.blocks() * 512;
        if !metadata.is_dir() {
            self.bytes += metadata.len();
            return Ok(());
        }
        fs::read_dir(path)?.try_for_each(|child| self.add(&child?.path()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hard_link_takes_no_room_of_its_own() {
        let place = tempfile::tempdir().unwrap();
        let blocks = || DiskUsage::of(place.path()).unwrap().blocks;
        fs::write(place.path().join("a"), vec![1; 10_000]).unwrap();
        let one = blocks();
        fs::hard_link(place.path().join("a"), place.path().join("b")).unwrap();
        assert_eq!(blocks(), one);
        fs::write(place.path().join("c"), vec![1; 10_000]).unwrap();
        assert!(blocks() > one);
    }
}
