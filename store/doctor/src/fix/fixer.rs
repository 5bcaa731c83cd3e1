//! [`Fixer`]: fixes one environment after the other: under its lock if it follows the store, by its installer, and by hand
//! where there is none, or where the installer would undo a user's edit.

use std::{error::Error, path::PathBuf};

use modstore_core::{
    disk::{Layout, Lock, LockError, LockWait},
    events::{Doing, Event},
    model::causes,
    program::ProgramError,
};
use modstore_python::{Install, Installer};

use super::{
    by_hand::{ByHand, ByHandError},
    guard::in_the_way,
    plan::{Task, plan},
    requirements::{Requirements, constraints},
};
use crate::{
    doctor::Doctor,
    finding::Finding,
    inspected::{Editable, InspectedEnvironment},
    report::FailedFix,
};

/// The fixes made so far, and those that failed.
pub(crate) struct Fixer<'a> {
    doctor: &'a Doctor<'a>,
    pub(crate) done: Vec<Done>,
    pub(crate) failed: Vec<FailedFix>,
}

/// A fix that was made.
pub(crate) struct Done {
    pub(crate) environment: PathBuf,
    /// The distribution; empty for requirements that were added.
    pub(crate) distribution: String,
    /// An installer's name, or `hand`.
    pub(crate) how: String,
}

impl<'a> Fixer<'a> {
    pub(crate) const fn of(doctor: &'a Doctor<'a>) -> Self {
        Self { doctor, done: Vec::new(), failed: Vec::new() }
    }

    /// Leads distributions to the directories that the findings chose. Returns whether it tried anything.
    pub(crate) fn reinstall(
        &mut self,
        environments: &[InspectedEnvironment],
        findings: &[Finding],
    ) -> bool {
        environments
            .iter()
            .fold(false, |has_tried, each| self.reinstall_in(each, findings) | has_tried)
    }

    fn reinstall_in(&mut self, environment: &InspectedEnvironment, findings: &[Finding]) -> bool {
        if !environment.may_run() {
            return false;
        }
        let editables = environment.editables();
        let tasks = plan(environment.prefix(), findings, &editables);
        if tasks.is_empty() || self.doctor.cancel.is_cancelled() {
            return false;
        }
        let _lock = match self.lock(environment) {
            Ok(lock) => lock,
            Err(error) => {
                let is_busy = matches!(error, LockError::Busy { .. });
                self.has_failed(environment, names(&tasks), "lock", &error, is_busy);
                return false;
            }
        };
        let is_edited =
            |task: &Task| editables.iter().any(|it| it.name == task.distribution && it.is_edited());
        let (mut by_hand, by_installer): (Vec<Task>, Vec<Task>) =
            tasks.into_iter().partition(is_edited);
        by_hand.extend(self.by_installer(environment, by_installer));
        if !self.doctor.cancel.is_cancelled() {
            self.by_hand(environment, &by_hand);
        }
        true
    }

    /// Lets the installer do it. Returns the tasks that are not done.
    fn by_installer(&mut self, environment: &InspectedEnvironment, tasks: Vec<Task>) -> Vec<Task> {
        let installer = environment.installer.as_ref().filter(|_| environment.can_run());
        let Some(installer) = installer.filter(|_| !tasks.is_empty()) else { return tasks };
        let editables: Vec<PathBuf> = tasks.iter().map(|task| task.directory.clone()).collect();
        let what = Install { editables: &editables, no_deps: true, ..Install::default() };
        let doing = Doing::Installing { modules: tasks.len() };
        match self.install(environment, installer, doing, what) {
            Ok(()) => {
                self.is_done(environment, names(&tasks), &installer.to_string());
                Vec::new()
            }
            Err(error) => {
                let how = installer.to_string();
                self.has_failed(environment, names(&tasks), &how, &error, false);
                tasks
            }
        }
    }

    fn install(
        &self,
        environment: &InspectedEnvironment,
        installer: &Installer,
        doing: Doing<'_>,
        what: Install<'_>,
    ) -> Result<(), ProgramError> {
        let Doctor { events, offline, cancel, .. } = *self.doctor;
        let prefix = environment.prefix();
        let report = |doing: Doing<'_>| events.happened(Event::Environment { prefix, doing });
        report(doing);
        let on_line = |line: &str| report(Doing::Said(line));
        let what = Install { offline, ..what };
        installer.install(environment.executable(), &what, cancel, &on_line)
    }

    /// Does it by hand, in the files that are there now: an installer that failed may have changed something.
    fn by_hand(&mut self, environment: &InspectedEnvironment, tasks: &[Task]) {
        let registration = environment.registration.as_slice();
        let now = InspectedEnvironment::read(environment.found.clone(), registration, None);
        let editables = now.editables();
        for task in tasks {
            let name = vec![task.distribution.to_string()];
            match self.edit(&now, &editables, task) {
                Ok(()) => self.is_done(environment, name, "hand"),
                Err(error) => {
                    let is_busy = matches!(error, ByHandError::Lock(LockError::Busy { .. }));
                    self.has_failed(environment, name, "hand", &error, is_busy);
                }
            }
        }
    }

    fn edit(
        &self,
        environment: &InspectedEnvironment,
        editables: &[Editable<'_>],
        task: &Task,
    ) -> Result<(), ByHandError> {
        let Some(editable) = editables.iter().find(|it| it.name == task.distribution) else {
            let what = "it is not installed, and there is no installer";
            return Err(ByHandError::NotUnderstood(what.into()));
        };
        if let Some(why) = in_the_way(environment, Some(editable)) {
            return Err(ByHandError::LeftAlone(why));
        }
        let planned = ByHand::plan(editable, task)?;
        if planned.is_done() {
            let what = "its files are as they should be; its installed metadata needs an installer";
            return Err(ByHandError::NotUnderstood(what.into()));
        }
        planned.carry_out(&self.doctor.disk, environment.prefix(), self.wait())
    }

    /// Adds the requirements that are missing. Returns whether it tried anything.
    pub(crate) fn add_requirements(
        &mut self,
        environments: &[InspectedEnvironment],
        findings: &[Finding],
    ) -> bool {
        environments
            .iter()
            .fold(false, |has_tried, each| self.add_requirements_in(each, findings) | has_tried)
    }

    fn add_requirements_in(
        &mut self,
        environment: &InspectedEnvironment,
        findings: &[Finding],
    ) -> bool {
        let wanted = Requirements::of(environment, findings);
        let Some(installer) = &environment.installer else { return false };
        let can_add = !wanted.is_empty()
            && environment.can_run()
            && !self.doctor.cancel.is_cancelled()
            && in_the_way(environment, None).is_none();
        if !can_add {
            return false;
        }
        let how = installer.to_string();
        let constraints = match constraints(environment, findings) {
            Ok(constraints) => constraints,
            Err(error) => {
                self.has_failed(environment, wanted.all(), &how, &error, false);
                return false;
            }
        };
        let what = Install {
            requirements: &wanted.texts,
            editables: &wanted.projects,
            again: &wanted.again,
            constraints: Some(constraints.path()),
            ..Install::default()
        };
        let doing = Doing::Adding { requirements: wanted.all().len() };
        match self.install(environment, installer, doing, what) {
            Ok(()) => self.is_done(environment, vec![String::new()], &how),
            Err(error) => self.has_failed(environment, wanted.all(), &how, &error, false),
        }
        true
    }

    /// The lock of an environment that follows the store.
    fn lock(&self, environment: &InspectedEnvironment) -> Result<Option<Lock>, LockError> {
        let (Some(registration), Some(home)) = (&environment.registration, &self.doctor.home)
        else {
            return Ok(None);
        };
        let path = Layout::new(home).lock(&format!("environment-{}", registration.name()));
        Lock::take(&path, "modstore doctor", self.wait()).map(Some)
    }

    const fn wait(&self) -> LockWait<'_> {
        LockWait::at_most(self.doctor.lock_limit)
    }

    fn is_done(&mut self, environment: &InspectedEnvironment, names: Vec<String>, how: &str) {
        self.done.extend(names.into_iter().map(|distribution| Done {
            environment: environment.prefix().to_owned(),
            distribution,
            how: how.to_owned(),
        }));
    }

    fn has_failed(
        &mut self,
        environment: &InspectedEnvironment,
        distributions: Vec<String>,
        how: &str,
        error: &dyn Error,
        is_busy: bool,
    ) {
        self.failed.push(FailedFix {
            environment: environment.prefix().to_owned(),
            distributions,
            how: how.to_owned(),
            causes: causes(error),
            is_busy,
        });
    }
}

fn names(tasks: &[Task]) -> Vec<String> {
    tasks.iter().map(|task| task.distribution.to_string()).collect()
}
