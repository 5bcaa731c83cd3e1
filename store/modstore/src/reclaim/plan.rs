//! [`SweepPlan`]: what would be deleted, and for each entry why it stays or goes.
//!
//! Pure: made of the journal's state, of what was found on the disk, of the leases and of what is to be
//! retired. Two books must agree before anything goes: the journal counts an entry nowhere, and no root on the
//! disk leads to it. Where they disagree it stays, and the plan has what each book says.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::PathBuf,
};

use super::{
    lease::Leased,
    roots::{FindError, Found, Root},
};
use crate::{
    commit::{DeletionMark, EntryInfo, JournalError, State},
    disk::DiskError,
    environment::RegistrationError,
    model::{Binding, Digest, Generation, Origin},
};

/// What a sweep would do. It is made for one state of the store, and refused for any other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SweepPlan {
    /// The head when it was made.
    pub generation: Option<Generation>,
    /// The number of the journal's last frame then.
    pub sequence: u64,
    /// Generations that are kept no longer, oldest first.
    pub retire: Vec<Generation>,
    /// Directories of generations that the journal keeps no longer; a crash left them.
    pub leftovers: Vec<Generation>,
    /// Entries that go.
    pub remove: Vec<Gone>,
    /// Entries that stay.
    pub keep: Vec<Kept>,
    /// Mirrors whose origin no kept generation names, by the hash of the origin.
    pub mirrors: Vec<String>,
    /// How much is in the trash already.
    pub trash: usize,
    /// Names in the store's directories that do not belong to the store. They stay.
    pub unknown: Vec<PathBuf>,
}

/// An entry that stays.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Kept {
    /// Which.
    pub digest: Digest,
    /// What the journal knows of it.
    pub info: Option<EntryInfo>,
    /// The first book: the generations that the journal counts it in.
    pub counted: BTreeSet<Generation>,
    /// The second book: the roots on the disk that lead to it.
    pub roots: BTreeSet<Root>,
    /// Where the books disagree.
    pub disagreement: Option<Disagreement>,
}

/// An entry that goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gone {
    /// Which.
    pub digest: Digest,
    /// What the journal knows of it.
    pub info: Option<EntryInfo>,
    /// Whether its tree is in the store; if not, only what was left of it goes.
    pub is_there: bool,
}

/// How the two books differ on an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Disagreement {
    /// The journal counts it nowhere, and a root leads to it.
    OnlyMarked,
    /// The journal counts it, and no root leads to it.
    OnlyCounted,
}

/// No plan was made. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// The first book cannot be read.
    #[error("cannot find out what is in use")]
    Journal(#[from] JournalError),
    /// A root cannot be read, so it is not known what it keeps.
    #[error("cannot find out what {root} keeps, so nothing is swept")]
    Root {
        /// The root.
        root: Root,
        /// What went wrong.
        source: DiskError,
    },
    /// The second book cannot be read: a directory of the store, `current` or a lease.
    #[error("cannot find out what is in use, so nothing is swept")]
    Disk(#[source] DiskError),
    /// The registrations of environments cannot be read.
    #[error("cannot find out what environments keep, so nothing is swept")]
    Environments(#[source] RegistrationError),
}

impl From<FindError> for PlanError {
    fn from(error: FindError) -> Self {
        match error {
            FindError::Disk(error) => Self::Disk(error),
            FindError::Registration(error) => Self::Environments(error),
        }
    }
}

impl SweepPlan {
    /// Whether there is nothing to do.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.gives_up_nothing() && self.trash == 0 && self.mirrors.is_empty()
    }

    /// Whether generations and entries stay as they are.
    pub(crate) const fn gives_up_nothing(&self) -> bool {
        self.retire.is_empty() && self.leftovers.is_empty() && self.remove.is_empty()
    }

    /// The entries on which the two books disagree.
    pub fn disagreements(&self) -> impl Iterator<Item = &Kept> {
        self.keep.iter().filter(|kept| kept.disagreement.is_some())
    }

    /// How many generations and entries go.
    pub(crate) const fn size(&self) -> usize {
        self.retire.len() + self.leftovers.len() + self.remove.len()
    }

    /// What is published before it goes.
    pub(crate) fn condemned(&self) -> DeletionMark {
        DeletionMark {
            generations: self.retire.iter().chain(&self.leftovers).copied().collect(),
            entries: self.remove.iter().map(|gone| gone.digest).collect(),
        }
    }

    /// The part of this plan that `again`, made later, has too.
    pub(crate) fn reduced_to(mut self, again: &Self) -> Self {
        let removed: BTreeSet<Digest> = again.remove.iter().map(|gone| gone.digest).collect();
        self.retire.retain(|number| again.retire.contains(number));
        self.leftovers.retain(|number| again.leftovers.contains(number));
        self.remove.retain(|gone| removed.contains(&gone.digest));
        self
    }
}

/// Decides. Whatever `retire` says, generations that are current, leased or led through by an environment stay.
///
/// # Errors
/// [`PlanError::Root`], when a generation that stays, or an environment, cannot be read.
pub(crate) fn plan(
    state: &State,
    mut found: Found,
    leases: &[Leased],
    retire: &[Generation],
) -> Result<SweepPlan, PlanError> {
    let head = state.head().map(|head| head.number);
    let leased: BTreeSet<Generation> = leases.iter().map(|lease| lease.generation).collect();
    let led_through = found.led_through();
    let shown = found.shown;
    let is_held = |number: Generation| {
        leased.contains(&number)
            || led_through.contains(&number)
            || head == Some(number)
            || shown == Some(number)
    };
    let retire: BTreeSet<Generation> = retire
        .iter()
        .copied()
        .filter(|number| state.is_kept(*number) && !is_held(*number))
        .collect();
    // Those above the head are being made, or a crash left them: the next to have the lock knows.
    let is_leftover =
        |number: Generation| Some(number) < head && !state.is_kept(number) && !is_held(number);
    let leftovers: Vec<Generation> =
        found.generations.keys().copied().filter(|number| is_leftover(*number)).collect();
    found.generations.retain(|number, _| !retire.contains(number) && !leftovers.contains(number));
    let counted = counted(state, &retire);
    let materials = materials(state, &retire);
    let books = Books { state, counted, materials, marked: marked(&mut found, &leased)? };
    let (keep, remove) = books.sort(&found);
    Ok(SweepPlan {
        generation: head,
        sequence: state.sequence(),
        mirrors: unnamed_mirrors(state, &found, &retire),
        retire: retire.into_iter().collect(),
        leftovers,
        remove,
        keep,
        trash: found.trash,
        unknown: found.unknown,
    })
}

/// The generations that are kept once `retire` is retired, with their bindings.
fn kept_after<'s>(
    state: &'s State,
    retire: &BTreeSet<Generation>,
) -> impl Iterator<Item = (Generation, &'s Binding)> {
    let kept = state.kept_modules().filter(|(info, _)| !retire.contains(&info.number));
    kept.flat_map(|(info, modules)| modules.into_values().map(|binding| (info.number, binding)))
}

/// The first book: the kept generations that lead to each entry, once `retire` is retired.
fn counted(state: &State, retire: &BTreeSet<Generation>) -> BTreeMap<Digest, BTreeSet<Generation>> {
    let mut counted: BTreeMap<Digest, BTreeSet<Generation>> = BTreeMap::new();
    for (number, binding) in kept_after(state, retire) {
        if let Some(digest) = binding.digest() {
            counted.entry(digest).or_default().insert(number);
        }
    }
    counted
}

/// What stays because something was built from it that stays. No link leads there, so there is no second book.
fn materials(state: &State, retire: &BTreeSet<Generation>) -> BTreeSet<Digest> {
    kept_after(state, retire).filter_map(|(_, binding)| binding.material()).collect()
}

/// The second book: the roots that lead to each entry.
fn marked(
    found: &mut Found,
    leased: &BTreeSet<Generation>,
) -> Result<BTreeMap<Digest, BTreeSet<Root>>, PlanError> {
    let mut marked: BTreeMap<Digest, BTreeSet<Root>> = BTreeMap::new();
    for (number, entries) in std::mem::take(&mut found.generations) {
        let root = Root::Generation(number);
        let lease = leased.contains(&number).then_some(Root::Lease(number));
        let current = (found.shown == Some(number)).then_some(Root::Current);
        let roots = [Some(root.clone()), lease, current];
        for digest in entries.map_err(|source| PlanError::Root { root, source })? {
            marked.entry(digest).or_default().extend(roots.iter().flatten().cloned());
        }
    }
    for (python, pointed) in std::mem::take(&mut found.environments) {
        let root = Root::Environment { python };
        let pointed = pointed.map_err(|source| PlanError::Root { root: root.clone(), source })?;
        for digest in pointed.entries {
            marked.entry(digest).or_default().insert(root.clone());
        }
    }
    Ok(marked)
}

struct Books<'s> {
    state: &'s State,
    counted: BTreeMap<Digest, BTreeSet<Generation>>,
    marked: BTreeMap<Digest, BTreeSet<Root>>,
    materials: BTreeSet<Digest>,
}

impl Books<'_> {
    /// Every entry that the journal, the disk or a root names, by whether it stays.
    fn sort(mut self, found: &Found) -> (Vec<Kept>, Vec<Gone>) {
        let known = self.state.entries().keys().chain(&found.entries).chain(&found.lists);
        let all: BTreeSet<Digest> =
            known.chain(self.counted.keys()).chain(self.marked.keys()).copied().collect();
        let (mut keep, mut remove) = (Vec::new(), Vec::new());
        for digest in all {
            let info = self.state.entry(digest);
            let counted = self.counted.remove(&digest).unwrap_or_default();
            let roots = self.marked.remove(&digest).unwrap_or_default();
            if counted.is_empty() && roots.is_empty() && !self.materials.contains(&digest) {
                let is_there = found.entries.contains(&digest);
                remove.push(Gone { digest, info, is_there });
            } else {
                let disagreement = self.disagreement(&counted, &roots);
                keep.push(Kept { digest, info, counted, roots, disagreement });
            }
        }
        (keep, remove)
    }

    fn disagreement(
        &self,
        counted: &BTreeSet<Generation>,
        roots: &BTreeSet<Root>,
    ) -> Option<Disagreement> {
        let head = self.state.head().map(|head| head.number);
        // A lease may outlive what the journal keeps, an environment may lead anywhere, and what is above the head is
        // not recorded yet.
        let is_expected = |root: &Root| match root {
            Root::Lease(_) | Root::Environment { .. } => true,
            Root::Generation(number) => {
                Some(*number) > head || roots.contains(&Root::Lease(*number))
            }
            Root::Current => false,
        };
        match (counted.is_empty(), roots.is_empty()) {
            (false, true) => Some(Disagreement::OnlyCounted),
            (true, false) if !roots.iter().all(is_expected) => Some(Disagreement::OnlyMarked),
            _ => None,
        }
    }
}

/// The mirrors that no kept generation could use.
fn unnamed_mirrors(state: &State, found: &Found, retire: &BTreeSet<Generation>) -> Vec<String> {
    if found.mirrors.is_empty() {
        return Vec::new();
    }
    let fetched = kept_after(state, retire).filter_map(|(_, binding)| binding.bound.fetched());
    let origins: BTreeSet<&Origin> = fetched.map(|fetched| &fetched.origin).collect();
    let hashes: BTreeSet<String> = origins.into_iter().map(Origin::hash).collect();
    found.mirrors.difference(&hashes).cloned().collect()
}

impl Kept {
    /// Why it stays, in words.
    #[must_use]
    pub fn why(&self) -> String {
        let counted = || Numbers(&self.counted);
        let roots = || listed(&self.roots.iter().map(ToString::to_string).collect::<Vec<_>>());
        let others = self.roots.iter().filter(|root| !matches!(root, Root::Generation(_)));
        let others: Vec<String> = others.map(ToString::to_string).collect();
        match self.disagreement {
            Some(Disagreement::OnlyMarked) => {
                format!("{} leads to it, and the journal counts it nowhere", roots())
            }
            Some(Disagreement::OnlyCounted) => {
                format!("the journal counts it in {}, and no link leads to it", counted())
            }
            None if self.counted.is_empty() && self.roots.is_empty() => {
                "what is kept was built from it".into()
            }
            None if self.counted.is_empty() => roots(),
            None if others.is_empty() => counted().to_string(),
            None => format!("{}, {}", listed(&others), counted()),
        }
    }
}

impl Gone {
    /// Why it goes, in words.
    #[must_use]
    pub const fn why(&self) -> &'static str {
        match (self.info, self.is_there) {
            (_, false) => "its tree is gone already",
            (None, true) => "nothing ever led to it",
            (Some(_), true) => "no kept generation leads to it",
        }
    }
}

fn listed(words: &[String]) -> String {
    words.join(", ")
}

/// `generation 3`, `generations 3, 5–9`.
struct Numbers<'a>(&'a BTreeSet<Generation>);

impl fmt::Display for Numbers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut runs: Vec<(Generation, Generation)> = Vec::new();
        for number in self.0 {
            match runs.last_mut() {
                Some((_, last)) if last.next() == *number => *last = *number,
                _ => runs.push((*number, *number)),
            }
        }
        f.write_str(if self.0.len() == 1 { "generation " } else { "generations " })?;
        for (at, (first, last)) in runs.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(f, "{comma}{first}")?;
            if first != last {
                write!(f, "–{last}")?;
            }
        }
        Ok(())
    }
}
