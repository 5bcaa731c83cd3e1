//! The repair of entries and their manifests. All that has to be fetched is fetched before the store's lock is taken.
//!
//! Each entry is looked at again, every byte of it: what is right in place stays, and only what is wrong is replaced.

use std::{
    collections::{BTreeSet, HashSet},
    path::{Path, PathBuf},
};

use super::{linked, stock::Stock, tree::Tree};
use crate::{
    acquire::TreeFrom,
    check::{
        code::Repair,
        fetch::{Fetcher, RefetchError},
        finding::Finding,
        report::{How, NotRepaired, RepairError, Repaired},
        work::Work,
    },
    commit::{Journal, RepairLock, State},
    disk::{
        Disk, DiskError, Layout, Staged, Staging, names_in, read_manifest, read_own,
        read_own_if_there,
    },
    model::{Binding, ContentHash, Digest, GitTree, KeptCommits, Manifest, ModuleName},
    update::give_back,
};

/// Repairs the entries that these findings are about.
pub(super) fn repair(work: &mut Work<'_>, found: &[Finding]) -> Result<(), RepairError> {
    let damaged = damaged(found);
    if damaged.is_empty() {
        return Ok(());
    }
    work.is_outdated = true;
    let layout = work.context.layout;
    let state = Journal::state(&layout.journal())?;
    let staging = work.staging()?;
    let mut entries = Entries { state: &state, work };
    let ready = entries.prepare(&staging, &damaged)?;
    if entries.work.context.cancel.is_cancelled() {
        return Err(RepairError::Cancelled);
    }
    if !ready.trees.is_empty() || !ready.manifests.is_empty() {
        let lock = entries.work.lock(staging)?;
        entries.place(&lock, &ready)?;
    }
    if !ready.useless.is_empty() {
        entries.work.lock_sound()?.forget(&ready.useless)?;
        let lock = entries.work.lock(entries.work.staging()?)?;
        entries.put_away(&lock, &ready.useless)?;
    }
    give_back(work.context, &Journal::state(&layout.journal())?);
    Ok(())
}

/// The entries that something is wrong with.
fn damaged(found: &[Finding]) -> BTreeSet<Digest> {
    let of_entries = [Repair::Rebuild, Repair::RebuildManifest, Repair::SetMode, Repair::SetAside];
    let wrong = found.iter().filter(|finding| of_entries.contains(&finding.code.repair()));
    wrong.filter_map(|finding| finding.about.entry).collect()
}

/// What an entry needs.
#[derive(Debug)]
enum Need {
    /// Nothing more.
    Nothing,
    /// Its manifest was lost, and the tree is what it should be.
    Manifest(Manifest),
    /// The tree has to be replaced, by one with this manifest if that is known.
    Tree(Option<Manifest>),
}

/// Trees and manifests that can be put in place.
#[derive(Debug, Default)]
struct Ready {
    trees: Vec<(Staged, TreeFrom)>,
    manifests: Vec<Manifest>,
    /// Damaged entries that no kept generation needs.
    useless: Vec<Digest>,
}

/// The entries of a store under repair.
struct Entries<'r, 'w> {
    work: &'r mut Work<'w>,
    state: &'r State,
}

impl<'w> Entries<'_, 'w> {
    const fn disk(&self) -> &'w Disk {
        self.work.context.disk
    }

    const fn layout(&self) -> &'w Layout {
        self.work.context.layout
    }

    fn repaired(&mut self, digest: Digest, path: PathBuf, how: How, aside: Option<PathBuf>) {
        let modules = self.modules(digest);
        self.work.report.repaired.push(Repaired { path, how, aside, modules });
    }

    /// Repairs in place what can be, and stages the rest.
    fn prepare(
        &mut self,
        staging: &Staging,
        damaged: &BTreeSet<Digest>,
    ) -> Result<Ready, RepairError> {
        let needed = self.state.needed();
        let mut ready = Ready::default();
        let mut trees = Vec::new();
        for digest in damaged {
            match self.repair_in_place(*digest)? {
                Need::Nothing => {}
                Need::Manifest(manifest) => ready.manifests.push(manifest),
                Need::Tree(_) if !needed.contains(digest) => ready.useless.push(*digest),
                Need::Tree(manifest) => trees.push((*digest, manifest)),
            }
        }
        ready.trees = self.stage_all(staging, trees)?;
        Ok(ready)
    }

    /// Sets permissions and times, moves away what can be made again, and returns what else is to be done.
    fn repair_in_place(&mut self, digest: Digest) -> Result<Need, RepairError> {
        let listed = read_manifest(self.layout(), digest);
        let entry = self.layout().entry(digest);
        let Some(meta) = entry.symlink_metadata().ok().filter(|meta| meta.is_dir()) else {
            return Ok(Need::Tree(listed));
        };
        let disk = self.disk();
        // Directories may have to be opened up to be read. Their right permissions are set below.
        let tree = Tree::read(&entry, meta, &mut |node| node.open_up(disk))?;
        let is_listed = listed.is_some();
        let proven = || tree.manifest().filter(|manifest| manifest.digest() == digest);
        let Some(manifest) = listed.or_else(proven) else { return Ok(Need::Tree(None)) };
        let modes = tree.set_modes(disk, &manifest, self.allowed())?;
        let Some(late) = tree.late(&manifest) else {
            return Ok(Need::Tree(Some(manifest)));
        };
        late.iter().try_for_each(|(path, time)| disk.set_time(path, *time))?;
        if modes || !late.is_empty() {
            self.repaired(digest, entry, How::SetRight, None);
        }
        self.put_git_away(digest, &manifest)?;
        self.put_commits_away(digest)?;
        let variants: BTreeSet<PathBuf> =
            tree.variant_faults(true).into_iter().map(|(variant, ..)| variant).collect();
        for variant in variants {
            let aside = self.work.put_away(&variant)?;
            self.repaired(digest, variant, How::SetAside, Some(aside));
        }
        Ok(if is_listed { Need::Nothing } else { Need::Manifest(manifest) })
    }

    /// The permissions that the umask left the store with.
    fn allowed(&self) -> u32 {
        use std::os::unix::fs::PermissionsExt as _;
        let entries = self.layout().entries().metadata();
        entries.map_or(0o555, |entries| entries.permissions().mode() & 0o777 | 0o700)
    }

    /// Without git's names of the files, the next fetch is a full one.
    fn put_git_away(&mut self, digest: Digest, manifest: &Manifest) -> Result<(), DiskError> {
        let path = self.layout().git_tree(digest);
        if path.symlink_metadata().is_err() {
            return Ok(());
        }
        let bytes = read_own(&path).unwrap_or_default();
        if GitTree::from_bytes(&bytes, manifest).is_none() {
            let aside = self.work.put_away(&path)?;
            self.repaired(digest, path, How::SetAside, Some(aside));
        }
        Ok(())
    }

    /// Without its commit objects, the entry is not published until it is fetched again.
    fn put_commits_away(&mut self, digest: Digest) -> Result<(), DiskError> {
        let path = self.layout().commits(digest);
        if path.symlink_metadata().is_err() {
            return Ok(());
        }
        let kept = read_own(&path).ok().and_then(|bytes| KeptCommits::from_bytes(&bytes));
        if kept.is_none() {
            let aside = self.work.put_away(&path)?;
            self.repaired(digest, path, How::SetAside, Some(aside));
        }
        Ok(())
    }

    /// Stages trees, first from what is here; each that has to be fetched may help the others.
    fn stage_all(
        &mut self,
        staging: &Staging,
        mut trees: Vec<(Digest, Option<Manifest>)>,
    ) -> Result<Vec<(Staged, TreeFrom)>, DiskError> {
        let mut stock = self.stock(&trees)?;
        let wanted = contents(&trees);
        let claim = || Ok(staging);
        let fetcher = Fetcher::new((self.work.context, self.work.settings), self.state, &claim);
        let mut ready = Vec::new();
        while !trees.is_empty() {
            let mut rest = Vec::new();
            for (digest, manifest) in trees {
                let listed = manifest.as_ref();
                let staged = listed.map(|list| stock.stage(self.disk(), staging, list));
                match staged.transpose()?.flatten() {
                    Some(staged) => ready.push((staged, TreeFrom::Store)),
                    None => rest.push((digest, manifest)),
                }
            }
            if rest.is_empty() {
                break;
            }
            // A tree that leads into a state is made from the one that came, so that comes first.
            let comes = |(digest, _): &(Digest, Option<Manifest>)| {
                linked::kept_of(*digest, &self.bindings(*digest)).is_none()
            };
            let (digest, _) = rest.remove(rest.iter().position(comes).unwrap_or(0));
            let bindings = self.bindings(digest);
            if let Some(staged) = self.linked(staging, &ready, digest, &bindings)? {
                ready.push((staged, TreeFrom::Store));
                trees = rest;
                continue;
            }
            match fetcher.fetch(digest, &bindings) {
                Ok((staged, origin)) => {
                    if let Some(manifest) = staged.manifest() {
                        stock.add(staged.tree(), &manifest, |content| wanted.contains(content));
                    }
                    ready.push((staged, origin));
                }
                Err(error) => self.give_up(digest, error),
            }
            trees = rest;
        }
        Ok(ready)
    }

    /// The tree of a module that keeps something, if the one that came is whole.
    fn linked(
        &self,
        staging: &Staging,
        ready: &[(Staged, TreeFrom)],
        digest: Digest,
        bindings: &[(ModuleName, Binding)],
    ) -> Result<Option<Staged>, DiskError> {
        let Some(kept) = linked::kept_of(digest, bindings) else { return Ok(None) };
        let ready = ready.iter().map(|(staged, _)| staged);
        linked::stage((self.disk(), self.layout()), staging, ready, kept)
    }

    /// Where the contents of these trees may be found: in themselves, and in every other entry.
    fn stock(&self, trees: &[(Digest, Option<Manifest>)]) -> Result<Stock, DiskError> {
        let wanted = contents(trees);
        let mut stock = Stock::default();
        let names = names_in(&self.layout().manifests())?.into_iter();
        let others = names.filter_map(|name| name.to_str()?.parse::<Digest>().ok());
        let own = trees.iter().map(|(digest, _)| *digest);
        for digest in own.chain(others).collect::<BTreeSet<_>>() {
            if let Some(manifest) = read_manifest(self.layout(), digest) {
                stock.add(&self.layout().entry(digest), &manifest, |hash| wanted.contains(hash));
            }
        }
        Ok(stock)
    }

    fn give_up(&mut self, digest: Digest, error: RefetchError) {
        let not_repaired = NotRepaired {
            path: self.layout().entry(digest),
            hint: error.hint(),
            error: Box::new(error),
            modules: self.modules(digest),
        };
        self.work.report.not_repaired.push(not_repaired);
    }

    /// Every binding that leads to the entry in any generation, the newest first, each source once.
    fn bindings(&self, digest: Digest) -> Vec<(ModuleName, Binding)> {
        let mut found: Vec<(ModuleName, Binding)> = Vec::new();
        let changes = self.state.generations().iter().rev().flat_map(|info| &info.changes);
        for (module, binding) in changes.filter_map(|(name, to)| Some((name, to.as_ref()?))) {
            let leads = [binding.digest(), binding.bound.source_entry()].contains(&Some(digest));
            if leads && found.iter().all(|(_, known)| known != binding) {
                found.push((module.clone(), binding.clone()));
            }
        }
        found
    }

    /// The modules of kept generations that need the entry.
    fn modules(&self, digest: Digest) -> Vec<String> {
        let needs = |to: &Binding| [to.digest(), to.material()].contains(&Some(digest));
        let mut modules = BTreeSet::new();
        for (_, bindings) in self.state.kept_modules() {
            let needing = bindings.into_iter().filter(|(_, to)| needs(to));
            modules.extend(needing.map(|(module, _)| module.to_string()));
        }
        modules.into_iter().collect()
    }

    /// Puts in place what is ready, unless a sweep has removed the entry meanwhile.
    fn place(&mut self, lock: &RepairLock<'_>, ready: &Ready) -> Result<(), DiskError> {
        let needed = lock.state().unwrap_or_default().needed();
        lock.sync_staging()?;
        for (staged, origin) in &ready.trees {
            let digest = staged.digest();
            if needed.contains(&digest) {
                let aside = replace_entry(lock, staged)?;
                let path = self.layout().entry(digest);
                self.repaired(digest, path, How::Rebuilt(*origin), aside);
            }
        }
        for manifest in &ready.manifests {
            let digest = manifest.digest();
            let aside = write_manifest(lock, manifest)?;
            self.repaired(digest, self.layout().manifest(digest), How::Rewritten, aside);
        }
        Ok(())
    }

    /// Moves entries away that the journal no longer has by now.
    fn put_away(&mut self, lock: &RepairLock<'_>, useless: &[Digest]) -> Result<(), DiskError> {
        let known = lock.state().unwrap_or_default();
        for digest in useless.iter().filter(|digest| known.entry(**digest).is_none()) {
            for path in self.layout().all_of(*digest) {
                if path.symlink_metadata().is_ok() {
                    let aside = lock.put_away(&path)?;
                    self.repaired(*digest, path, How::SetAside, Some(aside));
                }
            }
        }
        Ok(())
    }
}

/// The contents of all files of these trees.
fn contents(trees: &[(Digest, Option<Manifest>)]) -> HashSet<ContentHash> {
    let listed = trees.iter().filter_map(|(_, manifest)| manifest.as_ref());
    listed.flat_map(|manifest| manifest.files()).map(|file| file.content).collect()
}

/// Puts a staged tree, durable by now, in the place of the entry of its name, and returns where the damaged one is now. A
/// reader of the entry finds the old tree or the new one.
fn replace_entry(lock: &RepairLock<'_>, staged: &Staged) -> Result<Option<PathBuf>, DiskError> {
    let layout = lock.context.layout;
    let digest = staged.digest();
    replace_file(lock, staged.list(), &layout.manifest(digest))?;
    if let Some(git) = staged.git() {
        replace_file(lock, git, &layout.git_tree(digest))?;
    }
    if let Some(commits) = staged.commits() {
        replace_file(lock, commits, &layout.commits(digest))?;
    }
    let entry = layout.entry(digest);
    let aside = lock.put_in_place(staged.tree(), &entry)?;
    // Only now: to move a directory takes the right to write to it.
    lock.context.disk.make_read_only(&entry)?;
    Ok(aside)
}

/// Writes the manifest of an entry, and returns where the damaged one is now.
fn write_manifest(
    lock: &RepairLock<'_>,
    manifest: &Manifest,
) -> Result<Option<PathBuf>, DiskError> {
    let spare = lock.staging.fresh();
    lock.context.disk.create_file(&spare, &manifest.to_bytes())?;
    lock.context.disk.sync_file(&spare)?;
    replace_file(lock, &spare, &lock.context.layout.manifest(manifest.digest()))
}

/// Puts a durable file in the place of one with another content.
fn replace_file(
    lock: &RepairLock<'_>,
    good: &Path,
    path: &Path,
) -> Result<Option<PathBuf>, DiskError> {
    if read_own(path).ok() == Some(read_own_if_there(good)?.unwrap_or_default()) {
        return Ok(None);
    }
    lock.put_in_place(good, path)
}
