//! [`Explain`]: what each error of the library means on a command line: the exit code, and the next thing to do.
//!
//! The library's errors say what happened and know no flags; the flags are here. An error that wraps another one is
//! explained by it.

use std::error::Error;

use modstore::{
    errors::{
        AccessError, ActivateError, AddError, AllowError, BindError, DeclareError, DifferenceError,
        ExposeError, JournalError, LeaseError, OpenError, PlanError, PurgeError, RemoveError,
        RepairError, ResetError, RollbackError, SetError, StateError, SweepError, UpdateError,
        VerifyError,
    },
    internals::{
        commit::{BeginError, CommitError, ProjectLockError},
        ops::{
            ExportError, ImportClosureError, ImportError, PatchError, PlaceFault, PushError,
            TransactError,
        },
        reclaim::Root,
        tier::TierSetupError,
    },
};
use modstore_core::{
    disk::{DiskError, FormatError, LockError, UnsafeHome},
    model::EditError,
};
use modstore_doctor::DoctorError;
use modstore_python::{EnvironmentLockError, PythonError, RegistrationError};

use crate::{
    exit::Exit::{self, Busy, Damaged, Failed, Interrupted, Usage},
    report::Failure,
};

const WAIT: &str = "wait for the other process, or give --lock-timeout a longer time";
/// The hint for a module that does not exist.
pub(crate) const NAMES: &str = "`modstore list` shows the modules there are";
const FIRST: &str = "`modstore add SOURCE` declares a module and fetches it";
const GENERATIONS: &str = "`modstore history` lists the generations there are";
const TIERS: &str =
    "name a directory or an address: --tier URL, MODSTORE_TIER, or [[tier]] in config.toml";
const TRIED_AGAIN: &str = "the next `modstore update` tries again";
const PYTHON: &str = "give --python the environment's directory or its bin/python";
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

/// Explains an error: by the one that it wraps, in the variants of the list, or as the arms after it say.
macro_rules! explain {
    ($error:ty, by [$($wrapping:ident),*], $($variant:pat => $explanation:expr),+ $(,)?) => {
        impl Explain for $error {
            fn explain(&self) -> Explanation {
                match self {
                    $(Self::$wrapping(error) => error.explain(),)*
                    $($variant => $explanation,)+
                }
            }
        }
    };
}

// ---- what errors of verbs are made of

explain! { DiskError, by [], _ => plain(Failed) }

explain! { RegistrationError, by [], _ => plain(Failed) }

explain! { LockError, by [],
    Self::Busy { .. } => hinted(Busy, WAIT),
    Self::Stopped => plain(Interrupted),
    Self::Disk(_) => plain(Failed),
}

// A link that was planted is damage, which a repair removes; to whom the home belongs, the user decides.
explain! { UnsafeHome, by [],
    Self::Link { .. } => hinted(
        Damaged,
        "`modstore verify --repair` moves the link to the quarantine; to keep a store elsewhere, let the whole home \
         be a link or a mount",
    ),
    Self::LinkedProject { .. } => hinted(Usage, "remove the link; the next update makes the project's store"),
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

explain! { FormatError, by [Lock, Unsafe],
    Self::Malformed { .. } => plain(Damaged),
    Self::Newer { .. } => hinted(Failed, "use the version of modstore that made the store"),
    _ => plain(Failed),
}

explain! { JournalError, by [],
    Self::Corrupt { .. } => plain(Damaged),
    _ => plain(Failed),
}

explain! { ProjectLockError, by [Disk],
    _ => hinted(
        Usage,
        "take it from the project's repository (`git checkout modules.lock`), or delete it: the next update writes it",
    ),
}

explain! { BeginError, by [Lock, Journal, Project],
    Self::Lost { .. } => plain(Damaged),
    _ => plain(Failed),
}

explain! { EnvironmentLockError, by [],
    Self::Lock { source, .. } => source.explain().without_hint(),
    _ => plain(Failed),
}

impl Explain for OpenError {
    fn explain(&self) -> Explanation {
        self.0.explain()
    }
}

explain! { AccessError, by [Format],
    Self::ReadOnly { .. } => hinted(
        Failed,
        "choose another home with --home or MODSTORE_HOME, or make this one writable",
    ),
    _ => plain(Failed),
}

explain! { DeclareError, by [Lock],
    Self::Disk(_) => plain(Failed),
    Self::NoName { .. } => hinted(Usage, "give it one with --name"),
    Self::Taken { .. } => hinted(
        Usage,
        "choose another name with --name, or remove the module first",
    ),
    Self::Locked { source: None, .. } => hinted(
        Usage,
        "run `modstore update` once without --locked",
    ),
    Self::Locked { .. } => hinted(Usage, "correct the file, or run `modstore update`, which writes it again"),
    Self::NoBuild { .. } => hinted(
        Usage,
        "a build is declared as `[modules.NAME.build]` in modules.toml",
    ),
    Self::Toml { .. } => hinted(Usage, "nothing was changed; correct the file and run it again"),
    Self::Edit(EditError::NotDeclared(_)) => hinted(Usage, NAMES),
    Self::Edit(EditError::NotLinked(_)) => hinted(
        Usage,
        "it has its declared source already; `modstore status` shows what is linked",
    ),
    _ => plain(Usage),
}

explain! { PlanError, by [Journal],
    Self::Root { root: Root::Environment { .. }, .. } => hinted(
        Failed,
        "make it readable, delete the environment if it is not needed, or `modstore unbind --python` it, and sweep \
         again",
    ),
    Self::Root { .. } => plain(Damaged),
    Self::Environments(_) => hinted(
        Failed,
        "delete that file and `modstore bind --python` the environment again, or use the version that wrote it",
    ),
    _ => plain(Failed),
}

explain! { TransactError, by [Update],
    _ => hinted(Failed, TRIED_AGAIN),
}

// ---- the verbs

explain! { UpdateError, by [Access, Declare, Hold, Journal, Begin, Project, Tier],
    Self::Unknown { .. } => hinted(Usage, NAMES),
    Self::Cancelled => plain(Interrupted),
    Self::Commit(CommitError::Modified { .. }) => hinted(
        Failed,
        "keep other programs out of the store's home, and run it again",
    ),
    Self::Environment(_) => hinted(Failed, TRIED_AGAIN),
    _ => plain(Failed),
}

explain! { TierSetupError, by [], _ => hinted(Usage, TIERS) }

explain! { PushError, by [Access, Journal, Declare, Tier],
    Self::Unknown(error) => error.explain(),
    Self::NoTier => hinted(Usage, TIERS),
    _ => plain(Failed),
}

explain! { AddError, by [Access, Declare, Update], _ => plain(Failed) }

explain! { ExportError, by [],
    Self::Store(error) => error.explain(),
    // Which of them, and why, is an answer.
    Self::Modules(_) => plain(Failed),
    Self::InTheWay { .. } => hinted(Usage, "name a directory that is empty or not there"),
    _ => plain(Failed),
}

explain! { ImportClosureError, by [Add], _ => plain(Failed) }

explain! { ImportError, by [Access, Journal, Declare, Update],
    Self::Look(_) => hinted(Usage, "name a directory that has clones in it"),
    _ => plain(Interrupted),
}

explain! { RemoveError, by [Access, Declare, Hold, Transact, Lock], _ => plain(Failed) }

explain! { RollbackError, by [Access, Journal, Hold, Transact],
    Self::NoGeneration { .. } | Self::Retired { .. } | Self::NotThere { .. } => hinted(Usage, GENERATIONS),
    Self::NoVersion { module } => hinted(
        Failed,
        format!("`modstore show {module}` lists its versions"),
    ),
    Self::EntryGone { .. } => hinted(
        Failed,
        "`modstore update` fetches what modules.toml declares now",
    ),
    _ => plain(Failed),
}

explain! { SetError, by [Access, Declare, Update], _ => plain(Failed) }

explain! { ActivateError, by [Ensure, Bind, Registration, Lease, Journal], _ => plain(Failed) }

explain! { StateError, by [Access, Begin],
    Self::Cancelled => plain(Interrupted),
    _ => hinted(Failed, "`modstore verify` says what is left; make the home writable and run it again"),
}

explain! { ExposeError, by [Access, Declare, Begin],
    Self::Place { why: PlaceFault::NoDirectory, .. } => hinted(
        Usage,
        "make the directory first",
    ),
    Self::Place { why: PlaceFault::Unknown, .. } => hinted(
        Usage,
        "`modstore status` lists what is exposed",
    ),
    Self::Place { why: PlaceFault::OtherModule(_), .. } => hinted(
        Usage,
        "`modstore unexpose` with this path takes that link away",
    ),
    Self::Place { why: PlaceFault::OtherStore { home, .. }, .. } => hinted(
        Usage,
        format!("`modstore --home {} unexpose` takes that link away", home.display()),
    ),
    Self::Place { .. } => hinted(Usage, "choose another place, or move what is there"),
    Self::Cancelled => plain(Interrupted),
    _ => plain(Failed),
}

explain! { AllowError, by [Access, Declare], _ => plain(Failed) }

explain! { BindError, by [Access, Hold, Journal],
    Self::Python(PythonError::None { .. }) => hinted(Usage, PYTHON),
    Self::Python(_) => hinted(Failed, PYTHON),
    Self::Managed { .. } => hinted(
        Usage,
        "make an environment of your own, for example with `uv venv` or `python3 -m venv`",
    ),
    Self::Empty => hinted(Usage, FIRST),
    Self::Unknown { .. } => hinted(Usage, NAMES),
    Self::Home { .. } => hinted(Usage, "choose another home with --home or MODSTORE_HOME"),
    Self::Owned { prefix, home, .. } => hinted(
        Usage,
        format!(
            "`modstore --home {home}` is the store to bind it with; `modstore bind --take-over --python {prefix}` makes it \
             follow this one, and `modstore unbind --python {prefix}` makes this one forget it",
            home = home.display(),
            prefix = prefix.display(),
        ),
    ),
    Self::NotBound { .. } => hinted(Usage, "`modstore status` lists the environments that are bound"),
    _ => plain(Failed),
}

explain! { DifferenceError, by [Journal],
    Self::NoGeneration(_) => hinted(Usage, GENERATIONS),
    _ => plain(Usage),
}

explain! { PatchError, by [],
    Self::Gone { .. } => hinted(Failed, "without --patch and --stat the names of its files are compared"),
    Self::Git { .. } => hinted(Failed, "--patch and --stat need a git program"),
    _ => plain(Failed),
}

explain! { SweepError, by [Access, Plan, Begin],
    Self::Stale { .. } => hinted(Busy, "plan again: another process has changed the store"),
    Self::Cancelled => plain(Interrupted),
    _ => plain(Failed),
}

explain! { ResetError, by [Update, Plan, Sweep], _ => plain(Failed) }

explain! { PurgeError, by [Access, Unbind],
    Self::Lock(error) => error.explain().without_hint(),
    Self::Leased(_) => hinted(Busy, "end these processes, and run it again"),
    Self::Partly(_) => hinted(Failed, "run `modstore reset --purge` again"),
    Self::Cancelled => plain(Interrupted),
    _ => plain(Failed),
}

explain! { RepairError, by [Access],
    Self::Cancelled => plain(Interrupted),
    error => error.wait().map_or(plain(Failed), |wait| wait.explain().without_hint()),
}

explain! { VerifyError, by [Lock],
    Self::Unknown { .. } => hinted(Usage, NAMES),
    Self::Cancelled => plain(Interrupted),
    _ => plain(Failed),
}

explain! { LeaseError, by [],
    Self::Unsafe(error) => Explanation { exit: Usage, ..error.explain() },
    Self::Empty => hinted(Failed, format!("{FIRST}; --home or MODSTORE_HOME name another store")),
    Self::Gone(_) => hinted(Usage, GENERATIONS),
    Self::Disk(_) => hinted(
        Failed,
        "a lease needs the right to read the store; `ls -ld` shows who has it",
    ),
    _ => plain(Failed),
}

explain! { DoctorError, by [],
    Self::Python(_) => hinted(Usage, PYTHON),
    Self::Nothing => hinted(Usage, "name one: `modstore doctor --python .venv`"),
    Self::Cancelled => plain(Interrupted),
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
