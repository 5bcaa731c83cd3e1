//! What upstream ships at kept paths comes into the state: when it is first seen, and again for as long as nothing else
//! has changed it there. What was changed there stays.
//!
//! For each file three things are compared: what lies in the state, what upstream has now, and what upstream had when
//! modstore last wrote there. The last is written down after the files, so that a crash in between leaves files that are
//! the same as upstream's, and the next run finds nothing to do about them.
//!
//! Runs under the store's lock, between the frame and the switch: a generation never becomes current that leads to a directory
//! that is not there, and a transaction that fails puts nothing there.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::ErrorKind,
    path::{Path, PathBuf},
};

use gix::bstr::{BString, ByteSlice as _};

use super::{
    points::in_tree,
    state::{directory_of, lost, room, seeded},
};
use crate::{
    disk::{
        Barrier, Disk, DiskError, Layout, Staging, content_of, is_directory, part_of, place,
        read_manifest,
    },
    model::{ContentHash, FileKind, Kept, KeptPath, Manifest, ModuleName, TreeFile},
};

/// What is done about a file that upstream ships at a kept path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// It is what upstream ships.
    Same,
    /// It comes into the state.
    Seed,
    /// It has not been changed here, and upstream has another one.
    Replace,
    /// It was changed or deleted here, and upstream has not changed it since.
    Stay,
    /// It was changed here, and upstream has another one: it stays.
    Conflict,
}

/// What lies in the state where upstream ships a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stored {
    Nothing,
    File(ContentHash),
    /// A directory, a link, or a file that cannot be read.
    Other,
}

/// What is done about a file that upstream has as `new` now, and had as `seeded` when it was last put there.
fn step(stored: Stored, seeded: Option<ContentHash>, new: ContentHash) -> Step {
    match stored {
        Stored::Nothing if seeded.is_none() => Step::Seed,
        // It was deleted here.
        Stored::Nothing => Step::Stay,
        Stored::File(now) if now == new => Step::Same,
        Stored::File(now) if seeded == Some(now) => Step::Replace,
        Stored::File(_) | Stored::Other if seeded == Some(new) => Step::Stay,
        Stored::File(_) | Stored::Other => Step::Conflict,
    }
}

/// A file that upstream ships at a kept path.
#[derive(Debug)]
pub(super) struct Shipped<'a> {
    /// Where it belongs in the state.
    pub(super) path: BString,
    /// What it is in the source's tree.
    pub(super) file: &'a TreeFile,
}

/// What upstream ships at these points.
pub(super) fn shipped<'a>(
    source: &'a Manifest,
    part: &str,
    points: &[KeptPath],
) -> Vec<Shipped<'a>> {
    let mut all = Vec::new();
    for point in points {
        let at = in_tree(part, point.path.as_str());
        let own = source.find(at.as_bstr()).map(|(_, file)| file);
        for file in own.into_iter().chain(source.below(at.as_bstr())) {
            let below = file.path.get(at.len()..).unwrap_or_default();
            let path = [point.path.as_str().as_bytes(), below].concat().into();
            all.push(Shipped { path, file });
        }
    }
    all
}

/// A module's state, and what is known of it.
struct StateFiles {
    at: PathBuf,
    seeded: Manifest,
}

impl StateFiles {
    fn of(layout: &Layout, module: &ModuleName) -> Self {
        Self { at: layout.state(module), seeded: seeded(layout, module) }
    }

    fn step(&self, shipped: &Shipped<'_>) -> Step {
        let path = shipped.path.as_bstr();
        let seeded = self.seeded.find(path).map(|(_, file)| file.content);
        step(self.stored(&shipped.path), seeded, shipped.file.content)
    }

    fn stored(&self, path: &BString) -> Stored {
        // What lies behind a link is not the store's to read or to write.
        let mut ends = path.find_iter("/").filter_map(|end| path.get(..end));
        if ends.any(|directory| is_in_the_way(&place(&self.at, directory.as_bstr()))) {
            return Stored::Other;
        }
        let at = place(&self.at, path.as_bstr());
        match at.symlink_metadata() {
            Err(error) if error.kind() == ErrorKind::NotFound => Stored::Nothing,
            Ok(there) if there.is_file() => {
                let content = content_of(&at, FileKind::File);
                content.map_or(Stored::Other, |(content, _)| Stored::File(content))
            }
            _ => Stored::Other,
        }
    }

    /// Whether all is as it was when upstream shipped this, as far as can be said without reading a file.
    fn knows(&self, shipped: &[Shipped<'_>], points: &[KeptPath]) -> bool {
        let is_known = |shipped: &Shipped<'_>| {
            let known = self.seeded.find(shipped.path.as_bstr());
            known.is_some_and(|(_, known)| known.content == shipped.file.content)
        };
        shipped.iter().all(is_known)
            && points.iter().all(|point| is_directory(&self.at.join(directory_of(point))))
    }

    /// Writes down what upstream ships now.
    fn note(
        &self,
        disk_of: (&Disk, &Layout),
        staging: &Staging,
        module: &ModuleName,
        shipped: &[Shipped<'_>],
    ) -> Result<(), DiskError> {
        let known = self.seeded.files().iter();
        let mut files: BTreeMap<BString, TreeFile> =
            known.map(|file| (file.path.clone(), file.clone())).collect();
        for shipped in shipped {
            let file = TreeFile { path: shipped.path.clone(), ..shipped.file.clone() };
            files.insert(shipped.path.clone(), file);
        }
        let now = Manifest::new(files.into_values().collect()).expect("a map has each path once");
        if now == self.seeded { Ok(()) } else { write_note(disk_of, staging, module, &now) }
    }

    /// Forgets what upstream had at points whose directories are gone, before they are made again: nothing in them was
    /// deleted by the module, so all that upstream ships there comes again.
    fn forget_lost(
        &mut self,
        disk_of: (&Disk, &Layout),
        staging: &Staging,
        module: &ModuleName,
        points: &[KeptPath],
    ) -> Result<(), DiskError> {
        let lost = lost(disk_of.1, module, points);
        let is_lost = |file: &&TreeFile| lost.iter().any(|point| is_at(point, &file.path));
        let known = self.seeded.files().iter();
        let left: Vec<TreeFile> = known.filter(|file| !is_lost(file)).cloned().collect();
        if left.len() == self.seeded.files().len() {
            return Ok(());
        }
        self.seeded = Manifest::new(left).expect("a part of a manifest has each path once");
        write_note(disk_of, staging, module, &self.seeded)
    }
}

/// Whether a path of a state is that of a point, or lies below it.
fn is_at(point: &KeptPath, path: &BString) -> bool {
    let below = path.strip_prefix(point.path.as_str().as_bytes());
    below.is_some_and(|below| below.is_empty() || below.starts_with(b"/"))
}

fn write_note(
    (disk, layout): (&Disk, &Layout),
    staging: &Staging,
    module: &ModuleName,
    note: &Manifest,
) -> Result<(), DiskError> {
    let path = layout.seeded(module);
    disk.ensure_dir(path.parent().unwrap_or(layout.home()))?;
    disk.replace_file(&path, &staging.fresh(), &note.to_bytes())?;
    disk.sync_dir(&layout.states())?;
    disk.sync_dir(layout.home())
}

fn is_in_the_way(directory: &Path) -> bool {
    directory.symlink_metadata().is_ok_and(|there| !there.is_dir())
}

/// The files that were changed here and upstream, and where upstream's are: by the path in the state and the one in the
/// source's tree. Changes nothing.
pub(crate) fn conflicts(
    layout: &Layout,
    module: &ModuleName,
    (source, part): (&Manifest, &str),
    points: &[KeptPath],
) -> Vec<(BString, BString)> {
    let state = StateFiles::of(layout, module);
    let shipped = shipped(source, part, points);
    if state.knows(&shipped, &[]) {
        return Vec::new();
    }
    let differing = shipped.into_iter().filter(|it| state.step(it) == Step::Conflict);
    differing.map(|it| (it.path, it.file.path.clone())).collect()
}

/// Makes the directories that the links of these points lead to, or into, where they are missing, and makes their names
/// durable: a generation that leads there must not become current without them. What is in their place stays.
///
/// # Errors
/// Some may have been made.
pub(super) fn make_room(
    disk: &Disk,
    layout: &Layout,
    module: &ModuleName,
    points: &[KeptPath],
) -> Result<(), DiskError> {
    let mut touched = BTreeSet::new();
    let state = layout.state(module);
    let missing = |point: &&KeptPath| !is_directory(&state.join(directory_of(point)));
    for point in points.iter().filter(missing) {
        if !is_directory(&layout.states()) {
            disk.ensure_dir(&layout.states())?;
            touched.insert(layout.home().to_owned());
        }
        room(disk, (&state, directory_of(point)), &mut touched)?;
    }
    touched.iter().rev().try_for_each(|at| disk.sync_dir(at))
}

/// Puts what upstream ships at a module's kept paths into its state, as far as nothing of the user's is in the way.
/// Does nothing where that was done before, and where the entries are not what they should be.
///
/// # Errors
/// Doing it again goes on.
pub(crate) fn settle(
    (disk, layout, barrier): (&Disk, &Layout, Barrier),
    staging: &Staging,
    module: &ModuleName,
    kept: &Kept,
) -> Result<(), DiskError> {
    let Some((root, source, part)) = source_of(layout, kept) else { return Ok(()) };
    let points = &kept.paths;
    let (shipped, mut state) = (shipped(&source, &part, points), StateFiles::of(layout, module));
    if state.knows(&shipped, points) {
        return Ok(());
    }
    state.forget_lost((disk, layout), staging, module, points)?;
    make_room(disk, layout, module, points)?;
    let steps: Vec<(Step, &Shipped<'_>)> =
        shipped.iter().map(|shipped| (state.step(shipped), shipped)).collect();
    let settling = Settling { disk, staging, state: &state, root: &root };
    let touched = settling.place(barrier, &steps)?;
    settling.sync(&touched)?;
    state.note((disk, layout), staging, module, &shipped)
}

/// Writes the note again of what upstream ships into the state of a module. Everything there counts as known: what differs
/// from upstream's was changed here, and what is not there was deleted here.
pub(super) fn note_as_known(
    (disk, layout): (&Disk, &Layout),
    staging: &Staging,
    module: &ModuleName,
    kept: &Kept,
) -> Result<(), DiskError> {
    let Some((_, source, part)) = source_of(layout, kept) else { return Ok(()) };
    let shipped = shipped(&source, &part, &kept.paths);
    StateFiles::of(layout, module).note((disk, layout), staging, module, &shipped)
}

/// The tree that came: where it lies, its files and the part that is the module.
pub(super) fn source_of(layout: &Layout, kept: &Kept) -> Option<(PathBuf, Manifest, String)> {
    let (root, source) = (layout.entry(kept.source), read_manifest(layout, kept.source)?);
    let part = match &kept.subdirectory {
        Some(part) => part_of(&root, &source, part).ok()?.path().to_owned(),
        None => String::new(),
    };
    Some((root, source, part))
}

/// What a module keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptState {
    /// Where that lies.
    pub directory: PathBuf,
    /// The paths of the module that lead there.
    pub paths: Vec<KeptPath>,
    /// The files that upstream ships at these paths and that are others here, or not there.
    pub changed: Vec<String>,
}

/// What a module keeps, as it lies there now. Reads each of its files that upstream ships too.
pub(crate) fn kept_state(layout: &Layout, module: &ModuleName, kept: &Kept) -> KeptState {
    let (directory, paths) = (layout.state(module), kept.paths.clone());
    let Some((_, source, part)) = source_of(layout, kept) else {
        return KeptState { directory, paths, changed: Vec::new() };
    };
    let state = StateFiles::of(layout, module);
    let shipped = shipped(&source, &part, &paths).into_iter();
    let changed = shipped.filter(|it| state.stored(&it.path) != Stored::File(it.file.content));
    let changed = changed.map(|it| it.path.to_string()).collect();
    KeptState { directory, paths, changed }
}

/// The work of it.
struct Settling<'a> {
    disk: &'a Disk,
    staging: &'a Staging,
    state: &'a StateFiles,
    root: &'a Path,
}

impl Settling<'_> {
    /// Puts files where they belong, and gives the directories in which names have come or changed.
    fn place(
        &self,
        barrier: Barrier,
        steps: &[(Step, &Shipped<'_>)],
    ) -> Result<BTreeSet<PathBuf>, DiskError> {
        let mut copies = Vec::new();
        for (step, shipped) in steps {
            if matches!(step, Step::Seed | Step::Replace) {
                copies.push((*step, *shipped, self.copy(shipped.file)?));
            }
        }
        if !copies.is_empty() {
            self.disk.sync_tree(self.staging.directory(), barrier)?;
        }
        let mut touched = BTreeSet::new();
        for (step, shipped, copy) in copies {
            let to = place(&self.state.at, shipped.path.as_bstr());
            let below = to.strip_prefix(&self.state.at).ok().and_then(Path::parent);
            let below = below.unwrap_or(Path::new(""));
            if !room(self.disk, (&self.state.at, below), &mut touched)? {
                continue;
            }
            match step {
                Step::Seed => self.seed(&copy, &to)?,
                _ => self.replace(&copy, &to, shipped)?,
            }
            touched.extend(to.ancestors().skip(1).map(Path::to_owned));
        }
        Ok(touched)
    }

    /// A copy of upstream's file that may be written to.
    fn copy(&self, file: &TreeFile) -> Result<PathBuf, DiskError> {
        let copy = self.staging.fresh();
        self.disk.copy_file(&place(self.root, file.path.as_bstr()), &copy)?;
        self.disk.make_writable(&copy)?;
        Ok(copy)
    }

    /// Gives the copy its name, unless something has come to have that name meanwhile.
    fn seed(&self, copy: &Path, to: &Path) -> Result<(), DiskError> {
        match self.disk.hard_link(copy, to) {
            Err(error) if error.source.kind() == ErrorKind::AlreadyExists => Ok(()),
            // The file system has no second names for files.
            Err(error) if to.symlink_metadata().is_err() => {
                self.disk.rename(copy, to).map_err(|_| error)
            }
            linked => linked,
        }
    }

    /// Swaps the two, and swaps them back if the module has written to its file in the same moment.
    fn replace(&self, copy: &Path, to: &Path, shipped: &Shipped<'_>) -> Result<(), DiskError> {
        let known = self.state.seeded.find(shipped.path.as_bstr()).map(|(_, file)| file.content);
        match self.disk.exchange(copy, to) {
            // It stays as it is, where the file system cannot do that in one step.
            Err(error) if matches!(error.source.kind(), ErrorKind::NotFound) => Ok(()),
            Err(error) if cannot_exchange(&error) => Ok(()),
            Err(error) => Err(error),
            Ok(()) => match content_of(copy, FileKind::File) {
                Ok((taken, _)) if Some(taken) == known => Ok(()),
                _ => self.disk.exchange(copy, to),
            },
        }
    }

    /// Makes the names durable, those of inner directories first.
    fn sync(&self, touched: &BTreeSet<PathBuf>) -> Result<(), DiskError> {
        let mut own = touched.iter().rev().filter(|at| at.starts_with(&self.state.at));
        own.try_for_each(|at| self.disk.sync_dir(at))
    }
}

fn cannot_exchange(error: &DiskError) -> bool {
    use rustix::io::Errno;
    let refusals = [Errno::INVAL, Errno::NOSYS, Errno::NOTSUP, Errno::XDEV];
    let code = error.source.raw_os_error();
    refusals.iter().any(|errno| code == Some(errno.raw_os_error()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_changed_here_is_never_replaced() {
        let [old, new, mine] = ["old", "new", "mine"].map(|text| ContentHash::of(text.as_bytes()));
        let table = [
            (Stored::Nothing, None, Step::Seed),
            (Stored::Nothing, Some(old), Step::Stay),
            (Stored::File(new), None, Step::Same),
            (Stored::File(new), Some(old), Step::Same),
            (Stored::File(old), Some(old), Step::Replace),
            (Stored::File(old), None, Step::Conflict),
            (Stored::File(mine), None, Step::Conflict),
            (Stored::File(mine), Some(old), Step::Conflict),
            (Stored::File(mine), Some(new), Step::Stay),
            (Stored::Other, Some(new), Step::Stay),
            (Stored::Other, Some(old), Step::Conflict),
            (Stored::Other, None, Step::Conflict),
        ];
        for (stored, seeded, expected) in table {
            assert_eq!(step(stored, seeded, new), expected, "{stored:?}, {seeded:?}");
        }
    }
}
