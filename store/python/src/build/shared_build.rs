//! [`SharedBuild`]: projects with the same build requirements, built in one environment.
//!
//! ```text
//! environment   one, with the requirements of the build
//! ask           the backend what it needs beside them; what needs nothing is built at once
//! again         projects with the same further needs: in the same environment if all that are left need the same, else in
//!               one of their own, so that nothing that one project needs is there when another is built
//! ```
//!
//! Whatever fails here has no answer, and is built by an installer alone, which says why. An installer that is not uv
//! makes no environments; nothing is shared then, nor where the user has settings of builds, which only uv itself follows.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use modstore_core::{events::Doing, program::ProgramError};

use super::build_system::BuildSystem;
use crate::{
    run::{BuildHooks, HookProject, Install, Installer},
    workspace::Workspace,
};

/// Where and by what projects are built.
pub(super) struct SharedBuild<'a> {
    pub workspace: Workspace<'a>,
    pub installer: &'a Installer,
    /// The environment whose Python builds.
    pub python: &'a Path,
    pub prefix: &'a Path,
    pub variables: &'a [(&'a str, &'a str)],
    pub system: &'a BuildSystem,
    pub at_once: usize,
}

impl SharedBuild<'_> {
    /// Builds the projects, and gives the numbers of those that were built.
    pub(super) fn build(&self, projects: &[HookProject]) -> BTreeSet<usize> {
        // What is wrong is said by the installer that builds the same project alone.
        self.try_build(projects).unwrap_or_default()
    }

    fn try_build(&self, projects: &[HookProject]) -> Result<BTreeSet<usize>, ProgramError> {
        let environment = self.environment(&BTreeSet::new())?;
        let answers = self.run(&environment, projects, false)?;
        let mut built = BTreeSet::new();
        let mut by_needs: BTreeMap<BTreeSet<String>, Vec<usize>> = BTreeMap::new();
        for (number, needs) in answers {
            if needs.is_empty() {
                built.insert(number);
            } else {
                by_needs.entry(needs).or_default().push(number);
            }
        }
        let is_one = by_needs.len() == 1;
        for (needs, numbers) in by_needs {
            let place = if is_one { Some(&environment) } else { None };
            // Those before have their answers all the same.
            built.extend(self.build_again(place, &needs, &numbers, projects).unwrap_or_default());
        }
        Ok(built)
    }

    /// Builds the projects of these numbers where what they need beside their requirements is there.
    fn build_again(
        &self,
        place: Option<&PathBuf>,
        needs: &BTreeSet<String>,
        numbers: &[usize],
        projects: &[HookProject],
    ) -> Result<Vec<usize>, ProgramError> {
        let environment = match place {
            Some(environment) => {
                self.add(environment, needs)?;
                environment.clone()
            }
            None => self.environment(needs)?,
        };
        let left = numbers.iter().filter_map(|number| projects.get(*number).cloned());
        let answers = self.run(&environment, &left.collect::<Vec<_>>(), true)?;
        Ok(answers.keys().filter_map(|at| numbers.get(*at).copied()).collect())
    }

    /// A new environment with the requirements of the build and these.
    fn environment(&self, more: &BTreeSet<String>) -> Result<PathBuf, ProgramError> {
        let Workspace { store, staging } = self.workspace;
        let place = staging.fresh();
        let made = self.installer.make_environment(self.python, &place, store.cancel);
        made.unwrap_or_else(|| Err(self.no_environment()))?;
        self.add(&place, &self.system.requires.union(more).cloned().collect())?;
        Ok(place)
    }

    fn no_environment(&self) -> ProgramError {
        let source = std::io::ErrorKind::Unsupported.into();
        ProgramError::Start { program: self.installer.to_string(), source }
    }

    fn add(&self, environment: &Path, requirements: &BTreeSet<String>) -> Result<(), ProgramError> {
        if requirements.is_empty() {
            return Ok(());
        }
        let store = self.workspace.store;
        let requirements: Vec<String> = requirements.iter().cloned().collect();
        let what =
            Install { requirements: &requirements, offline: store.offline, ..Install::default() };
        let python = BuildHooks::python(environment);
        self.installer.install(&python, &what, store.cancel, &|line| self.said(line))
    }

    fn run(
        &self,
        environment: &Path,
        projects: &[HookProject],
        complete: bool,
    ) -> Result<BTreeMap<usize, BTreeSet<String>>, ProgramError> {
        let hooks = BuildHooks {
            environment,
            backend: &self.system.backend,
            projects,
            complete,
            at_once: self.at_once,
            variables: self.variables,
        };
        hooks.run(self.workspace.store.cancel, &|line| self.said(line))
    }

    fn said(&self, line: &str) {
        self.workspace.report(self.prefix, Doing::Said(line));
    }
}
