//! [`Work`]: mending, one environment after the other: under its lock if the store looks after it, by its installer, and by
//! hand where there is none, or where somebody has edited what it would replace.

use std::{error::Error, path::PathBuf};

use modstore_core::{
    disk::{Layout, Lock, LockError, Patience},
    events::Doing,
    model::causes,
};

use crate::{
    doctor::Doctor,
    finding::Finding,
    fix::{self, ByHand, HandError, Task},
    inspected::{Editable, Patient},
    inspection::Seen,
    report::Trial,
};

/// What has been done so far, and what was tried in vain.
pub(super) struct Work<'a> {
    doctor: &'a Doctor<'a>,
    pub(super) done: Vec<Done>,
    pub(super) trials: Vec<Trial>,
}

/// Something that was done.
pub(super) struct Done {
    pub(super) environment: PathBuf,
    /// The distribution; empty for what is needed and was added.
    pub(super) distribution: String,
    /// An installer's name, or `hand`.
    pub(super) how: String,
}

impl<'a> Work<'a> {
    /// Nothing yet.
    pub(super) const fn of(doctor: &'a Doctor<'a>) -> Self {
        Self { doctor, done: Vec::new(), trials: Vec::new() }
    }

    /// Mends what leads elsewhere than it should in one environment. Gives whether anything was tried.
    pub(super) fn mend(&mut self, patient: &Patient, findings: &[Finding]) -> bool {
        if patient.found.unasked.is_some() {
            return false;
        }
        let editables = patient.editables();
        let tasks = fix::plan(patient.prefix(), findings, &editables);
        if tasks.is_empty() || self.doctor.cancel.is_cancelled() {
            return false;
        }
        let _held = match self.hold(patient) {
            Ok(held) => held,
            Err(error) => {
                let is_busy = matches!(error, LockError::Busy { .. });
                self.failed(patient, names(&tasks), "lock", &error, is_busy);
                return false;
            }
        };
        let is_edited =
            |task: &Task| editables.iter().any(|it| it.name == task.distribution && it.is_edited());
        let (mut by_hand, by_installer): (Vec<Task>, Vec<Task>) =
            tasks.into_iter().partition(is_edited);
        by_hand.extend(self.install(patient, by_installer));
        if !self.doctor.cancel.is_cancelled() {
            self.edit(patient, &by_hand);
        }
        true
    }

    /// Lets the installer do it. Gives what it has not done.
    fn install(&mut self, patient: &Patient, tasks: Vec<Task>) -> Vec<Task> {
        let installer = patient.installer.as_ref().filter(|_| patient.can_run());
        let Some(installer) = installer.filter(|_| !tasks.is_empty()) else { return tasks };
        let Doctor { told, offline, cancel, .. } = self.doctor;
        let (prefix, how) = (patient.prefix(), installer.to_string());
        told(prefix, Doing::Installing { modules: tasks.len() });
        let said = |line: &str| told(prefix, Doing::Said(line));
        match fix::reinstall(patient, installer, &tasks, *offline, cancel, &said) {
            Ok(()) => {
                self.done(patient, names(&tasks), &how);
                Vec::new()
            }
            Err(error) => {
                self.failed(patient, names(&tasks), &how, &error, false);
                tasks
            }
        }
    }

    /// Does it by hand, in what is there now: an installer that has failed may have changed something.
    fn edit(&mut self, patient: &Patient, tasks: &[Task]) {
        let now = Patient::look_at(patient.found.clone(), patient.registration.as_slice());
        let editables = now.editables();
        for task in tasks {
            let name = vec![task.distribution.to_string()];
            match self.by_hand(&now, &editables, task) {
                Ok(()) => self.done(patient, name, "hand"),
                Err(error) => {
                    let is_busy = matches!(error, HandError::Lock(LockError::Busy { .. }));
                    self.failed(patient, name, "hand", &error, is_busy);
                }
            }
        }
    }

    fn by_hand(
        &self,
        patient: &Patient,
        editables: &[Editable<'_>],
        task: &Task,
    ) -> Result<(), HandError> {
        let Some(editable) = editables.iter().find(|it| it.name == task.distribution) else {
            return Err(HandError::NotUnderstood(
                "it is not installed, and there is no installer".into(),
            ));
        };
        if let Some(why) = fix::in_the_way(patient, Some(editable)) {
            return Err(HandError::LeftAlone(why));
        }
        let planned = ByHand::plan(editable, task)?;
        if planned.is_done() {
            let what =
                "its files are as they should be; what was installed of it needs an installer";
            return Err(HandError::NotUnderstood(what.into()));
        }
        planned.carry_out(&self.doctor.disk, patient.prefix(), self.patience())
    }

    /// Adds what is needed and not there. Gives whether anything was tried.
    pub(super) fn add(&mut self, seen: &Seen) -> bool {
        let mut has_tried = false;
        for patient in &seen.patients {
            has_tried |= self.add_to(patient, seen);
        }
        has_tried
    }

    fn add_to(&mut self, patient: &Patient, seen: &Seen) -> bool {
        let prefix = patient.prefix();
        let here = seen.unmet.iter().filter(|(environment, _)| environment == prefix);
        let mut wanted: Vec<String> = here.map(|(_, requirement)| requirement.clone()).collect();
        wanted.sort();
        wanted.dedup();
        let Doctor { told, offline, cancel, .. } = self.doctor;
        let Some(installer) = &patient.installer else { return false };
        let is_kept_off = || fix::in_the_way(patient, None).is_some();
        if wanted.is_empty() || !patient.can_run() || cancel.is_cancelled() || is_kept_off() {
            return false;
        }
        let how = installer.to_string();
        told(prefix, Doing::Adding { requirements: wanted.len() });
        let said = |line: &str| told(prefix, Doing::Said(line));
        match fix::requirements(patient, installer, &wanted, *offline, cancel, &said) {
            Ok(()) => self.done(patient, vec![String::new()], &how),
            Err(error) => self.failed(patient, wanted, &how, &error, false),
        }
        true
    }

    /// The lock of an environment that the store looks after.
    fn hold(&self, patient: &Patient) -> Result<Option<Lock>, LockError> {
        let (Some(registration), Some(home)) = (&patient.registration, &self.doctor.home) else {
            return Ok(None);
        };
        let path = Layout::new(home).lock(&format!("environment-{}", registration.name()));
        Lock::take(&path, "modstore doctor", self.patience()).map(Some)
    }

    const fn patience(&self) -> Patience<'_> {
        Patience { limit: self.doctor.lock_limit, stop: &|| false, told: &|_| {} }
    }

    fn done(&mut self, patient: &Patient, distributions: Vec<String>, how: &str) {
        self.done.extend(distributions.into_iter().map(|distribution| Done {
            environment: patient.prefix().to_owned(),
            distribution,
            how: how.to_owned(),
        }));
    }

    fn failed(
        &mut self,
        patient: &Patient,
        distributions: Vec<String>,
        how: &str,
        error: &dyn Error,
        is_busy: bool,
    ) {
        let (environment, how) = (patient.prefix().to_owned(), how.to_owned());
        let causes = causes(error);
        self.trials.push(Trial { environment, distributions, how, causes, is_busy });
    }
}

fn names(tasks: &[Task]) -> Vec<String> {
    tasks.iter().map(|task| task.distribution.to_string()).collect()
}
