//! What is done to a store, in both ways: by the library and by the command line.

use std::{
    error::Error,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    time::Duration,
};

use modstore::{
    Cancel, Options, Policy, Silent, Store, UpdateReport, UpdateRequest, errors::AddError,
    internals::import::CloneLayout,
};
use modstore_core::disk::Disk;

/// One command of a person or a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Every module or none.
    Update,
    /// Everything that can be fetched.
    PartialUpdate,
    /// Every module, and then a short sweep of all but the current generation.
    SweepingUpdate,
    /// To generation 1, so that doing it again changes nothing.
    Rollback,
    /// The module of this name.
    Remove(&'static str),
    /// The module of this name, to the directory `linked` beside the home's parent.
    Link(&'static str),
    /// Of all but the current generation.
    Sweep,
    /// Of the journal.
    Compact,
    /// Of whatever is damaged.
    Repair,
    /// Everything fetched again, and the rest dropped.
    Reset,
    /// Everything away.
    Purge,
    /// The clones beside the directory `linked`.
    Import,
    /// The module of this name, at a place beside the home.
    Expose(&'static str),
    /// The link to the module of this name, from there.
    Unexpose(&'static str),
}

impl Operation {
    /// Does it with this handle. The error is the whole chain, in one line.
    pub(crate) fn run(self, store: &Store, linked: &Path) -> Result<(), String> {
        let cancel = Cancel::new();
        let done: Result<Option<UpdateReport>, Box<dyn Error>> = match self {
            Self::Update | Self::SweepingUpdate => update(store, true),
            Self::PartialUpdate => update(store, false),
            Self::Rollback => {
                done(store.rollback(Some("1".parse().unwrap()), &[], &Silent, &cancel).map(drop))
            }
            Self::Remove(name) => {
                done(store.remove(&[name.parse().unwrap()], &Silent, &cancel).map(drop))
            }
            Self::Link(name) => {
                match store.link(&name.parse().unwrap(), linked, &Silent, &cancel) {
                    Ok(report) => Ok(Some(report)),
                    Err(AddError::NotFetched(report)) => Ok(Some(*report)),
                    Err(error) => Err(error.into()),
                }
            }
            Self::Sweep => return sweep(store, &all_but_the_current()),
            Self::Repair => return repair(store),
            Self::Reset => match store.reset(&Silent, &cancel) {
                Ok(reset) => Ok(Some(reset.update)),
                Err(error) => Err(error.into()),
            },
            Self::Purge => done(store.purge(&Silent, &cancel).map(drop)),
            Self::Expose(name) => {
                let place = place_of(store.layout().home());
                done(store.expose(&name.parse().unwrap(), &place, &Silent, &cancel).map(drop))
            }
            Self::Unexpose(name) => {
                let place = [place_of(store.layout().home())];
                let names = [name.parse().unwrap()];
                done(store.unexpose(&names, &place, &Silent, &cancel).map(drop))
            }
            Self::Import => {
                let plan =
                    store.plan_import(&clones_of(linked), CloneLayout::Clones, &Silent, &cancel);
                match plan.and_then(|plan| store.import(plan, &Silent, &cancel)) {
                    Ok((_, report)) => Ok(report),
                    Err(error) => Err(error.into()),
                }
            }
            Self::Compact => done(store.compact(&Silent, &cancel)),
        };
        match done {
            Ok(Some(report)) => no_failures(&report),
            Ok(None) => Ok(()),
            Err(error) => Err(chain(&*error)),
        }
    }

    /// Opens the store on `disk` and does it.
    pub(crate) fn run_on(self, disk: Disk, home: &Path, linked: &Path) -> Result<(), String> {
        self.run(&self.open_on(disk, home)?, linked)
    }

    /// The store as this operation works on it.
    pub(crate) fn open_on(self, disk: Disk, home: &Path) -> Result<Store, String> {
        let sweep = (self == Self::SweepingUpdate).then(all_but_the_current);
        open(disk, home, sweep)
    }

    /// The arguments with which the command line does it.
    pub(crate) fn args(self, linked: &Path) -> Vec<String> {
        let clones = clones_of(linked);
        let (linked, clones) = (linked.to_str().unwrap(), clones.to_str().unwrap());
        let args: &[&str] = match self {
            Self::Update | Self::SweepingUpdate => &["update", "--jobs", "1", "--all-or-nothing"],
            Self::PartialUpdate => &["update", "--jobs", "1"],
            Self::Rollback => &["rollback", "--to", "1"],
            Self::Remove(name) => &["remove", name],
            Self::Link(name) => &["link", name, linked],
            Self::Sweep => &["gc", "--keep", "1", "--older-than", "0s"],
            Self::Repair => &["verify", "--repair"],
            Self::Reset => &["reset"],
            Self::Purge => &["reset", "--purge"],
            Self::Import => &["import", clones],
            Self::Compact | Self::Expose(_) | Self::Unexpose(_) => {
                panic!("it is run by the library alone")
            }
        };
        args.iter().map(|arg| (*arg).to_owned()).collect()
    }

    /// What a person does after a crash: the same again, and where that is refused because it has been done in part,
    /// an update. (A module that is not declared cannot be removed twice.)
    pub(crate) fn again(self, disk: Disk, home: &Path, linked: &Path) -> Result<(), String> {
        match self.run_on(disk.clone(), home, linked) {
            // An update that changes nothing any more sweeps nothing; the test asks for the sweep.
            Ok(()) if self == Self::SweepingUpdate => Self::Sweep.run_on(disk, home, linked),
            Err(error) if self.may_be_refused() && error.contains("is not declared") => {
                Self::Update.run_on(disk, home, linked)
            }
            // Its link was taken away before.
            Err(error)
                if matches!(self, Self::Unexpose(_)) && error.contains("is no place where") =>
            {
                Ok(())
            }
            done => done,
        }
    }

    /// Whether [`again`](Self::again) may need something else.
    pub(crate) fn may_be_refused(self) -> bool {
        matches!(self, Self::Remove(_) | Self::Unexpose(_))
    }
}

/// The directory of clones that are imported.
pub(crate) fn clones_of(linked: &Path) -> PathBuf {
    linked.with_file_name("clones")
}

/// Where a module is exposed: one place for all homes of a world, of which one plays at a time.
pub(crate) fn place_of(home: &Path) -> PathBuf {
    home.with_file_name("exposed")
}

/// A store whose acts come in one order.
pub(crate) fn open(disk: Disk, home: &Path, sweep: Option<Policy>) -> Result<Store, String> {
    let (jobs, command, allow_builds) = (1, "test".into(), true);
    let options = Options { jobs, sweep, command, allow_builds, ..Options::default() };
    Store::open_on(disk, home, options).map_err(|error| chain(&error))
}

fn all_but_the_current() -> Policy {
    Policy { keep: NonZeroUsize::MIN, grace: Duration::ZERO, max_bytes: None }
}

/// Sweeps that retire nothing. The first finishes what a crash has left, the next finds what nothing leads to any more.
pub(crate) fn settle(disk: Disk, home: &Path) -> Result<(), String> {
    let store = open(disk, home, None)?;
    let retires_nothing = Policy { keep: NonZeroUsize::MAX, ..Policy::default() };
    sweep(&store, &retires_nothing)?;
    sweep(&store, &retires_nothing)
}

/// Plans by `policy`, and sweeps. What is left in the trash is an error here.
fn sweep(store: &Store, policy: &Policy) -> Result<(), String> {
    let plan = store.plan_sweep(policy).map_err(|error| chain(&error))?;
    let report = store.sweep(plan, &Silent, &Cancel::new()).map_err(|error| chain(&error))?;
    match report.trouble {
        Some(trouble) => Err(chain(&trouble)),
        None if report.left > 0 => Err(format!("{} left in the trash", report.left)),
        None => Ok(()),
    }
}

fn repair(store: &Store) -> Result<(), String> {
    let report = store.repair(&Silent, &Cancel::new()).map_err(|error| chain(&error))?;
    let causes = report.not_repaired.iter();
    let causes: Vec<_> = causes
        .map(|each| format!("{}: {}", each.path.display(), chain(each.error.as_ref())))
        .collect();
    if causes.is_empty() { Ok(()) } else { Err(causes.join("; ")) }
}

fn update(store: &Store, all_or_nothing: bool) -> Result<Option<UpdateReport>, Box<dyn Error>> {
    let request = UpdateRequest { all_or_nothing, ..UpdateRequest::default() };
    Ok(Some(store.update(&request, &Silent, &Cancel::new())?))
}

fn done<E: Error + 'static>(result: Result<(), E>) -> Result<Option<UpdateReport>, Box<dyn Error>> {
    Ok(result.map(|()| None)?)
}

fn no_failures(report: &UpdateReport) -> Result<(), String> {
    let failed = report.failed.iter();
    let told: Vec<_> = failed
        .map(|failed| format!("{}: {}", failed.module, chain(failed.error.as_ref())))
        .collect();
    if told.is_empty() { Ok(()) } else { Err(told.join("; ")) }
}

fn chain(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
