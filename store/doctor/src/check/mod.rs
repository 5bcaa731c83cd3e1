//! The checks, one file for each family: the codes, the search, and the fix that a finding carries.
//!
//! Order is that of the lists here. A check changes nothing.

pub(crate) mod view;
mod paths;
mod records;
mod origins;
mod finders;
mod requirements;
mod interpreter;
mod start;
mod programs;
mod contents;
mod imports;
mod duplicates;
mod checkouts;
mod secrets;
mod locks;
mod registries;

use view::{OfCache, OfCached, OfEditable, OfEnvironment, OfMachine, Step};

use modstore_core::findings::CodeList;

use crate::finding::{Code, Fix};

/// The codes of all families.
const FAMILIES: [&[Code]; 14] = [
    paths::CODES,
    records::CODES,
    origins::CODES,
    finders::CODES,
    requirements::CODES,
    interpreter::CODES,
    start::CODES,
    programs::CODES,
    imports::CODES,
    duplicates::CODES,
    checkouts::CODES,
    secrets::CODES,
    locks::CODES,
    registries::CODES,
];

/// Each environment, before its distributions.
pub(crate) const ENVIRONMENT: [Step<OfEnvironment>; 6] = [
    interpreter::CHECK,
    start::CHECK,
    programs::CHECK,
    records::REMAINS,
    records::DUPLICATES,
    origins::OWNER,
];

/// Each distribution whose code lies elsewhere.
pub(crate) const EDITABLE: [Step<OfEditable>; 6] = [
    paths::CHECK,
    records::UNPARSED,
    records::RECORDED,
    origins::CHECK,
    finders::CHECK,
    requirements::CHECK,
];

/// Each environment, when all of that is known.
pub(crate) const ENVIRONMENT_AT_LAST: [Step<OfEnvironment>; 3] =
    [origins::BOUND, contents::CHECK, imports::CHECK];

/// Each cache, before its directories.
pub(crate) const CACHE: [Step<OfCache>; 1] = [duplicates::SPELLINGS];

/// Each repository in it.
pub(crate) const CACHED: [Step<OfCached>; 6] = [
    secrets::CACHED,
    checkouts::INCOMPLETE,
    checkouts::COMMIT,
    checkouts::EDITED,
    locks::GIT,
    checkouts::UNUSED,
];

/// Each cache, after its directories.
pub(crate) const CACHE_AT_LAST: [Step<OfCache>; 2] =
    [duplicates::SECOND_CLONES, checkouts::OBSOLETE];

/// Everything else, once.
pub(crate) const MACHINE: [Step<OfMachine>; 5] = [
    duplicates::REPOSITORIES,
    registries::CHECK,
    interpreter::INSTALL_STATE,
    secrets::INSTALLED,
    locks::LEASES,
];

impl CodeList for Fix {
    fn codes() -> Vec<Code> {
        codes()
    }
}

/// Whether a code is of a file that stops or disturbs the start of Python.
pub(crate) fn is_of_start(code: Code) -> bool {
    start::CODES.contains(&code)
}

/// Every code, in the order of their ids.
///
/// D16, an upstream that cannot be reached, needs a network and is not among them.
pub fn codes() -> Vec<Code> {
    let mut all = FAMILIES.concat();
    all.sort();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manual_describes_each_code_by_its_meaning_and_each_is_declared_once() {
        let manual = include_str!("../../../../docs/doctor.md");
        let codes = codes();
        assert!(codes.is_sorted_by(|a, b| a < b), "one id stands for one thing");
        for code in codes {
            let heading = format!("### {code}: {}", code.meaning());
            assert!(manual.contains(&heading), "docs/doctor.md lacks {heading:?}");
        }
    }
}
