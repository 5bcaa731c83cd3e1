//! Every byte of every file, read and hashed by all processors at once. A file that many entries share is
//! read once.
//!
//! Files are read and not mapped: a page of a mapped file that the disk cannot give ends the process, and
//! finding such a page is what this is for.

use std::{
    cell::RefCell,
    fs::File,
    io::{self, Read as _},
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

use rayon::prelude::*;

use super::{
    code::Code,
    entry::{Inode, Unread},
    finding::Finding,
    looking::Looking,
};
use crate::{Cancel, model::ContentHash};

/// A file whose content is not what was stored.
#[derive(Debug)]
pub(super) struct Rotten {
    pub(super) finding: Finding,
    inode: Inode,
}

impl Rotten {
    /// Whether the file is still the one that was read. Files are never written to, only replaced.
    pub(super) fn is_there(&self) -> bool {
        let meta = self.finding.path.symlink_metadata();
        meta.is_ok_and(|meta| Inode::of(&meta) == self.inode)
    }
}

/// Hashes them all, and gives those whose content is another, and how many bytes were read.
pub(super) fn read_all(mut unread: Vec<Unread>, how: &Looking<'_>) -> (Vec<Rotten>, u64) {
    // Files that were written together lie together.
    unread.par_sort_unstable_by(|a, b| a.inode.cmp(&b.inode));
    let same: Vec<&[Unread]> = unread.chunk_by(|a, b| a.inode == b.inode).collect();
    let size = |same: &&[Unread]| same.first().map_or(0, |file| file.size);
    let of = same.iter().map(size).sum();
    let (told, cancel) = (how.progress, how.cancel);
    let progress = Progress { done: AtomicU64::new(0), of, told, cancel };
    let rotten = same.par_iter().flat_map_iter(|same| read_one(same, &progress));
    let rotten = rotten.collect();
    (rotten, progress.done.into_inner())
}

/// Reads what all of `same` are, and compares it with what each should be.
fn read_one<'a>(same: &'a [Unread], progress: &Progress<'_>) -> impl Iterator<Item = Rotten> + 'a {
    let read = same
        .first()
        .filter(|_| !progress.cancel.is_cancelled())
        .map(|file| hash(&file.path, file.size, progress));
    same.iter().filter_map(move |file| {
        let (code, what) = match read.as_ref()? {
            Ok(content) if *content == file.content => return None,
            Ok(_) => (Code::FileContent, "its content is not what was stored".to_owned()),
            Err(error) => (Code::FileUnreadable, format!("it cannot be read: {error}")),
        };
        let finding = Finding::new(code, &file.path, what).of_entry(file.entry);
        Some(Rotten { finding, inode: file.inode })
    })
}

/// How much one read asks for: enough that calls cost nothing, and small enough to stay in the cache.
const CHUNK: usize = 128 << 10;
/// The same for a large file, whose every chunk is hashed by all processors, so that none of them is idle while
/// the last file is read.
const LARGE_CHUNK: usize = 2 << 20;
/// From how many bytes on a file is large.
const LARGE: u64 = 16 << 20;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; CHUNK]);
}

/// The hash of the first `size` bytes of a file, which are all it has.
fn hash(path: &Path, size: u64, progress: &Progress<'_>) -> io::Result<ContentHash> {
    use rustix::fs::{Mode, OFlags, open};
    // Whatever may have taken its place since, no link is followed and no pipe waited for.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = File::from(open(path, flags, Mode::empty())?);
    let mut hasher = blake3::Hasher::new();
    if size >= LARGE {
        // A buffer of its own: while rayon hashes this chunk, this thread may begin with another file.
        let mut buffer = vec![0; LARGE_CHUNK];
        read(file, size, &mut buffer, progress, |chunk| {
            hasher.update_rayon(chunk);
        })?;
    } else {
        BUFFER.with_borrow_mut(|buffer| {
            read(file, size, buffer, progress, |chunk| {
                hasher.update(chunk);
            })
        })?;
    }
    Ok(ContentHash::from_bytes(hasher.finalize().into()))
}

/// Gives `size` bytes of the file, as far as it has them, chunk by chunk.
fn read(
    mut file: File,
    size: u64,
    buffer: &mut [u8],
    progress: &Progress<'_>,
    mut take: impl FnMut(&[u8]),
) -> io::Result<()> {
    let mut left = size;
    while left > 0 && !progress.cancel.is_cancelled() {
        let most = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let read = match file.read(buffer.split_at_mut(most).0) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        take(buffer.split_at(read).0);
        progress.add(read as u64);
        left -= read as u64;
    }
    Ok(())
}

struct Progress<'a> {
    done: AtomicU64,
    of: u64,
    told: &'a (dyn Fn(u64, u64) + Sync),
    cancel: &'a Cancel,
}

impl Progress<'_> {
    /// Tells of every mebibyte, and of the last byte.
    fn add(&self, bytes: u64) {
        let before = self.done.fetch_add(bytes, Ordering::Relaxed);
        let now = before + bytes;
        if now >> 20 != before >> 20 || now == self.of {
            (self.told)(now, self.of);
        }
    }
}
