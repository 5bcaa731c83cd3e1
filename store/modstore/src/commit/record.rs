//! One change in the journal, a [`Record`], and its bytes.
//!
//! This is the only file that knows `bincode`. It is pinned at 2.0.1 (3.0.0 is an empty release), and
//! golden bytes of every record keep the encoding still: a record may be added at the end, none may ever
//! change.
//!
//! bincode makes room for as many bytes as a text says it has before it looks whether they are there, up
//! to a limit that is the same for all inputs. So records are read one by one, and each may claim only
//! what the bytes that are left can hold.

use bincode::{
    Decode as _,
    de::{Decoder as _, DecoderImpl, read::Reader},
    error::DecodeError as BincodeError,
    serde::Compat,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::model::{
    Attempt, Binding, BuiltInput, Digest, Exposure, Generation, Hold, LinkedPath, ModuleName,
    Platform, Sighting, one_by_one,
};

/// The most bytes the records of one transaction may have.
pub(super) const LIMIT: usize = 64 << 20;
/// The most records one transaction may have.
const MOST: usize = 1 << 20;
/// What bincode counts for one encoded byte at most: a number takes one byte or nine, and counts as eight.
const CLAIM: usize = 8;

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
    /// From here on, this is the current generation. The bindings after it belong to it.
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
        module: ModuleName,
        /// What it is.
        binding: Binding,
    },
    /// This generation does not have the module any more.
    Unbound {
        /// The module.
        module: ModuleName,
    },
    /// The generation is kept no longer: it counts for no entry, and cannot become current again.
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
    /// The declared state of the module was tried, and could not be reached.
    Attempted {
        /// The module.
        module: ModuleName,
        /// How that ended.
        attempt: Box<Attempt>,
    },
    /// The module is as it is declared: the earlier failure is over.
    Cleared {
        /// The module.
        module: ModuleName,
    },
    /// Updates leave the module as it is.
    Held {
        /// The module.
        module: ModuleName,
        /// Since when, and by which command.
        hold: Hold,
    },
    /// Updates change the module again.
    Released {
        /// The module.
        module: ModuleName,
    },
    /// A link at a place of a host's leads to a module.
    Exposed {
        /// Where it is.
        place: LinkedPath,
        /// Where it leads.
        exposure: Exposure,
    },
    /// There is no such link any more.
    Unexposed {
        /// Where it was.
        place: LinkedPath,
    },
    /// The module's source leads to a commit that is too young to be taken.
    Sighted {
        /// The module.
        module: ModuleName,
        /// The commit, and since when it is known.
        sighting: Sighting,
    },
    /// The module waits for no commit any more.
    Unsighted {
        /// The module.
        module: ModuleName,
    },
    /// What is known of the inputs of a module that is built for each of them; all of it, so that an empty list ends it.
    Inputs {
        /// The module.
        module: ModuleName,
        /// What is known of each.
        #[serde(deserialize_with = "one_by_one")]
        inputs: Vec<BuiltInput>,
    },
    /// What was built under this key may be named in a lock for other machines: it depends on nothing of this one but its platform.
    BuiltOn {
        /// The tree.
        digest: Digest,
        /// The name of all that the build depended on.
        key: Digest,
        /// What kind of machine this is.
        platform: Platform,
    },
}

impl Record {
    /// What a module is from then on; nothing, if it is removed.
    pub(super) fn binding(module: &ModuleName, to: Option<&Binding>) -> Self {
        let module = module.clone();
        match to.cloned() {
            Some(binding) => Self::Bound { module, binding },
            None => Self::Unbound { module },
        }
    }

    /// How the last try of a module ended; nothing, if it is as it is declared.
    pub(super) fn attempt(module: &ModuleName, attempt: Option<&Attempt>) -> Self {
        let module = module.clone();
        match attempt.cloned().map(Box::new) {
            Some(attempt) => Self::Attempted { module, attempt },
            None => Self::Cleared { module },
        }
    }

    /// On which platform a tree was built under a key.
    pub(super) fn built_on(((digest, key), platform): (&(Digest, Digest), &Platform)) -> Self {
        Self::BuiltOn { digest: *digest, key: *key, platform: platform.clone() }
    }

    /// That updates leave a module as it is; nothing, if they change it again.
    pub(super) fn hold(module: &ModuleName, hold: Option<&Hold>) -> Self {
        let module = module.clone();
        match hold.cloned() {
            Some(hold) => Self::Held { module, hold },
            None => Self::Released { module },
        }
    }

    /// The commit that a module waits for; nothing, if there is none.
    pub(super) fn sighting(module: &ModuleName, sighting: Option<&Sighting>) -> Self {
        let module = module.clone();
        match sighting.cloned() {
            Some(sighting) => Self::Sighted { module, sighting },
            None => Self::Unsighted { module },
        }
    }
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
/// When they are more than can be read again: a million modules in one transaction.
pub(super) fn encode(records: &[Record]) -> Vec<u8> {
    try_encode(records).expect("a transaction is not too large to be read")
}

/// The bytes of `records`, unless they are more than can be read again.
pub(super) fn try_encode(records: &[Record]) -> Option<Vec<u8>> {
    // The encoding has no limit of its own when it writes.
    let bytes = bincode::serde::encode_to_vec(records, configuration())
        .expect("records hold nothing that cannot be encoded");
    (records.len() <= MOST && bytes.len() <= LIMIT).then_some(bytes)
}

/// The records that `bytes` hold, all of them. Allocates no more than a record for each byte there is,
/// and for [`MOST`] records.
///
/// # Errors
/// When the bytes are too many, are no records, or go on after them.
pub(super) fn decode(bytes: &[u8]) -> Result<Vec<Record>, DecodeError> {
    if bytes.len() > LIMIT {
        return Err(DecodeError(None));
    }
    let mut rest = bytes;
    let count: u64 = next(&mut rest)?;
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    if count > rest.len().min(MOST) {
        return Err(DecodeError(None));
    }
    let mut records = Vec::with_capacity(count);
    for _ in 0..count {
        records.push(next(&mut rest)?);
    }
    if rest.is_empty() { Ok(records) } else { Err(DecodeError(None)) }
}

/// The value at the start of `rest`, which is then what follows it.
fn next<T: DeserializeOwned>(rest: &mut &[u8]) -> Result<T, DecodeError> {
    let allowed = rest.len().saturating_mul(CLAIM).min(LIMIT);
    let mut decoder = DecoderImpl::new(Rest(rest), configuration(), ());
    let read =
        decoder.claim_bytes_read(LIMIT - allowed).and_then(|()| Compat::decode(&mut decoder));
    read.map(|Compat(value)| value).map_err(|error| DecodeError(Some(error)))
}

/// Takes bytes off the front of a slice that its owner goes on with.
struct Rest<'rest, 'bytes>(&'rest mut &'bytes [u8]);

impl Reader for Rest<'_, '_> {
    fn read(&mut self, into: &mut [u8]) -> Result<(), BincodeError> {
        let additional = into.len().saturating_sub(self.0.len());
        let (taken, rest) = self
            .0
            .split_at_checked(into.len())
            .ok_or(BincodeError::UnexpectedEnd { additional })?;
        into.copy_from_slice(taken);
        *self.0 = rest;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        Bound, Built, Class, Fetched, InputOutput, Kept, KeptPath, MadeFrom, RecordedSource, Stage,
    };

    fn every_record() -> Vec<Record> {
        let digest = Digest::from_bytes([0x5a; 32]);
        let fetched = Fetched {
            origin: "example.com/o/r".parse().unwrap(),
            reference: Some("refs/heads/main".into()),
            revision: "0123456789abcdef0123456789abcdef01234567".parse().unwrap(),
        };
        let entry = |subdirectory: Option<&str>, fetched| Bound::Entry {
            digest,
            subdirectory: subdirectory.map(|below| below.parse().unwrap()),
            fetched,
        };
        let bound = |module: &str, bound| Record::Bound {
            module: module.parse().unwrap(),
            binding: Binding {
                source: RecordedSource::read("git+https://example.com/o/r@main"),
                bound,
            },
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
            Record::Unbound { module: "d".parse().unwrap() },
            Record::Retired { number: Generation::FIRST },
            Record::Forgotten { digest },
            Record::Checkpoint { at: 1_790_000_000_002, reason: "gc".into() },
            attempted(Class::Transient, Stage::Resolve, None),
            attempted(Class::Deterministic, Stage::Validate, Some(digest)),
            Record::Cleared { module: "a".parse().unwrap() },
            bound("a", built(digest, MadeFrom::Directory { path: "/home/me/c".into() })),
            bound(
                "a",
                built(digest, MadeFrom::Entry { digest, subdirectory: None, fetched: None }),
            ),
            Record::Held {
                module: "a".parse().unwrap(),
                hold: Hold { at: 1_790_000_000_005, reason: "modstore hold".into() },
            },
            Record::Released { module: "a".parse().unwrap() },
            Record::Exposed {
                place: "/host/a".into(),
                exposure: Exposure { module: "a".parse().unwrap(), text: "/s/current/a".into() },
            },
            Record::Unexposed { place: "/host/a".into() },
            bound("a", kept(digest)),
            Record::Sighted {
                module: "a".parse().unwrap(),
                sighting: Sighting {
                    source: RecordedSource::read("git+https://example.com/o/r@main"),
                    revision: "0123456789abcdef0123456789abcdef01234567".parse().unwrap(),
                    at: 1_790_000_000_006,
                },
            },
            Record::Unsighted { module: "a".parse().unwrap() },
            inputs(digest),
            Record::Inputs { module: "a".parse().unwrap(), inputs: Vec::new() },
            Record::BuiltOn {
                digest,
                key: Digest::from_bytes([0xa5; 32]),
                platform: "linux-x86_64-glibc-2.36".parse().unwrap(),
            },
        ]
    }

    fn inputs(digest: Digest) -> Record {
        let Record::Attempted { module, attempt } =
            attempted(Class::Deterministic, Stage::Build, Some(digest))
        else {
            panic!("it is an attempt")
        };
        let output = InputOutput {
            key: Digest::from_bytes([0xa5; 32]),
            entry: digest,
            paths: vec!["a.js".into()],
            read: vec!["src/main.ts".into()],
        };
        let path = "src/a.ts".to_owned();
        let input = BuiltInput { path, outputs: vec![output], attempt: Some(attempt) };
        Record::Inputs { module, inputs: vec![input] }
    }

    fn kept(digest: Digest) -> Bound {
        let path =
            |path: &str, is_directory| KeptPath { path: path.parse().unwrap(), is_directory };
        let paths = vec![path("user", true), path("settings.json", false)];
        let subdirectory = Some("modules/a".parse().unwrap());
        let source = Digest::from_bytes([0xa5; 32]);
        Bound::Kept(Box::new(Kept { digest, source, subdirectory, fetched: None, paths }))
    }

    fn built(digest: Digest, from: MadeFrom) -> Bound {
        let read = vec!["src/main.ts".into(), "/usr/lib/lib.d.ts".into()];
        Bound::Built(Box::new(Built { digest, from, key: Digest::from_bytes([0xa5; 32]), read }))
    }

    fn attempted(class: Class, stage: Stage, conditions: Option<Digest>) -> Record {
        let attempt = Attempt {
            source: RecordedSource::read("git+https://example.com/o/r@main"),
            revision: conditions
                .map(|_| "0123456789abcdef0123456789abcdef01234567".parse().unwrap()),
            conditions,
            class,
            stage,
            error: "could not list https://example.com/o/r".into(),
            causes: vec!["the connection was refused".into()],
            count: 2,
            first: 1_790_000_000_003,
            last: 1_790_000_000_004,
            not_before: 1_790_000_010_004,
        };
        Record::Attempted { module: "a".parse().unwrap(), attempt: Box::new(attempt) }
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

    /// The bytes of `records` with one text in the place of another of the same length.
    fn with_text(records: &[Record], old: &str, new: &str) -> Vec<u8> {
        assert_eq!(old.len(), new.len());
        let mut bytes = encode(records);
        let places = bytes.windows(old.len()).enumerate();
        let places = places.filter(|(_, window)| *window == old.as_bytes());
        let starts: Vec<usize> = places.map(|(at, _)| at).collect();
        assert!(!starts.is_empty(), "{old} is in the records");
        starts.iter().for_each(|at| bytes[*at..at + new.len()].copy_from_slice(new.as_bytes()));
        bytes
    }

    #[test]
    fn texts_that_only_describe_are_read_and_written_back_whatever_the_rules_of_today_say() {
        let of_old_rules = [
            ("git+https://example.com/o/r@main", "oci://registry.example/o/r:latest"),
            ("git+https://example.com/o/r@main", "https://me@example.com/o/%zz?a=b "),
            ("example.com/o/r", "EXAMPLE.COM/o/r"),
            ("refs/heads/main", "refs/heads/a..b"),
        ];
        for (old, new) in of_old_rules {
            let new = &new[..new.len().min(old.len())];
            let bytes = with_text(&every_record(), old, new);
            assert_eq!(encode(&decode(&bytes).unwrap()), bytes, "{new}");
        }
    }

    #[test]
    fn a_text_that_becomes_a_path_is_refused_where_it_could_lead_out_of_the_store() {
        let module = Record::Unbound { module: "modules".parse().unwrap() };
        for bad in ["../mods", ".hidden", "mod/ule", "mod\0ule"] {
            let bytes = with_text(std::slice::from_ref(&module), "modules", bad);
            assert!(decode(&bytes).is_err(), "{bad:?}");
        }
        for bad in ["../../../../x", "settings/../x", "/etc/passwd/x"] {
            let bytes = with_text(&every_record(), "settings.json", bad);
            assert!(decode(&bytes).is_err(), "{bad:?}");
        }
        for bad in ["../../../", "mods/../a", "/modules/"] {
            let bytes = with_text(&every_record(), "modules/a", bad);
            assert!(decode(&bytes).is_err(), "{bad:?}");
        }
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
        // One `Unbound` whose name has 63 MiB. How much is allocated is measured in `tests/journal.rs`.
        assert!(decode(&[1, 3, 252, 0, 0, 0xf0, 0x03]).is_err());
    }

    #[test]
    fn a_transaction_of_very_many_records_reads_back() {
        let records: Vec<Record> = (0..100_000_u64)
            .map(|files| Record::Entered { digest: Digest::from_bytes([7; 32]), files, bytes: 1 })
            .collect();
        assert_eq!(decode(&encode(&records)).unwrap(), records);
    }

    #[test]
    fn a_transaction_that_could_not_be_read_is_never_written() {
        let records = vec![Record::Unbound { module: "a".parse().unwrap() }; MOST + 1];
        assert!(std::panic::catch_unwind(|| encode(&records)).is_err());
        let at = Record::Checkpoint { at: 0, reason: "a".repeat(LIMIT) };
        let records = [at];
        assert!(std::panic::catch_unwind(|| encode(&records)).is_err());
    }
}
