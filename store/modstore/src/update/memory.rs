//! What an update leaves to be remembered: for each module that failed how, and for each that is as it is wanted that
//! nothing is wanting.

use std::collections::BTreeMap;

use super::{
    attempts::{Ended, remember},
    options::Retry,
    report::{Failed, UpdateReport},
};
use crate::{
    commit::{Attempt, State},
    model::{Declarations, ModuleName},
};

/// What is to be noted of each module.
pub(super) type Notes = BTreeMap<ModuleName, Option<Attempt>>;

/// Completes what the report tells of failures, and gives what is to be remembered. `shown`: whether what could be
/// had is about to be shown.
pub(super) fn notes(
    report: &mut UpdateReport,
    state: &State,
    declared: &Declarations,
    shown: bool,
    clock: (Retry, u64),
) -> Notes {
    let mut notes = failures(&mut report.failed, state, clock);
    let mut clear = |module: &ModuleName| {
        if state.attempts().contains_key(module.as_str()) {
            notes.entry(module.clone()).or_insert(None);
        }
    };
    report.unchanged.iter().for_each(|unchanged| clear(&unchanged.module));
    if shown {
        report.updated.iter().for_each(|updated| clear(&updated.module));
    }
    let known = state.attempts().keys();
    known.filter(|module| declared.get(module).is_none()).for_each(clear);
    notes
}

/// As [`notes`], of what failed only.
pub(super) fn failures(failed: &mut [Failed], state: &State, clock: (Retry, u64)) -> Notes {
    let mut notes = Notes::new();
    for failed in failed {
        let Some(tried) = &failed.tried else { continue };
        let before = state.attempts().get(failed.module.as_str());
        let ended = Ended { class: failed.class, stage: failed.stage, error: &*failed.error };
        let attempt = remember(tried, &ended, before, clock);
        failed.attempt = Some(attempt.clone());
        notes.insert(failed.module.clone(), Some(attempt));
    }
    notes
}
