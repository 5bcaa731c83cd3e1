//! What a crash leaves, and what no frame records.
//!
//! Whether the owner of a staging or a lease lives is asked of the kernel, by a shared lock that is released at
//! once. A process that was just about to take that lock takes another name.

use std::{ffi::OsStr, path::Path};

use modstore_core::findings::codes;

use super::{
    code::{Code, Repair},
    finding::Finding,
    names::unknown,
    report::RepairError,
    view::View,
    work::{Check, RepairStep, Work},
};
use crate::{
    commit::State,
    disk::{Layout, Lock, Staging, is_random_name, names_in},
    model::{Digest, Generation},
};

codes! { pub(super) CODES of Code:
    /// A generation's directory that no frame records, or that is no longer kept.
    GENERATION_UNRECORDED = "generation-unrecorded", Leftover, Repair::Remove;
    /// An entry that no frame records.
    ENTRY_UNRECORDED = "entry-unrecorded", Leftover, Repair::Remove;
    /// A manifest, or the git names beside it, of an entry that no frame records.
    MANIFEST_UNRECORDED = "manifest-unrecorded", Leftover, Repair::Remove;
    /// The staging of a process that no longer exists.
    STAGING_DEAD = "staging-dead", Leftover, Repair::Remove;
    /// Files that a sweep removed and has not deleted yet, or could not delete.
    TRASH_LEFT = "trash-left", Leftover, Repair::Remove;
    /// The lease of a process that no longer exists.
    LEASE_DEAD = "lease-dead", Leftover, Repair::Remove;
    /// A sweep ended early, or could not remove everything.
    CONDEMNED_LEFT = "condemned-left", Leftover, Repair::Finish;
}

pub(super) const CHECK: Check =
    Check { codes: CODES, find, repair: RepairStep::LooksItself(repair) };

fn find(view: &mut View<'_>, found: &mut Vec<Finding>) {
    let layout = view.context.layout;
    look(layout, view.state(), found);
    if let Some(state) = view.state() {
        generations(layout, state, found);
    }
}

/// Looks for all of these but generations, by their names alone. Without a state, nothing counts as unrecorded.
pub(super) fn look(layout: &Layout, state: Option<&State>, found: &mut Vec<Finding>) {
    stagings(layout, found);
    leases(layout, found);
    trash(layout, found);
    if layout.condemned().symlink_metadata().is_ok() {
        let what = "a sweep ended early, or could not remove everything";
        found.push(Finding::new(CONDEMNED_LEFT, layout.condemned(), what));
    }
    if let Some(state) = state {
        let is_recorded = |digest: Digest| state.entry(digest).is_some();
        entries(&layout.entries(), is_recorded, found);
        manifests(&layout.manifests(), is_recorded, found);
    }
}

/// Removes what dead processes staged; a process that takes the store's lock finishes or removes all else.
fn repair(work: &mut Work<'_>) -> Result<(), RepairError> {
    Staging::remove_dead(work.context.disk, work.context.layout)?;
    work.lock_sound().map(drop)
}

/// Adds what `judge` finds of each name in a directory.
fn each_name(at: &Path, found: &mut Vec<Finding>, judge: impl Fn(&Path, &str) -> Option<Finding>) {
    for name in names_in(at).unwrap_or_default() {
        // The store has no name that is not text, and none that is empty.
        found.extend(judge(&at.join(&name), name.to_str().unwrap_or_default()));
    }
}

const DEAD: &str = "it belongs to a process that no longer exists";

fn stagings(layout: &Layout, found: &mut Vec<Finding>) {
    each_name(&layout.staging(), found, |path, _| {
        let bare = path.with_extension("");
        let lock = bare.with_extension("lock");
        if !bare.file_name().is_some_and(is_random_name) {
            return Some(unknown(path));
        }
        let is_counted = path == lock && bare.exists();
        let is_left = !is_counted && is_dead(path, &lock);
        is_left.then(|| Finding::new(STAGING_DEAD, path, DEAD))
    });
}

/// Whether no process holds `lock`, and `path` is still there. An empty lock file may belong to a process that is about
/// to lock it, and that is not to be disturbed.
fn is_dead(path: &Path, lock: &Path) -> bool {
    let is_new = path == lock && path.metadata().is_ok_and(|meta| meta.len() == 0);
    !is_new && !Lock::is_held(lock) && path.symlink_metadata().is_ok()
}

fn leases(layout: &Layout, found: &mut Vec<Finding>) {
    each_name(&layout.leases(), found, |path, name| match name.split_once('-') {
        Some((_, random)) if is_random_name(OsStr::new(random)) => {
            is_dead(path, path).then(|| Finding::new(LEASE_DEAD, path, DEAD))
        }
        _ => Some(unknown(path)),
    });
}

fn trash(layout: &Layout, found: &mut Vec<Finding>) {
    let what = "it is being deleted, or could not be deleted so far";
    each_name(&layout.trash(), found, |path, _| Some(Finding::new(TRASH_LEFT, path, what)));
}

fn entries(at: &Path, is_recorded: impl Fn(Digest) -> bool, found: &mut Vec<Finding>) {
    each_name(at, found, |path, name| {
        unrecorded(ENTRY_UNRECORDED, path, name.parse().ok(), &is_recorded)
    });
}

fn manifests(at: &Path, is_recorded: impl Fn(Digest) -> bool, found: &mut Vec<Finding>) {
    each_name(at, found, |path, name| {
        unrecorded(MANIFEST_UNRECORDED, path, Layout::listed(name), &is_recorded)
    });
}

fn unrecorded(
    code: Code,
    path: &Path,
    digest: Option<Digest>,
    is_recorded: impl Fn(Digest) -> bool,
) -> Option<Finding> {
    let Some(digest) = digest else { return Some(unknown(path)) };
    let finding = || Finding::new(code, path, "no frame of the journal records it");
    (!is_recorded(digest)).then(|| finding().with(|about| about.entry = Some(digest)))
}

/// Generations on disk that are not kept, and names that are not numbers.
fn generations(layout: &Layout, state: &State, found: &mut Vec<Finding>) {
    let what = "the journal keeps no such generation";
    each_name(&layout.generations(), found, |path, name| match name.parse::<Generation>() {
        Err(_) => Some(unknown(path)),
        Ok(number) if state.is_kept(number) => None,
        Ok(_) => Some(Finding::new(GENERATION_UNRECORDED, path, what)),
    });
}
