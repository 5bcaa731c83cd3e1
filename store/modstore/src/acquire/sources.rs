//! [`Sources`]: what all resolving and fetching of one command shares.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use modstore_fetch::{
    ArchiveLimits, Counts, Lanes, LfsLimits, LfsObjects, Limits, MemoryBudget, Network,
    NetworkError, PackLimits, WayTaken,
};

use modstore_tier::Key;

use super::{SourceError, hosts::Hosts, known::KnownTrees, shared::SharedSubmodules};
use crate::{
    Context,
    commit::State,
    disk::{Staging, StagingError},
    model::{Origin, Revision, Transport},
    tier::Tiers,
};

/// The memory is divided among so many fetches at least.
const USUAL: usize = 8;

/// How fetching is done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    /// How many fetches may run at once, at most.
    pub(crate) jobs: usize,
    /// Whether a credential helper or ssh may ask a person.
    pub(crate) interactive: bool,
    /// Time limits of the network.
    pub(crate) limits: Limits,
    /// What one pack may cost, and all fetches in memory.
    pub(crate) packs: PackLimits,
    /// What one archive may cost.
    pub(crate) archives: ArchiveLimits,
    /// Who speaks to HTTP servers.
    pub(crate) transport: Transport,
    /// What the large files of one commit may cost.
    pub(crate) lfs: LfsLimits,
}

/// Which places may give a tree in the origin's stead. Each step excludes the places of those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reach {
    /// All of them.
    Everywhere,
    /// No entry of this store: an entry is damaged and is to be replaced.
    OutsideTheStore,
    /// None: everything is to come from its origin.
    OriginOnly,
}

/// Where a staging comes from: it is made when the first tree is written, so that a command that finds nothing to do
/// writes nothing.
pub(crate) type Claim<'a> = dyn Fn() -> Result<&'a Staging, StagingError> + Sync + 'a;

/// What all resolving and fetching of one command shares: used from many threads.
pub(crate) struct Sources<'a> {
    pub(super) context: Context<'a>,
    pub(super) settings: Settings,
    pub(super) reach: Reach,
    /// The repositories of clones that are to be taken in, by what is checked out there.
    pub(super) clones: HashMap<(Origin, Revision), PathBuf>,
    /// The index of what this user's stores have, if they share it.
    pub(super) shared: Option<PathBuf>,
    /// What all fetches of this command may hold in memory together. Made when it is known how many there may be.
    memory: OnceLock<MemoryBudget>,
    /// Contents of large files that this command has fetched.
    pub(super) objects: LfsObjects,
    pub(super) staging: &'a Claim<'a>,
    /// How many repositories of each host are worked on at once.
    pub(crate) lanes: Arc<Lanes>,
    /// Hosts that fail are given up.
    pub(crate) hosts: Hosts,
    network: OnceLock<Network>,
    pub(super) submodules: SharedSubmodules,
    /// Places with packs that need no trust.
    pub(super) tiers: Option<&'a Tiers>,
    state: &'a State,
    /// Made when first asked for: most commands find nothing to fetch.
    known: OnceLock<KnownTrees>,
}

impl<'a> Sources<'a> {
    /// Nothing is read or asked yet.
    pub(crate) fn new(
        context: Context<'a>,
        settings: Settings,
        reach: Reach,
        state: &'a State,
        staging: &'a Claim<'a>,
    ) -> Self {
        Self {
            context,
            settings,
            reach,
            clones: HashMap::new(),
            shared: None,
            memory: OnceLock::new(),
            objects: LfsObjects::default(),
            staging,
            lanes: Lanes::new(settings.jobs),
            hosts: Hosts::default(),
            network: OnceLock::new(),
            submodules: SharedSubmodules::default(),
            tiers: None,
            state,
            known: OnceLock::new(),
        }
    }

    /// The same, with an index of what this user's stores have.
    pub(crate) fn sharing(self, index: Option<&Path>) -> Self {
        Self { shared: index.map(Path::to_owned), ..self }
    }

    /// The same, with shared tiers.
    pub(crate) fn tiered(self, tiers: &'a Tiers) -> Self {
        Self { tiers: Some(tiers), ..self }
    }

    /// The same, with the repositories of clones, each of which has this commit of its origin.
    pub(crate) fn with_clones(
        self,
        clones: impl Iterator<Item = ((Origin, Revision), PathBuf)>,
    ) -> Self {
        Self { clones: clones.collect(), ..self }
    }

    /// Divides the memory among the fetches of so many repositories: no more run at once.
    pub(crate) fn expect(&self, repositories: usize) {
        let at_once = self.settings.jobs.min(repositories.max(USUAL));
        self.memory.get_or_init(|| MemoryBudget::new(self.settings.packs.memory, at_once));
    }

    /// What all fetches of this command may hold in memory together.
    pub(super) fn memory(&self) -> &MemoryBudget {
        self.memory.get_or_init(|| MemoryBudget::new(self.settings.packs.memory, USUAL))
    }

    /// The network: the host's git configuration is read for the first who asks. No connection is made.
    ///
    /// # Errors
    /// The configuration cannot be read.
    pub(crate) fn network(&self) -> Result<&Network, NetworkError> {
        if let Some(network) = self.network.get() {
            return Ok(network);
        }
        let Context { layout, offline, .. } = self.context;
        let Settings { limits, interactive, transport, .. } = self.settings;
        let (scratch, lanes) = (layout.mirrors(), Arc::clone(&self.lanes));
        let opened = Network::open_with_lanes(&scratch, limits, interactive, offline, lanes)?;
        if transport == Transport::Git {
            opened.force_git();
        }
        Ok(self.network.get_or_init(|| opened))
    }

    /// Whether an origin may be asked for content that no tier has.
    ///
    /// # Errors
    /// A tier takes its place.
    pub(super) fn may_ask(
        &self,
        origin: &Origin,
        wanted: impl FnOnce() -> (Key, String),
    ) -> Result<(), SourceError> {
        let replaced = self.tiers.filter(|tiers| tiers.replace_git(origin.as_str()));
        let Some(tiers) = replaced else { return Ok(()) };
        let (key, what) = wanted();
        Err(SourceError::NotInTier { what, is_refused: tiers.has_refused(&key) })
    }

    /// Finds newer versions also where a listing is so long that a server lists only what it is asked for.
    ///
    /// # Errors
    /// The configuration cannot be read.
    pub(crate) fn look_for_newer(&self) -> Result<(), NetworkError> {
        self.network().map(Network::look_for_newer)
    }

    /// What all connections so far cost.
    pub(crate) fn counts(&self) -> Counts {
        self.network.get().map(Network::counts).unwrap_or_default()
    }

    /// By which way each HTTP host was reached so far.
    pub(crate) fn ways(&self) -> Vec<WayTaken> {
        self.network.get().map(Network::ways).unwrap_or_default()
    }

    /// What the store knows.
    pub(super) fn known(&self) -> &KnownTrees {
        self.known.get_or_init(|| KnownTrees::of(self.state))
    }
}
