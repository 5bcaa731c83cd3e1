//! What registered environments point at in the store, by their `.pth` lines, finders, `.start` and `.egg-link` files and
//! `direct_url.json`.
//!
//! What leads through `current` or `live` keeps nothing: it follows the switch. What a person installed or wrote by hand
//! that leads to an entry, or through a generation, keeps that. An environment that is not there keeps nothing; one that
//! cannot be read is never taken for an empty one.
//! Limits: no lock of an environment is taken. An installer that makes it lead somewhere else at the moment of a sweep may
//! be too late.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
};

use crate::{
    Context,
    disk::{DiskError, Layout, Lock, StagingError, Verb},
    environment::{
        EnvironmentPaths, Registration, RegistrationError, Scan, Unparsed, small_if_there,
    },
    model::{Digest, Generation},
};

/// What an environment points at.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Pointed {
    pub(crate) entries: BTreeSet<Digest>,
    pub(crate) generations: BTreeSet<Generation>,
}

/// What every registered environment points at, by its interpreter.
///
/// # Errors
/// When the registrations cannot be read. An environment that cannot be read has the error in its place.
pub(crate) fn pointed(
    layout: &Layout,
) -> Result<BTreeMap<PathBuf, Result<Pointed, DiskError>>, RegistrationError> {
    let registrations = Registration::all(layout)?.into_iter();
    let there = registrations.filter(|registration| !registration.is_missing());
    let home = layout.resolved_home();
    let stores = [layout.clone(), Layout::new(home)];
    Ok(there.map(|each| (each.python.clone(), points(&stores, &each))).collect())
}

fn points(stores: &[Layout], registration: &Registration) -> Result<Pointed, DiskError> {
    let mut sites: BTreeSet<PathBuf> = registration.site.iter().cloned().collect();
    // It may have been made again, with another Python.
    sites.extend(
        EnvironmentPaths::from_files(&registration.python).into_iter().flat_map(|now| now.site),
    );
    let mut pointed = Pointed::default();
    for site in sites {
        let scan = Scan::of(&site).map_err(|error| error.source)?;
        for pointer in &scan.pointers {
            pointed.follow(stores, &pointer.target);
        }
        for unparsed in &scan.unparsed {
            pointed.doubt(unparsed)?;
        }
    }
    Ok(pointed)
}

/// What a path names in a store.
enum Named {
    Entry(Digest),
    Generation(Generation),
    /// It follows the switch.
    Switch,
}

fn named(stores: &[Layout], path: &Path) -> Option<Named> {
    stores.iter().find_map(|store| {
        if path.starts_with(store.live()) || path.starts_with(store.current()) {
            return Some(Named::Switch);
        }
        let first_below = |directory: PathBuf| {
            let below = path.strip_prefix(directory).ok()?;
            below.components().next()?.as_os_str().to_str()
        };
        let entry = || first_below(store.entries())?.parse().ok().map(Named::Entry);
        let generation = || first_below(store.generations())?.parse().ok().map(Named::Generation);
        entry().or_else(generation)
    })
}

impl Pointed {
    fn follow(&mut self, stores: &[Layout], target: &Path) {
        match named(stores, target) {
            Some(Named::Switch) => return,
            Some(other) => self.note(other),
            None => {}
        }
        if let Some(end) = named(stores, &resolved(target)) {
            self.note(end);
        }
    }

    fn note(&mut self, named: Named) {
        match named {
            Named::Entry(digest) => drop(self.entries.insert(digest)),
            Named::Generation(number) => drop(self.generations.insert(number)),
            Named::Switch => {}
        }
    }

    /// A file that is not understood keeps every entry whose name is anywhere in it.
    fn doubt(&mut self, unparsed: &Unparsed) -> Result<(), DiskError> {
        if unparsed.is_unread {
            let why = io::Error::other(unparsed.what.clone());
            return Err(DiskError::new(Verb::Read, &unparsed.file, why));
        }
        let bytes = small_if_there(&unparsed.file)?.unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let words = text.split(|c: char| !c.is_ascii_hexdigit());
        self.entries.extend(words.filter_map(|word| word.parse::<Digest>().ok()));
        Ok(())
    }
}

/// Where a path leads through all links, as far as it exists.
fn resolved(path: &Path) -> PathBuf {
    let there = path.ancestors().find_map(|above| Some((above, above.canonicalize().ok()?)));
    let Some((above, real)) = there else { return path.to_owned() };
    path.strip_prefix(above).map_or(real.clone(), |rest| real.join(rest))
}

/// It cannot be noted that an environment is gone. Its registration is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ForgetError {
    /// What is known of environments cannot be read or written.
    #[error(transparent)]
    Registration(#[from] RegistrationError),
    /// The home cannot be written to.
    #[error(transparent)]
    Staging(#[from] StagingError),
    /// The disk.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// Notes since when environments are gone, and forgets those that have been for a day: until then, a volume may only not
/// be mounted. Gives their directories. One that another process works on is left as it is.
///
/// # Errors
/// Those before it are done.
pub(crate) fn forget_gone(context: Context<'_>, now: u64) -> Result<Vec<PathBuf>, ForgetError> {
    let Context { disk, layout, command, .. } = context;
    let mut forgotten = Vec::new();
    for seen in Registration::all(layout)? {
        if !seen.is_missing() && seen.missing_since.is_none() {
            continue;
        }
        let lock = layout.lock(&format!("environment-{}", seen.name()));
        let Some(_lock) = Lock::try_take(&lock, command)? else { continue };
        let Some(mut registration) = Registration::find(layout, &seen.prefix)? else { continue };
        if registration.is_missing() && registration.is_to_be_forgotten(now) {
            registration.forget(disk, layout)?;
            forgotten.push(registration.prefix);
        } else if registration.is_missing() != registration.missing_since.is_some() {
            registration.missing_since = registration.is_missing().then_some(now);
            registration.write(disk, layout, &context.staging()?.fresh())?;
        }
    }
    Ok(forgotten)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "abababababababababababababababababababababababababababababababab";

    fn follow(home: &Path, target: &Path) -> Pointed {
        let stores = [Layout::new(home), Layout::new(home.canonicalize().unwrap())];
        let mut pointed = Pointed::default();
        pointed.follow(&stores, target);
        pointed
    }

    fn entry() -> Pointed {
        Pointed { entries: [DIGEST.parse().unwrap()].into(), ..Pointed::default() }
    }

    #[test]
    fn what_leads_to_an_entry_keeps_it_by_whatever_links() {
        let place = tempfile::tempdir().unwrap();
        let home = place.path().join("home");
        let source = home.join("entries").join(DIGEST).join("src");
        std::fs::create_dir_all(&source).unwrap();
        let link = place.path().join("link");
        std::os::unix::fs::symlink(&source, &link).unwrap();
        let moved = place.path().join("moved");
        std::os::unix::fs::symlink(&home, &moved).unwrap();
        for target in [
            &source,
            &source.join("gone/x.py"),
            &link,
            &link.join("gone"),
            &moved.join("entries").join(DIGEST),
        ] {
            assert_eq!(follow(&home, target), entry(), "{}", target.display());
            assert_eq!(follow(&moved, target), entry(), "{}", target.display());
        }
        assert_eq!(follow(&home, place.path()), Pointed::default());
        assert_eq!(follow(&home, &home.join("entries")), Pointed::default());
    }

    #[test]
    fn a_path_through_a_generation_keeps_that_and_what_follows_the_switch_keeps_nothing() {
        let place = tempfile::tempdir().unwrap();
        let home = place.path();
        let source = home.join("entries").join(DIGEST);
        std::fs::create_dir_all(&source).unwrap();
        std::fs::create_dir_all(home.join("generations/3")).unwrap();
        std::os::unix::fs::symlink(&source, home.join("generations/3/mod")).unwrap();
        std::os::unix::fs::symlink("generations/3", home.join("current")).unwrap();
        let through = follow(home, &home.join("generations/3/mod/src"));
        assert_eq!(through, Pointed { generations: ["3".parse().unwrap()].into(), ..entry() });
        for target in ["current/mod", "live/mod/current/src"] {
            assert_eq!(follow(home, &home.join(target)), Pointed::default(), "{target}");
        }
    }

    #[test]
    fn what_is_not_understood_keeps_whatever_it_names_and_what_cannot_be_read_is_an_error() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("_x_editable.py");
        std::fs::write(&file, format!("HERE = '/home/entries/{DIGEST}/src'\n")).unwrap();
        let unparsed =
            |is_unread| Unparsed { file: file.clone(), what: "it is odd".into(), is_unread };
        let mut pointed = Pointed::default();
        pointed.doubt(&unparsed(false)).unwrap();
        assert_eq!(pointed, entry());
        assert!(pointed.doubt(&unparsed(true)).is_err());
    }
}
