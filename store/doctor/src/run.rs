//! The whole of it in order: find the environments, look, mend if that is wanted, and look again.

use std::path::PathBuf;

use modstore_core::{disk::Layout, model::causes};
use modstore_python::{PythonError, Registration};

use crate::{
    catalog::Stock,
    doctor::Doctor,
    finding::Finding,
    inspected::{Found, discover},
    inspection::{Look, host_home},
    report::{Mended, Report},
    work::{Done, Work},
};

/// What is to be looked at, and how.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Interpreters, environments or names; all that are known, when there is none.
    pub python: Vec<PathBuf>,
    /// Read files only, and start nothing.
    pub quick: bool,
    /// Mend.
    pub fix: bool,
}

/// Nothing was looked at, or not to the end.
#[derive(Debug, thiserror::Error)]
pub enum DoctorError {
    /// There is no such environment. Nothing was changed.
    #[error(transparent)]
    Python(#[from] PythonError),
    /// Nothing is known that could be looked at. Nothing was changed.
    #[error("no environment was found")]
    Nothing,
    /// Somebody wished to stop. What was mended until then stays.
    #[error("interrupted")]
    Cancelled,
}

impl Doctor<'_> {
    /// Looks, and mends if that is wanted.
    ///
    /// # Errors
    /// See [`DoctorError`]. What is wrong is no error, nor is what cannot be mended.
    pub fn run(&self, request: &Request) -> Result<Report, DoctorError> {
        let (store, registrations, trouble) = self.store();
        let stock = || store.clone().and_then(|home| Stock::of(&home));
        let found = self.environments(request, &registrations)?;
        let how = Look {
            quick: request.quick,
            is_everywhere: request.python.is_empty(),
            cancel: self.cancel,
        };
        let look = || how.at(&found, &registrations, stock()).ok_or(DoctorError::Cancelled);
        let first = look()?;
        let mut report = Report { store: trouble, ..Report::default() };
        if !request.fix {
            first.tell(&mut report);
            return Ok(report);
        }
        let (mut work, mut changed) = (Work::of(self), false);
        for patient in &first.patients {
            changed |= work.mend(patient, &first.findings);
        }
        let before = first.findings.clone();
        let mut last = if changed { look()? } else { first };
        if work.add(&last) {
            last = look()?;
        }
        report.trials = work.trials;
        report.mended = mended(&before, &last.findings, &work.done);
        last.tell(&mut report);
        Ok(report)
    }

    /// The store, the environments that it looks after, and why that cannot be told.
    fn store(&self) -> (Option<PathBuf>, Vec<Registration>, Option<String>) {
        let Some(home) = self.home.clone() else { return (None, Vec::new(), None) };
        let layout = Layout::new(&home);
        if !layout.format().is_file() {
            return (None, Vec::new(), None);
        }
        match Registration::all(&layout) {
            Ok(registrations) => (Some(home), registrations, None),
            Err(error) => (Some(home), Vec::new(), Some(causes(&error).join(": "))),
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
        match found.is_empty() && host_home().is_none() {
            true => Err(DoctorError::Nothing),
            false => Ok(found),
        }
    }
}

/// What was wrong and is not any more, and by what.
fn mended(before: &[Finding], after: &[Finding], done: &[Done]) -> Vec<Mended> {
    let gone = before.iter().filter(|finding| !after.iter().any(|it| it.is_same(finding)));
    let how = |finding: &Finding| {
        let environment = finding.environment.as_ref()?;
        let name = finding.distribution.as_ref().map(ToString::to_string);
        let here = || done.iter().filter(|done| done.environment == *environment);
        let own = here().find(|done| Some(&done.distribution) == name.as_ref());
        own.or_else(|| here().next()).map(|done| done.how.clone())
    };
    let mended =
        gone.filter_map(|finding| Some(Mended { how: how(finding)?, finding: finding.clone() }));
    mended.collect()
}
