//! Packs written object by object, the impossible ones too.
//!
//! Limits: SHA-1; nothing is checked, so that a test can write what no git would.

use std::io::Write as _;

use flate2::{Compression, write::ZlibEncoder};
use gix::{ObjectId, objs::Kind};

/// The numbers of the two kinds of entries that are deltas.
const OFFSET_DELTA: u8 = 6;
const REFERENCE_DELTA: u8 = 7;

/// A pack in the making.
#[derive(Debug, Clone)]
pub struct PackWriter {
    bytes: Vec<u8>,
    count: u32,
}

impl Default for PackWriter {
    fn default() -> Self {
        Self { bytes: b"PACK\0\0\0\x02\0\0\0\0".to_vec(), count: 0 }
    }
}

impl PackWriter {
    /// An empty pack, version 2.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Where the next entry begins.
    #[must_use]
    pub fn position(&self) -> usize {
        self.bytes.len()
    }

    /// The head of an entry: the number of its kind and the size of its object.
    pub fn header(&mut self, kind: u8, size: u64) {
        self.count += 1;
        let mut byte = (kind << 4) | (size & 15) as u8;
        let mut rest = size >> 4;
        while rest > 0 {
            self.bytes.push(byte | 0x80);
            byte = (rest & 0x7f) as u8;
            rest >>= 7;
        }
        self.bytes.push(byte);
    }

    /// Bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// An object; gives its id.
    pub fn add(&mut self, kind: Kind, data: &[u8]) -> ObjectId {
        self.add_deflated(kind, data.len() as u64, &deflate(data));
        object_id(kind, data)
    }

    /// An object that is deflated already, and said to have this size.
    pub fn add_deflated(&mut self, kind: Kind, size: u64, deflated: &[u8]) {
        let number = match kind {
            Kind::Commit => 1,
            Kind::Tree => 2,
            Kind::Blob => 3,
            Kind::Tag => 4,
        };
        self.header(number, size);
        self.raw(deflated);
    }

    /// A delta of the entry that begins at `base`; gives where the delta begins.
    pub fn offset_delta(&mut self, base: usize, delta: &[u8]) -> usize {
        let at = self.position();
        self.header(OFFSET_DELTA, delta.len() as u64);
        let mut distance = at - base;
        let mut back = vec![(distance & 0x7f) as u8];
        distance >>= 7;
        while distance > 0 {
            distance -= 1;
            back.insert(0, 0x80 | (distance & 0x7f) as u8);
            distance >>= 7;
        }
        self.raw(&back);
        self.raw(&deflate(delta));
        at
    }

    /// A delta of the object with this id.
    pub fn reference_delta(&mut self, base: ObjectId, delta: &[u8]) {
        self.header(REFERENCE_DELTA, delta.len() as u64);
        self.raw(base.as_slice());
        self.raw(&deflate(delta));
    }

    /// The whole pack.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        let count = self.count;
        self.finish_claiming(count)
    }

    /// The whole pack, which claims to have this many entries.
    #[must_use]
    pub fn finish_claiming(self, count: u32) -> Vec<u8> {
        let mut bytes = self.unfinished(count);
        let mut sum = gix::hash::hasher(gix::hash::Kind::Sha1);
        sum.update(&bytes);
        bytes.extend(sum.try_finalize().expect("no collision is known here").as_slice());
        bytes
    }

    /// The pack without its checksum, which claims to have this many entries.
    #[must_use]
    pub fn unfinished(mut self, count: u32) -> Vec<u8> {
        self.bytes.splice(8..12, count.to_be_bytes());
        self.bytes
    }

    /// The entries alone.
    #[must_use]
    pub fn entries(&self) -> &[u8] {
        self.bytes.get(12..).unwrap_or_default()
    }
}

/// A delta in the making.
#[derive(Debug, Clone)]
pub struct Delta(Vec<u8>);

impl Delta {
    /// A delta that says it makes an object of size `result` from one of size `base`.
    #[must_use]
    pub fn new(base: u64, result: u64) -> Self {
        let mut bytes = Vec::new();
        for mut size in [base, result] {
            while size > 0x7f {
                bytes.push((size & 0x7f) as u8 | 0x80);
                size >>= 7;
            }
            bytes.push(size as u8);
        }
        Self(bytes)
    }

    /// Copies a part of the base, less than 16 MiB of it.
    #[must_use]
    pub fn copy(mut self, offset: usize, length: usize) -> Self {
        let [a, b, c, d] = (offset as u32).to_le_bytes();
        let [e, f, g, _] = (length as u32).to_le_bytes();
        self.0.extend([0xff, a, b, c, d, e, f, g]);
        self
    }

    /// Inserts bytes, 127 at most.
    #[must_use]
    pub fn insert(mut self, bytes: &[u8]) -> Self {
        self.0.push(bytes.len() as u8);
        self.0.extend_from_slice(bytes);
        self
    }

    /// The delta's bytes.
    #[must_use]
    pub fn bytes(self) -> Vec<u8> {
        self.0
    }
}

/// The bytes of a tree: mode such as `100644` or `40000`, name and id of each entry, sane or not.
#[must_use]
pub fn tree_object(entries: &[(&str, &[u8], ObjectId)]) -> Vec<u8> {
    let mut tree = Vec::new();
    for (mode, name, id) in entries {
        tree.extend([mode.as_bytes(), b" ", name, b"\0", id.as_slice()].concat());
    }
    tree
}

/// The bytes of a commit of this tree.
#[must_use]
pub fn commit_object(tree: ObjectId) -> Vec<u8> {
    format!("tree {tree}\nauthor t <t@t> 1 +0000\ncommitter t <t@t> 1 +0000\n\nm\n").into_bytes()
}

/// The id of an object.
#[must_use]
pub fn object_id(kind: Kind, data: &[u8]) -> ObjectId {
    gix::objs::compute_hash(gix::hash::Kind::Sha1, kind, data).expect("no collision is known here")
}

/// Bytes as an entry of a pack has them.
#[must_use]
pub fn deflate(data: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(data).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}
