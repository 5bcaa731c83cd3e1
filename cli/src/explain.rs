//! [`Explain`]: what each error of the library means on a command line: the exit code, and the next thing to do.
//!
//! The library's errors say what happened and know no flags; the flags are here. An error that wraps another one is
//! explained by it.

use std::error::Error;

use modstore::{
    AccessError, AddError, AllowError, BindError, DeclareError, DifferenceError, JournalError,
    LeaseError, OpenError, PlanError, PurgeError, RemoveError, RepairError, ResetError,
    RollbackError, SweepError, UpdateError, VerifyError,
    internals::{
        commit::{BeginError, CommitError},
        ops::TransactError,
        reclaim::Root,
    },
};
use modstore_core::{
    disk::{DiskError, FormatError, LockError, UnsafeHome},
    model::EditError,
};
use modstore_python::{EnvironmentLockError, PythonError, RegistrationError};

use crate::{
    exit::Exit::{self, Busy, Damaged, Failed, Interrupted, Usage},
    report::Failure,
};

const WAIT: &str = "wait for the other process, or give --lock-timeout a longer time";
const NAMES: &str = "`modstore list` shows the modules there are";
const GENERATIONS: &str = "`modstore history` lists the generations there are";
const TRIED_AGAIN: &str = "the next `modstore update` tries again";
const DAMAGED: &str = "the current generation still works; `modstore verify` says what is damaged";

/// What an error means on a command line.
pub(crate) struct Explanation {
    exit: Exit,
    hint: Option<String>,
}

impl Explanation {
    /// The same exit code alone.
    fn without_hint(self) -> Self {
        plain(self.exit)
    }
}

const fn plain(exit: Exit) -> Explanation {
    Explanation { exit, hint: None }
}

fn hinted(exit: Exit, hint: impl Into<String>) -> Explanation {
    Explanation { exit, hint: Some(hint.into()) }
}

/// An error, as a command line ends with it.
pub(crate) trait Explain: Error + 'static {
    /// The exit code, and the next thing to do.
    fn explain(&self) -> Explanation;
}

impl<E: Explain> From<E> for Failure {
    fn from(error: E) -> Self {
        let Explanation { exit, hint } = error.explain();
        let general = (exit == Damaged).then(|| DAMAGED.to_owned());
        let failure = Self::of(exit, &error);
        match hint.or(general) {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

// ---- what errors of verbs are made of

impl Explain for DiskError {
    fn explain(&self) -> Explanation {
        plain(Failed)
    }
}

impl Explain for RegistrationError {
    fn explain(&self) -> Explanation {
        plain(Failed)
    }
}

impl Explain for LockError {
    fn explain(&self) -> Explanation {
        match self {
            Self::Busy { .. } => hinted(Busy, WAIT),
            Self::Stopped => plain(Interrupted),
            Self::Disk(_) => plain(Failed),
        }
    }
}

impl Explain for UnsafeHome {
    /// A link that was planted is damage, which a repair removes; to whom the home belongs, the user decides.
    fn explain(&self) -> Explanation {
        match self {
            Self::Link { .. } => hinted(
                Damaged,
                "`modstore verify --repair` moves the link to the quarantine; to keep a store \
                elsewhere, let the whole home be a link or a mount",
            ),
            Self::Foreign { home, owner, .. } => hinted(
                Usage,
                format!(
                    "run it as {owner}, or name another store with --home or MODSTORE_HOME; MODSTORE_TRUST_HOME={} lets \
                     others decide what you run",
                    home.display()
                ),
            ),
            Self::Writable { home, .. } => hinted(
                Usage,
                format!(
                    "`chmod -R go-w {0}` takes that right from them; MODSTORE_TRUST_HOME={0} lets them decide what you run",
                    home.display()
                ),
            ),
        }
    }
}

impl Explain for FormatError {
    fn explain(&self) -> Explanation {
        match self {
            Self::Lock(error) => error.explain(),
            Self::Unsafe(error) => error.explain(),
            Self::Malformed { .. } => plain(Damaged),
            Self::Newer { .. } => hinted(Failed, "use the version of modstore that made the store"),
            _ => plain(Failed),
        }
    }
}

impl Explain for JournalError {
    fn explain(&self) -> Explanation {
        match self {
            Self::Corrupt { .. } => plain(Damaged),
            _ => plain(Failed),
        }
    }
}

impl Explain for BeginError {
    fn explain(&self) -> Explanation {
        match self {
            Self::Lock(error) => error.explain(),
            Self::Journal(error) => error.explain(),
            Self::Lost { .. } => plain(Damaged),
            _ => plain(Failed),
        }
    }
}

impl Explain for EnvironmentLockError {
    fn explain(&self) -> Explanation {
        match self {
            Self::Lock { source, .. } => source.explain().without_hint(),
            _ => plain(Failed),
        }
    }
}

impl Explain for OpenError {
    fn explain(&self) -> Explanation {
        self.0.explain()
    }
}

impl Explain for AccessError {
    fn explain(&self) -> Explanation {
        match self {
            Self::Format(error) => error.explain(),
            Self::ReadOnly { .. } => hinted(
                Failed,
                "choose another home with --home or MODSTORE_HOME, or make this one writable",
            ),
            _ => plain(Failed),
        }
    }
}

impl Explain for DeclareError {
    fn explain(&self) -> Explanation {
        let hint = match self {
            Self::Lock(error) => return error.explain(),
            Self::Disk(_) => return plain(Failed),
            Self::NoName { .. } => "give it one with --name",
            Self::Taken { .. } => "choose another name with --name, or remove the module first",
            Self::Locked { source: None, .. } => "run `modstore update` once without --locked",
            Self::NoBuild { .. } => "a build is declared as `[modules.NAME.build]` in modules.toml",
            Self::Toml { .. } => "nothing was changed; correct the file and run it again",
            Self::Edit(EditError::NotDeclared(_)) => NAMES,
            _ => return plain(Usage),
        };
        hinted(Usage, hint)
    }
}

impl Explain for PlanError {
    fn explain(&self) -> Explanation {
        match self {
            Self::Journal(error) => error.explain(),
            Self::Root { root: Root::Environment { .. }, .. } => hinted(
                Failed,
                "make it readable, delete the environment if it is not needed, or `modstore unbind --python` it, and sweep again",
            ),
            Self::Root { .. } => plain(Damaged),
            Self::Environments(_) => hinted(
                Failed,
                "delete that file and `modstore bind --python` the environment again, or use the version that wrote it",
            ),
            _ => plain(Failed),
        }
    }
}

impl Explain for TransactError {
    fn explain(&self) -> Explanation {
        match self {
            Self::Update(error) => error.explain(),
            _ => hinted(Failed, TRIED_AGAIN),
        }
    }
}

// ---- the verbs

impl Explain for UpdateError {
    fn explain(&self) -> Explanation {
        match self {
            Self::Access(error) => error.explain(),
            Self::Declare(error) => error.explain(),
            Self::Hold(error) => error.explain(),
            Self::Journal(error) => error.explain(),
            Self::Begin(error) => error.explain(),
            Self::Unknown { .. } => plain(Usage),
            Self::Cancelled => plain(Interrupted),
            Self::Commit(CommitError::Modified { .. }) => {
                hinted(Failed, "keep other programs out of the store's home, and run it again")
            }
            Self::Environment(_) => hinted(Failed, TRIED_AGAIN),
            _ => plain(Failed),
        }
    }
}

impl Explain for AddError {
    fn explain(&self) -> Explanation {
        match self {
            Self::Access(error) => error.explain(),
            Self::Declare(error) => error.explain(),
            Self::Update(error) => error.explain(),
            _ => plain(Failed),
        }
    }
}

impl Explain for RemoveError {
    fn explain(&self) -> Explanation {
        match self {
            Self::Access(error) => error.explain(),
            Self::Declare(error) => error.explain(),
            Self::Hold(error) => error.explain(),
            Self::Transact(error) => error.explain(),
            _ => plain(Failed),
        }
    }
}

impl Explain for RollbackError {
    fn explain(&self) -> Explanation {
        match self {
            Self::Access(error) => error.explain(),
            Self::Journal(error) => error.explain(),
            Self::Hold(error) => error.explain(),
            Self::Transact(error) => error.explain(),
            Self::NoGeneration { .. } | Self::Retired { .. } => hinted(Usage, GENERATIONS),
            Self::EntryGone { .. } => {
                hinted(Failed, "`modstore update` fetches what modules.toml declares now")
            }
            _ => plain(Failed),
        }
    }
}

impl Explain for AllowError {
    fn explain(&self) -> Explanation {
        match self {
            Self::Access(error) => error.explain(),
            Self::Declare(error) => error.explain(),
            _ => plain(Failed),
        }
    }
}

impl Explain for BindError {
    fn explain(&self) -> Explanation {
        let python = "give --python the environment's bin/python";
        let hint = match self {
            Self::Access(error) => return error.explain(),
            Self::Hold(error) => return error.explain(),
            Self::Journal(error) => return error.explain(),
            Self::Python(PythonError::None { .. }) => python,
            Self::Python(_) => return hinted(Failed, python),
            Self::Managed { .. } => {
                "make an environment of your own, for example with `uv venv` or `python3 -m venv`"
            }
            Self::Empty => "`modstore add SOURCE` declares a module and fetches it",
            Self::Unknown { .. } => NAMES,
            Self::Home { .. } => "choose another home with --home or MODSTORE_HOME",
            Self::NotBound { .. } => "`modstore status` lists the environments that are bound",
            _ => return plain(Failed),
        };
        hinted(Usage, hint)
    }
}

impl Explain for DifferenceError {
    fn explain(&self) -> Explanation {
        match self {
            Self::Journal(error) => error.explain(),
            Self::NoGeneration(_) => hinted(Usage, GENERATIONS),
            _ => plain(Usage),
        }
    }
}

impl Explain for SweepError {
    fn explain(&self) -> Explanation {
        match self {
            Self::Access(error) => error.explain(),
            Self::Plan(error) => error.explain(),
            Self::Begin(error) => error.explain(),
            Self::Stale { .. } => hinted(Busy, "plan again: another process has changed the store"),
            Self::Cancelled => plain(Interrupted),
            _ => plain(Failed),
        }
    }
}

impl Explain for ResetError {
    fn explain(&self) -> Explanation {
        match self {
            Self::Update(error) => error.explain(),
            Self::Plan(error) => error.explain(),
            Self::Sweep(error) => error.explain(),
            _ => plain(Failed),
        }
    }
}

impl Explain for PurgeError {
    fn explain(&self) -> Explanation {
        match self {
            Self::Access(error) => error.explain(),
            Self::Unbind(error) => error.explain(),
            Self::Lock(error) => error.explain().without_hint(),
            Self::Leased(_) => hinted(Busy, "end these processes, and run it again"),
            Self::Partly(_) => hinted(Failed, "run `modstore reset --purge` again"),
            Self::Cancelled => plain(Interrupted),
            _ => plain(Failed),
        }
    }
}

impl Explain for RepairError {
    fn explain(&self) -> Explanation {
        match self {
            Self::Access(error) => error.explain(),
            Self::Cancelled => plain(Interrupted),
            error => error.wait().map_or(plain(Failed), |wait| wait.explain().without_hint()),
        }
    }
}

impl Explain for VerifyError {
    fn explain(&self) -> Explanation {
        match self {
            Self::Lock(error) => error.explain(),
            Self::Unknown { .. } => hinted(Usage, NAMES),
            Self::Cancelled => plain(Interrupted),
            _ => plain(Failed),
        }
    }
}

impl Explain for LeaseError {
    fn explain(&self) -> Explanation {
        match self {
            Self::Unsafe(error) => Explanation { exit: Usage, ..error.explain() },
            Self::Empty => hinted(
                Failed,
                "`modstore add SOURCE` declares a module and fetches it; --home or MODSTORE_HOME name another store",
            ),
            Self::Gone(_) => hinted(Usage, GENERATIONS),
            Self::Disk(_) => hinted(
                Failed,
                "a lease needs the right to read the store; `ls -ld` shows who has it",
            ),
            _ => plain(Failed),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use modstore_core::disk::{LockKind, User};

    use super::*;

    #[test]
    fn a_home_that_others_may_write_to_is_explained_with_the_command_that_closes_it() {
        let home = PathBuf::from("/home/me/store");
        let error =
            UnsafeHome::Writable { path: home.join("staging"), home, owner: User(7), mode: 0o775 };
        let Explanation { exit, hint } = error.explain();
        let hint = hint.unwrap();
        assert!(hint.contains("chmod -R go-w /home/me/store"), "{hint}");
        assert_eq!(exit, Exit::Usage);
    }

    #[test]
    fn an_error_is_explained_by_the_lock_or_the_damage_within() {
        let busy = || LockError::Busy { kind: LockKind::Store, holder: None };
        for explained in [
            Failure::from(UpdateError::Begin(BeginError::Lock(busy()))),
            Failure::from(AddError::Declare(DeclareError::Lock(busy()))),
            Failure::from(AddError::Access(FormatError::Lock(busy()).into())),
            Failure::from(SweepError::Begin(BeginError::Lock(busy()))),
        ] {
            assert_eq!((explained.exit, explained.hint.as_deref()), (3, Some(WAIT)));
        }
        let lost = BeginError::Lost { shown: "7".parse().unwrap() };
        let damaged = Failure::from(RemoveError::Transact(UpdateError::Begin(lost).into()));
        assert_eq!((damaged.exit, damaged.hint.as_deref()), (4, Some(DAMAGED)));
    }
}
