//! A [`Transaction`]: changes that become visible as one.
//!
//! ```text
//! begin     take the store's lock, cut a torn journal, finish what a crash left
//! prepare   the next generation's links and the temporary link of the switch, in staging
//! barrier   one sync for all of it
//! place     renames: manifests, trees, the generation; their directories synced
//! commit    one frame appended to the journal, synced                            ← commit point
//! settle    what is new at kept paths put into `state/`, synced
//! show      the temporary link renamed over `current`, the home synced           ← the switch
//! ```
//!
//! The link of the switch is made before the barrier because the inode of a symbolic link cannot be
//! synced by itself; afterwards there are only renames. A crash before *commit* leaves nothing but
//! names that the next writer removes; a crash after it is finished by the next writer.
//!
//! Deletes no entry: that is for a sweep.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use super::{
    exposed::take_away,
    journal::JournalError,
    locked::{BeginError, Locked, go_along, now, settle_kept, show},
    quarantine::put_in_place,
    record::Record,
    resolved::{next_lock, project_lock},
    state::{BuiltOn, State, apply_changes},
};
use crate::{
    Context,
    disk::{
        DiskError, Layout, READ_WHOLE, Staged, Staging, is_directory, is_whole, read_own,
        read_verified,
    },
    model::{
        Attempt, Binding, Bound, Built, BuiltInput, Digest, Generation, Hold, KeptCommits,
        LinkedPath, ModuleName, Sighting, Verified,
    },
};

/// A transaction that has begun and holds the store's lock.
#[derive(Debug)]
#[must_use = "a transaction that is dropped changes nothing"]
pub struct Transaction {
    locked: Locked,
    /// What it changes.
    pub change: Change,
}

/// What a transaction changes.
#[derive(Debug, Default)]
pub struct Change {
    /// Trees that become entries, by their names.
    pub entering: BTreeMap<Digest, Staged>,
    /// What each of these modules is from then on; `None` removes it. Entries that are led to are in the store, or enter it.
    pub bindings: BTreeMap<ModuleName, Option<Binding>>,
    /// How the last try of each of these modules ended; `None` where nothing is wrong any more.
    pub notes: BTreeMap<ModuleName, Option<Attempt>>,
    /// What is known of the inputs of each of these modules; nothing where the module is not built for each of them.
    pub inputs: BTreeMap<ModuleName, Vec<BuiltInput>>,
    /// On which platform trees were built, as far as a lock may name them.
    pub built_on: BuiltOn,
    /// Modules that updates leave as they are from then on; `None` where they change them again.
    pub holds: BTreeMap<ModuleName, Option<Hold>>,
    /// The commit that each of these modules waits for; `None` where it waits for none any more.
    pub sightings: BTreeMap<ModuleName, Option<Sighting>>,
    /// Modules that nothing is left of: the links to them at places of hosts' are taken away.
    pub gone: BTreeSet<ModuleName>,
    /// Entries that are damaged although they may look whole: a tree that enters takes the place of the one of its name,
    /// which goes to the quarantine.
    pub corrupt: BTreeSet<Digest>,
    /// Whether there is a new generation even if it is the same as the one before.
    pub is_new: bool,
    /// Whether the lock of a project stays as its people wrote it.
    pub keeps_lock: bool,
    /// The generation whose bindings these are, for a rollback.
    pub restores: Option<Generation>,
}

/// The transaction did not end well.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// Nothing has changed.
    #[error("nothing was changed")]
    NotDone(#[source] DiskError),
    /// Nothing has changed: what was fetched is not what it was when it was written.
    #[error("another program has changed or removed {} meanwhile", tree.display())]
    Modified {
        /// The staged tree.
        tree: PathBuf,
    },
    /// Nothing has changed: a rollback to a generation that the journal does not know, or keeps no longer.
    #[error("there is no generation {0}")]
    NoGeneration(Generation),
    /// Nothing has changed: an entry that was there when this was planned has been swept since.
    #[error("the entry of `{module}` was swept meanwhile")]
    Swept {
        /// The module that was to lead to it.
        module: ModuleName,
    },
    /// It has happened if the frame reached the disk; the next command tells.
    #[error("generation {generation} may or may not have been recorded")]
    Record {
        /// The generation.
        generation: Generation,
        /// What went wrong.
        source: JournalError,
    },
    /// It has happened. The next one to begin makes it current, if it is not current already: the
    /// last sync may be what failed.
    #[error("generation {generation} is recorded, but `current` may still show the one before")]
    Show {
        /// The generation.
        generation: Generation,
        /// What went wrong.
        source: DiskError,
    },
}

impl CommitError {
    /// Whether the transaction has happened, or may have.
    #[must_use]
    pub const fn has_happened(&self) -> bool {
        matches!(self, Self::Record { .. } | Self::Show { .. })
    }
}

impl Transaction {
    /// Takes the store's lock and finishes or removes what a crash left.
    ///
    /// # Errors
    /// See [`BeginError`].
    pub fn begin(context: Context<'_>, staging: Staging) -> Result<Self, BeginError> {
        // Found out early: what people wrote there would be lost.
        project_lock(context.layout)?;
        Ok(Self { locked: Locked::take(context, staging)?, change: Change::default() })
    }

    /// What the store adds up to, before this transaction.
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.locked.state
    }

    /// Makes every module what it was in `generation`.
    ///
    /// # Errors
    /// When the journal knows no such generation, or keeps it no longer.
    pub fn restore(&mut self, generation: Generation) -> Result<(), CommitError> {
        let state = &self.locked.state;
        let then = state.modules_of(generation).filter(|_| state.is_kept(generation));
        let then = then.ok_or(CommitError::NoGeneration(generation))?;
        let gone = state.modules().keys().filter(|now| !then.contains_key(*now));
        self.change.bindings = gone.map(|now| (now.clone(), None)).collect();
        let then = then.into_iter().map(|(module, binding)| (module, Some(binding)));
        self.change.bindings.extend(then);
        self.change.restores = Some(generation);
        Ok(())
    }

    /// The bindings this transaction leads to, by module.
    fn modules_after(&self) -> BTreeMap<&ModuleName, &Binding> {
        let mut modules: BTreeMap<_, _> = self.locked.state.modules().iter().collect();
        let changes = self.change.bindings.iter();
        apply_changes(&mut modules, changes.map(|(module, to)| (module, to.as_ref())));
        modules
    }

    /// Whether committing would make anything else current than what is, or bring back an entry that is
    /// current and not there.
    #[must_use]
    pub fn changes_anything(&self) -> bool {
        let modules = self.locked.state.modules();
        let rebinds =
            |(module, to): (&ModuleName, &Option<Binding>)| modules.get(module) != to.as_ref();
        let is_gone = |digest: &Digest| !is_whole(&self.locked.layout, *digest);
        let is_corrupt = |digest: &Digest| self.change.corrupt.contains(digest);
        let mut entering = self.change.entering.keys();
        self.change.is_new
            || self.change.bindings.iter().any(rebinds)
            || entering.any(|digest| is_corrupt(digest) || is_gone(digest))
    }

    /// Makes all of it durable, records it and shows it. Gives what the store adds up to then; its head is the
    /// new generation.
    ///
    /// # Errors
    /// Each [`CommitError`] says whether it has happened.
    pub fn commit(self, reason: &str) -> Result<State, CommitError> {
        let next = self.locked.next_generation();
        if let Some(modified) = self.change.entering.values().find(|staged| !staged.is_whole()) {
            return Err(CommitError::Modified { tree: modified.tree().to_owned() });
        }
        if let Some(module) = self.swept() {
            return Err(CommitError::Swept { module });
        }
        let prepared = self.prepare(next).map_err(CommitError::NotDone)?;
        let (disk, layout) = (&self.locked.disk, &self.locked.layout);
        let filled = self.locked.staging.directory();
        disk.sync_tree(filled, self.locked.barrier).map_err(CommitError::NotDone)?;
        self.place(next, &prepared).map_err(CommitError::NotDone)?;
        for place in self.unexposed() {
            let known = self.locked.state.exposed().get(&place);
            known
                .map_or(Ok(()), |exposure| take_away(disk, layout, &place, exposure))
                .map_err(CommitError::NotDone)?;
        }
        let records = self.records(next, reason);
        let record = |source| CommitError::Record { generation: next, source };
        let frame = self.locked.journal.append(disk, records).map_err(record)?;
        let changes = self.change.bindings.iter().map(|(module, to)| (module, to.as_ref()));
        let (at, staging) = ((disk, layout, self.locked.barrier), &self.locked.staging);
        let shown = settle_kept(at, staging, changes)
            .and_then(|()| go_along(disk, layout, &prepared.companion))
            .map(|()| {
                // Nothing depends on it: what is not noted is not known.
                let _ =
                    prepared.verified.as_ref().map(|from| disk.rename(from, &layout.verified()));
            })
            .and_then(|()| show(disk, layout, &prepared.switch));
        shown.map_err(|source| CommitError::Show { generation: next, source })?;
        let mut after = self.locked.state;
        after.apply(frame);
        Ok(after)
    }

    /// A module that is to lead to an entry that is not in the store. It was, when a process without the
    /// lock looked.
    fn swept(&self) -> Option<ModuleName> {
        let is_there = |digest: Digest| {
            self.change.entering.contains_key(&digest)
                || (self.locked.state.entry(digest).is_some()
                    && is_directory(&self.locked.layout.entry(digest)))
        };
        let mut changes = self.change.bindings.iter();
        let gone = changes.find(|(_, to)| {
            let needed = to.iter().flat_map(|to| [to.digest(), to.material()]).flatten();
            needed.into_iter().any(|digest| !is_there(digest))
        });
        gone.map(|(module, _)| module.clone())
    }

    /// Builds in staging what the later steps rename.
    fn prepare(&self, next: Generation) -> Result<Prepared, DiskError> {
        let mut prepared = Prepared::in_staging(&self.locked.staging);
        self.locked.disk.create_dir(&prepared.generation)?;
        for (module, binding) in self.modules_after() {
            let link = prepared.generation.join(module);
            match self.kept_link(module, binding) {
                Some(kept) if self.locked.disk.hard_link(&kept, &link).is_ok() => {}
                _ => self.locked.disk.symlink(&link_text(binding), &link)?,
            }
        }
        prepared.built = self.describe_built()?;
        self.keep_earlier_commits()?;
        let changes = self.change.bindings.iter().filter(|_| !self.change.keeps_lock);
        let changes = changes.map(|(module, to)| (module, to.as_ref()));
        let mut built_on = self.locked.state.built_on().clone();
        built_on.extend(self.change.built_on.clone());
        let after = (self.modules_after(), &built_on);
        let lock = next_lock(&self.locked.layout, after, changes).print();
        self.locked.disk.create_file(&prepared.companion, lock.as_bytes())?;
        prepared.verified = self.note_verified()?;
        self.locked.disk.symlink(&Layout::current_text(next), &prepared.switch)?;
        Ok(prepared)
    }

    /// Writes when the files of the entries that come were read. Those of the entries that are there stay as they are noted.
    fn note_verified(&self) -> Result<Option<PathBuf>, DiskError> {
        let Locked { disk, layout, state, staging, .. } = &self.locked;
        if self.change.entering.is_empty() {
            return Ok(None);
        }
        let mut all = read_verified(layout);
        all.0.retain(|digest, _| state.entry(*digest).is_some());
        // One of these that is there already stays, and was read unless it is large.
        let is_new = |staged: &&Staged| {
            state.entry(staged.digest()).is_none()
                || self.change.corrupt.contains(&staged.digest())
                || staged.bytes() <= READ_WHOLE
        };
        let entering = self.change.entering.values().filter(is_new);
        let now = Verified::at(now());
        all.0.extend(entering.map(|staged| {
            (staged.digest(), staged.verified().cloned().unwrap_or_else(|| now.clone()))
        }));
        let path = staging.fresh().with_extension("verified");
        disk.create_file(&path, all.print().as_bytes())?;
        Ok(Some(path))
    }

    /// Adds the commits of entries that are there already to those that come: several commits may have one tree.
    fn keep_earlier_commits(&self) -> Result<(), DiskError> {
        let Locked { disk, layout, .. } = &self.locked;
        for staged in self.change.entering.values() {
            let Some(path) = staged.commits() else { continue };
            let Ok(earlier) = read_own(&layout.commits(staged.digest())) else { continue };
            let read = |bytes: &[u8]| KeptCommits::from_bytes(bytes).unwrap_or_default();
            let mut all = read(&read_own(path).unwrap_or_default());
            all.extend_with_earlier(read(&earlier));
            disk.remove_file(path)?;
            disk.create_file(path, &all.to_bytes())?;
        }
        Ok(())
    }

    /// Writes how the entries of changed bindings were built, for when the journal is lost.
    fn describe_built(&self) -> Result<Vec<(PathBuf, Digest)>, DiskError> {
        let after = self.modules_after();
        let changed = self.change.bindings.values().flatten().filter_map(|to| match &to.bound {
            Bound::Built(built) => Some(built.digest),
            _ => None,
        });
        let mut written = Vec::new();
        for digest in changed.collect::<BTreeSet<_>>() {
            let of_it = after.iter().filter_map(|(module, to)| match &to.bound {
                Bound::Built(built) if built.digest == digest => Some((*module, &**built)),
                _ => None,
            });
            let of_it: BTreeMap<&ModuleName, &Built> = of_it.collect();
            let text = serde_json::to_vec_pretty(&of_it).expect("texts can be written as JSON");
            let path = self.locked.staging.fresh().with_extension("built");
            self.locked.disk.create_file(&path, &text)?;
            written.push((path, digest));
        }
        Ok(written)
    }

    /// The link of the generation before, when it says the same: a second name for it costs no inode,
    /// and no block for a text too long to lie in the inode.
    fn kept_link(&self, module: &ModuleName, binding: &Binding) -> Option<PathBuf> {
        let Locked { state, layout, .. } = &self.locked;
        let before = state.modules().get(module)?;
        let head = state.head().filter(|_| link_text(before) == link_text(binding))?;
        Some(layout.generation(head.number).join(module))
    }

    /// Renames everything to where it belongs, and makes the names durable.
    ///
    /// The names that went count as well: where no journal of the file system's own moves a directory in
    /// one step, it may else be found under both, and a check of the file system takes either away.
    fn place(&self, next: Generation, prepared: &Prepared) -> Result<(), DiskError> {
        let Locked { disk, layout, .. } = &self.locked;
        // A tree that shares the files of another is never there without it, so that the next try shares them too.
        let kept = self.change.bindings.values().flatten().filter_map(|to| match &to.bound {
            Bound::Kept(kept) => Some(kept.digest),
            Bound::Entry { .. } | Bound::Linked { .. } | Bound::Built(_) => None,
        });
        let kept: BTreeSet<Digest> = kept.collect();
        let entering = self.change.entering.iter();
        let (last, first): (Vec<_>, Vec<_>) =
            entering.partition(|(digest, _)| kept.contains(*digest));
        for (_, staged) in first.into_iter().chain(last) {
            self.place_entry(staged)?;
        }
        for (path, digest) in &prepared.built {
            disk.rename(path, &layout.built(*digest))?;
        }
        disk.rename(&prepared.generation, &layout.generation(next))?;
        if !self.change.entering.is_empty() || !prepared.built.is_empty() {
            disk.sync_dir(&layout.manifests())?;
        }
        if !self.change.entering.is_empty() {
            disk.sync_dir(&layout.entries())?;
        }
        disk.sync_dir(&layout.generations())?;
        disk.sync_dir(self.locked.staging.directory())
    }

    fn place_entry(&self, staged: &Staged) -> Result<(), DiskError> {
        let digest = staged.digest();
        self.locked.disk.rename(staged.list(), &self.locked.layout.manifest(digest))?;
        if let Some(git) = staged.git() {
            self.locked.disk.rename(git, &self.locked.layout.git_tree(digest))?;
        }
        if let Some(commits) = staged.commits() {
            self.locked.disk.rename(commits, &self.locked.layout.commits(digest))?;
        }
        let entry = self.locked.layout.entry(digest);
        if entry.symlink_metadata().is_err() {
            self.locked.disk.rename(staged.tree(), &entry)?;
        } else if self.change.corrupt.contains(&digest) {
            put_in_place(&self.locked.disk, &self.locked.layout, staged.tree(), &entry)?;
        } else if !is_whole(&self.locked.layout, digest) {
            // The damaged one goes with the staging; a reader finds one of the two at any moment.
            let aside = self.locked.staging.fresh();
            self.locked.disk.exchange_tree(staged.tree(), &entry, &aside)?;
        }
        // Only now: a read-only directory cannot be moved.
        self.locked.disk.make_read_only(&entry)
    }

    fn records(&self, next: Generation, reason: &str) -> Vec<Record> {
        let entered = self.change.entering.values().map(|staged| Record::Entered {
            digest: staged.digest(),
            files: staged.files(),
            bytes: staged.bytes(),
        });
        let generation = Record::Generation {
            number: next,
            at: now(),
            reason: reason.to_owned(),
            restores: self.change.restores,
        };
        let now = self.locked.state.modules();
        let changed =
            self.change.bindings.iter().filter(|(module, to)| now.get(*module) != to.as_ref());
        let bindings = changed.map(|(module, to)| Record::binding(module, to.as_ref()));
        entered.chain([generation]).chain(bindings).chain(self.noted()).collect()
    }

    /// The notes, holds and sightings that say anything new.
    fn noted(&self) -> Vec<Record> {
        let known = self.locked.state.attempts();
        let new = self
            .change
            .notes
            .iter()
            .filter(|(module, attempt)| known.get(*module) != attempt.as_ref());
        let noted = new.map(|(module, attempt)| Record::attempt(module, attempt.as_ref()));
        let held = self.locked.state.holds();
        let holds = self.change.holds.iter();
        let holds = holds.filter(|(module, hold)| held.get(*module) != hold.as_ref());
        let holds = holds.map(|(module, hold)| Record::hold(module, hold.as_ref()));
        let seen = self.locked.state.sightings();
        let sightings = self.change.sightings.iter();
        let sightings = sightings.filter(|(module, it)| seen.get(*module) != it.as_ref());
        let sightings = sightings.map(|(module, it)| Record::sighting(module, it.as_ref()));
        let inputs = self.inputs().into_iter().chain(self.built_on());
        let unexposed = self.unexposed().into_iter().map(|place| Record::Unexposed { place });
        noted.chain(holds).chain(sightings).chain(unexposed).chain(inputs).collect()
    }

    /// What is new of inputs; of the modules that nothing is left of nothing is known.
    fn inputs(&self) -> Vec<Record> {
        let known = self.locked.state.inputs();
        let gone = self.change.gone.iter().map(|module| (module, &[][..]));
        let now = self.change.inputs.iter().map(|(module, now)| (module, now.as_slice()));
        let now: BTreeMap<&ModuleName, &[BuiltInput]> = now.chain(gone).collect();
        let new = now
            .into_iter()
            .filter(|(module, now)| known.get(*module).map_or(&[][..], Vec::as_slice) != *now);
        let new = new.map(|(module, inputs)| Record::Inputs {
            module: module.clone(),
            inputs: inputs.to_vec(),
        });
        new.collect()
    }

    /// What is new of where trees were built that are in the store or enter it.
    fn built_on(&self) -> Vec<Record> {
        let state = &self.locked.state;
        let is_there = |digest: &Digest| {
            state.entry(*digest).is_some() || self.change.entering.contains_key(digest)
        };
        let new = self.change.built_on.iter().filter(|(of, platform)| {
            is_there(&of.0) && state.built_on().get(of) != Some(*platform)
        });
        new.map(Record::built_on).collect()
    }

    /// The places of the links to modules that nothing is left of.
    fn unexposed(&self) -> Vec<LinkedPath> {
        let exposed = self.locked.state.exposed().iter();
        let gone = exposed.filter(|(_, exposure)| self.change.gone.contains(&exposure.module));
        gone.map(|(place, _)| place.clone()).collect()
    }

    /// Whether there is anything to remember that the journal does not say.
    #[must_use]
    pub fn notes_anything(&self) -> bool {
        !self.noted().is_empty()
    }

    /// Records what is to be remembered and nothing else: no generation is made. Gives what the store adds up to
    /// then.
    ///
    /// # Errors
    /// It is remembered if the frame reached the disk.
    pub fn commit_notes(self) -> Result<State, JournalError> {
        let records = self.noted();
        let Locked { disk, journal, mut state, .. } = self.locked;
        state.apply(journal.append(&disk, records)?);
        Ok(state)
    }
}

/// What waits in staging to be renamed.
struct Prepared {
    generation: PathBuf,
    /// The next `modules.lock`. It is derived, so a crash after the frame may leave the old one.
    companion: PathBuf,
    switch: PathBuf,
    /// How entries were built.
    built: Vec<(PathBuf, Digest)>,
    /// When entries were read. Nothing depends on it.
    verified: Option<PathBuf>,
}

impl Prepared {
    fn in_staging(staging: &Staging) -> Self {
        let generation = staging.fresh();
        Self {
            companion: generation.with_extension("companion"),
            switch: generation.with_extension("link"),
            built: Vec::new(),
            verified: None,
            generation,
        }
    }
}

/// The text of the link that leads a target to what it is bound to.
pub(crate) fn link_text(binding: &Binding) -> PathBuf {
    match &binding.bound {
        Bound::Entry { digest, subdirectory, .. } => {
            Layout::entry_text(*digest, subdirectory.as_ref())
        }
        Bound::Linked { path } => path.link_text(),
        Bound::Built(built) => Layout::entry_text(built.digest, None),
        Bound::Kept(kept) => Layout::entry_text(kept.digest, kept.subdirectory.as_ref()),
    }
}

/// How an entry was built for `module`, or for another that it is the same for, as far as that was written beside it.
pub(crate) fn read_built(layout: &Layout, digest: Digest, module: &ModuleName) -> Option<Built> {
    let bytes = read_own(&layout.built(digest)).ok()?;
    let mut built: BTreeMap<String, Built> = serde_json::from_slice(&bytes).ok()?;
    let own = built.remove(module.as_str());
    own.or_else(|| built.into_values().next()).filter(|built| built.digest == digest)
}
