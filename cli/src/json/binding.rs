//! [`Binding`]: what a module is in a generation, and [`Change`]: how it differs between two.

use modstore_core::model::{Binding as StoreBinding, Bound, Built, Contents, MadeFrom, Source};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Digest, Revision, Submodules};
use crate::text::short;

/// What a module is in a generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Binding {
    /// Where the module comes from, without secrets.
    pub(crate) source: String,
    /// The user's own directory; null unless the module is linked.
    pub(crate) linked: Option<String>,
    /// The entry; null if the module is linked.
    pub(crate) digest: Option<Digest>,
    /// The part of the entry that is the module; null if that is all of it.
    pub(crate) subdirectory: Option<String>,
    /// The git commit; null if the module is linked or comes from an archive.
    pub(crate) revision: Option<Revision>,
    /// The full name of the reference that was followed, such as `refs/heads/main`; null if there was none.
    pub(crate) reference: Option<String>,
    /// The canonical identity of the git repository; null if there is none.
    pub(crate) origin: Option<String>,
    /// Which submodules it has: true for all, false for none, or those at or below these paths; null if there is no
    /// git repository.
    pub(crate) submodules: Option<Submodules>,
    /// Whether it has the content that Git LFS keeps, and not only pointers to it; null if there is no git repository.
    pub(crate) lfs: Option<bool>,
    /// How the entry was built; null if it was not.
    pub(crate) built: Option<BuildInputs>,
    /// Which paths of the module lead to what it keeps; null if it keeps nothing.
    pub(crate) kept: Option<KeptPaths>,
}

/// The paths of a module that survive its updates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct KeptPaths {
    /// The paths, in the module; that of a directory ends with `/`.
    pub(crate) paths: Vec<String>,
    /// The entry with what upstream ships at these paths.
    pub(crate) source_entry: Digest,
}

/// What an entry was built from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct BuildInputs {
    /// The name of everything that the build depended on.
    pub(crate) input_key: Digest,
    /// The entry that was built; null if it was a directory of the user's.
    pub(crate) entry: Option<Digest>,
    /// The part of that entry that is the module; null if that is all of it.
    pub(crate) subdirectory: Option<String>,
    /// The user's own directory that was built; null if it was an entry.
    pub(crate) directory: Option<String>,
    /// The files that the build reported to have read.
    pub(crate) read_files: Vec<String>,
}

impl From<&StoreBinding> for Binding {
    fn from(binding: &StoreBinding) -> Self {
        let fetched = binding.bound.fetched();
        // What is not usual is named behind a `#`; else the text of the source is not read again, as a list of a thousand would.
        let usual = Contents::default();
        let (_, fragment) = binding.source.as_str().split_once('#').unwrap_or_default();
        let is_usual =
            fetched.is_some() && !Contents::KEYS.iter().any(|key| fragment.contains(key));
        let contents = match is_usual {
            true => Some(&usual),
            false => binding.source.source().and_then(Source::contents),
        };
        let mut json = Self {
            source: binding.source.to_string(),
            linked: None,
            digest: binding.digest().map(Digest::from),
            subdirectory: None,
            revision: fetched.map(|fetched| Revision::new(fetched.revision)),
            reference: fetched.and_then(|fetched| Some(fetched.reference.as_ref()?.to_string())),
            origin: fetched.map(|fetched| fetched.origin.to_string()),
            submodules: contents.map(|contents| Submodules::from(&contents.submodules)),
            lfs: contents.map(|contents| contents.lfs),
            built: None,
            kept: None,
        };
        match &binding.bound {
            Bound::Linked { path } => json.linked = Some(path.to_string()),
            Bound::Entry { subdirectory, .. } => {
                json.subdirectory = subdirectory.as_ref().map(ToString::to_string);
            }
            Bound::Built(built) => json.built = Some(BuildInputs::from(&**built)),
            Bound::Kept(kept) => {
                json.subdirectory = kept.subdirectory.as_ref().map(ToString::to_string);
                let paths = kept.paths.iter().map(ToString::to_string).collect();
                json.kept = Some(KeptPaths { paths, source_entry: kept.source.into() });
            }
        }
        json
    }
}

impl From<&Built> for BuildInputs {
    fn from(built: &Built) -> Self {
        let mut json = Self {
            input_key: built.key.into(),
            entry: None,
            subdirectory: None,
            directory: None,
            read_files: built.read.clone(),
        };
        match &built.from {
            MadeFrom::Entry { digest, subdirectory, .. } => {
                json.entry = Some((*digest).into());
                json.subdirectory = subdirectory.as_ref().map(ToString::to_string);
            }
            MadeFrom::Directory { path } => json.directory = Some(path.to_string()),
        }
        json
    }
}

impl Binding {
    /// The commit or else the entry, as short as a person needs it.
    pub(crate) fn short_id(&self) -> Option<&str> {
        self.revision.as_deref().or(self.digest.as_deref()).map(short)
    }

    /// A few words for it: its commit or entry, or the directory it is linked to.
    pub(crate) fn brief(&self) -> String {
        match &self.linked {
            Some(path) => format!("-> {path}"),
            None => self.short_id().unwrap_or_default().to_owned(),
        }
    }
}

/// How a module differs between two generations.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Change {
    /// The module.
    pub(crate) module: String,
    /// What it was; null if it was not there.
    pub(crate) from: Option<Binding>,
    /// What it is; null if it was removed.
    pub(crate) to: Option<Binding>,
}

impl Change {
    /// A change from one binding of the library to another.
    pub(crate) fn new(
        module: impl Into<String>,
        from: Option<&StoreBinding>,
        to: Option<&StoreBinding>,
    ) -> Self {
        Self { module: module.into(), from: from.map(Binding::from), to: to.map(Binding::from) }
    }

    /// `weather 1a2b3c4 → 5d6e7f8`, `weather new 5d6e7f8`, `weather removed`.
    pub(crate) fn brief(&self) -> String {
        format!("{} {}", self.module, self.step())
    }

    /// `1a2b3c4 → 5d6e7f8`, `new 5d6e7f8`, `removed`.
    pub(crate) fn step(&self) -> String {
        match (&self.from, &self.to) {
            (_, None) => "removed".into(),
            (None, Some(to)) => format!("new {}", to.brief()),
            (Some(from), Some(to)) if from.brief() == to.brief() => {
                format!("{} (same commit)", to.brief())
            }
            (Some(from), Some(to)) => format!("{} → {}", from.brief(), to.brief()),
        }
    }
}
