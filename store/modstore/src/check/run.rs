//! The order of checking and of repairing.
//!
//! First every search runs without a lock. A writer at work looks like damage: a generation that no frame records yet, a
//! switch behind the journal, an entry that a sweep is removing. So if anything seems wrong, all searches run once more
//! under the store's lock, and what they find then counts. Contents are not read again there, so that no writer waits for
//! the reading.
//!
//! Where the lock cannot be taken because its file cannot be opened (a home that is read-only, or damaged just there), the
//! second look is without it; then no process can write. The same holds for a home of another user, and for one with links
//! in it, since taking a lock writes to its file.

use modstore_core::findings::{RepairStep, Severity};

use super::{
    CHECKS,
    finding::{Depth, Finding, Verification},
    home, leftovers as crash,
    names::FILE_SYSTEM,
    noted,
    report::{RepairError, RepairReport},
    view::{VerifyError, VerifyOptions, View},
    work::Work,
};
use crate::{
    Context,
    acquire::Settings,
    commit::{State, now},
    disk::{Layout, Lock, LockError},
};

/// Checks the whole store. A home without a store is sound.
///
/// # Errors
/// Nothing is ever changed.
pub(crate) fn verify(
    context: Context<'_>,
    options: VerifyOptions<'_>,
) -> Result<Verification, VerifyError> {
    if !home::has_store(context.layout) {
        return Ok(Verification::default());
    }
    let begun = now();
    let mut view = View::first(context, options)?;
    let read = noted::to_be_read(&view);
    let mut findings = search(&mut view)?;
    if findings.iter().any(may_be_a_writer) {
        let _lock = lock(context, options)?;
        view = View::second(view, &findings);
        findings = search(&mut view)?;
    }
    noted::note(&view, &read, &findings, begun);
    findings.iter_mut().for_each(|finding| name_referrers(finding, &view));
    findings
        .sort_by(|a, b| (a.about.entry, &a.path, a.code).cmp(&(b.about.entry, &b.path, b.code)));
    Ok(Verification { findings, checked: view.checked })
}

fn search(view: &mut View<'_>) -> Result<Vec<Finding>, VerifyError> {
    let mut found = Vec::new();
    for check in CHECKS {
        (check.find)(view, &mut found);
        if view.context.cancel.is_cancelled() {
            return Err(VerifyError::Cancelled);
        }
    }
    Ok(found)
}

/// No writer makes another file system, or a name that is not the store's.
fn may_be_a_writer(finding: &Finding) -> bool {
    finding.severity != Severity::Note && finding.code != FILE_SYSTEM
}

fn lock(context: Context<'_>, options: VerifyOptions<'_>) -> Result<Option<Lock>, VerifyError> {
    if !options.may_lock {
        return Ok(None);
    }
    match context.lock("store") {
        Ok(lock) => Ok(Some(lock)),
        Err(LockError::Disk(_)) => Ok(None),
        Err(LockError::Stopped) => Err(VerifyError::Cancelled),
        Err(error) => Err(error.into()),
    }
}

fn name_referrers(finding: &mut Finding, view: &View<'_>) {
    if let Some(referrers) = finding.about.entry.and_then(|entry| view.references.to(entry)) {
        finding.about.modules = referrers.modules.iter().cloned().collect();
        finding.about.generations = referrers.generations.iter().copied().collect();
    }
}

/// What a crash left or could not be cleaned up, by names alone; what another process is working with may be among it.
pub(crate) fn leftovers(layout: &Layout, state: &State) -> Vec<Finding> {
    let mut findings = Vec::new();
    crash::look(layout, Some(state), &mut findings);
    findings.retain(|finding| finding.severity == Severity::Leftover);
    findings
}

/// Repairs all that can be repaired, in the order of the checks: first what the others stand on. Each step that needs no
/// findings looks for itself what there is to do, so the next repair finishes one that was killed.
///
/// # Errors
/// What cannot be repaired is no error; it is in the report.
pub(crate) fn repair(
    context: Context<'_>,
    settings: Settings,
) -> Result<RepairReport, RepairError> {
    let report = RepairReport::default();
    let mut work = Work { context, settings, report, is_outdated: false };
    for check in CHECKS {
        if let RepairStep::LooksItself(repair) = check.repair {
            repair(&mut work)?;
        }
    }
    let found = verify_all(context)?;
    for check in CHECKS {
        if let RepairStep::OfFindings(repair) = check.repair {
            repair(&mut work, &found.findings)?;
        }
    }
    let after = if work.is_outdated { verify_all(context)? } else { found };
    Ok(RepairReport { after, ..work.report })
}

fn verify_all(context: Context<'_>) -> Result<Verification, VerifyError> {
    verify(context, VerifyOptions { depth: Depth::Full, names: &[], may_lock: true })
}
