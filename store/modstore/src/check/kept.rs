//! What modules have written to the paths that they keep, in `state/`: it is the user's, and only the way to it is checked.
//!
//! Only for the newest generation: an older one has its state made when it becomes current. Nothing is deleted, and no
//! content is judged but that of the note beside the states, which is the store's own.

use modstore_core::findings::codes;

use super::{
    code::{Code, Repair},
    finding::Finding,
    report::{How, NotRepaired, RepairError},
    view::View,
    work::{Check, RepairStep, Work},
};
use crate::{
    commit::{State, shown},
    disk::Layout,
    keep::{RepairedState, StateFault, state_faults},
    model::{Bound, ModuleName},
};

codes! { pub(super) CODES of Code:
    /// A directory in `state/` that a module's files lead to is gone, so the module cannot write there; what it had written is lost.
    STATE_MISSING = "state-missing", Damage, Repair::Settle;
    /// Something else is in the place of such a directory, or a link that leads nowhere.
    STATE_REPLACED = "state-replaced", Damage, Repair::Settle;
    /// The owner may not use such a directory, so the module cannot write there.
    STATE_PERMISSIONS = "state-permissions", Damage, Repair::SetMode;
    /// The note of what upstream ships to these paths is missing or damaged: a file that was deleted here would come back.
    STATE_NOTE = "state-note", Warning, Repair::Rewrite;
}

pub(super) const CHECK: Check =
    Check { codes: CODES, find, repair: RepairStep::OfFindings(repair) };

fn find(view: &mut View<'_>, found: &mut Vec<Finding>) {
    if let Some(state) = view.state() {
        look(view.context.layout, state, found);
    }
}

/// What is wrong with what modules keep.
pub(crate) fn kept(layout: &Layout, state: &State) -> Vec<Finding> {
    let mut found = Vec::new();
    look(layout, state, &mut found);
    found
}

fn look(layout: &Layout, state: &State, found: &mut Vec<Finding>) {
    // Between its frame and its switch, a generation's state is being made.
    if shown(layout) != state.head().map(|head| head.number) {
        return;
    }
    for (module, binding) in state.modules() {
        if let Bound::Kept(kept) = &binding.bound {
            let faults = state_faults(layout, module, kept).into_iter();
            found.extend(faults.map(|(path, fault)| {
                let (code, what) = said(fault);
                let about = module.to_string();
                let what = format!("module `{module}`: {what}");
                Finding::new(code, path, what).with(|it| it.modules = vec![about])
            }));
        }
    }
}

const fn said(fault: StateFault) -> (Code, &'static str) {
    match fault {
        StateFault::Missing => (
            STATE_MISSING,
            "the directory that it writes to is gone, with what it had written there",
        ),
        StateFault::Replaced => {
            (STATE_REPLACED, "something else is in the place of the directory that it writes to")
        }
        StateFault::Closed => {
            (STATE_PERMISSIONS, "the owner may not use the directory that it writes to")
        }
        StateFault::Note => {
            (STATE_NOTE, "the note of which files came from upstream is missing or damaged")
        }
    }
}

/// How a fault was repaired.
pub(crate) const fn how(repaired: &RepairedState) -> How {
    match repaired.fault {
        StateFault::Missing | StateFault::Replaced => How::Created,
        StateFault::Closed => How::SetRight,
        StateFault::Note => How::Rewritten,
    }
}

fn repair(work: &mut Work<'_>, findings: &[Finding]) -> Result<(), RepairError> {
    let ours = findings.iter().filter(|finding| CODES.contains(&finding.code));
    let mut modules: Vec<ModuleName> =
        ours.flat_map(|finding| &finding.about.modules).filter_map(|it| it.parse().ok()).collect();
    modules.dedup();
    for module in modules {
        let locked = work.lock_sound()?;
        work.is_outdated = true;
        match locked.repair_state(&module) {
            Ok(repaired) => repaired.into_iter().for_each(|it| {
                let how = how(&it);
                work.repaired(it.path, how, it.beside);
            }),
            Err(error) => work.report.not_repaired.push(NotRepaired {
                path: work.context.layout.state(&module),
                error: Box::new(error),
                hint: Some("make the home writable, then repair it again".into()),
                modules: vec![module.to_string()],
            }),
        }
    }
    Ok(())
}
