//! [`Checkout`]: a git work tree in somebody's cache, as far as a doctor has to know it.
//!
//! Read, and never written to: no refresh of its index, no lock. What is ignored by git is not looked up; of files
//! that git does not know only Python's count as edits.

use std::{
    collections::BTreeSet,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use gix::{
    bstr::{BStr, ByteSlice as _},
    index::entry::{Mode, Stage},
};

/// A lock of git's that nobody has touched for so long belongs to nobody.
const ABANDONED: Duration = Duration::from_secs(60 * 60);

/// A git work tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Checkout {
    directory: PathBuf,
    git: PathBuf,
    /// The commit that is checked out, if that can be told.
    pub(crate) head: Option<String>,
}

impl Checkout {
    /// The work tree whose top this directory is.
    pub(crate) fn at(directory: &Path) -> Option<Self> {
        let mut git = directory.join(".git");
        if git.is_file() {
            let text = std::fs::read_to_string(&git).ok()?;
            git = directory.join(text.strip_prefix("gitdir:")?.trim());
        }
        if !git.is_dir() {
            return None;
        }
        let head = commit_at(&git, "HEAD", 5);
        Some(Self { directory: directory.to_owned(), git, head })
    }

    /// Where its repository says that it comes from, as written: perhaps with a secret.
    pub(crate) fn remote(&self) -> Option<String> {
        let config = self.git.join("config");
        let source = gix::config::Source::Local;
        let config = gix::config::File::from_path_no_includes(config, source).ok()?;
        config.string("remote.origin.url").map(|url| url.to_str_lossy().into_owned())
    }

    /// The branch that is checked out.
    pub(crate) fn branch(&self) -> Option<String> {
        let head = std::fs::read_to_string(self.git.join("HEAD")).ok()?;
        head.trim().strip_prefix("ref: refs/heads/").map(str::to_owned)
    }

    /// Where its configuration is.
    pub(crate) fn config(&self) -> PathBuf {
        self.git.join("config")
    }

    /// What is missing of it, if it was never finished.
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

    fn open(&self) -> Option<gix::Repository> {
        let options = gix::open::Options::isolated().with(gix::sec::Trust::Full);
        gix::open_opts(&self.directory, options).ok()
    }

    /// When the commit that is checked out was made, in seconds since 1970.
    pub(crate) fn committed_at(&self) -> Option<i64> {
        let id = gix::ObjectId::from_hex(self.head.as_ref()?.as_bytes()).ok()?;
        let repository = self.open()?;
        let commit = repository.find_commit(id).ok()?;
        commit.time().ok().map(|time| time.seconds)
    }

    /// Locks that git has left, and of whom.
    pub(crate) fn left_locks(&self, now: SystemTime) -> Vec<(PathBuf, String)> {
        let mut left = Vec::new();
        for name in ["index.lock", "HEAD.lock", "config.lock", "shallow.lock", "packed-refs.lock"] {
            let path = self.git.join(name);
            let Ok(modified) = path.symlink_metadata().and_then(|meta| meta.modified()) else {
                continue;
            };
            if now.duration_since(modified).is_ok_and(|age| age >= ABANDONED) {
                left.push((path, "nobody has touched it for more than an hour".into()));
            }
        }
        let path = self.git.join("gc.pid");
        if let Ok(text) = std::fs::read_to_string(&path)
            && let Some(pid) = text.split_whitespace().next().and_then(|pid| pid.parse().ok())
            && !is_alive(pid)
        {
            left.push((path, format!("process {pid} is no more")));
        }
        left
    }

    /// The files that somebody has edited, deleted or added.
    pub(crate) fn edited(&self) -> Vec<PathBuf> {
        let options = gix::index::decode::Options { thread_limit: Some(1), ..Default::default() };
        let (path, kind) = (self.git.join("index"), gix::hash::Kind::Sha1);
        let Ok(index) = gix::index::File::at(path, kind, true, options) else {
            return Vec::new();
        };
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
    let content = match meta.is_symlink() {
        true => std::fs::read_link(path).map(|to| to.as_os_str().as_bytes().to_vec()),
        false => std::fs::read(path),
    };
    let Ok(content) = content else { return true };
    let kind = gix::object::Kind::Blob;
    !gix::objs::compute_hash(gix::hash::Kind::Sha1, kind, &content).is_ok_and(|now| now == id)
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
    let text = match std::fs::read_to_string(git.join(name)) {
        Ok(text) => text,
        Err(_) => {
            let packed = std::fs::read_to_string(git.join("packed-refs")).ok()?;
            let lines = packed.lines().filter_map(|line| line.split_once(' '));
            let mut found =
                lines.filter(|(_, packed)| *packed == name).map(|(id, _)| id.to_owned());
            found.next_back()?
        }
    };
    let text = text.trim();
    match text.strip_prefix("ref: ") {
        Some(next) => commit_at(git, next, depth),
        None => is_commit(text).then(|| text.to_owned()),
    }
}

/// Whether this is a whole commit id.
pub(crate) fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Enough of a commit for a person.
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
