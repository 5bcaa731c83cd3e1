//! The last step of a module that keeps something: its tree becomes one that leads into its state.
//!
//! That tree follows from the one that came, and from what is kept; so it is made only where it is not in the store, and
//! what is made by links takes no room. Nothing comes into the state here: that is for the transaction.

use std::path::PathBuf;

use super::{
    build_job::BuildTree,
    carry_out::Gathered,
    context::UpdateContext,
    failure::Failure,
    goal::Goal,
    options::RetryPolicy,
    outcome::{ModuleChange, Outcome},
    staging::Trees,
};
use crate::{
    acquire::FetchStats,
    disk::{READ_WHOLE, is_directory, is_right, is_usable, is_whole, place, read_verified},
    keep::{KeepError, KeptError, LinkedTree, conflicts, make_room, names_stored, points},
    model::{Binding, Bound, Digest, Kept, KeptPath, Manifest, Verified},
};

/// What a module that keeps something is to be.
pub(super) struct WantedTree {
    pub(super) to: Binding,
    tree: LinkedTree,
    points: Vec<KeptPath>,
    /// The tree that came: where it lies, its files and the part that is the module.
    source: (PathBuf, Manifest, String),
}

/// Turns what has come of modules into what has come of those among them that keep something.
pub(super) fn run<'g>(
    context: &UpdateContext<'_>,
    goals: impl Iterator<Item = &'g Goal<'g>>,
    gathered: Gathered,
    policy: RetryPolicy,
) -> Gathered {
    let Gathered { mut outcomes, mut trees, newer, inputs, built_on } = gathered;
    for goal in goals.filter(|goal| !goal.keep.is_empty()) {
        let Some(outcome) = outcomes.remove(goal.module) else { continue };
        let source = match &outcome {
            Outcome::Kept(to) => Some(to.clone()),
            Outcome::Changed(change) => Some(change.to.clone()),
            _ => None,
        };
        let outcome = match source {
            Some(source) => become_kept(context, goal, (&source, outcome), &mut trees, policy)
                .unwrap_or_else(|error| Outcome::Failed(Failure::of_kept(&source, error))),
            None => outcome,
        };
        outcomes.insert(goal.module.clone(), outcome);
    }
    Gathered { outcomes, trees, newer, inputs, built_on }
}

fn become_kept(
    context: &UpdateContext<'_>,
    goal: &Goal<'_>,
    (source, outcome): (&Binding, Outcome),
    trees: &mut Trees,
    policy: RetryPolicy,
) -> Result<Outcome, KeptError> {
    let Some(wanted) = wanted(context, goal, source, trees)? else { return Ok(outcome) };
    let store = context.store;
    let digest = wanted.tree.manifest.digest();
    let is_staged = source.digest().is_some_and(|digest| trees.contains_key(&digest));
    let is_current = context.state.modules().get(goal.module) == Some(&wanted.to);
    if is_current && !is_staged && is_there(context, digest, policy) {
        make_room(store.disk, store.layout, goal.module, &wanted.points)?;
        return Ok(Outcome::Kept(wanted.to));
    }
    let (root, manifest, part) = &wanted.source;
    if !(context.state.entry(digest).is_some() && is_usable(store.layout, digest)) {
        let staging = (context.claim)()?;
        // What a crash left of the same stays, and the new copy of it does not.
        let left = source.digest().filter(|source| is_whole(store.layout, *source));
        let shared = left.map(|source| store.layout.entry(source));
        let shared = shared.and_then(|entry| wanted.tree.stage(store.disk, staging, &entry).ok());
        let staged = match shared {
            Some(staged) => staged,
            None => wanted.tree.stage(store.disk, staging, root)?,
        };
        let staged = match manifest.size() > READ_WHOLE {
            true => match source_verified(context, source, trees) {
                Some(verified) => staged.read_earlier(verified),
                None => staged,
            },
            false => staged,
        };
        trees.insert(digest, staged);
    }
    let conflicts =
        conflicts(store.layout, goal.module, (manifest, part), &wanted.points).into_iter();
    let told = conflicts.map(|(path, in_source)| {
        let entry = source.digest().map(|digest| store.layout.entry(digest)).unwrap_or_default();
        let theirs = place(&entry, in_source.as_ref());
        let theirs = theirs.display();
        format!("{path} was changed here and upstream: yours stays, and the other one is {theirs}")
    });
    let ModuleChange { mut warnings, stats, .. } = match outcome {
        Outcome::Changed(change) => *change,
        _ => {
            ModuleChange { to: source.clone(), warnings: Vec::new(), stats: FetchStats::default() }
        }
    };
    warnings.extend(told);
    Ok(Outcome::changed(wanted.to, warnings, stats))
}

/// When the files of a module's source were read; nothing, if all of them were now.
fn source_verified(
    context: &UpdateContext<'_>,
    source: &Binding,
    trees: &Trees,
) -> Option<Verified> {
    let digest = source.digest()?;
    match trees.get(&digest) {
        Some(staged) => staged.verified().cloned(),
        None => Some(read_verified(context.store.layout).0.remove(&digest).unwrap_or_default()),
    }
}

/// What the module is to be whose source is there, and is `source`; nothing other than that, where it keeps nothing.
pub(super) fn wanted(
    context: &UpdateContext<'_>,
    goal: &Goal<'_>,
    source: &Binding,
    trees: &Trees,
) -> Result<Option<WantedTree>, KeptError> {
    let Bound::Entry { digest, subdirectory, fetched } = &source.bound else { return Ok(None) };
    if goal.keep.is_empty() {
        return Ok(None);
    }
    let BuildTree::Tree { at, manifest, part } = BuildTree::of(context, source, trees)? else {
        return Ok(None);
    };
    if manifest.find(part.as_str().into()).is_some() {
        return Err(KeepError::SingleFile.into());
    }
    let stored = |directory: &str| names_stored(context.store.layout, goal.module, directory);
    let points = points(goal.keep, (&manifest, &part), &stored)?;
    if points.is_empty() {
        return Ok(None);
    }
    let tree = LinkedTree::of((&manifest, &part), goal.module, &points);
    let kept = Kept {
        digest: tree.manifest.digest(),
        source: *digest,
        subdirectory: subdirectory.clone(),
        fetched: fetched.clone(),
        paths: points.clone(),
    };
    let to = Binding { source: source.source.clone(), bound: Bound::Kept(Box::new(kept)) };
    Ok(Some(WantedTree { to, tree, points, source: (at, manifest, part) }))
}

fn is_there(context: &UpdateContext<'_>, digest: Digest, policy: RetryPolicy) -> bool {
    let layout = context.store.layout;
    context.state.entry(digest).is_some()
        && match policy {
            RetryPolicy::All => is_right(layout, digest),
            RetryPolicy::Interactive | RetryPolicy::DueOnly => is_directory(&layout.entry(digest)),
        }
}
