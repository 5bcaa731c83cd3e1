//! The blobs that are deltas: every family of them from its base down, families in parallel.
//!
//! A base is inflated once, however many deltas it has, and let go when the last of them has been
//! made: a chain of any length needs two objects at a time.
//!
//! Limits: one family is the work of one thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gix::ObjectId;
use gix::objs::Kind;
use rayon::prelude::*;

use crate::acquire::base::{Base, hash_of};
use crate::acquire::checkout::Checkout;
use crate::acquire::delta::{self, DeltaError};
use crate::acquire::pack_bytes::{Inflater, PackBytes};
use crate::acquire::pack_error::PackError;
use crate::acquire::pack_objects::PackObjects;

/// See the module.
pub(super) struct Families<'f> {
    pub(super) objects: &'f PackObjects<'f>,
    pub(super) bytes: &'f PackBytes,
    pub(super) checkout: &'f Checkout<'f>,
    pub(super) base: Option<&'f Base<'f>>,
    /// Largest object, in bytes.
    pub(super) largest: u64,
    pub(super) cancel: &'f (dyn Fn() -> bool + Sync),
}

/// What a family descends from.
enum Root {
    /// A whole blob in the pack; with its id when it was planted on arrival.
    Entry(u32, Option<ObjectId>),
    /// A file of the previous entry.
    Kept(ObjectId),
}

impl Families<'_> {
    /// Plants all blobs that were not planted on arrival; those are `planted`, by entry number.
    pub(super) fn plant(&self, planted: &[Option<ObjectId>]) -> Result<(), PackError> {
        let roots = self.roots(planted);
        let taken: Vec<AtomicBool> =
            self.objects.entries().iter().map(|_| AtomicBool::new(false)).collect();
        roots
            .par_iter()
            .try_for_each_init(Inflater::new, |inflater, root| self.family(root, &taken, inflater))
    }

    fn roots(&self, planted: &[Option<ObjectId>]) -> Vec<Root> {
        let blobs = (0u32..).zip(self.objects.entries()).filter(|(_, entry)| entry.is_blob);
        let mut roots: Vec<Root> = blobs
            .map(|(number, _)| Root::Entry(number, planted.get(number as usize).copied().flatten()))
            .filter(|root| match root {
                Root::Entry(number, Some(id)) => {
                    !self.objects.deltas_of_entry(*number).is_empty()
                        || !self.objects.deltas_of(id).is_empty()
                }
                _ => true,
            })
            .collect();
        let kept = self
            .objects
            .delta_bases()
            .filter(|id| self.base.is_some_and(|base| base.file_of(id).is_some()));
        roots.extend(kept.map(|id| Root::Kept(*id)));
        roots
    }

    fn family(
        &self,
        root: &Root,
        taken: &[AtomicBool],
        inflater: &mut Inflater,
    ) -> Result<(), PackError> {
        let mut waiting: Vec<(u32, Arc<Vec<u8>>)> = Vec::new();
        match root {
            Root::Kept(id) => {
                let contents = Arc::new(self.read_kept(id)?);
                waiting.extend(
                    self.objects.deltas_of(id).iter().map(|delta| (*delta, contents.clone())),
                );
            }
            Root::Entry(number, id) => {
                let data = self.inflate(*number, inflater)?;
                let id = match id {
                    Some(id) => *id,
                    None => self.arrive(&data)?,
                };
                self.file(*number, &id, data, &mut waiting);
            }
        }
        while let Some((number, base)) = waiting.pop() {
            if (self.cancel)() {
                return Err(PackError::Cancelled);
            }
            // Two copies of one base in a pack would both claim its deltas.
            if taken.get(number as usize).is_none_or(|taken| taken.swap(true, Ordering::Relaxed)) {
                continue;
            }
            let data = self.apply(number, &base, inflater)?;
            drop(base);
            let id = self.arrive(&data)?;
            self.file(number, &id, data, &mut waiting);
        }
        Ok(())
    }

    fn arrive(&self, data: &[u8]) -> Result<ObjectId, PackError> {
        let id = hash_of(Kind::Blob, data)?;
        self.checkout.plant(&id, data)?;
        Ok(id)
    }

    /// Adds the deltas of an object to those waiting.
    fn file(
        &self,
        number: u32,
        id: &ObjectId,
        data: Vec<u8>,
        waiting: &mut Vec<(u32, Arc<Vec<u8>>)>,
    ) {
        let deltas = [self.objects.deltas_of_entry(number), self.objects.deltas_of(id)];
        let data = Arc::new(data);
        waiting.extend(deltas.into_iter().flatten().map(|delta| (*delta, data.clone())));
    }

    fn inflate(&self, number: u32, inflater: &mut Inflater) -> Result<Vec<u8>, PackError> {
        match self.objects.entries().get(number as usize) {
            Some(entry) => self.bytes.inflate(entry.data, entry.size, inflater),
            None => Err(PackError::corrupt(0, "an entry is not in the table")),
        }
    }

    fn apply(
        &self,
        number: u32,
        base: &[u8],
        inflater: &mut Inflater,
    ) -> Result<Vec<u8>, PackError> {
        let delta = self.inflate(number, inflater)?;
        delta::apply(base, &delta, self.largest).map_err(|error| match error {
            DeltaError::TooLarge(size) => {
                PackError::TooLarge { what: "an object", size, limit: self.largest }
            }
            other => {
                let at = self.objects.entries().get(number as usize).map_or(0, |entry| entry.data);
                PackError::corrupt(at, other.to_string())
            }
        })
    }

    fn read_kept(&self, id: &ObjectId) -> Result<Vec<u8>, PackError> {
        let missing = || PackError::MissingObject { id: *id, path: "".into() };
        let base = self.base.ok_or_else(missing)?;
        base.read(base.file_of(id).ok_or_else(missing)?, id)
    }
}
