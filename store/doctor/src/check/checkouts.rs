//! Whether a cached repository is complete, unedited, at the right commit, and used.
//!
//! Nothing in a cache is ever fixed: its directories are its host's own, and a user's edits may be among them.

use std::path::Path;

use modstore_core::findings::codes;
use modstore_python::quoted;

use super::view::{CacheView, CachedView, Effort, OfCache, OfCached, Step};
use crate::{
    cache::{Cached, Checkout, is_commit, short},
    finding::{Code, Details as _, Finding, Fix, aside},
    hosts::HOSTS,
};

codes! { pub(super) CODES of Code:
    /// a cached checkout is at another commit than recorded or pinned
    OTHER_COMMIT = "D06", Warning, Fix::Command;
    /// a cached checkout is incomplete
    INCOMPLETE_CHECKOUT = "D07", Warning, Fix::Command;
    /// a cached checkout was edited
    EDITED_CHECKOUT = "D08", Warning, Fix::Command;
    /// a cached directory that nothing uses, or that has an obsolete layout
    UNUSED_CHECKOUT = "D14", Note, Fix::Command;
}

pub(super) const INCOMPLETE: Step<OfCached> = OfCached::check(CODES, |view, found| {
    found.extend(incomplete(view.cached, view.effort));
});
pub(super) const COMMIT: Step<OfCached> = OfCached::check(CODES, |view, found| {
    found.extend(at_another_commit(view.cached));
})
.unless(&[INCOMPLETE_CHECKOUT]);
pub(super) const EDITED: Step<OfCached> = OfCached::check(CODES, |view, found| {
    found.extend(edited(view.cached));
});
pub(super) const UNUSED: Step<OfCached> = OfCached::check(CODES, |view, found| {
    found.extend(nothing_uses(view));
});
pub(super) const OBSOLETE: Step<OfCache> = OfCache::check(CODES, obsolete);

fn incomplete(cached: &Cached, effort: Effort) -> Option<Finding> {
    let what = match &cached.checkout {
        Some(checkout) => {
            let looked_up =
                || if effort == Effort::Full { checkout.missing_object() } else { None };
            checkout.missing().or_else(looked_up)?
        }
        None => {
            let mut children = std::fs::read_dir(&cached.directory).ok()?.flatten();
            let is_bare = children.all(|child| child.file_name() == cached.host.record_name());
            is_bare.then(|| "nothing is in it".to_owned())?
        }
    };
    Some(to_fetch_again(cached, INCOMPLETE_CHECKOUT, what))
}

fn at_another_commit(cached: &Cached) -> Option<Finding> {
    let head = cached.checkout.as_ref()?.head.as_deref()?;
    let pin = cached.reference().filter(|reference| is_commit(reference));
    let recorded = cached.record.as_ref().and_then(|record| record.commit.clone());
    let what = match (pin, recorded) {
        (Some(pin), _) if pin != head => {
            format!("it is pinned to {}, and {} is checked out", short(&pin), short(head))
        }
        (_, Some(recorded)) if recorded != head => {
            let file = cached.host.record_name();
            format!("{file} says {}, and {} is checked out", short(&recorded), short(head))
        }
        _ => return None,
    };
    Some(to_fetch_again(cached, OTHER_COMMIT, what))
}

/// A directory that its host fetches again once it is moved aside.
fn to_fetch_again(cached: &Cached, code: Code, what: String) -> Finding {
    let quoted = |path: &Path| quoted(path.as_os_str());
    let aside = aside(&cached.directory);
    Finding::new(code, &cached.directory, what)
        .not_fixed("its host has to fetch it again")
        .command(format!("mv {} {}", quoted(&cached.directory), quoted(&aside)))
}

fn edited(cached: &Cached) -> Option<Finding> {
    let edited = cached.checkout.as_ref()?.edited();
    let first = edited.first()?.display();
    let files = match edited.len() {
        1 => format!("{first} was"),
        more => format!("{first} and {} more were", more - 1),
    };
    let what = format!("{files} edited, and the next update of its host undoes that");
    let directory = quoted(cached.directory.as_os_str());
    let finding = Finding::new(EDITED_CHECKOUT, &cached.directory, what)
        // Files that git does not track yet are edits too.
        .command(format!(
            "git -C {directory} add --intent-to-add . && git -C {directory} diff HEAD > edits.patch"
        ));
    Some(finding.not_fixed("edits are their author's"))
}

fn nothing_uses(view: &CachedView<'_>) -> Option<Finding> {
    // Other environments than those that were inspected may use it.
    let used = view.used?;
    let directory = &view.cached.directory;
    let real = directory.canonicalize().unwrap_or_else(|_| directory.clone());
    let is_used = used.iter().any(|path| path.starts_with(directory) || path.starts_with(&real));
    if is_used || view.cached.projects().is_empty() {
        return None;
    }
    let size = match view.effort {
        Effort::Full | Effort::Import => format!(" ({} kB)", size_of(directory) / 1000),
        Effort::Quick => String::new(),
    };
    let is_copy = view.cached.checkout.as_ref().is_some_and(Checkout::is_copy);
    Some(unused(directory, format!("no known environment leads to it{size}"), is_copy))
}

fn obsolete(view: &mut CacheView<'_>, found: &mut Vec<Finding>) {
    let children = std::fs::read_dir(view.root).into_iter().flatten().flatten();
    let is_obsolete = |path: &Path| HOSTS.iter().any(|host| host.is_obsolete(path));
    let mut old: Vec<_> =
        children.map(|child| child.path()).filter(|path| is_obsolete(path)).collect();
    old.sort();
    found.extend(old.iter().map(|path| {
        let children = std::fs::read_dir(path).into_iter().flatten().flatten();
        let mut checkouts = children.map(|child| Checkout::at(&child.path()));
        let is_copy = checkouts.all(|it| it.as_ref().is_some_and(Checkout::is_copy));
        unused(path, "it has an obsolete layout".to_owned(), is_copy)
    }));
}

/// A directory that nothing is known to use. What may be the only copy of something is not offered for deletion.
fn unused(directory: &Path, what: String, is_copy: bool) -> Finding {
    let finding = Finding::new(UNUSED_CHECKOUT, directory, what);
    if is_copy {
        let command = format!("rm -r {}", quoted(directory.as_os_str()));
        return finding.command(command).not_fixed("other programs may use it");
    }
    finding.not_fixed("it may be the only copy of what is in it")
}

fn size_of(directory: &Path) -> u64 {
    let children = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let sizes = children.map(|child| match child.metadata() {
        Ok(meta) if meta.is_dir() => size_of(&child.path()),
        Ok(meta) => meta.len(),
        Err(_) => 0,
    });
    sizes.sum()
}
