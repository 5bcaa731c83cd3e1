//! An object that deltas are applied to: in memory, or in a file where memory has no room for it.
//!
//! Limits: knows nothing of who needs it, nor what its id is.

use std::{
    fs::File,
    io::{self, Read, Write},
    os::unix::fs::FileExt,
};

use super::{
    allowance::{Allowance, Room},
    delta::{DeltaError, ReadAt},
};
use crate::errors::PackError;

/// See the module.
pub(crate) enum Content<'a> {
    /// In memory.
    Memory {
        /// The object.
        bytes: Vec<u8>,
        /// Holds the memory.
        _room: Room,
    },
    /// In a file without a name.
    Scratch(Scratch<'a>),
    /// In a file of the previous entry.
    BaseFile {
        /// The file.
        file: File,
        /// Its bytes.
        size: u64,
    },
}

/// A file of the staging without a name, counted as long as it lives.
pub(crate) struct Scratch<'a> {
    file: File,
    size: u64,
    allowance: &'a Allowance<'a>,
}

impl<'a> Scratch<'a> {
    /// An empty one.
    pub(crate) fn new(allowance: &'a Allowance<'a>) -> Result<Scratch<'a>, PackError> {
        Ok(Scratch { file: allowance.scratch()?, size: 0, allowance })
    }

    /// Bytes in it.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Appends `bytes`.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<(), PackError> {
        self.allowance.count_staged(bytes.len() as u64)?;
        self.size += bytes.len() as u64;
        self.file.write_all(bytes).map_err(|source| self.allowance.scratch_error(source))
    }

    /// The `size` bytes at `offset`.
    pub(crate) fn read(&self, offset: u64, size: usize) -> Result<Vec<u8>, PackError> {
        let mut bytes = vec![0; size];
        let read = self.file.read_exact_at(&mut bytes, offset);
        read.map(|()| bytes).map_err(|source| self.allowance.scratch_error(source))
    }
}

impl Drop for Scratch<'_> {
    fn drop(&mut self) {
        self.allowance.release_staged(self.size);
    }
}

impl ReadAt for Content<'_> {
    fn size(&self) -> u64 {
        match self {
            Content::Memory { bytes, .. } => bytes.len() as u64,
            Content::Scratch(scratch) => scratch.size,
            Content::BaseFile { size, .. } => *size,
        }
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        match self {
            Content::Memory { bytes, .. } => {
                let offset = usize::try_from(offset).unwrap_or(usize::MAX);
                let rest = bytes.get(offset..).and_then(|rest| rest.get(..out.len()));
                out.copy_from_slice(rest.ok_or(io::ErrorKind::UnexpectedEof)?);
                Ok(())
            }
            Content::Scratch(scratch) => scratch.file.read_exact_at(out, offset),
            Content::BaseFile { file, .. } => file.read_exact_at(out, offset),
        }
    }
}

impl Content<'_> {
    /// The object as a stream.
    pub(crate) fn reader(&self) -> impl Read + '_ {
        ContentReader { content: self, at: 0 }
    }
}

struct ContentReader<'c, 'a> {
    content: &'c Content<'a>,
    at: u64,
}

impl Read for ContentReader<'_, '_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let left = self.content.size() - self.at;
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(out.len());
        self.content.read_at(self.at, out.split_at_mut(count).0)?;
        self.at += count as u64;
        Ok(count)
    }
}

/// Calls `each` with all of `stream`, piece by piece, as long as the work goes on. `at` is where it is in the pack.
pub(crate) fn drain(
    stream: &mut dyn Read,
    at: u64,
    allowance: &Allowance<'_>,
    each: &mut dyn FnMut(&[u8]) -> Result<(), PackError>,
) -> Result<(), PackError> {
    let mut piece = vec![0; 256 << 10];
    loop {
        allowance.check_cancelled()?;
        match stream.read(&mut piece).map_err(|error| from_stream(error, at, allowance))? {
            0 => return Ok(()),
            read => each(piece.split_at(read).0)?,
        }
    }
}

/// The error of a stream that is made of a pack.
pub(crate) fn from_stream(error: io::Error, at: u64, allowance: &Allowance<'_>) -> PackError {
    let error = match error.downcast::<PackError>() {
        Ok(error) => return error,
        Err(error) => error,
    };
    match error.downcast::<DeltaError>() {
        Ok(error) => PackError::corrupt(at, error.to_string()),
        Err(error) => allowance.scratch_error(error),
    }
}
