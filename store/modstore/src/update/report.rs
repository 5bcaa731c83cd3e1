//! What came of an update: values only, for the command line and for hosts.

use std::{collections::BTreeMap, error::Error, path::PathBuf, sync::Arc, time::Duration};

use modstore_fetch::WayTaken;
use serde::Serialize;

use super::{
    failure::Failure,
    plan::{Cooling, Decision, Deferred},
};
use crate::{
    acquire::{BuiltBy, NewerVersion, TreeFrom},
    environment::SyncReport,
    model::{Attempt, Binding, Class, FailureCode, Generation, Hold, ModuleName, Stage},
    tier::TierCounts,
};

/// What an update did: made at the end, from what has come of each module.
#[derive(Debug, Default)]
pub struct UpdateReport {
    /// The current generation; none in a store that never had one.
    pub generation: Option<Generation>,
    /// Whether this update made it.
    pub committed: bool,
    /// Modules that lead to something else now (or would, where [`committed`](Self::committed) is
    /// false because all or nothing was asked for).
    pub updated: Vec<Updated>,
    /// Modules that are as they were.
    pub unchanged: Vec<Unchanged>,
    /// Modules that are not declared any more.
    pub removed: Vec<ModuleName>,
    /// Modules that could not be fetched or built, and single inputs of modules that are built for each of several; each
    /// keeps its current version.
    pub failed: Vec<Failed>,
    /// Modules that are not as they are declared, and were not tried now; each keeps its current version.
    pub waiting: Vec<Waiting>,
    /// Modules that are held; each keeps its current version, which is no failure.
    pub held: Vec<Held>,
    /// Modules whose new commit is too young; each keeps its current version, which is no failure.
    pub cooling: Vec<Cooled>,
    /// Modules that were held until now.
    pub released: Vec<ModuleName>,
    /// The newer version of each module that follows the tag of a version, if its listing has one.
    pub newer: BTreeMap<ModuleName, NewerVersion>,
    /// Things a person should know.
    pub warnings: Vec<Warning>,
    /// What was done in the environments that follow the store.
    pub environments: Vec<SyncReport>,
    /// What it cost.
    pub cost: Cost,
    /// By which way each HTTP host was reached.
    pub transports: Vec<WayTaken>,
    /// What the shared tiers came to, where there are any.
    pub tier: Option<TierCounts>,
}

impl UpdateReport {
    /// Whether every module is as it is declared.
    #[must_use]
    pub const fn has_all(&self) -> bool {
        self.failed.is_empty() && self.waiting.is_empty()
    }
}

/// A module that leads to something else now.
#[derive(Debug, Clone)]
pub struct Updated {
    /// The module.
    pub module: ModuleName,
    /// What it was.
    pub from: Option<Binding>,
    /// What it is.
    pub to: Binding,
    /// Its target: the path that stays.
    pub path: PathBuf,
    /// Where its tree was found; none for a linked directory.
    pub came_from: Option<TreeFrom>,
    /// Who has built it, if that was now.
    pub built_by: Option<BuiltBy>,
}

impl Updated {
    /// The tag that the module follows, if it names another commit than before.
    #[must_use]
    pub fn moved_tag(&self) -> Option<&str> {
        self.to.bound.fetched()?.moved_tag(self.from.as_ref()?.bound.fetched()?)
    }

    /// What a person should know of a tag that was moved.
    pub(super) fn tag_warning(&self) -> Option<String> {
        let revision = |binding: &Binding| Some(binding.bound.fetched()?.revision.short());
        let (tag, from, to) =
            (self.moved_tag()?, revision(self.from.as_ref()?)?, revision(&self.to)?);
        Some(format!("the tag {tag} was moved from {from} to {to}"))
    }
}

/// A module that is as it was.
#[derive(Debug, Clone)]
pub struct Unchanged {
    /// The module.
    pub module: ModuleName,
    /// What it is.
    pub binding: Binding,
}

/// A module that could not be fetched or built.
#[derive(Debug)]
pub struct Failed {
    /// The module.
    pub module: ModuleName,
    /// The path of the input that failed, where the module is built for each of several: the module has what was made of
    /// the others.
    pub input: Option<String>,
    /// When it is worth trying again.
    pub class: Class,
    /// How far it came.
    pub stage: Stage,
    /// A name for the cause that never changes.
    pub code: FailureCode,
    /// What went wrong, with its causes behind it; holds no secret.
    pub error: Arc<dyn Error + Send + Sync>,
    /// The next thing to do.
    pub hint: Option<String>,
    /// What the module still leads to.
    pub serving: Option<Binding>,
    /// What is remembered of it: how often it has failed, and when it is tried again. Nothing, when it was not
    /// really tried.
    pub attempt: Option<Attempt>,
}

impl Failed {
    pub(super) fn of(
        module: ModuleName,
        failure: Failure,
        serving: Option<Binding>,
        attempt: Option<Attempt>,
    ) -> Self {
        let Failure { class, stage, code, error, hint, tried: _ } = failure;
        let input = None;
        Self { module, input, class, stage, code, error, hint, serving, attempt }
    }
}

/// A module that was not tried now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The module.
    pub module: ModuleName,
    /// The path of the input, where the module is built for each of several and has what was made of the others.
    pub input: Option<String>,
    /// What for.
    pub deferred: Deferred,
    /// The last try, if there was one.
    pub attempt: Option<Attempt>,
    /// What the module still leads to.
    pub serving: Option<Binding>,
}

/// A module that is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The module.
    pub module: ModuleName,
    /// Since when, and by which command.
    pub hold: Hold,
    /// What it stays at.
    pub current: Option<Binding>,
}

/// A module whose new commit is too young to be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cooled {
    /// The module.
    pub module: ModuleName,
    /// The commit, and until when it is too young.
    pub cooling: Cooling,
    /// What the module stays at.
    pub current: Option<Binding>,
}

/// Something that a person should know about a module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Warning {
    /// The module.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub module: ModuleName,
    /// One line.
    #[serde(rename = "message")]
    pub text: String,
}

/// What an update cost.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cost {
    /// Requests to servers.
    pub requests: u64,
    /// Connections made for them.
    pub connections: u64,
    /// Bytes of packs received.
    pub received: u64,
    /// Files written.
    pub written: u64,
    /// Files linked from the entries before.
    pub linked: u64,
    /// Until all was in staging.
    pub acquiring: Duration,
    /// From then until it was current.
    pub committing: Duration,
}

/// What an update would do about one module.
#[derive(Debug, Clone)]
pub struct Outdated {
    /// The module.
    pub module: ModuleName,
    /// What it is now.
    pub current: Option<Binding>,
    /// What would be done, if the module is not held.
    pub decision: Decision,
    /// Why nothing is done, if the module is held.
    pub hold: Option<Hold>,
    /// The newest version after that of the tag that the module follows. No update takes it: another tag has to be declared.
    pub newer: Option<NewerVersion>,
}

impl Outdated {
    /// The tag that the module follows, if it names another commit than the module has.
    #[must_use]
    pub fn moved_tag(&self) -> Option<&str> {
        let Decision::Fetch(resolution, _) = &self.decision else { return None };
        resolution.commit()?.moved_tag(self.current.as_ref()?.bound.fetched()?)
    }
}
