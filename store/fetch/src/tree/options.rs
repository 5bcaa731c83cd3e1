//! [`UnpackOptions`]: the surroundings of an unpacking.

use modstore_core::{Cancel, disk::FoldsNames, events::Step};

use crate::{
    limits::PackLimits,
    pack::{Base, MemoryBudget},
};

/// The surroundings of an unpacking, besides the pack and the tree itself.
#[derive(Clone, Copy)]
pub struct UnpackOptions<'a> {
    /// The previous entry, if there is one and [`base_is_usable`](crate::base_is_usable).
    pub base: Option<&'a Base<'a>>,
    /// Whether the target file system takes names for equal that differ in case or normalisation. Asked only when a tree
    /// has names for which it matters.
    pub folds: &'a FoldsNames<'a>,
    /// What the pack may cost.
    pub limits: PackLimits,
    /// Whether the pack is kept as it comes, if it is the commit's and nothing else, and short enough to be held in memory.
    pub keeps_pack: bool,
    /// The memory of all fetches that run now.
    pub memory: &'a MemoryBudget,
    /// Receives [`Step::Receiving`], on the calling thread.
    pub on_step: &'a (dyn Fn(Step<'_>) + Sync),
    /// Looked at often, on any thread; ends the work with [`PackError::Cancelled`](crate::PackError::Cancelled).
    pub cancel: &'a Cancel,
}

impl std::fmt::Debug for UnpackOptions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UnpackOptions").field("limits", &self.limits).finish_non_exhaustive()
    }
}
