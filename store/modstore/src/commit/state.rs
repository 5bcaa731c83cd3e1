//! [`State`]: what the journal adds up to.
//!
//! A fold of frames and nothing else: no I/O, no clock. The bindings of generations before the head
//! are not kept; they are folded again when they are asked for, which is seldom.

use std::collections::{BTreeMap, BTreeSet};

use super::{frame::Frame, record::Record};
use crate::model::{
    Attempt, Binding, BuiltInput, Digest, Exposure, Generation, Hold, LinkedPath, ModuleName,
    Platform, Sighting,
};

/// The sum of all frames so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    generations: Vec<GenerationInfo>,
    modules: BTreeMap<ModuleName, Binding>,
    entries: BTreeMap<Digest, EntryInfo>,
    attempts: BTreeMap<ModuleName, Attempt>,
    holds: BTreeMap<ModuleName, Hold>,
    sightings: BTreeMap<ModuleName, Sighting>,
    exposed: BTreeMap<LinkedPath, Exposure>,
    inputs: BTreeMap<ModuleName, Vec<BuiltInput>>,
    built_on: BuiltOn,
    sequence: u64,
}

/// The platform on which each tree was built under a key, as far as a lock may name it for other machines.
pub type BuiltOn = BTreeMap<(Digest, Digest), Platform>;

/// What the journal says about a generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GenerationInfo {
    /// Its number.
    pub number: Generation,
    /// When it was recorded, in milliseconds since 1970.
    pub at: u64,
    /// The command that made it.
    pub reason: String,
    /// The generation whose bindings it took over, for a rollback.
    pub restores: Option<Generation>,
    /// The bindings that differ from the generation before; `None` for a module that it does not have any more.
    pub changes: Vec<(ModuleName, Option<Binding>)>,
    /// Whether it is kept no longer; then its entries may be gone.
    pub retired: bool,
}

/// What the journal says about an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryInfo {
    /// How many files it has.
    pub files: u64,
    /// How many bytes they have.
    pub bytes: u64,
}

impl State {
    /// Adds a frame.
    pub fn apply(&mut self, frame: Frame) {
        self.sequence = frame.sequence;
        for record in frame.records {
            self.apply_record(record);
        }
    }

    fn apply_record(&mut self, record: Record) {
        match record {
            Record::Entered { digest, files, bytes } => {
                self.entries.insert(digest, EntryInfo { files, bytes });
            }
            Record::Generation { number, at, reason, restores } => {
                let (changes, retired) = (Vec::new(), false);
                let info = GenerationInfo { number, at, reason, restores, changes, retired };
                self.generations.push(info);
            }
            Record::Bound { module, binding } => {
                match self.modules.get_mut(&module) {
                    Some(bound) => bound.clone_from(&binding),
                    None => drop(self.modules.insert(module.clone(), binding.clone())),
                }
                self.note_change(module, Some(binding));
            }
            Record::Unbound { module } => {
                self.modules.remove(&module);
                self.note_change(module, None);
            }
            Record::Retired { number } => {
                // Numbers only go up, and a sweep may retire thousands.
                let at = self.generations.binary_search_by_key(&number, |info| info.number);
                let retired = at.ok().and_then(|at| self.generations.get_mut(at));
                retired.into_iter().for_each(|info| info.retired = true);
            }
            Record::Forgotten { digest } => {
                self.entries.remove(&digest);
                self.built_on.retain(|(built, _), _| *built != digest);
            }
            Record::BuiltOn { digest, key, platform } => {
                self.built_on.insert((digest, key), platform);
            }
            Record::Attempted { module, attempt } => {
                self.attempts.insert(module, *attempt);
            }
            Record::Cleared { module } => {
                self.attempts.remove(&module);
            }
            Record::Held { module, hold } => {
                self.holds.insert(module, hold);
            }
            Record::Released { module } => {
                self.holds.remove(&module);
            }
            Record::Exposed { place, exposure } => {
                self.exposed.insert(place, exposure);
            }
            Record::Unexposed { place } => {
                self.exposed.remove(&place);
            }
            Record::Sighted { module, sighting } => {
                self.sightings.insert(module, sighting);
            }
            Record::Unsighted { module } => {
                self.sightings.remove(&module);
            }
            Record::Inputs { module, inputs } if inputs.is_empty() => {
                self.inputs.remove(&module);
            }
            Record::Inputs { module, inputs } => {
                self.inputs.insert(module, inputs);
            }
            Record::Checkpoint { .. } => {
                *self = Self { sequence: self.sequence, ..Self::default() };
            }
        }
    }

    fn note_change(&mut self, module: ModuleName, binding: Option<Binding>) {
        if let Some(last) = self.generations.last_mut() {
            last.changes.push((module, binding));
        }
    }

    /// The newest generation: the current one, or the one that is about to be.
    #[must_use]
    pub fn head(&self) -> Option<&GenerationInfo> {
        self.generations.last()
    }

    /// The bindings of the head, by module.
    #[must_use]
    pub const fn modules(&self) -> &BTreeMap<ModuleName, Binding> {
        &self.modules
    }

    /// All generations, oldest first.
    #[must_use]
    pub fn generations(&self) -> &[GenerationInfo] {
        &self.generations
    }

    /// The generations that are kept, oldest first. The head is always one of them.
    pub fn kept(&self) -> impl DoubleEndedIterator<Item = &GenerationInfo> {
        self.generations.iter().filter(|info| !info.retired)
    }

    /// Whether `generation` is kept, so that it can become current again.
    #[must_use]
    pub fn is_kept(&self, generation: Generation) -> bool {
        self.kept().any(|info| info.number == generation)
    }

    /// The number of the last frame, 0 for none. It goes up with every change of the store.
    #[must_use]
    pub const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The bindings of `generation`, or `None` when the journal knows none of that number.
    #[must_use]
    pub fn modules_of(&self, generation: Generation) -> Option<BTreeMap<ModuleName, Binding>> {
        let until = self.generations.iter().position(|info| info.number == generation)?;
        let mut modules = BTreeMap::new();
        let changes = self.generations.iter().take(until + 1).flat_map(|info| &info.changes);
        apply_changes(&mut modules, changes.map(|(module, to)| (module, to.as_ref())));
        Some(modules.into_iter().map(|(name, to)| (name.clone(), to.clone())).collect())
    }

    /// Every kept generation with its bindings, oldest first.
    pub fn kept_modules(
        &self,
    ) -> impl Iterator<Item = (&GenerationInfo, BTreeMap<&ModuleName, &Binding>)> {
        let folded = self.generations.iter().scan(BTreeMap::new(), |modules, info| {
            apply_changes(modules, info.changes.iter().map(|(name, to)| (name, to.as_ref())));
            Some((!info.retired).then(|| (info, modules.clone())))
        });
        folded.flatten()
    }

    /// How many kept generations lead to each entry: the first of the two books. An entry that is not
    /// in it has refcount 0. Counted, never stored, so that it cannot drift.
    #[must_use]
    pub fn refcounts(&self) -> BTreeMap<Digest, u64> {
        let mut counts = BTreeMap::new();
        for (_, modules) in self.kept_modules() {
            let digests: BTreeSet<Digest> =
                modules.values().filter_map(|binding| binding.digest()).collect();
            digests.into_iter().for_each(|digest| *counts.entry(digest).or_default() += 1);
        }
        counts
    }

    /// The entries that what kept generations show was built from. No link leads to them; they stay so that it can be
    /// built again, with or without a network.
    #[must_use]
    pub fn materials(&self) -> BTreeSet<Digest> {
        let kept = self.kept_modules().flat_map(|(_, modules)| modules.into_values());
        kept.filter_map(Binding::material).collect()
    }

    /// The entries that kept generations need: those that they lead to, and those that these were built from.
    #[must_use]
    pub fn needed(&self) -> BTreeSet<Digest> {
        self.refcounts().into_keys().chain(self.materials()).collect()
    }

    /// The fewest records that lead to this state, but for what is retired.
    #[must_use]
    pub fn checkpoint(&self, at: u64, reason: &str) -> Vec<Record> {
        let start = Record::Checkpoint { at, reason: reason.to_owned() };
        let entered = self.entries.iter().map(|(digest, info)| Record::Entered {
            digest: *digest,
            files: info.files,
            bytes: info.bytes,
        });
        let mut records: Vec<Record> = [start].into_iter().chain(entered).collect();
        let mut before = BTreeMap::new();
        for (info, modules) in self.kept_modules() {
            records.push(Record::Generation {
                number: info.number,
                at: info.at,
                reason: info.reason.clone(),
                restores: info.restores,
            });
            records.extend(changes(&before, &modules));
            before = modules;
        }
        let attempts = self.attempts.iter();
        records.extend(attempts.map(|(module, attempt)| Record::attempt(module, Some(attempt))));
        records.extend(self.holds.iter().map(|(module, hold)| Record::hold(module, Some(hold))));
        let exposed = self.exposed.iter();
        records.extend(exposed.map(|(place, exposure)| {
            let (place, exposure) = (place.clone(), exposure.clone());
            Record::Exposed { place, exposure }
        }));
        let seen = self.sightings.iter();
        records.extend(seen.map(|(module, sighting)| Record::sighting(module, Some(sighting))));
        records.extend(self.inputs.iter().map(|(module, inputs)| {
            let (module, inputs) = (module.clone(), inputs.clone());
            Record::Inputs { module, inputs }
        }));
        records.extend(self.built_on.iter().map(Record::built_on));
        records
    }

    /// The last try of each module that is not as it is declared.
    #[must_use]
    pub const fn attempts(&self) -> &BTreeMap<ModuleName, Attempt> {
        &self.attempts
    }

    /// The modules that updates leave as they are.
    #[must_use]
    pub const fn holds(&self) -> &BTreeMap<ModuleName, Hold> {
        &self.holds
    }

    /// The commits that modules wait for until they are old enough.
    #[must_use]
    pub const fn sightings(&self) -> &BTreeMap<ModuleName, Sighting> {
        &self.sightings
    }

    /// The links at places of hosts' that lead to modules, by their places.
    #[must_use]
    pub const fn exposed(&self) -> &BTreeMap<LinkedPath, Exposure> {
        &self.exposed
    }

    /// What is known of the inputs of each module that is built for each of them.
    #[must_use]
    pub const fn inputs(&self) -> &BTreeMap<ModuleName, Vec<BuiltInput>> {
        &self.inputs
    }

    /// On which platform each tree was built that a lock may name.
    #[must_use]
    pub const fn built_on(&self) -> &BuiltOn {
        &self.built_on
    }

    /// What is known of an entry.
    #[must_use]
    pub fn entry(&self, digest: Digest) -> Option<EntryInfo> {
        self.entries.get(&digest).copied()
    }

    /// All entries the journal knows.
    #[must_use]
    pub const fn entries(&self) -> &BTreeMap<Digest, EntryInfo> {
        &self.entries
    }
}

/// Makes each module what it becomes, or removes it.
pub(super) fn apply_changes<'a>(
    modules: &mut BTreeMap<&'a ModuleName, &'a Binding>,
    changes: impl Iterator<Item = (&'a ModuleName, Option<&'a Binding>)>,
) {
    for (module, to) in changes {
        match to {
            Some(to) => modules.insert(module, to),
            None => modules.remove(module),
        };
    }
}

/// The records that lead from the bindings `before` to those `after`.
pub(crate) fn changes(
    before: &BTreeMap<&ModuleName, &Binding>,
    after: &BTreeMap<&ModuleName, &Binding>,
) -> impl Iterator<Item = Record> {
    let bound = after.iter().filter(|(module, binding)| before.get(*module) != Some(*binding));
    let bound = bound.map(|(module, to)| Record::binding(module, Some(to)));
    let unbound = before.keys().filter(|module| !after.contains_key(*module));
    let unbound = unbound.map(|module| Record::binding(module, None));
    bound.chain(unbound).collect::<Vec<_>>().into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Bound, RecordedSource};

    fn binding(text: &str) -> Binding {
        Binding { source: RecordedSource::read(text), bound: Bound::Linked { path: text.into() } }
    }

    fn frame(number: Generation, changes: &[(&str, Option<&str>)]) -> Frame {
        let mut records =
            vec![Record::Generation { number, at: 0, reason: "test".into(), restores: None }];
        records.extend(changes.iter().map(|(module, to)| match to {
            Some(to) => Record::Bound { module: module.parse().unwrap(), binding: binding(to) },
            None => Record::Unbound { module: module.parse().unwrap() },
        }));
        Frame { sequence: number.number(), previous: [0; 16], records }
    }

    #[test]
    fn every_generation_can_be_read_as_it_was() {
        let (one, two, three) =
            (Generation::FIRST, Generation::FIRST.next(), Generation::FIRST.next().next());
        let mut state = State::default();
        state.apply(frame(one, &[("a", Some("/1")), ("b", Some("/1"))]));
        state.apply(frame(two, &[("a", Some("/2"))]));
        state.apply(frame(three, &[("b", None)]));
        let modules = |generation| {
            let modules = state.modules_of(generation).unwrap();
            modules
                .into_iter()
                .map(|(module, binding)| format!("{module}{}", binding.source))
                .collect::<Vec<_>>()
        };
        assert_eq!(modules(one), ["a/1", "b/1"]);
        assert_eq!(modules(two), ["a/2", "b/1"]);
        assert_eq!(modules(three), ["a/2"]);
        assert_eq!(state.modules_of(three).as_ref(), Some(state.modules()));
        assert_eq!(state.modules_of(three.next()), None);
    }

    #[test]
    fn a_checkpoint_leads_to_the_same_state_but_for_what_is_retired() {
        let (one, two, three) =
            (Generation::FIRST, Generation::FIRST.next(), Generation::FIRST.next().next());
        let mut state = State::default();
        state.apply(frame(one, &[("a", Some("/1")), ("b", Some("/1"))]));
        state.apply(frame(two, &[("a", Some("/2")), ("b", None)]));
        state.apply(frame(three, &[("c", Some("/3"))]));
        let digest = Digest::from_bytes([7; 32]);
        let records = vec![
            Record::Entered { digest, files: 1, bytes: 2 },
            Record::Retired { number: one },
            Record::Retired { number: two },
            Record::Held { module: "c".parse().unwrap(), hold: Hold { at: 1, reason: "x".into() } },
            Record::Exposed {
                place: "/host/c".into(),
                exposure: Exposure { module: "c".parse().unwrap(), text: "/c".into() },
            },
            Record::Sighted {
                module: "c".parse().unwrap(),
                sighting: Sighting {
                    source: RecordedSource::unknown(),
                    revision: crate::model::Revision::from_bytes([1; 20]),
                    at: 3,
                },
            },
            Record::Inputs {
                module: "c".parse().unwrap(),
                inputs: vec![BuiltInput { path: "a".into(), outputs: Vec::new(), attempt: None }],
            },
            built_on(digest),
        ];
        state.apply(Frame { sequence: 4, previous: [0; 16], records });
        let mut folded = State::default();
        let records = state.checkpoint(9, "gc");
        folded.apply(Frame { sequence: 5, previous: [0; 16], records });
        assert_eq!(folded.modules(), state.modules());
        assert_eq!(folded.entries(), state.entries());
        assert_eq!(folded.holds(), state.holds());
        assert!(folded.holds().contains_key("c"));
        assert_eq!(folded.exposed(), state.exposed());
        assert_eq!(folded.exposed().len(), 1);
        assert_eq!(folded.sightings(), state.sightings());
        assert_eq!(folded.sightings().len(), 1);
        assert_eq!(folded.inputs(), state.inputs());
        assert_eq!(folded.inputs().len(), 1);
        assert_eq!(folded.built_on(), state.built_on());
        assert_eq!(folded.built_on().len(), 1);
        assert_eq!(folded.head().map(|head| head.number), Some(three));
        assert_eq!(folded.generations().len(), 1);
        assert_eq!(folded.modules_of(three), state.modules_of(three));
    }

    fn built_on(digest: Digest) -> Record {
        let platform = "linux-x86_64-musl".parse().unwrap();
        Record::BuiltOn { digest, key: Digest::from_bytes([8; 32]), platform }
    }

    #[test]
    fn what_was_built_is_in_no_lock_once_its_tree_is_gone() {
        let [one, other] = [6, 7].map(|byte| Digest::from_bytes([byte; 32]));
        let mut state = State::default();
        let records = vec![built_on(one), built_on(other), Record::Forgotten { digest: one }];
        state.apply(Frame { sequence: 1, previous: [0; 16], records });
        let left: Vec<Digest> = state.built_on().keys().map(|(digest, _)| *digest).collect();
        assert_eq!(left, [other]);
    }

    #[test]
    fn a_module_that_has_no_inputs_left_is_not_in_the_list_of_those_that_have() {
        let module: ModuleName = "a".parse().unwrap();
        let input = BuiltInput { path: "x".into(), outputs: Vec::new(), attempt: None };
        let mut state = State::default();
        for (sequence, inputs) in [(1, vec![input]), (2, Vec::new())] {
            let there = usize::from(!inputs.is_empty());
            let records = vec![Record::Inputs { module: module.clone(), inputs }];
            state.apply(Frame { sequence, previous: [0; 16], records });
            assert_eq!(state.inputs().len(), there);
        }
    }

    #[test]
    fn a_retired_generation_counts_for_no_entry() {
        let (one, two) = (Generation::FIRST, Generation::FIRST.next());
        let digest = |byte| Digest::from_bytes([byte; 32]);
        let bound = |byte| Record::Bound {
            module: "a".parse().unwrap(),
            binding: Binding {
                source: RecordedSource::unknown(),
                bound: Bound::Entry { digest: digest(byte), subdirectory: None, fetched: None },
            },
        };
        let mut state = State::default();
        for (number, byte) in [(one, 1), (two, 2)] {
            let mut frame = frame(number, &[]);
            frame.records.push(bound(byte));
            state.apply(frame);
        }
        assert_eq!(state.refcounts(), BTreeMap::from([(digest(1), 1), (digest(2), 1)]));
        state.apply(Frame {
            sequence: 3,
            previous: [0; 16],
            records: vec![Record::Retired { number: one }],
        });
        assert_eq!(state.refcounts(), BTreeMap::from([(digest(2), 1)]));
        assert!(!state.is_kept(one) && state.is_kept(two));
    }
}
