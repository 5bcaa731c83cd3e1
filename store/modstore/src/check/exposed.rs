//! Links at places of hosts' that lead to modules. They are outside of the home, and a host's own acts may change them.

use modstore_core::findings::codes;

use super::{
    code::{Code, Repair},
    finding::Finding,
    report::{How, NotRepaired, RepairError},
    view::View,
    work::{Check, RepairStep, Work},
};
use crate::{
    commit::{Standing, State, text_of},
    disk::Layout,
    model::{Exposure, LinkedPath},
};

codes! { pub(super) CODES of Code:
    /// The link to a module at a place of a host's is gone.
    EXPOSED_MISSING = "exposed-missing", Warning, Repair::Expose;
    /// A file or a directory took the place of the link, for example a copy of what it led to.
    EXPOSED_REPLACED = "exposed-replaced", Warning, Repair::Expose;
    /// The link leads elsewhere, or to where the store was before it was moved.
    EXPOSED_ELSEWHERE = "exposed-elsewhere", Warning, Repair::Expose;
    /// The directory of the host's that the link was in is gone, or was moved.
    EXPOSED_UNPLACED = "exposed-unplaced", Warning, Repair::Forget;
}

pub(super) const CHECK: Check =
    Check { codes: CODES, find, repair: RepairStep::OfFindings(repair) };

fn find(view: &mut View<'_>, found: &mut Vec<Finding>) {
    if let Some(state) = view.state() {
        look(view.context.layout, state, found);
    }
}

/// What is wrong with the links at places of hosts'.
pub(crate) fn exposed(layout: &Layout, state: &State) -> Vec<Finding> {
    let mut found = Vec::new();
    look(layout, state, &mut found);
    found
}

/// Looks at every place.
fn look(layout: &Layout, state: &State, found: &mut Vec<Finding>) {
    for (place, exposure) in state.exposed() {
        found.extend(judge(layout, place, exposure));
    }
}

fn judge(layout: &Layout, place: &LinkedPath, exposure: &Exposure) -> Option<Finding> {
    let text = text_of(layout, &exposure.module);
    let (code, what) = match Standing::of(place.as_path(), exposure, &text) {
        Standing::There => return None,
        Standing::Missing => (EXPOSED_MISSING, "the link to it is gone"),
        Standing::Unplaced => {
            (EXPOSED_UNPLACED, "the directory of the link to it is gone, or was moved")
        }
        Standing::Replaced => (EXPOSED_REPLACED, "a file or directory took the place of the link"),
        Standing::Outdated => (EXPOSED_ELSEWHERE, "the link leads to where the store was before"),
        Standing::Elsewhere => (EXPOSED_ELSEWHERE, "a link that leads elsewhere is in the place"),
    };
    let message = format!("module `{}`: {what}", exposure.module);
    let module = exposure.module.to_string();
    Some(Finding::new(code, place.as_path(), message).with(|about| about.modules = vec![module]))
}

fn repair(work: &mut Work<'_>, findings: &[Finding]) -> Result<(), RepairError> {
    for finding in findings.iter().filter(|finding| CODES.contains(&finding.code)) {
        let locked = work.lock_sound()?;
        let Some(place) = LinkedPath::of(&finding.path) else { continue };
        let Some(exposure) = locked.state().exposed().get(&place).cloned() else { continue };
        let how = if finding.code == EXPOSED_UNPLACED { How::Forgotten } else { How::Relinked };
        match locked.mend(&place, &exposure) {
            Ok(kept) => {
                work.repaired(finding.path.clone(), how, kept);
                work.is_outdated = true;
            }
            Err(error) => work.report.not_repaired.push(NotRepaired {
                path: finding.path.clone(),
                error: Box::new(error),
                hint: Some("make the directory writable, or `modstore unexpose` the module".into()),
                modules: finding.about.modules.clone(),
            }),
        }
    }
    Ok(())
}
