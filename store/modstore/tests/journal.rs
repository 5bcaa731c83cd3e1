//! The journal against every damage that a disk, a crash or a person can do to it: what it says is a prefix of what
//! was written, or it says that it is damaged, and whatever its bytes are, it allocates no more than they are worth.
//!
//! Limits: the switch, which tells a lost last frame from a torn one, is asked in the last tests only; which bytes a
//! power cut leaves is tested on real file systems elsewhere.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers panic, and that is how a test fails"
)]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use modstore::{
    Cancel, Digest, Generation, Options, Silent, State, Store,
    errors::{AddError, JournalError, UpdateError},
    internals::commit::{BeginError, Frame, FrameError, Journal, Record, shown},
};
use modstore_core::{
    disk::Disk,
    model::{
        Attempt, Binding, Bound, Built, BuiltInput, Class, Exposure, Fetched, Hold, InputOutput,
        Kept, KeptPath, MadeFrom, RecordedSource, Sighting, Stage,
    },
};

/// What `read` may allocate for each byte it is given, and for none: a record in memory for each.
const WORTH: u64 = 256;
/// For the errors themselves.
const SPARE: u64 = 1024;

fn kind(record: &Record) -> &'static str {
    // A new kind of record is to be added to the sample, too.
    match record {
        Record::Entered { .. } => "entered",
        Record::Generation { restores: None, .. } => "generation",
        Record::Generation { restores: Some(_), .. } => "rollback",
        Record::Bound { binding, .. } => match &binding.bound {
            Bound::Entry { fetched: Some(_), .. } => "fetched",
            Bound::Entry { fetched: None, .. } => "entry",
            Bound::Linked { .. } => "linked",
            Bound::Built(_) => "built",
            Bound::Kept(_) => "kept",
        },
        Record::Unbound { .. } => "unbound",
        Record::Retired { .. } => "retired",
        Record::Forgotten { .. } => "forgotten",
        Record::Checkpoint { .. } => "checkpoint",
        Record::Attempted { .. } => "attempted",
        Record::Cleared { .. } => "cleared",
        Record::Held { .. } => "held",
        Record::Released { .. } => "released",
        Record::Exposed { .. } => "exposed",
        Record::Unexposed { .. } => "unexposed",
        Record::Sighted { .. } => "sighted",
        Record::Unsighted { .. } => "unsighted",
        Record::Inputs { .. } => "inputs",
        Record::BuiltOn { .. } => "built_on",
    }
}

/// Every kind of record, as they may follow each other. `seed` makes those of another journal others.
fn every_record(seed: u8) -> Vec<Record> {
    let digest = Digest::from_bytes([seed; 32]);
    let fetched = Fetched {
        origin: "example.com/o/r".parse().unwrap(),
        reference: Some("refs/heads/main".into()),
        revision: "0123456789abcdef0123456789abcdef01234567".parse().unwrap(),
    };
    let bound = |module: &str, bound| Record::Bound {
        module: module.parse().unwrap(),
        binding: Binding { source: source(seed), bound },
    };
    let entry = |subdirectory: Option<&str>, fetched| Bound::Entry {
        digest,
        subdirectory: subdirectory.map(|below| below.parse().unwrap()),
        fetched,
    };
    let generation = |number, restores| Record::Generation {
        number,
        at: 1_790_000_000_000 + u64::from(seed),
        reason: "update".into(),
        restores,
    };
    vec![
        Record::Checkpoint { at: 1_790_000_000_000, reason: "gc".into() },
        Record::Entered { digest, files: 3, bytes: 70_000 },
        generation(Generation::FIRST, None),
        bound("a", entry(Some("modules/a"), Some(fetched))),
        bound("b", entry(None, None)),
        generation(Generation::FIRST.next(), Some(Generation::FIRST)),
        bound("c", Bound::Linked { path: "/home/me/c".into() }),
        Record::Unbound { module: "a".parse().unwrap() },
        Record::Retired { number: Generation::FIRST },
        Record::Forgotten { digest },
        bound("d", built(digest)),
        attempted(seed),
        Record::Cleared { module: "b".parse().unwrap() },
        Record::Held {
            module: "a".parse().unwrap(),
            hold: Hold { at: 1_790_000_000_000 + u64::from(seed), reason: "modstore hold".into() },
        },
        Record::Released { module: "b".parse().unwrap() },
        Record::Exposed {
            place: format!("/host/{seed}").as_str().into(),
            exposure: Exposure { module: "a".parse().unwrap(), text: "/s/current/a".into() },
        },
        Record::Unexposed { place: "/host/b".into() },
        bound("e", kept(digest)),
        Record::Sighted {
            module: "a".parse().unwrap(),
            sighting: Sighting {
                source: source(seed),
                revision: "0123456789abcdef0123456789abcdef01234567".parse().unwrap(),
                at: 1_790_000_000_000 + u64::from(seed),
            },
        },
        Record::Unsighted { module: "b".parse().unwrap() },
        inputs(seed),
        Record::BuiltOn {
            digest,
            key: digest,
            platform: "linux-x86_64-musl-1.2.3".parse().unwrap(),
        },
    ]
}

fn source(seed: u8) -> RecordedSource {
    RecordedSource::read(format!("git+https://example.com/o/r@v{seed}"))
}

fn built(digest: Digest) -> Bound {
    let from = MadeFrom::Entry { digest, subdirectory: None, fetched: None };
    Bound::Built(Box::new(Built { digest, from, key: digest, read: vec!["a".into()] }))
}

fn kept(digest: Digest) -> Bound {
    let paths = vec![KeptPath { path: "user".parse().unwrap(), is_directory: true }];
    let (subdirectory, fetched) = (None, None);
    Bound::Kept(Box::new(Kept { digest, source: digest, subdirectory, fetched, paths }))
}

fn inputs(seed: u8) -> Record {
    let Record::Attempted { module, attempt } = attempted(seed) else { panic!("an attempt") };
    let digest = Digest::from_bytes([seed; 32]);
    let (paths, read) = (vec!["a.js".into()], vec!["b.ts".into()]);
    let output = InputOutput { key: digest, entry: digest, paths, read };
    let path = format!("src/{seed}.ts");
    let inputs = vec![BuiltInput { path, outputs: vec![output], attempt: Some(attempt) }];
    Record::Inputs { module, inputs }
}

fn attempted(seed: u8) -> Record {
    let attempt = Attempt {
        source: source(seed),
        revision: None,
        conditions: Some(Digest::from_bytes([seed; 32])),
        class: Class::Transient,
        stage: Stage::Fetch,
        error: "could not fetch from https://example.com/o/r".into(),
        causes: vec!["the connection broke off".into()],
        count: 1,
        first: 1_790_000_000_000,
        last: 1_790_000_000_000,
        not_before: 1_790_000_005_000,
    };
    Record::Attempted { module: "b".parse().unwrap(), attempt: Box::new(attempt) }
}

/// A journal of one frame for each of these, in a directory of its own.
struct Scene {
    place: tempfile::TempDir,
    frames: Vec<Vec<u8>>,
    /// What the first so many frames add up to.
    states: Vec<State>,
}

impl Scene {
    fn new(seed: u8) -> Self {
        let memory = if Path::new("/dev/shm").is_dir() { "/dev/shm" } else { "/tmp" };
        let mut scene = Self {
            place: tempfile::tempdir_in(memory).unwrap(),
            frames: Vec::new(),
            states: vec![State::default()],
        };
        // It has been compacted: its first frame goes on with the count and the chain of the journal before.
        let mut previous = [seed; 16];
        for (record, sequence) in every_record(seed).into_iter().zip(40..) {
            let frame = Frame { sequence, previous, records: vec![record] };
            let (bytes, link) = frame.to_bytes();
            let mut state = scene.states.last().unwrap().clone();
            state.apply(frame);
            previous = link;
            scene.frames.push(bytes);
            scene.states.push(state);
        }
        scene
    }

    fn path(&self) -> PathBuf {
        self.place.path().join("journal")
    }

    fn bytes(&self) -> Vec<u8> {
        self.frames.concat()
    }

    /// Where each frame begins, and where the last ends.
    fn starts(&self) -> Vec<usize> {
        let mut at = 0;
        let ends = self.frames.iter().map(|frame| {
            at += frame.len();
            at
        });
        std::iter::once(0).chain(ends.collect::<Vec<_>>()).collect()
    }

    /// What a reader makes of these bytes: so many frames, or damage at a byte.
    fn read(&self, bytes: &[u8]) -> Result<usize, usize> {
        fs::write(self.path(), bytes).unwrap();
        match Journal::state(&self.path()) {
            Ok(state) => {
                let known = self.states.iter().position(|known| *known == state);
                Ok(known.expect("it adds up to something that was never there"))
            }
            Err(JournalError::Corrupt { at, .. }) => Err(at),
            Err(error) => panic!("{error:?}"),
        }
    }

    /// Lets a writer open it, and gives what was put aside.
    fn open(&self) -> Result<Vec<Vec<u8>>, JournalError> {
        let done = Journal::open(&Disk::default(), &self.path()).map(drop);
        let asides: Vec<PathBuf> = fs::read_dir(self.place.path())
            .unwrap()
            .map(|child| child.unwrap().path())
            .filter(|path| *path != self.path())
            .collect();
        let bytes = asides.iter().map(|path| fs::read(path).unwrap()).collect();
        asides.iter().for_each(|path| fs::remove_file(path).unwrap());
        done.map(|()| bytes)
    }

    /// A damaged journal is read as damaged at this byte, and no writer touches it.
    fn assert_damaged(&self, bytes: &[u8], at: usize, what: &str) {
        assert_eq!(self.read(bytes), Err(at), "{what}");
        assert!(self.open().is_err(), "{what}");
        assert_eq!(fs::read(self.path()).unwrap(), bytes, "{what}: another process wrote to it");
    }

    /// A journal with a torn end is read up to it, and the next writer puts the end aside.
    fn assert_torn(&self, bytes: &[u8], frames: usize, what: &str) {
        let whole = self.frames[..frames].concat();
        assert_eq!(self.read(bytes), Ok(frames), "{what}");
        let aside = self.open().unwrap();
        assert_eq!(fs::read(self.path()).unwrap(), whole, "{what}");
        let torn = &bytes[whole.len()..];
        assert_eq!(aside.concat(), torn, "{what}: what is cut off is kept");
    }
}

#[test]
fn the_sample_has_every_kind_of_record() {
    let kinds: BTreeSet<_> = every_record(1).iter().map(kind).collect();
    assert_eq!(kinds.len(), every_record(1).len());
}

#[test]
fn a_flipped_bit_of_any_frame_but_the_last_is_damage_and_of_the_last_a_torn_end() {
    let scene = Scene::new(1);
    let (bytes, starts) = (scene.bytes(), scene.starts());
    let last = scene.frames.len() - 1;
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let frame = starts.iter().rposition(|start| *start <= bit / 8).unwrap();
        let what = format!("bit {bit}, in frame {frame}");
        match frame == last {
            true => scene.assert_torn(&flipped, last, &what),
            false => scene.assert_damaged(&flipped, starts[frame], &what),
        }
    }
    println!("{} bits of {} frames", bytes.len() * 8, scene.frames.len());
}

#[test]
fn a_journal_cut_anywhere_has_the_frames_before_the_cut() {
    let scene = Scene::new(1);
    let (bytes, starts) = (scene.bytes(), scene.starts());
    for end in 0..=bytes.len() {
        let frames = starts.iter().rposition(|start| *start <= end).unwrap();
        scene.assert_torn(&bytes[..end], frames, &format!("cut at {end}"));
    }
    println!("{} cuts", bytes.len() + 1);
}

#[test]
fn a_hole_anywhere_before_the_last_frame_is_damage() {
    // As a file system leaves it that loses a block: zeros, or nothing, where bytes were.
    let scene = Scene::new(1);
    let (bytes, starts) = (scene.bytes(), scene.starts());
    let last = scene.frames.len() - 1;
    for from in 0..starts[last] {
        for length in [1, 7, 16, 100, 400] {
            let to = (from + length).min(starts[last]);
            let frame = starts.iter().rposition(|start| *start <= from).unwrap();
            let what = format!("{from}..{to}");
            let zeroed = [&bytes[..from], &vec![0; to - from], &bytes[to..]].concat();
            if zeroed != bytes {
                let read = scene.read(&zeroed);
                assert!(read.is_err_and(|at| at >= starts[frame]), "zeros at {what}: {read:?}");
            }
            let shortened = [&bytes[..from], &bytes[to..]].concat();
            let read = scene.read(&shortened);
            assert!(read.is_err_and(|at| at >= starts[frame]), "nothing at {what}: {read:?}");
        }
    }
}

#[test]
fn frames_in_any_other_order_are_damage() {
    let scene = Scene::new(1);
    let count = scene.frames.len();
    let arranged = |order: &[usize]| -> Vec<u8> {
        order.iter().flat_map(|frame| scene.frames[*frame].clone()).collect()
    };
    let all: Vec<usize> = (0..count).collect();
    let mut orders = 0;
    let mut assert_damaged = |order: &[usize]| {
        orders += 1;
        let good = order.iter().zip(&all).take_while(|(frame, wanted)| frame == wanted).count();
        scene.assert_damaged(&arranged(order), scene.starts()[good], &format!("{order:?}"));
    };
    for one in 0..count {
        for other in 0..one {
            let mut swapped = all.clone();
            swapped.swap(one, other);
            assert_damaged(&swapped);
        }
        for at in 0..=count {
            // A copy right behind itself, or anywhere else.
            let mut repeated = all.clone();
            repeated.insert(at, one);
            assert_damaged(&repeated);
        }
        if one + 1 < count {
            let dropped: Vec<_> = all.iter().copied().filter(|frame| *frame != one).collect();
            assert_damaged(&dropped);
        }
    }
    println!("{orders} orders");
}

#[test]
fn a_checkpoint_anywhere_but_at_the_start_is_damage() {
    let scene = Scene::new(1);
    let first = scene.frames[0].clone();
    let (frame, ..) = Frame::read(&first).unwrap();
    let (.., previous) = Frame::read(scene.frames.last().unwrap()).unwrap();
    let sequence = frame.sequence + scene.frames.len() as u64;
    let (again, _) = Frame { sequence, previous, ..frame.clone() }.to_bytes();
    let bytes = [scene.bytes(), again].concat();
    scene.assert_damaged(&bytes, scene.bytes().len(), "a second checkpoint, in its place");
    let records = [frame.records.clone(), frame.records.clone()].concat();
    let (twice, _) = Frame { records, ..frame }.to_bytes();
    scene.assert_damaged(&twice, 0, "two in one frame");
}

#[test]
fn frames_of_another_journal_are_damage() {
    let (scene, other) = (Scene::new(1), Scene::new(2));
    let (count, starts) = (scene.frames.len(), scene.starts());
    for at in 0..count {
        for from in 0..count {
            let mut frames = scene.frames.clone();
            frames[at].clone_from(&other.frames[from]);
            // The first of the other may stand first, and what follows does not follow it.
            let bad = if (at, from) == (0, 0) { other.frames[0].len() } else { starts[at] };
            scene.assert_damaged(&frames.concat(), bad, &format!("{from} for {at}"));
            let mut frames = scene.frames.clone();
            frames.insert(at + 1, other.frames[from].clone());
            scene.assert_damaged(&frames.concat(), starts[at + 1], &format!("{from} behind {at}"));
        }
    }
}

#[test]
fn a_torn_frame_that_another_one_follows_is_damage() {
    let scene = Scene::new(1);
    let starts = scene.starts();
    let last = scene.frames.len() - 1;
    for cut in starts[last - 1] + 1..starts[last] {
        let bytes = [&scene.bytes()[..cut], &scene.frames[last]].concat();
        scene.assert_damaged(&bytes, starts[last - 1], &format!("torn at {cut}"));
        // Even if of the one that follows there is no more than its head.
        let head = bytes.len() - scene.frames[last].len() + 12;
        scene.assert_damaged(&bytes[..head], starts[last - 1], &format!("torn at {cut}, head"));
    }
}

// ---- Hostile bytes.

/// The frame of these bytes, records or not, that proves itself.
fn sealed(payload: &[u8]) -> Vec<u8> {
    let told = [b"msj1".as_slice(), &u32::try_from(payload.len()).unwrap().to_le_bytes()].concat();
    let check = blake3::hash(&told);
    let body = [&told, &check.as_bytes()[..4], &1_u64.to_le_bytes(), &[0; 16], payload].concat();
    let link = blake3::hash(&body);
    [&body, &link.as_bytes()[..16]].concat()
}

/// Reads a frame and gives what it came to, having checked what it allocated.
fn read_frugally(bytes: &[u8], what: &str) -> Result<Frame, FrameError> {
    let mut read = None;
    let used = allocation_counter::measure(|| {
        read = Some(Frame::read(bytes).map(|(frame, ..)| frame));
    });
    let most = WORTH * bytes.len() as u64 + SPARE;
    assert!(used.bytes_max <= most, "{what}: {} bytes for {}", used.bytes_max, bytes.len());
    read.unwrap()
}

/// The payload of a frame's bytes.
fn payload(frame: &[u8]) -> &[u8] {
    &frame[36..frame.len() - 16]
}

#[test]
fn a_frame_that_this_test_seals_is_read() {
    for frame in Scene::new(1).frames {
        read_frugally(&sealed(payload(&frame)), "a good frame").unwrap();
    }
}

#[test]
fn no_length_within_a_frame_makes_it_allocate_more_than_its_bytes_are_worth() {
    // Bytes 251, 252, 253 begin a number of two, four and eight bytes.
    let lengths: [&[u8]; 8] = [
        &[250],
        &[251, 0xff, 0xff],
        &[252, 0, 0, 0xf0, 0x03],
        &[252, 0, 0, 0, 0x04],
        &[252, 0xff, 0xff, 0xff, 0xff],
        &[253, 0, 0, 0, 0, 1, 0, 0, 0],
        &[253, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
        &[253, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    ];
    let mut tried = 0;
    for (frame, record) in Scene::new(1).frames.iter().zip(every_record(1)) {
        let payload = payload(frame);
        for at in 0..payload.len() {
            for length in lengths {
                for skipped in [0, 1] {
                    let hostile = [&payload[..at], length, &payload[at + skipped..]].concat();
                    let what = format!("{}: {length:?} at {at}", kind(&record));
                    drop(read_frugally(&sealed(&hostile), &what));
                    drop(read_frugally(&sealed(&hostile[..at + length.len()]), &what));
                    tried += 2;
                }
            }
        }
    }
    println!("{tried} frames");
}

#[test]
fn a_head_that_promises_much_allocates_nothing() {
    for length in [1, 100, 64 << 20, (64 << 20) + 1, u32::MAX] {
        let told = [b"msj1".as_slice(), &length.to_le_bytes()].concat();
        let head = [&told, &blake3::hash(&told).as_bytes()[..4], &[0; 24]].concat();
        let error = read_frugally(&head, "a head").unwrap_err();
        let is_cut = matches!(error, FrameError::Cut);
        assert_eq!(is_cut, length <= 64 << 20, "{length}: {error:?}");
    }
}

#[test]
fn the_most_records_that_a_number_of_bytes_can_hold_are_worth_them() {
    // `Retired` of the first generation: two bytes each, and no record is shorter.
    let count = 200_000_u32;
    let records = [vec![252], count.to_le_bytes().to_vec(), [4, 1].repeat(count as usize)].concat();
    let frame = read_frugally(&sealed(&records), "many small records").unwrap();
    assert_eq!(frame.records.len(), count as usize);
    let too_many = 2_000_000_u32;
    let records =
        [vec![252], too_many.to_le_bytes().to_vec(), [4, 1].repeat(too_many as usize)].concat();
    assert!(matches!(
        read_frugally(&sealed(&records), "more than a transaction has"),
        Err(FrameError::Records(_))
    ));
}

#[test]
fn an_end_full_of_false_heads_is_read_once_and_not_once_for_each() {
    // Each head proves itself and promises all that follows. Were the frames looked at, and not only their heads,
    // this would hash some 5 TB.
    let scene = Scene::new(1);
    let length = 8_u32 << 20;
    let told = [b"msj1".as_slice(), &length.to_le_bytes()].concat();
    let head = [&told, &blake3::hash(&told).as_bytes()[..4]].concat();
    let heads = head.repeat(1 << 20);
    assert!(matches!(Frame::read(&heads), Err(FrameError::Damaged(_))));
    let bytes = [scene.bytes(), vec![0], heads].concat();
    assert_eq!(scene.read(&bytes), Err(scene.bytes().len()));
    // And heads that almost prove themselves are a torn end.
    let almost = [&told[..], &[0; 4]].concat().repeat(1 << 20);
    let bytes = [scene.bytes(), almost].concat();
    assert_eq!(scene.read(&bytes), Ok(scene.frames.len()));
}

// ---- With the switch, which knows better.

/// A store that shows its second generation, and how long its journal was after the first.
fn store(home: &Path) -> (Store, usize) {
    let options = Options { command: "a test".into(), ..Options::default() };
    let store = Store::open(home, options).unwrap();
    let link = |name: &str| {
        store.link(&name.parse().unwrap(), Path::new("/"), &Silent, &Cancel::new()).unwrap();
        fs::read(store.layout().journal()).unwrap().len()
    };
    let first = link("a");
    link("b");
    (store, first)
}

/// Everything in the home whose name begins like the journal's.
fn journals(home: &Path) -> Vec<Vec<u8>> {
    let names = fs::read_dir(home).unwrap().map(|child| child.unwrap().path());
    let journals =
        names.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("journal"));
    journals.map(|path| fs::read(path).unwrap()).collect()
}

#[test]
fn a_current_generation_whose_frame_is_damaged_or_gone_is_never_written_over() {
    let memory = if Path::new("/dev/shm").is_dir() { "/dev/shm" } else { "/tmp" };
    let place = tempfile::tempdir_in(memory).unwrap();
    let home = place.path().join("home");
    let (store, first) = store(&home);
    let bytes = fs::read(store.layout().journal()).unwrap();
    let flips = (first * 8..bytes.len() * 8).step_by(3).map(|bit| {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        flipped
    });
    let cuts = (first..bytes.len()).map(|end| bytes[..end].to_vec());
    let mut tried = 0;
    for spoilt in flips.chain(cuts) {
        fs::write(store.layout().journal(), &spoilt).unwrap();
        let (name, silent) = ("c".parse().unwrap(), &Silent);
        let error = store.link(&name, Path::new("/"), silent, &Cancel::new()).unwrap_err();
        assert!(is_damage(&error), "{error:?}");
        assert_eq!(shown(store.layout()), Some(Generation::FIRST.next()));
        assert!(store.target(&"b".parse().unwrap()).is_dir(), "what is current works");
        assert!(
            journals(&home).concat().len() >= spoilt.len(),
            "what was cut off is kept: {:?}",
            journals(&home)
        );
        tried += 1;
    }
    println!("{tried} spoilt ends");
}

/// Whether the cause of an error is a damaged journal, or one that ends before the current generation.
fn is_damage(error: &AddError) -> bool {
    use JournalError::Corrupt;
    let AddError::Update(error) = error else { return false };
    matches!(
        error,
        UpdateError::Journal(Corrupt { .. })
            | UpdateError::Begin(BeginError::Lost { .. } | BeginError::Journal(Corrupt { .. }))
    )
}
