//! A pack as a stream: its header, then one entry after the other.
//!
//! Every byte read is also kept in a [`PackBytes`]. Sizes are checked before anything is allocated
//! for them.
//!
//! Limits: version 2 packs with SHA-1 ids. The checksum at the end must be there but is compared only where the pack
//! is kept: every object that the tree needs is checked against its own id.

use std::io::{BufRead, ErrorKind};

use gix::{ObjectId, objs::Kind};

use super::bytes::{InflateStep, Inflater, PackBytes};
use crate::{
    errors::{LimitError, PackError},
    limits::{PackLimit, PackLimits},
};

const ID_LENGTH: usize = 20;
/// An object that is not kept is inflated in pieces of this.
const PIECE: usize = 64 << 10;

/// How an entry holds its object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// Whole.
    Whole(Kind),
    /// As a delta of the entry that starts at this offset.
    DeltaOfOffset(u64),
    /// As a delta of this object, in the pack or with the receiver.
    DeltaOf(ObjectId),
}

/// One entry's header.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EntryHeader {
    /// Where the entry starts in the pack.
    pub(crate) start: u64,
    /// Where its zlib stream starts.
    pub(crate) data: u64,
    /// Bytes of the inflated object, or of the inflated delta.
    pub(crate) size: u64,
    /// What the inflated bytes are.
    pub(crate) encoding: Encoding,
}

/// Reads a pack front to back.
pub(crate) struct PackReader<'s> {
    stream: &'s mut dyn BufRead,
    bytes: PackBytes,
    at: u64,
    inflater: Inflater,
    largest: u64,
}

impl<'s> PackReader<'s> {
    /// Reads the pack's header. Returns the reader and the number of entries that follow.
    pub(crate) fn open(
        stream: &'s mut dyn BufRead,
        bytes: PackBytes,
        limits: &PackLimits,
    ) -> Result<(PackReader<'s>, u32), PackError> {
        let inflater = Inflater::new();
        let mut reader =
            PackReader { stream, bytes, at: 0, inflater, largest: limits.object.max(limits.tree) };
        if reader.array::<4>()? != *b"PACK" {
            return Err(PackError::corrupt(0, "the first bytes are not PACK"));
        }
        let version = u32::from_be_bytes(reader.array()?);
        if version != 2 {
            return Err(PackError::corrupt(4, format!("version {version} is unknown")));
        }
        let entries = u32::from_be_bytes(reader.array()?);
        LimitError::check(PackLimit::Objects, entries.into(), limits.objects.into())?;
        Ok((reader, entries))
    }

    /// Bytes read so far.
    pub(crate) fn position(&self) -> u64 {
        self.at
    }

    /// What was read so far.
    pub(crate) fn bytes(&self) -> &PackBytes {
        &self.bytes
    }

    /// Reads the header of the next entry.
    pub(crate) fn header(&mut self) -> Result<EntryHeader, PackError> {
        let start = self.at;
        let first = self.byte()?;
        let size = self.size(first)?;
        LimitError::check(PackLimit::Object, size, self.largest)?;
        let encoding = match (first >> 4) & 7 {
            1 => Encoding::Whole(Kind::Commit),
            2 => Encoding::Whole(Kind::Tree),
            3 => Encoding::Whole(Kind::Blob),
            4 => Encoding::Whole(Kind::Tag),
            6 => Encoding::DeltaOfOffset(self.base_offset(start)?),
            7 => Encoding::DeltaOf(ObjectId::Sha1(self.array::<ID_LENGTH>()?)),
            other => {
                return Err(PackError::corrupt(start, format!("object type {other} is unknown")));
            }
        };
        Ok(EntryHeader { start, data: self.at, size, encoding })
    }

    /// Inflates the entry whose header was just read.
    pub(crate) fn inflate(&mut self, header: &EntryHeader) -> Result<Vec<u8>, PackError> {
        let mut out = self.inflater.begin(header.size);
        loop {
            let input = fill(self.stream, self.at)?;
            let (used, done) = self
                .inflater
                .feed(input, &mut out, header.size)
                .map_err(|what| PackError::corrupt(header.start, what))?;
            let (now, _) = input.split_at_checked(used).unwrap_or((input, &[]));
            self.bytes.push(now)?;
            self.stream.consume(used);
            self.at += used as u64;
            if done {
                return Ok(out);
            }
        }
    }

    /// Inflates the entry whose header was just read, and gives its bytes to `each` in pieces, each with how many bytes
    /// of the pack have been read by then.
    pub(crate) fn skim(
        &mut self,
        header: &EntryHeader,
        each: &mut impl FnMut(&[u8], u64) -> Result<(), PackError>,
    ) -> Result<(), PackError> {
        let mut out = vec![0; PIECE];
        let zlib = self.inflater.begin_stream();
        loop {
            let input = fill(self.stream, self.at)?;
            let step = InflateStep::take(zlib, input, &mut out, header.size)
                .map_err(|what| PackError::corrupt(header.start, what))?;
            self.bytes.push(input.split_at(step.used).0)?;
            self.stream.consume(step.used);
            self.at += step.used as u64;
            each(out.split_at(step.made).0, self.at)?;
            if step.done {
                return Ok(());
            }
        }
    }

    /// Reads the checksum after the last entry and hands over the bytes.
    pub(crate) fn finish(mut self) -> Result<PackBytes, PackError> {
        let checksum = self.unkept::<ID_LENGTH>()?;
        self.bytes.finish(&checksum)?;
        Ok(self.bytes)
    }

    fn byte(&mut self) -> Result<u8, PackError> {
        let [byte] = self.array::<1>()?;
        Ok(byte)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], PackError> {
        let out = self.unkept()?;
        self.bytes.push(&out)?;
        Ok(out)
    }

    fn unkept<const N: usize>(&mut self) -> Result<[u8; N], PackError> {
        let mut out = [0; N];
        let mut left = out.as_mut_slice();
        while !left.is_empty() {
            let input = fill(self.stream, self.at)?;
            let count = input.len().min(left.len());
            let (now, later) = left.split_at_mut(count);
            for (to, from) in now.iter_mut().zip(input) {
                *to = *from;
            }
            self.stream.consume(count);
            self.at += count as u64;
            left = later;
        }
        Ok(out)
    }

    /// Four bits of size in the first byte, then groups of seven.
    fn size(&mut self, first: u8) -> Result<u64, PackError> {
        let mut size = u64::from(first & 15);
        let mut more = first & 0x80 != 0;
        let mut shift = 4;
        while more {
            let next = self.byte()?;
            let group = u64::from(next & 0x7f);
            if shift > 60 || (group << shift) >> shift != group {
                return Err(PackError::corrupt(self.at, "a size does not fit 64 bits"));
            }
            size |= group << shift;
            shift += 7;
            more = next & 0x80 != 0;
        }
        Ok(size)
    }

    fn base_offset(&mut self, start: u64) -> Result<u64, PackError> {
        let outside = || PackError::corrupt(start, "a delta's base is outside the pack");
        let mut next = self.byte()?;
        let mut distance = u64::from(next & 0x7f);
        while next & 0x80 != 0 {
            next = self.byte()?;
            distance = distance
                .checked_add(1)
                .and_then(|value| value.checked_mul(128))
                .ok_or_else(outside)?
                | u64::from(next & 0x7f);
        }
        start.checked_sub(distance).filter(|base| *base < start).ok_or_else(outside)
    }
}

/// Some bytes of the stream, never none.
fn fill(stream: &mut dyn BufRead, at: u64) -> Result<&[u8], PackError> {
    // The borrow of a returned buffer would last over the loop, so what is there is asked twice.
    loop {
        match stream.fill_buf() {
            Ok([]) => return Err(PackError::Truncated { at, source: None }),
            Ok(_) => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(broken(at, error)),
        }
    }
    match stream.fill_buf() {
        Ok([]) => Err(PackError::Truncated { at, source: None }),
        Ok(bytes) => Ok(bytes),
        Err(error) => Err(broken(at, error)),
    }
}

fn broken(at: u64, error: std::io::Error) -> PackError {
    if error.kind() == ErrorKind::UnexpectedEof {
        PackError::Truncated { at, source: Some(error) }
    } else {
        PackError::Stream { at, source: error }
    }
}
