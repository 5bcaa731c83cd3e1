//! The [`Journal`]: append-only, one frame per transaction, the truth about the store.
//!
//! Reading takes no lock: a torn last frame may be one that is being written. Only a writer, who holds
//! the store's lock, cuts a torn end off, and keeps the bytes aside. Everything else that does not
//! verify is corruption, and then no process writes.
//!
//! A last frame that was acknowledged and rotted afterwards looks like a torn one from here; the
//! switch tells them apart, see [`transaction`](super::Transaction).

use std::{
    fs::{File, OpenOptions},
    path::{Path, PathBuf},
};

use super::{
    frame::{Frame, FrameError, Link},
    record::Record,
    state::State,
};
use crate::disk::{Disk, DiskError, OWN_FILE, Verb, open_own, read_own_if_there, read_whole};

/// The journal, open for one writer.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    sequence: u64,
    link: Link,
}

/// The journal cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// A frame in the middle does not verify. Nothing was changed.
    #[error("the journal {} is damaged at byte {at}", path.display())]
    Corrupt {
        /// The journal.
        path: PathBuf,
        /// Where the bad frame begins.
        at: usize,
        /// What is wrong with it.
        source: Option<FrameError>,
    },
    /// The disk failed. Whether a frame that was being appended is there is not known; it counts from
    /// the moment the next writer finds it whole.
    #[error("the journal cannot be used")]
    Disk(#[from] DiskError),
}

/// A journal, read and not opened.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    /// What it adds up to.
    pub state: State,
    /// How many frames it has.
    pub frames: u64,
    /// Where a torn end begins, if there is one, in bytes.
    pub torn: Option<usize>,
    /// What the next frame names.
    link: Link,
}

impl Journal {
    /// Makes an empty journal. Its name is not yet durable.
    ///
    /// # Errors
    /// When it is there already, or cannot be made.
    pub fn create(disk: &Disk, path: &Path) -> Result<(), DiskError> {
        disk.create_file(path, b"")
    }

    /// What the journal adds up to, for a reader. No journal is an empty one.
    ///
    /// # Errors
    /// When it is damaged or cannot be read.
    pub fn state(path: &Path) -> Result<State, JournalError> {
        Ok(Self::read(path)?.state)
    }

    /// The frames after the one of this number, for a reader. When the journal ends before it, which it does only
    /// when it was rebuilt, all there are.
    ///
    /// # Errors
    /// When it is damaged or cannot be read.
    pub fn frames(path: &Path, since: u64) -> Result<Vec<Frame>, JournalError> {
        let bytes = read_own_if_there(path)?.unwrap_or_default();
        let mut frames = Vec::new();
        let reading = read_frames(path, &bytes, &mut |frame| frames.push(frame.clone()))?;
        if reading.state.sequence() >= since {
            frames.retain(|frame| frame.sequence > since);
        }
        Ok(frames)
    }

    /// Reads the journal for an inspection. No journal is an empty one.
    ///
    /// # Errors
    /// When it is damaged or cannot be read.
    pub fn read(path: &Path) -> Result<Reading, JournalError> {
        let bytes = read_own_if_there(path)?.unwrap_or_default();
        read_frames(path, &bytes, &mut |_| {})
    }

    /// Opens the journal for the one who holds the store's lock, cutting off a torn end.
    ///
    /// # Errors
    /// Nothing was changed, except that a torn end may have been saved aside.
    pub fn open(disk: &Disk, path: &Path) -> Result<(Self, State), JournalError> {
        let failed = |verb| move |source| DiskError::new(verb, path, source);
        let file = open_own(path, OpenOptions::new().read(true).append(true))
            .map_err(failed(Verb::Append))?;
        let bytes = read_whole(&file, OWN_FILE).map_err(failed(Verb::Read))?;
        let Reading { state, torn, link, .. } = read_frames(path, &bytes, &mut |_| {})?;
        let journal = Self { path: path.to_owned(), file, sequence: state.sequence(), link };
        if let Some((length, torn)) = torn.and_then(|at| Some((at, bytes.get(at..)?))) {
            journal.cut(disk, torn, length)?;
        }
        Ok((journal, state))
    }

    fn cut(&self, disk: &Disk, torn: &[u8], length: usize) -> Result<(), DiskError> {
        let aside = self
            .path
            .with_file_name(format!("journal.torn-{}", crate::disk::random_name(&self.path)?));
        disk.create_file(&aside, torn)?;
        disk.truncate(&self.file, &self.path, length as u64)?;
        disk.sync_open_file(&self.file, &self.path)
    }

    /// Appends one frame, durably: the commit point.
    ///
    /// # Errors
    /// The frame may be there or not. The journal must not be used again.
    pub fn append(mut self, disk: &Disk, records: Vec<Record>) -> Result<Frame, JournalError> {
        let frame = Frame { sequence: self.sequence + 1, previous: self.link, records };
        let (bytes, _) = frame.to_bytes();
        disk.append(&mut self.file, &self.path, &bytes)?;
        disk.sync_open_file(&self.file, &self.path)?;
        Ok(frame)
    }

    /// Replaces the journal by one whose only frame is `checkpoint`, durably. A reader sees the old one
    /// or the new one. `spare` is a free name in the same file system.
    ///
    /// # Errors
    /// The journal is the old one or the new one, and says the same. It must not be used again.
    pub fn replace(
        self,
        disk: &Disk,
        spare: &Path,
        checkpoint: Vec<Record>,
    ) -> Result<(), JournalError> {
        let frame = Frame { sequence: self.sequence + 1, previous: self.link, records: checkpoint };
        Ok(disk.replace_file(&self.path, spare, &frame.to_bytes().0)?)
    }
}

/// A frame follows the one before it. The first has none, or begins with a checkpoint, which stands for
/// all that were before it and goes on with their count and their chain. There is no other checkpoint.
fn follows(frame: &Frame, before: &Reading) -> bool {
    let sequence = before.state.sequence();
    let is_checkpoint = |record: &Record| matches!(record, Record::Checkpoint { .. });
    let begins_anew = sequence == 0 && frame.records.first().is_some_and(is_checkpoint);
    let is_next = frame.sequence == sequence + 1 && frame.previous == before.link;
    let checkpoints = frame.records.iter().filter(|record| is_checkpoint(record)).count();
    (is_next || begins_anew) && checkpoints == usize::from(begins_anew)
}

/// Reads frame by frame, and shows each to `on_frame`.
fn read_frames(
    path: &Path,
    bytes: &[u8],
    on_frame: &mut dyn FnMut(&Frame),
) -> Result<Reading, JournalError> {
    let (mut reading, mut at) = (Reading::default(), 0);
    loop {
        let corrupt = |source| JournalError::Corrupt { path: path.to_owned(), at, source };
        let rest = bytes.get(at..).unwrap_or_default();
        match Frame::read(rest) {
            Ok((frame, length, link)) => {
                if !follows(&frame, &reading) {
                    return Err(corrupt(Some(FrameError::Damaged(
                        "it does not follow the one before",
                    ))));
                }
                on_frame(&frame);
                reading.state.apply(frame);
                reading.frames += 1;
                reading.link = link;
                at += length;
            }
            Err(error @ FrameError::Records(_)) => return Err(corrupt(Some(error))),
            // A torn end is followed by nothing: there is one append, and one sync, per frame.
            Err(error @ (FrameError::Cut | FrameError::Damaged(_))) => {
                let after = rest.get(1..).unwrap_or_default();
                return if Frame::begins_in(after) {
                    Err(corrupt(Some(error)))
                } else {
                    Ok(Reading { torn: (at < bytes.len()).then_some(at), ..reading })
                };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Generation;

    /// A journal of three frames, and where each ends.
    fn journal(path: &Path) -> Vec<usize> {
        let disk = Disk::default();
        Journal::create(&disk, path).unwrap();
        let mut number = Generation::FIRST;
        (0..3)
            .map(|_| {
                let records = vec![Record::Generation {
                    number,
                    at: 0,
                    reason: "test".into(),
                    restores: None,
                }];
                Journal::open(&disk, path).unwrap().0.append(&disk, records).unwrap();
                number = number.next();
                std::fs::metadata(path).unwrap().len() as usize
            })
            .collect()
    }

    fn generations(path: &Path) -> Result<usize, JournalError> {
        Journal::state(path).map(|state| state.generations().len())
    }

    #[test]
    fn a_flipped_bit_never_loses_a_later_frame() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let ends = journal(&path);
        let bytes = std::fs::read(&path).unwrap();
        for bit in 0..ends[1] * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&path, &flipped).unwrap();
            assert!(matches!(generations(&path), Err(JournalError::Corrupt { .. })), "bit {bit}");
            assert!(Journal::open(&Disk::default(), &path).is_err(), "bit {bit}");
            assert_eq!(
                std::fs::read(&path).unwrap(),
                flipped,
                "no process writes to a damaged journal"
            );
        }
    }

    #[test]
    fn a_torn_end_is_cut_off_by_the_writer_and_kept_aside() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let ends = journal(&path);
        let bytes = std::fs::read(&path).unwrap();
        for end in ends[1] + 1..ends[2] {
            std::fs::write(&path, &bytes[..end]).unwrap();
            assert_eq!(generations(&path).unwrap(), 2, "cut at {end}");
            Journal::open(&Disk::default(), &path).unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), &bytes[..ends[1]], "cut at {end}");
        }
        let kept = std::fs::read_dir(dir.path()).unwrap().count() - 1;
        assert_eq!(kept, ends[2] - ends[1] - 1, "each torn end is kept");
    }

    #[test]
    fn frames_that_are_swapped_dropped_or_replayed_are_corruption() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let ends = journal(&path);
        let bytes = std::fs::read(&path).unwrap();
        let frames = [&bytes[..ends[0]], &bytes[ends[0]..ends[1]], &bytes[ends[1]..]];
        for order in
            [[1, 0, 2].as_slice(), &[0, 2], &[0, 1, 1, 2], &[0, 1, 2, 2], &[1, 2], &[0, 2, 1]]
        {
            let shuffled: Vec<u8> = order.iter().flat_map(|at| frames[*at]).copied().collect();
            std::fs::write(&path, shuffled).unwrap();
            assert!(generations(&path).is_err(), "{order:?}");
        }
    }

    #[test]
    fn zeros_after_the_last_frame_are_a_torn_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        journal(&path);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, [bytes.as_slice(), &[0; 300]].concat()).unwrap();
        assert_eq!(generations(&path).unwrap(), 3);
    }
}
