//! [`ImportPlan`]: what would become of each clone, and why.
//!
//! A clone whose files are just those of a commit that its remote has becomes an entry. Anything else that people have in
//! it would be lost in one, so it is linked as it is, with its source declared beside: `unlink` goes to that later.
//!
//! Limits: that all objects are there is found out when they are read. Then such a clone is linked as well.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

use modstore_fetch::{CloneError, LocalClone};
use rayon::prelude::*;

use super::layouts::{CloneLayout, parts_of};
use crate::{
    Cancel,
    commit::State,
    disk::{DiskError, Layout},
    events::{Event, Events},
    model::{
        Bound, Declarations, ModuleName, RefName, Reference, Revision, Source, Subdirectory, causes,
    },
    update::CloneOf,
};

/// What would be done with the clones of a directory.
#[derive(Debug, Clone, Default)]
pub struct ImportPlan {
    /// Each clone, by path.
    pub items: Vec<ImportItem>,
}

/// One clone.
#[derive(Debug, Clone)]
pub struct ImportItem {
    /// Where it lies.
    pub directory: PathBuf,
    /// The module that it is to be, or is.
    pub module: Option<ModuleName>,
    /// Its source, with a secret that its address may have.
    pub source: Option<Source>,
    /// The commit that is checked out.
    pub revision: Option<Revision>,
    /// What becomes of it.
    pub becomes: Imported,
    /// Why it is not just an entry, or what else a person should know, in clauses.
    pub why: Vec<String>,
    pub(crate) clone: Option<CloneOf>,
}

/// What becomes of a clone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Imported {
    /// An entry of the store, with its source.
    Entry,
    /// A linked module: its directory, as it is.
    Link,
    /// It is a module already.
    There,
    /// It stays out.
    Left,
}

/// Looks at all clones, and changes nothing.
///
/// # Errors
/// The directory cannot be listed. A clone that cannot be looked at has its reason.
pub(crate) fn plan(
    (layout, declared, state): (&Layout, &Declarations, &State),
    (directory, kind): (&Path, CloneLayout),
    events: &dyn Events,
    cancel: &Cancel,
) -> Result<ImportPlan, DiskError> {
    let directories = kind.clones_in(directory)?;
    let (done, of) = (AtomicUsize::new(0), directories.len());
    events.happened(Event::Looking { done: 0, of });
    let looked: Vec<_> = directories
        .par_iter()
        .map(|each| {
            let looked = LocalClone::look(each, cancel);
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            events.happened(Event::Looking { done, of });
            (each, looked)
        })
        .collect();
    let mut items: Vec<ImportItem> =
        looked.into_iter().map(|(each, looked)| item(each, looked)).collect();
    if kind == CloneLayout::Amplifier {
        items = items.into_iter().flat_map(with_parts).collect();
    }
    name_all(&mut items);
    for item in &mut items {
        compare(layout, item, declared, state);
    }
    Ok(ImportPlan { items })
}

/// A clone, and each part of it that its host loads as a module of its own.
fn with_parts(item: ImportItem) -> Vec<ImportItem> {
    let parts = if item.becomes == Imported::Left { Vec::new() } else { parts_of(&item.directory) };
    let of_part = |part: Subdirectory| {
        let directory = item.directory.join(&part);
        let source = match item.source.clone() {
            Some(Source::Git(mut git)) => {
                git.subdirectory = Some(part);
                Some(Source::Git(git))
            }
            other => other,
        };
        ImportItem { directory, source, ..item.clone() }
    };
    let parts: Vec<ImportItem> = parts.into_iter().map(of_part).collect();
    std::iter::once(item).chain(parts).collect()
}

fn item(directory: &Path, looked: Result<LocalClone, CloneError>) -> ImportItem {
    let empty = ImportItem {
        directory: directory.to_owned(),
        module: None,
        source: None,
        revision: None,
        becomes: Imported::Left,
        why: Vec::new(),
        clone: None,
    };
    match looked {
        Ok(clone) => found(empty, &clone),
        // What can be used as it is stays in use as it is.
        Err(
            error @ (CloneError::Unreadable(_) | CloneError::NoCommit | CloneError::Compare(_)),
        ) => ImportItem { becomes: Imported::Link, why: vec![causes(&error).join(": ")], ..empty },
        Err(error) => ImportItem { why: vec![error.to_string()], ..empty },
    }
}

fn found(empty: ImportItem, clone: &LocalClone) -> ImportItem {
    let revision: Revision = clone.commit.into();
    let mut why: Vec<String> = clone.local.iter().map(ToString::to_string).collect();
    let branch = clone.branch.as_deref();
    let source = clone.url.as_deref().and_then(|url| source_of(url, branch, revision));
    if source.is_none() && clone.url.is_some() {
        why.push("its remote is no source that a store can fetch".to_owned());
    }
    let becomes =
        if source.is_some() && clone.local.is_empty() { Imported::Entry } else { Imported::Link };
    if source.as_ref().is_some_and(Source::has_secret) {
        why.push(
            "the secret in its address is not stored; updates need a git credential helper".into(),
        );
    }
    if becomes == Imported::Entry && branch.is_none() {
        why.push("no branch is checked out, so it is pinned to its commit".into());
    }
    let reference = branch.map(|branch| RefName::from(branch.to_owned()));
    let repository = clone.git.clone();
    let clone = source.is_some().then_some(CloneOf { repository, revision, reference });
    ImportItem { source, revision: Some(revision), becomes, why, clone, ..empty }
}

/// The source that a clone comes from: its remote's address, and the branch that it follows or its commit.
fn source_of(url: &str, branch: Option<&str>, revision: Revision) -> Option<Source> {
    let wanted = match branch {
        Some(branch) => branch.strip_prefix("refs/heads/")?.replace('%', "%25").replace('#', "%23"),
        None => revision.to_string(),
    };
    let scheme = if url.starts_with('/') { "git+file://" } else { "git+" };
    let source = Source::parse(&format!("{scheme}{url}@{wanted}"), Path::new("/"), None).ok()?;
    let Source::Git(git) = &source else { return None };
    let is_meant = match &git.reference {
        Some(Reference::Commit(commit)) => *commit == revision,
        Some(Reference::Named(name)) => Some(name.as_str()) == branch?.strip_prefix("refs/heads/"),
        None => false,
    };
    is_meant.then_some(source)
}

/// Names each by its directory; two of one name get that of the directory above in front.
fn name_all(items: &mut [ImportItem]) {
    let guessed = |path: &Path| ModuleName::guess_from(&Source::linked(path));
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let names: Vec<_> = items.iter().map(|item| guessed(&item.directory)).collect();
    for name in names.iter().flatten() {
        *seen.entry(name.as_str().to_ascii_lowercase()).or_default() += 1;
    }
    for (item, name) in items.iter_mut().zip(names) {
        let is_one = |name: &ModuleName| seen.get(&name.as_str().to_ascii_lowercase()) == Some(&1);
        let above = item.directory.parent().and_then(guessed);
        item.module = match (name, above) {
            (Some(name), Some(above)) if !is_one(&name) => format!("{above}-{name}").parse().ok(),
            (name, _) => name,
        };
        if item.module.is_none() {
            item.becomes = Imported::Left;
            item.why.push("no module can be named like its directory".into());
        }
    }
    leave_twins(items);
}

/// Of those that still have one name, all but the first stay out.
fn leave_twins(items: &mut [ImportItem]) {
    let mut taken = BTreeSet::new();
    for item in items.iter_mut().filter(|item| item.becomes != Imported::Left) {
        let Some(name) = &item.module else { continue };
        if !taken.insert(name.as_str().to_ascii_lowercase()) {
            item.becomes = Imported::Left;
            item.why = vec![format!("another one is called `{name}` too: add it by another name")];
        }
    }
}

/// Compares an item with what is declared and with what the store has.
fn compare(layout: &Layout, item: &mut ImportItem, declared: &Declarations, state: &State) {
    let Some((name, there)) =
        item.module.as_ref().and_then(|name| declared.modules.get_key_value(name))
    else {
        return;
    };
    let bound = state.modules().get(name).map(|binding| &binding.bound);
    let linked = there.linked.clone().or_else(|| match &there.source {
        Source::Linked(path) => Some(path.clone()),
        _ => None,
    });
    let is_linked_here = linked.as_deref() == Some(&*item.directory);
    let text = |source: &Source| source.to_toml_text();
    let is_same = item.source.as_ref().is_some_and(|source| text(source) == text(&there.source));
    let is_there = match bound {
        Some(Bound::Linked { path }) => is_linked_here && layout.linked(path) == item.directory,
        Some(_) => is_same && linked.is_none(),
        None => false,
    };
    if is_there {
        item.becomes = Imported::There;
        item.why.clear();
    } else if !is_same && !is_linked_here {
        item.becomes = Imported::Left;
        item.why =
            vec![format!("module `{name}` is declared already, from {}", text(&there.source))];
    }
}
