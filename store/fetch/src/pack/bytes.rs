//! The compressed pack as it arrived, kept because later objects are deltas of earlier ones.
//!
//! The first part stays in memory, as far as the budget goes, the rest goes to a spill file that is unlinked as soon
//! as it is open, so that nothing is left behind whatever happens. A pack that is to be kept goes to its file whole.
//!
//! Limits: offsets are the pack's own; nothing here knows what the bytes mean.

use std::{
    fs::File,
    io::{self, Read},
    ops::Range,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use flate2::{Decompress, FlushDecompress, Status};
use modstore_core::disk::unnamed_file;

use super::memory_budget::{MemoryBudget, Share};
use crate::errors::PackError;

const CHUNK: usize = 1 << 20;
/// Most chunks that one pack keeps in memory, the budget allowing.
const MOST_CHUNKS: usize = 64;
const SPILL_READ: usize = 64 << 10;
/// Room made at once for an object of unproved size.
const FIRST_ROOM: u64 = 1 << 20;

/// An append-only record of the pack's bytes, readable at any offset from many threads.
pub(crate) struct PackBytes {
    /// Every chunk but the last is full. Those that are not here are in the file.
    chunks: Vec<Vec<u8>>,
    shares: Vec<Share>,
    budget: MemoryBudget,
    spilled: u64,
    tail: Vec<u8>,
    spill: Option<File>,
    path: PathBuf,
    /// The sum of all bytes, of a pack that is to be kept.
    sum: Option<gix::hash::Hasher>,
    /// Whether who has this may ask for the whole pack.
    is_asked_for: bool,
}

impl PackBytes {
    /// Keeps as much in memory as `budget` offers and spills the rest to `path`.
    pub(crate) fn new(budget: &MemoryBudget, path: &Path) -> PackBytes {
        PackBytes {
            chunks: Vec::new(),
            shares: Vec::new(),
            budget: budget.clone(),
            spilled: 0,
            tail: Vec::new(),
            spill: None,
            path: path.to_owned(),
            sum: None,
            is_asked_for: false,
        }
    }

    /// The same, of which [`into_pack`](Self::into_pack) gives the whole.
    pub(crate) fn asked_for(self) -> PackBytes {
        PackBytes { is_asked_for: true, ..self }
    }

    /// Keeps all of it in `file`, which is empty and lies at `path`, and adds it up.
    pub(crate) fn kept(budget: &MemoryBudget, file: File, path: &Path) -> PackBytes {
        let sum = Some(gix::hash::hasher(gix::hash::Kind::Sha1));
        PackBytes { spill: Some(file), sum, ..PackBytes::new(budget, path) }
    }

    /// Appends `bytes`.
    pub(crate) fn push(&mut self, mut bytes: &[u8]) -> Result<(), PackError> {
        if let Some(sum) = &mut self.sum {
            sum.update(bytes);
        }
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

    /// Ends a pack whose last 20 bytes are still to come: they must be its sum.
    pub(crate) fn finish(&mut self, checksum: &[u8; 20]) -> Result<(), PackError> {
        let Some(sum) = self.sum.take() else {
            return if self.is_asked_for { self.push(checksum) } else { Ok(()) };
        };
        let at = self.spilled + self.tail.len() as u64;
        let found =
            sum.try_finalize().map_err(|error| PackError::corrupt(at, error.to_string()))?;
        if found.as_slice() != checksum {
            return Err(PackError::corrupt(at, "the checksum at the end is that of other bytes"));
        }
        self.push(checksum)?;
        self.write_tail().map_err(|source| self.spill_error(source))
    }

    /// The whole pack. Nothing, if it was not asked for, is not all in memory, is longer than `most` bytes, or does not have
    /// the sum at its end.
    pub(crate) fn into_pack(self, most: usize) -> Option<Vec<u8>> {
        let length = self.chunks.iter().map(Vec::len).sum::<usize>() + self.tail.len();
        if !self.is_asked_for || self.spill.is_some() || length > most {
            return None;
        }
        let pack = match self.chunks.is_empty() {
            true => self.tail,
            false => [self.chunks.concat(), self.tail].concat(),
        };
        let (content, checksum) = pack.split_at_checked(pack.len().checked_sub(20)?)?;
        let mut sum = gix::hash::hasher(gix::hash::Kind::Sha1);
        sum.update(content);
        let is_right = sum.try_finalize().is_ok_and(|found| found.as_slice() == checksum);
        is_right.then_some(pack)
    }

    fn put_tail_away(&mut self) -> Result<(), PackError> {
        if self.spill.is_none()
            && self.chunks.len() < MOST_CHUNKS
            && let Some(share) = self.budget.offer_to_bulk(CHUNK as u64)
        {
            self.shares.push(share);
            self.chunks.push(std::mem::take(&mut self.tail));
            return Ok(());
        }
        self.write_tail().map_err(|source| self.spill_error(source))
    }

    fn write_tail(&mut self) -> io::Result<()> {
        if self.spill.is_none() {
            self.spill = Some(unnamed_file(&self.path)?);
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
    pub(crate) fn piece<'a>(
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
    pub(crate) fn inflate(
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

    /// The sum by which an index knows the bytes of `range`.
    pub(crate) fn crc32(&self, range: Range<u64>) -> Result<u32, PackError> {
        let mut at = range.start;
        let mut buffer = Vec::new();
        let mut sum = flate2::Crc::new();
        while at < range.end {
            let piece = self.piece(at..range.end, &mut buffer)?;
            let most = usize::try_from(range.end - at).unwrap_or(usize::MAX);
            let piece = piece.get(..piece.len().min(most)).unwrap_or_default();
            if piece.is_empty() {
                return Err(PackError::Truncated { at, source: None });
            }
            sum.update(piece);
            at += piece.len() as u64;
        }
        Ok(sum.sum())
    }

    /// The same object as a stream, for one that memory should not hold. Its errors are [`PackError`]s.
    pub(crate) fn stream(&self, range: Range<u64>, size: u64) -> Inflated<'_> {
        let inflater = Decompress::new(true);
        Inflated {
            bytes: self,
            start: range.start,
            range,
            size,
            inflater,
            buffer: Vec::new(),
            done: false,
        }
    }
}

/// See [`PackBytes::stream`].
pub(crate) struct Inflated<'p> {
    bytes: &'p PackBytes,
    start: u64,
    range: Range<u64>,
    size: u64,
    inflater: Decompress,
    buffer: Vec<u8>,
    done: bool,
}

impl Inflated<'_> {
    fn more(&mut self, out: &mut [u8]) -> Result<usize, PackError> {
        let Inflated { bytes, start, range, size, inflater, buffer, done } = self;
        loop {
            let piece = bytes.piece(range.clone(), buffer)?;
            if piece.is_empty() {
                return Err(PackError::Truncated { at: range.start, source: None });
            }
            let step = InflateStep::take(inflater, piece, out, *size)
                .map_err(|what| PackError::corrupt(*start, what))?;
            range.start += step.used as u64;
            *done = step.done;
            if step.made > 0 || step.done {
                return Ok(step.made);
            }
        }
    }
}

impl Read for Inflated<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() || self.done { Ok(0) } else { self.more(out).map_err(io::Error::other) }
    }
}

/// What one call of zlib did, for objects that are inflated piece by piece.
pub(crate) struct InflateStep {
    pub(crate) used: usize,
    pub(crate) made: usize,
    pub(crate) done: bool,
}

impl InflateStep {
    /// Inflates from `input` into `out`, of an object that has `size` bytes.
    pub(crate) fn take(
        inflater: &mut Decompress,
        input: &[u8],
        out: &mut [u8],
        size: u64,
    ) -> Result<InflateStep, String> {
        let before = (inflater.total_in(), inflater.total_out());
        let status = inflater
            .decompress(input, out, FlushDecompress::None)
            .map_err(|error| error.to_string())?;
        let count = |now: u64, before: u64| usize::try_from(now - before).unwrap_or(usize::MAX);
        let used = count(inflater.total_in(), before.0);
        let made = count(inflater.total_out(), before.1);
        let done = status == Status::StreamEnd;
        if inflater.total_out() > size {
            return Err("an object is longer than its header says".into());
        }
        if done && inflater.total_out() < size {
            return Err("an object is shorter than its header says".into());
        }
        if !done && used == 0 && made == 0 {
            return Err("zlib makes no progress".into());
        }
        Ok(InflateStep { used, made, done })
    }
}

/// One reusable zlib state.
pub(crate) struct Inflater(Decompress);

impl Inflater {
    pub(crate) fn new() -> Inflater {
        Inflater(Decompress::new(true))
    }

    /// Starts an object that is inflated piece by piece.
    pub(crate) fn begin_stream(&mut self) -> &mut Decompress {
        self.0.reset(true);
        &mut self.0
    }

    /// Starts an object that should have `size` bytes.
    pub(crate) fn begin(&mut self, size: u64) -> Vec<u8> {
        self.0.reset(true);
        // One byte more, so that an object longer than it says shows.
        Vec::with_capacity(usize::try_from(size.min(FIRST_ROOM)).unwrap_or(0) + 1)
    }

    /// Inflates from `input` into `out`. Returns how much of `input` was used, and whether the
    /// object is complete.
    pub(crate) fn feed(
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
            let before = self.0.total_in();
            let made = out.len();
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
        modstore_testbed::Random::of(1).bytes(length)
    }

    #[test]
    fn what_was_spilled_reads_back_and_leaves_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let budget = MemoryBudget::new(CHUNK, 1);
        let mut bytes = PackBytes::new(&budget, &dir.path().join("spill"));
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
            let mut streamed = Vec::new();
            let range = offset..u64::MAX;
            bytes.stream(range, object.len() as u64).read_to_end(&mut streamed).unwrap();
            assert!(streamed == *object);
        }
    }

    #[test]
    fn a_size_that_is_not_the_objects_is_an_error() {
        let packed = deflated(&[7; 3_000_000]);
        for size in [0, 1, 2_999_999, 3_000_001, 1 << 40] {
            let mut bytes = PackBytes::new(&MemoryBudget::new(0, 1), Path::new("/nonexistent"));
            bytes.push(&packed).unwrap();
            assert!(bytes.inflate(0..u64::MAX, size, &mut Inflater::new()).is_err(), "{size}");
            let streamed = bytes.stream(0..u64::MAX, size).read_to_end(&mut Vec::new());
            assert!(streamed.is_err(), "{size}");
        }
    }
}
