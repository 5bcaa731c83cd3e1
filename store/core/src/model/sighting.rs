//! [`Sighting`]: a commit that updates do not take before it has reached an age.

use serde::{Deserialize, Serialize};

use super::{RecordedSource, Revision};

/// Since when this store knows that a source leads to a commit.
///
/// Not the date that the commit gives itself: its author chooses that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sighting {
    /// The source, whose reference led to the commit.
    pub source: RecordedSource,
    /// The commit.
    pub revision: Revision,
    /// When it was first seen there, in milliseconds since 1970.
    pub at: u64,
}
