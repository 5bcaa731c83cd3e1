//! What the commits say of themselves that came with an update, as far as the store has them: no server is asked.
//!
//! Limits: a fetch without history brings the new commit alone, and an entry keeps the commits that had its tree. So the
//! newest is there, and what lies between it and the old one seldom.

use crate::{
    Store,
    acquire::kept_commits,
    model::{Binding, CommitSubject},
};

/// The most commits that are named.
const MOST: usize = 50;

/// The commits that came with a change of a module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subjects {
    /// Those that the store has, the newest first.
    pub commits: Vec<CommitSubject>,
    /// Whether these are all between the old commit and the new one.
    pub complete: bool,
}

impl Store {
    /// The commits that a module has got by a change.
    #[must_use]
    pub fn subjects(&self, from: Option<&Binding>, to: &Binding) -> Subjects {
        let revision = |binding: &Binding| binding.bound.fetched().map(|it| it.revision);
        let (old, new) = (from.and_then(revision), revision(to));
        let (Some(new), Some(entry)) =
            (new.filter(|new| Some(*new) != old), to.bound.source_entry())
        else {
            return Subjects::default();
        };
        let kept = kept_commits(self.layout(), entry);
        let (mut subjects, mut next) = (Subjects::default(), Some(new));
        while let Some((commit, parents)) = next.and_then(|next| kept.subject(next))
            && subjects.commits.len() < MOST
        {
            subjects.commits.push(commit);
            // Where a merge is, more came than the first line of descent.
            next = match parents[..] {
                [parent] => Some(parent),
                _ => None,
            };
            subjects.complete = next.is_some() && next == old;
            next = next.filter(|next| Some(*next) != old);
        }
        subjects
    }
}
