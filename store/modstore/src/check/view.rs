//! [`View`]: what the searches see of a store. The journal is read once; what one search finds out for a later one is
//! kept here.

use std::{collections::BTreeSet, fs::Metadata, os::unix::fs::MetadataExt as _, path::PathBuf};

use super::{
    finding::{Checked, Depth, Finding},
    references::References,
};
use crate::{
    Context,
    commit::{Journal, JournalError, Reading, State, shown},
    disk::{LockError, names_in},
    model::{ContentHash, Digest, Generation, ModuleName},
};

/// How a store is verified.
#[derive(Debug, Clone, Copy)]
pub(crate) struct VerifyOptions<'a> {
    /// How closely.
    pub(crate) depth: Depth,
    /// Only the entries these modules lead to; all when there are none.
    pub(crate) names: &'a [ModuleName],
    /// Whether the store's lock may be taken when something seems wrong: taking it writes to the home.
    pub(crate) may_lock: bool,
}

/// The store was not checked, or not to the end. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// No kept generation has such a module.
    #[error("no generation has a module `{name}`")]
    Unknown {
        /// Its name.
        name: ModuleName,
    },
    /// What seems wrong could be a writer at work, and that process does not come to an end.
    #[error("what seems wrong cannot be checked again")]
    Lock(#[from] LockError),
    /// The user interrupted it.
    #[error("interrupted")]
    Cancelled,
}

/// What a file is, whatever its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Inode {
    pub(super) device: u64,
    pub(super) number: u64,
}

impl Inode {
    pub(super) fn of(meta: &Metadata) -> Self {
        Self { device: meta.dev(), number: meta.ino() }
    }
}

/// A file of the right kind and size, whose content is not known.
#[derive(Debug)]
pub(super) struct Unread {
    pub(super) entry: Digest,
    pub(super) path: PathBuf,
    pub(super) inode: Inode,
    pub(super) size: u64,
    pub(super) content: ContentHash,
}

/// A file whose content is not what was stored.
#[derive(Debug)]
pub(super) struct Corrupt {
    pub(super) finding: Finding,
    pub(super) inode: Inode,
}

/// What the searches see.
pub(super) struct View<'a> {
    pub(super) context: Context<'a>,
    pub(super) options: VerifyOptions<'a>,
    /// What the journal says; `None` when there is none.
    pub(super) journal: Option<Result<Reading, JournalError>>,
    /// The generation that `current` names.
    pub(super) current: Option<Generation>,
    pub(super) references: References,
    /// The entries to look into.
    pub(super) entries: Vec<Digest>,
    /// Files of these whose content is still to be read.
    pub(super) unread: Vec<Unread>,
    /// Files whose content was read before, and is wrong.
    pub(super) corrupt: Option<Vec<Corrupt>>,
    pub(super) checked: Checked,
}

impl<'a> View<'a> {
    /// A first look at the store.
    pub(super) fn first(
        context: Context<'a>,
        options: VerifyOptions<'a>,
    ) -> Result<Self, VerifyError> {
        let mut view = Self::of(context, options);
        if let Some(name) = view.references.unknown_of(options.names) {
            return Err(VerifyError::Unknown { name: name.clone() });
        }
        view.entries = view.all_entries();
        view.checked.entries = view.entries.len() as u64;
        Ok(view)
    }

    /// A second look, at what the first one found: no entry is looked into but those that seem wrong, and no content is
    /// read.
    pub(super) fn second(first: Self, found: &[Finding]) -> Self {
        let mut view = Self::of(first.context, first.options);
        let suspects: BTreeSet<Digest> =
            found.iter().filter_map(|finding| finding.about.entry).collect();
        view.entries = suspects.into_iter().filter(|digest| view.counts(*digest)).collect();
        view.corrupt = Some(first.corrupt.unwrap_or_default());
        let Checked { entries, files, bytes, .. } = first.checked;
        view.checked = Checked { entries, files, bytes, ..view.checked };
        view
    }

    fn of(context: Context<'a>, options: VerifyOptions<'a>) -> Self {
        let path = context.layout.journal();
        let journal = path.symlink_metadata().is_ok().then(|| Journal::read(&path));
        let mut view = Self {
            context,
            options,
            journal,
            current: shown(context.layout),
            references: References::default(),
            entries: Vec::new(),
            unread: Vec::new(),
            corrupt: None,
            checked: Checked::default(),
        };
        view.references = match view.state() {
            Some(state) => References::of_state(state),
            None => References::of_links(context.layout),
        };
        view
    }

    /// What the journal adds up to, if it can be read.
    pub(super) fn recorded(&self) -> Option<&State> {
        let reading = self.journal.as_ref()?.as_ref().ok()?;
        Some(&reading.state)
    }

    /// What the store should hold. When recorded frames were lost, those that are left do not say that.
    pub(super) fn state(&self) -> Option<&State> {
        self.recorded().filter(|state| self.current <= state.head().map(|head| head.number))
    }

    /// Whether the entry has to be there, and is one of those to be checked. A sweep may have removed it meanwhile.
    pub(super) fn counts(&self, digest: Digest) -> bool {
        let is_recorded = self.state().is_none_or(|state| state.entry(digest).is_some());
        (is_recorded || self.references.to(digest).is_some())
            && self.references.concerns(self.options.names, digest)
    }

    /// The entries that the journal knows and those that something leads to. Without a journal that can be trusted, also
    /// those on the disk.
    fn all_entries(&self) -> Vec<Digest> {
        let layout = self.context.layout;
        let recorded: Vec<Digest> = match self.state() {
            Some(state) => state.entries().keys().copied().collect(),
            None => [layout.entries(), layout.manifests()]
                .iter()
                .flat_map(|at| names_in(at).unwrap_or_default())
                .filter_map(|name| name.to_str()?.parse().ok())
                .collect(),
        };
        let all: BTreeSet<Digest> = self.references.entries().chain(recorded).collect();
        let names = self.options.names;
        all.into_iter().filter(|digest| self.references.concerns(names, *digest)).collect()
    }
}
