//! What a crash leaves, and what no frame records.
//!
//! Whether the owner of a staging or a lease lives is asked of the kernel, by a shared lock that is let go at
//! once. Whoever was just about to take that lock takes another name.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

use super::{
    code::{Code, Severity},
    finding::Finding,
    home::unknown,
};
use crate::{
    commit::State,
    disk::{Layout, Lock, is_random_name, names_in},
    model::Digest,
};

/// What a crash left or could not be cleaned up, by a look at names; what another process is at work with may be among
/// it.
pub(crate) fn leftovers(layout: &Layout, state: &State) -> Vec<Finding> {
    let mut findings = Vec::new();
    look(layout, Some(state), &mut findings);
    findings.retain(|finding| finding.severity() == Severity::Leftover);
    findings
}

/// Looks everywhere.
pub(super) fn look(layout: &Layout, state: Option<&State>, findings: &mut Vec<Finding>) {
    stagings(layout, findings);
    leases(layout, findings);
    trash(layout, findings);
    if layout.condemned().symlink_metadata().is_ok() {
        let what = "a sweep has ended, or could not take all of it away";
        findings.push(Finding::new(Code::CondemnedLeft, layout.condemned(), what));
    }
    if let Some(state) = state {
        let is_recorded = |digest: Digest| state.entry(digest).is_some();
        entries(&layout.entries(), is_recorded, findings);
        manifests(&layout.manifests(), is_recorded, findings);
    }
}

fn stagings(layout: &Layout, findings: &mut Vec<Finding>) {
    let at = layout.staging();
    for name in names_in(&at).unwrap_or_default() {
        let (path, bare) = (at.join(&name), Path::new(&name).with_extension(""));
        let lock = at.join(&bare).with_extension("lock");
        if !is_random_name(bare.as_os_str()) {
            findings.push(unknown(&path));
        } else if (path != lock || !at.join(&bare).exists()) && is_dead(&path, &lock) {
            let what = "it belongs to a process that is no more";
            findings.push(Finding::new(Code::StagingDead, path, what));
        }
    }
}

/// Whether nobody holds `lock`, and `path` is there still. A lock file that says nothing may be about to be
/// locked, and whoever does that is not to be disturbed.
fn is_dead(path: &Path, lock: &Path) -> bool {
    let is_new = path == lock && path.metadata().is_ok_and(|meta| meta.len() == 0);
    !is_new && !Lock::is_held(lock) && path.symlink_metadata().is_ok()
}

fn leases(layout: &Layout, findings: &mut Vec<Finding>) {
    let at = layout.leases();
    for name in names_in(&at).unwrap_or_default() {
        let path = at.join(&name);
        let random = name.to_str().and_then(|name| name.split_once('-')).map(|(_, random)| random);
        if !random.is_some_and(|random| is_random_name(OsStr::new(random))) {
            findings.push(unknown(&path));
        } else if is_dead(&path, &path) {
            let what = "it belongs to a process that is no more";
            findings.push(Finding::new(Code::LeaseDead, path, what));
        }
    }
}

fn trash(layout: &Layout, findings: &mut Vec<Finding>) {
    let at = layout.trash();
    let names = names_in(&at).unwrap_or_default();
    let left = |name| {
        let what = "it is being deleted, or could not be until now";
        Finding::new(Code::TrashLeft, at.join(name), what)
    };
    findings.extend(names.into_iter().map(left));
}

fn entries(at: &Path, is_recorded: impl Fn(Digest) -> bool, findings: &mut Vec<Finding>) {
    for name in names_in(at).unwrap_or_default() {
        let path = at.join(&name);
        findings.extend(unrecorded(Code::EntryUnrecorded, path, name.to_str(), &is_recorded));
    }
}

fn manifests(at: &Path, is_recorded: impl Fn(Digest) -> bool, findings: &mut Vec<Finding>) {
    for name in names_in(at).unwrap_or_default() {
        let path = at.join(&name);
        let listed = name.to_str().and_then(Layout::listed).map(|digest| digest.to_string());
        let name = listed.as_deref().or_else(|| name.to_str());
        findings.extend(unrecorded(Code::ManifestUnrecorded, path, name, &is_recorded));
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
            Some(Finding::new(code, path, "no frame of the journal records it").of_entry(digest))
        }
        Some(_) => None,
    }
}
