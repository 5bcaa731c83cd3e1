//! [`Goal`]: what a module is to be, before anything is asked.

use std::{collections::BTreeMap, time::Duration};

use super::{
    failure::{Failure, LockMismatch},
    options::CloneOf,
};
use crate::{
    acquire::{Pin, Request},
    build::this_platform,
    consent::Consents,
    model::{
        BuildSpec, Declarations, Declared, Hold, Keep, Locked, LockedBuild, Lockfile, Locking,
        ModuleName, RecordedSource, Source,
    },
};

/// What a module is to be: what is declared of it, and what `modules.lock` says.
#[derive(Debug, Clone)]
pub(super) struct Goal<'a> {
    pub(super) module: &'a ModuleName,
    /// Where it comes from now, with its secret.
    pub(super) source: Source,
    /// The same, as it is recorded.
    pub(super) recorded: RecordedSource,
    /// How it is built, if it is.
    pub(super) build: Option<&'a BuildSpec>,
    /// The paths that it may write to and that survive updates.
    pub(super) keep: &'a Keep,
    /// What the lock says of it, if only that is wanted.
    pub(super) pin: Option<Pin>,
    /// What the lock says was built of it on a machine like this one.
    pub(super) built: Option<&'a LockedBuild>,
    /// Why it is left as it is, if it is.
    pub(super) hold: Option<Hold>,
    /// How old a commit must be that takes the place of the one that the module has.
    pub(super) cooldown: Duration,
}

/// The modules that an update leaves as they are.
pub(super) type Holds = BTreeMap<ModuleName, Hold>;

impl<'a> Goal<'a> {
    fn of(module: &'a ModuleName, declared: &'a Declared) -> Self {
        let source = declared.effective_source();
        let recorded = RecordedSource::from(&source);
        Self {
            module,
            source,
            recorded,
            build: declared.build.as_ref(),
            keep: &declared.keep,
            pin: None,
            built: None,
            hold: None,
            cooldown: Duration::ZERO,
        }
    }

    /// The same, as the lock has it. Only what a commit is can be said by nothing else.
    fn locked(self, lock: &'a Lockfile) -> Result<Self, LockMismatch> {
        let locked = lock.modules.get(self.module);
        // Who asks does not change what is locked, and earlier versions wrote no user into the lock.
        let is_same =
            |locked: &&Locked| locked.source.without_account() == self.source.without_account();
        // To find the platform out takes reading programs of the system.
        let built = locked.filter(is_same).map(|it| &it.built).filter(|it| !it.is_empty());
        let built = built.and_then(|built| built.get(this_platform()?));
        if self.source.locking() != Locking::Commit {
            return Ok(Self { built, ..self });
        }
        let locked = locked.ok_or(LockMismatch::NotLocked)?;
        let is_same = is_same(&locked);
        let revision = locked.revision.filter(|_| is_same).ok_or(LockMismatch::OtherSource)?;
        let (digest, reference) = (Some(locked.digest), locked.reference.clone());
        Ok(Self { pin: Some(Pin { revision, reference, digest }), built, ..self })
    }

    /// The same, as it is checked out in a clone.
    pub(super) fn cloned(self, clone: Option<&CloneOf>) -> Self {
        let pin = clone.map(|clone| Pin {
            revision: clone.revision,
            reference: clone.reference.clone(),
            digest: None,
        });
        Self { pin: pin.or(self.pin), ..self }
    }

    /// What is asked for.
    pub(super) fn request(&self) -> Request<'_> {
        Request { module: self.module, source: &self.source, pin: self.pin.as_ref() }
    }
}

/// The goals of these modules, and the failure of each that has none: its build is not allowed, or the lock does not
/// fit. Nothing is asked for those, and nothing of their builds is run, not even what names their tools.
pub(super) fn goals<'a>(
    selected: Vec<(&'a ModuleName, &'a Declared)>,
    lock: Option<&'a Lockfile>,
    consents: &Consents,
    holds: &Holds,
    cooldown: impl Fn(&Declared) -> Duration,
) -> (Vec<Goal<'a>>, Vec<(ModuleName, Failure)>) {
    let mut goals = Vec::new();
    let mut refused = Vec::new();
    for (module, declared) in selected {
        let goal = Goal { cooldown: cooldown(declared), ..Goal::of(module, declared) };
        if let Some(hold) = holds.get(module) {
            // What is not to change needs neither a consent nor a place in the lock.
            let locked = lock.and_then(|lock| goal.clone().locked(lock).ok());
            goals.push(Goal { hold: Some(hold.clone()), ..locked.unwrap_or(goal) });
            continue;
        }
        let goal = match goal.build.filter(|_| !consents.permit(module, declared)) {
            Some(spec) => Err(Failure::not_allowed(module, spec)),
            None => match lock {
                Some(lock) => goal.locked(lock).map_err(Failure::of_lock),
                None => Ok(goal),
            },
        };
        match goal {
            Ok(goal) => goals.push(goal),
            Err(failure) => refused.push((module.clone(), failure)),
        }
    }
    (goals, refused)
}

/// The declared modules of these names, or all.
///
/// # Errors
/// The first name that is not declared.
pub(super) fn select<'a>(
    declared: &'a Declarations,
    names: &'a [ModuleName],
) -> Result<Vec<(&'a ModuleName, &'a Declared)>, &'a ModuleName> {
    if names.is_empty() {
        return Ok(declared.modules.iter().collect());
    }
    names.iter().map(|name| declared.modules.get_key_value(name).ok_or(name)).collect()
}
