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

use crate::{exit::Exit, report::Failure};

const WAIT: &str = "wait for the other process, or give --lock-timeout a longer time";
const NAMES: &str = "`modstore list` shows the modules there are";
const GENERATIONS: &str = "`modstore history` lists the generations there are";
const DAMAGED: &str = "the current generation still works; `modstore verify` says what is damaged";

/// An error, as a command line ends with it.
pub(crate) trait Explain: Error + 'static {
    /// The exit code.
    fn exit(&self) -> Exit;

    /// The next thing to do.
    fn hint(&self) -> Option<String> {
        None
    }
}

impl<E: Explain> From<E> for Failure {
    fn from(error: E) -> Self {
        let exit = error.exit();
        let general = (exit == Exit::Damaged).then(|| DAMAGED.to_owned());
        let failure = Self::of(exit, &error);
        match error.hint().or(general) {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

fn say(hint: &str) -> Option<String> {
    Some(hint.to_owned())
}

// ---- what errors of verbs are made of

impl Explain for DiskError {
    fn exit(&self) -> Exit {
        Exit::Failed
    }
}

impl Explain for LockError {
    fn exit(&self) -> Exit {
        match self {
            Self::Busy { .. } => Exit::Busy,
            Self::Stopped => Exit::Interrupted,
            Self::Disk(_) => Exit::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        matches!(self, Self::Busy { .. }).then(|| WAIT.to_owned())
    }
}

impl Explain for UnsafeHome {
    /// A link that was planted is damage, which a repair removes; to whom the home belongs, the user decides.
    fn exit(&self) -> Exit {
        match self {
            Self::Link { .. } => Exit::Damaged,
            Self::Foreign { .. } | Self::Writable { .. } => Exit::Usage,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Link { .. } => {
                "`modstore verify --repair` moves the link to the quarantine; to keep a store \
                elsewhere, let the whole home be a link or a mount"
                    .to_owned()
            }
            Self::Foreign { home, owner, .. } => format!(
                "run it as {owner}, or name another store with --home or MODSTORE_HOME; MODSTORE_TRUST_HOME={} lets \
                 others decide what you run",
                home.display()
            ),
            Self::Writable { home, .. } => format!(
                "`chmod -R go-w {0}` takes that right from them; MODSTORE_TRUST_HOME={0} lets them decide what you run",
                home.display()
            ),
        })
    }
}

impl Explain for FormatError {
    fn exit(&self) -> Exit {
        match self {
            Self::Lock(error) => error.exit(),
            Self::Malformed { .. } => Exit::Damaged,
            Self::Unsafe(error) => error.exit(),
            _ => Exit::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Lock(error) => error.hint(),
            Self::Unsafe(error) => error.hint(),
            Self::Newer { .. } => say("use the version of modstore that made the store"),
            _ => None,
        }
    }
}

impl Explain for JournalError {
    fn exit(&self) -> Exit {
        match self {
            Self::Corrupt { .. } => Exit::Damaged,
            _ => Exit::Failed,
        }
    }
}

impl Explain for BeginError {
    fn exit(&self) -> Exit {
        match self {
            Self::Lost { .. } => Exit::Damaged,
            Self::Journal(error) => error.exit(),
            Self::Lock(error) => error.exit(),
            _ => Exit::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Lock(error) => error.hint(),
            _ => None,
        }
    }
}

impl Explain for EnvironmentLockError {
    fn exit(&self) -> Exit {
        match self {
            Self::Lock { source, .. } => source.exit(),
            _ => Exit::Failed,
        }
    }
}

impl Explain for RegistrationError {
    fn exit(&self) -> Exit {
        Exit::Failed
    }
}

impl Explain for OpenError {
    fn exit(&self) -> Exit {
        self.0.exit()
    }

    fn hint(&self) -> Option<String> {
        self.0.hint()
    }
}

impl Explain for AccessError {
    fn exit(&self) -> Exit {
        match self {
            Self::Format(error) => error.exit(),
            _ => Exit::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Format(error) => error.hint(),
            Self::ReadOnly { .. } => {
                say("choose another home with --home or MODSTORE_HOME, or make this one writable")
            }
            _ => None,
        }
    }
}

impl Explain for DeclareError {
    fn exit(&self) -> Exit {
        match self {
            Self::Lock(error) => error.exit(),
            Self::Disk(_) => Exit::Failed,
            _ => Exit::Usage,
        }
    }

    fn hint(&self) -> Option<String> {
        say(match self {
            Self::NoName { .. } => "give it one with --name",
            Self::Taken { .. } => "choose another name with --name, or remove the module first",
            Self::Locked { source: None, .. } => "run `modstore update` once without --locked",
            Self::NoBuild { .. } => "a build is declared as `[modules.NAME.build]` in modules.toml",
            Self::Toml { .. } => "nothing was changed; correct the file and run it again",
            Self::Lock(error) => return error.hint(),
            Self::Edit(EditError::NotDeclared(_)) => NAMES,
            _ => return None,
        })
    }
}

impl Explain for TransactError {
    fn exit(&self) -> Exit {
        match self {
            Self::Update(error) => error.exit(),
            _ => Exit::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Update(error) => error.hint(),
            _ => say("the next `modstore update` tries again"),
        }
    }
}

// ---- the verbs

impl Explain for UpdateError {
    fn exit(&self) -> Exit {
        match self {
            Self::Access(error) => error.exit(),
            Self::Declare(error) => error.exit(),
            Self::Unknown { .. } => Exit::Usage,
            Self::Hold(error) => error.exit(),
            Self::Cancelled => Exit::Interrupted,
            Self::Journal(error) => error.exit(),
            Self::Begin(error) => error.exit(),
            _ => Exit::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Access(error) => error.hint(),
            Self::Declare(error) => error.hint(),
            Self::Begin(error) => error.hint(),
            Self::Commit(CommitError::Modified { .. }) => {
                say("keep other programs out of the store's home, and run it again")
            }
            Self::Environment(_) => say("the next `modstore update` tries again"),
            _ => None,
        }
    }
}

impl Explain for AddError {
    fn exit(&self) -> Exit {
        match self {
            Self::Access(error) => error.exit(),
            Self::Declare(error) => error.exit(),
            Self::Update(error) => error.exit(),
            _ => Exit::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Access(error) => error.hint(),
            Self::Declare(error) => error.hint(),
            Self::Update(error) => error.hint(),
            _ => None,
        }
    }
}

impl Explain for RemoveError {
    fn exit(&self) -> Exit {
        match self {
            Self::Access(error) => error.exit(),
            Self::Declare(error) => error.exit(),
            Self::Hold(error) => error.exit(),
            Self::Transact(error) => error.exit(),
            _ => Exit::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Access(error) => error.hint(),
            Self::Declare(error) => error.hint(),
            Self::Transact(error) => error.hint(),
            _ => None,
        }
    }
}

impl Explain for RollbackError {
    fn exit(&self) -> Exit {
        match self {
            Self::Access(error) => error.exit(),
            Self::Journal(error) => error.exit(),
            Self::NoGeneration { .. } | Self::Retired { .. } => Exit::Usage,
            Self::Hold(error) => error.exit(),
            Self::Transact(error) => error.exit(),
            _ => Exit::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Access(error) => error.hint(),
            Self::NoGeneration { .. } | Self::Retired { .. } => say(GENERATIONS),
            Self::EntryGone { .. } => {
                say("`modstore update` fetches what modules.toml declares now")
            }
            Self::Transact(error) => error.hint(),
            _ => None,
        }
    }
}

impl Explain for AllowError {
    fn exit(&self) -> Exit {
        match self {
            Self::Access(error) => error.exit(),
            Self::Declare(error) => error.exit(),
            _ => Exit::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Access(error) => error.hint(),
            Self::Declare(error) => error.hint(),
            _ => None,
        }
    }
}

impl Explain for BindError {
    fn exit(&self) -> Exit {
        match self {
            Self::Access(error) => error.exit(),
            Self::Python(PythonError::None { .. })
            | Self::Managed { .. }
            | Self::Empty
            | Self::Unknown { .. }
            | Self::Home { .. }
            | Self::NotBound { .. } => Exit::Usage,
            Self::Hold(error) => error.exit(),
            Self::Journal(error) => error.exit(),
            _ => Exit::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        say(match self {
            Self::Access(error) => return error.hint(),
            Self::Python(_) => "give --python the environment's bin/python",
            Self::Managed { .. } => {
                "make an environment of your own, for example with `uv venv` or `python3 -m venv`"
            }
            Self::Empty => "`modstore add SOURCE` declares a module and fetches it",
            Self::Unknown { .. } => NAMES,
            Self::Home { .. } => "choose another home with --home or MODSTORE_HOME",
            Self::NotBound { .. } => "`modstore status` lists the environments that are bound",
            _ => return None,
        })
    }
}

impl Explain for DifferenceError {
    fn exit(&self) -> Exit {
        match self {
            Self::Journal(error) => error.exit(),
            _ => Exit::Usage,
        }
    }

    fn hint(&self) -> Option<String> {
        matches!(self, Self::NoGeneration(_)).then(|| GENERATIONS.to_owned())
    }
}

impl Explain for PlanError {
    fn exit(&self) -> Exit {
        match self {
            Self::Root { root: Root::Environment { .. }, .. } => Exit::Failed,
            Self::Root { .. } => Exit::Damaged,
            Self::Journal(error) => error.exit(),
            _ => Exit::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        say(match self {
            Self::Root { root: Root::Environment { .. }, .. } => {
                "make it readable, delete the environment if it is not needed, or `modstore unbind --python` it, and sweep again"
            }
            Self::Environments(_) => {
                "delete that file and `modstore bind --python` the environment again, or use the version that wrote it"
            }
            _ => return None,
        })
    }
}

impl Explain for SweepError {
    fn exit(&self) -> Exit {
        match self {
            Self::Access(error) => error.exit(),
            Self::Plan(error) => error.exit(),
            Self::Stale { .. } => Exit::Busy,
            Self::Cancelled => Exit::Interrupted,
            Self::Begin(error) => error.exit(),
            _ => Exit::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Access(error) => error.hint(),
            Self::Plan(error) => error.hint(),
            Self::Stale { .. } => say("plan again: another process has changed the store"),
            Self::Begin(error) => error.hint(),
            _ => None,
        }
    }
}

impl Explain for ResetError {
    fn exit(&self) -> Exit {
        match self {
            Self::Update(error) => error.exit(),
            Self::Plan(error) => error.exit(),
            Self::Sweep(error) => error.exit(),
            _ => Exit::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Update(error) => error.hint(),
            Self::Plan(error) => error.hint(),
            Self::Sweep(error) => error.hint(),
            _ => None,
        }
    }
}

impl Explain for PurgeError {
    fn exit(&self) -> Exit {
        match self {
            Self::Access(error) => error.exit(),
            Self::Unbind(error) => error.exit(),
            Self::Leased(_) => Exit::Busy,
            Self::Lock(error) => error.exit(),
            Self::Cancelled => Exit::Interrupted,
            _ => Exit::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Access(error) => error.hint(),
            Self::Unbind(error) => error.hint(),
            Self::Leased(_) => say("end these processes, and run it again"),
            Self::Partly(_) => say("run `modstore reset --purge` again"),
            _ => None,
        }
    }
}

impl Explain for RepairError {
    fn exit(&self) -> Exit {
        match self {
            Self::Access(error) => error.exit(),
            Self::Cancelled => Exit::Interrupted,
            error => error.wait().map_or(Exit::Failed, Explain::exit),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Access(error) => error.hint(),
            _ => None,
        }
    }
}

impl Explain for VerifyError {
    fn exit(&self) -> Exit {
        match self {
            Self::Unknown { .. } => Exit::Usage,
            Self::Lock(error) => error.exit(),
            Self::Cancelled => Exit::Interrupted,
            _ => Exit::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Unknown { .. } => say(NAMES),
            Self::Lock(error) => error.hint(),
            _ => None,
        }
    }
}

impl Explain for LeaseError {
    fn exit(&self) -> Exit {
        match self {
            Self::Gone(_) | Self::Unsafe(_) => Exit::Usage,
            _ => Exit::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        say(match self {
            Self::Unsafe(error) => return error.hint(),
            Self::Empty => {
                "`modstore add SOURCE` declares a module and fetches it; --home or MODSTORE_HOME name another store"
            }
            Self::Gone(_) => GENERATIONS,
            Self::Disk(_) => "a lease needs the right to read the store; `ls -ld` shows who has it",
            _ => return None,
        })
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
        let hint = error.hint().unwrap();
        assert!(hint.contains("chmod -R go-w /home/me/store"), "{hint}");
        assert_eq!(error.exit(), Exit::Usage);
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
