//! An archive becomes a staged tree: received into the staging, its sum checked, unpacked.
//!
//! Nothing of an archive is looked at before its SHA-256 is the one that the source names.
//!
//! Limits: a download that breaks off starts from its first byte the next time.

use std::{
    cell::Cell,
    fs::{File, OpenOptions},
    io::{BufRead, BufReader, Read as _},
    path::{Path, PathBuf},
};

use gix::bstr::ByteSlice as _;
use modstore_core::{
    Cancel,
    disk::{Disk, DiskError, Planting, Staged, Staging, Verb},
    model::{ArchiveSource, Manifest, RemoteUrl},
};
use sha2::{Digest as _, Sha256};

use super::{
    tree::{ArchiveTree, check_limit},
    unpack::unpack,
};
use crate::{
    errors::{AcquireError, ArchiveError, RemoteError, TransportError},
    limits::{ArchiveLimit, ArchiveLimits},
    pack::MemoryBudget,
    protocol::Network,
    subdirectory::find_part,
};

/// Bytes read, hashed and written at once.
const CHUNK: usize = 256 << 10;

/// An archive in staging.
#[derive(Debug)]
pub struct FetchedArchive {
    /// Its tree.
    pub staged: Staged,
    /// Lines a person should read.
    pub warnings: Vec<String>,
    /// Bytes received.
    pub received: u64,
    /// The archive itself, in the staging: the caller's to remove, or to keep.
    pub archive: PathBuf,
}

/// Receives an archive, checks its sum and unpacks it into the staging.
///
/// The tree is what the archive lists, no more and no less: a single directory that everything is in
/// (`name-1.2.3/`, as many hosts pack it) stays, and `subdirectory=name-1.2.3` leads into it.
///
/// # Errors
/// Nothing that was written is left, as far as it can be removed; the rest goes with the staging.
pub fn fetch_archive(
    network: &Network,
    source: &ArchiveSource,
    disk: &Disk,
    staging: &Staging,
    cancel: &Cancel,
    limits: ArchiveLimits,
    memory: &MemoryBudget,
) -> Result<FetchedArchive, AcquireError> {
    let acquiring = ArchiveFetch { network, source, disk, staging, cancel, limits, memory };
    acquiring.with_fresh_names(|archive, tree| acquiring.run(archive, tree))
}

/// The same, with the bytes of the archive from elsewhere: anyone may have made them.
///
/// # Errors
/// As [`fetch_archive`].
#[expect(clippy::too_many_arguments, reason = "those of `fetch_archive`, and the bytes")]
pub fn archive_from(
    bytes: &mut dyn BufRead,
    network: &Network,
    source: &ArchiveSource,
    disk: &Disk,
    staging: &Staging,
    cancel: &Cancel,
    limits: ArchiveLimits,
    memory: &MemoryBudget,
) -> Result<FetchedArchive, AcquireError> {
    let acquiring = ArchiveFetch { network, source, disk, staging, cancel, limits, memory };
    acquiring.with_fresh_names(|archive, tree| {
        let received = acquiring.file().receive_from(archive, bytes)?;
        acquiring.unpack(archive, tree, received)
    })
}

/// All that acquiring an archive needs.
pub(crate) struct ArchiveFetch<'a> {
    pub(crate) network: &'a Network,
    pub(crate) source: &'a ArchiveSource,
    pub(crate) disk: &'a Disk,
    pub(crate) staging: &'a Staging,
    pub(crate) cancel: &'a Cancel,
    pub(crate) limits: ArchiveLimits,
    /// The memory of all fetches that run now.
    pub(crate) memory: &'a MemoryBudget,
}

impl ArchiveFetch<'_> {
    /// Does it with names of its own for the archive and the tree. Nothing stays at them if it fails.
    fn with_fresh_names(
        &self,
        acquire: impl FnOnce(&Path, &Path) -> Result<FetchedArchive, AcquireError>,
    ) -> Result<FetchedArchive, AcquireError> {
        let (archive, tree) = (self.staging.fresh(), self.staging.fresh());
        acquire(&archive, &tree).inspect_err(|_| {
            // Others may need the room before the staging goes.
            let _ = self.disk.remove_file(&archive);
            let _ = self.disk.remove_tree(&tree);
        })
    }

    /// Receives the archive at `path`, and unpacks it at `root`; both are free, and in the staging.
    pub(crate) fn run(&self, path: &Path, root: &Path) -> Result<FetchedArchive, AcquireError> {
        let received = self.file().receive(path)?;
        self.unpack(path, root, received)
    }

    fn file(&self) -> KnownFile<'_> {
        KnownFile {
            network: self.network,
            url: self.source.url.address(),
            sha256: self.source.sha256,
            limit: self.limits.archive,
            disk: self.disk,
            cancel: self.cancel,
        }
    }

    /// Unpacks what was received at `path`.
    fn unpack(
        &self,
        path: &Path,
        root: &Path,
        received: u64,
    ) -> Result<FetchedArchive, AcquireError> {
        let writer = Planting::create(self.disk, root).map_err(AcquireError::Write)?;
        let kind = self.source.url.kind();
        let folds = || self.staging.folds_names();
        let limits = self.limits;
        let memory = self.memory;
        let cancel = self.cancel;
        let what = (kind, received);
        let mut tree = ArchiveTree::new(&writer, what, &folds, limits, memory, cancel);
        let file = File::open(path).map_err(|error| unusable(path, error))?;
        unpack(kind, file, &self.limits, &mut tree)?;
        let mut tree = tree.finish()?;
        if self.source.subdirectory.is_none() && self.source.url.is_of_forge() {
            tree.warnings.extend(of_one_directory(&tree.manifest));
        }
        find_part(root, &tree.manifest, self.source.subdirectory.as_ref())?;
        let staged =
            Staged::seal(self.disk, writer, &tree.manifest, None).map_err(AcquireError::Write)?;
        let archive = path.to_owned();
        Ok(FetchedArchive { staged, warnings: tree.warnings, received, archive })
    }
}

/// A file at an address, which its checksum names.
pub struct KnownFile<'a> {
    /// The connections.
    pub network: &'a Network,
    /// Where it is.
    pub url: &'a RemoteUrl,
    /// Its SHA-256.
    pub sha256: [u8; 32],
    /// The most bytes that it may have.
    pub limit: u64,
    /// Where it is written.
    pub disk: &'a Disk,
    /// The wish to stop.
    pub cancel: &'a Cancel,
}

impl KnownFile<'_> {
    /// Writes the file to `path`, which is free, and returns the number of bytes received.
    ///
    /// # Errors
    /// It cannot be received, is too large, or has another checksum. What came is at `path`.
    pub fn receive(&self, path: &Path) -> Result<u64, AcquireError> {
        let (mut next, sent) = self.open()?;
        let (received, found) = self.keep(path, &mut *next)?;
        let expected = self.sha256;
        if found == expected || sent.is_gzipped && self.is_within(path)? {
            return Ok(received);
        }
        let (expected, found) = (hex(expected), hex(found));
        Err(ArchiveError::WrongSum { expected, found, is_page: sent.is_page }.into())
    }

    /// The same with bytes from elsewhere.
    fn receive_from(&self, path: &Path, bytes: &mut dyn BufRead) -> Result<u64, AcquireError> {
        let failed = |source| ArchiveError::Open { path: path.to_owned(), source };
        let mut next = |buf: &mut [u8]| bytes.read(buf).map_err(|error| failed(error).into());
        let (received, found) = self.keep(path, &mut next)?;
        if found == self.sha256 {
            return Ok(received);
        }
        let (expected, found) = (hex(self.sha256), hex(found));
        Err(ArchiveError::WrongSum { expected, found, is_page: false }.into())
    }

    /// Writes what comes to a new file, and returns its size and its sum.
    fn keep(&self, path: &Path, next: &mut NextPiece<'_>) -> Result<(u64, [u8; 32]), AcquireError> {
        self.disk.create_file(path, b"").map_err(AcquireError::Write)?;
        let mut file =
            OpenOptions::new().append(true).open(path).map_err(|error| unusable(path, error))?;
        let mut received = 0;
        let mut sum = Sha256::new();
        let mut chunk = vec![0; CHUNK];
        loop {
            let filled = fill(&mut chunk, next)?;
            if self.cancel.is_cancelled() {
                return Err(AcquireError::Cancelled);
            }
            if filled.is_empty() {
                return Ok((received, sum.finalize().into()));
            }
            received += filled.len() as u64;
            check_limit(ArchiveLimit::Archive, received, self.limit)?;
            sum.update(filled);
            self.disk.append(&mut file, path, filled).map_err(AcquireError::Write)?;
        }
    }

    /// Whether the file at `path` has the right sum once it is unzipped; then that stands there.
    ///
    /// Servers compress what they send without having been asked to, or say so of an archive that is compressed anyway.
    /// Which it is, only the sum shows.
    fn is_within(&self, path: &Path) -> Result<bool, AcquireError> {
        let plain = path.with_extension("plain");
        let zipped = BufReader::new(File::open(path).map_err(|error| unusable(path, error))?);
        let mut from = flate2::bufread::MultiGzDecoder::new(zipped);
        let is_broken = Cell::new(false);
        let mut next = |buf: &mut [u8]| {
            from.read(buf).map_err(|error| {
                is_broken.set(true);
                unusable(path, error)
            })
        };
        let found = self.keep(&plain, &mut next);
        if matches!(found, Ok((_, found)) if found == self.sha256) {
            self.disk.rename(&plain, path).map_err(AcquireError::Write)?;
            return Ok(true);
        }
        // Others may need the room before the staging goes.
        let _ = self.disk.remove_file(&plain);
        match found {
            Err(error) if !is_broken.get() => Err(error),
            _ => Ok(false),
        }
    }

    /// Opens the file where it is, and gives what reads its next piece.
    fn open(&self) -> Result<(Box<NextPiece<'_>>, Sent), AcquireError> {
        let Some(path) = self.url.local_path() else {
            let mut download =
                self.network.download(&self.url.expose(), self.cancel).map_err(from_network)?;
            let sent = Sent { is_gzipped: download.is_gzipped(), is_page: download.is_page() };
            return Ok((Box::new(move |buf| download.read(buf).map_err(from_network)), sent));
        };
        let failed = {
            let path = path.clone();
            move |source| AcquireError::from(ArchiveError::Open { path: path.clone(), source })
        };
        // Opening a pipe would wait for ever.
        let meta = std::fs::metadata(&path).map_err(&failed)?;
        if !meta.is_file() {
            let no_file =
                std::io::Error::new(std::io::ErrorKind::InvalidInput, "not a regular file");
            return Err(failed(no_file));
        }
        let mut file = File::open(&path).map_err(&failed)?;
        Ok((Box::new(move |buf| file.read(buf).map_err(&failed)), Sent::default()))
    }
}

/// What to say of a tree that has everything in one directory, which is seldom what is meant.
fn of_one_directory(manifest: &Manifest) -> Option<String> {
    let first = manifest.files().first()?;
    let (top, _) = first.path.split_once_str("/")?;
    let is_all = manifest
        .files()
        .iter()
        .all(|file| file.path.split_once_str("/").is_some_and(|(directory, _)| directory == top));
    let top = top.as_bstr();
    is_all.then(|| {
        format!("everything is in {top}/; &subdirectory={top} in the source takes what is in it")
    })
}

/// What a server said of what it sent.
#[derive(Default)]
struct Sent {
    is_gzipped: bool,
    is_page: bool,
}

/// Reads something into the buffer and says how much, 0 at the end.
type NextPiece<'n> = dyn FnMut(&mut [u8]) -> Result<usize, AcquireError> + 'n;

/// Fills `chunk` unless the end comes first.
fn fill<'c>(chunk: &'c mut [u8], next: &mut NextPiece<'_>) -> Result<&'c [u8], AcquireError> {
    let mut filled = 0;
    while let Some(rest) = chunk.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match next(rest)? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(chunk.get(..filled).unwrap_or_default())
}

fn from_network(error: RemoteError) -> AcquireError {
    match error.transport() {
        Some(TransportError::Cancelled) => AcquireError::Cancelled,
        _ => error.into(),
    }
}

fn unusable(path: &Path, error: std::io::Error) -> AcquireError {
    AcquireError::Write(DiskError::new(Verb::Read, path, error))
}

fn hex(sum: [u8; 32]) -> String {
    blake3::Hash::from_bytes(sum).to_hex().to_string()
}
