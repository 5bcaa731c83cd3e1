//! Whether a work tree surely has the files of its commit and no others, seen without a process.
//!
//! `git status` takes a process for each clone, and most clones that a host keeps were never touched. [`is_untouched`] says yes
//! only where git would find nothing:
//!
//! ```text
//! settings   only those that a usual clone has, so that none changes what a comparison means
//! branch     stands at the commit that its remote's branch had, or none is checked out
//! index      usual entries, and by git's own note in it just those of the commit's tree
//! files      kind, size, times, inode and owner of each are those in the index
//! names      none that the index does not have, but for what programs make again
//! ```
//!
//! A file that changed in the second in which the index was written or later may have changed unseen, as git has it. Its content
//! is compared then.
//!
//! Limits: everything else is a doubt, and a question for git. It knows attributes, filters and ignored names.

use std::{
    collections::BTreeMap,
    fs::{self, File, Metadata},
    os::unix::{
        ffi::{OsStrExt as _, OsStringExt as _},
        fs::MetadataExt as _,
    },
    path::Path,
};

use gix::{
    ObjectId, Repository,
    bstr::{BString, ByteSlice as _},
    hash::Kind as Hash,
    index::{Entry, State, entry::Mode, extension::Tree},
    objs::Kind,
    remote::Direction,
};
use modstore_core::{
    Cancel,
    disk::{read_regular, read_whole},
};

use crate::{pack::hash_of, tree_rules::DEEPEST};

/// The longest index that is read.
const LONGEST_INDEX: u64 = 64 << 20;

/// The largest file whose content is compared.
const LARGEST_COMPARED: u64 = 8 << 20;

/// What programs make of sources, and make again: byte code, and what an installer notes of a project.
const MADE: [&str; 4] = ["__pycache__/", ".pyc", ".egg-info/", ".DS_Store"];

/// What a host notes of its own clone, at the top of it: Amplifier's address, which may have a secret, and time.
const NOTED: [&str; 1] = [".amplifier_cache_meta.json"];

/// Whether a path that git does not know, a directory's with a slash at its end, is of something that is made again.
pub(crate) fn is_made(path: &str) -> bool {
    MADE.iter().any(|made| path.ends_with(made)) || NOTED.contains(&path)
}

/// Whether the work tree in `directory` surely is that of its commit, and its branch has no commits of its own.
pub(crate) fn is_untouched(
    (repository, directory): (&Repository, &Path),
    commit: ObjectId,
    cancel: &Cancel,
) -> bool {
    is_usual(repository, directory)
        && is_of_its_remote(repository, commit)
        && compared(repository, directory, commit, cancel).is_some()
}

/// Whether the repository lies right in the work tree, has the settings of a usual clone only, and no object in place of another.
fn is_usual(repository: &Repository, directory: &Path) -> bool {
    let within = directory.join(".git");
    let is_directory = within.symlink_metadata().is_ok_and(|it| it.is_dir());
    let config = repository.config_snapshot();
    let is_setting = |section: &str, name: &str, values: &[BString]| {
        let all = |usual: &[&str]| values.iter().all(|value| usual.iter().any(|it| value == it));
        match (section, name) {
            ("remote" | "branch" | "user", _) | ("extensions", "partialclone") => true,
            ("core", "repositoryformatversion") => all(&["0", "1"]),
            ("core", "bare") => all(&["false"]),
            ("core", "filemode" | "logallrefupdates" | "ignorecase" | "precomposeunicode") => {
                all(&["true", "false"])
            }
            _ => false,
        }
    };
    let mut sections = config.plumbing().sections();
    let replaced =
        repository.references().and_then(|all| Ok(all.prefixed("refs/replace/")?.next().is_some()));
    is_directory
        && replaced.is_ok_and(|replaced| !replaced)
        && repository.git_dir() == within
        && repository.common_dir() == within
        && sections.all(|section| {
            let header = section.header().name().to_string().to_ascii_lowercase();
            section
                .value_names()
                .all(|name| is_setting(&header, &name.to_ascii_lowercase(), &section.values(&name)))
        })
}

/// Whether the checked out branch stands where the branch that it follows did; if none is checked out, there is nothing to compare.
fn is_of_its_remote(repository: &Repository, commit: ObjectId) -> bool {
    let Ok(head) = repository.head_name() else { return false };
    let Some(branch) = head else { return true };
    let tracking = repository.branch_remote_tracking_ref_name(branch.as_ref(), Direction::Fetch);
    let Some(Ok(tracking)) = tracking else { return false };
    let found = repository.try_find_reference(tracking.as_ref());
    found.is_ok_and(|found| {
        found.is_some_and(|it| it.try_id().is_some_and(|id| id.detach() == commit))
    })
}

/// Compares the commit with the index, and the index with the files.
fn compared(
    repository: &Repository,
    directory: &Path,
    commit: ObjectId,
    cancel: &Cancel,
) -> Option<()> {
    let tree = repository.find_commit(commit).ok()?.tree_id().ok()?.detach();
    // Git reads it too, and says what is wrong with a damaged one.
    repository.find_tree(tree).ok()?;
    let (index, written) = index_of(repository)?;
    let note = index.tree()?;
    let is_all = note.num_entries.and_then(|count| usize::try_from(count).ok());
    let has_tree = note.id == tree && is_all == Some(index.entries().len()) && is_valid(note);
    let is_plain = index.link().is_none()
        && index.untracked().is_none()
        && index.fs_monitor().is_none()
        && index.resolve_undo().is_none()
        && !index.is_sparse();
    (has_tree && is_plain).then_some(())?;
    let attributes = repository.git_dir().join("info/attributes").symlink_metadata().is_ok()
        || index.entries().iter().any(|entry| entry.path(&index).ends_with(b".gitattributes"));
    let files = Files { index: &index, written, attributes, cancel };
    files.compare(directory, index.entries(), 0, DEEPEST)
}

/// The index, and the second in which it was written.
fn index_of(repository: &Repository) -> Option<(State, i64)> {
    let file = File::open(repository.git_dir().join("index")).ok()?;
    let written = file.metadata().ok()?.mtime();
    let bytes = read_whole(&file, LONGEST_INDEX).ok()?;
    let body = bytes.get(..bytes.len().checked_sub(Hash::Sha1.len_in_bytes())?)?;
    let mut sum = gix::hash::hasher(Hash::Sha1);
    sum.update(body);
    // The time that it keeps is not used.
    let time = State::new(Hash::Sha1).timestamp();
    let options = gix::index::decode::Options { thread_limit: Some(1), ..Default::default() };
    let (index, noted) = State::from_bytes(&bytes, time, Hash::Sha1, options).ok()?;
    (sum.try_finalize().ok() == noted).then_some((index, written))
}

/// Whether git noted which tree each directory of the index is, and has changed none since.
fn is_valid(tree: &Tree) -> bool {
    tree.num_entries.is_some() && tree.children.iter().all(is_valid)
}

/// What the index says of a name in a directory.
enum Expected<'a> {
    File(&'a Entry),
    /// A directory, with these entries below it.
    Directory(&'a [Entry]),
}

/// The files of a work tree, compared with its index.
struct Files<'a> {
    index: &'a State,
    /// The second in which the index was written.
    written: i64,
    /// Whether there are attributes, by which the content of a file may be another than that of its blob.
    attributes: bool,
    cancel: &'a Cancel,
}

impl<'a> Files<'a> {
    /// Compares a directory with its entries, whose paths name what is in it from their byte `from` on.
    fn compare(&self, at: &Path, entries: &'a [Entry], from: usize, deepest: usize) -> Option<()> {
        if self.cancel.is_cancelled() {
            return None;
        }
        let mut expected = self.by_name(entries, from)?;
        for found in fs::read_dir(at).ok()? {
            let found = found.ok()?;
            let (name, path) = (found.file_name(), found.path());
            match expected.remove(name.as_bytes()) {
                Some(Expected::File(entry)) => self.compare_file(&path, entry)?,
                // Not where a link leads: git would see a link.
                Some(Expected::Directory(below)) if found.file_type().ok()?.is_dir() => {
                    self.compare(&path, below, from + name.len() + 1, deepest.checked_sub(1)?)?;
                }
                None if from == 0 && name == ".git" => {}
                None if is_made_again(&path, from == 0) => {}
                _ => return None,
            }
        }
        expected.is_empty().then_some(())
    }

    /// The entries of a directory by the names in it, those below one name together, as an index has them.
    fn by_name(
        &self,
        mut entries: &'a [Entry],
        from: usize,
    ) -> Option<BTreeMap<&'a [u8], Expected<'a>>> {
        let mut expected = BTreeMap::new();
        while let Some(first) = entries.first() {
            let path = first.path(self.index).get(from..)?;
            let (name, count) = match path.split_once_str("/") {
                None => (path, 1),
                Some((name, _)) => {
                    (name, entries.partition_point(|entry| self.is_below(entry, from, name)))
                }
            };
            let (these, others) = entries.split_at(count);
            let of = if name.len() == path.len() {
                Expected::File(first)
            } else {
                Expected::Directory(these)
            };
            // Twice: an index that git would not write.
            if these.is_empty() || expected.insert(name, of).is_some() {
                return None;
            }
            entries = others;
        }
        Some(expected)
    }

    /// Whether an entry lies below this name.
    fn is_below(&self, entry: &Entry, from: usize, name: &[u8]) -> bool {
        let rest = entry.path(self.index).get(from..).and_then(|path| path.strip_prefix(name));
        rest.is_some_and(|rest| rest.starts_with(b"/"))
    }

    fn compare_file(&self, path: &Path, entry: &Entry) -> Option<()> {
        let found = path.symlink_metadata().ok()?;
        let is_executable = found.mode() & 0o100 != 0;
        let is_kind = match entry.mode {
            Mode::FILE => found.is_file() && !is_executable,
            Mode::FILE_EXECUTABLE => found.is_file() && is_executable,
            Mode::SYMLINK => found.is_symlink(),
            _ => false,
        };
        // A conflict, or a wish of the user's that git look at it in another way.
        if !is_kind || !entry.flags.is_empty() || !is_as_noted(&found, entry) {
            return None;
        }
        if self.written <= found.mtime() {
            return self.compare_content(path, &found, entry);
        }
        // So git notes that a file was changed in the second in which it looked.
        let is_doubted = entry.stat.size == 0 && entry.id != ObjectId::empty_blob(Hash::Sha1);
        (!is_doubted).then_some(())
    }

    fn compare_content(&self, path: &Path, found: &Metadata, entry: &Entry) -> Option<()> {
        if self.attributes {
            return None;
        }
        let bytes = if found.is_symlink() {
            fs::read_link(path).ok()?.into_os_string().into_vec()
        } else {
            read_regular(path, LARGEST_COMPARED).ok()?
        };
        (hash_of(Kind::Blob, &bytes).ok()? == entry.id).then_some(())
    }
}

/// Whether the index has these facts of a file. It keeps the low 32 bits of each.
fn is_as_noted(found: &Metadata, entry: &Entry) -> bool {
    let noted = &entry.stat;
    (noted.size, noted.ino) == (found.size() as u32, found.ino() as u32)
        && (noted.uid, noted.gid) == (found.uid(), found.gid())
        && (noted.mtime.secs, noted.mtime.nsecs)
            == (found.mtime() as u32, found.mtime_nsec() as u32)
        && (noted.ctime.secs, noted.ctime.nsecs)
            == (found.ctime() as u32, found.ctime_nsec() as u32)
}

/// Whether what git does not know is a file that is made again, or a directory of byte code alone: then all that git could
/// say of it is of no importance.
fn is_made_again(path: &Path, is_at_the_top: bool) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let Ok(found) = path.symlink_metadata() else { return false };
    if found.is_file() {
        let is_noted = NOTED.contains(&&*name);
        return is_made(&name) && (is_at_the_top || !is_noted);
    }
    let is_code = |found: fs::DirEntry| {
        found.file_type().is_ok_and(|it| it.is_file())
            && found.file_name().as_bytes().ends_with(b".pyc")
    };
    name == "__pycache__"
        && found.is_dir()
        && fs::read_dir(path).is_ok_and(|mut names| names.all(|found| found.is_ok_and(is_code)))
}
