//! [`LargeFiles`]: the content of large files put in the place of their pointers.
//!
//! The tree is whole before, with all pointers, as git has it. Contents come from the previous entry where it has them, and
//! else from the place that the repository, or a person, names. The entry's name is made of the tree with the contents;
//! git's ids stay those of the pointers. So the chain of proof is whole: commit, trees, pointer, SHA-256, content.
//!
//! Limits: on failure the tree is to be thrown away.

use std::collections::{BTreeMap, HashMap, HashSet};

use gix::bstr::{BStr, BString, ByteSlice as _};
use modstore_core::{
    Cancel,
    disk::{Disk, DiskError, LinkError, Planting, Staging, StreamError, Verb, open_regular},
    events::Step,
    model::{FileKind, Manifest, TreeFile},
};

use super::{
    endpoint::endpoint,
    objects::{LfsObjects, StagedContent},
    other_place::OtherPlace,
    pointer::{Oid, Pointer},
    settings::{LfsSettings, MOST, Wish},
    survey::{LargeFile, read, survey},
    transfer::{Progress, Transfer, WantedContent},
};
use crate::{
    errors::{AcquireError, FetchError, LfsError, LimitError, PackError},
    limits::{LfsLimit, LfsLimits, PackLimit},
    pack::{Base, BeforeLink, FetchMemory, MemoryBudget, name_of, os_path},
    transport::Access,
    tree::{NEVER_LINKED, WrittenTree},
};

/// What it takes to find the large files of a tree and to fetch their content.
pub(crate) struct LargeFiles<'f> {
    pub(crate) limits: LfsLimits,
    /// Bytes that all files of a tree may have.
    pub(crate) most: u64,
    pub(crate) memory: &'f MemoryBudget,
    pub(crate) disk: &'f Disk,
    pub(crate) staging: &'f Staging,
    pub(crate) objects: &'f LfsObjects,
    pub(crate) on_step: &'f (dyn Fn(Step<'_>) + Sync),
    pub(crate) cancel: &'f Cancel,
}

impl LargeFiles<'_> {
    /// Lists the large files of a tree in its [`GitTree::pointers`](modstore_core::model::GitTree); their pointers stay.
    pub(crate) fn list(
        &self,
        writer: &Planting,
        tree: &mut WrittenTree,
    ) -> Result<(), AcquireError> {
        let memory = FetchMemory::new(self.memory);
        match survey(writer.root(), tree, (&self.limits, &memory), self.cancel) {
            // A module that does not want the content has the rest all the same.
            Err(AcquireError::Lfs(LfsError::TooLarge { .. })) => {}
            found => note(tree, &found?),
        }
        Ok(())
    }

    /// Puts the content of the large files in the place of their pointers.
    pub(crate) fn fill(
        &self,
        writer: &Planting,
        tree: &mut WrittenTree,
        base: Option<&Base<'_>>,
        (access, other): (&Access, Option<&dyn OtherPlace>),
    ) -> Result<(), AcquireError> {
        let memory = FetchMemory::new(self.memory);
        let found = survey(writer.root(), tree, (&self.limits, &memory), self.cancel)?;
        note(tree, &found);
        let settings = self.settings(writer, tree, access)?;
        let wish = settings.wish();
        let found = wanted(found, &wish, tree)?;
        if found.is_empty() {
            return Ok(());
        }
        self.check(&found, tree)?;
        let mut files = tree.manifest.files().to_vec();
        let rest = self.fill_from(base, writer, &found, &mut files, tree)?;
        let contents = missing(&rest, &files);
        if !contents.is_empty() {
            let transfer = self.transfer(access);
            let contents =
                transfer.bring_from_all(other, contents, || endpoint(access, &settings))?;
            tree.received_bytes += transfer.progress.bytes();
            for large in &rest {
                let staged = contents.get(&large.pointer.oid);
                if let (Some(staged), Some(file)) = (staged, files.get_mut(large.number)) {
                    writer.remove(file.path.as_bstr()).map_err(AcquireError::Write)?;
                    put(writer, staged, file).map_err(|error| unusable(error, staged, file))?;
                }
            }
        }
        tree.manifest = Manifest::new(files).map_err(|source| {
            let url = access.remote.redacted.clone();
            AcquireError::Fetch(FetchError::Receive { url, source: PackError::Manifest(source) })
        })?;
        Ok(())
    }

    fn transfer<'t>(&'t self, access: &'t Access) -> Transfer<'t> {
        Transfer {
            access,
            disk: self.disk,
            staging: self.staging,
            objects: self.objects,
            on_step: self.on_step,
            cancel: self.cancel,
            progress: Progress::default(),
        }
    }

    fn settings<'c>(
        &self,
        writer: &Planting,
        tree: &WrittenTree,
        access: &'c Access,
    ) -> Result<LfsSettings<'c>, AcquireError> {
        let found = tree.manifest.find(BStr::new(".lfsconfig")).map(|(_, file)| file);
        let is_read = |file: &&TreeFile| file.kind != FileKind::Symlink && file.size <= MOST;
        let bytes = found.filter(is_read).map(|file| read(writer.root(), file)).transpose()?;
        Ok(LfsSettings::new(&access.config, bytes.as_deref()))
    }

    /// Checks the limits, before anything is asked for.
    fn check(&self, found: &[LargeFile], tree: &WrittenTree) -> Result<(), LfsError> {
        let mut sizes: BTreeMap<Oid, u64> = BTreeMap::new();
        for Pointer { oid, size, .. } in found.iter().map(|large| &large.pointer) {
            // Two pointers may say different things of one content.
            let known = sizes.entry(*oid).or_default();
            *known = (*known).max(*size);
        }
        let size = sizes.values().copied().fold(0, u64::saturating_add);
        LfsError::check(LfsLimit::Size, size, self.limits.size)?;
        let all = found.iter().map(|large| large.pointer.size);
        let all = all.fold(tree.manifest.size(), u64::saturating_add);
        Ok(LimitError::check(PackLimit::Tree, all, self.most)?)
    }

    /// Takes what the previous entry has; gives the rest.
    fn fill_from(
        &self,
        base: Option<&Base<'_>>,
        writer: &Planting,
        found: &[LargeFile],
        files: &mut [TreeFile],
        tree: &mut WrittenTree,
    ) -> Result<Vec<LargeFile>, AcquireError> {
        let mut known: HashMap<Oid, Vec<StagedContent>> = HashMap::new();
        for (file, text) in base.into_iter().flat_map(Base::replaced) {
            if let Some(pointer) = Pointer::parse(text)
                && let Some(base) = base
            {
                let staged = StagedContent { root: base.root.clone(), file: file.clone() };
                known.entry(pointer.oid).or_default().push(staged);
            }
        }
        let mut rest = Vec::new();
        for large in found {
            let Some(file) = files.get_mut(large.number) else { continue };
            let candidates = known.get(&large.pointer.oid).map(Vec::as_slice).unwrap_or_default();
            let same = candidates.iter().find(|staged| staged.file.kind == file.kind);
            let Some(staged) = same.or(candidates.first()) else {
                rest.push(large.clone());
                continue;
            };
            writer.remove(file.path.as_bstr()).map_err(AcquireError::Write)?;
            let seen = base.map(|base| base.look_at(&staged.file, file.path.as_bstr()));
            let taken = match seen {
                Some(BeforeLink::Damaged) => Err(PutError::Damaged),
                _ => put(writer, staged, file),
            };
            match taken {
                Ok(is_linked) => {
                    tree.linked += u64::from(is_linked);
                    tree.unread += u64::from(is_linked && seen == Some(BeforeLink::Unread));
                    tree.written = tree.written.saturating_sub(u64::from(is_linked));
                }
                Err(PutError::Disk(error)) => return Err(AcquireError::Write(error)),
                // The entry is damaged: the content is fetched, in the place of the pointer as before.
                Err(PutError::Damaged) => {
                    tree.damaged.push(staged.file.path.clone());
                    let _ = writer.remove(file.path.as_bstr());
                    let text = large.text.as_slice();
                    let written = writer.write(file.path.as_bstr(), file.kind, text);
                    written.map_err(AcquireError::Write)?;
                    rest.push(large.clone());
                }
            }
        }
        Ok(rest)
    }
}

/// The contents that these files need, each once, under the name of the first file that needs it.
fn missing(rest: &[LargeFile], files: &[TreeFile]) -> Vec<WantedContent> {
    let mut known = HashSet::new();
    let new = rest.iter().filter(|large| known.insert(large.pointer.oid));
    let wanted = new.filter_map(|large| {
        let Pointer { oid, size, .. } = large.pointer;
        let files = format!("`{}`", files.get(large.number)?.path);
        Some(WantedContent { oid, size, files })
    });
    wanted.collect()
}

/// Lists large files as those whose pointer git has.
fn note(tree: &mut WrittenTree, found: &[LargeFile]) {
    let files = tree.manifest.files();
    let pointers: Vec<(BString, BString)> = found
        .iter()
        .filter_map(|large| Some((files.get(large.number)?.path.clone(), large.text.clone())))
        .collect();
    tree.git.pointers = pointers;
}

/// Those that the settings do not leave out.
fn wanted(
    mut found: Vec<LargeFile>,
    wish: &Wish,
    tree: &WrittenTree,
) -> Result<Vec<LargeFile>, LfsError> {
    let files = tree.manifest.files();
    let path = |large: &LargeFile| Some(files.get(large.number)?.path.as_bstr());
    found.retain(|large| path(large).is_some_and(|path| wish.contains(path)));
    for large in &found {
        if let (Some(name), Some(path)) = (&large.pointer.extension, path(large)) {
            return Err(LfsError::Extension { path: path.to_string(), name: name.clone() });
        }
    }
    Ok(found)
}

/// Why a content was not put into the tree.
enum PutError {
    /// It is not what it was.
    Damaged,
    Disk(DiskError),
}

/// Puts a content into the tree, at the free place of `file`, which has its size and hash afterwards. Returns whether it was
/// linked.
fn put(writer: &Planting, staged: &StagedContent, file: &mut TreeFile) -> Result<bool, PutError> {
    let path = file.path.as_bstr();
    let is_fragile = |path: &BString| NEVER_LINKED.iter().any(|name| name_of(path) == *name);
    let may_be_linked =
        staged.file.kind == file.kind && !is_fragile(&file.path) && !is_fragile(&staged.file.path);
    if may_be_linked {
        writer.link(path, &staged.file, &staged.root).map_err(|error| match error {
            LinkError::Damaged { .. } => PutError::Damaged,
            LinkError::Disk(error) => PutError::Disk(error),
        })?;
    } else {
        let from = staged.root.join(os_path(staged.file.path.as_bstr()));
        let mut contents = open_regular(&from).map_err(|_| PutError::Damaged)?;
        let may_run = file.kind == FileKind::Executable;
        let written = writer.write_stream(path, may_run, &mut contents);
        let (content, _) = written.map_err(|error| match error {
            StreamError::Read(_) => PutError::Damaged,
            StreamError::Disk(error) => PutError::Disk(error),
        })?;
        if content != staged.file.content {
            return Err(PutError::Damaged);
        }
    }
    (file.size, file.content) = (staged.file.size, staged.file.content);
    Ok(may_be_linked)
}

fn unusable(error: PutError, staged: &StagedContent, file: &TreeFile) -> AcquireError {
    AcquireError::Write(match error {
        PutError::Disk(error) => error,
        PutError::Damaged => {
            let what = format!("the content of {} is not as it was just written", file.path);
            let at = staged.root.join(os_path(staged.file.path.as_bstr()));
            DiskError::new(Verb::Read, &at, std::io::Error::other(what))
        }
    })
}
