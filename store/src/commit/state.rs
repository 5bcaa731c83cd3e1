//! [`State`]: what the journal adds up to.
//!
//! A fold of frames and nothing else: no I/O, no clock. The bindings of generations before the head
//! are not kept; they are folded again when somebody asks, which is seldom.

use std::collections::BTreeMap;

use super::{
    frame::Frame,
    record::{Binding, Bound, Record},
};
use crate::model::{Digest, Generation};

/// The sum of all frames so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    generations: Vec<GenerationInfo>,
    modules: BTreeMap<String, Binding>,
    entries: BTreeMap<Digest, EntryInfo>,
}

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
    /// What it binds anew, or unbinds (`None`), against the one before.
    pub changes: Vec<(String, Option<Binding>)>,
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
    pub fn apply(&mut self, frame: &Frame) {
        for record in &frame.records {
            self.apply_record(record);
        }
    }

    fn apply_record(&mut self, record: &Record) {
        match record {
            Record::Entered { digest, files, bytes } => {
                self.entries.insert(*digest, EntryInfo { files: *files, bytes: *bytes });
            }
            Record::Generation { number, at, reason, restores } => {
                self.generations.push(GenerationInfo {
                    number: *number,
                    at: *at,
                    reason: reason.clone(),
                    restores: *restores,
                    changes: Vec::new(),
                })
            }
            Record::Bound { module, binding } => {
                self.modules.insert(module.clone(), binding.clone());
                self.note_change(module, Some(binding));
            }
            Record::Unbound { module } => {
                self.modules.remove(module);
                self.note_change(module, None);
            }
        }
    }

    fn note_change(&mut self, module: &str, binding: Option<&Binding>) {
        if let Some(last) = self.generations.last_mut() {
            last.changes.push((module.to_owned(), binding.cloned()));
        }
    }

    /// The newest generation: the one that is shown, or about to be.
    #[must_use]
    pub fn head(&self) -> Option<&GenerationInfo> {
        self.generations.last()
    }

    /// The bindings of the head, by module.
    #[must_use]
    pub const fn modules(&self) -> &BTreeMap<String, Binding> {
        &self.modules
    }

    /// All generations, oldest first.
    #[must_use]
    pub fn generations(&self) -> &[GenerationInfo] {
        &self.generations
    }

    /// The bindings of `generation`, or `None` when the journal knows none of that number.
    #[must_use]
    pub fn modules_of(&self, generation: Generation) -> Option<BTreeMap<String, Binding>> {
        let until = self.generations.iter().position(|info| info.number == generation)?;
        let mut modules = BTreeMap::new();
        for (module, binding) in
            self.generations.iter().take(until + 1).flat_map(|info| &info.changes)
        {
            match binding {
                Some(binding) => modules.insert(module.clone(), binding.clone()),
                None => modules.remove(module),
            };
        }
        Some(modules)
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

impl Binding {
    /// The entry it leads to, unless it is linked.
    #[must_use]
    pub const fn digest(&self) -> Option<Digest> {
        match &self.bound {
            Bound::Entry { digest, .. } => Some(*digest),
            Bound::Linked { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binding(text: &str) -> Binding {
        Binding { source: text.into(), bound: Bound::Linked { path: text.into() } }
    }

    fn frame(number: Generation, changes: &[(&str, Option<&str>)]) -> Frame {
        let mut records =
            vec![Record::Generation { number, at: 0, reason: "test".into(), restores: None }];
        records.extend(changes.iter().map(|(module, to)| match to {
            Some(to) => Record::Bound { module: (*module).into(), binding: binding(to) },
            None => Record::Unbound { module: (*module).into() },
        }));
        Frame { sequence: number.number(), previous: [0; 16], records }
    }

    #[test]
    fn every_generation_can_be_told_as_it_was() {
        let (one, two, three) =
            (Generation::FIRST, Generation::FIRST.next(), Generation::FIRST.next().next());
        let mut state = State::default();
        state.apply(&frame(one, &[("a", Some("/1")), ("b", Some("/1"))]));
        state.apply(&frame(two, &[("a", Some("/2"))]));
        state.apply(&frame(three, &[("b", None)]));
        let told = |generation| {
            let modules = state.modules_of(generation).unwrap();
            modules
                .into_iter()
                .map(|(module, binding)| module + &binding.source)
                .collect::<Vec<_>>()
        };
        assert_eq!(told(one), ["a/1", "b/1"]);
        assert_eq!(told(two), ["a/2", "b/1"]);
        assert_eq!(told(three), ["a/2"]);
        assert_eq!(state.modules_of(three).as_ref(), Some(state.modules()));
        assert_eq!(state.modules_of(three.next()), None);
    }
}
