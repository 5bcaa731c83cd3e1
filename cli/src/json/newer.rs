//! [`NewerVersion`]: a version after the one that a module follows; and the page that shows what a change brings.

use modstore::internals::acquire::NewerVersion as StoreNewer;
use modstore_core::model::{Binding as StoreBinding, Fetched};
use schemars::JsonSchema;
use serde::Serialize;

use super::Revision;

/// A version after the one that a module follows, by PEP 440 or SemVer. No update takes it: `modstore set NAME --ref TAG`
/// does.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct NewerVersion {
    /// The tag that the module follows.
    pub(crate) followed: String,
    /// The tag of the newest version.
    pub(crate) tag: String,
    /// The commit of that tag.
    pub(crate) revision: Revision,
    /// The page of the forge that compares it with the module's current commit; null if no such page is known.
    pub(crate) compare: Option<String>,
}

impl NewerVersion {
    /// The newer version of a module that is this now.
    pub(crate) fn new(newer: &StoreNewer, current: Option<&StoreBinding>) -> Self {
        let now = current.and_then(|current| current.bound.fetched());
        Self {
            followed: newer.followed.clone(),
            tag: newer.tag.clone(),
            revision: Revision::new(newer.revision),
            compare: now.and_then(|now| now.origin.comparison(now.revision, newer.revision)),
        }
    }

    /// `v1.0.0 → v1.2.0 available`.
    pub(crate) fn step(&self) -> String {
        format!("{} → {} available", self.followed, self.tag)
    }
}

/// The page of the forge that compares these two; none if they are no two commits of one repository at a known forge.
pub(crate) fn comparison(from: Option<&StoreBinding>, to: Option<&Fetched>) -> Option<String> {
    let (from, to) = (from?.bound.fetched()?, to?);
    let is_one = from.origin == to.origin;
    to.origin.comparison(from.revision, to.revision).filter(|_| is_one)
}
