//! What a crash leaves, and what no frame records.
//!
//! Whether the owner of a staging or a lease lives is asked of the kernel, by a shared lock that is released at
//! once. A process that was just about to take that lock takes another name.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

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

fn stagings(layout: &Layout, found: &mut Vec<Finding>) {
    let at = layout.staging();
    for name in names_in(&at).unwrap_or_default() {
        let path = at.join(&name);
        let bare = Path::new(&name).with_extension("");
        let lock = at.join(&bare).with_extension("lock");
        if !is_random_name(bare.as_os_str()) {
            found.push(unknown(&path));
        } else if (path != lock || !at.join(&bare).exists()) && is_dead(&path, &lock) {
            let what = "it belongs to a process that no longer exists";
            found.push(Finding::new(STAGING_DEAD, path, what));
        }
    }
}

/// Whether no process holds `lock`, and `path` is still there. An empty lock file may belong to a process that is about
/// to lock it, and that is not to be disturbed.
fn is_dead(path: &Path, lock: &Path) -> bool {
    let is_new = path == lock && path.metadata().is_ok_and(|meta| meta.len() == 0);
    !is_new && !Lock::is_held(lock) && path.symlink_metadata().is_ok()
}

fn leases(layout: &Layout, found: &mut Vec<Finding>) {
    let at = layout.leases();
    for name in names_in(&at).unwrap_or_default() {
        let path = at.join(&name);
        let random = name.to_str().and_then(|name| name.split_once('-')).map(|(_, random)| random);
        if !random.is_some_and(|random| is_random_name(OsStr::new(random))) {
            found.push(unknown(&path));
        } else if is_dead(&path, &path) {
            let what = "it belongs to a process that no longer exists";
            found.push(Finding::new(LEASE_DEAD, path, what));
        }
    }
}

fn trash(layout: &Layout, found: &mut Vec<Finding>) {
    let at = layout.trash();
    let names = names_in(&at).unwrap_or_default();
    let left = |name| {
        let what = "it is being deleted, or could not be deleted so far";
        Finding::new(TRASH_LEFT, at.join(name), what)
    };
    found.extend(names.into_iter().map(left));
}

fn entries(at: &Path, is_recorded: impl Fn(Digest) -> bool, found: &mut Vec<Finding>) {
    for name in names_in(at).unwrap_or_default() {
        let path = at.join(&name);
        found.extend(unrecorded(ENTRY_UNRECORDED, path, name.to_str(), &is_recorded));
    }
}

fn manifests(at: &Path, is_recorded: impl Fn(Digest) -> bool, found: &mut Vec<Finding>) {
    for name in names_in(at).unwrap_or_default() {
        let path = at.join(&name);
        let listed = name.to_str().and_then(Layout::listed).map(|digest| digest.to_string());
        let name = listed.as_deref().or_else(|| name.to_str());
        found.extend(unrecorded(MANIFEST_UNRECORDED, path, name, &is_recorded));
    }
}

fn unrecorded(
    code: Code,
    path: PathBuf,
    name: Option<&str>,
    is_recorded: impl Fn(Digest) -> bool,
) -> Option<Finding> {
    match name.and_then(|name| name.parse::<Digest>().ok()) {
        None => Some(unknown(&path)),
        Some(digest) if !is_recorded(digest) => {
            let finding = Finding::new(code, path, "no frame of the journal records it");
            Some(finding.with(|about| about.entry = Some(digest)))
        }
        Some(_) => None,
    }
}

/// Generations on disk that are not kept, and names that are not numbers.
fn generations(layout: &Layout, state: &State, found: &mut Vec<Finding>) {
    let at = layout.generations();
    for name in names_in(&at).unwrap_or_default() {
        let path = at.join(&name);
        match name.to_str().and_then(|name| name.parse::<Generation>().ok()) {
            None => found.push(unknown(&path)),
            Some(number) if !state.is_kept(number) => {
                let what = "the journal keeps no such generation";
                found.push(Finding::new(GENERATION_UNRECORDED, path, what));
            }
            Some(_) => {}
        }
    }
}
