//! What tar and zip archives list, entry by entry, into an [`ArchiveTree`].
//!
//! The libraries only read; everything is written by the tree, which refuses what it must. What they
//! would hold in memory (long names, extended headers, a zip archive's directory) comes through a
//! reader with an allowance.
//!
//! Limits: no sparse files, no encryption, zip with deflate or stored only. Of a zip archive the
//! central directory counts, and of two spellings of a name the one that is UTF-8. A backslash is a slash in a zip archive
//! of DOS or Windows only; elsewhere it is a part of the name, and warned of.

use std::{
    cell::Cell,
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom},
    rc::Rc,
};

use gix::bstr::ByteSlice as _;
use modstore_core::model::ArchiveKind;
use ruzstd::decoding::{
    BlockDecodingStrategy, FrameDecoder,
    errors::{FrameDecoderError, ReadFrameHeaderError},
};
use tar::EntryType;
use zip::{System, ZipArchive};

use super::tree::ArchiveTree;
use crate::{errors::AcquireError, limits::ArchiveLimits};

/// Puts everything in the archive `file` into `tree`.
///
/// # Errors
/// Whatever was put there stays.
pub(crate) fn unpack(
    kind: ArchiveKind,
    file: File,
    limits: &ArchiveLimits,
    tree: &mut ArchiveTree<'_>,
) -> Result<(), AcquireError> {
    let file = BufReader::with_capacity(256 << 10, file);
    match kind {
        ArchiveKind::TarGz => {
            let bytes = BufReader::new(flate2::bufread::MultiGzDecoder::new(file));
            unpack_tar(bytes, limits.headers, tree)
        }
        ArchiveKind::TarZst => unpack_tar(BufReader::new(Frames::new(file)), limits.headers, tree),
        ArchiveKind::Zip => unpack_zip(file, limits.headers, tree),
    }
}

/// A reader that gives no more than its allowance.
struct HeaderLimit<R> {
    inner: R,
    left: Rc<Cell<u64>>,
}

impl<R> HeaderLimit<R> {
    fn new(inner: R) -> (Self, Rc<Cell<u64>>) {
        let left = Rc::new(Cell::new(u64::MAX));
        (Self { inner, left: Rc::clone(&left) }, left)
    }
}

impl<R: Read> Read for HeaderLimit<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buf)?;
        let left = self.left.get().checked_sub(read as u64);
        self.left.set(left.ok_or_else(|| io::Error::other("the headers of the archive have no end (MODSTORE_ARCHIVE_HEADERS sets how many bytes they may have)"))?);
        Ok(read)
    }
}

impl<R: Seek> Seek for HeaderLimit<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

fn unpack_tar(
    bytes: impl Read,
    headers: u64,
    tree: &mut ArchiveTree<'_>,
) -> Result<(), AcquireError> {
    let (bytes, left) = HeaderLimit::new(bytes);
    let mut archive = tar::Archive::new(bytes);
    let mut entries = archive.entries().map_err(|error| tree.malformed(error))?;
    loop {
        left.set(headers);
        let Some(entry) = entries.next() else { return Ok(()) };
        let mut entry = entry.map_err(|error| tree.malformed(error))?;
        left.set(u64::MAX);
        tar_entry(&mut entry, tree)?;
        // What is passed over is bounded by nothing else.
        left.set(headers);
        io::copy(&mut entry, &mut io::sink()).map_err(|error| tree.malformed(error))?;
    }
}

fn tar_entry(
    entry: &mut tar::Entry<'_, impl Read>,
    tree: &mut ArchiveTree<'_>,
) -> Result<(), AcquireError> {
    let path = entry.path_bytes().into_owned();
    let target = entry.link_name_bytes().map(|text| text.into_owned()).unwrap_or_default();
    match entry.header().entry_type() {
        EntryType::Directory => tree.directory(&path),
        // Before there was a type for directories, a slash said it.
        EntryType::Regular if path.ends_with(b"/") => tree.directory(&path),
        EntryType::Regular | EntryType::Continuous => {
            let mode = entry.header().mode().map_err(|error| tree.malformed(error))?;
            tree.file(&path, mode & 0o100 != 0, entry)
        }
        EntryType::Symlink => tree.link(&path, target.as_bstr()),
        EntryType::Link => tree.hard_link(&path, &target),
        EntryType::XGlobalHeader => Ok(()),
        EntryType::Char | EntryType::Block => Err(tree.other(&path, "a device")),
        EntryType::Fifo => Err(tree.other(&path, "a pipe")),
        EntryType::GNUSparse => Err(tree.other(&path, "a sparse file")),
        kind => {
            Err(tree.other(&path, &format!("an entry of type {:?}", char::from(kind.as_byte()))))
        }
    }
}

fn unpack_zip(
    file: BufReader<File>,
    headers: u64,
    tree: &mut ArchiveTree<'_>,
) -> Result<(), AcquireError> {
    let (file, left) = HeaderLimit::new(file);
    left.set(headers);
    let mut archive = ZipArchive::new(file).map_err(|error| tree.malformed(error))?;
    left.set(u64::MAX);
    tree.reserve(archive.len() as u64 * ZIP_ENTRY)?;
    if archive.has_duplicate_names() {
        return Err(tree.malformed("the archive lists a name twice"));
    }
    for number in 0..archive.len() {
        let mut entry = archive.by_index(number).map_err(|error| tree.malformed(error))?;
        let raw = entry.name_raw();
        let mut name = if raw.is_utf8() {
            raw.to_vec()
        } else {
            let name = entry.name().map_err(|error| tree.malformed(error))?;
            name.into_owned().into_bytes()
        };
        if has_dos_names(entry.system()) {
            // No name on these systems has a backslash; older programs there write it for the slash.
            name.iter_mut().filter(|byte| **byte == b'\\').for_each(|byte| *byte = b'/');
        }
        let mode = entry.unix_mode().unwrap_or_default();
        match mode & 0o170_000 {
            _ if name.ends_with(b"/") => tree.directory(&name)?,
            0o040_000 => tree.directory(&name)?,
            0o120_000 => tree.link_from(&name, &mut entry)?,
            0 | 0o100_000 => tree.file(&name, mode & 0o100 != 0, &mut entry)?,
            _ => return Err(tree.other(&name, "a device or pipe")),
        }
    }
    Ok(())
}

/// Whether a zip archive of this system has names of DOS and Windows.
const fn has_dos_names(system: System) -> bool {
    matches!(system, System::Dos | System::Os2 | System::WindowsNTFS | System::VFAT)
}

/// The largest window of a Zstandard frame, which is held in memory. `zstd -19` makes one of 8 MiB.
const LARGEST_WINDOW: u64 = 32 << 20;
/// What an entry of a zip archive's directory costs in memory, in bytes.
const ZIP_ENTRY: u64 = 512;

/// Zstandard frames one after another, as `zstd` reads them; the library reads one.
struct Frames<R> {
    source: R,
    decoder: FrameDecoder,
    within: bool,
}

impl<R: BufRead> Frames<R> {
    fn new(source: R) -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(LARGEST_WINDOW);
        Self { source, decoder, within: false }
    }

    /// Begins the next frame that holds something; `false` at the end.
    fn begin(&mut self) -> io::Result<bool> {
        while !self.source.fill_buf()?.is_empty() {
            match self.decoder.init(&mut self.source) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    io::copy(&mut Read::take(&mut self.source, length.into()), &mut io::sink())?;
                }
                Err(error) => return Err(io::Error::other(error)),
            }
        }
        Ok(false)
    }
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.within && !self.begin()? {
                return Ok(0);
            }
            self.within = true;
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                self.decoder
                    .decode_blocks(&mut self.source, BlockDecodingStrategy::UptoBlocks(1))
                    .map_err(io::Error::other)?;
            }
            let read = self.decoder.read(buf)?;
            if read > 0 || buf.is_empty() {
                return Ok(read);
            }
            self.within = false;
        }
    }
}
