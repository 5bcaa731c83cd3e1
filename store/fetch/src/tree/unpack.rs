//! A commit's tree into staging: from a pack as it arrives, or from an object database.
//!
//! git sends a tree before the blobs in it, and a delta after its base. So the tree is walked as it becomes known, and
//! blobs are written by rayon's threads while the calling thread receives; a delta goes to the worker that has its base
//! in hand. Objects that come in another order are written after the last byte.
//!
//! ```text
//! receiving thread                       workers                                after the last byte
//! entry ─ commit, tree, tag ─► walk ─► files of the previous entry: link
//!       ├ blob ─────────────► batch ─► hash, write to every path that waits
//!       ├ small delta ──────► batch, if its base is in it
//!       └ other delta, large blob ─────────────────────────────────────────────► delta chains, in parallel
//! ```
//!
//! There is no repository, pack file or index on disk, but where a mirror keeps the pack. Large objects, and those that
//! find no room in the budget, are not held in memory: they are streamed, and the bases of deltas lie in scratch files.
//! Objects that nothing asks for are not written, and not resolved once everything asked for is there.
//!
//! Limits: does not seal the tree, does not fetch submodules or LFS content, and on failure leaves the staging directory
//! to its owner.

use std::{borrow::Cow, cell::RefCell, fs::File, io::BufRead, path::Path};

use gix::{ObjectId, objs::Kind};
use modstore_core::{disk::Planting, model::KeptCommits};
use rayon::prelude::*;

use super::{
    checkout::{Checkout, WrittenTree},
    delta_chains::{DeltaChains, LARGEST_REUSABLE},
    options::UnpackOptions,
    plan::TreeWalk,
    receive::{PackReceiver, Received, WantedRoot},
    workers::Workers,
};
use crate::{
    errors::PackError,
    limits::PackLimits,
    pack::{
        Allowance, Base, FindObject, PackBytes, PackObjects, base_is_usable, find_checked, root_in,
    },
    protocol::Tip,
};

/// A longer pack is not kept as it came.
const LONGEST_KEPT: usize = 4 << 20;

/// Writes the tree of the commit of `tip` from the pack that `pack` is about to give, up to and including the pack's last
/// byte; where the commit was asked for by a tag, the tag in the pack must lead to it. A pack too large for memory spills
/// to a file at `spill`, unlinked while in use.
///
/// # Errors
/// The staging directory holds a part of the tree, or none of it, and must be thrown away.
pub fn unpack_into(
    pack: &mut dyn BufRead,
    tip: impl Into<Tip>,
    writer: &Planting,
    spill: &Path,
    options: &UnpackOptions<'_>,
) -> Result<WrittenTree, PackError> {
    let bytes = PackBytes::new(options.memory, spill);
    // What is left out of a thin pack is no part of what was received.
    let is_kept = options.keeps_pack && options.base.is_none();
    let bytes = if is_kept { bytes.asked_for() } else { bytes };
    let tip = tip.into();
    let wanted = WantedRoot::Commit(tip);
    let (written, _) = receive_tree(pack, wanted, writer, (bytes, spill), options, None)?;
    let pack = written.pack.as_deref();
    let is_exact = pack.is_some_and(|pack| is_pack_of(pack, &tip.commit, &written, writer.root()));
    Ok(WrittenTree { pack: written.pack.filter(|_| is_exact), ..written })
}

/// Whether a pack, in which all objects of this commit were found, has each of them once, and nothing else: then it is a pack as
/// publishers write them, but for the order of the objects and how they are deflated.
fn is_pack_of(pack: &[u8], commit: &ObjectId, written: &WrittenTree, root: &Path) -> bool {
    let base = Base::new(root.to_owned(), *commit, &written.manifest, &written.git);
    let of_commit = written.commits.find(commit).filter(|object| {
        root_in(commit, object).is_ok_and(|root| root == base.git.root) && base_is_usable(&base)
    });
    let (Some(object), Some((others, of_others))) = (of_commit, base.extent()) else {
        return false;
    };
    let (count, bytes) = (others as u64 + 1, of_others + object.len() as u64);
    // A stream of zlib may be padded with empty blocks.
    let most = bytes + bytes / 1000 + 64 * count + 32;
    let says = pack.get(8..12).and_then(|count| Some(u32::from_be_bytes(count.try_into().ok()?)));
    says.map(u64::from) == Some(count) && pack.len() as u64 <= most
}

/// Writes the first tree that the pack gives, whichever it is: who asked for it compares what has come of it with what it should
/// be. Else as [`unpack_into`].
///
/// # Errors
/// As [`unpack_into`].
pub(crate) fn unpack_first_tree_into(
    pack: &mut dyn BufRead,
    writer: &Planting,
    spill: &Path,
    options: &UnpackOptions<'_>,
) -> Result<WrittenTree, PackError> {
    let bytes = PackBytes::new(options.memory, spill);
    let first = WantedRoot::First;
    let (written, _) = receive_tree(pack, first, writer, (bytes, spill), options, None)?;
    Ok(written)
}

/// The same for a pack with its history that a mirror is to keep: `kept` is where it lies, whole when this returns;
/// scratch files lie beside `scratch`.
/// Objects that the server does not send come from `earlier`. Gives the objects by which the pack can be used again: all
/// commits and trees, and the blobs that were looked at.
pub(crate) fn unpack_history_into(
    pack: &mut dyn BufRead,
    tip: Tip,
    writer: &Planting,
    kept: KeptPack<'_>,
    scratch: &Path,
    options: &UnpackOptions<'_>,
) -> Result<(WrittenTree, Vec<KnownObject>), PackError> {
    let KeptPack { file, path, earlier } = kept;
    let bytes = PackBytes::kept(options.memory, file, path);
    let limits = PackLimits { unwanted: u64::MAX, ..options.limits };
    let options = UnpackOptions { limits, ..*options };
    let wanted = WantedRoot::Commit(tip);
    receive_tree(pack, wanted, writer, (bytes, scratch), &options, Some(earlier))
}

/// Where a mirror keeps a pack, and the objects it had before.
pub(crate) struct KeptPack<'k> {
    /// Empty.
    pub(crate) file: File,
    /// Where it lies.
    pub(crate) path: &'k Path,
    /// The objects of the mirror.
    pub(crate) earlier: &'k FindObject<'k>,
}

/// An object of a pack, and where its entry lies.
pub(crate) struct KnownObject {
    pub(crate) id: ObjectId,
    pub(crate) offset: u64,
    pub(crate) crc32: u32,
}

fn receive_tree(
    pack: &mut dyn BufRead,
    wanted: WantedRoot,
    writer: &Planting,
    (bytes, scratch): (PackBytes, &Path),
    options: &UnpackOptions<'_>,
    earlier: Option<&FindObject<'_>>,
) -> Result<(WrittenTree, Vec<KnownObject>), PackError> {
    let spare = options.base.map_or(0, |base| base.manifest.size());
    let allowance = Allowance::new(&options.limits, options.memory, scratch, spare, options.cancel);
    let workers = Workers::new(writer, options.base, &allowance);
    let received = rayon::in_place_scope(|scope| {
        let workers = &workers;
        let kept = RefCell::default();
        let receiver = PackReceiver { workers, scope, wanted, options, earlier, kept };
        let received = receiver.receive(pack, bytes);
        workers.stop_unless(received.is_ok());
        received
    });
    // A worker's failure ends receiving with `Cancelled`; the worker knows why.
    if let Some(failure) = workers.take_failure() {
        return Err(failure);
    }
    let Received { objects, bytes, walk, length } = received?;
    let (root, extras) = walk.finish()?;
    let (checkout, mut known_ids) = workers.finish(objects.entries().len());
    if !checkout.is_complete() {
        let chains = DeltaChains {
            objects: &objects,
            bytes: &bytes,
            checkout: &checkout,
            base: options.base,
            known_ids: &known_ids,
            allowance: &allowance,
        };
        for (number, id) in chains.resolve()? {
            if let Some(slot) = known_ids.get_mut(number as usize) {
                *slot = Some(id);
            }
        }
    }
    let known = match earlier {
        None => Vec::new(),
        Some(find) => {
            write_found(find, &checkout)?;
            known_objects(&objects, &bytes, &known_ids)?
        }
    };
    let commits = wanted.tip().map(|tip| commit_of(&objects, earlier, tip)).transpose()?;
    let commits = commits.unwrap_or_default();
    drop(objects);
    let tree = checkout.finish(root, extras, options.folds)?;
    let pack = bytes.into_pack(LONGEST_KEPT);
    Ok((WrittenTree { commits, received_bytes: length, pack, ..tree }, known))
}

/// The commit itself, which an earlier pack may have brought.
fn commit_of(
    objects: &PackObjects<'_>,
    earlier: Option<&FindObject<'_>>,
    tip: Tip,
) -> Result<KeptCommits, PackError> {
    let mut commits = KeptCommits::default();
    match (objects.small(&tip.commit)?, earlier) {
        (Some((Kind::Commit, object)), _) => commits.add(tip.commit, object),
        (None, Some(find)) => keep_commit(find, tip.commit, &mut commits)?,
        _ => {}
    }
    Ok(commits)
}

/// Adds a commit that an object database has.
pub(crate) fn keep_commit(
    find: &FindObject<'_>,
    commit: ObjectId,
    commits: &mut KeptCommits,
) -> Result<(), PackError> {
    let mut object = Vec::new();
    if find_checked(find, &commit, Kind::Commit, &mut object)? {
        commits.add(commit, object);
    }
    Ok(())
}

/// Writes the tree with id `tree` from an object database. Every object is checked against its id.
///
/// # Errors
/// As [`unpack_into`].
pub fn checkout_into(
    find: &FindObject<'_>,
    tree: ObjectId,
    writer: &Planting,
    options: &UnpackOptions<'_>,
) -> Result<WrittenTree, PackError> {
    let find_tree = |id: &ObjectId| -> Result<Option<Cow<'_, [u8]>>, PackError> {
        if let Some(bytes) = options.base.and_then(|base| base.tree(id)) {
            return Ok(Some(Cow::Borrowed(bytes)));
        }
        let mut bytes = Vec::new();
        Ok(find_checked(find, id, Kind::Tree, &mut bytes)?.then_some(Cow::Owned(bytes)))
    };
    // The objects of a database were received before, under the limit of their own pack.
    let limits = PackLimits { staging: u64::MAX, ..options.limits };
    let allowance = Allowance::new(&limits, options.memory, writer.root(), 0, options.cancel);
    let checkout = Checkout::new(options.base, writer, &allowance);
    let mut walk = TreeWalk::new(options.folds, &allowance);
    let mut kept = Vec::new();
    walk.start(tree, &find_tree, &mut |directory, files| {
        kept.extend(checkout.add(directory, files)?);
        allowance.check_cancelled()
    })?;
    let (root, extras) = walk.finish()?;
    let keep = |kept| allowance.check_cancelled().and_then(|()| checkout.take_from_base(kept));
    kept.into_par_iter().try_for_each(keep)?;
    write_found(find, &checkout)?;
    checkout.finish(root, extras, options.folds)
}

/// Writes the blobs that are still waited for, as far as they are found.
fn write_found(find: &FindObject<'_>, checkout: &Checkout<'_>) -> Result<(), PackError> {
    checkout.wanted().par_iter().try_for_each_init(Vec::new, |buffer, id| {
        if find_checked(find, id, Kind::Blob, buffer)? {
            checkout.write_blob(id, buffer).map(drop)
        } else {
            Ok(())
        }
    })
}

/// The objects whose ids are known, without the large ones and their deltas.
fn known_objects(
    objects: &PackObjects<'_>,
    bytes: &PackBytes,
    blobs: &[Option<ObjectId>],
) -> Result<Vec<KnownObject>, PackError> {
    let blobs = (0u32..).zip(blobs).filter_map(|(number, id)| Some((number, (*id)?)));
    let mut known = Vec::new();
    for (number, id) in objects.small_ids().chain(blobs) {
        let Some(entry) = objects.entries().get(number as usize) else { continue };
        let Some(offset) = objects.start_of(number).filter(|_| entry.size <= LARGEST_REUSABLE)
        else {
            continue;
        };
        known.push(KnownObject { id, offset, crc32: bytes.crc32(offset..entry.end)? });
    }
    known.sort_by_key(|object| (object.id, object.offset));
    known.dedup_by_key(|object| object.id);
    Ok(known)
}
