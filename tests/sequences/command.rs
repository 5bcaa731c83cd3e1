//! The commands a sequence is made of, and how they are chosen.

use std::{collections::BTreeSet, fmt};

use proptest::{collection, option, prelude::*};

use crate::{
    faulty_disk::Fault,
    upstream::{COMMITS, DIRECTORIES, REPOS},
};

/// How many module names there are.
pub(crate) const MODULES: usize = 3;

/// Where a module comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum From {
    /// What `HEAD` of the repository names, or `main`, or a part of it.
    Branch { repo: usize, named: bool, part: bool },
    /// One commit.
    Commit { repo: usize, commit: usize, part: bool },
    /// A ref that is not there.
    Nowhere { repo: usize },
    /// A directory.
    Directory(usize),
}

/// One command, or one change outside of the store.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Command {
    Update {
        names: BTreeSet<usize>,
        all_or_nothing: bool,
    },
    Add {
        module: usize,
        from: From,
        fetch: bool,
    },
    Publish {
        repo: usize,
        commit: usize,
    },
    Remove {
        names: BTreeSet<usize>,
    },
    Link {
        module: usize,
        directory: usize,
    },
    Unlink {
        module: usize,
    },
    /// To the one before, or to the generation of this number.
    Rollback {
        to: Option<u64>,
    },
    Break {
        repo: usize,
    },
    Mend {
        repo: usize,
    },
    Reopen,
}

/// A command, and what happens to it.
#[derive(Clone)]
pub(crate) struct Step {
    pub(crate) command: Command,
    pub(crate) fault: Fault,
}

/// A sequence, shrunk by leaving steps and faults out.
pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    // Calm days, bad days, and days on which hardly anything goes well.
    let faults = prop_oneof![Just([8, 1, 1]), Just([4, 2, 2]), Just([1, 2, 2])];
    faults.prop_flat_map(|weights| collection::vec(step(weights), 1..40))
}

fn step([well, error, crash]: [u32; 3]) -> impl Strategy<Value = Step> {
    // Most commands have less than forty acts, and one that fetches two repositories has a hundred.
    let at = || prop_oneof![0..12_usize, 0..40_usize, 0..120_usize];
    let fault = prop_oneof![
        well => Just(Fault::None),
        error => at().prop_map(Fault::Error),
        crash => at().prop_map(Fault::Crash),
    ];
    (command(), fault).prop_map(|(command, fault)| Step { command, fault })
}

fn command() -> impl Strategy<Value = Command> {
    let module = || 0..MODULES;
    let names = |least: usize| collection::btree_set(0..MODULES, least..3);
    prop_oneof![
        9 => (prop_oneof![3 => Just(BTreeSet::new()), 1 => names(0)], any::<bool>())
            .prop_map(|(names, all_or_nothing)| Command::Update { names, all_or_nothing }),
        7 => (module(), from(), prop::bool::weighted(0.7))
            .prop_map(|(module, from, fetch)| Command::Add { module, from, fetch }),
        8 => (0..REPOS, 0..COMMITS).prop_map(|(repo, commit)| Command::Publish { repo, commit }),
        2 => names(1).prop_map(|names| Command::Remove { names }),
        2 => (module(), 0..DIRECTORIES)
            .prop_map(|(module, directory)| Command::Link { module, directory }),
        2 => module().prop_map(|module| Command::Unlink { module }),
        3 => option::of(1..12_u64).prop_map(|to| Command::Rollback { to }),
        1 => (0..REPOS).prop_map(|repo| Command::Break { repo }),
        1 => (0..REPOS).prop_map(|repo| Command::Mend { repo }),
        1 => Just(Command::Reopen),
    ]
}

fn from() -> impl Strategy<Value = From> {
    let repo = || 0..REPOS;
    prop_oneof![
        6 => (repo(), any::<bool>(), any::<bool>())
            .prop_map(|(repo, named, part)| From::Branch { repo, named, part }),
        2 => (repo(), 0..COMMITS, any::<bool>())
            .prop_map(|(repo, commit, part)| From::Commit { repo, commit, part }),
        1 => repo().prop_map(|repo| From::Nowhere { repo }),
        1 => (0..DIRECTORIES).prop_map(From::Directory),
    ]
}

/// All there are, to find the one that a text means.
pub(crate) fn every_from() -> Vec<From> {
    let both = [false, true];
    let each = |repo: usize| {
        let branches = both.iter().flat_map(move |named| {
            both.map(|part| From::Branch { repo, named: *named, part }).into_iter()
        });
        let commits = (0..COMMITS).flat_map(move |commit| {
            both.map(|part| From::Commit { repo, commit, part }).into_iter()
        });
        branches.chain(commits).chain([From::Nowhere { repo }]).collect::<Vec<_>>()
    };
    (0..REPOS).flat_map(each).chain((0..DIRECTORIES).map(From::Directory)).collect()
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.fault {
            Fault::None => write!(f, "{:?}", self.command),
            fault => write!(f, "{:?} with {fault:?}", self.command),
        }
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Update { names, all_or_nothing } => {
                let all = if *all_or_nothing { " all or nothing" } else { "" };
                write!(f, "update {names:?}{all}")
            }
            Self::Add { module, from, fetch } => {
                let later = if *fetch { "" } else { " without an update" };
                write!(f, "add m{module} from {from:?}{later}")
            }
            Self::Publish { repo, commit } => write!(f, "publish repo{repo} v{commit}"),
            Self::Remove { names } => write!(f, "remove {names:?}"),
            Self::Link { module, directory } => write!(f, "link m{module} live{directory}"),
            Self::Unlink { module } => write!(f, "unlink m{module}"),
            Self::Rollback { to } => write!(f, "rollback {to:?}"),
            Self::Break { repo } => write!(f, "break repo{repo}"),
            Self::Mend { repo } => write!(f, "repair repo{repo}"),
            Self::Reopen => f.write_str("reopen"),
        }
    }
}
