//! The model: what is declared, what each generation shows, what is published. Plain maps.
//!
//! It says what a command leads to when nothing goes wrong with the disk. Knows nothing of entries, journals or links.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    command::{Command, From},
    upstream::{DIRECTORIES, REPOS, Upstream},
};

/// What a module is declared to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Declared {
    pub(crate) from: From,
    pub(crate) linked: Option<usize>,
}

/// What a module is in a generation: what it was declared to come from, and what that was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    Tree { from: From, repo: usize, commit: usize, part: bool },
    Live { directory: usize },
}

pub(crate) type Declarations = BTreeMap<usize, Declared>;
pub(crate) type Modules = BTreeMap<usize, Bound>;

/// A generation, and the one it took over.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Generation {
    pub(crate) modules: Modules,
    pub(crate) restores: Option<u64>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Model {
    pub(crate) declared: Declarations,
    /// What updates leave as it is.
    pub(crate) held: BTreeSet<usize>,
    /// From number 1 on.
    pub(crate) generations: Vec<Generation>,
    /// What each repository publishes.
    pub(crate) published: [usize; REPOS],
    pub(crate) broken: [bool; REPOS],
}

/// How a command ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// Well, except that these modules could not be fetched.
    Done(BTreeSet<usize>),
    /// With an error, and nothing has changed.
    Refused,
}

/// What a command leads to.
pub(crate) struct Prediction {
    pub(crate) declared: Declarations,
    /// What is declared meanwhile, which a crash may leave: it is undone when it cannot be fetched.
    pub(crate) meanwhile: Declarations,
    /// A new generation, if there is to be one.
    pub(crate) generation: Option<Generation>,
    /// What updates leave as it is from then on.
    pub(crate) held: BTreeSet<usize>,
    pub(crate) end: End,
    /// Whether, if some of the modules cannot be fetched, the others become current all the same.
    pub(crate) in_part: bool,
}

impl Model {
    pub(crate) fn head(&self) -> Modules {
        self.generations.last().map(|generation| generation.modules.clone()).unwrap_or_default()
    }

    /// What the command leads to when nothing goes wrong.
    pub(crate) fn predict(&self, upstream: &Upstream, command: &Command) -> Prediction {
        match command {
            Command::Update { names, all_or_nothing } => {
                self.update(upstream, names, *all_or_nothing)
            }
            Command::Add { module, from, fetch } => self.add(upstream, *module, *from, *fetch),
            Command::Remove { names } => self.remove(names),
            Command::Link { module, directory } => self.link(upstream, *module, *directory),
            Command::Unlink { module } => self.unlink(upstream, *module),
            Command::Rollback { to } => self.rollback(*to),
            Command::Publish { .. }
            | Command::Break { .. }
            | Command::Mend { .. }
            | Command::Reopen => self.unchanged(End::Done(BTreeSet::new())),
        }
    }

    fn unchanged(&self, end: End) -> Prediction {
        let declared = self.declared.clone();
        let (meanwhile, held) = (declared.clone(), self.held.clone());
        Prediction { meanwhile, declared, generation: None, held, end, in_part: false }
    }

    /// A generation of these modules, unless they are current.
    fn generation_of(&self, modules: Modules, restores: Option<u64>) -> Option<Generation> {
        (modules != self.head()).then_some(Generation { modules, restores })
    }

    fn update(
        &self,
        upstream: &Upstream,
        names: &BTreeSet<usize>,
        all_or_nothing: bool,
    ) -> Prediction {
        if names.iter().any(|name| !self.declared.contains_key(name)) {
            return self.unchanged(End::Refused);
        }
        let (mut modules, mut failed) = (self.head(), BTreeSet::new());
        for (module, declared) in &self.declared {
            let is_asked = names.contains(module);
            if (!names.is_empty() || self.held.contains(module)) && !is_asked {
                continue;
            }
            match self.meant(upstream, declared, modules.get(module)) {
                Some(bound) => drop(modules.insert(*module, bound)),
                None => drop(failed.insert(*module)),
            }
        }
        if names.is_empty() {
            modules.retain(|module, _| self.declared.contains_key(module));
        }
        let allowed = failed.is_empty() || !all_or_nothing;
        let head = self.head();
        let is_released = |module: &usize| {
            let is_as_it_was = head.get(module) == modules.get(module);
            names.contains(module) && !failed.contains(module) && (allowed || is_as_it_was)
        };
        let mut held = self.held.clone();
        held.retain(|module| !is_released(module));
        Prediction {
            held,
            generation: self.generation_of(modules, None).filter(|_| allowed),
            in_part: !all_or_nothing,
            ..self.unchanged(End::Done(failed))
        }
    }

    /// The present meaning of the declaration, if it can be fetched.
    fn meant(
        &self,
        upstream: &Upstream,
        declared: &Declared,
        now: Option<&Bound>,
    ) -> Option<Bound> {
        let from = declared.linked.map_or(declared.from, From::Directory);
        let (repo, commit, part) = match from {
            From::Directory(directory) => {
                return (directory < DIRECTORIES - 1).then_some(Bound::Live { directory });
            }
            From::Nowhere { .. } => return None,
            From::Branch { repo, part, .. } => (repo, self.published[repo], part),
            From::Commit { repo, commit, part } => (repo, commit, part),
        };
        let bound = Bound::Tree { from, repo, commit, part };
        // A commit that is current already is asked for at no server.
        let is_settled = matches!(from, From::Commit { .. }) && now == Some(&bound);
        // Nor is one that the store has from any generation: only a branch has to be listed.
        let is_stored = matches!(from, From::Commit { .. }) && self.has_tree(repo, commit);
        let is_reachable = is_stored || !self.broken[repo];
        let can_be_had = is_reachable && (!part || upstream.has_part(repo, commit));
        (is_settled || can_be_had).then_some(bound)
    }

    /// Whether some generation has the tree of this commit.
    fn has_tree(&self, repo: usize, commit: usize) -> bool {
        let mut modules =
            self.generations.iter().flat_map(|generation| generation.modules.values());
        modules.any(|bound| {
            matches!(bound, Bound::Tree { repo: of, commit: is, .. } if (*of, *is) == (repo, commit))
        })
    }

    /// An edit that an update of the module follows: both happen or neither.
    fn followed(&self, upstream: &Upstream, module: usize, edited: Declared) -> Prediction {
        let mut after = self.clone();
        after.declared.insert(module, edited);
        let update = after.update(upstream, &BTreeSet::from([module]), true);
        match &update.end {
            End::Done(failed) if failed.is_empty() => update,
            _ => Prediction { meanwhile: after.declared, ..self.unchanged(End::Refused) },
        }
    }

    fn add(&self, upstream: &Upstream, module: usize, from: From, fetch: bool) -> Prediction {
        let declared = self.declared.get(&module).copied();
        if declared.is_some_and(|declared| declared.from != from) {
            return self.unchanged(End::Refused);
        }
        let edited = declared.unwrap_or(Declared { from, linked: None });
        if fetch {
            return self.followed(upstream, module, edited);
        }
        let mut prediction = self.unchanged(End::Done(BTreeSet::new()));
        prediction.declared.insert(module, edited);
        prediction
    }

    fn link(&self, upstream: &Upstream, module: usize, directory: usize) -> Prediction {
        let edited = match self.declared.get(&module) {
            Some(declared) => Declared { linked: Some(directory), ..*declared },
            None => Declared { from: From::Directory(directory), linked: None },
        };
        self.followed(upstream, module, edited)
    }

    fn unlink(&self, upstream: &Upstream, module: usize) -> Prediction {
        match self.declared.get(&module) {
            Some(Declared { from, linked: Some(_) }) => {
                self.followed(upstream, module, Declared { from: *from, linked: None })
            }
            _ => self.unchanged(End::Refused),
        }
    }

    fn remove(&self, names: &BTreeSet<usize>) -> Prediction {
        if names.iter().any(|name| !self.declared.contains_key(name)) {
            return self.unchanged(End::Refused);
        }
        let mut modules = self.head();
        modules.retain(|module, _| !names.contains(module));
        let mut prediction = self.unchanged(End::Done(BTreeSet::new()));
        prediction.declared.retain(|module, _| !names.contains(module));
        prediction.held.retain(|module| !names.contains(module));
        prediction.generation = self.generation_of(modules, None);
        prediction
    }

    fn rollback(&self, to: Option<u64>) -> Prediction {
        let before = (self.generations.len() as u64).checked_sub(1).filter(|before| *before > 0);
        let to = to.or(before);
        let index = to.and_then(|to| usize::try_from(to).ok()?.checked_sub(1));
        match index.and_then(|index| self.generations.get(index)) {
            None => self.unchanged(End::Refused),
            Some(then) => Prediction {
                held: self.held_by(&then.modules),
                generation: self.generation_of(then.modules.clone(), to),
                ..self.unchanged(End::Done(BTreeSet::new()))
            },
        }
    }

    /// A rollback holds what it changes and what would come again.
    fn held_by(&self, then: &Modules) -> BTreeSet<usize> {
        let head = self.head();
        let changed = self.declared.keys().filter(|module| head.get(module) != then.get(module));
        self.held.iter().chain(changed).copied().collect()
    }
}
