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
pub(super) struct Families<'f, 'a> {
    pub(super) objects: &'f PackObjects<'f>,
    pub(super) bytes: &'f PackBytes,
    pub(super) checkout: &'f Checkout<'a>,
    pub(super) base: Option<&'f Base<'f>>,
    /// Blobs that had their turn on arrival, by entry number; some may be wanted still.
    pub(super) planted: &'f [Option<ObjectId>],
    /// Largest object, in bytes.
    pub(super) largest: u64,
    pub(super) cancel: &'f (dyn Fn() -> bool + Sync),
}

/// What a family descends from.
enum Root {
    /// A whole blob in the pack.
    Entry(u32),
    /// A file of the previous entry.
    Kept(ObjectId),
}

/// Deltas waiting for their turn, each with its base.
type Waiting = Vec<(u32, Arc<Vec<u8>>)>;

impl Families<'_, '_> {
    /// Plants all blobs that were not planted on arrival.
    pub(super) fn plant(&self) -> Result<(), PackError> {
        let open = self.open();
        let roots = self.roots(&open);
        roots
            .par_iter()
            .try_for_each_init(Inflater::new, |inflater, root| self.family(root, &open, inflater))
    }

    /// Marks the entries that are to be made: unknown or wanted, or needed for one that is.
    fn open(&self) -> Vec<AtomicBool> {
        let wanted = |id: &Option<ObjectId>| id.is_none_or(|id| self.checkout.wants(&id));
        let mut open: Vec<AtomicBool> =
            self.planted.iter().map(|id| AtomicBool::new(wanted(id))).collect();
        let needed = |open: &[AtomicBool], number: usize| {
            let below = u32::try_from(number).map(|number| self.objects.deltas_of_entry(number));
            let of_id = self.planted.get(number).copied().flatten();
            below.unwrap_or_default().iter().any(|delta| is_open(open, *delta))
                || of_id.is_some_and(|id| !self.objects.deltas_of(&id).is_empty())
        };
        // A delta's base by offset comes before it, so from the end every answer is known.
        for number in (0..open.len()).rev() {
            if needed(&open, number)
                && let Some(slot) = open.get_mut(number)
            {
                *slot.get_mut() = true;
            }
        }
        open
    }

    fn roots(&self, open: &[AtomicBool]) -> Vec<Root> {
        let entries = (0u32..).zip(self.objects.entries());
        let whole = entries.filter(|(number, entry)| entry.is_blob && is_open(open, *number));
        let mut roots: Vec<Root> = whole.map(|(number, _)| Root::Entry(number)).collect();
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
        open: &[AtomicBool],
        inflater: &mut Inflater,
    ) -> Result<(), PackError> {
        let mut waiting = Waiting::new();
        match root {
            Root::Kept(id) => {
                let contents = Arc::new(self.read_kept(id)?);
                let deltas = self.objects.deltas_of(id).iter();
                waiting.extend(deltas.map(|delta| (*delta, contents.clone())));
            }
            Root::Entry(number) => {
                let data = self.inflate(*number, inflater)?;
                self.arrive(*number, data, open, &mut waiting)?;
            }
        }
        while let Some((number, base)) = waiting.pop() {
            if (self.cancel)() {
                return Err(PackError::Cancelled);
            }
            // Two copies of one base in a pack would both claim its deltas.
            if !open.get(number as usize).is_some_and(|open| open.swap(false, Ordering::Relaxed)) {
                continue;
            }
            let data = self.apply(number, &base, inflater)?;
            drop(base);
            self.arrive(number, data, open, &mut waiting)?;
        }
        Ok(())
    }

    /// Plants an object, unless it was, and adds its deltas to those waiting.
    fn arrive(
        &self,
        number: u32,
        data: Vec<u8>,
        open: &[AtomicBool],
        waiting: &mut Waiting,
    ) -> Result<(), PackError> {
        let id = match self.planted.get(number as usize).copied().flatten() {
            Some(id) => id,
            None => hash_of(Kind::Blob, &data)?,
        };
        self.checkout.plant(&id, &data)?;
        let deltas = [self.objects.deltas_of_entry(number), self.objects.deltas_of(&id)];
        let data = Arc::new(data);
        let deltas = deltas.into_iter().flatten().filter(|delta| is_open(open, **delta));
        waiting.extend(deltas.map(|delta| (*delta, data.clone())));
        Ok(())
    }

    fn inflate(&self, number: u32, inflater: &mut Inflater) -> Result<Vec<u8>, PackError> {
        match self.objects.entries().get(number as usize) {
            Some(entry) => self.bytes.inflate(entry.data..entry.end, entry.size, inflater),
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

fn is_open(open: &[AtomicBool], number: u32) -> bool {
    open.get(number as usize).is_some_and(|open| open.load(Ordering::Relaxed))
}
