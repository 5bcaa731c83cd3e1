//! [`BuiltInput`]: what is known of one file that a build runs for by itself.
//!
//! The journal holds it: the order of fields is the order of bytes on disk, and may only grow at the end of a record.

use serde::{Deserialize, Serialize};

use super::{
    binding::{Attempt, one_by_one},
    digest::Digest,
};

/// One of the files that a module's build runs for, each by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuiltInput {
    /// Its path in the module.
    pub path: String,
    /// What was made of it, the last first.
    #[serde(deserialize_with = "one_by_one")]
    pub outputs: Vec<InputOutput>,
    /// How the last try ended, if nothing was made of the file as it is.
    pub attempt: Option<Box<Attempt>>,
}

/// What was made of one input. It is never given another key than that of what it was really built from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputOutput {
    /// The name of all that it was built from.
    pub key: Digest,
    /// An entry that has it.
    pub entry: Digest,
    /// Its files in that entry.
    #[serde(deserialize_with = "one_by_one")]
    pub paths: Vec<String>,
    /// The files that the build said it has read: by their path in the module's tree, or absolute outside of it.
    #[serde(deserialize_with = "one_by_one")]
    pub read: Vec<String>,
}
