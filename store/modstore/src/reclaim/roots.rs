//! The second book: what the disk itself says is in use, read from links and never from the journal.
//!
//! A [`Root`] is something that keeps entries: `current`, a generation, a lease, an environment. What they lead to is
//! read from the texts of links, and of the files of environments. One that cannot be read is never taken for an empty
//! one: it is reported, and no plan is made.
//!
//! Stagings are no roots: the trees in them are names of their own, and a transaction that wants an entry of
//! the store looks, under the store's lock, whether it is there.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, io,
    path::{Component, Path, PathBuf},
};

use super::environments::{Pointed, pointed};
use crate::{
    disk::{DiskError, Layout, Verb, is_random_name, names_in},
    environment::RegistrationError,
    model::{Digest, Generation},
};

/// Something that keeps entries.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Root {
    /// The switch.
    Current,
    /// The directory of a generation.
    Generation(Generation),
    /// A process that works with a generation.
    Lease(Generation),
    /// A registered environment that leads to an entry without following the switch.
    Environment {
        /// Its interpreter.
        python: PathBuf,
    },
}

impl fmt::Display for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Current => f.write_str("`current`"),
            Self::Generation(number) => write!(f, "generation {number}"),
            Self::Lease(number) => write!(f, "a lease on generation {number}"),
            Self::Environment { python } => write!(f, "the environment of {}", python.display()),
        }
    }
}

/// What is in a store's directories.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// What `current` leads to.
    pub(crate) shown: Option<Generation>,
    /// The directories of generations, and the entries that their links lead to.
    pub(crate) generations: BTreeMap<Generation, Result<BTreeSet<Digest>, DiskError>>,
    /// What registered environments lead to, by their interpreters.
    pub(crate) environments: BTreeMap<PathBuf, Result<Pointed, DiskError>>,
    /// The names in `entries/`.
    pub(crate) entries: BTreeSet<Digest>,
    /// The names in `manifests/`.
    pub(crate) lists: BTreeSet<Digest>,
    /// The hashes of the origins that have a mirror.
    pub(crate) mirrors: BTreeSet<String>,
    /// How much is in the trash.
    pub(crate) trash: usize,
    /// Names that do not belong to the store; they are never deleted.
    pub(crate) unknown: Vec<PathBuf>,
}

/// A store's directories cannot be read.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(crate) enum FindError {
    Disk(#[from] DiskError),
    Registration(#[from] RegistrationError),
}

impl Found {
    /// The generations that environments lead through.
    pub(crate) fn led_through(&self) -> BTreeSet<Generation> {
        let pointed = self.environments.values().flatten();
        pointed.flat_map(|pointed| pointed.generations.iter().copied()).collect()
    }

    /// Looks.
    ///
    /// # Errors
    /// When a directory of the store, `current` or a registration cannot be read. A generation or an environment that
    /// cannot be read has the error in its place.
    pub(crate) fn read(layout: &Layout) -> Result<Self, FindError> {
        let environments = pointed(layout)?;
        let mut found = Self { shown: shown(layout)?, environments, ..Self::default() };
        found.trash = trash_names(layout)?.len();
        found.sort(&layout.generations(), |found, name| {
            let number = name.parse().ok()?;
            found.generations.insert(number, entries_of(layout, number));
            Some(())
        })?;
        found.sort(&layout.entries(), |found, name| {
            found.entries.insert(name.parse().ok()?);
            Some(())
        })?;
        found.sort(&layout.manifests(), |found, name| {
            found.lists.insert(Layout::listed(name)?);
            Some(())
        })?;
        found.sort(&layout.mirrors(), |found, name| match name {
            // The host's git configuration is read through it.
            "host.git" => Some(()),
            _ => {
                found.mirrors.insert(origin_hash(name)?.to_owned());
                Some(())
            }
        })?;
        found.unknown.sort();
        Ok(found)
    }

    /// Shows each name in `directory` to `known`, and keeps those that it does not know.
    fn sort(
        &mut self,
        directory: &Path,
        known: impl Fn(&mut Self, &str) -> Option<()>,
    ) -> Result<(), DiskError> {
        for name in names_in(directory)? {
            if name.to_str().and_then(|name| known(self, name)).is_none() {
                self.unknown.push(directory.join(name));
            }
        }
        Ok(())
    }
}

/// The hash of the origin in the name of a mirror, or of one that was being made.
fn origin_hash(name: &str) -> Option<&str> {
    let (hash, rest) = name.split_once('.')?;
    let is_hash = hash.len() == 32 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_hash && (rest == "git" || is_random_name(rest.as_ref()))).then_some(hash)
}

/// The mirror of an origin, and what was left of making one.
pub(crate) fn mirrors_of(layout: &Layout, hash: &str) -> Result<Vec<PathBuf>, DiskError> {
    let names = names_in(&layout.mirrors())?.into_iter();
    let names = names.filter(|name| name.to_str().and_then(origin_hash) == Some(hash));
    Ok(names.map(|name| layout.mirrors().join(name)).collect())
}

/// What was moved to the trash: names of another form do not belong to the store.
pub(crate) fn trash_names(layout: &Layout) -> Result<Vec<PathBuf>, DiskError> {
    let names = names_in(&layout.trash())?.into_iter().filter(|name| is_random_name(name));
    Ok(names.map(|name| layout.trash().join(name)).collect())
}

/// What `current` leads to; nothing, when it is not there.
fn shown(layout: &Layout) -> Result<Option<Generation>, DiskError> {
    let path = layout.current();
    match std::fs::read_link(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(DiskError::new(Verb::Read, path, error)),
        Ok(_) => match crate::commit::shown(layout) {
            Some(shown) => Ok(Some(shown)),
            None => Err(strange(&path)),
        },
    }
}

/// The entries that the links of a generation lead to. Linked modules lead out of the store.
fn entries_of(layout: &Layout, generation: Generation) -> Result<BTreeSet<Digest>, DiskError> {
    let directory = layout.generation(generation);
    let read = |path: &Path, error| DiskError::new(Verb::Read, path, error);
    let mut entries = BTreeSet::new();
    for name in std::fs::read_dir(&directory).map_err(|error| read(&directory, error))? {
        let path = name.map_err(|error| read(&directory, error))?.path();
        let text = std::fs::read_link(&path).map_err(|error| read(&path, error))?;
        match entry_in(layout, &text) {
            Some(digest) => drop(entries.insert(digest)),
            None if text.is_absolute() => {}
            None => return Err(strange(&path)),
        }
    }
    Ok(entries)
}

/// The entry that the text of a generation's link leads to.
fn entry_in(layout: &Layout, text: &Path) -> Option<Digest> {
    let below = text.strip_prefix("../../entries").or_else(|_| text.strip_prefix(layout.entries()));
    match below.ok()?.components().next()? {
        Component::Normal(name) => name.to_str()?.parse().ok(),
        _ => None,
    }
}

fn strange(path: &Path) -> DiskError {
    DiskError::new(Verb::Read, path, io::Error::other("it leads to nothing that is known"))
}
