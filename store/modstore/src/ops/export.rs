//! `export`: modules as they are now, with all that another store needs of them, as a directory or one tar; and taking such a
//! closure in.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use super::{add::AddError, push::PushError};
use crate::{
    Cancel, Store,
    closure::{self, ClosureError},
    commit::{lock_of, relock},
    declare::{self, Addition},
    disk::{Disk, DiskError, names_in, random_name},
    events::Events,
    model::{Binding, Lockfile, ModuleName, TierMode, TierSettings},
    tier::Tiers,
    update::{NotPublished, Publication, Publisher, UpdateReport, unknown, write_file},
};

/// What was exported.
#[derive(Debug)]
pub struct Exported {
    /// The modules.
    pub modules: Vec<ModuleName>,
    /// Objects that were written; the others were there already.
    pub written: u64,
}

/// Nothing was exported, or a directory has a part of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The store cannot be read or worked in.
    #[error(transparent)]
    Store(Box<PushError>),
    /// Modules cannot be exported. Nothing was written, or objects of other modules and no lock.
    #[error("{} cannot be exported", quoted(.0))]
    Modules(Vec<(ModuleName, NotPublished)>),
    /// There is something else.
    #[error("{} is there already, and is no exported closure", path.display())]
    InTheWay {
        /// What is there.
        path: PathBuf,
    },
    /// The closure cannot be written.
    #[error(transparent)]
    Closure(#[from] ClosureError),
}

impl From<DiskError> for ExportError {
    fn from(error: DiskError) -> Self {
        ClosureError::from(error).into()
    }
}

impl Store {
    /// Writes these modules, or all, as they are now, to a directory that is a tier with a lock, or to one tar of that, if the
    /// name ends in `.tar`. The same modules give the same bytes.
    ///
    /// # Errors
    /// Of a linked module and of what cannot be packed, all by name. A tar is written whole or not at all.
    pub fn export(
        &self,
        names: &[ModuleName],
        to: &Path,
        events: &dyn Events,
        cancel: &Cancel,
    ) -> Result<Exported, ExportError> {
        let _leftovers = self.report_leftovers(events);
        let context = self.context(events, cancel);
        let failed = |error: PushError| ExportError::Store(Box::new(error));
        let state = self.state().map_err(|error| failed(error.into()))?;
        let declared = self.declarations().map_err(|error| failed(error.into()))?;
        if let Some(stranger) = names.iter().find(|name| !state.modules().contains_key(*name)) {
            return Err(failed(PushError::Unknown(Box::new(unknown(&declared, stranger)))));
        }
        let chosen =
            |(module, _): &(&ModuleName, &Binding)| names.is_empty() || names.contains(module);
        let modules: Vec<(&ModuleName, &Binding)> = state.modules().iter().filter(chosen).collect();
        self.ensure_writable(context).map_err(|error| failed(error.into()))?;
        let staging = context.staging().map_err(|error| failed(error.into()))?;
        let is_tar = to.extension().is_some_and(|extension| extension == "tar");
        let directory = if is_tar { staging.fresh() } else { to.to_owned() };
        if !is_tar && to.exists() && !has_nothing_else(to) {
            return Err(ExportError::InTheWay { path: to.to_owned() });
        }
        let disk = context.disk.elsewhere();
        disk.ensure_dir(&directory)?;
        // The user names what goes out and where to: no pattern is asked.
        let mut tier = TierSettings::at(directory.display().to_string());
        tier.mode = TierMode::Write;
        tier.only = vec![crate::model::OriginPattern::new("*")];
        let tiers = Tiers::open(context, &[tier]).map_err(|error| failed(error.into()))?;
        // What was built goes along as far as the lock of the closure names it.
        let all = lock_of(modules.iter().copied(), state.built_on(), || None);
        let publisher = Publisher {
            context,
            tiers: &tiers,
            declared: &declared,
            options: self.options(),
            lock: Some(&all),
            after_update: false,
        };
        let (mut lock, mut not) = (Lockfile::default(), Vec::new());
        for (module, publication) in publisher.publish(&modules).map_err(|e| failed(e.into()))? {
            match publication {
                Publication::Not(why) => not.push((module.clone(), why)),
                Publication::Published | Publication::AlreadyThere => {
                    let to = (state.modules().get(module), state.built_on());
                    relock(&mut lock, module, to, true);
                }
            }
        }
        if !not.is_empty() {
            return Err(ExportError::Modules(not));
        }
        let path = directory.join(closure::LOCK);
        let spare = directory.join(format!(".{}", random_name(&directory)?));
        disk.replace_file(&path, &spare, lock.print().as_bytes())?;
        if is_tar {
            pack_to(&disk, &directory, to)?;
        }
        let modules = modules.into_iter().map(|(module, _)| module.clone()).collect();
        Ok(Exported { modules, written: tiers.counts().published })
    }

    /// Whether an exported closure lies there.
    #[must_use]
    pub fn is_closure(path: &Path) -> bool {
        closure::is_closure(path)
    }

    /// Declares the modules of an exported closure that are not declared, and makes all of them what its lock says, from its
    /// objects alone: git is not asked for content.
    ///
    /// # Errors
    /// `modules.toml` is as it was, except where an error of the update says that it has happened.
    pub fn import_closure(
        &self,
        from: &Path,
        events: &dyn Events,
        cancel: &Cancel,
    ) -> Result<UpdateReport, ImportClosureError> {
        let (context, _leftovers) = self.begin(events, cancel).map_err(AddError::from)?;
        let staging = context.staging().map_err(ExportStagingError)?;
        let directory = if from.is_file() {
            let directory = staging.fresh();
            context.disk.create_dir(&directory).map_err(ClosureError::from)?;
            closure::unpack(context.disk, from, &directory)?;
            directory
        } else {
            from.to_owned()
        };
        let lock = closure::lock_in(&directory)?;
        let declared = self.declarations().map_err(AddError::from)?;
        if lock.modules.is_empty() {
            return Ok(UpdateReport::default());
        }
        let new = lock.modules.iter().filter(|(module, _)| declared.get(module).is_none());
        let additions: Vec<Addition> = new
            .map(|(name, locked)| Addition {
                name: Some(name.clone()),
                source: locked.source.clone(),
            })
            .collect();
        let mut edited = declare::add(self.editing(cancel), &additions).map_err(AddError::from)?;
        edited.names = lock.modules.keys().cloned().collect();
        let tier =
            TierSettings { fallback: false, ..TierSettings::at(directory.display().to_string()) };
        Ok(self.follow_from(context, edited, false, (Some(&lock), &[tier]))?)
    }
}

/// The names of these modules.
fn quoted(not: &[(ModuleName, NotPublished)]) -> String {
    let names: Vec<String> = not.iter().map(|(module, _)| format!("`{module}`")).collect();
    names.join(", ")
}

/// Writes a closure as one tar, whole or not at all.
fn pack_to(disk: &Disk, directory: &Path, to: &Path) -> Result<(), ExportError> {
    let spare = to.with_extension(random_name(to)?);
    let mut packed = Ok(());
    let written = write_file(disk, &spare, |file| {
        packed = closure::pack(directory, file);
        Ok(())
    });
    if let Err(error) = packed {
        let _ = disk.remove_file(&spare);
        return Err(error.into());
    }
    written.map_err(|source| ClosureError::Tar {
        path: to.to_owned(),
        source: std::io::Error::other(source),
    })?;
    disk.sync_file(&spare)?;
    Ok(disk.rename(&spare, to)?)
}

/// Whether a directory has no more than an export writes: one that was interrupted has no lock yet.
fn has_nothing_else(directory: &Path) -> bool {
    let is_known = |name: &OsString| name == closure::LOCK || name == "v1";
    names_in(directory).is_ok_and(|names| names.iter().all(is_known))
}

/// There is no place to unpack to.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct ExportStagingError(#[from] crate::disk::StagingError);

/// A closure was not taken in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportClosureError {
    /// It cannot be read.
    #[error(transparent)]
    Closure(#[from] ClosureError),
    /// There is no place to unpack to.
    #[error(transparent)]
    Staging(#[from] ExportStagingError),
    /// Its modules could not be declared and made current.
    #[error(transparent)]
    Add(#[from] AddError),
}
