//! [`Store`]: the handle, with one method for each thing a host or a person wants done.
//!
//! Holds no logic of its own: what is decided is decided in `update`, what changes the disk is in
//! `commit`. Opening creates nothing; the first writing call makes the store.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use crate::{
    Cancel,
    change_error::{ChangeError, OpenError},
    check::{self, Depth, Finding, RepairReport, Verification, VerifyError, VerifyOptions},
    commit::{
        self, CommitError, Frame, Journal, JournalError, Staging, State, Transaction, is_whole,
        read_manifest, shown,
    },
    consent::{self, Consents, DeclaredBuild},
    declare::{self, Addition, DeclareError, Editing},
    disk::{
        Disk, DiskError, Ensured, FileSystem, Format, FormatError, Holder, Layout, Patience,
        UnsafeHome, has_no_links, is_ours, names_in,
    },
    environment::{self, Registration, RegistrationError, Settled},
    model::{self, Declarations, Digest, Generation, Manifest, ModuleName, Source},
    reclaim::{
        self, Lease, LeaseError, Leased, PlanError, Policy, Sizes, SweepError, SweepPlan,
        SweepReport,
    },
    reset::{self, PurgeError, PurgePlan, PurgeReport},
    update::{
        self, BindReport, BindRequest, Difference, Done, Environments, Event, Events, Ground,
        Options, Outdated, Silent, UpdateError, UpdateReport, UpdateRequest,
    },
};

/// A plan is made anew so often when others keep changing the store.
const ATTEMPTS: usize = 10;

/// So long may deleting take that nobody asked for.
const BRIEF: Duration = Duration::from_millis(200);

/// Tells what could not be cleaned up when it is dropped.
struct Telling<'a> {
    disk: &'a Disk,
    events: &'a dyn Events,
}

impl Drop for Telling<'_> {
    fn drop(&mut self) {
        for error in self.disk.take_left() {
            let why = model::causes(&error).join(": ");
            let text = format!("{why}; the next command that changes the store tries again");
            self.events.happened(Event::Notice { text: &text });
        }
    }
}

/// A store, open. Shared by reference between threads; each process opens its own.
#[derive(Debug)]
pub struct Store {
    disk: Disk,
    layout: Layout,
    options: Options,
}

/// What came of a reset.
#[derive(Debug)]
pub struct Reset {
    /// What could be had anew. Modules that could not keep what they have, and then nothing is dropped.
    pub update: UpdateReport,
    /// What was dropped.
    pub dropped: Option<Dropped>,
}

/// What a reset dropped.
#[derive(Debug)]
pub struct Dropped {
    /// What was to go, and why the rest stays.
    pub plan: SweepPlan,
    /// What that costs on the disk.
    pub sizes: Sizes,
    /// What went.
    pub report: SweepReport,
}

/// What came of adding.
#[derive(Debug)]
pub struct Added {
    /// The names, in the order of the additions.
    pub modules: Vec<ModuleName>,
    /// The update that followed, if one was asked for.
    pub report: Option<UpdateReport>,
}

impl Store {
    /// Opens the store in `home`. A home that is not there is an empty store.
    ///
    /// # Errors
    /// When the store was made by a newer version, cannot be read, or has a link in the place of a directory.
    pub fn open(home: &Path, options: Options) -> Result<Self, OpenError> {
        Self::open_on(Disk::default(), home, options)
    }

    /// As [`open`](Self::open), with a disk whose acts somebody observes.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_on(disk: Disk, home: &Path, options: Options) -> Result<Self, OpenError> {
        let layout = Layout::new(home);
        has_no_links(&layout).map_err(FormatError::from)?;
        Format::read(&layout)?;
        Ok(Self { disk, layout, options })
    }

    /// As [`open`](Self::open), for [`verify`](Self::verify) and for repairs: a format marker that is damaged
    /// is one more thing to find.
    ///
    /// # Errors
    /// When the store was made by a newer version.
    pub fn open_to_inspect(home: &Path, options: Options) -> Result<Self, OpenError> {
        let (disk, layout) = (Disk::default(), Layout::new(home));
        match Format::read(&layout) {
            Err(error @ FormatError::Newer { .. }) => Err(error.into()),
            _ => Ok(Self { disk, layout, options }),
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

    /// What was recorded after the frame of this number, in order: what a host reads to learn what happened since it
    /// last looked. Takes no lock. A journal that was compacted begins with a checkpoint, which tells all that is
    /// kept; one whose last number is below `since` was made anew, and is told from its start.
    ///
    /// # Errors
    /// When the journal is damaged or cannot be read.
    pub fn frames(&self, since: u64) -> Result<Vec<Frame>, JournalError> {
        Journal::frames(&self.layout.journal(), since)
    }

    /// The generation that is shown.
    #[must_use]
    pub fn shown(&self) -> Option<Generation> {
        shown(&self.layout)
    }

    /// The path that stays whatever is shown: `HOME/current/<module>`.
    #[must_use]
    pub fn target(&self, module: &ModuleName) -> PathBuf {
        self.layout.current().join(module.as_str())
    }

    /// The manifest of an entry, if it is there and proves itself.
    #[must_use]
    pub fn manifest(&self, digest: Digest) -> Option<Manifest> {
        read_manifest(&self.layout, digest)
    }

    /// Leases the generation that is shown, so that it stays for as long as the lease lives. Waits for no lock.
    ///
    /// For a host: resolve what is shown once, when it starts, and read everything below
    /// [`directory`](Lease::directory). A path through `current` is resolved anew each time, so that a process
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
    /// See [`LeaseError`].
    pub fn lease(&self) -> Result<Lease, LeaseError> {
        self.must_be_ours()?;
        Lease::take(&self.disk, &self.layout, &self.options.command)
    }

    /// Leases a generation that was shown before. As [`lease`](Self::lease) otherwise.
    ///
    /// # Errors
    /// See [`LeaseError`].
    pub fn lease_of(&self, generation: Generation) -> Result<Lease, LeaseError> {
        self.must_be_ours()?;
        Lease::take_of(&self.disk, &self.layout, generation, &self.options.command)
    }

    /// What a lease's generation puts on the import path of an environment, in the order of the modules' names: for
    /// `PYTHONPATH` of a program that is to see no other.
    ///
    /// # Errors
    /// When the journal cannot be read, which is only looked at for another generation than is shown.
    pub fn pinned_paths(
        &self,
        lease: &Lease,
        registration: &Registration,
    ) -> Result<Vec<PathBuf>, JournalError> {
        let generation = lease.generation();
        let state = match registration.is_settled_for(Some(generation)) {
            true => None,
            false => Some(self.state()?),
        };
        let modules = || state.and_then(|state| state.modules_of(generation));
        let pinned = environment::pinned(&self.layout, registration, generation, modules);
        Ok(pinned.into_values().flatten().collect())
    }

    /// Every lease that somebody holds, by generation. Changes nothing.
    ///
    /// # Errors
    /// When it cannot be told whether a lease is held.
    pub fn leases(&self) -> Result<Vec<Leased>, DiskError> {
        reclaim::leases(&self.layout)
    }

    /// What `modules.toml` declares; nothing, when there is none.
    ///
    /// # Errors
    /// When it cannot be read or understood.
    pub fn declarations(&self) -> Result<Declarations, DeclareError> {
        declare::read(&self.layout).map(|(_, declarations)| declarations)
    }

    /// The main job: what is declared becomes what is shown, as far as it can be had.
    ///
    /// # Errors
    /// See [`ChangeError`]. Modules that fail are no error; they are in the report.
    pub fn update(
        &self,
        request: &UpdateRequest,
        events: &dyn Events,
        cancel: &Cancel,
    ) -> Result<UpdateReport, ChangeError> {
        let _telling = self.telling(events);
        // First the state: a module that is added and shown in between is then not taken for undeclared.
        let state = self.state().map_err(UpdateError::from)?;
        let declared = self.declarations()?;
        if declared.modules.is_empty() && request.names.is_empty() && self.is_empty() {
            return Ok(UpdateReport::of_nothing());
        }
        match self.update_declared(state, &declared, request, events, cancel) {
            // A sweep took away an old entry that this update wanted to show again: it is fetched now.
            Err(ChangeError::Update(UpdateError::Commit(CommitError::Swept { .. }))) => {
                let state = self.state().map_err(UpdateError::from)?;
                self.update_declared(state, &declared, request, events, cancel)
            }
            done => done,
        }
    }

    fn update_declared(
        &self,
        state: State,
        declared: &Declarations,
        request: &UpdateRequest,
        events: &dyn Events,
        cancel: &Cancel,
    ) -> Result<UpdateReport, ChangeError> {
        self.prepare(events, cancel)?;
        let lock = if request.locked { Some(declare::read_lock(&self.layout)?) } else { None };
        let ground = self.ground(events, cancel);
        let Done { report, after } =
            update::update(ground, state, declared, lock.as_ref(), request)?;
        self.sweep_briefly(after.as_ref(), events, cancel);
        Ok(report)
    }

    /// Whether nothing was ever shown, and no process that died on the way there left anything.
    fn is_empty(&self) -> bool {
        let nothing_in = |at: PathBuf| names_in(&at).is_ok_and(|names| names.is_empty());
        self.shown().is_none()
            && nothing_in(self.layout.staging())
            && nothing_in(self.layout.generations())
    }

    /// What an update would change. Changes nothing.
    ///
    /// # Errors
    /// As for [`update`](Self::update).
    pub fn outdated(
        &self,
        names: &[ModuleName],
        events: &dyn Events,
        cancel: &Cancel,
    ) -> Result<Vec<Outdated>, ChangeError> {
        let declared = self.declarations()?;
        Ok(update::outdated(self.ground(events, cancel), &declared, names)?)
    }

    /// Allows the builds of these modules in this store, each exactly as it is declared now: until then, and after each
    /// change of it, a module that is built fails with the code `build-not-allowed` and keeps what it has. Runs nothing.
    ///
    /// # Errors
    /// Nothing is allowed, when one of them is not declared or not built, or when that cannot be recorded.
    pub fn allow(
        &self,
        names: &[ModuleName],
        events: &dyn Events,
        cancel: &Cancel,
    ) -> Result<Vec<DeclaredBuild>, ChangeError> {
        self.prepare(events, cancel)?;
        Ok(consent::allow(self.editing(cancel), names)?)
    }

    /// Takes back all that was allowed of these modules. Gives those of which something was. What was built stays.
    ///
    /// # Errors
    /// What was allowed still is.
    pub fn revoke(
        &self,
        names: &[ModuleName],
        events: &dyn Events,
        cancel: &Cancel,
    ) -> Result<Vec<ModuleName>, ChangeError> {
        self.prepare(events, cancel)?;
        Ok(consent::revoke(self.editing(cancel), names)?)
    }

    /// Every module that `declared` says is built, and whether that is allowed.
    #[must_use]
    pub fn builds(&self, declared: &Declarations) -> Vec<DeclaredBuild> {
        let consents = self.ground(&Silent, &Cancel::new()).consents(declared);
        consents.of(declared.modules.iter())
    }

    /// Declares modules and, if `fetch`, updates them. When they cannot be had, nothing is declared.
    ///
    /// # Errors
    /// `modules.toml` is as it was, except where an error of the update says that it has happened.
    pub fn add(
        &self,
        additions: &[Addition],
        fetch: bool,
        events: &dyn Events,
        cancel: &Cancel,
    ) -> Result<Added, ChangeError> {
        let _telling = self.telling(events);
        self.prepare(events, cancel)?;
        let edited = declare::add(self.editing(cancel), additions)?;
        let modules = edited.names.clone();
        if !fetch {
            return Ok(Added { modules, report: None });
        }
        let report = self.follow(edited, events, cancel)?;
        Ok(Added { modules, report: Some(report) })
    }

    /// Declares modules no more, and shows a generation without them.
    ///
    /// # Errors
    /// See [`ChangeError`]. `modules.toml` is as it was, except where the error says that it has happened.
    pub fn remove(
        &self,
        names: &[ModuleName],
        events: &dyn Events,
        cancel: &Cancel,
    ) -> Result<Option<Generation>, ChangeError> {
        let _telling = self.telling(events);
        self.prepare(events, cancel)?;
        let undeclare = |text: &str| {
            names.iter().try_fold(text.to_owned(), |text, name| model::remove_module(&text, name))
        };
        let unbind = || {
            let environments = Environments::hold(self.ground(events, cancel))?;
            self.transact(environments, events, cancel, |transaction| {
                for name in names {
                    transaction.unbind(name.clone());
                    transaction.note(name.clone(), None);
                }
                Ok(())
            })
        };
        declare::edit_along(self.editing(cancel), undeclare, unbind, |error: &ChangeError| {
            !error.has_happened()
        })
    }

    /// Makes a directory stand in for a module's source; declares the module when it is not yet.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub fn link(
        &self,
        name: &ModuleName,
        path: &Path,
        events: &dyn Events,
        cancel: &Cancel,
    ) -> Result<UpdateReport, ChangeError> {
        let _telling = self.telling(events);
        self.prepare(events, cancel)?;
        let declared = self.declarations()?;
        let edited = declare::edit(self.editing(cancel), name, |text| match declared.get(name) {
            Some(_) => model::link_module(text, name, path),
            None => model::add_module(text, name, &Source::linked(path)),
        })?;
        self.keep_allowed(&declared, name, cancel);
        self.follow(edited, events, cancel)
    }

    /// Makes a module's source count again.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub fn unlink(
        &self,
        name: &ModuleName,
        events: &dyn Events,
        cancel: &Cancel,
    ) -> Result<UpdateReport, ChangeError> {
        let _telling = self.telling(events);
        self.prepare(events, cancel)?;
        let declared = self.declarations()?;
        let edited =
            declare::edit(self.editing(cancel), name, |text| model::unlink_module(text, name))?;
        self.keep_allowed(&declared, name, cancel);
        self.follow(edited, events, cancel)
    }

    /// Lets a build that was allowed be allowed with the directory that a person has just linked, or unlinked. What keeps
    /// that from being recorded is told by the build, which then is not allowed.
    fn keep_allowed(&self, before: &Declarations, name: &ModuleName, cancel: &Cancel) {
        let built = before.get(name).filter(|declared| declared.build.is_some());
        if built.is_some_and(|declared| Consents::recorded(&self.layout).permit(name, declared)) {
            let _ = consent::allow(self.editing(cancel), std::slice::from_ref(name));
        }
    }

    /// Updates the modules that an edit was about, and takes the edit back when that fails.
    fn follow(
        &self,
        edited: declare::Edited,
        events: &dyn Events,
        cancel: &Cancel,
    ) -> Result<UpdateReport, ChangeError> {
        let request = UpdateRequest {
            names: edited.names.clone(),
            all_or_nothing: true,
            tentative: true,
            ..UpdateRequest::default()
        };
        let updated = self.state().map_err(|error| UpdateError::from(error).into());
        let updated = updated.and_then(|state| {
            self.update_declared(state, &edited.declarations, &request, events, cancel)
        });
        match updated {
            Ok(report) if report.has_all() => Ok(report),
            Err(error) if error.has_happened() => Err(error),
            failed => {
                edited.undo(self.editing(cancel))?;
                Err(failed
                    .map_or_else(|error| error, |report| ChangeError::NotAdded(Box::new(report))))
            }
        }
    }

    /// Shows what an earlier generation showed, as a new one. `None`: the one before.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub fn rollback(
        &self,
        to: Option<Generation>,
        events: &dyn Events,
        cancel: &Cancel,
    ) -> Result<Generation, ChangeError> {
        let _telling = self.telling(events);
        self.prepare(events, cancel)?;
        let state = self.state().map_err(UpdateError::from)?;
        let before = state.kept().rev().nth(1).map(|info| info.number);
        let wanted = to.or(before).ok_or(ChangeError::NoGeneration { wanted: to })?;
        let modules = state.modules_of(wanted).ok_or(ChangeError::NoGeneration { wanted: to })?;
        if !state.is_kept(wanted) {
            let kept = state.kept().map(|info| info.number).collect();
            return Err(ChangeError::Retired { wanted, kept });
        }
        for (module, binding) in &modules {
            if binding.digest().is_some_and(|digest| !is_whole(&self.layout, digest)) {
                return Err(ChangeError::EntryGone { wanted, module: module.clone() });
            }
        }
        let ground = self.ground(events, cancel);
        let environments = Environments::hold(ground)?;
        environments.equip(ground, &modules)?;
        let restore = |transaction: &mut Transaction| transaction.restore(wanted);
        let shown = self.transact(environments, events, cancel, restore)?;
        shown.ok_or(ChangeError::NoGeneration { wanted: to })
    }

    /// Mends what is damaged: each thing is put right, made anew from what the store knows, or fetched anew; what
    /// was damaged is kept in the quarantine. Readers miss nothing meanwhile.
    ///
    /// # Errors
    /// What was mended until then stays mended. What cannot be mended is no error; it is in the report.
    pub fn repair(
        &self,
        events: &dyn Events,
        cancel: &Cancel,
    ) -> Result<RepairReport, ChangeError> {
        let _telling = self.telling(events);
        if self.disk.has_failed_to_sync() {
            return Err(ChangeError::Poisoned);
        }
        if !check::has_parts(&self.layout) {
            return Ok(RepairReport::default());
        }
        self.must_be_ours().map_err(FormatError::from)?;
        Ok(check::repair(self.ground(events, cancel))?)
    }

    /// Looks whether everything is as it was written: the journal, both books, every link, and every file
    /// of every entry, or of those that `names` lead to in any kept generation. Changes nothing. Takes the
    /// store's lock only when something seems wrong, to look at that again while nobody writes, and never for
    /// as long as files are read.
    ///
    /// # Errors
    /// See [`VerifyError`]. Damage is no error; it is among the findings.
    pub fn verify(
        &self,
        depth: Depth,
        names: &[ModuleName],
        events: &dyn Events,
        cancel: &Cancel,
    ) -> Result<Verification, VerifyError> {
        // Another user's store is read, and not written to.
        let may_lock = self.must_be_ours().is_ok() && has_no_links(&self.layout).is_ok();
        check::verify(
            self.ground(events, cancel).context(),
            VerifyOptions { depth, names, may_lock },
        )
    }

    /// What crashes left and what could not be cleaned up, by a look at names: the next sweep tries to remove it.
    #[must_use]
    pub fn leftovers(&self, state: &State) -> Vec<Finding> {
        check::leftovers(&self.layout, state)
    }

    /// Binds an environment: registers it, and installs stand-ins of modules in it, which follow every switch from
    /// then on. Done again, it mends what is missing.
    ///
    /// # Errors
    /// See [`BindError`](update::BindError).
    pub fn bind(
        &self,
        request: &BindRequest,
        events: &dyn Events,
        cancel: &Cancel,
    ) -> Result<BindReport, ChangeError> {
        let _telling = self.telling(events);
        self.prepare(events, cancel)?;
        Ok(update::bind(self.ground(events, cancel), request)?)
    }

    /// Takes the stand-ins of these modules, or of all, out of an environment.
    ///
    /// # Errors
    /// See [`BindError`](update::BindError).
    pub fn unbind(
        &self,
        python: &Path,
        names: &[ModuleName],
        events: &dyn Events,
        cancel: &Cancel,
    ) -> Result<Settled, ChangeError> {
        let _telling = self.telling(events);
        self.prepare(events, cancel)?;
        Ok(update::unbind(self.ground(events, cancel), python, names)?)
    }

    /// The environments that are looked after.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn environments(&self) -> Result<Vec<Registration>, RegistrationError> {
        Registration::all(&self.layout)
    }

    /// Has every declared module anew, as if nothing were in the store, and shows all of them as one fresh
    /// generation. Only when every module could be had, the rest is dropped: all other generations but those
    /// that are leased, and the entries that only they need. Never a moment without modules.
    ///
    /// # Errors
    /// As for [`update`](Self::update). An error of the sweep comes after the reset itself has happened.
    pub fn reset(&self, events: &dyn Events, cancel: &Cancel) -> Result<Reset, ChangeError> {
        let _telling = self.telling(events);
        let request = UpdateRequest { fresh: true, ..UpdateRequest::default() };
        let update = self.update(&request, events, cancel)?;
        if !update.has_all() || !update.committed {
            return Ok(Reset { update, dropped: None });
        }
        for attempt in 1.. {
            let plan = self.plan_sweep(&Policy::only_what_is_shown())?;
            let sizes = self.sizes(&plan)?;
            match self.sweep(plan.clone(), events, cancel) {
                Err(ChangeError::Sweep(SweepError::Stale { .. })) if attempt < ATTEMPTS => {}
                done => {
                    let dropped = Some(Dropped { plan, sizes, report: done? });
                    return Ok(Reset { update, dropped });
                }
            }
        }
        unreachable!("the last attempt returns")
    }

    /// What [`purge`](Self::purge) would take away, and what would stay. Changes nothing.
    ///
    /// # Errors
    /// When a directory of the store cannot be read.
    pub fn plan_purge(&self) -> Result<PurgePlan, ChangeError> {
        let planned = reset::plan(&self.layout, reset::declares(&self.layout));
        let environments = self.environments()?.into_iter().map(|each| each.prefix).collect();
        Ok(PurgePlan { environments, ..planned.map_err(PurgeError::NotDone)? })
    }

    /// Takes away everything that is modstore's, unless somebody has a lease: first the stand-ins out of the
    /// environments that follow the store, then the store. What you have declared, lock files and names that are
    /// none of ours stay. The next update makes the store anew.
    ///
    /// # Errors
    /// [`PurgeError`] says what is gone. An environment that the stand-ins cannot be taken out of keeps the store.
    pub fn purge(&self, events: &dyn Events, cancel: &Cancel) -> Result<PurgeReport, ChangeError> {
        let _telling = self.telling(events);
        if self.disk.has_failed_to_sync() {
            return Err(ChangeError::Poisoned);
        }
        self.must_be_ours().map_err(FormatError::from)?;
        let planned = self.plan_purge()?;
        if planned.remove.is_empty() {
            return Ok(PurgeReport { stay: planned.stay, ..PurgeReport::default() });
        }
        if !planned.leases.is_empty() {
            return Err(PurgeError::Leased(planned.leases).into());
        }
        for directory in [self.layout.home().join("locks"), self.layout.staging()] {
            self.disk.ensure_dir(&directory).map_err(PurgeError::NotDone)?;
        }
        for prefix in &planned.environments {
            update::unbind(self.ground(events, cancel), prefix, &[])?;
        }
        let report = reset::purge(self.ground(events, cancel))?;
        Ok(PurgeReport { environments: planned.environments, ..report })
    }

    /// What differs between two generations.
    ///
    /// # Errors
    /// When the journal cannot be read or knows no such generation.
    pub fn difference(
        &self,
        from: Generation,
        to: Generation,
    ) -> Result<Vec<Difference>, ChangeError> {
        let state = self.state().map_err(UpdateError::from)?;
        let modules = |wanted| {
            state.modules_of(wanted).ok_or(ChangeError::NoGeneration { wanted: Some(wanted) })
        };
        Ok(update::difference(&self.layout, &modules(from)?, &modules(to)?))
    }

    /// One transaction that fetches nothing. Environments follow it; one that cannot is told, and what is shown
    /// stays.
    fn transact(
        &self,
        mut environments: Environments,
        events: &dyn Events,
        cancel: &Cancel,
        change: impl FnOnce(&mut Transaction) -> Result<(), CommitError>,
    ) -> Result<Option<Generation>, ChangeError> {
        let ground = self.ground(events, cancel);
        Staging::remove_dead(&self.disk, &self.layout).map_err(UpdateError::Leftovers)?;
        let staging = Staging::claim(&self.disk, &self.layout, &self.options.command)
            .map_err(UpdateError::from)?;
        let mut transaction = update::begin(ground, staging)?;
        change(&mut transaction).map_err(UpdateError::from)?;
        let done = update::commit_if_changed(ground, transaction)?;
        if let Some(after) = &done.after {
            environments.settle(ground, after).map_err(ChangeError::Environment)?;
        }
        self.sweep_briefly(done.after.as_ref(), events, cancel);
        Ok(done.generation)
    }

    /// What a sweep would do. Takes no lock and changes nothing.
    ///
    /// # Errors
    /// [`ChangeError::Plan`], when it cannot be told what is in use.
    pub fn plan_sweep(&self, policy: &Policy) -> Result<SweepPlan, ChangeError> {
        Ok(reclaim::plan_now(&self.layout, policy, commit::now())?)
    }

    /// What the entries of a plan cost on the disk. Looks at every file of each of them.
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub fn sizes(&self, plan: &SweepPlan) -> Result<Sizes, ChangeError> {
        Ok(reclaim::measure(&self.layout, plan).map_err(PlanError::Disk)?)
    }

    /// Gives up what is planned, and deletes it.
    ///
    /// # Errors
    /// [`SweepError::Stale`], when the plan was made for another state of the store; see [`SweepError`] for whether
    /// anything happened otherwise. What cannot be deleted is no error: it is in the report.
    pub fn sweep(
        &self,
        plan: SweepPlan,
        events: &dyn Events,
        cancel: &Cancel,
    ) -> Result<SweepReport, ChangeError> {
        let _telling = self.telling(events);
        if plan.is_empty() && Format::read(&self.layout)?.is_none() {
            return Ok(SweepReport::default());
        }
        self.prepare(events, cancel)?;
        self.sweeping(events, cancel, self.options.lock_limit, None, |ground| {
            reclaim::sweep(ground, plan, commit::now())
        })
    }

    /// Makes the journal as short as it can be. What is retired is told no more.
    ///
    /// # Errors
    /// The journal is as it was, or compacted.
    pub fn compact(&self, events: &dyn Events, cancel: &Cancel) -> Result<(), ChangeError> {
        let _telling = self.telling(events);
        self.prepare(events, cancel)?;
        self.sweeping(events, cancel, self.options.lock_limit, None, reclaim::compact)
    }

    /// What follows each change: sweeps if there is anything to sweep, waits for nobody, and leaves what takes
    /// long to the next. Its failure is none of the change's.
    fn sweep_briefly(&self, after: Option<&State>, events: &dyn Events, cancel: &Cancel) {
        let (Some(policy), Some(after)) = (&self.options.sweep, after) else { return };
        if self.options.offline || cancel.is_cancelled() {
            return;
        }
        let until = Instant::now() + BRIEF;
        let _ = self.sweeping(events, cancel, Duration::ZERO, Some(until), |ground| {
            reclaim::sweep_briefly(ground, policy, after, commit::now())
        });
    }

    fn sweeping<T>(
        &self,
        events: &dyn Events,
        cancel: &Cancel,
        limit: Duration,
        until: Option<Instant>,
        work: impl FnOnce(reclaim::Ground<'_>) -> Result<T, SweepError>,
    ) -> Result<T, ChangeError> {
        let (stop, tell) = (
            || cancel.is_cancelled(),
            |holder: Option<&Holder>| events.happened(Event::Waiting { holder }),
        );
        Ok(work(reclaim::Ground {
            disk: &self.disk,
            layout: &self.layout,
            command: &self.options.command,
            barrier: self.options.barrier,
            patience: Patience { limit, stop: &stop, told: &tell },
            companion: &|state| commit::companion_of(&self.layout, state),
            cancel,
            until,
            told: &|done, of| events.happened(Event::Deleting { done, of }),
        })?)
    }

    /// Tells what could not be cleaned up, when the method that made this ends, whatever came of it.
    const fn telling<'a>(&'a self, events: &'a dyn Events) -> Telling<'a> {
        Telling { disk: &self.disk, events }
    }

    fn editing<'a>(&'a self, cancel: &'a Cancel) -> Editing<'a> {
        self.ground(&Silent, cancel).editing()
    }

    const fn ground<'a>(&'a self, events: &'a dyn Events, cancel: &'a Cancel) -> Ground<'a> {
        Ground { disk: &self.disk, layout: &self.layout, options: &self.options, events, cancel }
    }

    /// Makes the store if there is none, and finds out early whether it can be written to.
    fn prepare(&self, events: &dyn Events, cancel: &Cancel) -> Result<(), ChangeError> {
        if self.disk.has_failed_to_sync() {
            return Err(ChangeError::Poisoned);
        }
        self.must_be_ours().map_err(FormatError::from)?;
        let stop = || cancel.is_cancelled();
        let patience = Patience { stop: &stop, ..Patience::of(self.options.lock_limit) };
        if let Ensured::Made(_) = Format::ensure(&self.disk, &self.layout, patience)? {
            // Where others may write to its parent, the home may have become one of theirs just now.
            self.must_be_ours().map_err(FormatError::from)?;
            self.tell_of_file_system(events);
        }
        rustix::fs::access(self.layout.staging(), rustix::fs::Access::WRITE_OK).map_err(|source| {
            ChangeError::ReadOnly { home: self.layout.home().to_owned(), source: source.into() }
        })
    }

    /// Refuses a home that other users may write to, unless it is trusted as it is.
    fn must_be_ours(&self) -> Result<(), UnsafeHome> {
        if self.options.trust_home { Ok(()) } else { is_ours(&self.layout) }
    }

    /// Tells, once in a store's life, what it cannot promise where it lies. Not to know keeps nobody from working.
    fn tell_of_file_system(&self, events: &dyn Events) {
        let home = self.layout.home();
        let Ok(found) = FileSystem::of(home) else { return };
        for concern in found.serious() {
            let text = format!("the store in {} lies on {found}: {concern}", home.display());
            events.happened(Event::Notice { text: &text });
        }
    }
}
