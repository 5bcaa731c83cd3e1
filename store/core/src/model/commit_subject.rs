//! [`CommitSubject`]: what a commit says of itself in its first line, and in which order commits are named.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, BinaryHeap},
};

use super::{KeptCommits, Revision};

/// The longest subject, in characters.
const LONGEST: usize = 500;

/// A commit and the first line of its message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitSubject {
    /// The commit.
    pub revision: Revision,
    /// Its subject, as git has it: the lines up to the first empty one, joined; cut after 500 characters.
    pub subject: String,
}

impl KeptCommits {
    /// What this commit says of itself, and its parents; nothing if it is not kept.
    #[must_use]
    pub fn subject(&self, revision: Revision) -> Option<(CommitSubject, Vec<Revision>)> {
        let object = String::from_utf8_lossy(self.find(&revision.into())?);
        let (headers, message) = object.split_once("\n\n").unwrap_or((&object, ""));
        let parents = headers.lines().filter_map(|line| line.strip_prefix("parent ")?.parse().ok());
        Some((CommitSubject { revision, subject: subject(message) }, parents.collect()))
    }

    /// What `new` has come from since `old`, the newest first as `git log` has them, at most so many; and whether each of
    /// these is known to come from `old`.
    #[must_use]
    pub fn log(
        &self,
        new: Revision,
        old: Option<Revision>,
        most: usize,
    ) -> (Vec<CommitSubject>, bool) {
        let (mut log, mut seen) = (Vec::new(), BTreeSet::from_iter(old));
        let (mut queue, mut is_closed) = (BinaryHeap::new(), true);
        let mut enter = |queue: &mut BinaryHeap<_>, revision: Revision| {
            let Some(time) = self.time(revision) else { return seen.contains(&revision) };
            if seen.insert(revision) {
                queue.push((time, Reverse(seen.len()), revision));
            }
            true
        };
        is_closed &= enter(&mut queue, new);
        while let Some((_, _, revision)) = queue.pop() {
            if log.len() == most {
                return (log, false);
            }
            let Some((commit, parents)) = self.subject(revision) else { continue };
            log.push(commit);
            // What comes from nothing may be where `old` comes from too.
            is_closed &= !parents.is_empty();
            for parent in parents {
                is_closed &= enter(&mut queue, parent);
            }
        }
        (log, is_closed)
    }

    /// When a commit says that it was committed, in seconds since 1970.
    fn time(&self, revision: Revision) -> Option<i64> {
        let object = String::from_utf8_lossy(self.find(&revision.into())?);
        let headers = object.split("\n\n").next().unwrap_or_default();
        let line = headers.lines().find_map(|line| line.strip_prefix("committer "));
        let time = line.and_then(|line| line.rsplit(' ').nth(1)?.parse().ok());
        Some(time.unwrap_or_default())
    }
}

fn subject(message: &str) -> String {
    let lines = message.lines().map(str::trim).skip_while(|line| line.is_empty());
    let lines: Vec<&str> = lines.take_while(|line| !line.is_empty()).collect();
    let joined = lines.join(" ");
    match joined.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", joined.get(..end).unwrap_or_default()),
        None => joined,
    }
}

#[cfg(test)]
mod tests {
    use gix::objs::Kind;

    use super::*;

    #[test]
    fn a_subject_is_what_git_takes_for_one_whatever_is_in_the_message() {
        for (message, expected) in [
            ("Fix it\n\nBecause.\n", "Fix it"),
            ("\n \nTwo\nlines  \n\nmore", "Two lines"),
            ("", ""),
            ("parent of all", "parent of all"),
        ] {
            assert_eq!(subject(message), expected, "{message:?}");
        }
        assert_eq!(subject(&"ü".repeat(600)).chars().count(), LONGEST + 1);
    }

    #[test]
    fn parents_are_those_of_the_headers_only() {
        let (one, two) = ("1".repeat(40), "2".repeat(40));
        let tree = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
        let text = format!(
            "tree {tree}\nparent {one}\nparent {two}\nauthor a <a> 0 +0000\n\nparent {tree}\n"
        );
        let object = [text.as_bytes(), b"\xff"].concat();
        let id = gix::objs::compute_hash(gix::hash::Kind::Sha1, Kind::Commit, &object).unwrap();
        let mut kept = KeptCommits::default();
        kept.add(id, object);
        let (said, parents) = kept.subject(id.into()).unwrap();
        assert_eq!(parents, [one.parse().unwrap(), two.parse().unwrap()]);
        assert_eq!(said.subject, format!("parent {tree} \u{fffd}"));
        assert_eq!(kept.subject(Revision::from_bytes([7; 20])), None);
    }

    /// Adds a commit of this time, with these parents.
    fn add(kept: &mut KeptCommits, time: u32, parents: &[Revision]) -> Revision {
        let parents: String = parents.iter().map(|parent| format!("parent {parent}\n")).collect();
        let text = format!(
            "tree {}\n{parents}author a <a> 9 +0000\ncommitter a <a> {time} +0100\n\n{time}\n",
            "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
        );
        let id = gix::objs::compute_hash(gix::hash::Kind::Sha1, Kind::Commit, text.as_bytes());
        let id = id.unwrap();
        kept.add(id, text.into_bytes());
        id.into()
    }

    #[test]
    fn a_log_has_both_sides_of_a_merge_by_their_time_and_says_whether_it_is_whole() {
        let mut kept = KeptCommits::default();
        let old = Revision::from_bytes([7; 20]);
        let left = add(&mut kept, 10, &[old]);
        let right = add(&mut kept, 20, &[old]);
        let later = add(&mut kept, 30, &[left]);
        let merge = add(&mut kept, 40, &[right, later]);
        let seen = |most, old| {
            let (log, is_whole) = kept.log(merge, Some(old), most);
            (log.into_iter().map(|it| it.subject).collect::<Vec<_>>().join(" "), is_whole)
        };
        assert_eq!(seen(9, old), ("40 30 20 10".into(), true));
        assert_eq!(seen(4, old), ("40 30 20 10".into(), true));
        assert_eq!(seen(3, old), ("40 30 20".into(), false), "there is another");
        assert_eq!(seen(9, left), ("40 30 20".into(), false), "one side does not come from there");
        assert_eq!(seen(9, merge), (String::new(), true));
        assert_eq!(kept.log(old, Some(merge), 9), (Vec::new(), false), "it is not there");
        let first = add(&mut kept, 1, &[]);
        let (log, is_whole) = kept.log(first, Some(old), 9);
        assert_eq!((log.len(), is_whole), (1, false), "`old` may come from it");
    }
}
