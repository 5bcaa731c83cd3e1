//! When entries were found right is noted: `status` shows it, and the next slices of large trees go on from there.
//!
//! Nothing depends on it: where it cannot be written, as in another user's store, it is not.

use std::collections::BTreeSet;

use modstore_core::findings::Severity;

use super::{
    finding::{Depth, Finding},
    view::View,
};
use crate::{
    Context,
    commit::State,
    disk::{DiskError, read_verified},
    model::{Digest, Verified},
};

/// The entries of which every byte is about to be read; none, if that will not be noted.
pub(super) fn to_be_read(view: &View<'_>) -> Vec<Digest> {
    let is_noted = view.options.depth == Depth::Full && view.options.may_lock;
    if is_noted && view.state().is_some() { view.entries.clone() } else { Vec::new() }
}

/// Notes those of these entries that have no damage: they were read since `begun`.
pub(super) fn note(view: &View<'_>, read: &[Digest], findings: &[Finding], begun: u64) {
    let damage = findings.iter().filter(|finding| finding.severity == Severity::Damage);
    let damaged: BTreeSet<Digest> = damage.filter_map(|finding| finding.about.entry).collect();
    let right: Vec<Digest> =
        read.iter().filter(|digest| !damaged.contains(*digest)).copied().collect();
    if let Some(state) = view.state().filter(|_| !right.is_empty()) {
        let _ = write(view.context, state, &right, begun);
    }
}

fn write(
    context: Context<'_>,
    state: &State,
    right: &[Digest],
    begun: u64,
) -> Result<(), DiskError> {
    let Context { disk, layout, .. } = context;
    let mut all = read_verified(layout);
    all.0.retain(|digest, _| state.entry(*digest).is_some());
    all.0.extend(right.iter().map(|digest| (*digest, Verified::at(begun))));
    // A staging of its own: another process that looks for what dead ones left sees that it is held.
    let Ok(staging) = context.staging() else { return Ok(()) };
    let spare = staging.fresh();
    disk.create_file(&spare, all.print().as_bytes())?;
    disk.rename(&spare, &layout.verified())
}
