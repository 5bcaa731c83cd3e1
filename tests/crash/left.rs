//! A home as a value: every name below it, with what stands there, so that two homes can be compared.
//!
//! What differs between two runs of the same is taken out: random names, the store's own identity, the texts of locks,
//! and of the journal the clock and the reason. The journal is compared as what it adds up to.
//!
//! Limits: times are compared in `entries/` only, where they are made of content. Of a mirror only what a killed fetch
//! may have left unfinished is listed: which packs it has depends on how often it was asked.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    os::unix::fs::MetadataExt as _,
    path::Path,
};

use modstore::Store;
use modstore_core::disk::Disk;

use crate::operation::open;

/// Ends the names under which the number of names of an entry's file is listed.
const SHARING: &str = " is shared";

/// Everything below a home, listed by name.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Left(BTreeMap<String, String>);

/// All of `home`, listed so that two equal runs give the same list.
pub(crate) fn left_in(home: &Path) -> Left {
    let mut left = BTreeMap::new();
    tell(home, home, &mut left);
    left.insert("journal".into(), journal(home));
    Left(left)
}

impl Left {
    /// What the journal is about: without the file that people edit, and the locks that came to be used.
    pub(crate) fn without_declarations(&self) -> Self {
        let mut rest = self.0.clone();
        rest.retain(|name, _| name != "modules.toml" && !name.starts_with("locks/"));
        Self(rest)
    }

    /// Without what depends on how often a repair was begun: how many names the files of entries have, since what is
    /// made again shares them with the files that are there, and the quarantine.
    pub(crate) fn without_repairs(&self) -> Self {
        let mut rest = self.0.clone();
        rest.retain(|name, _| !name.ends_with(SHARING) && !name.starts_with("quarantine/"));
        Self(rest)
    }

    /// Without what a cut of the power leaves or takes and no command needs: the journal's torn end, set aside, half a reserve, and
    /// locks, which are made where they are used.
    pub(crate) fn without_torn_ends(&self) -> Self {
        let mut rest = self.0.clone();
        rest.retain(|name, _| {
            name != "journal.RANDOM" && name != "reserve" && !name.starts_with("locks/")
        });
        Self(rest)
    }

    /// Without what depends on how often a reset was begun: each makes one more generation, and drops the earlier ones.
    pub(crate) fn without_numbers(&self) -> Self {
        let unnumbered = |text: &str| {
            let digits = |c: char| c.is_ascii_digit();
            match text.split_once("generations/") {
                Some((start, rest)) => {
                    format!("{start}generations/{}", rest.trim_start_matches(digits))
                }
                None => text.to_owned(),
            }
        };
        let rest = self.0.iter().filter(|(name, _)| *name != "journal");
        Self(rest.map(|(name, told)| (unnumbered(name), unnumbered(told))).collect())
    }

    /// Says what one has and the other has not.
    pub(crate) fn must_be(&self, other: &Self) -> Result<(), String> {
        let names: BTreeSet<_> = self.0.keys().chain(other.0.keys()).collect();
        let mut differences = String::new();
        for name in names {
            let (here, there) = (self.0.get(name), other.0.get(name));
            if here != there {
                let _ =
                    writeln!(differences, "{name}:\n  is        {here:?}\n  should be {there:?}");
            }
        }
        if differences.is_empty() { Ok(()) } else { Err(format!("left over:\n{differences}")) }
    }
}

fn tell(home: &Path, directory: &Path, left: &mut BTreeMap<String, String>) {
    for child in fs::read_dir(directory).unwrap().flatten() {
        let path = child.path();
        let meta = path.symlink_metadata().unwrap();
        let name = named(path.strip_prefix(home).unwrap());
        let mut told = format!("{:o}", meta.mode());
        if name.starts_with("entries/") {
            let _ = write!(told, " of {}", meta.mtime());
            left.insert(format!("{name}{SHARING}"), format!("{} names", meta.nlink()));
        }
        if meta.is_dir() {
            tell(home, &path, left);
        } else if meta.is_symlink() {
            let _ = write!(told, " -> {}", fs::read_link(&path).unwrap().display());
        } else {
            let _ = write!(told, " {}", content(&name, &path));
        }
        // Two random names are one here, so they are counted.
        // A store does without a reserve; half of one would be something left.
        let is_reserve = name == "reserve" && meta.len() == 256 * 1024;
        // It has times in it, and a store does without.
        let is_note = name == "verified" && meta.is_file();
        if !is_reserve && !is_note && !is_finished_in_a_mirror(&name) {
            left.entry(name).and_modify(|more| *more += " and one more").or_insert(told);
        }
    }
}

/// Whether the name lies in a bare repository, and is none that a fetch takes away again when it is done.
fn is_finished_in_a_mirror(name: &str) -> bool {
    let last = name.rsplit('/').next().unwrap_or_default();
    let within = name.starts_with("mirrors/") && name.matches('/').count() > 1;
    within && !last.contains("tmp") && !last.ends_with(".lock")
}

fn content(name: &str, path: &Path) -> String {
    let bytes = fs::read(path).unwrap();
    match name {
        "journal" => String::new(),
        "format.json" => {
            String::from_utf8_lossy(&bytes).replace(|c: char| c.is_ascii_hexdigit(), "")
        }
        lock if lock.starts_with("locks/") => "a lock".into(),
        _ if bytes.len() > 4096 => format!("{} bytes", bytes.len()),
        _ => bytes.escape_ascii().to_string(),
    }
}

/// What the journal adds up to, without clock and reasons.
fn journal(home: &Path) -> String {
    let store: Store = open(Disk::default(), home, None).unwrap();
    let state = store.state().unwrap();
    let generations: Vec<_> = state
        .generations()
        .iter()
        .map(|info| format!("{} {:?} {:?}", info.number, info.restores, info.changes))
        .collect();
    let waiting: Vec<_> =
        state.sightings().iter().map(|(module, it)| (module, &it.revision)).collect();
    format!("{generations:#?} {:#?} {waiting:#?} {:#?}", state.entries(), state.inputs())
}

/// The path with random names taken out.
fn named(path: &Path) -> String {
    let parts = path.components().map(|part| {
        let part = part.as_os_str().to_str().unwrap();
        let (stem, rest) =
            part.split_once(['.', '-']).map_or((part, ""), |(stem, rest)| (stem, rest));
        let is_random =
            |text: &str| text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        match (is_random(stem), is_random(rest.trim_start_matches("torn-"))) {
            (true, _) => format!("RANDOM.{rest}"),
            (_, true) => format!("{stem}.RANDOM"),
            _ => part.to_owned(),
        }
    });
    parts.collect::<Vec<_>>().join("/")
}
