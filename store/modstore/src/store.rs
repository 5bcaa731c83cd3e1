//! [`Store`]: the handle on a store, what it can be asked without changing it, and what every change is given.
//!
//! Opening creates nothing; the first call that changes the store makes it. The changes are in `ops`, one file for each
//! verb with its errors.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use modstore_fetch::{PointersLeft, Unapplied, find_part, unapplied_attributes};

use crate::{
    Cancel, Context,
    access::{self, AccessError, OpenError},
    acquire::pointers_left,
    commit::{Frame, Journal, JournalError, State, shown},
    declare::{self, DeclareError},
    disk::{
        Disk, DiskError, Ensured, Format, FormatError, Layout, LockWait, UnsafeHome, has_no_links,
        is_ours, part_of, read_manifest, read_verified,
    },
    environment::{self, Registration, RegistrationError},
    events::{Event, Events, Silent},
    keep::{self, KeptState, kept_state},
    model::{
        self, Binding, Bound, Declarations, Digest, Generation, Manifest, ModuleName, TreeFile,
    },
    reclaim::{self, Lease, LeaseError, Leased},
    update::Options,
};

/// A store, open. Shared by reference between threads; each process opens its own.
#[derive(Debug)]
pub struct Store {
    disk: Disk,
    layout: Layout,
    options: Options,
}

/// When it is dropped, reports what could not be cleaned up.
pub(crate) struct ReportLeftovers<'a> {
    disk: &'a Disk,
    events: &'a dyn Events,
}

impl Drop for ReportLeftovers<'_> {
    fn drop(&mut self) {
        for error in self.disk.take_left() {
            let why = model::causes(&error).join(": ");
            let text = format!("{why}; the next command that changes the store tries again");
            self.events.happened(Event::Notice { text: &text });
        }
    }
}

impl Store {
    /// Opens the store in `home`. A home that does not exist is an empty store.
    ///
    /// # Errors
    /// When the store was made by a newer version, cannot be read, or has a link in the place of a directory.
    pub fn open(home: &Path, options: Options) -> Result<Self, OpenError> {
        Self::open_on(Disk::default(), home, options)
    }

    /// Opens the store of the project in this directory: its `modules.toml` and `modules.lock` lie there, to be committed,
    /// and its home is `.modstore` in it, which git ignores.
    ///
    /// # Errors
    /// As [`open`](Self::open), and when the project's `.modstore` is a link.
    pub fn open_project(directory: &Path, options: Options) -> Result<Self, OpenError> {
        Self::open_layout(Disk::default(), Layout::of_project(directory), options)
    }

    /// As [`open`](Self::open), with a disk whose operations an observer sees.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_on(disk: Disk, home: &Path, options: Options) -> Result<Self, OpenError> {
        Self::open_layout(disk, Layout::new(home), options)
    }

    /// As [`open_on`](Self::open_on), with a layout that is known.
    pub(crate) fn open_layout(
        disk: Disk,
        layout: Layout,
        options: Options,
    ) -> Result<Self, OpenError> {
        has_no_links(&layout).map_err(FormatError::from)?;
        Format::read(&layout)?;
        Ok(Self { disk, layout, options })
    }

    /// As [`open`](Self::open), for [`verify`](Self::verify) and [`repair`](Self::repair): a damaged format marker is
    /// one more thing to find.
    ///
    /// # Errors
    /// When the store was made by a newer version.
    pub fn open_to_inspect(home: &Path, options: Options) -> Result<Self, OpenError> {
        Self::to_inspect(Layout::new(home), options)
    }

    /// As [`open_to_inspect`](Self::open_to_inspect), for the store of the project in this directory.
    ///
    /// # Errors
    /// As [`open_to_inspect`](Self::open_to_inspect).
    pub fn open_project_to_inspect(directory: &Path, options: Options) -> Result<Self, OpenError> {
        Self::to_inspect(Layout::of_project(directory), options)
    }

    fn to_inspect(layout: Layout, options: Options) -> Result<Self, OpenError> {
        match Format::read(&layout) {
            Err(error @ FormatError::Newer { .. }) => Err(error.into()),
            _ => Ok(Self { disk: Disk::default(), layout, options }),
        }
    }

    /// Every path in the store.
    #[must_use]
    pub const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// What the journal adds up to. Takes no lock.
    ///
    /// # Errors
    /// When the journal is damaged or cannot be read.
    pub fn state(&self) -> Result<State, JournalError> {
        Journal::state(&self.layout.journal())
    }

    /// The frames of the journal after number `since`, in order, for a host that wants to know what happened since it
    /// last looked. Takes no lock. A journal that was compacted begins with a checkpoint that holds all that is kept;
    /// one whose last number is below `since` was rebuilt, and is returned from its start.
    ///
    /// # Errors
    /// When the journal is damaged or cannot be read.
    pub fn frames(&self, since: u64) -> Result<Vec<Frame>, JournalError> {
        Journal::frames(&self.layout.journal(), since)
    }

    /// The current generation.
    #[must_use]
    pub fn current(&self) -> Option<Generation> {
        shown(&self.layout)
    }

    /// The path of a module that stays through every update: `HOME/current/<module>`.
    #[must_use]
    pub fn target(&self, module: &ModuleName) -> PathBuf {
        self.layout.current().join(module.as_str())
    }

    /// The manifest of an entry, if it is there and its bytes match its digest.
    #[must_use]
    pub fn manifest(&self, digest: Digest) -> Option<Manifest> {
        read_manifest(&self.layout, digest)
    }

    /// The files of a module, by their path in its part of the entry; a single file has its own name. Nothing for a linked
    /// directory, and where no list of the entry is left.
    #[must_use]
    pub fn files(&self, binding: &Binding) -> Option<Vec<TreeFile>> {
        let digest = binding.digest()?;
        let manifest = read_manifest(&self.layout, digest)?;
        let Some(part) = binding.bound.part() else { return Some(manifest.into_files()) };
        let part = part_of(&self.layout.entry(digest), &manifest, part).ok()?;
        let files = manifest.files().iter().filter(|file| part.contains(file.path.as_ref()));
        Some(
            files
                .map(|file| TreeFile { path: part.path_in(file.path.as_ref()), ..file.clone() })
                .collect(),
        )
    }

    /// The files of a module from git that a checkout by git would write differently, if there are any.
    #[must_use]
    pub fn unapplied_attributes(&self, binding: &Binding) -> Option<Unapplied> {
        let Bound::Entry { digest, subdirectory, fetched: Some(_) } = binding.bound.unkept() else {
            return None;
        };
        let (root, manifest) = (self.layout.entry(digest), read_manifest(&self.layout, digest)?);
        let part = find_part(&root, &manifest, subdirectory.as_ref()).ok()?;
        unapplied_attributes(&root, &manifest, &part)
    }

    /// What a module keeps, as it lies there now; nothing, where it keeps nothing.
    #[must_use]
    pub fn kept(&self, module: &ModuleName, binding: &Binding) -> Option<KeptState> {
        let Bound::Kept(kept) = &binding.bound else { return None };
        Some(kept_state(&self.layout, module, kept))
    }

    /// The modules that have written to paths that they keep, whether they are in the store now or not.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn states(&self) -> Result<Vec<ModuleName>, DiskError> {
        keep::states(&self.layout)
    }

    /// The files of an entry that are Git LFS pointers, because their content was not asked for.
    #[must_use]
    pub fn pointers_left(&self, digest: Digest) -> PointersLeft {
        pointers_left(&self.layout, digest)
    }

    /// Leases the current generation, so that it stays for as long as the lease lives. Waits for no lock.
    ///
    /// For a host: resolve the current generation once, when it starts, and read everything below
    /// [`directory`](Lease::directory). A path through `current` is resolved again each time, so that a process
    /// that loads its modules one by one would mix two generations when an update comes in between.
    ///
    /// ```no_run
    /// use modstore::{Options, Store};
    /// # fn load(module: &std::path::Path) {}
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let options = Options { command: "my host".into(), ..Options::default() };
    /// let store = Store::open("/home/me/.local/share/modstore".as_ref(), options)?;
    /// let mut lease = store.lease()?;
    /// load(&lease.directory().join("weather"));
    /// // Workers that are started from here on keep the generation too, also when they outlive the host.
    /// lease.let_children_inherit()?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// When there is no current generation, the home is not safe, or the lease cannot be recorded.
    pub fn lease(&self) -> Result<Lease, LeaseError> {
        self.must_be_ours()?;
        Lease::take(&self.disk, &self.layout, &self.options.command)
    }

    /// Leases an earlier generation. As [`lease`](Self::lease) otherwise.
    ///
    /// # Errors
    /// As [`lease`](Self::lease), and when the generation is not kept.
    pub fn lease_of(&self, generation: Generation) -> Result<Lease, LeaseError> {
        self.must_be_ours()?;
        Lease::take_of(&self.disk, &self.layout, generation, &self.options.command)
    }

    /// The directories that a lease's generation puts on the import path of an environment, in the order of the modules'
    /// names: for the `PYTHONPATH` of a program that must see no other generation.
    ///
    /// # Errors
    /// When the journal cannot be read, which is only looked at for a generation that is not current.
    pub fn pinned_paths(
        &self,
        lease: &Lease,
        registration: &Registration,
    ) -> Result<Vec<PathBuf>, JournalError> {
        let generation = lease.generation();
        let state =
            if registration.is_synced_to(Some(generation)) { None } else { Some(self.state()?) };
        let modules = || state.and_then(|state| state.modules_of(generation));
        let pinned = environment::pinned(&self.layout, registration, generation, modules);
        Ok(pinned.into_values().flatten().collect())
    }

    /// Every lease that a process holds, by generation. Changes nothing.
    ///
    /// # Errors
    /// When a lease's lock cannot be examined.
    pub fn leases(&self) -> Result<Vec<Leased>, DiskError> {
        reclaim::leases(&self.layout)
    }

    /// The declarations of `modules.toml`; none, when there is no such file.
    ///
    /// # Errors
    /// When it cannot be read or understood.
    pub fn declarations(&self) -> Result<Declarations, DeclareError> {
        declare::read(&self.layout).map(|(_, declarations)| declarations)
    }

    /// Since when every file of an entry is known to be as it was stored, in milliseconds since 1970: each was read, or was
    /// written, at that time or later. Entries of which that is not known are left out.
    #[must_use]
    pub fn verified_since(&self) -> BTreeMap<Digest, u64> {
        let known = read_verified(&self.layout).0.into_iter();
        known.map(|(digest, it)| (digest, it.since)).filter(|(_, since)| *since > 0).collect()
    }

    /// The environments that are bound to this store.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn environments(&self) -> Result<Vec<Registration>, RegistrationError> {
        Registration::all(&self.layout)
    }

    pub(crate) const fn options(&self) -> &Options {
        &self.options
    }

    /// Everything that an operation is given, the same on all floors.
    pub(crate) fn context<'a>(&'a self, events: &'a dyn Events, cancel: &'a Cancel) -> Context<'a> {
        Context {
            disk: &self.disk,
            layout: &self.layout,
            barrier: self.options.barrier,
            lock_limit: self.options.lock_limit,
            offline: self.options.offline,
            command: &self.options.command,
            events,
            cancel,
        }
    }

    /// The same for edits of the declarations, which wait for their lock without a word.
    pub(crate) fn editing<'a>(&'a self, cancel: &'a Cancel) -> Context<'a> {
        self.context(&Silent, cancel)
    }

    /// Begins a change: makes the store if there is none, and finds out early whether it can be written to. What cannot
    /// be cleaned up is reported when the change ends, whatever its result.
    pub(crate) fn begin<'a>(
        &'a self,
        events: &'a dyn Events,
        cancel: &'a Cancel,
    ) -> Result<(Context<'a>, ReportLeftovers<'a>), AccessError> {
        let leftovers = self.report_leftovers(events);
        let context = self.context(events, cancel);
        self.ensure_writable(context)?;
        Ok((context, leftovers))
    }

    /// Makes the store if there is none, and finds out early whether it can be written to.
    pub(crate) fn ensure_writable(&self, context: Context<'_>) -> Result<(), AccessError> {
        self.may_write()?;
        let stop = || context.cancel.is_cancelled();
        let wait = LockWait { stop: &stop, ..LockWait::at_most(context.lock_limit) };
        if let Ensured::Made(_) = Format::ensure(&self.disk, &self.layout, wait)? {
            // Where others may write to its parent, the home may have become one of theirs just now.
            self.must_be_ours().map_err(FormatError::from)?;
            access::warn_of_file_system(self.layout.home(), context.events);
        }
        rustix::fs::access(self.layout.staging(), rustix::fs::Access::WRITE_OK).map_err(|source| {
            AccessError::ReadOnly { home: self.layout.home().to_owned(), source: source.into() }
        })
    }

    /// Whether this process may write to a home that is there, without making anything.
    pub(crate) fn may_write(&self) -> Result<(), AccessError> {
        if self.disk.has_failed_to_sync() {
            return Err(AccessError::Poisoned);
        }
        Ok(self.must_be_ours().map_err(FormatError::from)?)
    }

    /// Refuses a home that other users may write to, unless the user said that it is trusted.
    pub(crate) fn must_be_ours(&self) -> Result<(), UnsafeHome> {
        if self.options.trust_home { Ok(()) } else { is_ours(&self.layout) }
    }

    /// Reports what could not be cleaned up, when the operation that made this ends, whatever its result.
    pub(crate) const fn report_leftovers<'a>(
        &'a self,
        events: &'a dyn Events,
    ) -> ReportLeftovers<'a> {
        ReportLeftovers { disk: &self.disk, events }
    }
}
