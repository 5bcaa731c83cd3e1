//! [`Salvage`]: every whole frame of a damaged journal, wherever it lies.
//!
//! A whole frame is right about its own transaction. [`rebuild`](super::rebuild()) finds out elsewhere what is missing
//! between two of them.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    commit::{DecodeError, EntryInfo, Frame, FrameError, Link, Record},
    model::{Binding, Digest, Generation, ModuleName},
};

/// The least bytes that any frame has.
const SMALLEST_FRAME: usize = 52;

/// What is left of a journal.
#[derive(Debug, Default)]
pub(super) struct Salvage {
    /// Whole frames by their sequence, and the hash that the next of each names.
    pub(super) frames: BTreeMap<u64, (Frame, Link)>,
    /// Bytes between and after them.
    pub(super) lost: usize,
}

impl Salvage {
    /// Reads every whole frame in `bytes`.
    ///
    /// # Errors
    /// A frame is whole and holds records that this version does not know: a newer one has written it.
    pub(super) fn of(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut salvage = Self::default();
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            match Frame::read(rest) {
                Ok((frame, length, link)) => {
                    salvage.frames.insert(frame.sequence, (frame, link));
                    at += length;
                }
                Err(FrameError::Records(unknown)) => return Err(unknown),
                Err(FrameError::Cut | FrameError::Damaged(_)) => {
                    salvage.lost += 1;
                    at += 1;
                }
            }
        }
        Ok(salvage)
    }

    /// The frames in order, each with whether it follows the one before without a gap. The first does
    /// when nothing was before it.
    pub(super) fn in_order(&self) -> impl Iterator<Item = (&Frame, bool)> {
        let mut before = (0, Link::default());
        self.frames.values().map(move |(frame, link)| {
            let is_checkpoint = matches!(frame.records.first(), Some(Record::Checkpoint { .. }));
            let follows = (frame.sequence, frame.previous) == (before.0 + 1, before.1);
            before = (frame.sequence, *link);
            (frame, follows || is_checkpoint)
        })
    }

    /// A sequence above every one that this journal can have had, and the hash its frame names.
    pub(super) fn next(&self, head: Option<Generation>) -> (u64, Link) {
        let last = self.frames.last_key_value();
        let (sequence, link) = last.map_or_else(Default::default, |(at, (_, link))| (*at, *link));
        let lost = self.lost / SMALLEST_FRAME;
        let known = sequence.saturating_add(lost as u64);
        (known.max(head.map_or(0, Generation::number)) + 1, link)
    }

    fn records(&self) -> impl Iterator<Item = &Record> {
        self.frames.values().flat_map(|(frame, _)| &frame.records)
    }

    /// Every binding in any frame, newest first.
    pub(super) fn bindings(&self) -> Vec<(&ModuleName, &Binding)> {
        let bound = self.records().filter_map(|record| match record {
            Record::Bound { module, binding } => Some((module, binding)),
            _ => None,
        });
        let mut bound: Vec<_> = bound.collect();
        bound.reverse();
        bound
    }

    /// The generations that a frame retires.
    pub(super) fn retired(&self) -> BTreeSet<Generation> {
        let retired = self.records().filter_map(|record| match record {
            Record::Retired { number } => Some(*number),
            _ => None,
        });
        retired.collect()
    }

    /// The last record about each thing. `about` says what a record is about, and whether it holds or ends it.
    fn last_of<'r, K: Ord>(
        &'r self,
        about: impl Fn(&'r Record) -> Option<(K, bool)>,
    ) -> Vec<Record> {
        let mut last = BTreeMap::new();
        for record in self.records() {
            if matches!(record, Record::Checkpoint { .. }) {
                last.clear();
            }
            match about(record) {
                Some((key, true)) => drop(last.insert(key, record)),
                Some((key, false)) => drop(last.remove(&key)),
                None => {}
            }
        }
        last.into_values().cloned().collect()
    }

    /// The last try of each module, as far as it is in a frame.
    pub(super) fn attempts(&self) -> Vec<Record> {
        self.last_of(|record| match record {
            Record::Attempted { module, .. } => Some((module, true)),
            Record::Cleared { module } => Some((module, false)),
            _ => None,
        })
    }

    /// The modules that updates leave as they are, as far as that is in a frame.
    pub(super) fn holds(&self) -> Vec<Record> {
        self.last_of(|record| match record {
            Record::Held { module, .. } => Some((module, true)),
            Record::Released { module } => Some((module, false)),
            _ => None,
        })
    }

    /// The links at places of hosts', as far as they are in a frame.
    pub(super) fn exposed(&self) -> Vec<Record> {
        self.last_of(|record| match record {
            Record::Exposed { place, .. } => Some((place, true)),
            Record::Unexposed { place } => Some((place, false)),
            _ => None,
        })
    }

    /// The commits that modules wait for, as far as they are in a frame.
    pub(super) fn sightings(&self) -> Vec<Record> {
        self.last_of(|record| match record {
            Record::Sighted { module, .. } => Some((module, true)),
            Record::Unsighted { module } => Some((module, false)),
            _ => None,
        })
    }

    /// What is known of the inputs of modules, as far as that is in a frame.
    pub(super) fn inputs(&self) -> Vec<Record> {
        self.last_of(|record| match record {
            Record::Inputs { module, .. } => Some((module, true)),
            _ => None,
        })
    }

    /// On which platform trees were built, as far as that is in a frame.
    pub(super) fn built_on(&self) -> Vec<Record> {
        self.last_of(|record| match record {
            Record::BuiltOn { digest, key, .. } => Some(((digest, key), true)),
            _ => None,
        })
    }

    /// The entries of the frames.
    pub(super) fn entries(&self) -> BTreeMap<Digest, EntryInfo> {
        let mut entries = BTreeMap::new();
        for record in self.records() {
            match record {
                Record::Entered { digest, files, bytes } => {
                    entries.insert(*digest, EntryInfo { files: *files, bytes: *bytes });
                }
                Record::Forgotten { digest } => {
                    entries.remove(digest);
                }
                _ => {}
            }
        }
        entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three frames of one chain, and where each ends.
    fn chain() -> (Vec<u8>, Vec<usize>) {
        let (mut bytes, mut ends, mut previous) = (Vec::new(), Vec::new(), Link::default());
        for sequence in 1..=3 {
            let records = vec![Record::Unbound { module: format!("m{sequence}").parse().unwrap() }];
            let (frame, link) = Frame { sequence, previous, records }.to_bytes();
            bytes.extend(frame);
            ends.push(bytes.len());
            previous = link;
        }
        (bytes, ends)
    }

    #[test]
    fn a_flipped_bit_loses_its_own_frame_and_no_other() {
        let (bytes, ends) = chain();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let hit = ends.iter().position(|end| bit / 8 < *end).unwrap() as u64 + 1;
            let left: Vec<u64> = Salvage::of(&flipped).unwrap().frames.into_keys().collect();
            assert_eq!(left, [1, 2, 3].into_iter().filter(|at| *at != hit).collect::<Vec<_>>());
        }
    }

    #[test]
    fn swapped_frames_come_in_order_and_a_gap_is_noticed() {
        let (bytes, ends) = chain();
        let frames = [&bytes[..ends[0]], &bytes[ends[0]..ends[1]], &bytes[ends[1]..]];
        let follows = |order: &[usize]| -> Vec<bool> {
            let bytes: Vec<u8> = order.iter().flat_map(|at| frames[*at]).copied().collect();
            Salvage::of(&bytes).unwrap().in_order().map(|(_, follows)| follows).collect()
        };
        assert_eq!(follows(&[2, 0, 1, 1]), [true, true, true]);
        assert_eq!(follows(&[0, 2]), [true, false]);
        assert_eq!(follows(&[1, 2]), [false, true]);
    }

    #[test]
    fn the_next_sequence_is_above_all_that_can_have_been() {
        let (bytes, ends) = chain();
        let cut = Salvage::of(&[&bytes[..ends[0]], &[0; 2 * SMALLEST_FRAME]].concat()).unwrap();
        assert_eq!(cut.next(None).0, 4);
        assert_eq!(cut.next(Some(Generation::FIRST)).0, 4);
        assert_eq!(Salvage::default().next("7".parse().ok()).0, 8);
    }
}
