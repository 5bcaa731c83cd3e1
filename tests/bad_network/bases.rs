//! The previous entry, damaged while it serves as what a thin pack is thin against: the update succeeds whole.
//!
//! Limits: trees over 32 MiB are read in slices, and stand in `tests/rot.rs`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::day::Day;

/// A file that the new commit keeps, and one that it changes by a delta.
const FILES: [&str; 2] = ["README", "deep/lines"];

/// Damages what generation 1 shows, updates, and lets the new generation be what git has.
#[track_caller]
fn survives(damage: impl Fn(&Path)) {
    for file in FILES {
        let day = Day::begun();
        let entry = fs::canonicalize(day.home.target("troubled")).expect("the module is there");
        let path = entry.join(file);
        writable(path.parent().expect("a file has a directory"));
        damage(&path);
        let ran = day.succeeds();
        let warnings = ran.json()["warnings"].to_string();
        assert!(
            warnings.contains("the whole tree was fetched"),
            "{file}: it is not reported: {ran:?}"
        );
        assert!(warnings.contains(file), "{file}: {ran:?}");
    }
}

/// Damages what is kept beside the entries of generation 1.
#[track_caller]
fn survives_beside(ending: &str, damage: impl Fn(&Path)) {
    let day = Day::begun();
    let entry = fs::canonicalize(day.home.target("troubled")).expect("the module is there");
    let digest = entry.file_name().expect("an entry has a name").to_string_lossy().into_owned();
    let path = day.home.path().join("manifests").join(format!("{digest}{ending}"));
    assert!(path.is_file(), "{}", path.display());
    writable(path.parent().expect("a file has a directory"));
    damage(&path);
    day.succeeds();
}

#[test]
fn a_truncated_file_of_the_base_is_fetched_again() {
    survives(truncate);
}

#[test]
fn a_flipped_bit_of_the_base_is_fetched_again() {
    survives(flip);
}

#[test]
fn a_deleted_file_of_the_base_is_fetched_again() {
    survives(delete);
}

#[test]
fn a_directory_in_place_of_a_file_of_the_base_is_fetched_around() {
    survives(|path| {
        delete(path);
        fs::create_dir(path).unwrap();
    });
}

#[test]
fn a_link_in_place_of_a_file_of_the_base_is_not_followed() {
    survives(|path| {
        let aside = path.with_extension("aside");
        fs::rename(path, &aside).unwrap();
        std::os::unix::fs::symlink(&aside, path).unwrap();
    });
}

#[test]
fn a_base_whose_tree_is_gone_is_fetched_again() {
    let day = Day::begun();
    let entry = fs::canonicalize(day.home.target("troubled")).unwrap();
    fs::remove_dir_all(entry).unwrap();
    day.succeeds();
}

#[test]
fn a_damaged_manifest_is_no_base() {
    survives_beside("", truncate);
    survives_beside("", flip);
    survives_beside("", delete);
}

#[test]
fn damaged_git_ids_are_no_base() {
    survives_beside(".git", truncate);
    survives_beside(".git", flip);
    survives_beside(".git", delete);
}

fn truncate(path: &Path) {
    writable(path);
    fs::OpenOptions::new().write(true).open(path).and_then(|file| file.set_len(3)).unwrap();
}

fn flip(path: &Path) {
    writable(path);
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

fn delete(path: &Path) {
    fs::remove_file(path).unwrap();
}

/// The store makes everything read-only, which stops a person but not a disk.
fn writable(path: &Path) {
    let mode = if path.is_dir() { 0o755 } else { 0o644 };
    fs::set_permissions(PathBuf::from(path), fs::Permissions::from_mode(mode)).unwrap();
}
