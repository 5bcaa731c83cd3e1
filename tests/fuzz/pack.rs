//! Packs: a script makes objects, deltas and lies, git's rules say what tree they are, and the receiver must make just
//! that tree or refuse.
//!
//! Limits: what is right and refused all the same is found by tests with git's own packs, not here.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::BufReader,
    os::unix::{ffi::OsStrExt as _, fs::PermissionsExt as _},
    path::Path,
};

use gix::{ObjectId, objs::Kind};
use modstore_core::disk::{Disk, Planting};
use modstore_fetch::{
    Base, MemoryBudget, PackLimits, UnpackOptions, WrittenTree, base_is_usable, unpack_into,
};
use modstore_testbed::{Delta, PackWriter, object_id};

use super::{memory_directory, script::Script};

/// Most objects of one script, so that one takes milliseconds.
const OBJECTS: usize = 64;
/// Largest result of a delta that a script may claim, and largest object that is received.
const LARGEST: u64 = 1 << 20;
/// Bytes of memory for one pack, whatever it claims.
const MEMORY: u64 = 64 << 20;

/// Names that mean harm, and some that do not.
const NAMES: [&[u8]; 12] = [
    b"a",
    b"b",
    b"A",
    b".git",
    b"..",
    b".",
    b"",
    b"a/b",
    b"\xff",
    b"link",
    b".GIT",
    "e\u{301}".as_bytes(),
];
const MODES: [&[u8]; 8] =
    [b"100644", b"100755", b"120000", b"40000", b"160000", b"100664", b"040000", b"0"];

type Objects = BTreeMap<ObjectId, (Kind, Vec<u8>)>;
/// Each path's mode, as git has it, and content.
type Files = BTreeMap<Vec<u8>, (&'static str, Vec<u8>)>;

/// A pack, and the same once more against what came of it. Says whether any became a tree.
pub fn pack(bytes: &[u8]) -> bool {
    let mut script = Script(bytes);
    let place =
        tempfile::tempdir_in(memory_directory()).expect("a temporary directory can be made");
    let mut known = Objects::new();
    let first = Pack::write(&mut script, &mut known);
    let Some((commit, planted)) = received(&first, &known, place.path(), "first", None) else {
        return false;
    };
    let base = Base::new(place.path().join("first"), commit, &planted.manifest, &planted.git);
    if base_is_usable(&base) {
        let second = Pack::write(&mut script, &mut known);
        received(&second, &known, place.path(), "second", Some(&base));
    }
    true
}

/// Receives the pack, and holds what comes of it against what git's rules say.
fn received(
    pack: &Pack,
    known: &Objects,
    place: &Path,
    name: &str,
    base: Option<&Base<'_>>,
) -> Option<(ObjectId, WrittenTree)> {
    let commit = pack.commit?;
    let disk = Disk::default();
    let planting = Planting::create(&disk, &place.join(name)).expect("the directory is new");
    let limits = PackLimits { object: LARGEST, ..PackLimits::default() };
    // So little that most packs spill.
    let memory = &MemoryBudget::new(4096, 1);
    let on_step = &|_: modstore::Step<'_>| {};
    let cancel = &modstore::Cancel::new();
    let (folds, keeps_pack) = (&|| Ok(pack.folds), true);
    let options = UnpackOptions { base, folds, limits, keeps_pack, memory, on_step, cancel };
    let mut planted = None;
    let used = allocation_counter::measure(|| {
        let mut stream = BufReader::with_capacity(97, &*pack.bytes);
        planted = Some(unpack_into(&mut stream, commit, &planting, &place.join("spill"), &options));
    });
    assert!(used.bytes_max <= MEMORY, "{} bytes of memory for one pack", used.bytes_max);
    let planted = planted?.ok()?;
    let mut expected = Expected::default();
    let root = root_of(&known.get(&commit)?.1).expect("a commit without a tree was accepted");
    expected.walk(known, root, b"");
    assert_eq!(on_disk(planting.root(), b""), expected.files, "another tree than git's");
    assert_eq!(planted.manifest.files().len(), expected.files.len(), "the list is of another tree");
    let submodules = planted.git.gitlinks.iter().map(|(path, _)| path.to_vec());
    assert_eq!(
        submodules.collect::<BTreeSet<_>>(),
        expected.submodules,
        "other submodules than git's"
    );
    Some((commit, planted))
}

/// What a script makes: the bytes, what they say, and how they are to be received.
struct Pack {
    bytes: Vec<u8>,
    commit: Option<ObjectId>,
    folds: bool,
}

/// An entry of the pack under way: where it begins, and what it is, unless it is a lie.
struct Entry {
    at: usize,
    object: Option<(ObjectId, Kind, Vec<u8>)>,
}

/// How a delta names its base.
enum BaseName {
    Id(ObjectId),
    Offset(usize),
}

struct Writer<'k> {
    pack: PackWriter,
    entries: Vec<Entry>,
    known: &'k mut Objects,
}

impl Pack {
    fn write(script: &mut Script<'_>, known: &mut Objects) -> Self {
        let header = script.byte();
        let wanted = usize::from(script.byte());
        let mut writer = Writer { pack: PackWriter::new(), entries: Vec::new(), known };
        while !script.is_over() && writer.entries.len() < OBJECTS {
            if !writer.step(script) {
                break;
            }
        }
        let commits: Vec<ObjectId> = writer.of_kind(Kind::Commit).collect();
        let commit = commits.get(commits.len().saturating_sub(1 + wanted % 3)).copied();
        let lie = u32::from(header & 1 == 1) * u32::from(header >> 3);
        let count = (writer.entries.len() as u32).wrapping_add(lie);
        let mut bytes = writer.pack.finish_claiming(count);
        if header & 2 == 2 {
            let sum = bytes.len() - 20;
            bytes[sum] ^= 1;
        }
        if header & 0xc0 == 0xc0 {
            bytes.truncate(bytes.len().saturating_sub(usize::from(header & 0x38) + 1));
        }
        Self { bytes, commit, folds: header & 4 == 4 }
    }
}

impl Writer<'_> {
    /// One object, or the end.
    fn step(&mut self, script: &mut Script<'_>) -> bool {
        match script.byte() % 12 {
            0 | 1 => self.add(Kind::Blob, script.bytes().to_vec()),
            2 | 3 => {
                let tree = self.tree(script);
                self.add(Kind::Tree, tree);
            }
            4 => {
                let commit = self.commit(script);
                self.add(Kind::Commit, commit);
            }
            5..=7 => self.delta(script, false),
            8 => self.delta(script, true),
            9 => {
                let kind = [Kind::Tag, Kind::Tree, Kind::Commit, Kind::Blob][script.below(4)];
                self.add(kind, script.bytes().to_vec());
            }
            10 => {
                let at = self.pack.position();
                self.pack.raw(script.bytes());
                self.entries.push(Entry { at, object: None });
            }
            _ => return false,
        }
        true
    }

    fn add(&mut self, kind: Kind, data: Vec<u8>) {
        let at = self.pack.position();
        self.pack.add(kind, &data);
        self.object(at, kind, data);
    }

    fn object(&mut self, at: usize, kind: Kind, data: Vec<u8>) {
        let id = object_id(kind, &data);
        self.known.insert(id, (kind, data.clone()));
        self.entries.push(Entry { at, object: Some((id, kind, data)) });
    }

    fn of_kind(&self, kind: Kind) -> impl Iterator<Item = ObjectId> {
        let objects = self.entries.iter().filter_map(|entry| entry.object.as_ref());
        objects.filter(move |(_, each, _)| *each == kind).map(|(id, ..)| *id)
    }

    /// One of the last objects of a kind, or of all that are known, or an id of nothing.
    fn id(&self, script: &mut Script<'_>, kind: Kind) -> ObjectId {
        let own: Vec<ObjectId> = self.of_kind(kind).collect();
        match script.byte() {
            255 => ObjectId::null(gix::hash::Kind::Sha1),
            back if back < 200 && !own.is_empty() => {
                own[own.len() - 1 - usize::from(back) % own.len()]
            }
            _ => {
                let at = script.below(self.known.len());
                self.known.keys().nth(at).copied().unwrap_or(ObjectId::null(gix::hash::Kind::Sha1))
            }
        }
    }

    fn tree(&self, script: &mut Script<'_>) -> Vec<u8> {
        let mut items: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        let choice = script.byte();
        for _ in 0..choice % 8 {
            let what = script.byte();
            let mode = MODES[usize::from(what) % 8];
            let kind = if matches!(mode, b"40000" | b"040000") { Kind::Tree } else { Kind::Blob };
            let name = match what >> 3 {
                index @ 0..12 => NAMES[usize::from(index)].to_vec(),
                index @ 12..28 => vec![b'c' + index],
                _ => script.bytes().to_vec(),
            };
            let id = self.id(script, kind);
            let sorted = if kind == Kind::Tree { [&*name, b"/"].concat() } else { name.clone() };
            items.push((sorted, [mode, b" ", &name, b"\0", id.as_slice()].concat()));
        }
        if choice & 8 == 0 {
            items.sort();
            items.dedup_by(|one, other| one.0 == other.0);
        }
        items.into_iter().flat_map(|(_, item)| item).collect()
    }

    fn commit(&self, script: &mut Script<'_>) -> Vec<u8> {
        let tree = self.id(script, Kind::Tree);
        let who = "a <a@a> 1 +0000";
        format!("tree {tree}\nauthor {who}\ncommitter {who}\n\n{}", script.byte()).into_bytes()
    }

    /// A delta of an entry by its place or of an object by its id; sizes and instructions may be lies.
    fn delta(&mut self, script: &mut Script<'_>, by_id: bool) {
        let kind = [Kind::Blob, Kind::Tree, Kind::Commit][script.below(3)];
        let at = self.pack.position();
        let (place, base) = if by_id {
            let id = self.id(script, kind);
            let found = self.known.get(&id).map(|(kind, data)| (*kind, data.clone()));
            (BaseName::Id(id), found)
        } else {
            let entries = self.entries.len();
            let Some(entry) = entries.checked_sub(1 + script.below(entries)) else { return };
            let Entry { at, object } = &self.entries[entry];
            (BaseName::Offset(*at), object.clone().map(|(_, kind, data)| (kind, data)))
        };
        let length = base.as_ref().map_or(0, |(_, data)| data.len());
        let (delta, made) =
            instructions(script, base.as_ref().map_or(&[], |(_, data)| &**data), length);
        match place {
            BaseName::Id(id) => self.pack.reference_delta(id, &delta),
            BaseName::Offset(base) => _ = self.pack.offset_delta(base, &delta),
        }
        match (base, made) {
            (Some((kind, _)), Some(data)) => self.object(at, kind, data),
            _ => self.entries.push(Entry { at, object: None }),
        }
    }
}

/// A delta of `base`, and what it makes if it is an honest one.
fn instructions(script: &mut Script<'_>, base: &[u8], length: usize) -> (Vec<u8>, Option<Vec<u8>>) {
    let mut body = Vec::new();
    let mut made = Vec::new();
    let mut honest = true;
    let lies = script.byte();
    for _ in 0..lies % 6 {
        match script.byte() % 4 {
            0 | 1 => {
                let (from, size) = (script.below(length + 1), script.below(length.max(1)) + 1);
                body.extend([0x80 | 0x01 | 0x02 | 0x10 | 0x20, from as u8, (from >> 8) as u8]);
                body.extend([size as u8, (size >> 8) as u8]);
                match base.get(from..from + size) {
                    Some(part) => made.extend_from_slice(part),
                    None => honest = false,
                }
            }
            2 => {
                let new = script.bytes();
                let new = &new[..new.len().min(127)];
                if !new.is_empty() {
                    body.push(new.len() as u8);
                    body.extend_from_slice(new);
                    made.extend_from_slice(new);
                }
            }
            _ => {
                body.push(script.byte());
                honest = false;
            }
        }
    }
    let claimed = match lies >> 5 {
        7 => u64::MAX - u64::from(script.byte()),
        6 => LARGEST + u64::from(script.byte()),
        _ => made.len() as u64,
    };
    let of = if lies >> 5 == 5 { length as u64 + 1 } else { length as u64 };
    honest &= claimed == made.len() as u64 && of == length as u64;
    ([Delta::new(of, claimed).bytes(), body].concat(), honest.then_some(made))
}

// ---- What git makes of it.

fn root_of(commit: &[u8]) -> Option<ObjectId> {
    ObjectId::from_hex(commit.strip_prefix(b"tree ")?.get(..40)?).ok()
}

/// A tree by git's rules.
#[derive(Default)]
struct Expected {
    files: Files,
    submodules: BTreeSet<Vec<u8>>,
}

impl Expected {
    fn walk(&mut self, known: &Objects, tree: ObjectId, below: &[u8]) {
        let Some((Kind::Tree, mut rest)) = known.get(&tree).map(|(kind, data)| (*kind, &**data))
        else {
            panic!("a tree that is not there was accepted");
        };
        while !rest.is_empty() {
            let space = rest.iter().position(|byte| *byte == b' ').expect("a mode ends");
            let end = rest.iter().position(|byte| *byte == 0).expect("a name ends");
            let mode = std::str::from_utf8(&rest[..space]).expect("a mode is digits");
            let mode = u32::from_str_radix(mode, 8).expect("a mode is octal");
            let (name, id) =
                (&rest[space + 1..end], ObjectId::from_bytes_or_panic(&rest[end + 1..end + 21]));
            let path = if below.is_empty() { name.to_vec() } else { [below, b"/", name].concat() };
            rest = &rest[end + 21..];
            match mode & 0o170_000 {
                0o040_000 => self.walk(known, id, &path),
                0o160_000 => drop(self.submodules.insert(path)),
                0o120_000 => self.file(known, id, path, "link"),
                _ if mode & 0o100 != 0 => self.file(known, id, path, "executable"),
                _ => self.file(known, id, path, "file"),
            }
        }
    }

    fn file(&mut self, known: &Objects, id: ObjectId, path: Vec<u8>, kind: &'static str) {
        let Some((Kind::Blob, content)) = known.get(&id) else {
            panic!("a file that is not there was accepted");
        };
        assert!(
            self.files.insert(path, (kind, content.clone())).is_none(),
            "two files of one path"
        );
    }
}

fn on_disk(at: &Path, below: &[u8]) -> Files {
    let mut files = Files::new();
    for child in
        fs::read_dir(at).expect("the tree can be listed").map(|child| child.expect("listed"))
    {
        let name = child.file_name();
        let path = if below.is_empty() {
            name.as_bytes().to_vec()
        } else {
            [below, b"/", name.as_bytes()].concat()
        };
        let meta = child.metadata().expect("it is there");
        if meta.is_dir() {
            files.extend(on_disk(&child.path(), &path));
        } else if meta.is_symlink() {
            let text = fs::read_link(child.path()).expect("it is a link");
            files.insert(path, ("link", text.as_os_str().as_bytes().to_vec()));
        } else {
            let kind = if meta.permissions().mode() & 0o100 != 0 { "executable" } else { "file" };
            files.insert(path, (kind, fs::read(child.path()).expect("it can be read")));
        }
    }
    files
}
