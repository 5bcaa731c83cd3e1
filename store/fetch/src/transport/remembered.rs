//! What this host remembers of servers from one run to the next: whose listing is too long to be asked for whole, and what a
//! login has opened.
//!
//! Files beside the repository that configuration is read through, a hash of an address a line. Limits: an address is never
//! forgotten by itself. For a long listing that does no harm: version 2, in which it is asked then, does for a short one too.
//! What a login has opened stays private until the file is deleted.

use std::{
    collections::BTreeSet,
    fmt::Display,
    fs::OpenOptions,
    io::Write as _,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use modstore_core::disk::{open_own, read_whole};

/// With more addresses than this a list of long listings starts from empty, and one of what is private holds for everything.
const MOST: usize = 10_000;
/// More bytes than this are nothing that we wrote.
const LARGEST: u64 = 1 << 20;

/// The addresses, by their hash.
#[derive(Debug, Default)]
pub(crate) struct Remembered {
    /// Nothing where there is no place that lasts.
    file: Option<PathBuf>,
    known: Mutex<BTreeSet<String>>,
}

impl Remembered {
    /// What is remembered in this directory under this name.
    pub(crate) fn read(place: Option<&Path>, name: &str) -> Self {
        let file = place.map(|place| place.join(name));
        let known = Mutex::new(file.as_deref().map(lines).unwrap_or_default());
        Self { file, known }
    }

    /// Whether this address, redacted, is one of them.
    pub(crate) fn contains(&self, address: &str) -> bool {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).contains(&hash(address))
    }

    /// The same, where it is safer to say yes: also when there were too many to be remembered.
    pub(crate) fn may_contain(&self, address: &str) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.len() >= MOST || known.contains(&hash(address))
    }

    /// Remembers it, unless it is or there are too many.
    pub(crate) fn add_for_good(&self, address: &str) {
        let is_new = {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.len() < MOST && !known.contains(&hash(address))
        };
        if is_new {
            self.add(address);
        }
    }

    /// Remembers it.
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
pub(super) fn hash(address: &str) -> String {
    blake3::hash(address.as_bytes()).to_hex().to_string()
}

/// What such a file holds; nothing where it is not there, or is not ours.
pub(super) fn text_in(file: &Path) -> String {
    let bytes =
        open_own(file, OpenOptions::new().read(true)).and_then(|file| read_whole(&file, LARGEST));
    String::from_utf8(bytes.unwrap_or_default()).unwrap_or_default()
}

/// Replaces such a file by one of these lines.
pub(super) fn replace(
    file: &Path,
    lines: impl IntoIterator<Item = impl Display>,
) -> std::io::Result<()> {
    let place = file.parent().unwrap_or(Path::new("."));
    let mut new = tempfile::NamedTempFile::new_in(place)?;
    lines.into_iter().try_for_each(|line| writeln!(new, "{line}"))?;
    new.persist(file).map(drop).map_err(|error| error.error)
}

fn lines(file: &Path) -> BTreeSet<String> {
    let text = text_in(file);
    text.lines().filter(|line| line.len() == 64).take(MOST).map(str::to_owned).collect()
}

/// Replaces the file by one that also has what others have added meanwhile.
fn add_to(file: &Path, known: &BTreeSet<String>) -> std::io::Result<()> {
    let mut all = lines(file);
    if all.len() >= MOST {
        all.clear();
    }
    all.extend(known.iter().cloned());
    replace(file, all)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG_LISTINGS: &str = "long-listings";

    #[test]
    fn what_two_processes_learn_is_known_to_the_third() {
        let place = tempfile::tempdir().unwrap();
        let one = Remembered::read(Some(place.path()), LONG_LISTINGS);
        let two = Remembered::read(Some(place.path()), LONG_LISTINGS);
        one.add("https://h/one");
        two.add("https://h/two");
        let three = Remembered::read(Some(place.path()), LONG_LISTINGS);
        assert!(three.contains("https://h/one") && three.contains("https://h/two"));
        assert!(!three.contains("https://h/three"));
        let text = std::fs::read_to_string(place.path().join(LONG_LISTINGS)).unwrap();
        assert!(!text.contains("h/"), "no address is written down: {text}");
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 1, "nothing else is left");
    }

    #[test]
    fn what_is_private_stays_so_when_there_is_too_much_of_it() {
        let place = tempfile::tempdir().unwrap();
        let private = Remembered::read(Some(place.path()), "logins");
        private.add_for_good("h/one");
        assert!(private.may_contain("h/one") && !private.may_contain("h/two"));
        let many: String = (0..MOST).map(|number| hash(&number.to_string()) + "\n").collect();
        std::fs::write(place.path().join("logins"), many).unwrap();
        let private = Remembered::read(Some(place.path()), "logins");
        private.add_for_good("h/one");
        assert!(private.may_contain("h/one") && private.may_contain("h/two"));
    }

    #[test]
    fn a_file_that_makes_no_sense_and_a_place_that_is_not_there_are_no_trouble() {
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join(LONG_LISTINGS), b"\xff\nnonsense\n").unwrap();
        for place in [Some(place.path()), Some(Path::new("/nonexistent")), None] {
            let memory = Remembered::read(place, LONG_LISTINGS);
            assert!(!memory.contains("a"));
            memory.add("a");
            assert!(memory.contains("a"));
        }
    }
}
