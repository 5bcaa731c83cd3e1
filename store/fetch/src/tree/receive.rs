//! The receiving side: reads a pack front to back, walks the tree as it becomes known, and hands blobs to the workers.

use std::{cell::RefCell, io::BufRead};

use gix::{ObjectId, bstr::BStr, objs::Kind};
use modstore_core::events::Step;
use rayon::Scope;

use super::{
    checkout::BaseFile,
    options::UnpackOptions,
    plan::{PlannedFile, TreeWalk},
    workers::{Batch, Workers},
};
use crate::{
    errors::{LimitError, PackError},
    limits::PackLimit,
    pack::{
        Encoding, EntryHeader, Filed, FindObject, PackBytes, PackObjects, PackReader, Room,
        check_tag, finish, hash_of, hasher_of,
    },
    protocol::Tip,
};

/// Blobs up to this size are held for a worker, larger ones when the budget has room.
const HELD: u64 = 1 << 20;
/// Files of the previous entry are taken this many at a time.
const BATCH_KEPT: usize = 256;
/// Bytes between two reports of progress.
const REPORT_EVERY: u64 = 128 << 10;

/// Which tree of a pack is the root.
#[derive(Debug, Clone, Copy)]
pub(super) enum WantedRoot {
    /// That of the commit.
    Commit(Tip),
    /// The first tree. What comes of it has to be proven by who asked for it.
    First,
}

impl WantedRoot {
    pub(super) const fn tip(self) -> Option<Tip> {
        match self {
            Self::Commit(tip) => Some(tip),
            Self::First => None,
        }
    }
}

/// Reads a pack on one thread, front to back, and hands work to the others.
pub(super) struct PackReceiver<'r, 'scope, 'a> {
    pub(super) workers: &'scope Workers<'a>,
    pub(super) scope: &'r Scope<'scope>,
    pub(super) wanted: WantedRoot,
    pub(super) options: &'r UnpackOptions<'a>,
    /// The objects that a mirror had before; with them, the pack has more than the commit.
    pub(super) earlier: Option<&'a FindObject<'a>>,
    /// Files of the previous entry on their way to a worker.
    pub(super) kept: RefCell<Vec<BaseFile<'a>>>,
}

/// The state when the last byte is in.
pub(super) struct Received<'a> {
    pub(super) objects: PackObjects<'a>,
    pub(super) bytes: PackBytes,
    pub(super) walk: TreeWalk<'a>,
    pub(super) length: u64,
}

impl<'scope, 'a> PackReceiver<'_, 'scope, 'a> {
    pub(super) fn receive(
        &self,
        pack: &mut dyn BufRead,
        bytes: PackBytes,
    ) -> Result<Received<'a>, PackError> {
        let limits = &self.options.limits;
        let allowance = self.workers.allowance;
        let (mut reader, total) = PackReader::open(pack, bytes, limits)?;
        let mut objects = PackObjects::new(self.options.base, self.earlier, allowance);
        let mut walk = TreeWalk::new(self.options.folds, allowance);
        let mut batch = Batch::default();
        let mut reported = 0;
        for received in 0..total {
            self.workers.check_stopped()?;
            self.count_received(reader.position())?;
            if received == 0 || reader.position() - reported >= REPORT_EVERY {
                reported = reader.position();
                self.report(reported, received, total);
            }
            match self.entry(&mut reader, &mut objects)? {
                Arrival::Small => self.grow(&mut walk, &mut objects)?,
                Arrival::Blob { data, .. } if total == 1 => return Err(self.no_commit(&data)?),
                arrival => self.distribute(arrival, &mut batch)?,
            }
        }
        self.workers.give(self.scope, batch);
        let length = reader.position();
        objects.end_at(length);
        let bytes = reader.finish()?;
        self.report(length, total, total);
        match self.wanted {
            WantedRoot::Commit(tip) => {
                check_tag(tip, |id| objects.small(id))?;
                if !walk.has_root() {
                    self.start(&mut walk, &objects, objects.root_of(&tip.commit)?)?;
                }
            }
            WantedRoot::First if walk.has_root() => {}
            WantedRoot::First => return Err(PackError::corrupt(length, "there is no tree in it")),
        }
        self.give_base_files(self.kept.take());
        Ok(Received { objects, bytes, walk, length })
    }

    /// Walks on with the trees that have just become known.
    fn grow(
        &self,
        walk: &mut TreeWalk<'a>,
        objects: &mut PackObjects<'a>,
    ) -> Result<(), PackError> {
        for id in objects.take_arrived() {
            // An object that is no commit may be the target of a wrong tag: `check_tag` names the tag once all is there.
            match self.root(&id, objects).filter(|_| !walk.has_root()) {
                Some(root) => self.start(walk, objects, root?)?,
                None => {
                    walk.resume(&id, &|id| objects.tree(id), &mut |at, files| self.add(at, files))?;
                }
            }
        }
        Ok(())
    }

    /// The root, if this object says which one it is.
    fn root(
        &self,
        id: &ObjectId,
        objects: &PackObjects<'a>,
    ) -> Option<Result<ObjectId, PackError>> {
        match self.wanted {
            WantedRoot::Commit(tip) => {
                let says = *id == tip.commit && (tip.tag.is_none() || objects.is_commit(id));
                says.then(|| objects.root_of(id))
            }
            WantedRoot::First => match objects.tree(id) {
                Ok(found) => found.map(|_| Ok(*id)),
                Err(error) => Some(Err(error)),
            },
        }
    }

    /// The error for a pack of nothing but a blob: it may be the very object that was asked for.
    fn no_commit(&self, blob: &[u8]) -> Result<PackError, PackError> {
        let id = hash_of(Kind::Blob, blob)?;
        Ok(match self.wanted.tip() {
            Some(tip) if tip.commit == id => PackError::NotACommit { id },
            Some(tip) => PackError::MissingObject { id: tip.commit, path: "".into() },
            None => PackError::corrupt(0, "there is no tree in it"),
        })
    }

    fn start(
        &self,
        walk: &mut TreeWalk<'a>,
        objects: &PackObjects<'a>,
        root: ObjectId,
    ) -> Result<(), PackError> {
        walk.start(root, &|id| objects.tree(id), &mut |at, files| self.add(at, files))
    }

    /// Adds a directory's files, and gives those that the previous entry has to workers.
    fn add(&self, directory: &BStr, files: Vec<PlannedFile>) -> Result<(), PackError> {
        let mut kept = self.kept.take();
        kept.extend(self.workers.checkout.add(directory, files)?);
        if kept.len() >= BATCH_KEPT {
            self.give_base_files(std::mem::take(&mut kept));
        }
        self.kept.replace(kept);
        Ok(())
    }

    fn give_base_files(&self, kept: Vec<BaseFile<'a>>) {
        let workers = self.workers;
        self.scope.spawn(move |_| {
            workers.work(|checkout| {
                kept.into_iter().try_for_each(|kept| {
                    workers.check_stopped().and_then(|()| checkout.take_from_base(kept))
                })
            });
        });
    }

    /// Counts the bytes received so far.
    fn count_received(&self, bytes: u64) -> Result<(), LimitError> {
        self.workers.allowance.set_received(bytes);
        if self.earlier.is_some() {
            let most = self.options.limits.history;
            LimitError::check(PackLimit::History, bytes, most)
        } else {
            Ok(())
        }
    }

    fn report(&self, bytes: u64, objects: u32, total: u32) {
        let of = Some(total.into()).filter(|of| *of > 0);
        let objects = objects.into();
        (self.options.on_step)(Step::Receiving { bytes, objects, of });
    }

    /// Gives an arrival to the batch, and a full batch to a worker.
    fn distribute(&self, arrival: Arrival, batch: &mut Batch) -> Result<(), PackError> {
        let allowance = self.workers.allowance;
        match arrival {
            Arrival::Blob { number, at, data, room } => {
                if batch.is_full() {
                    self.workers.give(self.scope, std::mem::take(batch));
                }
                batch.add(number, at, data, room);
            }
            Arrival::Delta { number, at, delta, base, packed } => {
                match batch.add_delta(number, at, delta, base) {
                    Some(made) => allowance.count_unpacked(made)?,
                    None => allowance.count_unwanted(packed)?,
                }
            }
            Arrival::Large { number, id, size } => {
                if !self.workers.checkout.wants(&id) {
                    allowance.count_unwanted(size)?;
                }
                self.workers.note_ids(vec![(number, id)]);
            }
            Arrival::Waits { packed } => allowance.count_unwanted(packed)?,
            Arrival::Small => {}
        }
        Ok(())
    }

    fn entry(
        &self,
        reader: &mut PackReader<'_>,
        objects: &mut PackObjects<'_>,
    ) -> Result<Arrival, PackError> {
        let header = reader.header()?;
        let number = objects.enter(&header)?;
        match header.encoding {
            Encoding::Whole(Kind::Blob) => self.blob(number, &header, reader),
            Encoding::Whole(kind) => {
                objects.check_room(header.size)?;
                let _room = self.workers.allowance.hold(header.size)?;
                let data = reader.inflate(&header)?;
                objects.keep(number, kind, data, reader.bytes())?;
                Ok(Arrival::Small)
            }
            Encoding::DeltaOf(_) | Encoding::DeltaOfOffset(_) => {
                self.delta(number, &header, reader, objects)
            }
        }
    }

    fn blob(
        &self,
        number: u32,
        header: &EntryHeader,
        reader: &mut PackReader<'_>,
    ) -> Result<Arrival, PackError> {
        let at = header.start;
        let size = header.size;
        let allowance = self.workers.allowance;
        let most = self.options.limits.object;
        let room = if size <= HELD { None } else { allowance.room(size) };
        if size <= most && (size <= HELD || room.is_some()) {
            allowance.count_unpacked(size)?;
            return Ok(Arrival::Blob { number, at, data: reader.inflate(header)?, room });
        }
        // Counted as it comes: what it may be inflated to grows with what was received of it. One that is too large is read
        // to its end as well, since only its id says which file it is.
        let mut hasher = hasher_of(Kind::Blob, size);
        reader.skim(header, &mut |piece, received| {
            hasher.update(piece);
            allowance.set_received(received);
            allowance.count_unpacked(piece.len() as u64)?;
            self.workers.check_stopped()
        })?;
        let id = finish(hasher)?;
        LimitError::check(PackLimit::Object, size, most)
            .map_err(|error| self.workers.checkout.too_large(&id, error))?;
        Ok(Arrival::Large { number, id, size })
    }

    fn delta(
        &self,
        number: u32,
        header: &EntryHeader,
        reader: &mut PackReader<'_>,
        objects: &mut PackObjects<'_>,
    ) -> Result<Arrival, PackError> {
        LimitError::check(PackLimit::Object, header.size, self.options.limits.object)?;
        self.workers.allowance.count_unpacked(header.size)?;
        let delta = if header.size <= HELD {
            Some(reader.inflate(header)?)
        } else {
            reader.skim(header, &mut |_, _| self.workers.check_stopped())?;
            None
        };
        let packed = reader.position() - header.start;
        let filed = objects.delta(number, header, delta.as_deref(), reader.bytes())?;
        Ok(match (filed, delta) {
            (Filed::Resolved, _) => Arrival::Small,
            (Filed::UnderEntry(base), Some(delta)) => {
                Arrival::Delta { number, at: header.start, delta, base, packed }
            }
            (Filed::UnderEntry(_) | Filed::UnderId, _) => Arrival::Waits { packed },
        })
    }
}

/// An entry that has arrived. `packed` is its size in the pack.
enum Arrival {
    /// A commit, tree or tag, already put away.
    Small,
    /// A delta that waits for an object of which only the id is known, or is large itself.
    Waits { packed: u64 },
    /// A delta of an entry that is no commit or tree.
    Delta { number: u32, at: u64, delta: Vec<u8>, base: u32, packed: u64 },
    /// A whole blob.
    Blob { number: u32, at: u64, data: Vec<u8>, room: Option<Room> },
    /// A whole blob that was not kept.
    Large { number: u32, id: ObjectId, size: u64 },
}
