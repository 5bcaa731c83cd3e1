//! The bombs.

use std::io::Write as _;
use std::sync::Arc;

use gix::ObjectId;
use gix::objs::Kind;

const MIB: usize = 1 << 20;
/// What large objects are made of.
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

/// What is sent: a start, and something that comes again and again.
#[derive(Clone)]
pub(crate) struct Pack {
    pub(crate) start: Arc<[u8]>,
    pub(crate) endless: Option<Arc<[u8]>>,
}

/// A pack in the making.
#[derive(Clone)]
struct Hand {
    bytes: Vec<u8>,
    count: u32,
}

impl Hand {
    /// Begins with the commit of a tree with these files; gives the commit too.
    fn with(files: &[(&str, ObjectId)]) -> (Hand, ObjectId) {
        let mut hand = Hand { bytes: b"PACK\0\0\0\x02\0\0\0\0".to_vec(), count: 0 };
        let tree = tree(files.iter().map(|(name, id)| (*name, *id)));
        let commit = hand.add(Kind::Commit, &commit_of(id(Kind::Tree, &tree)));
        hand.add(Kind::Tree, &tree);
        (hand, commit)
    }

    fn header(&mut self, kind: u8, mut size: usize) {
        self.count += 1;
        let mut byte = (kind << 4) | (size & 15) as u8;
        size >>= 4;
        while size > 0 {
            self.bytes.push(byte | 0x80);
            byte = (size & 0x7f) as u8;
            size >>= 7;
        }
        self.bytes.push(byte);
    }

    fn add(&mut self, kind: Kind, data: &[u8]) -> ObjectId {
        self.packed(kind, data.len(), &deflated(data));
        id(kind, data)
    }

    fn packed(&mut self, kind: Kind, size: usize, packed: &[u8]) {
        let number = match kind {
            Kind::Commit => 1,
            Kind::Tree => 2,
            Kind::Blob => 3,
            Kind::Tag => 4,
        };
        self.header(number, size);
        self.bytes.extend(packed);
    }

    /// The unit, as the base of deltas; gives its offset.
    fn unit(&mut self) -> usize {
        let at = self.bytes.len();
        self.add(Kind::Blob, &vec![b'A'; UNIT]);
        at
    }

    fn delta(&mut self, base: usize, delta: &[u8]) -> usize {
        let at = self.bytes.len();
        self.header(6, delta.len());
        let mut distance = at - base;
        let mut back = vec![(distance & 0x7f) as u8];
        distance >>= 7;
        while distance > 0 {
            distance -= 1;
            back.insert(0, 0x80 | (distance & 0x7f) as u8);
            distance >>= 7;
        }
        self.bytes.extend(back);
        self.bytes.extend(deflated(delta));
        at
    }

    fn pack(mut self, claim: Option<u32>) -> Pack {
        self.bytes[8..12].copy_from_slice(&claim.unwrap_or(self.count).to_be_bytes());
        let mut sum = gix::hash::hasher(gix::hash::Kind::Sha1);
        sum.update(&self.bytes);
        self.bytes.extend(sum.try_finalize().unwrap().as_slice());
        Pack { start: self.bytes.into(), endless: None }
    }

    /// The same that goes on for ever with `more`.
    fn endless(mut self, more: &[u8]) -> Pack {
        self.bytes[8..12].copy_from_slice(&8_000_000_u32.to_be_bytes());
        Pack { start: self.bytes.into(), endless: Some(more.into()) }
    }
}

fn id(kind: Kind, data: &[u8]) -> ObjectId {
    gix::objs::compute_hash(gix::hash::Kind::Sha1, kind, data).unwrap()
}

fn tree<N: AsRef<str>>(files: impl IntoIterator<Item = (N, ObjectId)>) -> Vec<u8> {
    let mut tree = Vec::new();
    for (name, id) in files {
        tree.extend(b"100644 ");
        tree.extend(name.as_ref().as_bytes());
        tree.push(0);
        tree.extend(id.as_slice());
    }
    tree
}

fn commit_of(tree: ObjectId) -> Vec<u8> {
    format!("tree {tree}\nauthor t <t@t> 1 +0000\ncommitter t <t@t> 1 +0000\n\nm\n").into_bytes()
}

fn deflated(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

/// So many MiB of zeros, deflated.
fn zeros(mib: usize) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    (0..mib).for_each(|_| encoder.write_all(&vec![0; MIB]).unwrap());
    encoder.finish().unwrap()
}

/// The id of the blob that is the byte so many times.
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

fn sizes(base: usize, result: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for mut size in [base, result] {
        while size > 0x7f {
            bytes.push((size & 0x7f) as u8 | 0x80);
            size >>= 7;
        }
        bytes.push(size as u8);
    }
    bytes
}

fn copy(offset: usize, length: usize) -> Vec<u8> {
    let (offset, length) = ((offset as u32).to_le_bytes(), (length as u32).to_le_bytes());
    [&[0xff][..], &offset, &length[..3]].concat()
}

/// A delta that makes `size` bytes of the unit.
fn grow(size: usize) -> Vec<u8> {
    let mut delta = sizes(UNIT, size);
    (0..size / UNIT).for_each(|_| delta.extend(copy(0, UNIT)));
    delta
}

/// A delta that changes the first byte only.
fn first_byte(size: usize, byte: u8) -> Vec<u8> {
    let mut delta = sizes(size, size);
    delta.extend([1, byte]);
    let mut at = 1;
    while at < size {
        let length = (size - at).min(0xff_ffff);
        delta.extend(copy(at, length));
        at += length;
    }
    delta
}

/// A chain of deltas, at each level of which another delta waits for the same base; the last is wanted.
fn comb(levels: usize, size: usize) -> (Pack, ObjectId) {
    let last = 66 + ((levels - 1) % 20) as u8;
    let (mut hand, commit) = Hand::with(&[("a", id_of_bytes(last, b'A', size))]);
    let unit = hand.unit();
    let mut at = hand.delta(unit, &grow(size));
    for level in 0..levels {
        hand.delta(at, &first_byte(size, 97 + (level % 20) as u8));
        at = hand.delta(at, &first_byte(size, 66 + (level % 20) as u8));
    }
    (hand.pack(None), commit)
}

/// One wanted delta, and `count` that nothing needs.
pub(crate) fn unwanted(name: &'static str, count: u16) -> Bomb {
    let size = 32 * MIB;
    let (mut hand, commit) = Hand::with(&[("a", id_of_bytes(b'A', b'A', size))]);
    let unit = hand.unit();
    hand.delta(unit, &grow(size));
    for number in 0..count {
        let mut delta = sizes(UNIT, size);
        delta.push(2);
        delta.extend(number.to_be_bytes());
        delta.extend(copy(2, UNIT - 2));
        (1..size / UNIT).for_each(|_| delta.extend(copy(0, UNIT)));
        hand.delta(unit, &delta);
    }
    let pack = hand.pack(None);
    Bomb { name, commit, pack, shallow: true, says: "shown", quick: true }
}

/// A repository with one small file.
pub(crate) fn good(name: &'static str) -> Bomb {
    let (hand, commit) = small();
    let pack = hand.pack(None);
    Bomb { name, commit, pack, shallow: true, says: "shown", quick: true }
}

fn small() -> (Hand, ObjectId) {
    let (mut hand, commit) = Hand::with(&[("a", id(Kind::Blob, b"hello\n"))]);
    hand.add(Kind::Blob, b"hello\n");
    (hand, commit)
}

/// The small repository with so many copies of something large besides.
fn and(kind: Kind, mib: usize, times: usize) -> (Pack, ObjectId) {
    let (mut hand, commit) = small();
    let packed = zeros(mib);
    (0..times).for_each(|_| hand.packed(kind, mib * MIB, &packed));
    (hand.pack(None), commit)
}

fn large_trees() -> (Pack, ObjectId) {
    let (mut hand, commit) = small();
    for number in 0..20 {
        let mut tree = vec![0; 40 * MIB];
        tree[0] = number;
        hand.add(Kind::Tree, &tree);
    }
    (hand.pack(None), commit)
}

fn wide_tree(names: usize) -> (Pack, ObjectId) {
    let blob = id(Kind::Blob, b"x");
    let tree = tree((0..names).map(|number| (format!("f{number:07}"), blob)));
    let mut hand = Hand::with(&[]).0;
    let commit = hand.add(Kind::Commit, &commit_of(id(Kind::Tree, &tree)));
    hand.add(Kind::Tree, &tree);
    hand.add(Kind::Blob, b"x");
    (hand.pack(None), commit)
}

fn tiny_objects() -> (Pack, ObjectId) {
    let (mut hand, commit) = small();
    let packed: Vec<Vec<u8>> =
        (0..1000_u32).map(|number| deflated(&number.to_be_bytes())).collect();
    for number in 0..1_500_000 {
        hand.packed(Kind::Blob, 4, &packed[number % 1000]);
    }
    (hand.pack(None), commit)
}

fn deep_tree() -> (Pack, ObjectId) {
    let mut levels = vec![tree([("x", id(Kind::Blob, b"x"))])];
    for _ in 0..10_000 {
        let below = id(Kind::Tree, levels.last().unwrap());
        levels.push([b"40000 a\0", below.as_slice()].concat());
    }
    let mut hand = Hand::with(&[]).0;
    let commit = hand.add(Kind::Commit, &commit_of(id(Kind::Tree, levels.last().unwrap())));
    levels.iter().rev().for_each(|level| _ = hand.add(Kind::Tree, level));
    (hand.pack(None), commit)
}

fn one_blob_at_many_paths() -> (Pack, ObjectId) {
    let blob = id_of_bytes(b'A', b'A', 64 * MIB);
    let names: Vec<String> = (0..64).map(|number| format!("f{number:02}")).collect();
    let files: Vec<(&str, ObjectId)> = names.iter().map(|name| (name.as_str(), blob)).collect();
    let (mut hand, commit) = Hand::with(&files);
    let unit = hand.unit();
    hand.delta(unit, &grow(64 * MIB));
    (hand.pack(None), commit)
}

fn wanted_zeros(mib: usize) -> (Pack, ObjectId) {
    let (mut hand, commit) = Hand::with(&[("a", id_of_bytes(0, 0, mib * MIB))]);
    hand.packed(Kind::Blob, mib * MIB, &zeros(mib));
    (hand.pack(None), commit)
}

/// Bytes that do not deflate.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..length).map(next).collect()
}

fn endless(kind: Kind) -> (Pack, ObjectId) {
    let (hand, commit) = small();
    let mut more = Hand { bytes: Vec::new(), count: 0 };
    more.add(kind, &noise(250_000));
    (hand.endless(&more.bytes), commit)
}

fn claiming(objects: u32) -> (Pack, ObjectId) {
    let (hand, commit) = small();
    (hand.pack(Some(objects)), commit)
}

fn claimed_commit(mib: usize) -> (Pack, ObjectId) {
    let (mut hand, commit) = small();
    hand.packed(Kind::Commit, mib * MIB, &deflated(b"x"));
    (hand.pack(None), commit)
}

/// All of them, from servers that give one commit alone and from those that do not.
pub(crate) fn bombs() -> Vec<Bomb> {
    let over = "Permanent";
    type Made = (&'static str, &'static str, (Pack, ObjectId), &'static str, bool);
    let made: [Made; 17] = [
        ("comb-small", "comb-small-history", comb(200, 2 * MIB), "shown", true),
        ("comb", "comb-history", comb(6, 128 * MIB), "shown", false),
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
        ("commit", "commit-history", claimed_commit(2048), "an object", true),
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
