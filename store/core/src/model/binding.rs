//! What a module is in a generation, a [`Binding`], and how the last try to make it another ended, an [`Attempt`].
//!
//! The journal holds both: the order of fields and variants is the order of bytes on disk, and may only grow at the end.

use std::{fmt, time::Duration};

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
        }
    }

    /// The entry that its entry was built from: no link leads to it, and it is kept for the same time.
    #[must_use]
    pub const fn material(&self) -> Option<Digest> {
        match &self.bound {
            Bound::Built(_) => self.bound.source_entry(),
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
        }
    }
}

impl Bound {
    /// What it would be without a build.
    #[must_use]
    pub fn unbuilt(&self) -> Self {
        match self {
            Self::Built(built) => match built.from.clone() {
                MadeFrom::Entry { digest, subdirectory, fetched } => {
                    Self::Entry { digest, subdirectory, fetched }
                }
                MadeFrom::Directory { path } => Self::Linked { path },
            },
            bound => bound.clone(),
        }
    }

    /// The commit it comes from, if that is git.
    #[must_use]
    pub fn fetched(&self) -> Option<&Fetched> {
        match self {
            Self::Entry { fetched, .. } => fetched.as_ref(),
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

/// Reads texts one by one: room for as many as a list says it has is only made when they are there.
fn one_by_one<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    struct Texts;
    impl<'de> Visitor<'de> for Texts {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of texts")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut texts = Vec::new();
            while let Some(text) = list.next_element()? {
                texts.push(text);
            }
            Ok(texts)
        }
    }
    from.deserialize_seq(Texts)
}
