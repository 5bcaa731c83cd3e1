//! [`Update`]: what an update did, for all commands that end in one.

mod files;
mod text;

use std::collections::BTreeMap;

use modstore::{
    Store, UpdateReport, Updated as StoreUpdated, Warning,
    internals::{
        acquire::{BuiltBy as StoreBuiltBy, TreeFrom},
        tier::TierCounts,
        update::{CommitRange, Cost as StoreCost, Unchanged as StoreUnchanged},
    },
};
use modstore_fetch::{Way, WayTaken};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    commands::logs::logs,
    context::Context,
    json::{
        Binding, Commit, Cooled, Deferred, Digest, EnvironmentChanges, Failed, Held, Log,
        NewerVersion, PointersLeft, Revision, comparison, texts,
    },
    output::Output,
    report::Failure,
};

pub(super) use self::text::{named, not_followed, stays, write_environments};

/// What an update did.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Update {
    /// The current generation; null if there is none yet.
    pub(super) generation: Option<u64>,
    /// Whether the update made that generation; false if nothing changed, or `--all-or-nothing` prevented it.
    pub(super) committed: bool,
    /// Modules that changed, or would have changed without `--all-or-nothing`.
    pub(super) updated: Vec<Updated>,
    /// Modules that are as they were.
    pub(super) unchanged: Vec<Unchanged>,
    /// Modules that modules.toml does not declare any longer.
    pub(super) removed: Vec<String>,
    /// Modules that failed; each keeps its current version.
    pub(super) failed: Vec<Failed>,
    /// Modules that failed earlier and were not tried now; each keeps its current version.
    pub(super) deferred: Vec<Deferred>,
    /// Modules that are held: each keeps its current version, which is no failure.
    pub(super) held: Vec<Held>,
    /// Modules whose new commit is too young: each keeps its current version, which is no failure.
    pub(super) cooling: Vec<Cooled>,
    /// Modules that were held until now.
    pub(super) released: Vec<String>,
    /// Modules that follow the tag of a version after which there is a newer one, as far as the listing showed it.
    pub(super) newer: Vec<Newer>,
    /// What else a person should know about single modules.
    pub(super) warnings: Vec<Warning>,
    /// What was done in the Python environments that follow the store.
    pub(super) environments: Vec<EnvironmentChanges>,
    /// What the update cost.
    pub(super) cost: Cost,
    /// How each HTTP host was reached.
    pub(super) transports: Vec<TransportTaken>,
    /// What the shared tiers came to; null if there are none.
    pub(super) tier: Option<Tier>,
}

/// What the shared tiers of a command came to.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub(crate) struct Tier {
    /// Objects that came from a tier and proved to be what was asked for.
    hits: u64,
    /// Hits that were thin packs: what changed since a commit that this store has.
    thin: u64,
    /// Objects that no tier has.
    misses: u64,
    /// Objects that did not prove to be what was asked for.
    refused: u64,
    /// Requests that failed.
    errors: u64,
    /// Bytes received from tiers.
    bytes: u64,
    /// Objects published.
    published: u64,
    /// Objects that were to be published and are not.
    deferred: u64,
}

/// Where the tree of a module was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum FoundIn {
    /// On this machine: in this store, another store or a mirror.
    Store,
    /// In a shared tier.
    Tier,
    /// In its repository.
    Git,
    /// At the address of its archive.
    Archive,
}

impl From<TreeFrom> for FoundIn {
    fn from(from: TreeFrom) -> Self {
        match from {
            TreeFrom::Tier => Self::Tier,
            TreeFrom::Git => Self::Git,
            TreeFrom::Archive => Self::Archive,
            _ => Self::Store,
        }
    }
}

impl From<TierCounts> for Tier {
    fn from(counts: TierCounts) -> Self {
        let TierCounts { hits, thin, misses, refused, errors, bytes, published, deferred } = counts;
        Self { hits, thin, misses, refused, errors, bytes, published, deferred }
    }
}

/// A module that changed.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Updated {
    /// The module.
    module: String,
    /// What it was; null if it was not there.
    from: Option<Binding>,
    /// What it is now.
    to: Binding,
    /// The path that stays the same through every update.
    target: String,
    /// Where its tree was found; null for a linked module.
    source: Option<FoundIn>,
    /// Who has built it; null where nothing was built now.
    built: Option<BuiltBy>,
    /// How many of the module's files differ; null for a linked module, or if that is not known.
    files_changed: Option<usize>,
    /// Whether a Python environment had to install it.
    installed: bool,
    /// The tag that it follows, if the tag was moved to another commit; null otherwise.
    moved_tag: Option<String>,
    /// The page of the forge that compares the two commits; null if no such page is known.
    compare: Option<String>,
    /// The commits that came, the newest first, as far as the store has them: the newest, and seldom more. With `--log`, the
    /// repository is asked for them.
    commits: Vec<Commit>,
    /// Whether `commits` are all between the old commit and the new one.
    commits_complete: bool,
    /// Its files that are Git LFS pointers; null if there are none.
    pointers: Option<PointersLeft>,
    /// Whether all its commits are to be printed.
    #[serde(skip)]
    has_log: bool,
}

/// Who has built what a module has become.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum BuiltBy {
    /// This machine, now.
    Here,
    /// Another machine: a shared tier had the tree that the lock names.
    Tier,
}

impl From<StoreBuiltBy> for BuiltBy {
    fn from(by: StoreBuiltBy) -> Self {
        match by {
            StoreBuiltBy::ThisMachine => Self::Here,
            StoreBuiltBy::Other => Self::Tier,
        }
    }
}

/// A module that follows the tag of a version after which there is a newer one.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Newer {
    /// The module.
    module: String,
    #[serde(flatten)]
    version: NewerVersion,
}

/// A module that is as it was.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Unchanged {
    /// The module.
    module: String,
    /// Its entry; null if it is linked.
    digest: Option<Digest>,
    /// Its git commit; null if it has none.
    revision: Option<Revision>,
    /// Its files that are Git LFS pointers; null if there are none.
    pointers: Option<PointersLeft>,
}

/// What an update cost.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub(crate) struct Cost {
    /// Requests to servers.
    requests: u64,
    /// Connections made for them.
    connections: u64,
    /// Bytes of packs that were received.
    received_bytes: u64,
    /// Files that were written.
    files_written: u64,
    /// Files that were linked from earlier entries instead.
    files_linked: u64,
    /// Milliseconds until everything was in staging.
    fetch_ms: u64,
    /// Milliseconds from then until the switch.
    commit_ms: u64,
}

/// How an HTTP host was reached.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct TransportTaken {
    /// The host, and its port if that is written.
    host: String,
    /// Who spoke to it.
    way: TransportWay,
    /// The setting that asks for git, or what failed before; null for the usual way.
    reason: Option<String>,
}

/// Who speaks to an HTTP server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum TransportWay {
    /// This process.
    Modstore,
    /// git's own transport.
    Git,
}

impl From<&WayTaken> for TransportTaken {
    fn from(taken: &WayTaken) -> Self {
        let way = match taken.way {
            Way::InProcess => TransportWay::Modstore,
            Way::Git => TransportWay::Git,
        };
        Self { host: taken.host.clone(), way, reason: taken.reason.clone() }
    }
}

impl Update {
    /// What `report` says; the files are compared in `store`.
    pub(super) fn new(store: &Store, report: &UpdateReport) -> Self {
        let updated = report.updated.iter().map(|updated| Updated::new(store, report, updated));
        Self {
            generation: report.generation.map(|generation| generation.number()),
            committed: report.committed,
            updated: updated.collect(),
            unchanged: report.unchanged.iter().map(|it| Unchanged::new(store, it)).collect(),
            removed: texts(&report.removed),
            failed: report.failed.iter().map(Failed::from).collect(),
            deferred: report.waiting.iter().map(Deferred::from).collect(),
            held: report.held.iter().map(Held::from).collect(),
            cooling: report.cooling.iter().map(Cooled::from).collect(),
            released: texts(&report.released),
            newer: newer_versions(report),
            warnings: report.warnings.clone(),
            environments: report.environments.iter().map(EnvironmentChanges::from).collect(),
            cost: report.cost.into(),
            transports: report.transports.iter().map(TransportTaken::from).collect(),
            tier: report.tier.map(Tier::from),
        }
    }

    /// The same, with all commits that came: repositories are asked for those that the store has not.
    pub(super) fn with_logs(
        mut self,
        store: &Store,
        report: &UpdateReport,
        context: &Context,
    ) -> Result<Self, Failure> {
        let range = |it: &StoreUpdated| CommitRange::between(&it.module, it.from.as_ref()?, &it.to);
        let ranges: Vec<Option<CommitRange>> = report.updated.iter().map(range).collect();
        for (updated, log) in self.updated.iter_mut().zip(logs(context, store, &ranges)?) {
            if let Some(Log { commits, complete }) = log {
                (updated.commits, updated.commits_complete) = (commits, complete);
                updated.has_log = true;
            }
        }
        Ok(self)
    }

    /// Whether it concerned no module at all.
    pub(super) const fn is_empty(&self) -> bool {
        self.updated.is_empty()
            && self.unchanged.is_empty()
            && self.removed.is_empty()
            && self.failed.is_empty()
            && self.deferred.is_empty()
            && self.held.is_empty()
            && self.cooling.is_empty()
    }

    /// Prints the warnings.
    pub(super) fn warn(&self, output: &Output) {
        for Warning { module, text } in &self.warnings {
            output.warn(&format!("{module}: {text}"));
        }
    }
}

/// The newer versions that the update has seen, compared with what each module is now.
fn newer_versions(report: &UpdateReport) -> Vec<Newer> {
    let updated = report.updated.iter().map(|it| (&it.module, &it.to));
    let unchanged = report.unchanged.iter().map(|it| (&it.module, &it.binding));
    let now: BTreeMap<_, _> = updated.chain(unchanged).collect();
    let newer = report.newer.iter().map(|(module, newer)| Newer {
        module: module.to_string(),
        version: NewerVersion::new(newer, now.get(module).copied()),
    });
    newer.collect()
}

impl Updated {
    fn new(store: &Store, report: &UpdateReport, updated: &StoreUpdated) -> Self {
        let subjects = store.subjects(updated.from.as_ref(), &updated.to);
        let Log { commits, complete: commits_complete } = Log::from(subjects);
        Self {
            module: updated.module.to_string(),
            from: updated.from.as_ref().map(Binding::from),
            to: Binding::from(&updated.to),
            target: updated.path.display().to_string(),
            source: updated.came_from.map(FoundIn::from),
            built: updated.built_by.map(BuiltBy::from),
            files_changed: files::changed(store, updated),
            installed: report
                .environments
                .iter()
                .any(|settled| settled.installed.contains(&updated.module)),
            moved_tag: updated.moved_tag().map(str::to_owned),
            compare: comparison(updated.from.as_ref(), updated.to.bound.fetched()),
            pointers: PointersLeft::of(store, &updated.to),
            commits,
            commits_complete,
            has_log: false,
        }
    }
}

impl Unchanged {
    fn new(store: &Store, unchanged: &StoreUnchanged) -> Self {
        let Binding { digest, revision, .. } = Binding::from(&unchanged.binding);
        let pointers = PointersLeft::of(store, &unchanged.binding);
        Self { module: unchanged.module.to_string(), digest, revision, pointers }
    }
}

impl From<StoreCost> for Cost {
    fn from(cost: StoreCost) -> Self {
        let milliseconds =
            |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self {
            requests: cost.requests,
            connections: cost.connections,
            received_bytes: cost.received,
            files_written: cost.written,
            files_linked: cost.linked,
            fetch_ms: milliseconds(cost.acquiring),
            commit_ms: milliseconds(cost.committing),
        }
    }
}
