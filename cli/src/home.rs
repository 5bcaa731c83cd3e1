//! Where the store is: `--home`, else `MODSTORE_HOME`, else `$XDG_DATA_HOME/modstore`, else
//! `~/.local/share/modstore`.
//!
//! Any path works, also with spaces, `#`, line ends or bytes that are not UTF-8. Only `MODSTORE_TRUST_HOME` looks at the disk.
//!
//! `MODSTORE_TRUST_HOME` lists homes, as `PATH` lists directories, that are used although other users own them or may
//! write to them; `*` stands for all. It is a variable and not a setting in a file, so that no directory can ask for it.

use std::{
    ffi::{OsStr, OsString},
    io,
    path::{Path, PathBuf},
};

/// The store's directory is not known. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HomeError {
    /// An empty path.
    #[error("the store's directory was given as an empty path")]
    Empty,
    /// A relative path, and the current directory cannot be read.
    #[error("the store's directory {} is relative, and the current directory cannot be read", path.display())]
    Relative {
        /// The path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No variable says where a user's files are.
    #[error("there is no home directory for a store")]
    NoHome,
}

impl HomeError {
    /// The next thing to do.
    pub(crate) fn hint(&self) -> &'static str {
        match self {
            Self::Empty | Self::NoHome => "name a directory with --home or MODSTORE_HOME",
            Self::Relative { .. } => "give an absolute path with --home or MODSTORE_HOME",
        }
    }
}

/// The store's home, as an absolute path. `given` is the value of `--home`.
pub(crate) fn store_home(given: Option<&OsString>) -> Result<PathBuf, HomeError> {
    choose(given, std::env::var_os, std::env::home_dir())
}

/// Whether the user trusts everyone who may write to `home`.
pub(crate) fn is_trusted(home: &Path) -> bool {
    std::env::var_os("MODSTORE_TRUST_HOME").is_some_and(|trusted| names(&trusted, home))
}

fn names(trusted: &OsStr, home: &Path) -> bool {
    let resolved = |path: &Path| path.canonicalize().ok();
    std::env::split_paths(trusted).filter(|path| !path.as_os_str().is_empty()).any(|path| {
        path.as_os_str() == "*"
            || path == home
            || resolved(&path).is_some_and(|path| resolved(home) == Some(path))
    })
}

fn choose(
    given: Option<&OsString>,
    variable: impl Fn(&'static str) -> Option<OsString>,
    user: Option<PathBuf>,
) -> Result<PathBuf, HomeError> {
    if let Some(path) = given.cloned().or_else(|| variable("MODSTORE_HOME")) {
        return absolute(Path::new(&path));
    }
    // The XDG rules say that an empty or relative path there counts as none.
    let data = variable("XDG_DATA_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let data = data.or_else(|| Some(user.filter(|path| path.is_absolute())?.join(".local/share")));
    data.map(|data| data.join("modstore")).ok_or(HomeError::NoHome)
}

fn absolute(path: &Path) -> Result<PathBuf, HomeError> {
    if path.as_os_str().is_empty() {
        return Err(HomeError::Empty);
    }
    std::path::absolute(path)
        .map_err(|source| HomeError::Relative { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(
        given: Option<&str>,
        variables: &[(&str, &str)],
        user: Option<&str>,
    ) -> Option<PathBuf> {
        let variable = |name: &str| {
            variables.iter().find(|(each, _)| *each == name).map(|(_, value)| OsString::from(value))
        };
        choose(given.map(OsString::from).as_ref(), variable, user.map(PathBuf::from)).ok()
    }

    #[test]
    fn an_option_wins_over_a_variable_and_a_variable_over_the_default() {
        let all = [("MODSTORE_HOME", "/m"), ("XDG_DATA_HOME", "/x")];
        let [_, xdg] = all;
        let table = [
            (Some("/h"), all.as_slice(), Some("/u"), Some("/h")),
            (None, &all, Some("/u"), Some("/m")),
            (None, &[xdg], Some("/u"), Some("/x/modstore")),
            (None, &[("XDG_DATA_HOME", "")], Some("/u"), Some("/u/.local/share/modstore")),
            (None, &[("XDG_DATA_HOME", "x")], Some("/u"), Some("/u/.local/share/modstore")),
            (None, &[], None, None),
            (None, &[], Some(""), None),
            (Some(""), &all, Some("/u"), None),
            (None, &[("MODSTORE_HOME", "")], Some("/u"), None),
            (Some("/a # b\nc"), &[], None, Some("/a # b\nc")),
        ];
        for (given, variables, user, home) in table {
            let found = chosen(given, variables, user);
            assert_eq!(found, home.map(PathBuf::from), "{given:?} {variables:?} {user:?}");
        }
    }

    #[test]
    fn a_home_is_trusted_by_its_own_name_another_of_the_same_or_with_all() {
        let place = tempfile::tempdir().unwrap();
        let home = place.path().join("home");
        let link = place.path().join("link");
        std::fs::create_dir(&home).unwrap();
        std::os::unix::fs::symlink(&home, &link).unwrap();
        let says = |trusted: String| names(trusted.as_ref(), &home);
        let plain = home.display();
        let link = link.display();
        assert!(says("*".into()) && says(format!("/other:{plain}")) && says(format!("{link}")));
        assert!(says(format!("{plain}/")) && says("/other:*".into()));
        assert!(!says(String::new()) && !says(":".into()) && !says("/".into()));
        assert!(!says(format!("{plain}/below")) && !says("home".into()));
    }

    #[test]
    fn a_relative_home_is_below_the_current_directory() {
        let found = chosen(Some("store"), &[], None).unwrap();
        assert_eq!(found, std::env::current_dir().unwrap().join("store"));
    }
}
