//! Every byte of every file, read and hashed by all processors at once. A file that many entries share is read once.
//!
//! Files are read and not mapped: a page of a mapped file that the disk cannot give ends the process, and such a page is
//! among the things to be found.

use std::{
    cell::RefCell,
    fs::File,
    io::{self, Read as _},
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

use modstore_core::findings::codes;
use rayon::prelude::*;

use super::{
    code::{Code, Repair},
    finding::{Depth, Finding},
    view::{Corrupt, Inode, Unread, View},
    work::{Check, RepairStep},
};
use crate::{Context, disk::OpenTree, events::Event, model::ContentHash};

codes! { pub(super) CODES of Code:
    /// A file's content, or a link's text, is not what was stored.
    FILE_CONTENT = "file-content", Damage, Repair::Rebuild;
    /// A file's content cannot be read.
    FILE_UNREADABLE = "file-unreadable", Damage, Repair::Rebuild;
}

/// The repair of the entries sees to what this finds.
pub(super) const CHECK: Check = Check { codes: CODES, find, repair: RepairStep::None };

fn find(view: &mut View<'_>, found: &mut Vec<Finding>) {
    let corrupt = match view.corrupt.take() {
        // No process writes to an entry, so a file that was found corrupt stays so while it is the same file.
        Some(mut corrupt) => {
            corrupt.retain(|file| {
                is_there(file) && file.finding.about.entry.is_some_and(|entry| view.counts(entry))
            });
            corrupt
        }
        None if view.options.depth == Depth::Full => {
            let unread = std::mem::take(&mut view.unread);
            let (corrupt, bytes) = read_all(unread, view.context);
            view.checked.bytes = bytes;
            corrupt
        }
        None => Vec::new(),
    };
    found.extend(corrupt.iter().map(|file| file.finding.clone()));
    view.corrupt = Some(corrupt);
}

/// Whether the file is still the one that was read. Files are never written to, only replaced.
fn is_there(file: &Corrupt) -> bool {
    let meta = file.finding.path.symlink_metadata();
    meta.is_ok_and(|meta| Inode::of(&meta) == file.inode)
}

/// Hashes them all, and returns those whose content is another, and how many bytes were read.
fn read_all(mut unread: Vec<Unread>, context: Context<'_>) -> (Vec<Corrupt>, u64) {
    // Files that were written together lie together.
    unread.par_sort_unstable_by(|a, b| a.inode.cmp(&b.inode));
    let same: Vec<&[Unread]> = unread.chunk_by(|a, b| a.inode == b.inode).collect();
    let size = |same: &&[Unread]| same.first().map_or(0, |file| file.size);
    let of = same.iter().map(size).sum();
    let entries = OpenTree::new(&context.layout.entries());
    let progress = Progress { done: AtomicU64::new(0), of, entries, context };
    let corrupt = same.par_iter().flat_map_iter(|same| read_one(same, &progress)).collect();
    (corrupt, progress.done.into_inner())
}

/// Reads the file that all of `same` are, and compares it with what each should be.
fn read_one<'a>(same: &'a [Unread], progress: &Progress<'_>) -> impl Iterator<Item = Corrupt> + 'a {
    let read = same
        .first()
        .filter(|_| !progress.context.cancel.is_cancelled())
        .map(|file| hash(&file.path, file.size, progress));
    same.iter().filter_map(move |file| {
        let (code, what) = match read.as_ref()? {
            Ok(content) if *content == file.content => return None,
            Ok(_) => (FILE_CONTENT, "its content is not what was stored".to_owned()),
            Err(error) => (FILE_UNREADABLE, format!("it cannot be read: {error}")),
        };
        let finding = Finding::new(code, &file.path, what);
        let finding = finding.with(|about| about.entry = Some(file.entry));
        Some(Corrupt { finding, inode: file.inode })
    })
}

/// The bytes of one read: enough that calls cost nothing, and small enough to stay in the cache.
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
    // Another thing may be in its place by now: no link is followed, and a pipe is not waited for.
    let file = progress.entries.open_below(path)?;
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
    while left > 0 && !progress.context.cancel.is_cancelled() {
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
    /// Where the files lie.
    entries: OpenTree,
    context: Context<'a>,
}

impl Progress<'_> {
    /// Reports every mebibyte, and the last byte.
    fn add(&self, bytes: u64) {
        let before = self.done.fetch_add(bytes, Ordering::Relaxed);
        let now = before + bytes;
        if now >> 20 != before >> 20 || now == self.of {
            self.context.events.happened(Event::Hashing { bytes: now, of: self.of });
        }
    }
}
