//! The journal: every frame, read as a writer would read it.

use super::{code::Code, finding::Finding, home::must_allow};
use crate::{
    commit::{Journal, JournalError, Reading},
    disk::Layout,
    model::causes,
};

/// What the journal adds up to; nothing when it cannot be believed.
pub(super) fn look(layout: &Layout, findings: &mut Vec<Finding>) -> Option<Reading> {
    let path = layout.journal();
    let found = |code, what: String| Finding::new(code, &path, what);
    if path.symlink_metadata().is_err() {
        findings.push(found(Code::JournalMissing, "there is no journal".into()));
        return None;
    }
    match Journal::read(&path) {
        Ok(reading) => {
            findings.extend(must_allow(&path, 0o600));
            findings.extend(reading.torn.map(|at| {
                found(Code::JournalTorn, format!("the last frame, at byte {at}, is cut off"))
            }));
            Some(reading)
        }
        Err(JournalError::Corrupt { at, source, .. }) => {
            let why = source
                .map(|source| format!(": {}", causes(&source).join(": ")))
                .unwrap_or_default();
            findings.push(found(Code::JournalDamaged, format!("it is damaged at byte {at}{why}")));
            None
        }
        Err(error) => {
            findings.push(found(Code::JournalUnreadable, causes(&error).join(": ")));
            None
        }
    }
}
