//! What must hold for any bytes at all, one function for each reader of foreign bytes.
//!
//! Each panics when a law is broken: about what reads, that it prints and reads back as the same; about memory, that
//! it is no more than the bytes are worth; about a journal, that no damage loses a frame that another one follows. The
//! fuzz targets call these with what libFuzzer finds, `tests/fuzz_corpus.rs` with the corpus and mutations of it.
//!
//! What comes from servers and lies in environments stands in files of its own: [`mod@pack`], [`mod@answers`],
//! [`mod@archive`], [`mod@environment`], [`mod@beyond`].

mod script;
mod pack;
mod answers;
mod archive;
mod environment;
mod beyond;

use std::{fs, path::Path, path::PathBuf};

use modstore::{
    ModuleName, Source, State,
    errors::JournalError,
    internals::commit::{Frame, FrameError, Journal, Record},
};
use modstore_core::{
    disk::Disk,
    model::{
        Declarations, GitTree, Lockfile, Manifest, add_module, digest_of, link_module,
        remove_module, unlink_module,
    },
};

pub use answers::answers;
pub use archive::archive;
pub use beyond::{batch, gitmodules, pointer};
pub use environment::environment;
pub use pack::pack;

/// Bytes of memory that a byte of input may cost: a record for each, at the worst.
const WORTH: u64 = 256;
/// Bytes of memory for nothing: errors, and one document.
const SPARE: u64 = 4096;

/// The result of `read`, which must not have had more memory at once than the bytes are worth.
fn frugally<T>(bytes: &[u8], read: impl FnOnce() -> T) -> T {
    let mut done = None;
    let used = allocation_counter::measure(|| done = Some(read()));
    let most = WORTH * bytes.len() as u64 + SPARE;
    assert!(used.bytes_max <= most, "{} bytes of memory for {}", used.bytes_max, bytes.len());
    done.expect("it was measured")
}

// ---- The journal.

/// A frame of this payload, records or not, that proves itself; and the hash the next one names.
fn sealed(sequence: u64, previous: [u8; 16], payload: &[u8]) -> (Vec<u8>, [u8; 16]) {
    let length = u32::try_from(payload.len()).expect("a fuzzer gives less");
    let told = [b"msj1".as_slice(), &length.to_le_bytes()].concat();
    let check = blake3::hash(&told);
    let head = [&told, check.as_bytes().get(..4).unwrap_or_default(), &sequence.to_le_bytes()];
    let body = [head.concat().as_slice(), &previous, payload].concat();
    let hash = blake3::hash(&body);
    let link = *hash.as_bytes().first_chunk::<16>().expect("a hash has 32 bytes");
    ([body.as_slice(), &link].concat(), link)
}

/// Bytes as they are, and as the payload of a frame.
pub fn records(bytes: &[u8]) {
    drop(frugally(bytes, || Frame::read(bytes).map(|(frame, ..)| frame)));
    let (framed, link) = sealed(1, [0; 16], bytes);
    match frugally(&framed, || Frame::read(&framed)) {
        Ok((frame, length, read_link)) => {
            assert_eq!((length, read_link), (framed.len(), link));
            let (again, _) = frame.to_bytes();
            let (read_again, ..) = Frame::read(&again).expect("what is printed can be read");
            assert_eq!(read_again, frame);
        }
        Err(FrameError::Records(_)) => {}
        Err(error) => panic!("it proves itself, and is refused: {error:?}"),
    }
}

/// The first bytes say what is done to the journal, the others are its frames: two bytes of length, then a payload.
pub fn journal(bytes: &[u8]) {
    let Some(([edit, at_low, at_high], frames)) = bytes.split_first_chunk::<3>() else { return };
    let (journal, ends, states) = chain(frames);
    let place = Place::new();
    let Some(sound) = place.read(&journal) else {
        // Some payload is no list of records: the journal is damaged just there, and was not cut.
        assert!(states.len() <= ends.len(), "sound frames are refused");
        return;
    };
    assert_eq!(Some(&sound), states.last(), "a sound journal adds up to all of its frames");

    let at = usize::from(u16::from_le_bytes([*at_low, *at_high])).min(journal.len());
    let (before, after) = journal.split_at(at);
    let damaged = match (edit % 4, after.split_first()) {
        (0, _) => before.to_vec(),
        (1, Some((first, rest))) => [before, &[first ^ (1 << (edit / 4 % 8))], rest].concat(),
        (2, Some((_, rest))) => [before, rest].concat(),
        (3, _) => [&journal, before].concat(),
        _ => [before, &[0], after].concat(),
    };
    // Frames that end before the damage are sound; one that begins behind it must not be lost.
    let same = journal.iter().zip(&damaged).take_while(|(one, other)| one == other).count();
    let sound = ends.iter().filter(|end| **end <= same).count();
    match place.read(&damaged) {
        Some(state) => {
            assert_eq!(
                Some(&state),
                states.get(sound),
                "it adds up to the frames before the damage"
            );
            let last = ends.len().saturating_sub(1);
            assert!(edit % 4 == 0 || sound >= last, "a later frame is lost");
        }
        None => assert_eq!(fs::read(place.path()).ok(), Some(damaged), "a damaged one is written"),
    }
}

/// The frames' bytes, where each ends, and what the first so many add up to, as far as they are records.
fn chain(mut payloads: &[u8]) -> (Vec<u8>, Vec<usize>, Vec<State>) {
    let (mut journal, mut ends, mut states) = (Vec::new(), Vec::new(), vec![State::default()]);
    let (mut previous, mut are_records) = ([0; 16], true);
    while let Some((length, rest)) = payloads.split_first_chunk::<2>() {
        let (payload, rest) =
            rest.split_at(usize::from(u16::from_le_bytes(*length)).min(rest.len()));
        payloads = rest;
        let (frame, link) = sealed(ends.len() as u64 + 1, previous, payload);
        previous = link;
        journal.extend_from_slice(&frame);
        ends.push(journal.len());
        let mut state = states.last().cloned().unwrap_or_default();
        match Frame::read(&frame) {
            Ok((frame, ..)) if are_records && begins_well(&frame, ends.len()) => {
                state.apply(frame);
                states.push(state);
            }
            _ => are_records = false,
        }
    }
    (journal, ends, states)
}

/// A checkpoint cancels everything before it, so only the very first record is one.
fn begins_well(frame: &Frame, number: usize) -> bool {
    let mut records = frame.records.iter().skip(usize::from(number == 1));
    !records.any(|record| matches!(record, Record::Checkpoint { .. }))
}

/// Where files cost no disk, if there is such a place.
pub(crate) fn memory_directory() -> PathBuf {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() }
}

/// A directory with a journal in it.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = tempfile::tempdir_in(memory_directory());
        Self(place.expect("a temporary directory can be made"))
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("journal")
    }

    /// What these bytes add up to for a reader, or none when they are damaged; and a writer sees it alike.
    fn read(&self, bytes: &[u8]) -> Option<State> {
        fs::write(self.path(), bytes).expect("a file can be written");
        let read = match Journal::state(&self.path()) {
            Ok(state) => Some(state),
            Err(JournalError::Corrupt { .. }) => None,
            Err(error) => panic!("{error:?}"),
        };
        let opened = Journal::open(&Disk::default(), &self.path()).map(|(_, state)| state).ok();
        assert_eq!(opened, read, "a writer sees another journal than a reader");
        if let Some(state) = &read {
            let left = Journal::state(&self.path()).expect("it was opened a moment ago");
            assert_eq!(left, *state, "opening changes what it adds up to");
        }
        read
    }
}

// ---- What people write.

/// A text as a module's source.
pub fn source(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let parse = |text: &str| Source::parse(text, Path::new("/base"), Some(Path::new("/home/me")));
    match frugally(bytes, || parse(text)) {
        Err(error) => {
            assert!(error.text.is_char_boundary(error.at), "{error:?} points nowhere");
            drop(error.to_string());
        }
        Ok(source) => {
            let bare = source.without_secret();
            assert!(!bare.has_secret(), "{bare:?} has a secret");
            assert_eq!(source.to_toml_text(), bare.to_string());
            assert_eq!(parse(&bare.to_string()), Ok(bare.clone()), "it does not read back");
            assert_eq!(source.origin(), bare.origin(), "the origin depends on a secret");
            if let Some(name) = ModuleName::guess_from(&source) {
                assert_eq!(name.to_string().parse(), Ok(name), "a name that is none");
            }
        }
    }
}

/// A text as `modules.toml`, and every edit of it.
pub fn declarations(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let parse =
        |text: &str| Declarations::parse(text, Path::new("/base"), Some(Path::new("/home/me")));
    let Ok(declared) = parse(text) else { return };
    let others = |declared: &Declarations, name: &ModuleName| -> Vec<String> {
        let others = declared.modules.iter().filter(|(each, _)| *each != name);
        others.map(|other| format!("{other:?}")).collect()
    };
    let new: ModuleName = "brand-new".parse().expect("it is a name");
    let added = Source::linked(Path::new("/live"));
    let names = declared.modules.keys().chain([&new]);
    for name in names {
        let rest = others(&declared, name);
        let check = |edited: &str| {
            let edited = parse(edited).unwrap_or_else(|error| panic!("{error:?} in {edited:?}"));
            assert_eq!(others(&edited, name), rest, "an edit of `{name}` changes another module");
            edited.get(name).cloned()
        };
        if let Ok(edited) = add_module(text, name, &added) {
            assert_eq!(check(&edited).map(|module| module.source), Some(added.clone()));
        }
        if let Ok(edited) = remove_module(text, name) {
            assert_eq!(check(&edited), None, "it is still there");
        }
        if let Ok(edited) = link_module(text, name, Path::new("/live")) {
            let linked = check(&edited).and_then(|module| module.linked);
            assert_eq!(linked.as_deref(), Some(Path::new("/live")));
        }
        if let Ok(edited) = unlink_module(text, name) {
            assert_eq!(check(&edited).and_then(|module| module.linked), None);
        }
    }
}

// ---- What the store writes for itself.

/// A text as `modules.lock`.
pub fn lockfile(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(lock) = Lockfile::parse(text) else { return };
    let printed = lock.print();
    assert_eq!(Lockfile::parse(&printed).as_ref(), Ok(&lock), "it does not read back");
    assert_eq!(lock.print(), printed);
}

/// Two bytes of length, a manifest of that length, and what git calls its files, of which the hash is made here.
pub fn manifest(bytes: &[u8]) {
    let Some((length, rest)) = bytes.split_first_chunk::<2>() else { return };
    let (list, git) = rest.split_at(usize::from(u16::from_le_bytes(*length)).min(rest.len()));
    let Ok(manifest) = frugally(list, || Manifest::from_bytes(list)) else { return };
    assert_eq!(manifest.to_bytes(), list, "two manifests of one tree");
    assert_eq!(manifest.digest(), digest_of(list));
    let files = manifest.files();
    assert!(files.iter().all(|file| manifest.find(file.path.as_ref()).is_some()));
    drop(GitTree::from_bytes(git, &manifest));
    let proven = [git, blake3::hash(git).as_bytes()].concat();
    if let Some(tree) = frugally(&proven, || GitTree::from_bytes(&proven, &manifest)) {
        assert_eq!(tree.to_bytes(), proven, "two ways to write one git tree");
    }
}
