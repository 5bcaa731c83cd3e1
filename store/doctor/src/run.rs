//! The order of it all: the environments are found and inspected, fixed if that is asked for, and inspected again.

use std::path::PathBuf;

use modstore_core::{disk::Layout, model::causes};
use modstore_python::{PythonError, Registration};

use crate::{
    catalog::StoreStandIns,
    check::view::Effort,
    doctor::Doctor,
    finding::{Finding, is_same},
    fix::{Done, Fixer},
    hosts::HostHome,
    inspected::{Found, discover},
    report::{Fixed, Report},
    snapshot::Scope,
};

/// The environments to be inspected, and how.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Interpreters, environments or names; all known ones, if it is empty.
    pub python: Vec<PathBuf>,
    /// Read files only, and start nothing.
    pub quick: bool,
    /// Import the distributions as well, which runs their code.
    pub import: bool,
    /// Fix what can be fixed.
    pub fix: bool,
}

/// The inspection did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum DoctorError {
    /// There is no such environment. Nothing was changed.
    #[error(transparent)]
    Python(#[from] PythonError),
    /// No environment is known. Nothing was changed.
    #[error("no environment was found")]
    Nothing,
    /// The user stopped it. The fixes made until then stay.
    #[error("interrupted")]
    Cancelled,
}

/// A store, as far as a doctor reads it.
#[derive(Default)]
struct KnownStore {
    home: Option<PathBuf>,
    /// The environments that follow it.
    registrations: Vec<Registration>,
    /// Why those cannot be read.
    error: Option<String>,
}

impl Doctor<'_> {
    /// Inspects, and fixes if that is asked for.
    ///
    /// # Errors
    /// See [`DoctorError`]. A fault is no error, nor is one that cannot be fixed.
    pub fn run(&self, request: &Request) -> Result<Report, DoctorError> {
        let store = self.store();
        let found = self.environments(request, &store.registrations)?;
        let scope = Scope {
            effort: match (request.quick, request.import) {
                (true, _) => Effort::Quick,
                (false, false) => Effort::Full,
                (false, true) => Effort::Import,
            },
            is_everywhere: request.python.is_empty(),
            cancel: self.cancel,
        };
        let inspect = || {
            let stand_ins = store.home.as_deref().and_then(StoreStandIns::of);
            let snapshot = scope.snapshot(&found, &store.registrations, stand_ins);
            snapshot.ok_or(DoctorError::Cancelled)
        };
        let first = inspect()?;
        let mut report = Report { store_error: store.error.clone(), ..Report::default() };
        if !request.fix {
            first.into_report(&mut report);
            return Ok(report);
        }
        let before = first.findings.clone();
        let mut fixer = Fixer::of(self);
        // Requirements are added where distributions lie by then.
        let mut last =
            if fixer.reinstall(&first.environments, &first.findings) { inspect()? } else { first };
        if fixer.add_requirements(&last.environments, &last.findings) {
            last = inspect()?;
        }
        report.fixed = fixed(&before, &last.findings, &fixer.done);
        report.failed_fixes = fixer.failed;
        last.into_report(&mut report);
        Ok(report)
    }

    fn store(&self) -> KnownStore {
        let Some(home) = self.home.clone() else { return KnownStore::default() };
        let layout = Layout::new(&home);
        if !layout.format().is_file() {
            return KnownStore::default();
        }
        let home = Some(home);
        match Registration::all(&layout) {
            Ok(registrations) => KnownStore { home, registrations, error: None },
            Err(error) => {
                let error = Some(causes(&error).join(": "));
                KnownStore { home, registrations: Vec::new(), error }
            }
        }
    }

    fn environments(
        &self,
        request: &Request,
        registrations: &[Registration],
    ) -> Result<Vec<Found>, DoctorError> {
        if !request.python.is_empty() {
            let each = request.python.iter();
            let found: Result<Vec<Found>, PythonError> =
                each.map(|python| discover::given(python, self.cancel)).collect();
            return Ok(found?);
        }
        let working = std::env::current_dir().ok();
        let found = discover::all(registrations, |name| std::env::var_os(name), working.as_deref());
        if found.is_empty() && HostHome::all().is_empty() {
            return Err(DoctorError::Nothing);
        }
        Ok(found)
    }
}

/// The findings that are gone, and how they were fixed.
fn fixed(before: &[Finding], after: &[Finding], done: &[Done]) -> Vec<Fixed> {
    let gone = before.iter().filter(|finding| !after.iter().any(|it| is_same(it, finding)));
    let how = |finding: &Finding| {
        let environment = finding.about.environment.as_ref()?;
        let name = finding.about.distribution.as_ref().map(ToString::to_string);
        let here = || done.iter().filter(|done| done.environment == *environment);
        let own = here().find(|done| Some(&done.distribution) == name.as_ref());
        own.or_else(|| here().next()).map(|done| done.how.clone())
    };
    gone.filter_map(|finding| Some(Fixed { how: how(finding)?, finding: finding.clone() }))
        .collect()
}
