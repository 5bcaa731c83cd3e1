//! [`ChangeError`]: why a store did not do what it was asked, how a command line ends with it, and what to do next.

use std::path::PathBuf;

use crate::{
    check::{RepairError, VerifyError},
    commit::{BeginError, CommitError, JournalError},
    declare::DeclareError,
    disk::{FormatError, LockError, UnsafeHome},
    environment::{HoldError, PythonError, RegistrationError},
    model::Generation,
    reclaim::{PlanError, Root, SweepError},
    reset::PurgeError,
    update::{BindError, EquipError, TakenBack, UpdateError, UpdateReport},
};

/// The store is not for this version to use, or cannot be read. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct OpenError(#[from] FormatError);

/// Why a store did not do what it was asked. Whether anything happened is told by the error within.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// The store cannot be made or used.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The home cannot be written to.
    #[error("the store in {} cannot be written to", home.display())]
    ReadOnly {
        /// The home.
        home: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// `modules.toml` or `modules.lock` cannot be read or changed.
    #[error(transparent)]
    Declare(#[from] DeclareError),
    /// The update itself.
    #[error(transparent)]
    Update(#[from] UpdateError),
    /// What was added could not be had, and `modules.toml` is as it was.
    #[error("nothing was added")]
    NotAdded(Box<UpdateReport>),
    /// The store could not be looked at.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// There is no generation of that number, or none to go back to.
    #[error("there is no generation {}", wanted.map_or_else(|| "before this one".into(), |wanted| wanted.to_string()))]
    NoGeneration {
        /// What was asked for.
        wanted: Option<Generation>,
    },
    /// The generation was retired: its entries may be gone.
    #[error("generation {wanted} is kept no longer{}", there_are(.kept))]
    Retired {
        /// What was asked for.
        wanted: Generation,
        /// Those that are kept, oldest first.
        kept: Vec<Generation>,
    },
    /// An entry of the generation is not in the store any more, or not the whole of it.
    #[error("generation {wanted} cannot be shown: the entry of `{module}` is gone or damaged")]
    EntryGone {
        /// What was asked for.
        wanted: Generation,
        /// The module.
        module: String,
    },
    /// What a sweep would do cannot be told.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The sweep itself.
    #[error(transparent)]
    Sweep(#[from] SweepError),
    /// Taking the store away.
    #[error(transparent)]
    Purge(#[from] PurgeError),
    /// Binding or unbinding an environment.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The change has happened, and an environment could not follow it.
    #[error("it has happened, and an environment does not follow it yet")]
    Environment(#[source] TakenBack),
    /// Nothing was changed: what was to be shown again is not to be had for an environment.
    #[error(transparent)]
    Equip(#[from] EquipError),
    /// An environment that follows the store cannot be worked on. Nothing was changed.
    #[error(transparent)]
    Hold(#[from] HoldError),
    /// What is known of environments cannot be read. Nothing was changed.
    #[error(transparent)]
    Registration(#[from] RegistrationError),
    /// The repair itself.
    #[error(transparent)]
    Repair(#[from] RepairError),
    /// A sync failed earlier; open the store again.
    #[error("a sync failed earlier, so this process does not write any more")]
    Poisoned,
}

fn there_are(kept: &[Generation]) -> String {
    let kept: Vec<String> = kept.iter().map(ToString::to_string).collect();
    format!("; kept: {}", kept.join(", "))
}

impl From<OpenError> for ChangeError {
    fn from(OpenError(error): OpenError) -> Self {
        Self::Format(error)
    }
}

impl ChangeError {
    /// Whether the change has happened, or may have, although there is an error.
    #[must_use]
    pub const fn has_happened(&self) -> bool {
        match self {
            Self::Update(UpdateError::Commit(error)) => {
                matches!(error, CommitError::Record { .. } | CommitError::Show { .. })
            }
            Self::Sweep(error) => error.has_happened(),
            Self::Environment(_) | Self::Update(UpdateError::Environment(_)) => true,
            _ => false,
        }
    }

    /// How a command line ends with it.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Declare(DeclareError::Lock(error)) | Self::Format(FormatError::Lock(error)) => {
                exit_of_wait(error)
            }
            Self::Declare(DeclareError::Disk(_)) => Exit::Failed,
            Self::Declare(_)
            | Self::NoGeneration { .. }
            | Self::Retired { .. }
            | Self::Verify(VerifyError::Unknown { .. }) => Exit::Usage,
            Self::Verify(VerifyError::Lock(error)) => exit_of_wait(error),
            Self::Verify(VerifyError::Cancelled) => Exit::Interrupted,
            Self::Format(FormatError::Malformed { .. }) => Exit::Damaged,
            Self::Format(FormatError::Unsafe(error)) => exit_of_home(error),
            Self::Purge(error) => match error {
                PurgeError::Leased(_) => Exit::Busy,
                PurgeError::Lock(error) => exit_of_wait(error),
                PurgeError::Cancelled => Exit::Interrupted,
                _ => Exit::Failed,
            },
            Self::Repair(RepairError::Cancelled) => Exit::Interrupted,
            Self::Repair(error) => match error.wait() {
                Some(wait) => exit_of_wait(wait),
                None => Exit::Failed,
            },
            Self::Bind(error) => exit_of_bind(error),
            Self::Hold(error) => exit_of_hold(error),
            Self::Update(error) => match error {
                UpdateError::Unknown { .. } => Exit::Usage,
                UpdateError::Hold(error) => exit_of_hold(error),
                UpdateError::Cancelled => Exit::Interrupted,
                UpdateError::Journal(error) => exit_of_journal(error),
                UpdateError::Begin(error) => exit_of_begin(error),
                _ => Exit::Failed,
            },
            Self::Plan(error) | Self::Sweep(SweepError::Plan(error)) => exit_of_plan(error),
            Self::Sweep(error) => match error {
                SweepError::Stale { .. } => Exit::Busy,
                SweepError::Cancelled => Exit::Interrupted,
                SweepError::Begin(error) => exit_of_begin(error),
                _ => Exit::Failed,
            },
            _ => Exit::Failed,
        }
    }

    /// The next thing to do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::ReadOnly { .. } => {
                "choose another home with --home or MODSTORE_HOME, or make this one writable"
            }
            Self::Verify(VerifyError::Unknown { .. }) => {
                "`modstore list` shows the modules there are"
            }
            Self::NoGeneration { .. } | Self::Retired { .. } => {
                "`modstore history` lists the generations there are"
            }
            Self::Declare(error) => return error.hint(),
            Self::Format(FormatError::Unsafe(error)) => return Some(error.hint()),
            Self::Format(FormatError::Newer { .. }) => {
                "use the version of modstore that made the store"
            }
            Self::Update(UpdateError::Commit(CommitError::Spoilt { .. })) => {
                "keep other programs out of the store's home, and run it again"
            }
            Self::Bind(error) => return hint_of_bind(error),
            Self::Environment(_) | Self::Update(UpdateError::Environment(_)) => {
                "the next `modstore update` tries again"
            }
            Self::Purge(PurgeError::Leased(_)) => "end these processes, and run it again",
            Self::Purge(PurgeError::Partly(_)) => "run `modstore reset --purge` again",
            Self::EntryGone { .. } => "`modstore update` fetches what is declared now",
            Self::Sweep(SweepError::Stale { .. }) => {
                "plan again: something else has changed the store"
            }
            Self::Sweep(SweepError::Begin(BeginError::Lock(LockError::Busy { .. })))
            | Self::Update(UpdateError::Begin(BeginError::Lock(LockError::Busy { .. })))
            | Self::Format(FormatError::Lock(LockError::Busy { .. }))
            | Self::Verify(VerifyError::Lock(LockError::Busy { .. })) => {
                "wait for the other process, or give --lock-timeout a longer time"
            }
            Self::Plan(error) | Self::Sweep(SweepError::Plan(error))
                if hint_of_plan(error).is_some() =>
            {
                hint_of_plan(error)?
            }
            _ if matches!(self.exit(), Exit::Damaged) => {
                "what is shown still works; `modstore verify` tells what is damaged"
            }
            _ => return None,
        };
        Some(text.to_owned())
    }
}

fn hint_of_bind(error: &BindError) -> Option<String> {
    let text = match error {
        BindError::Python(_) => "give --python the environment's bin/python",
        BindError::Managed { .. } => {
            "make an environment of your own, for example with `uv venv` or `python3 -m venv`"
        }
        BindError::Empty => "`modstore add SOURCE` declares a module and fetches it",
        BindError::Unknown { .. } => "`modstore list` shows the modules there are",
        BindError::Home { .. } => "choose another home with --home or MODSTORE_HOME",
        BindError::NotBound { .. } => "`modstore status` lists the environments that are bound",
        _ => return None,
    };
    Some(text.to_owned())
}

const fn hint_of_plan(error: &PlanError) -> Option<&'static str> {
    match error {
        PlanError::Root { root: Root::Environment { .. }, .. } => Some(
            "make it readable, delete the environment if nobody needs it, or `modstore unbind --python` it, and sweep again",
        ),
        PlanError::Environments(_) => Some(
            "delete that file and `modstore bind --python` the environment again, or use the version that wrote it",
        ),
        _ => None,
    }
}

/// A link that was planted is damage, which a repair removes; whose the home is, the user decides.
pub(crate) const fn exit_of_home(error: &UnsafeHome) -> Exit {
    match error {
        UnsafeHome::Link { .. } => Exit::Damaged,
        _ => Exit::Usage,
    }
}

const fn exit_of_begin(error: &BeginError) -> Exit {
    match error {
        BeginError::Lost { .. } => Exit::Damaged,
        BeginError::Journal(error) => exit_of_journal(error),
        BeginError::Lock(error) => exit_of_wait(error),
        _ => Exit::Failed,
    }
}

const fn exit_of_hold(error: &HoldError) -> Exit {
    match error {
        HoldError::Lock { source, .. } => exit_of_wait(source),
        _ => Exit::Failed,
    }
}

const fn exit_of_bind(error: &BindError) -> Exit {
    match error {
        BindError::Python(PythonError::None { .. })
        | BindError::Managed { .. }
        | BindError::Empty
        | BindError::Unknown { .. }
        | BindError::Home { .. }
        | BindError::NotBound { .. } => Exit::Usage,
        BindError::Hold(error) => exit_of_hold(error),
        BindError::Journal(error) => exit_of_journal(error),
        _ => Exit::Failed,
    }
}

const fn exit_of_journal(error: &JournalError) -> Exit {
    match error {
        JournalError::Corrupt { .. } => Exit::Damaged,
        _ => Exit::Failed,
    }
}

const fn exit_of_plan(error: &PlanError) -> Exit {
    match error {
        PlanError::Root { root: Root::Environment { .. }, .. } => Exit::Failed,
        PlanError::Root { .. } => Exit::Damaged,
        PlanError::Journal(error) => exit_of_journal(error),
        _ => Exit::Failed,
    }
}

const fn exit_of_wait(error: &LockError) -> Exit {
    match error {
        LockError::Stopped => Exit::Interrupted,
        LockError::Disk(_) => Exit::Failed,
        _ => Exit::Busy,
    }
}

/// How a command line ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Something could not be had or done: 1.
    Failed,
    /// Wrong usage or bad input: 2.
    Usage,
    /// Somebody else holds a lock: 3.
    Busy,
    /// The store is damaged: 4.
    Damaged,
    /// A person interrupted it, and it was rolled back: 130.
    Interrupted,
}

impl Exit {
    /// The exit code.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Busy => 3,
            Self::Damaged => 4,
            Self::Interrupted => 130,
        }
    }
}
