//! What the commits say of themselves that came with an update: as far as the store has them, or all of them where someone
//! wants to read them.
//!
//! Limits: a fetch without history brings the new commit alone, and an entry keeps the commits that had its tree. So the
//! store has the newest, and what lies between it and the old one seldom. A repository that has lost the old commit gives
//! all commits up to the first, within the limit.

use crate::{
    Cancel, Store,
    acquire::{SourceError, kept_commits},
    events::Events,
    model::{Binding, CommitSubject},
    tier::Tiers,
    update::{CommitRange, UpdateError, logs},
};

/// The most commits that are named.
const MOST: usize = 20;

/// The commits that came with a change of a module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subjects {
    /// Those that are known, the newest first.
    pub commits: Vec<CommitSubject>,
    /// Whether these are all between the old commit and the new one.
    pub complete: bool,
}

/// What is known of the commits of a range, and why it is not all, if something went wrong.
#[derive(Debug)]
pub struct Logged {
    /// The commits.
    pub subjects: Subjects,
    /// Why the repository could not be asked.
    pub failure: Option<SourceError>,
}

impl Store {
    /// The commits that a module has got by a change, as far as the store has them.
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
        let (commits, is_closed) = kept.log(new, old, MOST);
        Subjects { commits, complete: is_closed && old.is_some() }
    }

    /// The commits of each range, in the order of the ranges. What the store does not have is asked of the repositories.
    ///
    /// # Errors
    /// When the store cannot be read, or a tier not used. A repository that does not answer is no error: what the store has
    /// is in the answer, and why it is not more.
    pub fn log(
        &self,
        ranges: &[CommitRange],
        events: &dyn Events,
        cancel: &Cancel,
    ) -> Result<Vec<Logged>, UpdateError> {
        let mut logged: Vec<Logged> = ranges.iter().map(|range| self.logged(range)).collect();
        let missing = ranges.iter().zip(&logged).filter(|(_, it)| !it.subjects.complete);
        let missing: Vec<&CommitRange> = missing.map(|(range, _)| range).collect();
        if missing.is_empty() {
            return Ok(logged);
        }
        let (context, declared) = (self.context(events, cancel), self.declarations()?);
        let tiers = Tiers::open(context, &self.options().tiers)?;
        let options = self.options().told_by(&declared);
        // One more than is named shows whether there are more.
        let found = logs((context, &tiers), &options, &self.state()?, &missing, MOST + 1);
        let open = logged.iter_mut().zip(ranges).filter(|(it, _)| !it.subjects.complete);
        for ((logged, range), found) in open.zip(found) {
            match found {
                Err(error) => logged.failure = Some(error),
                Ok(found) => {
                    let (commits, is_closed) =
                        found.commits.log(range.new.revision, Some(range.old), MOST);
                    // What does not belong to it proves nothing.
                    let is_all = found.is_whole && found.commits.len() == commits.len();
                    logged.subjects = Subjects { commits, complete: is_closed || is_all };
                }
            }
        }
        Ok(logged)
    }

    /// What the store has of a range.
    fn logged(&self, range: &CommitRange) -> Logged {
        let kept = range.entry.map(|entry| kept_commits(self.layout(), entry));
        let (commits, complete) = kept
            .map(|kept| kept.log(range.new.revision, Some(range.old), MOST))
            .unwrap_or_default();
        Logged { subjects: Subjects { commits, complete }, failure: None }
    }
}
