//! [`Checkout`]: a git work tree in a host's cache.
//!
//! Read, and never written to: no refresh of its index, no lock. Ignore rules are not read; of files that git does not
//! know, only Python's count as edits.

use std::{
    collections::BTreeSet,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
    time::{Duration, SystemTime},
};

use gix::{
    bstr::{BStr, ByteSlice as _},
    index::entry::{Mode, Stage},
};
use modstore_core::disk::{SMALL_FILE, open_regular, read_regular_text};
use modstore_python::{small_bytes, small_text};

/// A lock of git's that was not touched for this long has no owner any more.
const ABANDONED: Duration = Duration::from_secs(60 * 60);

/// Most bytes of a file whose content is looked at to see whether it was edited.
const LONGEST: u64 = 256 << 20;

/// How deep refs are looked for.
const DEEPEST: usize = 6;

/// Most bytes of a commit.
const LONGEST_COMMIT: u64 = 1 << 20;

/// A git work tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Checkout {
    directory: PathBuf,
    git: PathBuf,
    /// The commit that is checked out, if it can be read.
    pub head: Option<String>,
}

impl Checkout {
    /// The work tree whose top this directory is.
    pub(crate) fn at(directory: &Path) -> Option<Self> {
        let mut git = directory.join(".git");
        if git.is_file() {
            let text = small_text(&git)?;
            git = directory.join(text.strip_prefix("gitdir:")?.trim());
        }
        if !git.is_dir() {
            return None;
        }
        let head = commit_at(&git, "HEAD", 5);
        Some(Self { directory: directory.to_owned(), git, head })
    }

    /// The address of its remote, as written: perhaps with a secret.
    pub(crate) fn remote(&self) -> Option<String> {
        let text = small_bytes(&self.git.join("config"))?;
        let meta = gix::config::file::Metadata::from(gix::config::Source::Local);
        let config = gix::config::File::from_bytes_no_includes(&text, meta, Default::default());
        config.ok()?.string("remote.origin.url").map(|url| url.to_str_lossy().into_owned())
    }

    /// The branch that is checked out.
    pub(crate) fn branch(&self) -> Option<String> {
        let head = small_text(&self.git.join("HEAD"))?;
        head.trim().strip_prefix("ref: refs/heads/").map(str::to_owned)
    }

    /// Whether everything in it is at its remote too: its commit was fetched, and nothing was edited.
    pub(crate) fn is_copy(&self) -> bool {
        let Some(head) = &self.head else { return false };
        let files = ["packed-refs", "FETCH_HEAD", "shallow"].map(|name| self.git.join(name));
        let files = files.into_iter().chain(files_below(&self.git.join("refs/remotes"), DEEPEST));
        let names_head = |path: PathBuf| {
            let text = small_text(&path).unwrap_or_default();
            let is_local =
                |line: &str| line.contains(" refs/heads/") || line.contains(" refs/tags/");
            text.lines().any(|line| line.starts_with(head.as_str()) && !is_local(line))
        };
        self.remote().is_some() && files.into_iter().any(names_head) && self.edited().is_empty()
    }

    /// Where its configuration is.
    pub(crate) fn config(&self) -> PathBuf {
        self.git.join("config")
    }

    /// Why it is incomplete, by a few files.
    pub(crate) fn missing(&self) -> Option<String> {
        if self.git.join("reftable").is_dir() {
            return None;
        }
        let Some(head) = &self.head else {
            return Some("its HEAD leads to no commit".into());
        };
        let (first, rest) = head.split_at_checked(2)?;
        let objects = self.git.join("objects");
        if objects.join(first).join(rest).is_file()
            || self.git.join("objects/info/alternates").is_file()
        {
            return None;
        }
        let packs = names(&objects.join("pack"));
        let is_pack = |name: &String| name.ends_with(".idx");
        match packs.iter().find(|name| name.starts_with("tmp_")) {
            Some(_) if packs.iter().any(is_pack) => None,
            Some(left) => Some(format!("a fetch was cut off: its objects are in {left}")),
            None if packs.iter().any(is_pack) => None,
            None => Some(format!("the commit {} is not in it", short(head))),
        }
    }

    /// As [`missing`](Self::missing), by looking the commit up.
    pub(crate) fn missing_object(&self) -> Option<String> {
        let head = self.head.as_ref()?;
        let id = gix::ObjectId::from_hex(head.as_bytes()).ok()?;
        match self.open()?.find_header(id) {
            Ok(_) => None,
            Err(_) => Some(format!("the commit {} is not in it", short(head))),
        }
    }

    /// Opened as a repository, if nothing in it is a pipe, a device or a giant where git has a file.
    fn open(&self) -> Option<gix::Repository> {
        if !self.is_sound() {
            return None;
        }
        let options = gix::open::Options::isolated().with(gix::sec::Trust::Full);
        gix::open_opts(&self.directory, options).ok()
    }

    /// Whether everything that is read to look a commit up is a file or a directory, and no longer than it may be.
    fn is_sound(&self) -> bool {
        let objects = self.git.join("objects");
        let loose = self.head.as_ref().and_then(|head| head.split_at_checked(2));
        let loose = loose.map(|(first, rest)| objects.join(first).join(rest));
        let directories = [self.git.clone(), objects.join("info"), objects.join("pack")];
        let inside = directories.iter().flat_map(|directory| {
            let children = std::fs::read_dir(directory).into_iter().flatten().flatten();
            children.map(|child| child.path())
        });
        inside.chain(loose).all(|path| match path.metadata() {
            Ok(meta) if meta.is_file() => {
                let is_pack = path.extension().is_some_and(|it| it == "pack" || it == "idx");
                is_pack || meta.len() <= SMALL_FILE
            }
            Ok(meta) => meta.is_dir(),
            // A link that leads nowhere, and what is not there, is not read either.
            Err(_) => true,
        })
    }

    /// When the commit that is checked out was made, in seconds since 1970.
    pub(crate) fn committed_at(&self) -> Option<i64> {
        let id = gix::ObjectId::from_hex(self.head.as_ref()?.as_bytes()).ok()?;
        let repository = self.open()?;
        let size = repository.find_header(id).ok()?.size();
        let commit = (size <= LONGEST_COMMIT).then(|| repository.find_commit(id).ok())??;
        commit.time().ok().map(|time| time.seconds)
    }

    /// Locks that git left behind, and why each is stale.
    pub(crate) fn left_locks(&self, now: SystemTime) -> Vec<(PathBuf, String)> {
        let mut left = Vec::new();
        for name in ["index.lock", "HEAD.lock", "config.lock", "shallow.lock", "packed-refs.lock"] {
            let path = self.git.join(name);
            let Ok(modified) = path.symlink_metadata().and_then(|meta| meta.modified()) else {
                continue;
            };
            if now.duration_since(modified).is_ok_and(|age| age >= ABANDONED) {
                left.push((path, "it was not touched for more than an hour".into()));
            }
        }
        let path = self.git.join("gc.pid");
        if let Some(text) = small_text(&path)
            && let Some(pid) = text.split_whitespace().next().and_then(|pid| pid.parse().ok())
            && !is_alive(pid)
        {
            left.push((path, format!("process {pid} no longer exists")));
        }
        left
    }

    /// Git's record of the files that it checked out.
    fn index(&self) -> Option<gix::index::File> {
        let options = gix::index::decode::Options { thread_limit: Some(1), ..Default::default() };
        let path = self.git.join("index");
        let is_small = path.metadata().is_ok_and(|meta| meta.is_file() && meta.len() <= SMALL_FILE);
        let index = || gix::index::File::at(path, gix::hash::Kind::Sha1, true, options).ok();
        is_small.then(index)?
    }

    /// The files that a user edited, deleted or added.
    pub(crate) fn edited(&self) -> Vec<PathBuf> {
        let Some(index) = self.index() else { return Vec::new() };
        let mut edited = Vec::new();
        let mut known = BTreeSet::new();
        for entry in index.entries() {
            let path = entry.path(&index);
            known.insert(path.to_owned());
            let below = Path::new(std::ffi::OsStr::from_bytes(path));
            let is_file = matches!(entry.mode, Mode::FILE | Mode::FILE_EXECUTABLE | Mode::SYMLINK);
            let is_here = !entry.flags.contains(gix::index::entry::Flags::SKIP_WORKTREE);
            if is_file
                && is_here
                && entry.stage() == Stage::Unconflicted
                && is_edited(&self.directory.join(below), &entry.stat, entry.id)
            {
                edited.push(below.to_owned());
            }
        }
        let is_known = |path: &BStr| known.contains(path);
        added(&self.directory, Path::new(""), &is_known, &mut edited);
        edited.sort();
        edited
    }
}

/// Whether the file is another than git wrote; its content is only read when its size or time says so.
fn is_edited(path: &Path, stat: &gix::index::entry::Stat, id: gix::ObjectId) -> bool {
    let Ok(meta) = path.symlink_metadata() else { return true };
    if meta.is_dir() {
        return true;
    }
    let is_same_time = meta.modified().is_ok_and(|modified| {
        modified.duration_since(SystemTime::UNIX_EPOCH).is_ok_and(|since| {
            since.as_secs() == u64::from(stat.mtime.secs)
                && since.subsec_nanos() == stat.mtime.nsecs
        })
    });
    if is_same_time && meta.len() == u64::from(stat.size) {
        return false;
    }
    let kind = gix::object::Kind::Blob;
    let hash = gix::hash::Kind::Sha1;
    if meta.is_symlink() {
        let to = std::fs::read_link(path).unwrap_or_default();
        let now = gix::objs::compute_hash(hash, kind, to.as_os_str().as_bytes());
        return !now.is_ok_and(|now| now == id);
    }
    // Of such a large file only the size and the time count.
    if meta.len() > LONGEST {
        return meta.len() != u64::from(stat.size);
    }
    let Ok(mut file) = open_regular(path) else { return true };
    let mut progress = gix::progress::Discard;
    let stop = AtomicBool::new(false);
    let now =
        gix::objs::compute_stream_hash(hash, kind, &mut file, meta.len(), &mut progress, &stop);
    !now.is_ok_and(|now| now == id)
}

/// Python files that git does not know, but for what builds make.
fn added(top: &Path, below: &Path, is_known: &dyn Fn(&BStr) -> bool, found: &mut Vec<PathBuf>) {
    const MADE: [&str; 6] =
        ["__pycache__", "build", "dist", "target", "node_modules", "site-packages"];
    for child in std::fs::read_dir(top.join(below)).into_iter().flatten().flatten() {
        let name = child.file_name();
        let text = name.to_string_lossy();
        let path = below.join(&name);
        let is_source =
            !text.starts_with('.') && !MADE.contains(&&*text) && !text.ends_with(".egg-info");
        let is_python = text.ends_with(".py") && text != "_version.py";
        match child.file_type() {
            Ok(kind) if kind.is_dir() && is_source => added(top, &path, is_known, found),
            Ok(kind)
                if !kind.is_dir() && is_python && !is_known(path.as_os_str().as_bytes().into()) =>
            {
                found.push(path);
            }
            _ => {}
        }
    }
}

/// The commit that a reference leads to.
fn commit_at(git: &Path, name: &str, depth: u8) -> Option<String> {
    let depth = depth.checked_sub(1)?;
    let text = match small_text(&git.join(name)) {
        Some(text) => text,
        None => {
            let packed = read_regular_text(&git.join("packed-refs")).ok()?;
            let lines = packed.lines().filter_map(|line| line.split_once(' '));
            let mut found =
                lines.filter(|(_, packed)| *packed == name).map(|(id, _)| id.to_owned());
            found.next_back()?
        }
    };
    match text.trim().strip_prefix("ref: ") {
        Some(next) => commit_at(git, next, depth),
        None => Some(text.trim().to_owned()).filter(|text| is_commit(text)),
    }
}

fn files_below(directory: &Path, depth: usize) -> Vec<PathBuf> {
    let Some(depth) = depth.checked_sub(1) else { return Vec::new() };
    let children = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let below = |path: PathBuf| if path.is_dir() { files_below(&path, depth) } else { vec![path] };
    children.map(|child| child.path()).flat_map(below).collect()
}

/// Whether this is a whole commit id.
pub(crate) fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The first digits of a commit, for people.
pub(crate) fn short(commit: &str) -> &str {
    commit.get(..7).unwrap_or(commit)
}

fn names(directory: &Path) -> Vec<String> {
    let children = std::fs::read_dir(directory).into_iter().flatten().flatten();
    children.map(|child| child.file_name().to_string_lossy().into_owned()).collect()
}

fn is_alive(pid: i32) -> bool {
    let Some(pid) = rustix::process::Pid::from_raw(pid) else { return true };
    rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH)
}
