//! Modules are published to shared tiers: each commit as one pack, written from its entry, each content that Git LFS keeps,
//! and each archive, as what they are.
//!
//! After the switch, and with no lock held: an entry never changes, and one that a sweep takes away meanwhile is not
//! published. What git has given as a whole goes ahead of the others, as it came (`ahead`). Trouble with a tier never changes what an update came to.

mod parts;
mod ahead;
mod renewal;
mod thin;

pub(crate) use ahead::Ahead;

use std::{
    fs::OpenOptions,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use modstore_fetch::{
    AcquireError, BaseEntry, KnownFile, PackingError, write_pack, write_tree_pack,
};
use modstore_tier::{Content, Key};

use self::parts::{Part, PartBytes, PublishRun};
use super::options::Options;
use crate::{
    Context,
    acquire::open_base,
    disk::{Disk, DiskError, Staging, StagingError, read_manifest},
    model::{ArchiveSource, Binding, Declarations, Digest, Lockfile, ModuleName, causes},
    parallel::in_parallel,
    tier::{PublishTo, Tiers},
};

/// So many packs are written and published at once: most of the time is that of the way to the tier.
const AT_ONCE: usize = 32;

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
    #[error("it is linked, and only what comes from git or an archive is published")]
    Linked,
    /// It is an archive, which its checksum names. Its bytes are not kept, and it cannot be received again.
    #[error("the bytes of its archive are not kept, and it could not be received again")]
    Archive(#[source] AcquireError),
    /// The same, and it must not be asked for again.
    #[error(
        "the bytes of its archive are not kept, and it is not asked for again: `fallback = false`"
    )]
    ArchiveNotAsked,
    /// A part of it is not published.
    #[error("{name}: {}", causes(&**why).join(": "))]
    Part {
        /// Which one.
        name: String,
        /// Why not.
        why: Box<NotPublished>,
    },
    /// It is not known where a submodule came from, so that it cannot be said which tier is for it.
    #[error("it is not known where it came from: {0}")]
    Nowhere(String),
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
            Self::Part { why, .. } => why.is_failure(),
            Self::Linked | Self::Secret | Self::NoTier | Self::TooLong { .. } => false,
            Self::Archive(_)
            | Self::ArchiveNotAsked
            | Self::Nowhere(_)
            | Self::NoLists
            | Self::Packing(_)
            | Self::Trouble
            | Self::Cancelled => true,
        }
    }

    /// The reason itself, where it is that of a part.
    pub(crate) fn innermost(&self) -> &Self {
        match self {
            Self::Part { why, .. } => why.innermost(),
            why => why,
        }
    }

    /// The same of a part with this name.
    fn of(self, name: &str) -> Self {
        Self::Part { name: name.to_owned(), why: Box::new(self) }
    }
}

/// What is published.
#[derive(Clone, Copy)]
pub(crate) struct Publisher<'a> {
    pub(crate) context: Context<'a>,
    pub(crate) tiers: &'a Tiers,
    pub(crate) declared: &'a Declarations,
    pub(crate) options: &'a Options,
    /// The lock, which says what was built that other machines may take.
    pub(crate) lock: Option<&'a Lockfile>,
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
        let (run, staging) = (PublishRun::new(self), self.context.staging()?);
        let one = |(module, binding): &(&'m ModuleName, &Binding)| {
            let publication = match self.one((&run, &staging), module, binding) {
                Ok(publication) => publication,
                Err(not) => Publication::Not(not),
            };
            (*module, publication)
        };
        let mut published = in_parallel(AT_ONCE, modules, one);
        published.sort_by_key(|(module, _)| *module);
        Ok(published)
    }

    /// Publishes all parts of a module, also where one is not published.
    fn one(
        &self,
        (run, staging): (&PublishRun<'_>, &Staging),
        module: &ModuleName,
        binding: &Binding,
    ) -> Result<Publication, NotPublished> {
        let (mut publication, mut not) = (Publication::AlreadyThere, None);
        for part in run.parts(module, binding)? {
            match self.part((run, staging), &part) {
                Ok(Publication::AlreadyThere) => {}
                Ok(other) => publication = other,
                Err(why) => {
                    let why = match &part.name {
                        Some(name) => why.of(name),
                        None => why,
                    };
                    // What has failed says more than what is never published.
                    let is_first = not.as_ref().is_none_or(|it: &NotPublished| !it.is_failure());
                    if is_first && (not.is_none() || why.is_failure()) {
                        not = Some(why);
                    }
                }
            }
        }
        not.map_or(Ok(publication), Err)
    }

    fn part(
        &self,
        run: (&PublishRun<'_>, &Staging),
        part: &Part,
    ) -> Result<Publication, NotPublished> {
        let meant = self.meant(part)?;
        let asked = meant.iter().map(|tier| (tier, tier.wants(self.context, &part.key)));
        let asked: Vec<_> = asked.collect();
        let wanting: Vec<&PublishTo<'_>> =
            asked.iter().filter(|(_, wants)| *wants == Some(true)).map(|(tier, _)| *tier).collect();
        if wanting.is_empty() {
            let has = asked.iter().any(|(_, wants)| wants.is_some());
            return if has { Ok(Publication::AlreadyThere) } else { Err(NotPublished::Trouble) };
        }
        let put = self.put(run, part, &wanting);
        put.inspect_err(|error| match error {
            NotPublished::Trouble => {}
            _ => wanting.iter().for_each(|tier| tier.defer()),
        })
    }

    /// The tiers that a part belongs to.
    fn meant(&self, part: &Part) -> Result<Vec<PublishTo<'_>>, NotPublished> {
        let meant = self.tiers.publishing(part.origin.as_str(), part.is_private);
        let meant: Vec<PublishTo<'_>> =
            meant.filter(|tier| !self.after_update || tier.is_written_by_updates()).collect();
        match meant.is_empty() {
            true if part.is_private => Err(NotPublished::Secret),
            true => Err(NotPublished::NoTier),
            false => Ok(meant),
        }
    }

    /// Gives the bytes of a part to the tiers.
    fn put(
        &self,
        (run, staging): (&PublishRun<'_>, &Staging),
        part: &Part,
        wanting: &[&PublishTo<'_>],
    ) -> Result<Publication, NotPublished> {
        let Context { disk, layout, .. } = self.context;
        let own = staging.fresh().with_extension("pack");
        let pack = |entry: &BaseEntry| {
            write_file(disk, &own, |to| write_pack(entry, to, self.context.cancel))?;
            Ok(own.clone())
        };
        let file = match &part.bytes {
            PartBytes::Entry(digest, revision) => open_base(layout, (*digest, *revision))
                .ok_or(NotPublished::NoLists)
                .and_then(|entry| pack(&entry)),
            PartBytes::Opened(entry) => pack(entry),
            PartBytes::EntryContent(large) => {
                large.check(self.context.cancel)?;
                Ok(large.path.clone())
            }
            PartBytes::Built(digest) => self.built(*digest, &own),
            PartBytes::Archive(archive) => self.archive(run, archive, &own),
            PartBytes::Received(bytes) => {
                return self.give(&part.key, Content::Bytes(bytes), wanting);
            }
        };
        let published = file.and_then(|file| self.give(&part.key, Content::File(&file), wanting));
        // Others may need the room before the staging goes.
        let _ = disk.remove_file(&own);
        published
    }

    /// The pack of a tree that was built.
    fn built(&self, digest: Digest, own: &Path) -> Result<PathBuf, NotPublished> {
        let Context { disk, layout, cancel, .. } = self.context;
        let manifest = read_manifest(layout, digest).ok_or(NotPublished::NoLists)?;
        let root = layout.entry(digest);
        write_file(disk, own, |to| write_tree_pack(&root, &manifest, to, cancel))?;
        Ok(own.to_owned())
    }

    /// Gives bytes to the tiers.
    fn give(
        &self,
        key: &Key,
        content: Content<'_>,
        wanting: &[&PublishTo<'_>],
    ) -> Result<Publication, NotPublished> {
        let failed = |error: io::Error| NotPublished::Packing(PackingError::Write(error));
        let size = match content {
            Content::File(file) => std::fs::metadata(file).map_err(failed)?.len(),
            Content::Bytes(bytes) => bytes.len() as u64,
        };
        let most = wanting.iter().map(|tier| tier.most()).max().unwrap_or_default();
        if size > most {
            return Err(NotPublished::TooLong { size, most });
        }
        let fitting = wanting.iter().filter(|tier| size <= tier.most());
        fitting.clone().for_each(|tier| tier.has_length(key, size));
        let taken: Vec<bool> = fitting.map(|tier| tier.put(self.context, key, content)).collect();
        match taken.contains(&true) {
            true => Ok(Publication::Published),
            false if self.context.cancel.is_cancelled() => Err(NotPublished::Cancelled),
            false => Err(NotPublished::Trouble),
        }
    }

    /// The bytes of an archive: those that this command has received, or else they are received again, to `own`.
    fn archive(
        &self,
        run: &PublishRun<'_>,
        archive: &ArchiveSource,
        own: &Path,
    ) -> Result<PathBuf, NotPublished> {
        if let Some(kept) = self.tiers.kept_archive(&archive.sha256) {
            return Ok(kept);
        }
        let url = archive.url.address();
        if self.tiers.replace_git(url.origin().as_str()) {
            return Err(NotPublished::ArchiveNotAsked);
        }
        let network = run.network().map_err(|error| NotPublished::Nowhere(error.to_string()))?;
        let file = KnownFile {
            network,
            url,
            sha256: archive.sha256,
            limit: self.options.archives.archive,
            disk: self.context.disk,
            cancel: self.context.cancel,
        };
        match file.receive(own) {
            Ok(_) => Ok(own.to_owned()),
            Err(AcquireError::Cancelled) => Err(NotPublished::Cancelled),
            Err(error) => Err(NotPublished::Archive(error)),
        }
    }
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
