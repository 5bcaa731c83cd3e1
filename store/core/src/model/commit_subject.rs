//! [`CommitSubject`]: what a commit says of itself in its first line.

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
}
