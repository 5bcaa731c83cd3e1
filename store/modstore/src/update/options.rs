//! How a store is worked with, and what an update is asked for.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::Duration,
};

use modstore_fetch::{ArchiveLimits, LfsLimits, Limits, PackLimits};

use crate::{
    acquire::Settings,
    commit::State,
    consent::Consents,
    disk::{Barrier, Layout},
    model::{Declarations, Declared, Hold, ModuleName, RefName, Revision, TierSettings, Transport},
    reclaim::Policy,
};

/// How a store is worked with.
#[derive(Debug, Clone)]
pub struct Options {
    /// How long to wait for a lock.
    pub lock_limit: Duration,
    /// How content is made durable.
    pub barrier: Barrier,
    /// At most this many repositories are worked on at once. Each host begins with eight; the further away it is, the more.
    pub jobs: usize,
    /// Whether to stay off the network.
    pub offline: bool,
    /// Whether a credential helper or ssh may ask a person.
    pub interactive: bool,
    /// Whether the home is worked in even if other users own it or may write to it.
    pub trust_home: bool,
    /// Time limits of the network.
    pub limits: Limits,
    /// How long what has failed is left alone by a scan.
    pub retry: Retry,
    /// What one pack may cost, and all fetches in memory.
    pub packs: PackLimits,
    /// Whether every build that is declared counts as allowed: for machines on which nothing declares what a person has not
    /// read, such as continuous integration.
    pub allow_builds: bool,
    /// What one archive may cost.
    pub archives: ArchiveLimits,
    /// Who speaks to HTTP servers, whatever `modules.toml` says.
    pub transport: Option<Transport>,
    /// How old a commit must be before an update takes it, whatever `modules.toml` says.
    pub cooldown: Option<Duration>,
    /// What the large files of one commit may cost.
    pub lfs: LfsLimits,
    /// The index of what this user's stores have, so that each tree is downloaded once for all of them; nothing is shared
    /// without one.
    pub shared: Option<PathBuf>,
    /// Shared tiers, in the order in which they are asked, before git.
    pub tiers: Vec<TierSettings>,
    /// What is swept after an update, briefly and never while offline; nothing, when there is no policy.
    pub sweep: Option<Policy>,
    /// The command, as those who wait for a lock, and who list leases, read it. Holds no secret.
    pub command: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            lock_limit: Duration::from_secs(300),
            barrier: Barrier::FileSystem,
            jobs: 64,
            offline: false,
            interactive: false,
            trust_home: false,
            limits: Limits::default(),
            retry: Retry::default(),
            packs: PackLimits::default(),
            allow_builds: false,
            archives: ArchiveLimits::default(),
            transport: None,
            cooldown: None,
            lfs: LfsLimits::default(),
            shared: None,
            tiers: Vec::new(),
            sweep: Some(Policy::default()),
            command: "a host".into(),
        }
    }
}

impl Options {
    /// Which of the builds that are declared may run.
    pub(crate) fn consents(&self, layout: &Layout, declared: &Declarations) -> Consents {
        let is_any_built = declared.modules.values().any(|declared| declared.build.is_some());
        if is_any_built && !self.allow_builds {
            Consents::recorded(layout)
        } else {
            Consents::Everything
        }
    }

    /// The same, with what `declared` says about all modules together.
    pub(crate) fn told_by(&self, declared: &Declarations) -> Self {
        Self { transport: self.transport.or(declared.transport), ..self.clone() }
    }

    /// How old a commit of a module must be before an update takes it.
    pub(crate) fn cooldown(&self, all: &Declarations, module: &Declared) -> Duration {
        self.cooldown.or(module.cooldown).or(all.cooldown).unwrap_or_default()
    }

    /// How fetching is done.
    pub(crate) fn settings(&self) -> Settings {
        Settings {
            jobs: self.jobs,
            interactive: self.interactive,
            limits: self.limits,
            packs: self.packs,
            archives: self.archives,
            transport: self.transport.unwrap_or_default(),
            lfs: self.lfs,
        }
    }
}

/// How long what has failed, and may work at another time, is left alone by a scan: longer each time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// After the first failure.
    pub first: Duration,
    /// At most.
    pub most: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self { first: Duration::from_secs(5), most: Duration::from_secs(600) }
    }
}

impl Retry {
    /// How long after the failure of this number, from 1.
    #[must_use]
    pub fn wait(self, count: u64) -> Duration {
        let doublings = u32::try_from(count.saturating_sub(1)).unwrap_or(u32::MAX);
        let factor = 2_u32.checked_pow(doublings);
        let wait = factor.and_then(|factor| self.first.checked_mul(factor));
        wait.map_or(self.most, |wait| wait.min(self.most))
    }
}

/// Which of the modules that failed before are tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RetryPolicy {
    /// All, except builds that failed for what they were given, and would be given the same: a person asks.
    #[default]
    Interactive,
    /// Those that are due by now, or have changed since: a host asks, at its natural moments.
    DueOnly,
    /// All.
    All,
}

/// What an update is asked for.
#[derive(Debug, Clone, Default)]
pub struct UpdateRequest {
    /// These modules, or all when there are none.
    pub names: Vec<ModuleName>,
    /// Also these, meant together and not by their names: those among them that are held stay so.
    pub group: Vec<ModuleName>,
    /// Change nothing unless every module can be fetched and built.
    pub all_or_nothing: bool,
    /// Take exactly the revisions of `modules.lock`.
    pub locked: bool,
    /// Fetch and build everything again, as if the store had nothing, and make it a new generation.
    pub refetch: bool,
    /// The declarations are taken back when this fails, so that how it failed is not remembered.
    pub dry_declare: bool,
    /// Which of the modules that failed before are tried again.
    pub policy: RetryPolicy,
    /// Clones that these modules are taken from, at what is checked out there.
    #[doc(hidden)]
    pub clones: BTreeMap<ModuleName, CloneOf>,
}

/// A clone that a module is taken from.
#[derive(Debug, Clone)]
pub struct CloneOf {
    pub(crate) repository: PathBuf,
    pub(crate) revision: Revision,
    pub(crate) reference: Option<RefName>,
}

impl UpdateRequest {
    /// The modules that are meant, each once; none, when all are.
    pub(crate) fn meant(&self) -> Vec<ModuleName> {
        let all: BTreeSet<&ModuleName> = self.names.iter().chain(&self.group).collect();
        all.into_iter().cloned().collect()
    }

    /// The holds that count: a person who asks for a module by its name wants it changed; a scan does not.
    pub(super) fn heeded(&self, state: &State) -> BTreeMap<ModuleName, Hold> {
        let is_asked = |module: &ModuleName| {
            self.policy != RetryPolicy::DueOnly && self.names.contains(module)
        };
        let mut holds = state.holds().clone();
        holds.retain(|module, _| !is_asked(module));
        holds
    }
}
