//! The reserve: a file without meaning, given back to the file system when it is full, so that a sweep can work.
//!
//! A sweep needs a directory, a list and a frame in the journal before it frees anything. The reserve has room for
//! some thousand entries. Having it is a courtesy: nothing fails for want of it.

use std::path::Path;

use super::{layout::Layout, verbs::Disk};

const BYTES: u64 = 256 * 1024;

/// Makes the reserve if there is none and the file system has plenty of room.
pub fn ensure_reserve(disk: &Disk, layout: &Layout) {
    let path = layout.reserve();
    let found = path.symlink_metadata().map(|meta| meta.len()).ok();
    if found == Some(BYTES) || free(layout.home()) <= BYTES * 4 {
        return;
    }
    // Half a reserve, which a crash or a full disk left, is of no use to anybody.
    let gone = found.map_or(Ok(()), |_| disk.remove_file(&path));
    if gone.and_then(|()| disk.create_file(&path, &noise())).is_err() {
        let _ = disk.remove_file(&path);
    }
}

/// Gives the reserve back if the file system is about to be full.
pub fn use_reserve(disk: &Disk, layout: &Layout) {
    if free(layout.home()) < BYTES * 2 {
        // If it cannot be had, what needs the room says so.
        let _ = disk.remove_file(&layout.reserve());
    }
}

/// The bytes that any user may take; the most there are, where the system does not say.
fn free(home: &Path) -> u64 {
    rustix::fs::statvfs(home).map_or(u64::MAX, |stat| stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Bytes that no file system stores in less room than they have.
fn noise() -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(next).flatten().take(BYTES as usize).collect()
}
