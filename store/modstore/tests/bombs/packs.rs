//! The bombs.

use std::{io::Write as _, sync::Arc};

use gix::{ObjectId, objs::Kind};
use modstore_testbed::{Delta, PackWriter, Random, commit_object, deflate, object_id, tree_object};

const MIB: usize = 1 << 20;
/// Large objects consist of copies of this many bytes.
const UNIT: usize = 64 << 10;

/// A repository that does harm when it is fetched.
pub(crate) struct Bomb {
    pub(crate) name: &'static str,
    pub(crate) commit: ObjectId,
    pub(crate) pack: Pack,
    /// Whether the server gives one commit alone.
    pub(crate) shallow: bool,
    /// A part of how it must end.
    pub(crate) says: &'static str,
    /// Whether it is tried each time.
    pub(crate) quick: bool,
}

/// A start, and bytes that follow it again and again.
#[derive(Clone)]
pub(crate) struct Pack {
    pub(crate) start: Arc<[u8]>,
    pub(crate) endless: Option<Arc<[u8]>>,
}

impl Pack {
    fn whole(pack: PackWriter) -> Pack {
        Pack { start: pack.finish().into(), endless: None }
    }

    fn claiming(pack: PackWriter, objects: u32) -> Pack {
        Pack { start: pack.finish_claiming(objects).into(), endless: None }
    }

    /// The same that goes on without an end.
    fn endless(pack: PackWriter, more: &[u8]) -> Pack {
        Pack { start: pack.unfinished(8_000_000).into(), endless: Some(more.into()) }
    }
}

/// Begins with the commit of a tree with these files; gives the commit too.
fn pack_with(files: &[(&str, ObjectId)]) -> (PackWriter, ObjectId) {
    let mut pack = PackWriter::new();
    let tree = tree(files);
    let commit = pack.add(Kind::Commit, &commit_object(object_id(Kind::Tree, &tree)));
    pack.add(Kind::Tree, &tree);
    (pack, commit)
}

/// The unit, as the base of deltas; gives its offset.
fn add_unit(pack: &mut PackWriter) -> usize {
    let at = pack.position();
    pack.add(Kind::Blob, &vec![b'A'; UNIT]);
    at
}

fn tree<N: AsRef<str>>(files: &[(N, ObjectId)]) -> Vec<u8> {
    let entries: Vec<(&str, &[u8], ObjectId)> =
        files.iter().map(|(name, id)| ("100644", name.as_ref().as_bytes(), *id)).collect();
    tree_object(&entries)
}

/// This many MiB of zeros, deflated.
fn zeros(mib: usize) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    (0..mib).for_each(|_| encoder.write_all(&vec![0; MIB]).unwrap());
    encoder.finish().unwrap()
}

/// The id of the blob of this many times the byte, after the first one.
fn id_of_bytes(first: u8, byte: u8, size: usize) -> ObjectId {
    let mut hasher = gix::hash::hasher(gix::hash::Kind::Sha1);
    hasher.update(&gix::objs::encode::loose_header(Kind::Blob, size as u64));
    let mut piece = vec![byte; UNIT];
    piece[0] = first;
    hasher.update(&piece);
    piece[0] = byte;
    (1..size / UNIT).for_each(|_| hasher.update(&piece));
    hasher.try_finalize().unwrap()
}

/// A delta that makes `size` bytes of the unit.
fn grow(size: usize) -> Vec<u8> {
    let delta = Delta::new(UNIT as u64, size as u64);
    (0..size / UNIT).fold(delta, |delta, _| delta.copy(0, UNIT)).bytes()
}

/// A delta that changes the first byte only.
fn first_byte(size: usize, byte: u8) -> Vec<u8> {
    let mut delta = Delta::new(size as u64, size as u64).insert(&[byte]);
    let mut at = 1;
    while at < size {
        let length = (size - at).min(0xff_ffff);
        delta = delta.copy(at, length);
        at += length;
    }
    delta.bytes()
}

/// A chain of deltas, at each level of which another delta waits for the same base; the last is wanted.
fn comb(levels: usize, size: usize) -> (Pack, ObjectId) {
    let last = 66 + ((levels - 1) % 20) as u8;
    let (mut pack, commit) = pack_with(&[("a", id_of_bytes(last, b'A', size))]);
    let unit = add_unit(&mut pack);
    let mut at = pack.offset_delta(unit, &grow(size));
    for level in 0..levels {
        pack.offset_delta(at, &first_byte(size, 97 + (level % 20) as u8));
        at = pack.offset_delta(at, &first_byte(size, 66 + (level % 20) as u8));
    }
    (Pack::whole(pack), commit)
}

/// One wanted delta, and `count` that nothing needs.
pub(crate) fn unwanted(name: &'static str, count: u16) -> Bomb {
    let size = 32 * MIB;
    let (mut pack, commit) = pack_with(&[("a", id_of_bytes(b'A', b'A', size))]);
    let unit = add_unit(&mut pack);
    pack.offset_delta(unit, &grow(size));
    for number in 0..count {
        let delta = Delta::new(UNIT as u64, size as u64);
        let delta = delta.insert(&number.to_be_bytes()).copy(2, UNIT - 2);
        let delta = (1..size / UNIT).fold(delta, |delta, _| delta.copy(0, UNIT));
        pack.offset_delta(unit, &delta.bytes());
    }
    let pack = Pack::whole(pack);
    Bomb { name, commit, pack, shallow: true, says: "current", quick: true }
}

/// A repository with one small file.
pub(crate) fn good(name: &'static str) -> Bomb {
    let (pack, commit) = small();
    let pack = Pack::whole(pack);
    Bomb { name, commit, pack, shallow: true, says: "current", quick: true }
}

fn small() -> (PackWriter, ObjectId) {
    let (mut pack, commit) = pack_with(&[("a", object_id(Kind::Blob, b"hello\n"))]);
    pack.add(Kind::Blob, b"hello\n");
    (pack, commit)
}

/// The small repository with so many copies of something large besides.
fn and(kind: Kind, mib: usize, times: usize) -> (Pack, ObjectId) {
    let (mut pack, commit) = small();
    let packed = zeros(mib);
    (0..times).for_each(|_| pack.add_deflated(kind, (mib * MIB) as u64, &packed));
    (Pack::whole(pack), commit)
}

fn large_trees() -> (Pack, ObjectId) {
    let (mut pack, commit) = small();
    for number in 0..20 {
        let mut tree = vec![0; 40 * MIB];
        tree[0] = number;
        pack.add(Kind::Tree, &tree);
    }
    (Pack::whole(pack), commit)
}

fn wide_tree(names: usize) -> (Pack, ObjectId) {
    let blob = object_id(Kind::Blob, b"x");
    let tree = tree(&(0..names).map(|number| (format!("f{number:07}"), blob)).collect::<Vec<_>>());
    let mut pack = pack_with(&[]).0;
    let commit = pack.add(Kind::Commit, &commit_object(object_id(Kind::Tree, &tree)));
    pack.add(Kind::Tree, &tree);
    pack.add(Kind::Blob, b"x");
    (Pack::whole(pack), commit)
}

fn tiny_objects() -> (Pack, ObjectId) {
    let (mut pack, commit) = small();
    let packed: Vec<Vec<u8>> = (0..1000_u32).map(|number| deflate(&number.to_be_bytes())).collect();
    for number in 0..1_500_000 {
        pack.add_deflated(Kind::Blob, 4, &packed[number % 1000]);
    }
    (Pack::whole(pack), commit)
}

fn deep_tree() -> (Pack, ObjectId) {
    let mut levels = vec![tree(&[("x", object_id(Kind::Blob, b"x"))])];
    for _ in 0..10_000 {
        let below = object_id(Kind::Tree, levels.last().unwrap());
        levels.push([b"40000 a\0", below.as_slice()].concat());
    }
    let mut pack = pack_with(&[]).0;
    let commit =
        pack.add(Kind::Commit, &commit_object(object_id(Kind::Tree, levels.last().unwrap())));
    levels.iter().rev().for_each(|level| _ = pack.add(Kind::Tree, level));
    (Pack::whole(pack), commit)
}

fn one_blob_at_many_paths() -> (Pack, ObjectId) {
    let blob = id_of_bytes(b'A', b'A', 64 * MIB);
    let names: Vec<String> = (0..64).map(|number| format!("f{number:02}")).collect();
    let files: Vec<(&str, ObjectId)> = names.iter().map(|name| (name.as_str(), blob)).collect();
    let (mut pack, commit) = pack_with(&files);
    let unit = add_unit(&mut pack);
    pack.offset_delta(unit, &grow(64 * MIB));
    (Pack::whole(pack), commit)
}

fn wanted_zeros(mib: usize) -> (Pack, ObjectId) {
    let (mut pack, commit) = pack_with(&[("a", id_of_bytes(0, 0, mib * MIB))]);
    pack.add_deflated(Kind::Blob, (mib * MIB) as u64, &zeros(mib));
    (Pack::whole(pack), commit)
}

fn endless(kind: Kind) -> (Pack, ObjectId) {
    let (pack, commit) = small();
    let mut more = PackWriter::new();
    more.add(kind, &Random::of(1).bytes(250_000));
    (Pack::endless(pack, more.entries()), commit)
}

fn claiming(objects: u32) -> (Pack, ObjectId) {
    let (pack, commit) = small();
    (Pack::claiming(pack, objects), commit)
}

fn claimed_commit(mib: usize) -> (Pack, ObjectId) {
    let (mut pack, commit) = small();
    pack.add_deflated(Kind::Commit, (mib * MIB) as u64, &deflate(b"x"));
    (Pack::whole(pack), commit)
}

/// All of them, from servers that give one commit alone and from those that do not.
pub(crate) fn bombs() -> Vec<Bomb> {
    let over = "Permanent";
    type Made = (&'static str, &'static str, (Pack, ObjectId), &'static str, bool);
    let made: [Made; 17] = [
        ("comb-small", "comb-small-history", comb(200, 2 * MIB), "current", true),
        ("comb", "comb-history", comb(6, 128 * MIB), "current", false),
        ("comb-16", "comb-16-history", comb(16, 128 * MIB), "inflated to", false),
        ("wide-tree", "wide-tree-history", wide_tree(1_000_000), "memory of all", true),
        ("tiny-objects", "tiny-objects-history", tiny_objects(), "memory of all", true),
        ("tags", "tags-history", and(Kind::Tag, 60, 100), "inflated to", false),
        ("many-large-trees", "many-large-trees-history", large_trees(), "commits and trees", true),
        ("large-tree", "large-tree-history", and(Kind::Tree, 500, 1), "commit, tree or tag", true),
        ("deep-tree", "deep-tree-history", deep_tree(), "nested deeper", true),
        ("many-paths", "many-paths-history", one_blob_at_many_paths(), "so small a pack", false),
        ("zeros", "zeros-history", wanted_zeros(1000), "so small a pack", false),
        ("zeros-unwanted", "zeros-unwanted-history", and(Kind::Blob, 1000, 20), over, false),
        ("commit", "commit-history", claimed_commit(2048), "commit, tree or tag", true),
        ("claims", "claims-history", claiming(8_000_000), "Transient", true),
        ("endless-blobs", "endless-blobs-history", endless(Kind::Blob), over, false),
        ("endless-trees", "endless-trees-history", endless(Kind::Tree), over, false),
        ("endless-tags", "endless-tags-history", endless(Kind::Tag), over, false),
    ];
    let both = made.into_iter().flat_map(|(name, history, (pack, commit), says, quick)| {
        let bomb = |name, pack, shallow| Bomb { name, commit, pack, shallow, says, quick };
        [bomb(name, pack.clone(), true), bomb(history, pack, false)]
    });
    both.collect()
}
