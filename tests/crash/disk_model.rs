//! A disk as the acts of an operation leave it, and the states that it may be in after its power is cut.
//!
//! Before each act everything below the home's parent is looked at, by inode. What changed since is the effect of the act before:
//! names that came and went, which count as one change however many they are, and bytes of files. A sync of a file makes its bytes
//! durable, one of a directory the changes of its names, one of the file system everything.
//!
//! What a cut may leave of changes that are not durable yet:
//!
//! * on ext4 and xfs, whose metadata is one log: any first part of the changes of names, and of each file's new bytes all or none;
//! * on a file system that orders only the names of one directory: any of the changes, as long as those of each directory are a
//!   first part of its own. All such subsets are built of five changes or fewer; of more, each change missing with what follows
//!   from that, and each alone with what it needs;
//! * of bytes added to a file: a part, or zeros in their place.
//!
//! Limits: a rename is one change, as it is on every file system with a log. Permissions and times are as they were last set. The
//! cut falls between acts; what of several files' bytes is there is all, none, or in part of one.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fs, io,
    os::unix::{
        ffi::OsStrExt as _,
        fs::{MetadataExt as _, PermissionsExt as _, symlink},
    },
    path::{Path, PathBuf},
    sync::Mutex,
};

use modstore_core::disk::{Act, Observer, Verb};
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};

type Inode = u64;
type Names = BTreeMap<OsString, Inode>;

/// Of so few changes that are not durable, every subset is built.
const ALL_SUBSETS: usize = 5;

#[derive(Debug, Clone, PartialEq)]
enum Content {
    Directory(Names),
    File(Vec<u8>),
    Link(PathBuf),
}

#[derive(Debug, Clone, PartialEq)]
struct Node {
    content: Content,
    mode: u32,
    time: (i64, i64),
}

/// Everything below a directory at one moment.
#[derive(Debug, Clone, Default)]
struct Snapshot(BTreeMap<Inode, Node>);

impl Snapshot {
    fn of(root: &Path, aside: &BTreeSet<OsString>) -> Self {
        let mut found = Self::default();
        found.add(root, aside);
        found
    }

    fn add(&mut self, path: &Path, aside: &BTreeSet<OsString>) -> Inode {
        let meta = path.symlink_metadata().unwrap();
        let content = if meta.is_dir() {
            let names = fs::read_dir(path).unwrap().map(|child| child.unwrap().file_name());
            let names = names.filter(|name| !aside.contains(name));
            Content::Directory(
                names
                    .map(|name| (name.clone(), self.add(&path.join(&name), &BTreeSet::new())))
                    .collect(),
            )
        } else if meta.is_symlink() {
            Content::Link(fs::read_link(path).unwrap())
        } else {
            Content::File(fs::read(path).unwrap())
        };
        let time = (meta.mtime(), meta.mtime_nsec());
        self.0.insert(meta.ino(), Node { content, mode: meta.mode() & 0o7777, time });
        meta.ino()
    }

    fn names(&self, directory: Inode) -> Names {
        match self.0.get(&directory).map(|node| &node.content) {
            Some(Content::Directory(names)) => names.clone(),
            _ => Names::new(),
        }
    }

    fn directories(&self) -> impl Iterator<Item = Inode> {
        self.0
            .iter()
            .filter(|(_, node)| matches!(node.content, Content::Directory(_)))
            .map(|(inode, _)| *inode)
    }
}

/// One name that leads elsewhere than before, or nowhere.
#[derive(Debug, Clone)]
struct Change {
    directory: Inode,
    name: OsString,
    now: Option<Inode>,
}

/// What an act did, and which changes were durable after it.
#[derive(Debug)]
struct Step {
    told: String,
    verb: Verb,
    /// What a sync is of.
    of: Option<Inode>,
    changes: Vec<Change>,
    after: Snapshot,
}

/// An act that has begun, and what there was before it.
struct Begun {
    told: String,
    verb: Verb,
    of: Option<Inode>,
    before: Snapshot,
}

/// Sees an operation's acts, and keeps what each of them left.
pub(crate) struct Recorder {
    root: PathBuf,
    /// Names in the root that are none of the store's.
    aside: BTreeSet<OsString>,
    begun: Mutex<Vec<Begun>>,
}

impl Recorder {
    /// Everything in `root` but these names is the disk.
    pub(crate) fn new(root: &Path, aside: BTreeSet<OsString>) -> Self {
        Self { root: root.to_owned(), aside, begun: Mutex::default() }
    }

    /// What was recorded, when the operation has ended.
    pub(crate) fn end(&self) -> Recording {
        let begun = std::mem::take(&mut *self.begun.lock().unwrap());
        let root = self.root.symlink_metadata().unwrap().ino();
        let first = begun.first().map(|act| act.before.clone()).unwrap_or_default();
        let last = Snapshot::of(&self.root, &self.aside);
        let afters = begun.iter().skip(1).map(|act| act.before.clone()).chain([last]);
        let afters: Vec<Snapshot> = afters.collect();
        let steps = begun.into_iter().zip(afters).map(|(act, after)| {
            let Begun { told, verb, of, before } = act;
            Step { told, verb, of, changes: changes(&before, &after), after }
        });
        Recording { root, first, steps: steps.collect() }
    }
}

impl Observer for Recorder {
    fn before(&self, act: Act<'_>) -> io::Result<()> {
        let mut begun = self.begun.lock().unwrap();
        let of = act.path.symlink_metadata().ok().map(|meta| meta.ino());
        let told = format!("{} {}", act.verb, act.path.display());
        let before = Snapshot::of(&self.root, &self.aside);
        begun.push(Begun { told, verb: act.verb, of, before });
        Ok(())
    }
}

fn changes(before: &Snapshot, after: &Snapshot) -> Vec<Change> {
    let directories: BTreeSet<Inode> = before.directories().chain(after.directories()).collect();
    let mut changes = Vec::new();
    for directory in directories {
        let (then, now) = (before.names(directory), after.names(directory));
        let names: BTreeSet<&OsString> = then.keys().chain(now.keys()).collect();
        let moved = names.into_iter().filter(|name| then.get(*name) != now.get(*name));
        changes.extend(moved.map(|name| Change {
            directory,
            name: name.clone(),
            now: now.get(name).copied(),
        }));
    }
    changes
}

/// The acts of an operation with what each left.
pub(crate) struct Recording {
    root: Inode,
    first: Snapshot,
    steps: Vec<Step>,
}

/// What of a file's bytes that are not durable is there.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Bytes {
    All,
    None,
    /// Half of what was added to this file.
    Half(Inode),
    /// Zeros in its place.
    Zeros(Inode),
}

/// A state that a cut may leave.
pub(crate) struct State {
    /// What it is, for a person.
    pub(crate) told: String,
    /// Whether the operation had ended well by then.
    pub(crate) acknowledged: bool,
    root: Inode,
    nodes: BTreeMap<Inode, Node>,
}

impl Recording {
    /// Every state, each once, where those verbs do what they promise but `blind` does nothing. `few` of the many that a cut among
    /// the preparations leaves.
    pub(crate) fn states(
        &self,
        blind: Option<Verb>,
        few: impl Fn(usize) -> Vec<usize>,
    ) -> Vec<State> {
        let mut seen = BTreeSet::new();
        let mut states = Vec::new();
        for cut in self.cuts() {
            let pending = self.pending(cut, blind);
            let wanted = self.choices(cut, &pending, blind);
            let wanted: Vec<_> = if pending.len() > ALL_SUBSETS {
                few(wanted.len()).into_iter().map(|number| wanted[number].clone()).collect()
            } else {
                wanted
            };
            for (chosen, bytes) in wanted {
                let state = self.state(cut, &pending, &chosen, bytes, blind);
                if seen.insert(state.fingerprint()) {
                    states.push(state);
                }
            }
        }
        states
    }

    /// The moments with the most that is not durable: before each sync, and at the end. What a cut in between leaves is among
    /// what these leave.
    fn cuts(&self) -> Vec<usize> {
        let syncs = self.steps.iter().enumerate().filter(|(_, step)| is_sync(step.verb));
        syncs.map(|(number, _)| number).chain([self.steps.len()]).collect()
    }

    /// The steps before `cut` whose changes of names are not durable.
    fn pending(&self, cut: usize, blind: Option<Verb>) -> Vec<usize> {
        let durable = |number: usize, step: &Step| {
            self.steps[number + 1..cut].iter().any(|later| {
                Some(later.verb) != blind
                    && (later.verb == Verb::SyncFileSystem
                        || later.verb == Verb::SyncDir
                            && step.changes.iter().any(|change| Some(change.directory) == later.of))
            })
        };
        let steps = self.steps[..cut].iter().enumerate();
        steps
            .filter(|(number, step)| !step.changes.is_empty() && !durable(*number, step))
            .map(|(number, _)| number)
            .collect()
    }

    /// Which of the pending steps are there, by both rules, and what of the bytes.
    fn choices(
        &self,
        cut: usize,
        pending: &[usize],
        blind: Option<Verb>,
    ) -> Vec<(Vec<usize>, Bytes)> {
        let count = pending.len();
        let mut chosen: Vec<Vec<usize>> =
            (0..=count).map(|first| pending[..first].to_vec()).collect();
        if count <= ALL_SUBSETS {
            let subset = |bits: usize| (0..count).filter(move |at| bits >> at & 1 == 1);
            let subsets =
                (0..1 << count).map(|bits| subset(bits).map(|at| pending[at]).collect::<Vec<_>>());
            chosen.extend(subsets.filter(|chosen| self.is_in_order(pending, chosen)));
        } else {
            chosen.extend(pending.iter().map(|missing| self.without(pending, *missing)));
            chosen.extend(pending.iter().map(|alone| self.needed_by(pending, *alone)));
        }
        let both = |steps: Vec<usize>| [(steps.clone(), Bytes::All), (steps, Bytes::None)];
        let torn = self.unsynced(cut, blind).into_iter().flat_map(|(inode, durable)| {
            let is_added_to = durable.is_some_and(|bytes| !bytes.is_empty());
            let ways = [Bytes::Half(inode), Bytes::Zeros(inode)];
            ways.into_iter().filter(move |_| is_added_to).map(|way| (pending.to_vec(), way))
        });
        chosen.into_iter().flat_map(both).chain(torn).collect()
    }

    fn share_a_directory(&self, one: usize, other: usize) -> bool {
        let directories = |step: usize| self.steps[step].changes.iter().map(|it| it.directory);
        directories(one).any(|directory| directories(other).any(|each| each == directory))
    }

    /// Whether nothing is chosen that comes after what is not, in one directory.
    fn is_in_order(&self, pending: &[usize], chosen: &[usize]) -> bool {
        let missing = pending.iter().filter(|step| !chosen.contains(step));
        missing
            .flat_map(|missing| {
                chosen
                    .iter()
                    .filter(move |later| *later > missing)
                    .map(move |later| (missing, later))
            })
            .all(|(missing, later)| !self.share_a_directory(*missing, *later))
    }

    fn without(&self, pending: &[usize], missing: usize) -> Vec<usize> {
        let mut gone = vec![missing];
        for step in pending.iter().copied().filter(|step| *step > missing) {
            if gone.iter().any(|earlier| self.share_a_directory(*earlier, step)) {
                gone.push(step);
            }
        }
        pending.iter().copied().filter(|step| !gone.contains(step)).collect()
    }

    fn needed_by(&self, pending: &[usize], alone: usize) -> Vec<usize> {
        let mut needed = vec![alone];
        for step in pending.iter().copied().rev().filter(|step| *step < alone) {
            if needed.iter().any(|later| self.share_a_directory(step, *later)) {
                needed.insert(0, step);
            }
        }
        needed
    }

    /// The snapshot in which the acts before `cut` have all happened.
    fn at(&self, cut: usize) -> &Snapshot {
        cut.checked_sub(1).map_or(&self.first, |last| &self.steps[last].after)
    }

    /// The files whose bytes at `cut` are not durable, and what was durable of each.
    fn unsynced(&self, cut: usize, blind: Option<Verb>) -> BTreeMap<Inode, Option<Vec<u8>>> {
        let mut files = BTreeMap::new();
        for (inode, node) in &self.at(cut).0 {
            let Content::File(now) = &node.content else { continue };
            let synced = (0..cut).rev().find(|number| {
                let step = &self.steps[*number];
                let is_of = step.verb == Verb::SyncFile && step.of == Some(*inode);
                Some(step.verb) != blind && (is_of || step.verb == Verb::SyncFileSystem)
            });
            // A sync changes nothing itself, so what is there after it is what it made durable.
            let then = synced.map_or(&self.first, |number| &self.steps[number].after);
            let durable = then.0.get(inode).and_then(|node| match &node.content {
                Content::File(bytes) => Some(bytes.clone()),
                _ => None,
            });
            if durable.as_ref() != Some(now) {
                files.insert(*inode, durable);
            }
        }
        files
    }

    fn state(
        &self,
        cut: usize,
        pending: &[usize],
        chosen: &[usize],
        bytes: Bytes,
        blind: Option<Verb>,
    ) -> State {
        // What is removed at the cut is there all the same where its removal is not.
        let mut nodes = self.first.0.clone();
        self.steps[..cut].iter().for_each(|step| nodes.extend(step.after.0.clone()));
        let mut names = self.names(cut, pending, chosen);
        for (inode, node) in &mut nodes {
            if let Content::Directory(own) = &mut node.content {
                // A new directory of which no change is there is empty.
                *own = names.remove(inode).unwrap_or_default();
            }
        }
        let mut unsynced = self.unsynced(cut, blind);
        let named = names_of(self.at(cut)).into_iter();
        let of: Vec<_> =
            named.filter(|(inode, _)| unsynced.contains_key(inode)).map(|(_, name)| name).collect();
        for (inode, node) in &mut nodes {
            if let (Content::File(own), Some(durable)) = (&mut node.content, unsynced.remove(inode))
            {
                *own = left_of(own, &durable.unwrap_or_default(), *inode, bytes);
            }
        }
        let next = self.steps.get(cut).map_or("the end", |step| &step.told);
        let named = |steps: &mut dyn Iterator<Item = &usize>| -> Vec<&str> {
            steps.map(|number| self.steps[*number].told.as_str()).collect()
        };
        let there = named(&mut chosen.iter());
        let missing = named(&mut pending.iter().filter(|step| !chosen.contains(step)));
        let told = format!(
            "before {next}, with {bytes:?} bytes of {of:?}, with {there:#?}, without {missing:#?}"
        );
        State { told, acknowledged: cut == self.steps.len(), root: self.root, nodes }
    }

    /// The names in each directory, when the durable changes and the chosen ones have happened. What a removed directory had in
    /// it is needed when its removal is not there, so nothing is forgotten.
    fn names(&self, cut: usize, pending: &[usize], chosen: &[usize]) -> BTreeMap<Inode, Names> {
        let mut directories: BTreeMap<Inode, Names> =
            self.first.directories().map(|inode| (inode, self.first.names(inode))).collect();
        for (number, step) in self.steps[..cut].iter().enumerate() {
            if pending.contains(&number) && !chosen.contains(&number) {
                continue;
            }
            for Change { directory, name, now } in &step.changes {
                let names = directories.entry(*directory).or_default();
                match now {
                    Some(inode) => drop(names.insert(name.clone(), *inode)),
                    None => drop(names.remove(name)),
                }
            }
        }
        directories
    }
}

const fn is_sync(verb: Verb) -> bool {
    matches!(verb, Verb::SyncFile | Verb::SyncDir | Verb::SyncFileSystem)
}

/// A name of each inode.
fn names_of(snapshot: &Snapshot) -> BTreeMap<Inode, OsString> {
    let directories = snapshot.directories().map(|directory| snapshot.names(directory));
    directories.flatten().map(|(name, inode)| (inode, name)).collect()
}

/// What is there of a file's bytes.
fn left_of(now: &[u8], durable: &[u8], inode: Inode, bytes: Bytes) -> Vec<u8> {
    let added = now.len().saturating_sub(durable.len());
    match bytes {
        Bytes::None => durable.to_vec(),
        Bytes::Half(torn) if torn == inode => {
            now[..durable.len().min(now.len()) + added / 2].to_vec()
        }
        Bytes::Zeros(torn) if torn == inode => {
            let mut zeros = durable.to_vec();
            zeros.resize(now.len(), 0);
            zeros
        }
        Bytes::All | Bytes::Half(_) | Bytes::Zeros(_) => now.to_vec(),
    }
}

impl State {
    /// Makes it: below `root` each name that the disk has, in place of what is there.
    pub(crate) fn write(&self, root: &Path) {
        let mut made = BTreeMap::new();
        let Some(Node { content: Content::Directory(names), .. }) = self.nodes.get(&self.root)
        else {
            return;
        };
        for (name, inode) in names {
            self.write_one(*inode, &root.join(name), &mut made);
        }
    }

    fn write_one(&self, inode: Inode, path: &Path, made: &mut BTreeMap<Inode, PathBuf>) {
        let node = &self.nodes[&inode];
        if let Some(first) = made.get(&inode) {
            return fs::hard_link(first, path).unwrap();
        }
        match &node.content {
            Content::Link(text) => {
                symlink(text, path).unwrap();
                made.insert(inode, path.to_owned());
            }
            Content::File(bytes) => {
                fs::write(path, bytes).unwrap();
                made.insert(inode, path.to_owned());
            }
            Content::Directory(names) => {
                fs::create_dir(path).unwrap();
                for (name, child) in names {
                    self.write_one(*child, &path.join(name), made);
                }
            }
        }
        let (tv_sec, tv_nsec) = node.time;
        let time = Timespec { tv_sec, tv_nsec };
        let times = Timestamps { last_access: time, last_modification: time };
        utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
        if !path.is_symlink() {
            fs::set_permissions(path, fs::Permissions::from_mode(node.mode)).unwrap();
        }
    }

    /// Equal for equal states.
    fn fingerprint(&self) -> String {
        let mut told = format!("{} ", self.acknowledged);
        self.tell(self.root, &mut told);
        told
    }

    fn tell(&self, inode: Inode, told: &mut String) {
        match self.nodes.get(&inode).map(|node| &node.content) {
            Some(Content::Directory(names)) => {
                *told += "{";
                for (name, child) in names {
                    *told += &name.as_bytes().escape_ascii().to_string();
                    self.tell(*child, told);
                }
                *told += "}";
            }
            Some(Content::File(bytes)) => *told += &format!("={inode}:{}", bytes.escape_ascii()),
            Some(Content::Link(text)) => *told += &format!(">{}", text.display()),
            None => *told += "?",
        }
    }
}
