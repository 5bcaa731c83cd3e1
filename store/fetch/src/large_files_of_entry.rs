//! The contents of Git LFS that an entry has, for others who want them: each is a file of the entry, and its name is its
//! SHA-256.

use std::{
    io::{self, Read as _},
    path::PathBuf,
};

use gix::bstr::{BStr, BString, ByteSlice as _};
use modstore_core::{Cancel, disk::open_regular};
use sha2::{Digest as _, Sha256};

use crate::{
    errors::PackError, fetched_commit::BaseEntry, lfs::read_pointer, pack::os_path,
    pack_of_entry::PackingError,
};

/// Bytes read and hashed at once.
const CHUNK: usize = 256 << 10;

/// A content of Git LFS that an entry has.
#[derive(Debug, Clone)]
pub struct EntryContent {
    /// 64 lower-case digits.
    pub sha256: String,
    /// Where it lies.
    pub path: PathBuf,
    /// Where in the entry that is.
    file: BString,
}

impl BaseEntry {
    /// The contents of its own files, and not of those in its submodules.
    #[must_use]
    pub fn large_files(&self) -> Vec<EntryContent> {
        let base = self.as_base();
        let is_own = |path: &BString| {
            let within = |(at, _): &(BString, _)| {
                path.strip_prefix(at.as_slice()).is_some_and(|rest| rest.starts_with(b"/"))
            };
            !self.git.submodules.iter().any(within)
        };
        let own = base.replaced().filter(|(file, _)| is_own(&file.path));
        let large = own.filter_map(|(file, pointer)| {
            let (sha256, size, _) = read_pointer(pointer)?;
            let path = self.root.join(os_path(file.path.as_bstr()));
            // What a person has made of the pointer is not what it names.
            let is_named = size > 0 && size == file.size;
            is_named.then(|| EntryContent { sha256, path, file: file.path.clone() })
        });
        large.collect()
    }
}

impl EntryContent {
    /// The file of the entry, or of the submodule, that has it.
    #[must_use]
    pub fn file(&self) -> &BStr {
        self.file.as_bstr()
    }

    /// Reads it, whether it is what its name says.
    ///
    /// # Errors
    /// It is not, or cannot be read.
    pub fn check(&self, cancel: &Cancel) -> Result<(), PackingError> {
        let damaged = |source: Option<io::Error>| {
            let source = source.map(Into::into);
            PackingError::Damaged(PackError::BaseDamaged { path: self.file.clone(), source })
        };
        let mut file = open_regular(&self.path).map_err(|error| damaged(Some(error)))?;
        let (mut sum, mut chunk) = (Sha256::new(), vec![0; CHUNK]);
        loop {
            if cancel.is_cancelled() {
                return Err(PackingError::Cancelled);
            }
            match file.read(&mut chunk).map_err(|error| damaged(Some(error)))? {
                0 => break,
                read => sum.update(chunk.get(..read).unwrap_or_default()),
            }
        }
        let found = blake3::Hash::from_bytes(sum.finalize().into()).to_hex();
        if found.as_str() == self.sha256 { Ok(()) } else { Err(damaged(None)) }
    }
}
