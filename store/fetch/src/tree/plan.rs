//! From a root tree to the files it will become, directory by directory, with all refusals.
//!
//! The walk grows as trees become known: git sends a tree before what is in it, but blobs may come
//! between. Where trees come from (a pack, the previous entry, a database) is the caller's: the walk
//! asks for ids, and the answers are bytes that were checked against the id.
//!
//! Limits: the text of links is not known yet; it is checked when it is.

use std::{
    borrow::Cow,
    collections::HashMap,
    hash::{BuildHasher, RandomState},
};

use gix::{
    ObjectId,
    bstr::{BStr, BString, ByteSlice},
};
use modstore_core::{disk::FoldsNames, model::FileKind};

use crate::{
    errors::{LimitError, PackError},
    limits::PackLimit,
    pack::{Allowance, mode_of},
    tree_rules::{self, DEEPEST, LONGEST_PATH, RejectReason},
};

/// What a file costs in the tables of the walk and of those who write it, in bytes, besides its path.
const FILE: u64 = 512;

/// What a tree takes while it is walked, for each of its bytes: itself, its entries, and their hashes.
const WALKED: u64 = 4;

/// Answers with a tree's bytes, `None` when it is not there.
pub(crate) type FindTree<'f> = dyn Fn(&ObjectId) -> Result<Option<Cow<'f, [u8]>>, PackError> + 'f;

/// Two paths that some file systems hold for one. Both are in the tree.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Collision {
    /// The first in byte order.
    pub first: BString,
    /// The other.
    pub second: BString,
}

impl std::fmt::Display for Collision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { first, second } = self;
        write!(f, "{first} and {second} would be one file where names are folded")
    }
}

/// One file to be.
#[derive(Debug)]
pub(crate) struct PlannedFile {
    pub(crate) path: BString,
    pub(crate) kind: FileKind,
    pub(crate) id: ObjectId,
}

/// Takes the files of one directory, which has at least one.
pub(crate) type TakeFiles<'t> = dyn FnMut(&BStr, Vec<PlannedFile>) -> Result<(), PackError> + 't;

/// A directory whose tree is known by its id only.
struct PendingDirectory {
    path: BString,
    id: ObjectId,
    depth: usize,
}

/// A walk in progress.
pub(crate) struct TreeWalk<'a> {
    folds: &'a FoldsNames<'a>,
    allowance: &'a Allowance<'a>,
    /// Names are chosen by who made the tree.
    key: RandomState,
    root: Option<ObjectId>,
    missing: HashMap<ObjectId, Vec<PendingDirectory>>,
    /// Files and directories met; one small tree named twice in each of thirty is a billion.
    seen: usize,
    path_bytes: u64,
    names: Vec<(u64, usize)>,
    extras: TreeExtras,
}

/// What a tree has besides its files.
#[derive(Debug, Default)]
pub(crate) struct TreeExtras {
    pub(crate) gitlinks: Vec<(BString, ObjectId)>,
    pub(crate) odd_modes: Vec<(BString, u32)>,
    pub(crate) collisions: Vec<Collision>,
}

impl<'a> TreeWalk<'a> {
    /// Where names fold, those that collide are refused.
    pub(crate) fn new(folds: &'a FoldsNames<'a>, allowance: &'a Allowance<'a>) -> TreeWalk<'a> {
        TreeWalk {
            folds,
            allowance,
            key: RandomState::new(),
            root: None,
            missing: HashMap::default(),
            seen: 0,
            path_bytes: 0,
            names: Vec::new(),
            extras: TreeExtras::default(),
        }
    }

    /// Whether the root is known.
    pub(crate) fn has_root(&self) -> bool {
        self.root.is_some()
    }

    /// Walks as far as trees are found from the root on. Called once.
    ///
    /// # Errors
    /// A refused path, or more than the limits allow.
    pub(crate) fn start(
        &mut self,
        root: ObjectId,
        find: &FindTree<'_>,
        take: &mut TakeFiles<'_>,
    ) -> Result<(), PackError> {
        self.root = Some(root);
        self.walk(vec![PendingDirectory { path: "".into(), id: root, depth: 0 }], find, take)
    }

    /// Walks on where the tree `id` was missing.
    ///
    /// # Errors
    /// As [`TreeWalk::start`].
    pub(crate) fn resume(
        &mut self,
        id: &ObjectId,
        find: &FindTree<'_>,
        take: &mut TakeFiles<'_>,
    ) -> Result<(), PackError> {
        match self.missing.remove(id) {
            Some(expected) => self.walk(expected, find, take),
            None => Ok(()),
        }
    }

    /// The root and what is no file.
    ///
    /// # Errors
    /// When a tree is still missing.
    pub(crate) fn finish(self) -> Result<(ObjectId, TreeExtras), PackError> {
        let mut missing: Vec<PendingDirectory> = self.missing.into_values().flatten().collect();
        missing.sort_by(|a, b| b.path.cmp(&a.path));
        match (missing.pop(), self.root) {
            (Some(PendingDirectory { id, path, .. }), _) => {
                Err(PackError::MissingObject { id, path })
            }
            (None, Some(root)) => Ok((root, self.extras)),
            (None, None) => Err(PackError::corrupt(0, "the root tree is not known")),
        }
    }

    fn walk(
        &mut self,
        mut open: Vec<PendingDirectory>,
        find: &FindTree<'_>,
        take: &mut TakeFiles<'_>,
    ) -> Result<(), PackError> {
        while let Some(next) = open.pop() {
            self.allowance.check_cancelled()?;
            match find(&next.id)? {
                Some(bytes) => self.directory(&next, &bytes, &mut open, take)?,
                None if next.id.is_empty_tree() => {}
                None => self.missing.entry(next.id).or_default().push(next),
            }
        }
        Ok(())
    }

    fn directory(
        &mut self,
        directory: &PendingDirectory,
        bytes: &[u8],
        open: &mut Vec<PendingDirectory>,
        take: &mut TakeFiles<'_>,
    ) -> Result<(), PackError> {
        let id = directory.id;
        let depth = directory.depth;
        let _room = self.allowance.hold(bytes.len() as u64 * WALKED)?;
        let directory = directory.path.as_bstr();
        let mut entries = Vec::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            let malformed = || PackError::Malformed { kind: "tree", id };
            let (entry, after) = read_entry(rest).ok_or_else(malformed)?;
            entries.push(entry);
            rest = after;
        }
        self.check_names(directory, &entries)?;
        let mut files = Vec::new();
        for entry in entries {
            let path = join(directory, entry.name);
            self.count(&path)?;
            match entry.mode {
                0o40_000 if depth < DEEPEST => {
                    open.push(PendingDirectory { path, id: entry.id, depth: depth + 1 });
                }
                0o40_000 => return Err(PackError::refused(path, RejectReason::Deep)),
                0o160_000 => self.extras.gitlinks.push((path, entry.id)),
                mode => files.push(self.file(path, mode, entry.id)?),
            }
        }
        if files.is_empty() { Ok(()) } else { take(directory, files) }
    }

    fn file(&mut self, path: BString, mode: u16, id: ObjectId) -> Result<PlannedFile, PackError> {
        let kind = match mode {
            0o120_000 => FileKind::Symlink,
            mode if mode & 0o170_000 == 0o100_000 && mode & 0o100 != 0 => FileKind::Executable,
            mode if mode & 0o170_000 == 0o100_000 => FileKind::File,
            mode => return Err(PackError::refused(path, RejectReason::Mode(mode))),
        };
        if u32::from(mode) != mode_of(kind) {
            self.extras.odd_modes.push((path.clone(), mode.into()));
        }
        Ok(PlannedFile { path, kind, id })
    }

    fn count(&mut self, path: &BString) -> Result<(), PackError> {
        if path.len() > LONGEST_PATH {
            return Err(PackError::refused(path.clone(), RejectReason::LongPath));
        }
        self.seen += 1;
        self.path_bytes += path.len() as u64;
        let limits = self.allowance.limits();
        LimitError::check(PackLimit::Files, self.seen as u64, limits.files as u64)?;
        LimitError::check(PackLimit::Trees, self.path_bytes, limits.trees)?;
        self.allowance.reserve(FILE + 3 * path.len() as u64)?;
        Ok(())
    }

    /// Refuses bad names, names that occur twice, and, as wished, names that fold together.
    fn check_names(
        &mut self,
        directory: &BStr,
        entries: &[TreeEntry<'_>],
    ) -> Result<(), PackError> {
        let mut names = std::mem::take(&mut self.names);
        names.clear();
        for (number, entry) in entries.iter().enumerate() {
            tree_rules::check_name(entry.name, entry.mode == 0o120_000)
                .map_err(|reason| PackError::refused(join(directory, entry.name), reason))?;
            names.push((self.key.hash_one(tree_rules::fold(entry.name)), number));
        }
        names.sort_unstable();
        let met = names.chunk_by(|a, b| a.0 == b.0).filter(|same| same.len() > 1);
        let result = met.into_iter().try_for_each(|same| {
            let mut same: Vec<&BStr> =
                same.iter().filter_map(|(_, number)| Some(entries.get(*number)?.name)).collect();
            same.sort();
            same.windows(2).try_for_each(|pair| match pair {
                [a, b] => self.collide(directory, a, b),
                _ => Ok(()),
            })
        });
        self.names = names;
        result
    }

    fn collide(&mut self, directory: &BStr, a: &BStr, b: &BStr) -> Result<(), PackError> {
        let first = join(directory, a);
        let second = join(directory, b);
        if a == b {
            return Err(PackError::refused(second, RejectReason::Twice));
        }
        if tree_rules::fold(a) != tree_rules::fold(b) {
            return Ok(());
        }
        if (self.folds)().map_err(PackError::Write)? {
            return Err(PackError::refused(second, RejectReason::Folds(first)));
        }
        self.extras.collisions.push(Collision { first, second });
        Ok(())
    }
}

fn join(directory: &BStr, name: &BStr) -> BString {
    if directory.is_empty() {
        return name.to_owned();
    }
    let mut path = Vec::with_capacity(directory.len() + 1 + name.len());
    path.extend_from_slice(directory);
    path.push(b'/');
    path.extend_from_slice(name);
    path.into()
}

struct TreeEntry<'t> {
    mode: u16,
    name: &'t BStr,
    id: ObjectId,
}

/// The longest mode: six digits are enough, and some programs write zeros before them, as git allows.
const LONGEST_MODE: usize = 16;

/// `mode in octal ‖ space ‖ name ‖ NUL ‖ id`.
fn read_entry(bytes: &[u8]) -> Option<(TreeEntry<'_>, &[u8])> {
    let end = bytes.iter().take(LONGEST_MODE + 1).position(|byte| *byte == b' ')?;
    let (digits, rest) = bytes.split_at_checked(end)?;
    let mode = digits.iter().try_fold(0u64, |mode, digit| match digit {
        b'0'..=b'7' => Some(mode * 8 + u64::from(digit - b'0')),
        _ => None,
    })?;
    let rest = rest.strip_prefix(b" ")?;
    let (name, rest) = rest.split_at_checked(rest.find_byte(0)?)?;
    let (id, rest) = rest.strip_prefix(b"\0")?.split_first_chunk::<20>()?;
    let entry = TreeEntry {
        mode: u16::try_from(mode).ok()?,
        name: name.as_bstr(),
        id: ObjectId::Sha1(*id),
    };
    Some((entry, rest))
}
