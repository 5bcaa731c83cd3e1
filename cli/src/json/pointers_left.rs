//! [`PointersLeft`]: files that are pointers of Git LFS still.

use modstore::Store;
use modstore_core::model::Binding;
use schemars::JsonSchema;
use serde::Serialize;

use crate::text::{count, size};

/// Files of a module that are Git LFS pointers, because their content was not asked for (`lfs = true` does) or is left out
/// by `lfs.fetchinclude` or `lfs.fetchexclude`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct PointersLeft {
    /// How many there are.
    files: u64,
    /// Bytes of the content that they stand for.
    bytes: u64,
    /// What to do about it.
    hint: String,
}

impl PointersLeft {
    /// Those of a module; nothing where there are none, as far as known.
    pub(crate) fn of(store: &Store, binding: &Binding) -> Option<Self> {
        let left = store.pointers_left(binding.bound.source_entry()?);
        let hint = left.hint().to_owned();
        left.any().then_some(Self { files: left.files, bytes: left.bytes, hint })
    }

    /// In words.
    pub(crate) fn summary(&self) -> String {
        let files = count(usize::try_from(self.files).unwrap_or(usize::MAX), "file");
        let are = if self.files == 1 { "is a pointer" } else { "are pointers" };
        format!("{files} of Git LFS {are} ({} of content); {}", size(self.bytes), self.hint)
    }
}
