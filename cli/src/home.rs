//! Where the store is: `--project` or `--home`, else `MODSTORE_PROJECT`, else `MODSTORE_HOME`, else
//! `$XDG_DATA_HOME/modstore`, else `~/.local/share/modstore`.
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

use modstore_core::disk::{Layout, user_directory};

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
    /// A project's directory that is none.
    #[error("{} is not the directory of a project", path.display())]
    Project {
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
            Self::Project { .. } => {
                "name a directory that exists with --project or MODSTORE_PROJECT"
            }
        }
    }
}

/// The place of the store. `given` is the value of `--home`, and `project` that of `--project`.
pub(crate) fn store_place(
    given: Option<&OsString>,
    project: Option<&OsString>,
) -> Result<Layout, HomeError> {
    match project_meant(given, project, std::env::var_os) {
        Some(directory) => project_place(Path::new(&directory)),
        None => choose(given, std::env::var_os, std::env::home_dir()).map(Layout::new),
    }
}

/// The project that is meant, if one is: what stands in the command line counts before any variable.
fn project_meant(
    given: Option<&OsString>,
    project: Option<&OsString>,
    variable: impl Fn(&'static str) -> Option<OsString>,
) -> Option<OsString> {
    match (project, given) {
        (Some(directory), _) => Some(directory.clone()),
        (None, Some(_)) => None,
        (None, None) => variable("MODSTORE_PROJECT").filter(|directory| !directory.is_empty()),
    }
}

fn project_place(directory: &Path) -> Result<Layout, HomeError> {
    let wrong = |source| HomeError::Project { path: directory.to_owned(), source };
    let resolved = directory.canonicalize().map_err(wrong)?;
    match resolved.is_dir() {
        true => Ok(Layout::of_project(&resolved)),
        false => Err(wrong(io::ErrorKind::NotADirectory.into())),
    }
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
    let data = user_directory(variable("XDG_DATA_HOME"), user, ".local/share");
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
    fn the_command_line_counts_before_variables_and_a_project_before_a_home() {
        let set = |_: &str| Some(OsString::from("/p"));
        let unset = |_: &str| None;
        let (home, project) = (OsString::from("/h"), OsString::from("/q"));
        assert_eq!(project_meant(None, None, set), Some("/p".into()));
        assert_eq!(project_meant(Some(&home), None, set), None);
        assert_eq!(project_meant(None, Some(&project), set), Some("/q".into()));
        assert_eq!(project_meant(None, None, unset), None);
        assert_eq!(project_meant(None, None, |_| Some(OsString::new())), None);
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
