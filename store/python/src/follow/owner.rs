//! [`Owner`]: which store an environment follows. An environment follows one.
//!
//! A file beside the stand-ins names the store that installed them: its identity and its home. A copy of a home has the
//! same identity and the same list of environments, so neither decides alone: the environment belongs to the store in
//! the home that the file names, as long as that store is there and has the environment in its list. A home that was
//! moved is known by its identity; a list that forgot the environment gives it up.
//!
//! Environments of earlier versions have no such file; their stand-ins say where they lead.
//! Limits: no file of another store is changed, and no lock of one is taken. Whether to take over is the caller's to decide.

use std::path::{Path, PathBuf};

use modstore_core::{
    disk::{Disk, DiskError, Format, Layout, SMALL_FILE, names_in, read_regular},
    model::ModuleName,
};
use serde::{Deserialize, Serialize};

use super::registration::Registration;
use crate::read::EnvironmentPaths;

/// The name of the file, in the environment's directory of installed distributions.
const NAME: &str = "_modstore_owner.json";
/// Its name until it is complete.
const SPARE: &str = "_modstore_owner.new";

/// Which store an environment follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// None, as far as is known.
    None,
    /// This one.
    This,
    /// Another one.
    Other {
        /// Its home.
        home: PathBuf,
        /// Whether it is there.
        is_there: bool,
    },
}

/// The text of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    schema: u8,
    /// The identity of the store; none is known of a store whose stand-ins alone are there.
    store: Option<String>,
    /// Its home, without links on the way.
    home: PathBuf,
}

impl Owner {
    /// The owner of the environment of this registration, as the store in `layout` sees it.
    #[must_use]
    pub fn of(layout: &Layout, registration: &Registration) -> Self {
        Self::at(layout, &registration.paths())
    }

    /// The same of any environment.
    #[must_use]
    pub fn at(layout: &Layout, environment: &EnvironmentPaths) -> Self {
        let Some(site) = environment.site.first() else { return Self::None };
        let Some(mark) = Mark::read(site).or_else(|| Mark::of_stand_ins(site, layout)) else {
            return Self::None;
        };
        if is_same(&mark.home, layout.home()) {
            return Self::This;
        }
        let is_moved = || mark.store.is_some() && mark.store == identity(layout);
        match Claim::of(&mark.home, &environment.prefix) {
            Claim::Has => Self::Other { home: mark.home, is_there: true },
            Claim::HasNot => Self::None,
            Claim::Gone if is_moved() => Self::This,
            Claim::Gone if mark.store.is_none() => Self::None,
            Claim::Gone => Self::Other { home: mark.home, is_there: false },
        }
    }

    /// The home of another store that the environment follows.
    #[must_use]
    pub fn other(self) -> Option<PathBuf> {
        match self {
            Self::Other { home, .. } => Some(home),
            Self::None | Self::This => None,
        }
    }
}

/// Writes down that the environment follows the store in `layout`, unless that is written there.
///
/// # Errors
/// What was written there before is there.
pub(crate) fn take(
    disk: &Disk,
    layout: &Layout,
    registration: &Registration,
) -> Result<(), DiskError> {
    let Some(site) = registration.site.first() else { return Ok(()) };
    let mark = Mark { schema: 1, store: identity(layout), home: layout.resolved_home() };
    if Mark::read(site).as_ref() == Some(&mark) {
        return Ok(());
    }
    let text = serde_json::to_vec_pretty(&mark).expect("texts can be written as JSON");
    let spare = site.join(SPARE);
    remove_if_there(disk, &spare)?;
    disk.create_file(&spare, &text)?;
    disk.rename(&spare, &site.join(NAME))
}

/// Removes the file that names the owner, unless another store has written it.
///
/// # Errors
/// It is still there.
pub fn release(disk: &Disk, layout: &Layout, registration: &Registration) -> Result<(), DiskError> {
    let Some(site) = registration.site.first() else { return Ok(()) };
    if Owner::of(layout, registration).other().is_none() {
        remove_if_there(disk, &site.join(NAME))?;
    }
    remove_if_there(disk, &site.join(SPARE))
}

/// Whether a stand-in's `.pth` file leads into another store that has the environment in its list.
pub(crate) fn is_of_another(layout: &Layout, registration: &Registration, file: &Path) -> bool {
    home_of(file).is_some_and(|home| {
        !is_same(&home, layout.home())
            && matches!(Claim::of(&home, &registration.prefix), Claim::Has)
    })
}

/// The modules whose stand-ins in the environment lead into the store in this home.
#[must_use]
pub fn modules_of(home: &Path, registration: &Registration) -> Vec<ModuleName> {
    let files = registration.site.first().into_iter().flat_map(|site| site_files(site));
    let those = files.filter(|file| home_of(file).is_some_and(|found| is_same(&found, home)));
    those.filter_map(|file| Some(read_site_file(&file)?.0)).collect()
}

impl Mark {
    fn read(site: &Path) -> Option<Self> {
        serde_json::from_slice(&read_regular(&site.join(NAME), SMALL_FILE).ok()?).ok()
    }

    /// What the stand-ins say, those of the store in `layout` before others.
    fn of_stand_ins(site: &Path, layout: &Layout) -> Option<Self> {
        let homes: Vec<PathBuf> = site_files(site).iter().filter_map(|it| home_of(it)).collect();
        let ours = homes.iter().find(|home| is_same(home, layout.home()));
        let home = ours.or(homes.first())?.clone();
        Some(Self { schema: 1, store: None, home })
    }
}

/// What a store says of an environment.
enum Claim {
    /// It has the environment in its list, or that cannot be read.
    Has,
    HasNot,
    /// There is no store.
    Gone,
}

impl Claim {
    fn of(home: &Path, prefix: &Path) -> Self {
        let layout = Layout::new(home);
        match (Format::read(&layout), Registration::find(&layout, prefix)) {
            (Ok(None), _) => Self::Gone,
            (Ok(Some(_)), Ok(None)) => Self::HasNot,
            (Err(_), _) | (_, Ok(Some(_)) | Err(_)) => Self::Has,
        }
    }
}

fn identity(layout: &Layout) -> Option<String> {
    Some(Format::read(layout).ok()??.store)
}

/// Whether both are one directory, by whatever ways.
fn is_same(one: &Path, other: &Path) -> bool {
    let place = |path: &Path| {
        use std::os::unix::fs::MetadataExt as _;
        path.metadata().map(|meta| (meta.dev(), meta.ino())).ok()
    };
    one == other || place(one).is_some_and(|found| place(other) == Some(found))
}

/// The `.pth` files of stand-ins in a site directory.
fn site_files(site: &Path) -> Vec<PathBuf> {
    let names = names_in(site).unwrap_or_default();
    let is_ours = |name: &&std::ffi::OsString| {
        name.to_str().is_some_and(|name| name.starts_with("_modstore_") && name.ends_with(".pth"))
    };
    let mut files: Vec<PathBuf> =
        names.iter().filter(is_ours).map(|name| site.join(name)).collect();
    files.sort();
    files
}

/// The module of a stand-in, and the first path that its `.pth` file has.
fn read_site_file(file: &Path) -> Option<(ModuleName, String)> {
    let text = String::from_utf8(read_regular(file, SMALL_FILE).ok()?).ok()?;
    let mut lines = text.lines();
    let (module, _) = lines.next()?.strip_prefix("# modstore ")?.split_once(' ')?;
    Some((module.parse().ok()?, lines.next()?.to_owned()))
}

/// The home of the store that a stand-in leads into.
fn home_of(file: &Path) -> Option<PathBuf> {
    let (module, path) = read_site_file(file)?;
    let below = format!("/live/{module}");
    path.rfind(&format!("{below}/"))
        .or_else(|| path.ends_with(&below).then(|| path.len() - below.len()))
        .and_then(|at| path.get(..at))
        .map(PathBuf::from)
}

fn remove_if_there(disk: &Disk, path: &Path) -> Result<(), DiskError> {
    if path.symlink_metadata().is_ok() { disk.remove_file(path) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stand_in_says_which_home_it_leads_into() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("_modstore_a.pth");
        for (text, home) in [
            ("# modstore a 12\n/h/live/a/current/src\n", Some("/h")),
            ("# modstore a 12\n/h/live/a\n", Some("/h")),
            ("# modstore a 12\n/h/live/a/live/a/current\n", Some("/h/live/a")),
            ("# modstore a 12\n/h/live/ab\n", None),
            ("# modstore a 12\n", None),
            ("/h/live/a/current\n", None),
        ] {
            std::fs::write(&file, text).unwrap();
            assert_eq!(home_of(&file).as_deref(), home.map(Path::new), "{text}");
        }
    }
}
