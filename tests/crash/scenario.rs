//! The table of scenarios.
//!
//! A set of modules is one letter for each of `m0`, `m1`, …: `o` its first commit, `n` its second, `l` the directory
//! it is linked to, `-` not there. A home that shows `n` had `o` as the generation before.

use crate::operation::Operation;

/// One operation, where it starts and what may be seen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scenario {
    /// The set shown before it.
    pub(crate) before: &'static str,
    /// What is done.
    pub(crate) operation: Operation,
    /// The set shown after it.
    pub(crate) after: &'static str,
    /// The module whose repository cannot be had, and how: the operation ends with an error that names it.
    pub(crate) spoilt: Option<(usize, Spoilt)>,
}

/// How a repository cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spoilt {
    /// There is none.
    Gone,
    /// It lists its references, and cannot make the pack.
    Broken,
}

pub(crate) const FIRST_INSTALL: Scenario =
    Scenario { before: "---", operation: Operation::Update, after: "nnn", spoilt: None };

pub(crate) const UPDATE_OF_5: Scenario =
    Scenario { before: "ooooo", operation: Operation::Update, after: "nnnnn", spoilt: None };

pub(crate) const FAILED_UPDATE: Scenario = Scenario {
    before: "ooooo",
    operation: Operation::Update,
    after: "ooooo",
    spoilt: Some((3, Spoilt::Broken)),
};

pub(crate) const PARTIAL_UPDATE: Scenario = Scenario {
    before: "ooooo",
    operation: Operation::PartialUpdate,
    after: "nnnon",
    spoilt: Some((3, Spoilt::Gone)),
};

pub(crate) const ROLLBACK: Scenario =
    Scenario { before: "nnnnn", operation: Operation::Rollback, after: "ooooo", spoilt: None };

pub(crate) const REMOVE: Scenario =
    Scenario { before: "nnn", operation: Operation::Remove("m1"), after: "n-n", spoilt: None };

pub(crate) const LINK: Scenario =
    Scenario { before: "nnn", operation: Operation::Link("m1"), after: "nln", spoilt: None };
