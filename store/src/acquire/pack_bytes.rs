//! The compressed pack as it arrived, kept because later objects are deltas of earlier ones.
//!
//! The first part stays in memory, the rest goes to a spill file that is unlinked as soon as it is
//! open, so that nothing is left behind whatever happens.
//!
//! Limits: offsets are the pack's own; nothing here knows what the bytes mean.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use flate2::{Decompress, FlushDecompress, Status};

use crate::acquire::pack_error::PackError;

const CHUNK: usize = 1 << 20;
const SPILL_READ: usize = 64 << 10;
/// Room made at once for an object of unproved size.
const FIRST_ROOM: u64 = 1 << 20;

/// An append-only record of the pack's bytes, readable at any offset from many threads.
#[derive(Debug)]
pub(super) struct PackBytes {
    /// Every chunk but the last is full. Those beyond `in_memory` chunks are in the file.
    chunks: Vec<Vec<u8>>,
    in_memory: usize,
    spilled: u64,
    tail: Vec<u8>,
    spill: Option<File>,
    path: PathBuf,
}

impl PackBytes {
    /// Keeps up to `memory` bytes (in steps of 1 MiB, at least one) and spills the rest to `path`.
    pub(super) fn new(memory: usize, path: &Path) -> PackBytes {
        PackBytes {
            chunks: Vec::new(),
            in_memory: (memory / CHUNK).max(1),
            spilled: 0,
            tail: Vec::new(),
            spill: None,
            path: path.to_owned(),
        }
    }

    /// Appends `bytes`.
    pub(super) fn push(&mut self, mut bytes: &[u8]) -> Result<(), PackError> {
        while !bytes.is_empty() {
            if self.tail.len() == CHUNK {
                self.put_tail_away()?;
            }
            let room = (CHUNK - self.tail.len()).min(bytes.len());
            let (now, later) = bytes.split_at(room);
            self.tail.extend_from_slice(now);
            bytes = later;
        }
        Ok(())
    }

    fn put_tail_away(&mut self) -> Result<(), PackError> {
        if self.chunks.len() < self.in_memory {
            self.chunks.push(std::mem::take(&mut self.tail));
            return Ok(());
        }
        self.write_tail().map_err(|source| self.spill_error(source))
    }

    fn write_tail(&mut self) -> io::Result<()> {
        if self.spill.is_none() {
            let file = File::options().read(true).write(true).create_new(true).open(&self.path)?;
            std::fs::remove_file(&self.path)?;
            self.spill = Some(file);
        }
        let file = self.spill.as_ref().expect("opened above");
        file.write_all_at(&self.tail, self.spilled)?;
        self.spilled += self.tail.len() as u64;
        self.tail.clear();
        Ok(())
    }

    fn spill_error(&self, source: io::Error) -> PackError {
        PackError::Spill { path: self.path.clone(), source }
    }

    /// Some bytes of `range`, and perhaps after it; empty at the end of what was pushed.
    fn piece<'a>(
        &'a self,
        range: Range<u64>,
        buffer: &'a mut Vec<u8>,
    ) -> Result<&'a [u8], PackError> {
        let offset = range.start;
        let position = usize::try_from(offset).unwrap_or(usize::MAX);
        if let Some(chunk) = self.chunks.get(position / CHUNK) {
            return Ok(chunk.get(position % CHUNK..).unwrap_or_default());
        }
        let beyond = offset.saturating_sub((self.chunks.len() * CHUNK) as u64);
        let left = self.spilled.saturating_sub(beyond);
        if left == 0 {
            let into = usize::try_from(beyond - self.spilled).unwrap_or(usize::MAX);
            return Ok(self.tail.get(into..).unwrap_or_default());
        }
        let file = self.spill.as_ref().expect("bytes were spilled");
        let left = left.min(range.end.saturating_sub(offset)).max(1);
        buffer.resize(usize::try_from(left).unwrap_or(SPILL_READ).min(SPILL_READ), 0);
        file.read_exact_at(buffer, beyond).map_err(|source| self.spill_error(source))?;
        Ok(buffer)
    }

    /// Inflates the object whose zlib stream begins where `range` does and ends in it; it has
    /// `size` bytes.
    pub(super) fn inflate(
        &self,
        range: Range<u64>,
        size: u64,
        inflater: &mut Inflater,
    ) -> Result<Vec<u8>, PackError> {
        let mut out = inflater.begin(size);
        let mut at = range.start;
        let mut buffer = Vec::new();
        loop {
            let piece = self.piece(at..range.end, &mut buffer)?;
            if piece.is_empty() {
                return Err(PackError::Truncated { at, source: None });
            }
            let (used, done) = inflater
                .feed(piece, &mut out, size)
                .map_err(|what| PackError::corrupt(range.start, what))?;
            at += used as u64;
            if done {
                return Ok(out);
            }
        }
    }
}

/// One reusable zlib state.
pub(super) struct Inflater(Decompress);

impl Inflater {
    pub(super) fn new() -> Inflater {
        Inflater(Decompress::new(true))
    }

    /// Starts an object that should have `size` bytes.
    pub(super) fn begin(&mut self, size: u64) -> Vec<u8> {
        self.0.reset(true);
        // One byte more, so that an object longer than it says shows.
        Vec::with_capacity(usize::try_from(size.min(FIRST_ROOM)).unwrap_or(0) + 1)
    }

    /// Inflates from `input` into `out`. Returns how much of `input` was used, and whether the
    /// object is complete.
    pub(super) fn feed(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
        size: u64,
    ) -> Result<(usize, bool), String> {
        let mut rest = input;
        loop {
            if out.len() == out.capacity() {
                let missing = (size + 1).saturating_sub(out.len() as u64);
                out.reserve_exact(
                    usize::try_from(missing).unwrap_or(usize::MAX).min(out.len()).max(1),
                );
            }
            let (before, made) = (self.0.total_in(), out.len());
            let status = self
                .0
                .decompress_vec(rest, out, FlushDecompress::None)
                .map_err(|error| error.to_string())?;
            let used = usize::try_from(self.0.total_in() - before).unwrap_or(usize::MAX);
            rest = rest.get(used..).unwrap_or_default();
            if out.len() as u64 > size {
                return Err("an object is longer than its header says".into());
            }
            match status {
                Status::StreamEnd if out.len() as u64 == size => {
                    return Ok((input.len() - rest.len(), true));
                }
                Status::StreamEnd => {
                    return Err("an object is shorter than its header says".into());
                }
                _ if rest.is_empty() && out.len() < out.capacity() => {
                    return Ok((input.len(), false));
                }
                _ if used == 0 && out.len() == made => return Err("zlib makes no progress".into()),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn deflated(data: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    /// Bytes that do not compress, so that chunks fill.
    fn noise(length: usize) -> Vec<u8> {
        let mut state = 1u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        (0..length).map(|_| next()).collect()
    }

    #[test]
    fn what_was_spilled_reads_back_and_leaves_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let mut bytes = PackBytes::new(CHUNK, &dir.path().join("spill"));
        let objects: Vec<Vec<u8>> = (0..9).map(|n| noise(700_000 + n)).collect();
        let mut at = Vec::new();
        let mut length = 0;
        for object in &objects {
            let packed = deflated(object);
            at.push(length);
            length += packed.len() as u64;
            for part in packed.chunks(1000) {
                bytes.push(part).unwrap();
            }
        }
        assert!(bytes.spill.is_some());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        let mut inflater = Inflater::new();
        for (object, offset) in objects.iter().zip(at) {
            let read = bytes.inflate(offset..u64::MAX, object.len() as u64, &mut inflater).unwrap();
            assert!(read == *object);
        }
    }

    #[test]
    fn a_size_that_is_not_the_objects_is_an_error() {
        let packed = deflated(&[7; 3_000_000]);
        for size in [0, 1, 2_999_999, 3_000_001, 1 << 40] {
            let mut bytes = PackBytes::new(0, Path::new("/nonexistent"));
            bytes.push(&packed).unwrap();
            assert!(bytes.inflate(0..u64::MAX, size, &mut Inflater::new()).is_err(), "{size}");
        }
    }
}
