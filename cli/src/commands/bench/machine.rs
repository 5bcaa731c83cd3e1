//! What the system can tell of this process, and of a store on its disk.
//!
//! Limits: memory is told by Linux alone; elsewhere it is said to be unknown.

use std::{collections::HashSet, fs, io, os::unix::fs::MetadataExt as _, path::Path};

use modstore::{Store, model::Digest};

use crate::{commands::scratch::cannot, report::Failure};

/// Makes the peak of memory what is used now, where the system can do that.
pub(super) fn forget_peak() -> bool {
    fs::write("/proc/self/clear_refs", "5").is_ok()
}

/// The most memory this process has used since [`forget_peak`], in bytes.
pub(super) fn peak() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kibibytes| kibibytes << 10)
}

/// What a store takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    /// The bytes of the files that are shown, each entry once.
    pub(super) live: u64,
    /// The blocks of those entries.
    pub(super) live_on_disk: u64,
    /// The blocks of everything in the home, hard links once.
    pub(super) on_disk: u64,
}

impl Room {
    /// Looks at every file of the home.
    pub(super) fn of(store: &Store) -> Result<Self, Failure> {
        let state = store.state()?;
        let shown: HashSet<Digest> =
            state.modules().values().filter_map(|binding| binding.digest()).collect();
        let look = |error: io::Error| cannot("look at the store", &error);
        let mut room = Self { live: 0, live_on_disk: 0, on_disk: 0 };
        let mut seen = HashSet::new();
        for digest in shown {
            room.live += state.entry(digest).map_or(0, |entry| entry.bytes);
            let entry = store.layout().entry(digest);
            room.live_on_disk += blocks(&entry, &mut seen).map_err(look)?;
        }
        room.on_disk = blocks(store.layout().home(), &mut HashSet::new()).map_err(look)?;
        Ok(room)
    }

    /// How many times the live bytes the store takes.
    pub(super) fn amplification(&self) -> Option<f64> {
        (self.live > 0).then(|| self.on_disk as f64 / self.live as f64)
    }
}

/// The bytes on the disk of what is below `path`, of inodes that were not seen before.
fn blocks(path: &Path, seen: &mut HashSet<(u64, u64)>) -> io::Result<u64> {
    let metadata = fs::symlink_metadata(path)?;
    if metadata.nlink() > 1 && !metadata.is_dir() && !seen.insert((metadata.dev(), metadata.ino()))
    {
        return Ok(0);
    }
    let own = metadata.blocks() * 512;
    if !metadata.is_dir() {
        return Ok(own);
    }
    fs::read_dir(path)?.try_fold(own, |sum, child| Ok(sum + blocks(&child?.path(), seen)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hard_link_takes_no_room_of_its_own() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("a"), vec![1; 10_000]).unwrap();
        let one = blocks(place.path(), &mut HashSet::new()).unwrap();
        fs::hard_link(place.path().join("a"), place.path().join("b")).unwrap();
        assert_eq!(blocks(place.path(), &mut HashSet::new()).unwrap(), one);
        fs::write(place.path().join("c"), vec![1; 10_000]).unwrap();
        assert!(blocks(place.path(), &mut HashSet::new()).unwrap() > one);
    }
}
