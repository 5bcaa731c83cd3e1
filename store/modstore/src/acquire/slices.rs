//! Large trees are read in slices: at each update that links files of one, the files that were read the longest time ago, for a
//! twentieth of the time that the update took so far. After some updates every file has been read, and the next round begins.
//!
//! A slice is read before anything leads to the tree. Files go by their paths; one that is linked to another path was read when
//! it was linked.

use std::{
    os::unix::fs::MetadataExt as _,
    path::Path,
    time::{Duration, Instant},
};

use gix::bstr::{BString, ByteSlice as _};

use crate::{
    disk::{has_content, place},
    model::{FileKind, Manifest, Round, TreeFile, Verified},
};

/// What part of the time is spent on reading.
const PART: u32 = 20;

/// Bytes that are read and hashed in a microsecond, as it is estimated before a file is begun.
const BYTES: u64 = 200;

/// Reads the next slice of the tree at `root`, whose making took so long, from where it stood `before`. Returns how it stands
/// then, or the file that is damaged.
pub(super) fn read_slice(
    root: &Path,
    manifest: &Manifest,
    before: Verified,
    (took, now): (Duration, u64),
) -> Result<Verified, BString> {
    let first = || Round { begun: now, after: BString::default(), left: 0 };
    let mut round = before.round.unwrap_or_else(first);
    let (allowed, begun) = (round.left.saturating_add(micros(took / PART)), Instant::now());
    let used = || micros(begun.elapsed());
    let files = manifest.files();
    // Before the first of all paths is the empty one, which is no path.
    let start = files.partition_point(|file| file.path <= round.after);
    for file in files.get(start..).unwrap_or_default() {
        if used().saturating_add(estimate(file)) > allowed {
            round.left = allowed.saturating_sub(used());
            return Ok(Verified { since: before.since, round: Some(round) });
        }
        if is_shared(root, file) && !has_content(root, file) {
            return Err(file.path.clone());
        }
        round.after.clone_from(&file.path);
    }
    Ok(Verified::at(round.begun))
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

fn estimate(file: &TreeFile) -> i64 {
    i64::try_from(file.size / BYTES).unwrap_or(i64::MAX)
}

/// Whether the file has another name. One that has not was written just now.
fn is_shared(root: &Path, file: &TreeFile) -> bool {
    let meta = place(root, file.path.as_bstr()).symlink_metadata();
    file.kind != FileKind::Symlink && meta.is_ok_and(|meta| meta.nlink() > 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ContentHash;

    /// A tree of so many shared files of a kilobyte.
    fn tree(at: &Path, files: u32) -> Manifest {
        let root = at.join("tree");
        std::fs::create_dir(&root).unwrap();
        let files = (0..files).map(|number| {
            let (name, text) = (format!("{number:03}"), vec![b'a'; 1024]);
            std::fs::write(at.join(&name), &text).unwrap();
            std::fs::hard_link(at.join(&name), root.join(&name)).unwrap();
            let content = ContentHash::of(&text);
            TreeFile { path: name.into(), kind: FileKind::File, size: 1024, content }
        });
        Manifest::new(files.collect()).unwrap()
    }

    #[test]
    fn rounds_go_on_where_they_stopped_until_every_file_was_read() {
        let at = tempfile::tempdir().unwrap();
        let (manifest, root) = (tree(at.path(), 100), at.path().join("tree"));
        let slice = |before, took: u64, now| {
            read_slice(&root, &manifest, before, (Duration::from_micros(took), now)).unwrap()
        };
        let first = slice(Verified::at(3), 0, 10);
        let round = first.round.clone().unwrap();
        assert_eq!((first.since, round.begun, round.after), (3, 10, BString::default()));
        // What was not used is left for the next time: at some point there is enough for a file.
        let (mut stands, mut slices) = (first, 0_u32);
        while stands.round.is_some() {
            let before = stands.round.clone().unwrap().after;
            stands = slice(stands, 600, 20);
            assert!(stands.round.as_ref().is_none_or(|round| round.after >= before));
            slices += 1;
            assert!(slices < 100_000);
        }
        assert_eq!(stands, Verified::at(10), "the round began at 10");
        assert!(slices > 2, "it took more than one slice");
    }

    #[test]
    fn a_rotten_file_is_found_when_its_turn_comes_and_one_that_was_written_now_is_not_read() {
        let at = tempfile::tempdir().unwrap();
        let (manifest, root) = (tree(at.path(), 3), at.path().join("tree"));
        let all = |before| read_slice(&root, &manifest, before, (Duration::from_secs(60), 10));
        std::fs::write(at.path().join("001"), vec![b'b'; 1024]).unwrap();
        assert_eq!(all(Verified::at(3)), Err("001".into()));
        let after = Round { begun: 5, after: "001".into(), left: 0 };
        assert_eq!(all(Verified { since: 3, round: Some(after) }), Ok(Verified::at(5)));
        std::fs::remove_file(at.path().join("001")).unwrap();
        assert_eq!(all(Verified::at(3)), Ok(Verified::at(10)));
    }
}
