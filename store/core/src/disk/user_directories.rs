//! Where a user keeps data and caches, by the rules of XDG: an empty or relative path in a variable counts as none.

use std::{env, ffi::OsString, path::PathBuf};

/// The directory for data that is not lost: `$XDG_DATA_HOME`, else `~/.local/share`.
#[must_use]
pub fn user_data() -> Option<PathBuf> {
    user_directory(env::var_os("XDG_DATA_HOME"), env::home_dir(), ".local/share")
}

/// The directory for what can be made again: `$XDG_CACHE_HOME`, else `~/.cache`.
#[must_use]
pub fn user_cache() -> Option<PathBuf> {
    user_directory(env::var_os("XDG_CACHE_HOME"), env::home_dir(), ".cache")
}

/// The directory that a variable names, or else the one `below` the user's own.
#[must_use]
pub fn user_directory(
    variable: Option<OsString>,
    user: Option<PathBuf>,
    below: &str,
) -> Option<PathBuf> {
    let named = variable.map(PathBuf::from).filter(|path| path.is_absolute());
    named.or_else(|| Some(user.filter(|path| path.is_absolute())?.join(below)))
}
