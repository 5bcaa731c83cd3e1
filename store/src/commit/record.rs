//! One change in the journal, a [`Record`], and its bytes.
//!
//! This is the only file that knows `bincode`. It is pinned at 2.0.1 (3.0.0 is an empty release), its
//! size limit is checked before anything is allocated, and golden bytes of every record keep the
//! encoding still: a record may be added at the end, none may ever change.

use serde::{Deserialize, Serialize};

use crate::model::{Digest, Generation};

/// The most bytes the records of one transaction may have.
pub(super) const LIMIT: usize = 64 << 20;

/// One change. A transaction is a list of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Record {
    /// The tree `digest` is in `entries/`.
    Entered {
        /// Its name.
        digest: Digest,
        /// How many files it has.
        files: u64,
        /// How many bytes they have.
        bytes: u64,
    },
    /// From here on, this is the generation that is shown. The bindings after it belong to it.
    Generation {
        /// One more than the last.
        number: Generation,
        /// Milliseconds since 1970.
        at: u64,
        /// The command that made it.
        reason: String,
        /// The generation whose bindings it took over, for a rollback.
        restores: Option<Generation>,
    },
    /// In this generation the module is this.
    Bound {
        /// The module.
        module: String,
        /// What it is.
        binding: Binding,
    },
    /// In this generation the module is no more.
    Unbound {
        /// The module.
        module: String,
    },
    /// The generation is kept no longer: it counts for no entry, and cannot be shown again.
    Retired {
        /// Which.
        number: Generation,
    },
    /// The tree `digest` is in the store no longer.
    Forgotten {
        /// Its name.
        digest: Digest,
    },
    /// What stood before is folded into the records after this one. Only the first record of a journal
    /// that was compacted or rebuilt.
    Checkpoint {
        /// Milliseconds since 1970.
        at: u64,
        /// The command that wrote it.
        reason: String,
    },
}

/// What a module is in a generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// Where it comes from, as a person would write it, without any secret.
    pub source: String,
    /// What its target leads to.
    pub bound: Bound,
}

/// What a target leads to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Bound {
    /// An entry of the store.
    Entry {
        /// The entry.
        digest: Digest,
        /// The part of it that is the module.
        subdirectory: Option<String>,
        /// Where the tree came from, when that was git.
        fetched: Option<Fetched>,
    },
    /// A directory that is the user's own, live.
    Linked {
        /// Its absolute path.
        path: String,
    },
}

/// The git commit a tree came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fetched {
    /// The repository's canonical identity.
    pub origin: String,
    /// The full name of the reference that was followed, or none for a commit.
    pub reference: Option<String>,
    /// The commit, 40 hex digits.
    pub revision: String,
}

/// Bytes that are not the records of a transaction.
#[derive(Debug, thiserror::Error)]
#[error("the records cannot be read")]
pub struct DecodeError(#[source] Option<bincode::error::DecodeError>);

fn configuration() -> impl bincode::config::Config {
    bincode::config::standard().with_limit::<LIMIT>()
}

/// The bytes of `records`.
///
/// # Panics
/// When they have more than [`LIMIT`] bytes: a million modules in one transaction.
pub(super) fn encode(records: &[Record]) -> Vec<u8> {
    bincode::serde::encode_to_vec(records, configuration())
        .expect("records hold nothing that cannot be encoded")
}

/// The records that `bytes` hold, all of them.
///
/// # Errors
/// When the bytes are too many, are no records, or go on after them.
pub(super) fn decode(bytes: &[u8]) -> Result<Vec<Record>, DecodeError> {
    if bytes.len() > LIMIT {
        return Err(DecodeError(None));
    }
    let (records, used) = bincode::serde::decode_from_slice(bytes, configuration())
        .map_err(|error| DecodeError(Some(error)))?;
    if used == bytes.len() { Ok(records) } else { Err(DecodeError(None)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every_record() -> Vec<Record> {
        let digest = Digest::from_bytes([0x5a; 32]);
        let fetched = Fetched {
            origin: "example.com/o/r".into(),
            reference: Some("refs/heads/main".into()),
            revision: "0123456789abcdef0123456789abcdef01234567".into(),
        };
        let entry = |subdirectory: Option<&str>, fetched| Bound::Entry {
            digest,
            subdirectory: subdirectory.map(str::to_owned),
            fetched,
        };
        let bound = |module: &str, bound| Record::Bound {
            module: module.into(),
            binding: Binding { source: "git+https://example.com/o/r@main".into(), bound },
        };
        vec![
            Record::Entered { digest, files: 3, bytes: 70_000 },
            Record::Generation {
                number: Generation::FIRST,
                at: 1_790_000_000_000,
                reason: "update".into(),
                restores: None,
            },
            Record::Generation {
                number: Generation::FIRST.next(),
                at: 1_790_000_000_001,
                reason: "rollback".into(),
                restores: Some(Generation::FIRST),
            },
            bound("a", entry(Some("modules/a"), Some(fetched))),
            bound("b", entry(None, None)),
            bound("c", Bound::Linked { path: "/home/me/c".into() }),
            Record::Unbound { module: "d".into() },
            Record::Retired { number: Generation::FIRST },
            Record::Forgotten { digest },
            Record::Checkpoint { at: 1_790_000_000_002, reason: "gc".into() },
        ]
    }

    #[test]
    fn the_bytes_of_every_record_never_change() {
        let hex = |record: &Record| -> String {
            let bytes = encode(std::slice::from_ref(record));
            bytes.iter().map(|byte| format!("{byte:02x}")).collect()
        };
        let lines: Vec<String> = every_record().iter().map(hex).collect();
        assert_eq!(lines, include_str!("record.golden.hex").lines().collect::<Vec<_>>());
    }

    #[test]
    fn records_read_back_from_their_bytes() {
        assert_eq!(decode(&encode(&every_record())).unwrap(), every_record());
    }

    #[test]
    fn records_that_are_cut_or_followed_by_more_are_refused() {
        let bytes = encode(&every_record());
        for end in 0..bytes.len() {
            assert!(decode(&bytes[..end]).is_err(), "cut at {end}");
        }
        assert!(decode(&[bytes.as_slice(), &[0]].concat()).is_err());
    }

    #[test]
    fn a_hostile_length_is_refused_before_it_is_allocated() {
        // A list of 2^63 records, in the variable-length encoding: 253 and eight bytes.
        assert!(decode(&[253, 0, 0, 0, 0, 0, 0, 0, 0x80]).is_err());
    }
}
