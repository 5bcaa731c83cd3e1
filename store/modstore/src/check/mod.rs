//! Is everything as it was written? `verify` checks a whole store and changes nothing; `repair` corrects what it can, and
//! keeps every damaged thing aside.
//!
//! A check is a value of the kit in [`modstore_core::findings`]: its codes, its search and its repair, side by side in one
//! file. **To add a code**, declare it at the top of its family's file and find it there: no other file changes. **To add a
//! family**, write its file after the example of `declared.rs` and add its `CHECK` to the list below, where its repair
//! shall run (and the `mod` line). `docs/verify.md` describes every code; a test compares it with this list.
//!
//! The searches run in `run.rs`, without a lock and, if something seems wrong, once more under it. What they see is a
//! `View`; what the repairs work with is a `Work`. Decides nothing about how findings are printed.

mod code;
mod finding;
mod references;
mod view;
mod report;
mod work;
mod fetch;
mod names;
mod home;
mod journal;
mod links;
mod leftovers;
mod exposed;
mod declared;
mod content;
mod entries;
mod kept;
mod noted;
mod run;

use modstore_core::findings::CodeList;
pub use modstore_core::findings::Severity;

pub use code::{Code, Repair};
pub(crate) use exposed::exposed;
pub use finding::{About, Checked, Depth, Finding, Verification};
pub(crate) use home::has_parts;
pub(crate) use kept::kept;
pub use report::{How, NotRepaired, RebuiltJournal, RepairError, RepairReport, Repaired};
pub(crate) use run::{leftovers, repair, verify};
pub use view::VerifyError;
pub(crate) use view::VerifyOptions;

/// All checks, in the order in which their searches and their repairs run: a repair may need all those before it.
const CHECKS: &[work::Check] = &[
    names::CHECK,
    home::CHECK,
    journal::CHECK,
    links::CHECK,
    leftovers::CHECK,
    exposed::CHECK,
    declared::CHECK,
    entries::CHECK,
    kept::CHECK,
    content::CHECK,
];

impl CodeList for Repair {
    fn codes() -> Vec<Code> {
        codes().collect()
    }
}

/// Every code that a check of a store can find.
pub fn codes() -> impl Iterator<Item = Code> {
    CHECKS.iter().flat_map(|check| check.codes).copied()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_code_has_a_name_of_its_own_in_small_letters() {
        let names: BTreeSet<&str> = codes().map(|code| code.as_str()).collect();
        assert_eq!(names.len(), codes().count());
        for name in names {
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{name}");
        }
    }

    #[test]
    fn notes_are_never_repaired_and_damage_always_is() {
        for code in codes() {
            match code.severity() {
                Severity::Note => assert_eq!(code.repair(), Repair::Nothing, "{code}"),
                Severity::Damage => assert_ne!(code.repair(), Repair::Nothing, "{code}"),
                Severity::Broken => panic!("{code} has a word of the doctor's"),
                Severity::Warning | Severity::Leftover => {}
            }
        }
    }
}
