//! [`Resolution`]: the one tree, or directory, that a source means now.

use std::path::Path;

use modstore_fetch::Wanted;

use super::{Acquired, key::TreeKey};
use crate::model::{
    ArchiveSource, Binding, Bound, Contents, Digest, Fetched, LinkedPath, ModuleName, RefName,
    Reference, Revision, Source, Subdirectory,
};

/// What is to be resolved: the source of a module, and the commit of it where `modules.lock` names one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request<'a> {
    /// The module.
    pub(crate) module: &'a ModuleName,
    /// Its source, with its secret.
    pub(crate) source: &'a Source,
    /// What `modules.lock` says.
    pub(crate) pin: Option<&'a Pin>,
}

/// What `modules.lock` says of a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pin {
    /// The commit.
    pub(crate) revision: Revision,
    /// The reference that was followed to it.
    pub(crate) reference: Option<RefName>,
    /// The tree that the commit must have, where that is known.
    pub(crate) digest: Option<Digest>,
}

/// The one thing that a source means now.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Resolution {
    /// A commit of a git repository.
    Commit(Fetched),
    /// An archive, which its checksum names.
    Archive(Box<ArchiveSource>),
    /// The user's own directory.
    Directory(LinkedPath),
}

/// Why a module's source does not stand for what the module is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FetchReason {
    /// The module is new.
    New,
    /// Another source is declared than before.
    Source,
    /// The source means another commit than before.
    Commit,
    /// It is the same commit, and another reference leads to it: the default branch was renamed.
    Reference,
    /// `modules.lock` names another tree.
    Lock,
    /// The entry is not there.
    EntryGone,
    /// All is to be fetched again.
    Refetch,
}

/// What a request means before anything is asked or looked at.
pub(crate) enum Meaning<'a> {
    /// Its text, or the lock, says it.
    Known(Resolution),
    /// Its repository has to be asked.
    Named(Wanted),
    /// A directory, which is there or not.
    Directory(&'a Path),
}

impl Request<'_> {
    /// What it means, or how to find that out.
    pub(crate) fn meaning(&self) -> Meaning<'_> {
        let (git, commit) = match self.source {
            Source::Archive(archive) => {
                return Meaning::Known(Resolution::Archive(Box::new(archive.clone())));
            }
            Source::Linked(path) => return Meaning::Directory(path),
            Source::Git(git) => (git, self.pin.map(|pin| (pin.revision, pin.reference.clone()))),
        };
        let (revision, reference) = match (commit, &git.reference) {
            (Some(pinned), _) => pinned,
            (None, Some(Reference::Commit(revision))) => (*revision, None),
            (None, Some(Reference::Named(name))) => {
                return Meaning::Named(Wanted::Named(name.clone()));
            }
            (None, None) => return Meaning::Named(Wanted::Head),
        };
        Meaning::Known(Resolution::Commit(Fetched {
            origin: git.url.origin(),
            reference,
            revision,
        }))
    }
}

impl Resolution {
    /// What the journal says that the tree of this binding came from; none for a directory, and where nothing is left
    /// that tells.
    pub(crate) fn recorded(binding: &Binding) -> Option<Self> {
        if let Some(commit) = binding.bound.fetched() {
            return Some(Self::Commit(commit.clone()));
        }
        match binding.source.source()? {
            Source::Archive(archive) => Some(Self::Archive(Box::new(archive.clone()))),
            Source::Git(_) | Source::Linked(_) => None,
        }
    }

    /// The commit and the reference that was followed to it, if it is one.
    #[must_use]
    pub const fn commit(&self) -> Option<&Fetched> {
        match self {
            Self::Commit(commit) => Some(commit),
            Self::Archive(_) | Self::Directory(_) => None,
        }
    }

    /// The commit, if it is one.
    #[must_use]
    pub fn revision(&self) -> Option<Revision> {
        self.commit().map(|commit| commit.revision)
    }

    /// The name by which a place may have its tree, with what is wanted beyond a commit's own.
    pub(crate) fn key(&self, contents: &Contents) -> Option<TreeKey> {
        match self {
            Self::Commit(Fetched { origin, revision, .. }) => Some(TreeKey::Commit {
                origin: origin.clone(),
                revision: *revision,
                contents: contents.clone(),
            }),
            Self::Archive(archive) => {
                Some(TreeKey::Checksum { kind: "archive", sha256: archive.sha256 })
            }
            Self::Directory(_) => None,
        }
    }

    /// How it differs from what the module is now, as far as that can be said without a look at the disk. `current` is
    /// what the module would be without a build.
    pub(crate) fn difference(
        &self,
        current: &Bound,
        subdirectory: Option<&Subdirectory>,
        pin: Option<&Pin>,
    ) -> Option<FetchReason> {
        match (self, current) {
            (_, Bound::Entry { subdirectory: now, .. }) if now.as_ref() != subdirectory => {
                Some(FetchReason::Source)
            }
            (Self::Commit(commit), Bound::Entry { fetched: Some(now), digest, .. }) => match pin {
                _ if now.origin != commit.origin => Some(FetchReason::Source),
                _ if now.revision != commit.revision => Some(FetchReason::Commit),
                // The lock names the tree; the reference is only what was followed at that time.
                Some(pin) => {
                    pin.digest.is_some_and(|locked| locked != *digest).then_some(FetchReason::Lock)
                }
                None => (now.reference != commit.reference).then_some(FetchReason::Reference),
            },
            (Self::Archive(_), Bound::Entry { fetched: None, .. }) => None,
            (Self::Directory(path), Bound::Linked { path: now }) => {
                (now != path).then_some(FetchReason::Source)
            }
            (Self::Commit(_) | Self::Archive(_) | Self::Directory(_), _) => {
                Some(FetchReason::Source)
            }
        }
    }

    /// What a module is bound to when its source has become this.
    pub(crate) fn bound(&self, subdirectory: Option<&Subdirectory>, acquired: &Acquired) -> Bound {
        match acquired {
            Acquired::Directory(path) => Bound::Linked { path: path.clone() },
            Acquired::Tree(tree) => Bound::Entry {
                digest: tree.digest,
                subdirectory: subdirectory.cloned(),
                fetched: self.commit().cloned(),
            },
        }
    }
}
