//! Entries and their lists: set right in place, put together from good files, or had anew.
//!
//! An entry that a kept generation needs and that cannot be had stays as it is, and is served. One that none
//! needs is put in the quarantine.

use std::{
    collections::{BTreeSet, HashSet},
    path::PathBuf,
    sync::OnceLock,
};

use super::{
    fetch::{Fetcher, Unhad},
    local::Stock,
    report::{How, Mended, Origin, Unmended},
    tree::Tree,
};
use crate::{
    acquire::MemoryBudget,
    commit::{Binding, Mending, Staged, Staging, State, read_manifest},
    disk::{Disk, DiskError, Layout, names_in, read_own},
    model::{ContentHash, Digest, GitTree, Manifest, ModuleName},
    update::Ground,
};

/// What an entry needs.
#[derive(Debug)]
enum Need {
    /// Nothing more.
    Nothing,
    /// Its list was lost, and the tree is what it should be.
    List(Manifest),
    /// The tree has to be replaced. With the list, and the files that are bad.
    Tree(Option<Manifest>),
}

/// Trees and lists that are to be put in place.
#[derive(Debug, Default)]
pub(super) struct Ready {
    trees: Vec<(Staged, Origin)>,
    lists: Vec<Manifest>,
    /// What no kept generation needs.
    pub(super) useless: Vec<Digest>,
}

impl Ready {
    /// Whether there is anything to put in place.
    pub(super) fn is_empty(&self) -> bool {
        self.trees.is_empty() && self.lists.is_empty()
    }
}

/// The entries of a store, being looked at.
pub(super) struct Entries<'a> {
    pub(super) ground: Ground<'a>,
    pub(super) state: &'a State,
    pub(super) mended: Vec<Mended>,
    pub(super) unmended: Vec<Unmended>,
}

impl Entries<'_> {
    fn disk(&self) -> &Disk {
        self.ground.disk
    }

    fn layout(&self) -> &Layout {
        self.ground.layout
    }

    /// Sets right what can be in place, and stages the rest.
    pub(super) fn prepare(
        &mut self,
        staging: &Staging,
        damaged: &BTreeSet<Digest>,
    ) -> Result<Ready, DiskError> {
        let (needed, materials) = (self.state.refcounts(), self.state.materials());
        let is_needed = |digest: &Digest| needed.contains_key(digest) || materials.contains(digest);
        let (mut ready, mut trees) = (Ready::default(), Vec::new());
        for digest in damaged {
            match self.look(*digest)? {
                Need::Nothing => {}
                Need::List(manifest) => ready.lists.push(manifest),
                Need::Tree(_) if !is_needed(digest) => ready.useless.push(*digest),
                Need::Tree(manifest) => trees.push((*digest, manifest)),
            }
        }
        ready.trees = self.stage_all(staging, trees)?;
        Ok(ready)
    }

    /// Sets permissions and times right, and says what else is to be done.
    fn look(&mut self, digest: Digest) -> Result<Need, DiskError> {
        let listed = read_manifest(self.layout(), digest);
        let entry = self.layout().entry(digest);
        let Some(tree) = Tree::read(self.disk(), &entry)? else { return Ok(Need::Tree(listed)) };
        let is_listed = listed.is_some();
        let proven = || tree.manifest().filter(|manifest| manifest.digest() == digest);
        let Some(manifest) = listed.or_else(proven) else { return Ok(Need::Tree(None)) };
        let modes = tree.set_modes(self.disk(), &manifest, self.allowed())?;
        let differences = tree.differences(&manifest);
        if !differences.are_none() {
            return Ok(Need::Tree(Some(manifest)));
        }
        if differences.set_times(self.disk())? || modes {
            self.mended.push(self.told(digest, entry, How::SetRight, None));
        }
        self.put_git_away(digest, &manifest)?;
        for variant in tree.damaged_variants() {
            let aside = crate::commit::put_away(self.disk(), self.layout(), &variant)?;
            self.mended.push(self.told(digest, variant, How::PutAside, Some(aside)));
        }
        Ok(if is_listed { Need::Nothing } else { Need::List(manifest) })
    }

    /// The permissions that the umask left the store with.
    fn allowed(&self) -> u32 {
        use std::os::unix::fs::PermissionsExt as _;
        let entries = self.layout().entries().metadata();
        entries.map_or(0o555, |entries| entries.permissions().mode() & 0o777 | 0o700)
    }

    /// What git called the files costs one full fetch when it is gone.
    fn put_git_away(&mut self, digest: Digest, manifest: &Manifest) -> Result<(), DiskError> {
        let path = self.layout().git_tree(digest);
        if path.symlink_metadata().is_err() {
            return Ok(());
        }
        let bytes = read_own(&path).unwrap_or_default();
        if GitTree::from_bytes(&bytes, manifest).is_none() {
            let aside = crate::commit::put_away(self.disk(), self.layout(), &path)?;
            self.mended.push(self.told(digest, path, How::PutAside, Some(aside)));
        }
        Ok(())
    }

    /// Stages trees, first from what is here; each that has to be fetched may help the others.
    fn stage_all(
        &mut self,
        staging: &Staging,
        mut trees: Vec<(Digest, Option<Manifest>)>,
    ) -> Result<Vec<(Staged, Origin)>, DiskError> {
        let mut stock = self.stock(&trees)?;
        let wanted = contents(&trees);
        let options = self.ground.options;
        let memory = MemoryBudget::new(options.packs.memory, options.jobs);
        let network = OnceLock::new();
        let fetcher = Fetcher { ground: self.ground, staging, network, memory };
        let mut ready = Vec::new();
        while !trees.is_empty() {
            let mut rest = Vec::new();
            for (digest, manifest) in trees {
                let listed = manifest.as_ref();
                let staged = listed.map(|list| stock.stage(self.disk(), staging, list));
                match staged.transpose()? {
                    Some(Ok(staged)) => ready.push((staged, Origin::Store)),
                    Some(Err(_)) | None => rest.push((digest, manifest)),
                }
            }
            let Some((digest, _)) = rest.first() else { break };
            let digest = *digest;
            rest.remove(0);
            match fetcher.fetch(digest, &self.bindings(digest)) {
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

    /// Where the contents of these trees may be found: in themselves, and in every other entry.
    fn stock(&self, trees: &[(Digest, Option<Manifest>)]) -> Result<Stock, DiskError> {
        let (wanted, mut stock) = (contents(trees), Stock::default());
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

    fn give_up(&mut self, digest: Digest, error: Unhad) {
        let (path, hint) = (self.layout().entry(digest), error.hint());
        let modules = self.modules(digest);
        self.unmended.push(Unmended { path, hint, error: Box::new(error), modules });
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

    fn modules(&self, digest: Digest) -> Vec<String> {
        let leads = |(module, to): (&&ModuleName, &&Binding)| {
            [to.digest(), to.material()].contains(&Some(digest)).then(|| module.to_string())
        };
        let kept = self.state.kept_modules();
        let modules: BTreeSet<String> = kept
            .flat_map(|(_, modules)| modules.iter().filter_map(leads).collect::<Vec<_>>())
            .collect();
        modules.into_iter().collect()
    }

    fn told(&self, digest: Digest, path: PathBuf, how: How, aside: Option<PathBuf>) -> Mended {
        Mended { path, how, aside, modules: self.modules(digest) }
    }

    /// Puts in place what is ready, unless a sweep has taken it away meanwhile.
    pub(super) fn place(&mut self, mending: &Mending, ready: &Ready) -> Result<(), DiskError> {
        let state = mending.state().unwrap_or_default();
        let (needed, materials) = (state.refcounts(), state.materials());
        mending.barrier()?;
        for (staged, origin) in &ready.trees {
            let digest = staged.digest();
            if needed.contains_key(&digest) || materials.contains(&digest) {
                let aside = mending.replace_entry(staged)?;
                let path = self.layout().entry(digest);
                self.mended.push(self.told(digest, path, How::Rebuilt(*origin), aside));
            }
        }
        for manifest in &ready.lists {
            let digest = manifest.digest();
            let aside = mending.write_manifest(manifest)?;
            let path = self.layout().manifest(digest);
            self.mended.push(self.told(digest, path, How::Rewritten, aside));
        }
        Ok(())
    }

    /// Puts entries away that the journal has forgotten by now.
    pub(super) fn put_away(
        &mut self,
        mending: &Mending,
        useless: &[Digest],
    ) -> Result<(), DiskError> {
        let known = mending.state().unwrap_or_default();
        for digest in useless.iter().filter(|digest| known.entry(**digest).is_none()) {
            let layout = self.layout();
            for path in layout.all_of(*digest) {
                if path.symlink_metadata().is_ok() {
                    let aside = Some(mending.put_away(&path)?);
                    self.mended.push(self.told(*digest, path, How::PutAside, aside));
                }
            }
        }
        Ok(())
    }
}

fn contents(trees: &[(Digest, Option<Manifest>)]) -> HashSet<ContentHash> {
    let listed = trees.iter().filter_map(|(_, manifest)| manifest.as_ref());
    listed.flat_map(|manifest| manifest.files()).map(|file| file.content).collect()
}
