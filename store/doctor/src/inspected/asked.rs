//! [`Asked`]: what the environment's own Python says of itself and of where modules are. Asked once, and nothing is
//! imported.

use std::{collections::BTreeSet, path::Path};

use modstore_core::{Cancel, disk::names_in, model::causes};
use modstore_python::{Distribution, ModulePlace, ModuleSearch, PointerKind, Scan};

use super::{editable::Editable, environment::InspectedEnvironment, promised::promised};

/// The answer of an environment's Python.
#[derive(Debug)]
pub(crate) enum Asked {
    /// It was not asked: only files may be read, or the user has not named the environment.
    Not,
    /// Its answer.
    Answer(Box<ModuleSearch>),
    /// It does not start, or does not answer.
    Failed {
        /// Why not, from the outermost cause on.
        why: String,
        /// Whether it starts without its site directories, so that one of their files is at fault.
        without_site: bool,
    },
}

impl Asked {
    /// Asks where the modules are that the editables promise.
    pub(crate) fn of(
        environment: &InspectedEnvironment,
        editables: &[Editable<'_>],
        cancel: &Cancel,
    ) -> Self {
        if !environment.may_run() || !environment.can_run() {
            return Self::Not;
        }
        let names = editables.iter().flat_map(promised);
        // Where a part of a package is not found, the package says why.
        let names: BTreeSet<String> = names.flat_map(|name| with_parents(&name)).collect();
        let python = environment.executable();
        match ModuleSearch::ask(python, &names, cancel) {
            Ok(answer) => Self::Answer(Box::new(answer)),
            Err(error) => {
                // Only the last line of a traceback says why.
                let causes = causes(&error).into_iter();
                let last = causes.filter_map(|cause| cause.lines().last().map(str::to_owned));
                let why = last.collect::<Vec<_>>().join(": ");
                let without_site = ModuleSearch::starts_without_site(python, cancel);
                Self::Failed { why, without_site }
            }
        }
    }

    /// The distributions that the environment's Python sees: those on its import path, or those of its site directories, if
    /// it was not asked. Without metadata that a cut-off upgrade left.
    pub(crate) fn visible(&self, environment: &InspectedEnvironment) -> Vec<Distribution> {
        let superseded = environment.superseded().into_iter();
        let left: Vec<&Path> = superseded.map(|(left, _)| left.directory.as_path()).collect();
        let all: Vec<Distribution> = match self.answer() {
            Some(answer) => answer.installed.iter().filter_map(|it| Distribution::at(it)).collect(),
            None => by_files(environment),
        };
        all.into_iter().filter(|it| !left.contains(&it.directory.as_path())).collect()
    }

    /// Its answer, if there is one.
    pub(crate) fn answer(&self) -> Option<&ModuleSearch> {
        match self {
            Self::Answer(answer) => Some(answer),
            Self::Not | Self::Failed { .. } => None,
        }
    }

    /// Where it would load the module from, if it was asked.
    pub(crate) fn place(&self, module: &str) -> Option<&ModulePlace> {
        self.answer()?.modules.get(module)
    }
}

/// What lies in the site directories, and beside them in directories that a `.pth` of no distribution adds.
fn by_files(environment: &InspectedEnvironment) -> Vec<Distribution> {
    let of = |scan: &Scan| {
        let mut found = scan.distributions.clone();
        let added = scan.pointers.iter().filter(|it| it.how == PointerKind::Pth);
        for pointer in added.filter(|it| it.distribution.is_none()) {
            let names = names_in(&pointer.target).unwrap_or_default();
            found.extend(names.iter().filter_map(|it| Distribution::at(&pointer.target.join(it))));
        }
        found
    };
    environment.scans.iter().flat_map(of).collect()
}

/// The name, and those of the packages that it is in.
fn with_parents(name: &str) -> Vec<String> {
    let ends = name.match_indices('.').map(|(at, _)| at).chain([name.len()]);
    ends.filter_map(|end| name.get(..end).map(str::to_owned)).collect()
}
