//! From a root tree to the list of files it will become, with all refusals.
//!
//! Where trees come from (a pack, the previous entry, a database) is the caller's: the walk asks for
//! ids. Whoever answers has checked the bytes against the id.
//!
//! Limits: the text of links is not known yet; it is checked when it is.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};

use gix::ObjectId;
use gix::bstr::{BStr, BString, ByteSlice};

use crate::acquire::pack_error::{PackError, PackLimits};
use crate::acquire::rebuilt_trees::mode_of;
use crate::acquire::refusal::{self, DEEPEST, LONGEST_PATH, Refusal};
use crate::model::FileKind;

/// Answers with a tree's bytes, `None` when it is not there.
pub(super) type FindTree<'f> = dyn Fn(&ObjectId) -> Result<Option<Cow<'f, [u8]>>, PackError> + 'f;

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
pub(super) struct PlannedFile {
    pub(super) path: BString,
    pub(super) kind: FileKind,
    pub(super) id: ObjectId,
}

/// A whole tree to be.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) root: ObjectId,
    /// In byte order of their paths.
    pub(super) files: Vec<PlannedFile>,
    /// Parents before children; only those with files below.
    pub(super) directories: Vec<BString>,
    pub(super) gitlinks: Vec<(BString, ObjectId)>,
    pub(super) odd_modes: Vec<(BString, u32)>,
    pub(super) collisions: Vec<Collision>,
}

impl Plan {
    /// Walks the tree `root`. With `folds`, names that collide when folded are refused.
    ///
    /// # Errors
    /// A refused path, a missing tree, or more than the limits allow.
    pub(super) fn new(
        root: ObjectId,
        find: &FindTree<'_>,
        folds: bool,
        limits: &PackLimits,
    ) -> Result<Plan, PackError> {
        let plan = Plan {
            root,
            files: Vec::new(),
            directories: Vec::new(),
            gitlinks: Vec::new(),
            odd_modes: Vec::new(),
            collisions: Vec::new(),
        };
        let mut walk =
            Walk { plan, find, folds, limits, seen: 0, path_bytes: 0, names: Vec::new() };
        walk.directory(BStr::new(b""), root, 0)?;
        let mut plan = walk.plan;
        plan.files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(plan)
    }
}

struct Walk<'w, 'f> {
    plan: Plan,
    find: &'w FindTree<'f>,
    folds: bool,
    limits: &'w PackLimits,
    /// Files and directories met; one small tree named twice in each of thirty is a billion.
    seen: usize,
    path_bytes: u64,
    names: Vec<(u64, usize)>,
}

impl Walk<'_, '_> {
    fn directory(&mut self, path: &BStr, id: ObjectId, depth: usize) -> Result<(), PackError> {
        let find = self.find;
        let Some(bytes) = find(&id)? else {
            if id.is_empty_tree() {
                return Ok(());
            }
            return Err(PackError::MissingObject { id, path: path.to_owned() });
        };
        let mut entries = Vec::new();
        let mut rest: &[u8] = &bytes;
        while !rest.is_empty() {
            let malformed = || PackError::corrupt(0, format!("tree {id} is malformed"));
            let (entry, after) = read_entry(rest).ok_or_else(malformed)?;
            entries.push(entry);
            rest = after;
        }
        self.check_names(path, &entries)?;
        entries.iter().try_for_each(|entry| self.entry(path, entry, depth))
    }

    fn entry(
        &mut self,
        directory: &BStr,
        entry: &Entry<'_>,
        depth: usize,
    ) -> Result<(), PackError> {
        let path = join(directory, entry.name);
        self.count(&path)?;
        let kind = match entry.mode {
            0o40_000 => return self.subdirectory(path, entry.id, depth + 1),
            0o160_000 => {
                self.plan.gitlinks.push((path, entry.id));
                return Ok(());
            }
            0o120_000 => FileKind::Symlink,
            mode if mode & 0o170_000 == 0o100_000 && mode & 0o100 != 0 => FileKind::Executable,
            mode if mode & 0o170_000 == 0o100_000 => FileKind::File,
            mode => return Err(PackError::refused(path, Refusal::Mode(mode))),
        };
        if u32::from(entry.mode) != mode_of(kind) {
            self.plan.odd_modes.push((path.clone(), entry.mode.into()));
        }
        self.plan.files.push(PlannedFile { path, kind, id: entry.id });
        Ok(())
    }

    fn subdirectory(&mut self, path: BString, id: ObjectId, depth: usize) -> Result<(), PackError> {
        if depth > DEEPEST {
            return Err(PackError::refused(path, Refusal::Deep));
        }
        let (directories, files) = (self.plan.directories.len(), self.plan.files.len());
        self.plan.directories.push(path.clone());
        self.directory(path.as_bstr(), id, depth)?;
        if self.plan.files.len() == files {
            self.plan.directories.truncate(directories);
        }
        Ok(())
    }

    fn count(&mut self, path: &BString) -> Result<(), PackError> {
        if path.len() > LONGEST_PATH {
            return Err(PackError::refused(path.clone(), Refusal::LongPath));
        }
        self.seen += 1;
        self.path_bytes += path.len() as u64;
        PackError::check_limit("number of files", self.seen as u64, self.limits.files as u64)?;
        PackError::check_limit("length of all paths", self.path_bytes, self.limits.trees)
    }

    /// Refuses bad names, names that occur twice, and, as wished, names that fold together.
    fn check_names(&mut self, directory: &BStr, entries: &[Entry<'_>]) -> Result<(), PackError> {
        let mut names = std::mem::take(&mut self.names);
        names.clear();
        for (number, entry) in entries.iter().enumerate() {
            refusal::check_name(entry.name, entry.mode == 0o120_000)
                .map_err(|reason| PackError::refused(join(directory, entry.name), reason))?;
            let mut hasher = DefaultHasher::new();
            refusal::fold(entry.name).hash(&mut hasher);
            names.push((hasher.finish(), number));
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
        let (first, second) = (join(directory, a), join(directory, b));
        if a == b {
            return Err(PackError::refused(second, Refusal::Twice));
        }
        if refusal::fold(a) != refusal::fold(b) {
            return Ok(());
        }
        if self.folds {
            return Err(PackError::refused(second, Refusal::Folds(first)));
        }
        self.plan.collisions.push(Collision { first, second });
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

struct Entry<'t> {
    mode: u16,
    name: &'t BStr,
    id: ObjectId,
}

/// `mode in octal ‖ space ‖ name ‖ NUL ‖ id`.
fn read_entry(bytes: &[u8]) -> Option<(Entry<'_>, &[u8])> {
    let (digits, rest) = bytes.split_at_checked(bytes.iter().take(7).position(|b| *b == b' ')?)?;
    let mode = digits.iter().try_fold(0u32, |mode, digit| match digit {
        b'0'..=b'7' => Some(mode * 8 + u32::from(digit - b'0')),
        _ => None,
    })?;
    let rest = rest.strip_prefix(b" ")?;
    let (name, rest) = rest.split_at_checked(rest.find_byte(0)?)?;
    let (id, rest) = rest.strip_prefix(b"\0")?.split_first_chunk::<20>()?;
    let entry =
        Entry { mode: u16::try_from(mode).ok()?, name: name.as_bstr(), id: ObjectId::Sha1(*id) };
    Some((entry, rest))
}
