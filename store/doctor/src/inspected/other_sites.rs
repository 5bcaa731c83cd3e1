//! [`OtherSite`]: a site directory that an environment's Python sees, and that installers do not write to when they are
//! given this environment: that of the system's packages (Debian's `dist-packages`), the user's own, and those of the Python
//! below a virtual environment.
//!
//! They are read like any other. Nothing in them is ever fixed here.

use std::path::{Path, PathBuf};

use modstore_core::{Cancel, disk::names_in};
use modstore_python::{ModuleSearch, Scan, SitesWithoutStart, quoted, small_text};

/// Where the files of the system's packages are. Administrators install below `/usr/local`.
const OF_THE_SYSTEM: [&str; 3] = ["/usr/lib", "/usr/lib64", "/usr/share"];

/// Where dpkg keeps the list of files of each package.
const DPKG: &str = "/var/lib/dpkg/info";

/// A site directory of others.
#[derive(Debug)]
pub(crate) struct OtherSite {
    pub scan: Scan,
    pub kind: SiteKind,
}

/// Whose a site directory is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SiteKind {
    /// The system's package manager installs there.
    System,
    /// The user's own.
    User,
    /// That of the Python below a virtual environment.
    Below,
    /// A further one of this Python itself, to which installers do not write.
    Further,
}

/// Whether the system's package manager owns what is in this directory.
pub(crate) fn is_of_the_system(path: &Path) -> bool {
    OF_THE_SYSTEM.iter().any(|root| path.starts_with(root))
}

/// The site directories that this Python sees beside `own`, in its order.
///
/// It is asked, and starts once for that.
pub(crate) fn other_sites(
    python: &Path,
    own: &[PathBuf],
    is_virtual: bool,
    cancel: &Cancel,
) -> Vec<OtherSite> {
    let (path, user) = match ModuleSearch::ask(python, &[].into(), cancel) {
        Ok(answer) => (answer.path, answer.user_site),
        // One of these directories may hold the file that ends every start.
        Err(_) => match SitesWithoutStart::of(python, cancel) {
            Some(found) => {
                let user = found.user.iter().cloned();
                (user.chain(found.sites).collect(), found.user)
            }
            None => return Vec::new(),
        },
    };
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let mut known: Vec<PathBuf> = own.iter().map(|site| real(site)).collect();
    let user = user.as_deref().map(real);
    let mut found = Vec::new();
    for path in path.iter().filter(|path| is_site(path)) {
        let resolved = real(path);
        if known.contains(&resolved) {
            continue;
        }
        let kind = match () {
            () if Some(&resolved) == user.as_ref() => SiteKind::User,
            () if is_of_the_system(path) => SiteKind::System,
            () if is_virtual => SiteKind::Below,
            () => SiteKind::Further,
        };
        known.push(resolved);
        found.extend(Scan::of(path).ok().map(|scan| OtherSite { scan, kind }));
    }
    found
}

/// Whether a directory on the import path is one that distributions are installed in: by its name, as Python itself has no
/// mark for it.
fn is_site(path: &Path) -> bool {
    ["site-packages", "dist-packages"].iter().any(|name| path.ends_with(name)) && path.is_dir()
}

impl SiteKind {
    /// Whether what is in it belongs to the system or to another Python, so that a fault there is only a note.
    pub(crate) const fn is_of_another(&self) -> bool {
        matches!(self, Self::System | Self::Below)
    }

    /// Why nothing in it is fixed, and what a person can type instead.
    pub(crate) fn advice(&self, path: &Path, python: &Path) -> (String, Option<String>) {
        match self {
            Self::System => {
                let why = "the system's package manager owns this directory".to_owned();
                (why, package_of(Path::new(DPKG), path).map(|it| apt(&it)))
            }
            Self::User => ("it is in the directory of your own packages".to_owned(), None),
            Self::Further => {
                ("installers write to another directory of this Python".to_owned(), None)
            }
            Self::Below => {
                let why = "it belongs to the Python below this environment".to_owned();
                let base = base_of(python);
                let base =
                    base.map(|it| format!("modstore doctor --python {}", quoted(it.as_os_str())));
                (why, base)
            }
        }
    }
}

fn apt(package: &str) -> String {
    format!("sudo apt-get install --reinstall {package}")
}

/// The package of dpkg's that has recorded this file.
fn package_of(lists: &Path, file: &Path) -> Option<String> {
    let names = names_in(lists).ok()?;
    let file = file.to_str()?;
    names.iter().find_map(|name| {
        let package = name.to_str()?.strip_suffix(".list")?;
        let text = small_text(&lists.join(name))?;
        text.lines().any(|line| line == file).then(|| package.to_owned())
    })
}

/// The interpreter that a virtual environment was made from.
fn base_of(python: &Path) -> Option<PathBuf> {
    let settings = small_text(&python.parent()?.parent()?.join("pyvenv.cfg"))?;
    let mut fields = settings.lines().filter_map(|line| line.split_once('='));
    let (_, home) = fields.find(|(key, _)| key.trim() == "home")?;
    let programs = ["python3", "python"].map(|name| Path::new(home.trim()).join(name));
    programs.into_iter().find(|program| program.exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_installs_is_known_from_what_its_administrator_does() {
        for (path, is_systems) in [
            ("/usr/lib/python3/dist-packages", true),
            ("/usr/lib64/python3.12/site-packages", true),
            ("/usr/local/lib/python3.11/dist-packages", false),
            ("/home/me/.local/lib/python3.11/site-packages", false),
        ] {
            assert_eq!(is_of_the_system(Path::new(path)), is_systems, "{path}");
        }
    }

    #[test]
    fn the_package_of_a_file_is_the_one_whose_list_has_it() {
        let place = tempfile::tempdir().unwrap();
        let file = "/usr/lib/python3/dist-packages/yaml/__init__.py";
        let list = |name: &str, text: &str| std::fs::write(place.path().join(name), text).unwrap();
        list("python3-other.list", &format!("/.\n{file}c\n"));
        list("python3-yaml.list", &format!("/.\n{file}\n"));
        list("python3-yaml.md5sums", file);
        let package = |file: &str| package_of(place.path(), Path::new(file));
        assert_eq!(package(file).as_deref(), Some("python3-yaml"));
        assert_eq!(package("/usr/lib/x"), None);
        let (why, command) = SiteKind::System.advice(Path::new("/nowhere"), Path::new("/p"));
        assert!(why.contains("package manager") && command.is_none());
        assert_eq!(apt("python3-yaml"), "sudo apt-get install --reinstall python3-yaml");
    }
}
