//! Whether a home is ours: no other user may own it or write to it, and nothing in it is reached through a link.
//!
//! With a home that only we may write to, no other user can put anything into it between a look and a use. So one look
//! at the directories and control files, when a command begins, is enough for everything below them, and planting files
//! costs no call more. As git's `safe.directory` and ssh's `StrictModes` do, root is trusted by all, and root that was
//! called by `sudo` works on what its caller owns.
//!
//! Limits: access lists count as far as the group's bits show them. A parent directory in which others may rename is
//! not looked at: what they put in the place of the home is theirs, and is refused as theirs.

use std::{
    fmt,
    fs::Metadata,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use super::{
    bounded::read_regular_text,
    layout::Layout,
    verbs::{OTHERS_WRITE, names_in},
};

/// Files that steer what a command does, and that must be of an owner that a home may have.
const CONTROL: [&str; 9] = [
    "journal",
    "format.json",
    "allowed.json",
    "condemned",
    "reserve",
    "locks/store",
    "locks/modules.toml",
    "locks/format",
    "locks/trash",
];

/// Files that people write: their group may, since editors ask no one.
const WRITTEN_BY_PEOPLE: [&str; 2] = ["modules.toml", "modules.lock"];

/// The user who may write everywhere.
const ROOT: u32 = 0;

/// The home is not safe to work in. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnsafeHome {
    /// A directory of the home is a link: what is written or deleted below it would be elsewhere.
    #[error("{} is a symbolic link, and a directory of a store must not be one", path.display())]
    Link {
        /// The link.
        path: PathBuf,
    },
    /// The home of a project is a link: that comes with the project, and is no choice of the user's.
    #[error("{} is a symbolic link, and the home of a project must not be one", path.display())]
    LinkedProject {
        /// The link.
        path: PathBuf,
    },
    /// Another user owns the home, or something in it.
    #[error("{} is owned by {owner}, not by {own}", path.display())]
    Foreign {
        /// The home.
        home: PathBuf,
        /// What is owned.
        path: PathBuf,
        /// Who owns it.
        owner: User,
        /// Who we are.
        own: User,
    },
    /// Other users may write there.
    #[error("other users may write to {} (owned by {owner}, mode {mode:04o})", path.display())]
    Writable {
        /// The home.
        home: PathBuf,
        /// Where they may.
        path: PathBuf,
        /// Who owns it.
        owner: User,
        /// Its permission bits.
        mode: u32,
    },
}

/// A user of the system, by number; printed with the name, where that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct User(pub u32);

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match name_of(self.0) {
            Some(name) => write!(f, "{name} (uid {})", self.0),
            None => write!(f, "uid {}", self.0),
        }
    }
}

/// The name of a user of this machine; directories of users on the network are not asked.
fn name_of(uid: u32) -> Option<String> {
    let text = read_regular_text(Path::new("/etc/passwd")).ok()?;
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, number) = (fields.next()?, fields.nth(1)?);
        (number.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

/// Who may own what we write to: we, root, and as root the caller of `sudo`.
#[derive(Debug, Clone, Copy)]
pub struct Owners {
    own: u32,
    caller: Option<u32>,
}

impl Owners {
    /// The user of this process, and the one who called it through sudo.
    #[must_use]
    pub fn of_process() -> Self {
        let own = rustix::process::geteuid().as_raw();
        let caller = || std::env::var("SUDO_UID").ok()?.parse().ok();
        Self { own, caller: if own == ROOT { caller() } else { None } }
    }

    /// Whether a file of this user counts as our own.
    #[must_use]
    pub fn has(self, uid: u32) -> bool {
        uid == ROOT || uid == self.own || Some(uid) == self.caller
    }
}

/// Whether no directory of the home is a link. For every command, those that only read among them.
///
/// # Errors
/// [`UnsafeHome::Link`], with the first that is.
pub fn has_no_links(layout: &Layout) -> Result<(), UnsafeHome> {
    if layout.project().is_some() && layout.home().is_symlink() {
        return Err(UnsafeHome::LinkedProject { path: layout.home().to_owned() });
    }
    match directories(layout).find(|path| path.is_symlink()) {
        Some(path) => Err(UnsafeHome::Link { path }),
        None => Ok(()),
    }
}

fn directories(layout: &Layout) -> impl Iterator<Item = PathBuf> {
    Layout::DIRECTORIES.into_iter().chain(Layout::LATER).map(|name| layout.home().join(name))
}

/// Whether the home, its directories and its control files are ours alone to write to. For every command that writes, or
/// that runs what is in the home. A missing file has no owner.
///
/// # Errors
/// See [`UnsafeHome`].
pub fn is_ours(layout: &Layout) -> Result<(), UnsafeHome> {
    let look = Look { layout, owners: Owners::of_process() };
    look.home()?;
    let private = layout.private().map(Path::to_owned);
    let private =
        private.into_iter().flat_map(|own| [own, layout.allowed(), layout.environments()]);
    let control = CONTROL.map(|name| layout.home().join(name));
    for path in directories(layout).chain(control).chain(private) {
        look.at(&path, path.symlink_metadata().ok(), OTHERS_WRITE)?;
    }
    for path in WRITTEN_BY_PEOPLE.map(|name| layout.declared_in().join(name)) {
        look.at(&path, path.metadata().ok(), OTHERS_WRITE & 0o007)?;
    }
    Ok(())
}

/// Whether no other user may write to this file or directory. One that is not there is not ours either.
#[must_use]
pub fn is_only_ours(path: &Path) -> bool {
    let owners = Owners::of_process();
    path.symlink_metadata().is_ok_and(|meta| {
        owners.has(meta.uid()) && !meta.is_symlink() && meta.mode() & OTHERS_WRITE == 0
    })
}

/// Whether the home is a directory of ours to which others may write and in which nothing lies but what people write: one
/// that is about to become a store's, and is closed to them then.
pub(super) fn is_to_be_closed(home: &Path) -> bool {
    let Ok(meta) = home.metadata() else { return false };
    meta.is_dir()
        && meta.uid() == rustix::process::geteuid().as_raw()
        && meta.mode() & OTHERS_WRITE != 0
        && names_in(home).is_ok_and(|names| {
            names.iter().all(|name| WRITTEN_BY_PEOPLE.iter().any(|written| name == *written))
        })
}

struct Look<'a> {
    layout: &'a Layout,
    owners: Owners,
}

impl Look<'_> {
    /// The home may be a link: where a user keeps it is the user's choice.
    fn home(&self) -> Result<(), UnsafeHome> {
        let home = self.layout.home();
        let looked = self.at(home, home.metadata().ok(), OTHERS_WRITE);
        match looked {
            Err(UnsafeHome::Writable { .. }) if is_to_be_closed(home) => Ok(()),
            looked => looked,
        }
    }

    fn at(&self, path: &Path, meta: Option<Metadata>, others: u32) -> Result<(), UnsafeHome> {
        let Some(meta) = meta else { return Ok(()) };
        let (home, path) = (self.layout.home().to_owned(), path.to_owned());
        let (owner, mode) = (User(meta.uid()), meta.permissions().mode() & 0o7777);
        if !self.owners.has(owner.0) {
            return Err(UnsafeHome::Foreign { home, path, owner, own: User(self.owners.own) });
        }
        // Every link has all permission bits, and they mean nothing.
        match mode & others != 0 && !meta.is_symlink() {
            true => Err(UnsafeHome::Writable { home, path, owner, mode }),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs::Permissions, os::unix::fs::symlink};

    use super::*;

    fn home() -> (tempfile::TempDir, Layout) {
        let place = tempfile::tempdir().unwrap();
        let layout = Layout::new(place.path().join("home"));
        std::fs::create_dir(layout.home()).unwrap();
        for name in Layout::DIRECTORIES {
            std::fs::create_dir(layout.home().join(name)).unwrap();
        }
        for name in ["journal", "locks/store", "modules.toml"] {
            std::fs::write(layout.home().join(name), "").unwrap();
        }
        set_all(layout.home());
        (place, layout)
    }

    /// Whatever the umask of who runs the tests.
    fn set_all(home: &Path) {
        set(home, 0o755);
        Layout::DIRECTORIES.iter().for_each(|name| set(&home.join(name), 0o755));
        ["journal", "locks/store", "modules.toml"]
            .iter()
            .for_each(|name| set(&home.join(name), 0o644));
    }

    fn set(path: &Path, mode: u32) {
        std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_home_that_only_we_may_write_to_is_ours() {
        let (_place, layout) = home();
        assert_eq!((has_no_links(&layout), is_ours(&layout)), (Ok(()), Ok(())));
        let none = Layout::new(layout.home().join("none"));
        assert_eq!((has_no_links(&none), is_ours(&none)), (Ok(()), Ok(())));
    }

    #[test]
    fn where_others_may_write_is_named_with_its_mode() {
        let (_place, layout) = home();
        for (name, mode) in
            [("", 0o775), ("", 0o1777), ("staging", 0o2775), ("locks", 0o757), ("journal", 0o664)]
        {
            let path = layout.home().join(name);
            set(&path, mode);
            let error = is_ours(&layout).unwrap_err();
            let UnsafeHome::Writable { path: named, mode: of, .. } = &error else {
                panic!("{error}")
            };
            assert_eq!((named.join(""), *of), (path.join(""), mode));
            set_all(layout.home());
        }
        set(&layout.modules_toml(), 0o664);
        assert_eq!(is_ours(&layout), Ok(()), "an editor asks for no more");
        set(&layout.modules_toml(), 0o666);
        assert!(is_ours(&layout).is_err());
    }

    #[test]
    fn a_directory_that_is_a_link_is_named_also_when_it_leads_nowhere_and_the_home_may_be_one() {
        let (place, layout) = home();
        let link = place.path().join("link");
        symlink(layout.home(), &link).unwrap();
        assert_eq!(has_no_links(&Layout::new(&link)), Ok(()));
        for name in Layout::DIRECTORIES.into_iter().chain(Layout::LATER) {
            for leads in ["/etc", "nowhere"] {
                let path = layout.home().join(name);
                let _ = std::fs::remove_dir_all(&path);
                symlink(leads, &path).unwrap();
                assert_eq!(has_no_links(&layout), Err(UnsafeHome::Link { path: path.clone() }));
                std::fs::remove_file(&path).unwrap();
            }
        }
    }

    #[test]
    fn root_is_trusted_by_all_and_the_caller_of_sudo_by_root_alone() {
        let of = |own, caller| Owners { own, caller };
        assert!(of(1000, None).has(1000) && of(1000, None).has(ROOT));
        assert!(!of(1000, None).has(1001) && !of(ROOT, None).has(1000));
        assert!(of(ROOT, Some(1000)).has(1000) && !of(ROOT, Some(1000)).has(1001));
    }

    #[test]
    fn a_user_is_shown_by_name_and_number() {
        assert_eq!(User(0).to_string(), "root (uid 0)");
        assert_eq!(User(4_000_000_001).to_string(), "uid 4000000001");
    }

    #[test]
    fn a_directory_of_ours_without_a_store_is_to_be_closed_and_one_with_anything_else_is_refused() {
        let place = tempfile::tempdir().unwrap();
        set(place.path(), 0o777);
        assert_eq!(is_ours(&Layout::new(place.path())), Ok(()));
        std::fs::write(place.path().join("modules.toml"), "").unwrap();
        set(&place.path().join("modules.toml"), 0o664);
        assert_eq!(is_ours(&Layout::new(place.path())), Ok(()));
        std::fs::write(place.path().join("journal"), "").unwrap();
        set(&place.path().join("journal"), 0o644);
        assert!(is_ours(&Layout::new(place.path())).is_err());
    }
}
