//! The commit objects of an entry, so that the entry can be given to others as a pack that proves itself.
//!
//! Kept beside the manifest, in `manifests/<digest>.commits`: git's own bytes, one object after the other. Each proves
//! itself by its id; what is missing or damaged only keeps an entry from being published until it is fetched again. An entry
//! has several where several commits have the same tree, and where it has submodules.

use gix::{ObjectId, objs::Kind};

/// The longest commit that is kept: messages have kilobytes, and a list of parents can be long.
const LONGEST: usize = 1 << 20;

/// The bytes of earlier commits with the same tree that are kept besides, at most.
const EARLIER: usize = 64 << 10;

/// Commit objects, by their ids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeptCommits(Vec<(ObjectId, Vec<u8>)>);

impl KeptCommits {
    /// Adds a commit object, unless it is there already or is too long to be kept.
    pub fn add(&mut self, id: ObjectId, object: Vec<u8>) {
        if object.len() <= LONGEST && self.find(&id).is_none() {
            self.0.push((id, object));
        }
    }

    /// Adds those of another list.
    pub fn extend(&mut self, others: Self) {
        others.0.into_iter().for_each(|(id, object)| self.add(id, object));
    }

    /// Adds those that were kept before, as far as there is room for them.
    pub fn extend_with_earlier(&mut self, earlier: Self) {
        let mut room = EARLIER;
        for (id, object) in earlier.0 {
            let Some(left) = room.checked_sub(object.len()) else { break };
            room = left;
            self.add(id, object);
        }
    }

    /// The bytes of the commit object with this id.
    #[must_use]
    pub fn find(&self, id: &ObjectId) -> Option<&[u8]> {
        self.0.iter().find(|(known, _)| known == id).map(|(_, object)| &**object)
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The bytes kept on disk.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (_, object) in &self.0 {
            bytes.extend_from_slice(format!("commit {}\0", object.len()).as_bytes());
            bytes.extend_from_slice(object);
        }
        bytes
    }

    /// Reads the bytes back; `None` when they are no commit objects. The ids are computed.
    #[must_use]
    pub fn from_bytes(mut bytes: &[u8]) -> Option<Self> {
        let mut commits = Self::default();
        while !bytes.is_empty() {
            let end = bytes.iter().position(|byte| *byte == 0)?;
            let header = std::str::from_utf8(bytes.get(..end)?).ok()?;
            let digits = header.strip_prefix("commit ")?;
            let length: usize = digits.parse().ok()?;
            if length > LONGEST || length.to_string() != digits {
                return None;
            }
            let (object, rest) = bytes.get(end + 1..)?.split_at_checked(length)?;
            if !object.starts_with(b"tree ") {
                return None;
            }
            let id = gix::objs::compute_hash(gix::hash::Kind::Sha1, Kind::Commit, object).ok()?;
            commits.add(id, object.to_vec());
            bytes = rest;
        }
        Some(commits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit(message: &str) -> (ObjectId, Vec<u8>) {
        let tree = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
        let object =
            format!("tree {tree}\nauthor a <a> 0 +0000\ncommitter a <a> 0 +0000\n\n{message}");
        let id = gix::objs::compute_hash(gix::hash::Kind::Sha1, Kind::Commit, object.as_bytes());
        (id.unwrap(), object.into_bytes())
    }

    fn kept(messages: &[&str]) -> KeptCommits {
        let mut kept = KeptCommits::default();
        for (id, object) in messages.iter().map(|message| commit(message)) {
            kept.add(id, object);
        }
        kept
    }

    #[test]
    fn the_bytes_are_gits_own() {
        let bytes = String::from_utf8(kept(&["one\n", "two\n"]).to_bytes()).unwrap();
        assert_eq!(
            bytes,
            "commit 96\0tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nauthor a <a> 0 +0000\n\
             committer a <a> 0 +0000\n\none\n\
             commit 96\0tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nauthor a <a> 0 +0000\n\
             committer a <a> 0 +0000\n\ntwo\n"
        );
    }

    #[test]
    fn commits_are_found_by_the_ids_of_their_bytes() {
        let (id, object) = commit("one\n");
        let read = KeptCommits::from_bytes(&kept(&["one\n", "two\n"]).to_bytes()).unwrap();
        assert_eq!(read, kept(&["one\n", "two\n"]));
        assert_eq!(read.find(&id), Some(&*object));
        assert_eq!(read.find(&ObjectId::null(gix::hash::Kind::Sha1)), None);
    }

    #[test]
    fn a_flipped_bit_or_a_truncation_never_gives_another_commit_for_an_id() {
        let (id, object) = commit("one\n");
        let bytes = kept(&["one\n"]).to_bytes();
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            for bytes in [&bytes[..at], &flipped] {
                let found = KeptCommits::from_bytes(bytes);
                let found = found.as_ref().and_then(|kept| kept.find(&id));
                assert!(found.is_none_or(|found| found == object), "at {at}");
            }
        }
    }

    #[test]
    fn earlier_commits_are_kept_while_there_is_room() {
        let long = "x".repeat(40 << 10);
        let mut kept_now = kept(&["now\n"]);
        kept_now.extend_with_earlier(kept(&["now\n", "then\n", &long, &format!("{long}y")]));
        assert_eq!(kept_now, kept(&["now\n", "then\n", &long]));
        let huge = commit(&"x".repeat(LONGEST));
        kept_now.add(huge.0, huge.1);
        assert_eq!(kept_now.find(&huge.0), None);
    }
}
