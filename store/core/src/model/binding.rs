//! What a module is in a generation, a [`Binding`], and how the last try to make it another ended, an [`Attempt`].
//!
//! The journal holds both: the order of fields and variants is the order of bytes on disk, and may only grow at the end.

use std::{fmt, marker::PhantomData, time::Duration};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{SeqAccess, Visitor},
};

use super::{
    class::{Class, Stage},
    digest::Digest,
    linked_path::LinkedPath,
    origin::Origin,
    recorded_source::RecordedSource,
    ref_name::RefName,
    revision::Revision,
    subdirectory::Subdirectory,
};

/// The last attempt to bring a module to its declared state, and why it failed. It says nothing about the current
/// binding of the module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// The source that was wanted.
    pub source: RecordedSource,
    /// The commit that was wanted, if that much was found out.
    pub revision: Option<Revision>,
    /// A name for everything else that it depended on; `None` where that is not known. The first half of a build's name
    /// covers everything but its source: with the commit, it shows without a fetch that the build would be the same.
    pub conditions: Option<Digest>,
    /// When it is worth trying again.
    pub class: Class,
    /// How far it came.
    pub stage: Stage,
    /// What went wrong, in one clause. Holds no secret.
    pub error: String,
    /// Why, outermost first; the last often the end of what a program said.
    #[serde(deserialize_with = "one_by_one")]
    pub causes: Vec<String>,
    /// How many tries of the same thing have failed.
    pub count: u64,
    /// When the first of them did, in milliseconds since 1970.
    pub first: u64,
    /// When the last of them did.
    pub last: u64,
    /// Not to be tried again of itself before then.
    pub not_before: u64,
}

impl Attempt {
    /// From when on a scan tries again of itself, in milliseconds since 1970; nothing, when only a change of what it
    /// is made from, or a person, can bring that about.
    #[must_use]
    pub const fn next_scan(&self) -> Option<u64> {
        match (self.class, self.conditions) {
            (Class::Permanent, _) | (Class::Deterministic, Some(_)) => None,
            (Class::Transient, _) | (Class::Deterministic, None) => Some(self.not_before),
        }
    }

    /// Whether to retry at once when its host has answered another request: only where the network failed. An answer
    /// helps neither a full disk nor a build. A server that asked for more than the `usual` time gets it.
    #[must_use]
    pub fn may_end_with_an_answer(&self, usual: Duration) -> bool {
        let waits = Duration::from_millis(self.not_before.saturating_sub(self.last));
        matches!((self.class, self.stage), (Class::Transient, Stage::Resolve | Stage::Fetch))
            && waits <= usual
    }
}

/// What a module is in a generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// Where it comes from.
    pub source: RecordedSource,
    /// What its target leads to.
    pub bound: Bound,
}

impl Binding {
    /// The entry it leads to, unless it is linked.
    #[must_use]
    pub const fn digest(&self) -> Option<Digest> {
        match &self.bound {
            Bound::Entry { digest, .. } => Some(*digest),
            Bound::Linked { .. } => None,
            Bound::Built(built) => Some(built.digest),
            Bound::Kept(kept) => Some(kept.digest),
        }
    }

    /// The entry that its entry was built from: no link leads to it, and it is kept for the same time.
    #[must_use]
    pub const fn material(&self) -> Option<Digest> {
        match &self.bound {
            Bound::Built(_) | Bound::Kept(_) => self.bound.source_entry(),
            Bound::Entry { .. } | Bound::Linked { .. } => None,
        }
    }
}

/// What a target leads to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Bound {
    /// An entry of the store.
    Entry {
        /// The entry.
        digest: Digest,
        /// The part of it that is the module.
        subdirectory: Option<Subdirectory>,
        /// Where the tree came from, when that was git.
        fetched: Option<Fetched>,
    },
    /// A directory that is the user's own, live.
    Linked {
        /// Where it is.
        path: LinkedPath,
    },
    /// An entry of the store that was built.
    Built(Box<Built>),
    /// An entry of the store that is another with links in it to what the module keeps.
    Kept(Box<Kept>),
}

/// A tree that is another, but that some of its paths are links into the module's own directory of `state/`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The entry.
    pub digest: Digest,
    /// The entry as it came, which has what upstream ships at these paths.
    pub source: Digest,
    /// The part of both that is the module.
    pub subdirectory: Option<Subdirectory>,
    /// Where the tree came from, when that was git.
    pub fetched: Option<Fetched>,
    /// The paths in the module that are links.
    #[serde(deserialize_with = "one_by_one")]
    pub paths: Vec<KeptPath>,
}

/// A path of a module that is a link into its state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptPath {
    /// In the module, and in its state.
    pub path: Subdirectory,
    /// Whether it is a directory, with all that is in it.
    pub is_directory: bool,
}

impl fmt::Display for KeptPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.path, if self.is_directory { "/" } else { "" })
    }
}

impl Kept {
    /// What it would be if nothing were kept.
    #[must_use]
    pub fn plain(&self) -> Bound {
        Bound::Entry {
            digest: self.source,
            subdirectory: self.subdirectory.clone(),
            fetched: self.fetched.clone(),
        }
    }
}

/// A tree that was built, and all that is known of how. It is never given another key than that of what it was really
/// built from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Built {
    /// The entry.
    pub digest: Digest,
    /// What it was built from.
    pub from: MadeFrom,
    /// The name of all that the build depended on.
    pub key: Digest,
    /// The files that the build said it has read: by their path in the module's tree, or absolute outside of it.
    #[serde(deserialize_with = "one_by_one")]
    pub read: Vec<String>,
}

/// What something was built from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum MadeFrom {
    /// An entry of the store, kept for as long as what was built from it.
    Entry {
        /// The entry.
        digest: Digest,
        /// The part of it that is the module.
        subdirectory: Option<Subdirectory>,
        /// Where the tree came from, when that was git.
        fetched: Option<Fetched>,
    },
    /// A directory that is the user's own.
    Directory {
        /// Where it is.
        path: LinkedPath,
    },
}

impl MadeFrom {
    /// What a module is built from that would be this without a build.
    #[must_use]
    pub fn of(bound: &Bound) -> Self {
        match bound.clone() {
            Bound::Entry { digest, subdirectory, fetched } => {
                Self::Entry { digest, subdirectory, fetched }
            }
            Bound::Linked { path } => Self::Directory { path },
            Bound::Built(built) => built.from,
            Bound::Kept(kept) => Self::of(&kept.plain()),
        }
    }
}

impl Bound {
    /// What it would be without a build, and if nothing were kept.
    #[must_use]
    pub fn unbuilt(&self) -> Self {
        match self {
            Self::Built(built) => match built.from.clone() {
                MadeFrom::Entry { digest, subdirectory, fetched } => {
                    Self::Entry { digest, subdirectory, fetched }
                }
                MadeFrom::Directory { path } => Self::Linked { path },
            },
            Self::Kept(kept) => kept.plain(),
            bound => bound.clone(),
        }
    }

    /// What it would be if nothing were kept.
    #[must_use]
    pub fn unkept(&self) -> Self {
        match self {
            Self::Kept(kept) => kept.plain(),
            bound => bound.clone(),
        }
    }

    /// The part of its entry that is the module; none where that is all of it.
    #[must_use]
    pub const fn part(&self) -> Option<&Subdirectory> {
        match self {
            Self::Entry { subdirectory, .. } => subdirectory.as_ref(),
            Self::Kept(kept) => kept.subdirectory.as_ref(),
            Self::Linked { .. } | Self::Built(_) => None,
        }
    }

    /// The commit it comes from, if that is git.
    #[must_use]
    pub fn fetched(&self) -> Option<&Fetched> {
        match self {
            Self::Entry { fetched, .. } => fetched.as_ref(),
            Self::Kept(kept) => kept.fetched.as_ref(),
            Self::Built(built) => match &built.from {
                MadeFrom::Entry { fetched, .. } => fetched.as_ref(),
                MadeFrom::Directory { .. } => None,
            },
            Self::Linked { .. } => None,
        }
    }

    /// The entry of the source's tree: its own, or the one it was built from.
    #[must_use]
    pub const fn source_entry(&self) -> Option<Digest> {
        match self {
            Self::Entry { digest, .. } => Some(*digest),
            Self::Kept(kept) => Some(kept.source),
            Self::Built(built) => match &built.from {
                MadeFrom::Entry { digest, .. } => Some(*digest),
                MadeFrom::Directory { .. } => None,
            },
            Self::Linked { .. } => None,
        }
    }
}

/// The git commit a tree came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fetched {
    /// The repository's canonical identity.
    pub origin: Origin,
    /// The reference that was followed, or none for a commit.
    pub reference: Option<RefName>,
    /// The commit.
    pub revision: Revision,
}

impl Fetched {
    /// The tag that leads to this commit and led to another one `before`. Tags are made to stay, so that is reported.
    #[must_use]
    pub fn moved_tag(&self, before: &Self) -> Option<&str> {
        let is_same = self.origin == before.origin && self.reference == before.reference;
        let tag = self.reference.as_ref()?.as_str().strip_prefix("refs/tags/")?;
        (is_same && self.revision != before.revision).then_some(tag)
    }
}

/// Reads a list one by one: room for as many as it says it has is only made when they are there.
///
/// # Errors
/// One of them cannot be read.
pub fn one_by_one<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    from: D,
) -> Result<Vec<T>, D::Error> {
    struct List<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for List<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut read = Vec::new();
            while let Some(next) = list.next_element()? {
                read.push(next);
            }
            Ok(read)
        }
    }
    from.deserialize_seq(List(PhantomData))
}
