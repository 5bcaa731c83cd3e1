//! What this host remembers of servers from one run to the next: whose listing is too long to be asked for whole.
//!
//! A cache beside the repository that configuration is read through, a hash of an address a line. Nothing is lost when it
//! goes: the server is asked once more. Limits: an address is never forgotten by itself, as version 2, in which it is
//! asked then, does for a short listing too.

use std::{
    collections::BTreeSet,
    fs::OpenOptions,
    io::Write as _,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use modstore_core::disk::{open_own, read_whole};

use super::git_config::LONG_LISTINGS;

/// With more addresses than this the list starts from empty.
const MOST: usize = 10_000;
/// More bytes than this are nothing that we wrote.
const LARGEST: u64 = 1 << 20;

/// The addresses, by their hash.
#[derive(Debug)]
pub(crate) struct LongListings {
    /// Nothing where there is no place that lasts.
    file: Option<PathBuf>,
    known: Mutex<BTreeSet<String>>,
}

impl LongListings {
    /// What is remembered in this directory.
    pub(crate) fn read(place: Option<&Path>) -> Self {
        let file = place.map(|place| place.join(LONG_LISTINGS));
        let known = Mutex::new(file.as_deref().map(lines).unwrap_or_default());
        Self { file, known }
    }

    /// Whether the listing at this address, redacted, is known to be long.
    pub(crate) fn contains(&self, address: &str) -> bool {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).contains(&hash(address))
    }

    /// Remembers that it is.
    pub(crate) fn add(&self, address: &str) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(hash(address));
        if let Some(file) = &self.file {
            // Where nothing can be written, the next run finds it out again.
            let _ = add_to(file, &known);
        }
    }
}

/// Hashed, because an address itself may be private.
fn hash(address: &str) -> String {
    blake3::hash(address.as_bytes()).to_hex().to_string()
}

fn lines(file: &Path) -> BTreeSet<String> {
    let bytes =
        open_own(file, OpenOptions::new().read(true)).and_then(|file| read_whole(&file, LARGEST));
    let text = String::from_utf8(bytes.unwrap_or_default()).unwrap_or_default();
    text.lines().filter(|line| line.len() == 64).take(MOST).map(str::to_owned).collect()
}

/// Replaces the file by one that also has what others have added meanwhile.
fn add_to(file: &Path, known: &BTreeSet<String>) -> std::io::Result<()> {
    let mut all = lines(file);
    if all.len() >= MOST {
        all.clear();
    }
    all.extend(known.iter().cloned());
    let place = file.parent().unwrap_or(Path::new("."));
    let mut new = tempfile::NamedTempFile::new_in(place)?;
    all.iter().try_for_each(|line| writeln!(new, "{line}"))?;
    new.persist(file).map(drop).map_err(|error| error.error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_processes_learn_is_known_to_the_third() {
        let place = tempfile::tempdir().unwrap();
        let one = LongListings::read(Some(place.path()));
        let two = LongListings::read(Some(place.path()));
        one.add("https://h/one");
        two.add("https://h/two");
        let three = LongListings::read(Some(place.path()));
        assert!(three.contains("https://h/one") && three.contains("https://h/two"));
        assert!(!three.contains("https://h/three"));
        let text = std::fs::read_to_string(place.path().join(LONG_LISTINGS)).unwrap();
        assert!(!text.contains("h/"), "no address is written down: {text}");
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 1, "nothing else is left");
    }

    #[test]
    fn a_file_that_makes_no_sense_and_a_place_that_is_not_there_are_no_trouble() {
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join(LONG_LISTINGS), b"\xff\nnonsense\n").unwrap();
        for place in [Some(place.path()), Some(Path::new("/nonexistent")), None] {
            let memory = LongListings::read(place);
            assert!(!memory.contains("a"));
            memory.add("a");
            assert!(memory.contains("a"));
        }
    }
}
