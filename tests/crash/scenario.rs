//! The table of scenarios.
//!
//! A set of modules is one letter for each of `m0`, `m1`, …: `o` its first commit, `n` its second, `l` the directory
//! it is linked to, `d` the second with a file of it altered in the store, `-` not there. A home that shows `n` had
//! `o` as the generation before.

use crate::operation::Operation;

/// One operation, where it starts and what may be seen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scenario {
    /// The current set before it.
    pub(crate) before: &'static str,
    /// What is done.
    pub(crate) operation: Operation,
    /// The current set after it.
    pub(crate) after: &'static str,
    /// Where the second commits come from.
    pub(crate) upstream: Upstream,
}

/// Whether every repository can be fetched. The number is a module's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Upstream {
    /// Every one, without more ado.
    Sound,
    /// That one is gone.
    Gone(usize),
    /// That one lists its references, and cannot make the pack.
    Broken(usize),
    /// That one's server gives no commit alone, so that a mirror is needed.
    WithoutShallow(usize),
    /// Every one can be fetched, and that one keeps files with Git LFS.
    Large(usize),
    /// Every one can be fetched, and that one has a submodule, which changes with it.
    Submodule(usize),
    /// Every one can be fetched, and the current version of that one is built from it.
    Built(usize),
    /// Every one can be fetched, and the current version of that one is built from it, once for each of two files.
    Each(usize),
    /// Every one can be fetched, and a new commit of that one has to be known for a week before it is taken.
    Cooling(usize),
    /// Every one can be fetched. New commits have been seen and waited for, and now they may be taken.
    Cooled,
    /// Every one can be fetched, and that one keeps a directory in which it and upstream have files.
    Kept(usize),
    /// Every one can be fetched, and that one keeps a directory to which upstream ships nothing.
    Room(usize),
}

impl Upstream {
    /// The module that cannot be fetched: the operation ends with an error that names it.
    pub(crate) const fn failing(self) -> Option<usize> {
        match self {
            Self::Gone(number) | Self::Broken(number) => Some(number),
            Self::Sound
            | Self::Large(_)
            | Self::WithoutShallow(_)
            | Self::Submodule(_)
            | Self::Built(_)
            | Self::Each(_)
            | Self::Cooling(_)
            | Self::Cooled
            | Self::Kept(_)
            | Self::Room(_) => None,
        }
    }
}

pub(crate) const FIRST_INSTALL: Scenario = Scenario {
    before: "---",
    operation: Operation::Update,
    after: "nnn",
    upstream: Upstream::Sound,
};

pub(crate) const UPDATE_OF_5: Scenario = Scenario {
    before: "ooooo",
    operation: Operation::Update,
    after: "nnnnn",
    upstream: Upstream::Sound,
};

pub(crate) const FAILED_UPDATE: Scenario = Scenario {
    before: "ooooo",
    operation: Operation::Update,
    after: "ooooo",
    upstream: Upstream::Broken(3),
};

pub(crate) const PARTIAL_UPDATE: Scenario = Scenario {
    before: "ooooo",
    operation: Operation::PartialUpdate,
    after: "nnnon",
    upstream: Upstream::Gone(3),
};

pub(crate) const MIRRORED_UPDATE: Scenario = Scenario {
    before: "oo",
    operation: Operation::Update,
    after: "nn",
    upstream: Upstream::WithoutShallow(1),
};

pub(crate) const LARGE_UPDATE: Scenario = Scenario {
    before: "oo",
    operation: Operation::Update,
    after: "nn",
    upstream: Upstream::Large(1),
};

pub(crate) const UPDATE_WITH_SUBMODULE: Scenario = Scenario {
    before: "oo",
    operation: Operation::Update,
    after: "nn",
    upstream: Upstream::Submodule(1),
};

pub(crate) const BUILDING_UPDATE: Scenario = Scenario {
    before: "oo",
    operation: Operation::Update,
    after: "nn",
    upstream: Upstream::Built(1),
};

pub(crate) const EACH_UPDATE: Scenario = Scenario {
    before: "oo",
    operation: Operation::Update,
    after: "nn",
    upstream: Upstream::Each(1),
};

pub(crate) const COOLING_UPDATE: Scenario = Scenario {
    before: "oo",
    operation: Operation::Update,
    after: "no",
    upstream: Upstream::Cooling(1),
};

pub(crate) const COOLED_UPDATE: Scenario = Scenario {
    before: "oo",
    operation: Operation::Update,
    after: "nn",
    upstream: Upstream::Cooled,
};

pub(crate) const KEEPING_INSTALL: Scenario = Scenario {
    before: "--",
    operation: Operation::Update,
    after: "nn",
    upstream: Upstream::Kept(1),
};

pub(crate) const ROOM_INSTALL: Scenario = Scenario {
    before: "--",
    operation: Operation::Update,
    after: "nn",
    upstream: Upstream::Room(1),
};

pub(crate) const KEEPING_UPDATE: Scenario = Scenario {
    before: "oo",
    operation: Operation::Update,
    after: "nn",
    upstream: Upstream::Kept(1),
};

pub(crate) const KEEPING_ROLLBACK: Scenario = Scenario {
    before: "nn",
    operation: Operation::Rollback,
    after: "oo",
    upstream: Upstream::Kept(1),
};

pub(crate) const ROLLBACK: Scenario = Scenario {
    before: "nnnnn",
    operation: Operation::Rollback,
    after: "ooooo",
    upstream: Upstream::Sound,
};

pub(crate) const REMOVE: Scenario = Scenario {
    before: "nnn",
    operation: Operation::Remove("m1"),
    after: "n-n",
    upstream: Upstream::Sound,
};

pub(crate) const LINK: Scenario = Scenario {
    before: "nnn",
    operation: Operation::Link("m1"),
    after: "nln",
    upstream: Upstream::Sound,
};

pub(crate) const SWEEPING_UPDATE: Scenario = Scenario {
    before: "ooo",
    operation: Operation::SweepingUpdate,
    after: "nnn",
    upstream: Upstream::Sound,
};

pub(crate) const SWEEP: Scenario = Scenario {
    before: "nnn",
    operation: Operation::Sweep,
    after: "nnn",
    upstream: Upstream::Sound,
};

pub(crate) const COMPACTION: Scenario = Scenario {
    before: "nnn",
    operation: Operation::Compact,
    after: "nnn",
    upstream: Upstream::Sound,
};

pub(crate) const REPAIR: Scenario = Scenario {
    before: "ndn",
    operation: Operation::Repair,
    after: "nnn",
    upstream: Upstream::Sound,
};

pub(crate) const RESET: Scenario = Scenario {
    before: "nnn",
    operation: Operation::Reset,
    after: "nnn",
    upstream: Upstream::Sound,
};

pub(crate) const IMPORT: Scenario = Scenario {
    before: "---",
    operation: Operation::Import,
    after: "nnl",
    upstream: Upstream::Sound,
};

pub(crate) const EXPOSE: Scenario = Scenario {
    before: "nnn",
    operation: Operation::Expose("m1"),
    after: "nnn",
    upstream: Upstream::Sound,
};

pub(crate) const UNEXPOSE: Scenario = Scenario {
    before: "nnn",
    operation: Operation::Unexpose("m1"),
    after: "nnn",
    upstream: Upstream::Sound,
};

pub(crate) const PURGE: Scenario = Scenario {
    before: "nnn",
    operation: Operation::Purge,
    after: "---",
    upstream: Upstream::Sound,
};
