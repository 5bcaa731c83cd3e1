//! Modules are published to shared tiers: the commit of each as one pack, written from its entry.
//!
//! After the switch, and with no lock held: an entry never changes, and one that a sweep takes away meanwhile is not
//! published. Trouble with a tier never changes what an update came to.

use std::{
    fs::OpenOptions,
    io::{self, BufWriter, Write},
    path::Path,
};

use modstore_fetch::{PackingError, write_pack};
use modstore_tier::Key;

use crate::{
    Context,
    acquire::open_base,
    disk::{Disk, DiskError, Staging, StagingError},
    model::{Binding, Bound, Declarations, Fetched, ModuleName, Scheme, Source},
    parallel::in_parallel,
    tier::{PublishTo, Tiers},
};

/// So many packs are written and published at once.
pub(super) const AT_ONCE: usize = 8;

/// A pack is handed to the disk in pieces of this size.
const PIECE: usize = 256 << 10;

/// What became of one module that was to be published.
#[derive(Debug)]
#[non_exhaustive]
pub enum Publication {
    /// At least one tier took it.
    Published,
    /// Each tier that it belongs to has it.
    AlreadyThere,
    /// It is not published.
    Not(NotPublished),
}

/// Why a module is not published.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotPublished {
    /// It is the user's own directory.
    #[error("it is linked, and only what comes from git is published")]
    Linked,
    /// It is an archive, which its checksum names; its bytes are not kept.
    #[error("it is an archive, and only what comes from git is published")]
    Archive,
    /// It was fetched with a login, and no tier's `only` names it.
    #[error("it is fetched with a login, and no tier has it in `only`")]
    Secret,
    /// The patterns of the tiers leave it out, or there is no tier.
    #[error("no tier is for it")]
    NoTier,
    /// The store does not have all that a pack needs.
    #[error("the lists of its entry cannot be used; `modstore verify` says more")]
    NoLists,
    /// A pack of it cannot be written.
    #[error(transparent)]
    Packing(#[from] PackingError),
    /// Its pack is longer than what a tier takes.
    #[error("its pack has {size} bytes, and no tier takes more than {most} (`max-object`)")]
    TooLong {
        /// Its size.
        size: u64,
        /// The limit of the most generous tier.
        most: u64,
    },
    /// No tier took it; what they said was reported.
    #[error("no tier took it")]
    Trouble,
    /// A wish to stop.
    #[error("stopped before it was published")]
    Cancelled,
}

impl NotPublished {
    /// Whether a tier or this store has failed, so that it may be published another time.
    #[must_use]
    pub const fn is_failure(&self) -> bool {
        match self {
            Self::Linked | Self::Archive | Self::Secret | Self::NoTier | Self::TooLong { .. } => {
                false
            }
            Self::NoLists | Self::Packing(_) | Self::Trouble | Self::Cancelled => true,
        }
    }
}

/// What is published.
#[derive(Clone, Copy)]
pub(crate) struct Publisher<'a> {
    pub(crate) context: Context<'a>,
    pub(crate) tiers: &'a Tiers,
    pub(crate) declared: &'a Declarations,
    /// Whether only tiers that updates write to are meant.
    pub(crate) after_update: bool,
}

impl Publisher<'_> {
    /// Publishes modules, each to the tiers that it belongs to.
    ///
    /// # Errors
    /// There is no place to write packs.
    pub(crate) fn publish<'m>(
        &self,
        modules: &[(&'m ModuleName, &Binding)],
    ) -> Result<Vec<(&'m ModuleName, Publication)>, StagingError> {
        let staging = self.context.staging()?;
        let one = |(module, binding): &(&'m ModuleName, &Binding)| {
            let publication = match self.one(&staging, module, binding) {
                Ok(publication) => publication,
                Err(not) => Publication::Not(not),
            };
            (*module, publication)
        };
        let mut published = in_parallel(AT_ONCE, modules, one);
        published.sort_by_key(|(module, _)| *module);
        Ok(published)
    }

    fn one(
        &self,
        staging: &Staging,
        module: &ModuleName,
        binding: &Binding,
    ) -> Result<Publication, NotPublished> {
        let commit = commit_of(binding)?;
        let meant = self.meant(module, commit)?;
        let key = Key::commit(&commit.revision.to_string());
        let asked = meant.iter().map(|tier| (tier, tier.wants(self.context, &key)));
        let asked: Vec<_> = asked.collect();
        let wanting: Vec<&PublishTo<'_>> =
            asked.iter().filter(|(_, wants)| *wants == Some(true)).map(|(tier, _)| *tier).collect();
        if wanting.is_empty() {
            let has = asked.iter().any(|(_, wants)| wants.is_some());
            return if has { Ok(Publication::AlreadyThere) } else { Err(NotPublished::Trouble) };
        }
        let put = self.put(staging, (binding, commit), &key, &wanting);
        put.inspect_err(|error| match error {
            NotPublished::Trouble => {}
            _ => wanting.iter().for_each(|tier| tier.defer()),
        })
    }

    /// The tiers that a module belongs to.
    pub(super) fn meant(
        &self,
        module: &ModuleName,
        commit: &Fetched,
    ) -> Result<Vec<PublishTo<'_>>, NotPublished> {
        let declared = self.declared.get(module).map(|declared| &declared.source);
        let is_private = declared.is_some_and(|source| source.has_secret() || is_ssh(source));
        let meant = self.tiers.publishing(commit.origin.as_str(), is_private);
        let meant: Vec<PublishTo<'_>> =
            meant.filter(|tier| !self.after_update || tier.is_written_by_updates()).collect();
        match meant.is_empty() {
            true if is_private => Err(NotPublished::Secret),
            true => Err(NotPublished::NoTier),
            false => Ok(meant),
        }
    }

    /// Writes the pack, and gives it to the tiers.
    fn put(
        &self,
        staging: &Staging,
        (binding, commit): (&Binding, &Fetched),
        key: &Key,
        wanting: &[&PublishTo<'_>],
    ) -> Result<Publication, NotPublished> {
        let Context { disk, layout, .. } = self.context;
        let digest = binding.bound.source_entry().ok_or(NotPublished::NoLists)?;
        let entry = open_base(layout, (digest, commit.revision)).ok_or(NotPublished::NoLists)?;
        let pack = staging.fresh().with_extension("pack");
        let written = write_file(disk, &pack, |to| write_pack(&entry, to, self.context.cancel));
        let published = written.and_then(|size| {
            let most = wanting.iter().map(|tier| tier.most()).max().unwrap_or_default();
            if size > most {
                return Err(NotPublished::TooLong { size, most });
            }
            let fitting = wanting.iter().filter(|tier| size <= tier.most());
            fitting.clone().for_each(|tier| tier.has_length(key, size));
            let taken: Vec<bool> = fitting.map(|tier| tier.put(self.context, key, &pack)).collect();
            match taken.contains(&true) {
                true => Ok(Publication::Published),
                false if self.context.cancel.is_cancelled() => Err(NotPublished::Cancelled),
                false => Err(NotPublished::Trouble),
            }
        });
        // Others may need the room before the staging goes.
        let _ = disk.remove_file(&pack);
        published
    }
}

/// The commit that a module is of.
fn commit_of(binding: &Binding) -> Result<&Fetched, NotPublished> {
    binding.bound.fetched().ok_or(match &binding.bound {
        Bound::Linked { .. } => NotPublished::Linked,
        Bound::Entry { .. } | Bound::Kept(_) => NotPublished::Archive,
        Bound::Built(_) if binding.bound.source_entry().is_some() => NotPublished::Archive,
        Bound::Built(_) => NotPublished::Linked,
    })
}

/// Whether a key opened its repository.
fn is_ssh(source: &Source) -> bool {
    source.repository().is_some_and(|url| url.scheme() == Scheme::Ssh)
}

/// Writes a new file, and returns its size.
pub(crate) fn write_file(
    disk: &Disk,
    path: &Path,
    fill: impl FnOnce(&mut dyn Write) -> Result<(), PackingError>,
) -> Result<u64, NotPublished> {
    let failed = |error: io::Error| NotPublished::Packing(PackingError::Write(error));
    disk.create_file(path, b"").map_err(|error| failed(io::Error::other(error)))?;
    let file = OpenOptions::new().append(true).open(path).map_err(failed)?;
    let mut to = BufWriter::with_capacity(PIECE, Appending { disk, file, path, size: 0 });
    fill(&mut to)?;
    to.flush().map_err(failed)?;
    Ok(to.get_ref().size)
}

/// Writes at the end of a file.
struct Appending<'d> {
    disk: &'d Disk,
    file: std::fs::File,
    path: &'d Path,
    size: u64,
}

impl Write for Appending<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let appended = self.disk.append(&mut self.file, self.path, bytes);
        appended.map_err(|DiskError { source, .. }| source)?;
        self.size += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
