//! The switch, every link of every kept generation, and whether both books agree: the counts of the journal, and the
//! targets of the links.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    io,
    path::{Path, PathBuf},
};

use modstore_core::findings::codes;

use super::{
    code::{Code, Repair},
    finding::{About, Finding},
    home::{PERMISSIONS, must_allow},
    references::digest_in,
    report::{How, RepairError},
    view::View,
    work::{Check, RepairStep, Work},
};
use crate::{
    commit::{GenerationInfo, RepairLock, State, link_text, shown},
    disk::{DiskError, Layout, names_in},
    model::{Binding, Bound, Digest, Generation, ModuleName},
};

codes! { pub(super) CODES of Code:
    /// No generation is current although one is recorded.
    CURRENT_MISSING = "current-missing", Damage, Repair::Relink;
    /// `current` is not a link to a generation.
    CURRENT_REPLACED = "current-replaced", Damage, Repair::Relink;
    /// `current` names a generation that the journal does not have: recorded frames were lost.
    CURRENT_AHEAD = "current-ahead", Damage, Repair::RebuildJournal;
    /// `current` names a generation before the newest: a crash came before the switch.
    CURRENT_BEHIND = "current-behind", Leftover, Repair::Finish;
    /// The directory of a kept generation is missing.
    GENERATION_MISSING = "generation-missing", Damage, Repair::Relink;
    /// Something else is in the place of the directory of a kept generation, or it cannot be read.
    GENERATION_REPLACED = "generation-replaced", Damage, Repair::Relink;
    /// A module of a kept generation has no link.
    LINK_MISSING = "link-missing", Damage, Repair::Relink;
    /// A module's link leads elsewhere, or is not a link.
    LINK_WRONG = "link-wrong", Damage, Repair::Relink;
    /// A generation has a name that is not one of its modules.
    LINK_UNKNOWN = "link-unknown", Damage, Repair::SetAside;
    /// The two books disagree: the counts of the journal and the targets of the links.
    BOOKS_DISAGREE = "books-disagree", Damage, Repair::Relink;
    /// A module leads to a directory of the user that does not exist.
    LINKED_MISSING = "linked-missing", Warning, Repair::Nothing;
}

pub(super) const CHECK: Check =
    Check { codes: CODES, find, repair: RepairStep::LooksItself(repair) };

fn find(view: &mut View<'_>, found: &mut Vec<Finding>) {
    let layout = view.context.layout;
    found.extend(switch(view));
    let Some(state) = view.state() else { return };
    let mut generations = 0;
    let mut links = 0;
    let mut counts = BTreeMap::new();
    for (info, modules) in state.kept_modules() {
        generations += 1;
        let Some(targets) = generation(layout, info.number, &modules, found) else { continue };
        links += modules.len() as u64;
        targets.into_iter().for_each(|digest| *counts.entry(digest).or_default() += 1);
    }
    compare_books(layout, state, &counts, found);
    found.extend(state.head().into_iter().flat_map(|head| linked(layout, state, head)));
    view.checked.generations = generations;
    view.checked.links = links;
}

/// Checks the switch. Without a journal, only whether it is one.
fn switch(view: &View<'_>) -> Option<Finding> {
    let layout = view.context.layout;
    let path = layout.current();
    if path.symlink_metadata().is_err() {
        let has_generations = match view.recorded() {
            Some(state) => state.head().is_some(),
            None => !names_in(&layout.generations()).unwrap_or_default().is_empty(),
        };
        let what = "no generation is current, although there is one";
        return has_generations.then(|| Finding::new(CURRENT_MISSING, path, what));
    }
    let Some(current) = view.current else {
        let what = "this is not a link to a generation";
        return Some(Finding::new(CURRENT_REPLACED, path, what));
    };
    let head = view.recorded()?.head().map(|head| head.number);
    let (code, what, about) = match head {
        Some(head) if current == head => return None,
        Some(head) if current < head => {
            let what =
                format!("generation {current} is current, and generation {head} is recorded");
            (CURRENT_BEHIND, what, head)
        }
        Some(_) | None => {
            let what = format!("generation {current} is current, and the journal ends before it");
            (CURRENT_AHEAD, what, current)
        }
    };
    Some(Finding::new(code, path, what).with(|it| it.generations = vec![about]))
}

/// Checks the links of one generation, and returns the entries that they lead to; nothing, when its directory cannot be
/// read.
fn generation(
    layout: &Layout,
    number: Generation,
    modules: &BTreeMap<&ModuleName, &Binding>,
    found: &mut Vec<Finding>,
) -> Option<BTreeSet<Digest>> {
    let at = layout.generation(number);
    let about = About { generations: vec![number], ..About::default() };
    let mut find = |code, path: &Path, what: String, modules: Vec<String>| {
        let about = About { modules, ..about.clone() };
        found.push(Finding { about, ..Finding::new(code, path, what) });
    };
    let names = match names_of(&at) {
        Ok(names) => names,
        Err((code, what)) => {
            find(code, &at, what.into(), Vec::new());
            return None;
        }
    };
    let is_known = |name: &OsString| {
        let module = name.to_str().and_then(|name| name.parse::<ModuleName>().ok());
        module.is_some_and(|module| modules.contains_key(&module))
    };
    for name in names.into_iter().filter(|name| !is_known(name)) {
        find(LINK_UNKNOWN, &at.join(name), "the generation has no such module".into(), Vec::new());
    }
    let mut targets = BTreeSet::new();
    for (module, binding) in modules {
        let path = at.join(module);
        let text = std::fs::read_link(&path);
        targets.extend(text.as_deref().ok().and_then(digest_in));
        if let Some((code, what)) = wrong_link(&path, text, &link_text(binding)) {
            find(code, &path, what, vec![module.to_string()]);
        }
    }
    found.extend(must_allow(&at, 0o500).map(|finding| Finding { about, ..finding }));
    Some(targets)
}

/// The names in the directory of a generation.
fn names_of(at: &Path) -> Result<Vec<OsString>, (Code, &'static str)> {
    match at.symlink_metadata() {
        Err(_) => Err((GENERATION_MISSING, "there is no such generation")),
        Ok(meta) if !meta.is_dir() => Err((GENERATION_REPLACED, "this is not a directory")),
        Ok(_) => names_in(at).map_err(|_| (GENERATION_REPLACED, "it cannot be read")),
    }
}

/// Why a link with this text is wrong, if it is.
fn wrong_link(path: &Path, text: io::Result<PathBuf>, wanted: &Path) -> Option<(Code, String)> {
    match text {
        Ok(text) if text == wanted => None,
        Ok(text) => {
            let what = format!("it leads to {}, not to {}", text.display(), wanted.display());
            Some((LINK_WRONG, what))
        }
        Err(_) if path.symlink_metadata().is_err() => {
            Some((LINK_MISSING, "the module has no link".into()))
        }
        Err(_) => Some((LINK_WRONG, "this is not a link".into())),
    }
}

/// Both books must have the same count for every entry, and the journal must list each entry that its generations need.
fn compare_books(
    layout: &Layout,
    state: &State,
    links: &BTreeMap<Digest, u64>,
    found: &mut Vec<Finding>,
) {
    let journal = state.refcounts();
    let digests: BTreeSet<&Digest> = journal.keys().chain(links.keys()).collect();
    for digest in digests {
        let count = |book: &BTreeMap<Digest, u64>| book.get(digest).copied().unwrap_or_default();
        let by_journal = count(&journal);
        let by_links = count(links);
        let what = if by_journal != by_links {
            format!("{by_journal} kept generations lead to it by the journal, {by_links} by links")
        } else if state.entry(*digest).is_none() {
            "kept generations lead to it, and the journal does not list it".to_owned()
        } else {
            continue;
        };
        let finding = Finding::new(BOOKS_DISAGREE, layout.entry(*digest), what);
        found.push(finding.with(|about| about.entry = Some(*digest)));
    }
}

/// Linked directories of the current generation that do not exist.
fn linked<'a>(
    layout: &'a Layout,
    state: &'a State,
    head: &'a GenerationInfo,
) -> impl Iterator<Item = Finding> + 'a {
    let linked = state.modules().iter().filter_map(|(module, binding)| match &binding.bound {
        Bound::Linked { path } => Some((module, layout.linked(path))),
        Bound::Entry { .. } | Bound::Built(_) | Bound::Kept(_) => None,
    });
    linked.filter(|(_, path)| !path.is_dir()).map(|(module, path)| {
        let what = format!("it leads to {}, which is not a directory", path.display());
        let link = layout.generation(head.number).join(module);
        Finding::new(LINKED_MISSING, link, what).with(|about| {
            about.modules = vec![module.to_string()];
            about.generations = vec![head.number];
        })
    })
}

/// Makes again the links of each kept generation that differ from the journal, and `current` when it is not a link to a
/// generation that the journal knows.
fn repair(work: &mut Work<'_>) -> Result<(), RepairError> {
    let lock = work.lock(work.staging()?)?;
    let state = lock.state()?;
    let layout = lock.context.layout;
    let wrong: Vec<_> = state
        .kept_modules()
        .filter(|(info, modules)| {
            let mut found = Vec::new();
            generation(layout, info.number, modules, &mut found);
            found.iter().any(|finding| finding.code != PERMISSIONS)
        })
        .map(|(info, modules)| (layout.generation(info.number), modules))
        .collect();
    let made: Vec<PathBuf> =
        wrong.iter().map(|(_, modules)| link_all(&lock, modules)).collect::<Result<_, _>>()?;
    let switch = match (shown(layout), state.head()) {
        (Some(current), Some(head)) if current <= head.number => None,
        (_, Some(head)) => Some(link_current(&lock, head.number)?),
        (_, None) => None,
    };
    if !made.is_empty() || switch.is_some() {
        lock.sync_staging()?;
    }
    for (good, (path, _)) in made.iter().zip(wrong) {
        let aside = lock.put_in_place(good, &path)?;
        work.repaired(path, How::Relinked, aside);
    }
    let current = layout.current();
    if let Some(switch) = switch {
        let aside = lock.put_in_place(&switch, &current)?;
        work.repaired(current, How::Relinked, aside);
    } else if state.head().is_none() && current.symlink_metadata().is_ok() {
        let aside = Some(lock.put_away(&current)?);
        work.repaired(current, How::Relinked, aside);
    }
    Ok(())
}

fn link_all(
    lock: &RepairLock<'_>,
    modules: &BTreeMap<&ModuleName, &Binding>,
) -> Result<PathBuf, DiskError> {
    let directory = lock.staging.fresh();
    lock.context.disk.create_dir(&directory)?;
    for (module, binding) in modules {
        lock.context.disk.symlink(&link_text(binding), &directory.join(module))?;
    }
    Ok(directory)
}

fn link_current(lock: &RepairLock<'_>, head: Generation) -> Result<PathBuf, DiskError> {
    let switch = lock.staging.fresh();
    lock.context.disk.symlink(&Layout::current_text(head), &switch)?;
    Ok(switch)
}
