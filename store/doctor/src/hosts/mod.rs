//! The host programs whose caches are known, one file for each. Nothing else in this crate knows a host.

mod amplifier;

use std::{
    fmt,
    path::{Path, PathBuf},
};

use amplifier::Amplifier;

/// Every host that is known.
pub(crate) const HOSTS: [&dyn HostCache; 1] = [&Amplifier];

/// Where a host keeps its caches, the meaning of the directories in them, and the files that it writes about them.
pub(crate) trait HostCache: fmt::Debug + Sync {
    /// The host's home on this machine, if it has a cache there.
    fn home(&self) -> Option<PathBuf>;

    /// The cache in a home.
    fn cache_in(&self, home: &Path) -> PathBuf;

    /// The root of the cache that a cached repository lies in.
    fn root_of<'p>(&self, cached: &'p Path) -> Option<&'p Path>;

    /// The caches below a root that hold repositories once more, for another purpose.
    fn other_caches(&self, root: &Path) -> Vec<OtherCache>;

    /// The key in the name of a directory that holds a cached repository.
    fn key_in<'n>(&self, name: &'n str) -> Option<&'n str>;

    /// The key of a repository's address and ref, as they are spelled.
    fn key_of(&self, address: &str, reference: &str) -> String;

    /// The name of the file in which the host records the origin of a cached repository.
    fn record_name(&self) -> &'static str;

    /// That record.
    fn record_in(&self, directory: &Path) -> Option<CacheRecord>;

    /// Whether a directory in a cache has a layout that the host does not use any more.
    fn is_obsolete(&self, directory: &Path) -> bool;

    /// The directories that the host's registry beside a cache names.
    fn registered(&self, root: &Path) -> Vec<Registered>;

    /// The host's memory of its last installation, in the root of a cache.
    fn install_state(&self, root: &Path) -> Option<InstallState>;

    /// The modules whose source the settings in a home set, and the directory that the host would use for each.
    fn sources(&self, home: &Path) -> Vec<(String, PathBuf)>;
}

/// A cache of the same repositories for another purpose.
pub(crate) struct OtherCache {
    pub root: PathBuf,
    /// For example `skills`.
    pub purpose: &'static str,
}

/// The origin of a cached repository, as its host recorded it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct CacheRecord {
    /// The repository's address, perhaps with a secret.
    pub address: Option<String>,
    pub reference: Option<String>,
    pub commit: Option<String>,
}

/// A directory that a registry names.
pub(crate) struct Registered {
    /// The registry's file.
    pub file: PathBuf,
    pub name: String,
    pub directory: PathBuf,
    /// The command by which the host registers it again.
    pub command: String,
}

/// A host's memory of the interpreter that it installed for.
pub(crate) struct InstallState {
    /// The file that it is in.
    pub file: PathBuf,
    pub python: PathBuf,
    /// Whether the interpreter was replaced since.
    pub is_outdated: bool,
}

/// The home of a host on this machine.
#[derive(Debug)]
pub(crate) struct HostHome {
    pub directory: PathBuf,
    pub cache: PathBuf,
    /// The modules whose source is set there, and the directory of each.
    pub sources: Vec<(String, PathBuf)>,
}

impl HostHome {
    /// The homes of all hosts that have a cache on this machine.
    pub(crate) fn all() -> Vec<Self> {
        let homes = HOSTS.into_iter().filter_map(|host| {
            let directory = host.home()?;
            let cache = host.cache_in(&directory);
            let sources = host.sources(&directory);
            Some(Self { directory, cache, sources })
        });
        homes.collect()
    }
}

/// The host whose cached repositories have such names, and the key in this one.
pub(crate) fn host_of(directory: &Path) -> Option<(&'static dyn HostCache, &str)> {
    let name = directory.file_name()?.to_str()?;
    HOSTS.into_iter().find_map(|host| Some((host, host.key_in(name)?)))
}

/// The cached repository that a path is in or below, whether or not it exists.
pub(crate) fn cached_above(path: &Path) -> Option<&Path> {
    path.ancestors().find(|path| host_of(path).is_some())
}
