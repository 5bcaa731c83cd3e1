//! [`OtherPlace`]: a place that needs no trust and may have contents, asked before the repository's own.
//!
//! Limits: a content that breaks off is not taken up again where it was.

use std::{
    io::{self, Read},
    path::Path,
};

use modstore_core::disk::{DiskError, StreamError, Verb};
use sha2::{Digest as _, Sha256};

use super::{
    endpoint::Endpoint,
    objects::{Claim, Claimed, StagedContent},
    pointer::Oid,
    transfer::{Contents, Transfer, WantedContent, summary},
};
use crate::errors::{AcquireError, LfsError};

/// Takes the bytes that a place has under a name, which is for errors. Only the right ones are taken; with an error, others
/// may be offered.
pub type TakeContent<'t> = dyn FnMut(&mut dyn Read, &str) -> Result<(), AcquireError> + 't;

/// See the module.
pub trait OtherPlace: Sync {
    /// Offers the bytes of the content with this SHA-256, if they are there; whether they were taken.
    ///
    /// # Errors
    /// Those of `take` that are not the place's fault.
    fn offer(&self, sha256: &str, take: &mut TakeContent<'_>) -> Result<bool, AcquireError>;

    /// Whether it takes the place of the repository's own, which is not asked then.
    fn is_only(&self) -> bool;
}

impl Transfer<'_> {
    /// Brings these contents, those that `other` has from there.
    pub(super) fn bring_from_all(
        &self,
        other: Option<&dyn OtherPlace>,
        mut wanted: Vec<WantedContent>,
        own: impl FnOnce() -> Result<Endpoint, LfsError>,
    ) -> Result<Contents, AcquireError> {
        let Some(other) = other else { return self.bring(own()?, &wanted) };
        self.progress.expect(wanted.len());
        let (some, empty): (Vec<_>, Vec<_>) = wanted.into_iter().partition(|it| it.size > 0);
        let bring = |content: &WantedContent| self.offered(other, content);
        let mut contents = self.side_by_side(&some, &bring)?;
        wanted = some.into_iter().filter(|it| !contents.contains_key(&it.oid)).collect();
        match wanted.first() {
            Some(first) if other.is_only() => {
                let (files, sha256) = (summary(&wanted), first.oid.to_string());
                return Err(LfsError::NotAsked { files, sha256 }.into());
            }
            None if empty.is_empty() => return Ok(contents),
            _ => wanted.extend(empty),
        }
        contents.extend(self.bring(own()?, &wanted)?);
        Ok(contents)
    }

    /// A content, if the place has it.
    fn offered(
        &self,
        other: &dyn OtherPlace,
        content: &WantedContent,
    ) -> Result<Option<StagedContent>, AcquireError> {
        let claimed = match self.objects.claim(content.oid, "", self.cancel) {
            Claim::Done(staged) => return Ok(Some(staged)),
            Claim::Cancelled => return Err(AcquireError::Cancelled),
            Claim::Mine(claimed) => claimed,
        };
        let mut staged = None;
        other.offer(&content.oid.to_string(), &mut |bytes, at| {
            staged = Some(self.take(&claimed, content, bytes, at)?);
            Ok(())
        })?;
        Ok(staged)
    }

    fn take(
        &self,
        claimed: &Claimed<'_>,
        content: &WantedContent,
        bytes: &mut dyn Read,
        at: &str,
    ) -> Result<StagedContent, AcquireError> {
        let mut checked = CheckedContent::new(bytes, content);
        let written = claimed.write(self.disk, self.staging, &mut checked);
        let came = content.size - checked.left;
        let wrong = checked.wrong.take();
        let staged = written.map_err(|error| match (error, wrong) {
            (_, Some(found)) => {
                let (files, url) = (content.files.clone(), at.to_owned());
                LfsError::WrongContent { files, url, found }.into()
            }
            (StreamError::Disk(error), None) => AcquireError::Write(error),
            (StreamError::Read(error), None) => {
                AcquireError::Write(DiskError::new(Verb::Read, Path::new(at), error))
            }
        })?;
        self.progress.came(came);
        Ok(staged)
    }
}

/// Bytes that are given on as long as they may be the content; an error at the end, when they are not.
struct CheckedContent<'r> {
    bytes: &'r mut dyn Read,
    oid: Oid,
    left: u64,
    sum: Sha256,
    wrong: Option<String>,
}

impl<'r> CheckedContent<'r> {
    fn new(bytes: &'r mut dyn Read, content: &WantedContent) -> Self {
        Self { bytes, oid: content.oid, left: content.size, sum: Sha256::new(), wrong: None }
    }

    fn refuse(&mut self, why: String) -> io::Error {
        self.wrong = Some(why.clone());
        io::Error::new(io::ErrorKind::InvalidData, why)
    }
}

impl Read for CheckedContent<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.bytes.read(out)?;
        let Some(left) = self.left.checked_sub(read as u64) else {
            return Err(self.refuse("more bytes than it should have".to_owned()));
        };
        self.left = left;
        self.sum.update(out.get(..read).unwrap_or_default());
        if read > 0 || out.is_empty() {
            return Ok(read);
        }
        if left > 0 {
            return Err(self.refuse(format!("{left} bytes are missing at its end")));
        }
        let found = Oid::of(self.sum.clone());
        if found == self.oid {
            return Ok(0);
        }
        let why = format!("its SHA-256 is {found}, and not {}", self.oid);
        Err(self.refuse(why))
    }
}
