//! The tiers of `config.toml`: of the store, then of the user.
//!
//! A project's home comes with its repository, and a tier may be sent what is private, and may run a program for a login. So
//! a project's own `config.toml` lies where only the user writes, as all that lets a store run something.

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
};

use modstore_tier::TierOptions;

use crate::{
    disk::{Disk, DiskError, Layout, Verb, read_if_there, user_directory},
    model::{TierMode, TierSettings, TierSettingsError, read_tiers},
};

/// A `config.toml` cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TierConfigError {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] DiskError),
    /// It cannot be understood.
    #[error("{}: {source}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        source: TierSettingsError,
    },
}

/// The tiers that are configured for a store, in the order in which they are asked.
///
/// # Errors
/// A file cannot be used.
pub fn configured_tiers(layout: &Layout) -> Result<Vec<TierSettings>, TierConfigError> {
    let home = layout.private().unwrap_or(layout.home());
    let user = user_directory(std::env::var_os("XDG_CONFIG_HOME"), std::env::home_dir(), ".config");
    let files = [Some(home.to_owned()), user.map(|user| user.join("modstore"))];
    let mut tiers = Vec::new();
    for path in files.iter().flatten().map(|directory| directory.join("config.toml")) {
        tiers.extend(read(&path)?);
    }
    Ok(tiers)
}

/// How a tier that is configured is spoken to.
#[must_use]
pub fn tier_options(settings: &TierSettings, disk: Disk) -> TierOptions {
    TierOptions {
        endpoint: settings.endpoint.clone(),
        credentials: settings.credentials.clone(),
        connect_timeout: settings.connect_timeout,
        stall_timeout: settings.stall_timeout,
        max_object: settings.max_object,
        make_directory: settings.mode == TierMode::Write,
        disk,
    }
}

fn read(path: &Path) -> Result<Vec<TierSettings>, TierConfigError> {
    let bytes = match read_if_there(path) {
        Ok(bytes) => bytes,
        // No home can be there, and that has an error of its own.
        Err(DiskError { source, .. })
            if matches!(source.kind(), ErrorKind::NotADirectory | ErrorKind::InvalidFilename) =>
        {
            None
        }
        Err(error) => return Err(error.into()),
    };
    let Some(bytes) = bytes else { return Ok(Vec::new()) };
    let text = String::from_utf8(bytes).map_err(|error| {
        let error = std::io::Error::new(ErrorKind::InvalidData, error.utf8_error());
        DiskError::new(Verb::Read, path, error)
    })?;
    read_tiers(&text).map_err(|source| TierConfigError::Parse { path: path.to_owned(), source })
}
