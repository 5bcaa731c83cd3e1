//! [`InputsAfter`]: what has come of the inputs of a module that is built for each of several files. Values only.

use std::collections::BTreeMap;

use super::{
    failure::Failure,
    outcome::{Outcome, Outcomes},
    plan::Deferred,
};
use crate::{
    commit::State,
    model::{Attempt, BuiltInput, Declarations, ModuleName},
};

/// What has come of the inputs of each module.
pub(super) type Inputs = BTreeMap<ModuleName, InputsAfter>;

/// What is known of the inputs of each module; of one that has no inputs nothing.
pub(super) type InputNotes = BTreeMap<ModuleName, Vec<BuiltInput>>;

/// What has come of the inputs of one module.
#[derive(Debug, Clone, Default)]
pub(super) struct InputsAfter {
    /// What is known of each when the module is what it has become.
    pub(super) made: Vec<BuiltInput>,
    /// The same, if it stays what it was.
    pub(super) unmade: Vec<BuiltInput>,
    /// The inputs that failed.
    pub(super) failed: Vec<(String, Failure)>,
    /// The inputs that are not built as they are, and were not tried now.
    pub(super) waiting: Vec<(String, Deferred)>,
}

impl InputsAfter {
    /// Whether every input is built as it is.
    pub(super) fn is_whole(&self) -> bool {
        self.failed.is_empty() && self.waiting.is_empty()
    }

    /// How the last try of an input ended.
    pub(super) fn attempt(&self, input: &str) -> Option<Attempt> {
        let known = self.unmade.iter().find(|known| known.path == input)?;
        known.attempt.as_deref().cloned()
    }
}

/// What is to be remembered of inputs that the journal does not say. `is_switching`: whether what is new is about to
/// become current.
pub(super) fn input_notes(
    inputs: &Inputs,
    outcomes: &Outcomes,
    state: &State,
    declared: &Declarations,
    is_switching: bool,
) -> InputNotes {
    let is_for_each = |module: &&ModuleName| {
        let build = declared.get(module).and_then(|declared| declared.build.as_ref());
        build.is_some_and(|spec| !spec.each.is_empty())
    };
    let over = state.inputs().keys().filter(|module| !is_for_each(module));
    let over = over.map(|module| (module.clone(), Vec::new()));
    let noted = inputs.iter().map(|(module, after)| {
        let is_made = match outcomes.get(module) {
            Some(Outcome::Kept(_)) => true,
            Some(Outcome::Changed(_)) => is_switching,
            _ => false,
        };
        (module.clone(), if is_made { after.made.clone() } else { after.unmade.clone() })
    });
    let known = |module: &ModuleName| state.inputs().get(module).map_or(&[][..], Vec::as_slice);
    over.chain(noted).filter(|(module, now)| known(module) != now.as_slice()).collect()
}
