//! [`Leads`]: which modules of which kept generations lead to which entry.
//!
//! From the journal, or, when that cannot be believed, from the links on disk.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use crate::{
    commit::State,
    disk::{Layout, names_in},
    model::{Digest, Generation, ModuleName},
};

/// Who leads to an entry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Leads {
    pub(super) modules: BTreeSet<String>,
    pub(super) generations: BTreeSet<Generation>,
}

/// Who leads where.
#[derive(Debug, Default)]
pub(super) struct Book {
    to: BTreeMap<Digest, Leads>,
    modules: BTreeSet<String>,
    from_git: BTreeSet<Digest>,
}

impl Book {
    /// What the journal says.
    pub(super) fn of_state(state: &State) -> Self {
        let mut book = Self::default();
        for (info, modules) in state.kept_modules() {
            for (module, binding) in modules {
                book.note(info.number, module.as_str(), binding.digest());
                // What it was built from has to be sound too, or it could not be built again.
                if binding.material().is_some() {
                    book.note(info.number, module.as_str(), binding.material());
                }
                if binding.bound.fetched().is_some() {
                    book.from_git.extend(binding.bound.source_entry());
                }
            }
        }
        book
    }

    /// What the links of all generations say.
    pub(super) fn of_links(layout: &Layout) -> Self {
        let mut book = Self::default();
        let names = names_in(&layout.generations()).unwrap_or_default();
        for number in names.iter().filter_map(|name| name.to_str()?.parse::<Generation>().ok()) {
            let at = layout.generation(number);
            for name in names_in(&at).unwrap_or_default() {
                let digest = std::fs::read_link(at.join(&name)).ok();
                let digest = digest.and_then(|text| digest_in(&text));
                book.note(number, &name.to_string_lossy(), digest);
            }
        }
        book
    }

    fn note(&mut self, generation: Generation, module: &str, to: Option<Digest>) {
        self.modules.insert(module.to_owned());
        if let Some(digest) = to {
            let leads = self.to.entry(digest).or_default();
            leads.modules.insert(module.to_owned());
            leads.generations.insert(generation);
        }
    }

    /// Who leads to `entry`.
    pub(super) fn to(&self, entry: Digest) -> Option<&Leads> {
        self.to.get(&entry)
    }

    /// Whether `entry` is known to have come from git.
    pub(super) fn is_from_git(&self, entry: Digest) -> bool {
        self.from_git.contains(&entry)
    }

    /// Every entry that somebody leads to.
    pub(super) fn entries(&self) -> impl Iterator<Item = Digest> + '_ {
        self.to.keys().copied()
    }

    /// The first of `names` that nothing is known of.
    pub(super) fn unknown_of<'a>(&self, names: &'a [ModuleName]) -> Option<&'a ModuleName> {
        names.iter().find(|name| !self.modules.contains(name.as_str()))
    }

    /// Whether one of `names` leads to `entry`, or none is named.
    pub(super) fn concerns(&self, names: &[ModuleName], entry: Digest) -> bool {
        let leads = self.to(entry);
        names.is_empty()
            || names
                .iter()
                .any(|name| leads.is_some_and(|leads| leads.modules.contains(name.as_str())))
    }
}

/// The entry that a module's link leads to, from its text.
pub(super) fn digest_in(text: &Path) -> Option<Digest> {
    let below = text.strip_prefix("../../entries").ok()?;
    below.components().next()?.as_os_str().to_str()?.parse().ok()
}
