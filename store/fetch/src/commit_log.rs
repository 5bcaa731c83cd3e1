//! The commits between two, and no files: what `git log OLD..NEW` would list.
//!
//! The server is asked for the history of the one without that of the other, at most so many commits deep, and without any
//! files (`filter tree:0`). Where a server has no filters, the files stand behind the commits in the pack, as git writes them,
//! and reading ends where the first of them begins.
//!
//! Limits: a megabyte of a pack. What comes after that, a commit longer than 64 KiB and one that is a delta of another
//! object are not read, and then the log is not known to be whole.

use std::{
    collections::HashMap,
    io::{BufRead, Read},
    path::Path,
};

use gix::{ObjectId, objs::Kind};
use modstore_core::{events::Step, model::KeptCommits};

use crate::{
    errors::{AcquireError, PackError},
    limits::PackLimits,
    mirror::MirrorObjects,
    pack::{Encoding, EntryHeader, MemoryBudget, PackBytes, PackReader, delta, hash_of},
    protocol::Session,
};

/// The most bytes of a pack that are read. Less than what is kept in memory at once, so that no file is needed.
const BYTES: u64 = (1 << 20) - 1;
/// The longest commit.
const LONGEST: u64 = 64 << 10;
/// The most commits, and all of them together in bytes: where many lines of descent meet, a few steps down are many.
const COMMITS: usize = 1000;
const TOGETHER: usize = 4 << 20;

/// The commits that one has and another has not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommitLog {
    /// Their objects.
    pub commits: KeptCommits,
    /// Whether the server had no others to send.
    pub is_whole: bool,
}

/// Fetches what `commit` has come from since `since`, at most `depth` commits deep, from a server that knows `commit`.
///
/// # Errors
/// The server, or the way there. A pack that cannot be read to its end is none.
pub fn fetch_log(
    session: &mut Session,
    commit: ObjectId,
    since: Option<ObjectId>,
    depth: usize,
    on_step: &dyn Fn(Step<'_>),
) -> Result<CommitLog, AcquireError> {
    let read = |pack: &mut dyn BufRead| read(pack);
    let log = session.fetch_commits(commit, since, depth, on_step, read);
    log.map_err(AcquireError::Fetch)
}

/// The same from the mirror at `path`, where it has all of them and each has one parent: of a merge, only a server knows
/// how much came with it.
#[must_use]
pub fn log_in_mirror(
    path: &Path,
    commit: ObjectId,
    since: Option<ObjectId>,
    depth: usize,
) -> Option<CommitLog> {
    let objects = MirrorObjects::open(path).ok()?;
    let mut log = CommitLog::default();
    let mut next = Some(commit).filter(|commit| Some(*commit) != since);
    while let Some(commit) = next {
        let mut object = Vec::new();
        let kind = objects.find(&commit, &mut object).ok().flatten();
        if kind != Some(Kind::Commit) || hash_of(Kind::Commit, &object).ok() != Some(commit) {
            break;
        }
        log.commits.add(commit, object);
        let parents = log.commits.subject(commit.into())?.1;
        next = match parents[..] {
            [parent] => Some(ObjectId::from(parent)),
            _ => None,
        };
        log.is_whole = since.is_some() && next == since;
        next = next.filter(|next| Some(*next) != since && log.commits.len() < depth);
    }
    log.is_whole.then_some(log)
}

/// The commits at the beginning of a pack.
fn read(pack: &mut dyn BufRead) -> Result<CommitLog, PackError> {
    let mut bounded = pack.take(BYTES);
    let mut reading = Reading::default();
    match reading.read(&mut bounded) {
        Ok(is_whole) => Ok(CommitLog { commits: reading.commits, is_whole }),
        // It is we who do not read on.
        Err(PackError::Truncated { .. }) if bounded.limit() == 0 => {
            Ok(CommitLog { commits: reading.commits, is_whole: false })
        }
        Err(error) => Err(error),
    }
}

/// The commits that were read so far.
#[derive(Default)]
struct Reading {
    commits: KeptCommits,
    by_start: HashMap<u64, ObjectId>,
    bytes: usize,
}

impl Reading {
    /// Whether the pack has only commits, and tags of them, and all were read.
    fn read(&mut self, pack: &mut dyn BufRead) -> Result<bool, PackError> {
        let nothing_is_spilled = PackBytes::new(&MemoryBudget::new(0, 1), Path::new(""));
        let (mut reader, entries) =
            PackReader::open(pack, nothing_is_spilled, &PackLimits::default())?;
        for _ in 0..entries {
            let header = reader.header()?;
            let base = match header.encoding {
                Encoding::Whole(Kind::Commit | Kind::Tag) => None,
                Encoding::Whole(Kind::Tree | Kind::Blob) => return Ok(false),
                Encoding::DeltaOf(id) => Some(id),
                Encoding::DeltaOfOffset(start) => match self.by_start.get(&start) {
                    Some(id) => Some(*id),
                    None => return Ok(false),
                },
            };
            if header.size > LONGEST || self.bytes >= TOGETHER || self.commits.len() >= COMMITS {
                return Ok(false);
            }
            let inflated = reader.inflate(&header)?;
            match base.map(|base| self.commits.find(&base)) {
                None if header.encoding == Encoding::Whole(Kind::Commit) => {
                    self.keep(&header, inflated)?;
                }
                None => {}
                Some(None) => return Ok(false),
                Some(Some(base)) => {
                    let made = delta::apply(base, &inflated, LONGEST)
                        .map_err(|error| PackError::corrupt(header.start, error.to_string()))?;
                    self.keep(&header, made)?;
                }
            }
        }
        reader.finish()?;
        Ok(true)
    }

    fn keep(&mut self, header: &EntryHeader, object: Vec<u8>) -> Result<(), PackError> {
        let id = hash_of(Kind::Commit, &object)?;
        self.bytes += object.len();
        self.by_start.insert(header.start, id);
        self.commits.add(id, object);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use modstore_testbed::{Delta, PackWriter, commit_object, object_id};

    use super::*;

    /// A commit that says this.
    fn commit(says: &str) -> Vec<u8> {
        let tree = object_id(Kind::Tree, b"");
        [&*commit_object(tree), says.as_bytes()].concat()
    }

    /// How many commits are read of a pack, and whether these are all.
    fn read_of(pack: PackWriter) -> (usize, bool) {
        let log = read(&mut &*pack.finish()).unwrap();
        (log.commits.len(), log.is_whole)
    }

    #[test]
    fn commits_are_read_up_to_the_first_file_and_tags_are_passed_over() {
        let mut pack = PackWriter::new();
        assert_eq!(read_of(pack.clone()), (0, true));
        pack.add(Kind::Tag, b"object 0\n");
        pack.add(Kind::Commit, &commit("one"));
        pack.add(Kind::Commit, &commit("two"));
        assert_eq!(read_of(pack.clone()), (2, true));
        for kind in [Kind::Tree, Kind::Blob] {
            let mut pack = pack.clone();
            pack.add(kind, b"");
            pack.add(Kind::Commit, &commit("behind it"));
            assert_eq!(read_of(pack), (2, false), "{kind:?}");
        }
        // What comes after the first file is not waited for.
        pack.add(Kind::Blob, b"");
        let cut = pack.unfinished(1000);
        let log = read(&mut &*cut).unwrap();
        assert_eq!((log.commits.len(), log.is_whole), (2, false));
    }

    #[test]
    fn a_commit_that_is_a_delta_of_another_is_read_and_of_anything_else_ends_the_reading() {
        let (one, two) = (commit("one"), commit("two"));
        let same = one.len() - 3;
        let delta = || {
            let sizes = Delta::new(one.len() as u64, two.len() as u64);
            sizes.copy(0, same).insert(b"two").bytes()
        };
        let mut by_offset = PackWriter::new();
        let at = by_offset.position();
        let id = by_offset.add(Kind::Commit, &one);
        let mut by_id = by_offset.clone();
        by_offset.offset_delta(at, &delta());
        by_id.reference_delta(id, &delta());
        for pack in [by_offset, by_id.clone()] {
            let log = read(&mut &*pack.finish()).unwrap();
            assert_eq!((log.commits.len(), log.is_whole), (2, true));
            assert_eq!(log.commits.find(&object_id(Kind::Commit, &two)), Some(&*two));
        }
        by_id.reference_delta(object_id(Kind::Commit, b"elsewhere"), &delta());
        by_id.add(Kind::Commit, &commit("behind it"));
        assert_eq!(read_of(by_id), (2, false));
        let mut of_a_tag = PackWriter::new();
        let at = of_a_tag.position();
        of_a_tag.add(Kind::Tag, &one);
        of_a_tag.offset_delta(at, &delta());
        assert_eq!(read_of(of_a_tag), (0, false));
    }

    #[test]
    fn a_pack_beyond_a_limit_gives_what_came_before_and_is_not_whole() {
        let mut long = PackWriter::new();
        long.add(Kind::Commit, &commit("one"));
        long.add(Kind::Commit, &commit(&"x".repeat(64 << 10)));
        long.add(Kind::Commit, &commit("three"));
        assert_eq!(read_of(long), (1, false));

        let mut many = PackWriter::new();
        for number in 0..COMMITS {
            many.add(Kind::Commit, &commit(&number.to_string()));
        }
        assert_eq!(read_of(many.clone()), (COMMITS, true));
        many.add(Kind::Commit, &commit("one more"));
        assert_eq!(read_of(many), (COMMITS, false));

        let mut together = PackWriter::new();
        let text = "x".repeat(60 << 10);
        for number in 0..100 {
            together.add(Kind::Commit, &commit(&format!("{number} {text}")));
        }
        let (read, is_whole) = read_of(together);
        assert!((60..80).contains(&read) && !is_whole, "{read}");

        let mut bytes = modstore_testbed::Random::of(1);
        let mut large = PackWriter::new();
        for _ in 0..30 {
            let noise: String =
                bytes.bytes(50 << 10).iter().map(|byte| char::from(b' ' + byte % 95)).collect();
            large.add(Kind::Commit, &commit(&noise));
        }
        let (read, is_whole) = read_of(large);
        assert!((20..30).contains(&read) && !is_whole, "{read}");
    }

    #[test]
    fn a_damaged_pack_is_an_error_and_never_a_panic() {
        let mut pack = PackWriter::new();
        pack.add(Kind::Commit, &commit("one"));
        let at = pack.position();
        pack.add(Kind::Commit, &commit("two"));
        pack.offset_delta(at, b"\xff\xff");
        let pack = pack.finish();
        assert!(read(&mut &*pack).is_err(), "the delta is none");
        for cut in 0..pack.len() {
            assert!(read(&mut &pack[..cut]).is_err(), "cut at {cut}");
        }
        for at in 0..pack.len() {
            let mut flipped = pack.clone();
            flipped[at] ^= 0xff;
            let _ = read(&mut &*flipped);
        }
    }
}
