//! D05–D08, D14, D15, D17 and D18: what is in the caches of hosts.
//!
//! Nothing in a cache is ever mended: what a host keeps there is its own, and somebody's edits may be among it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::SystemTime,
};

use modstore_core::model::{Origin, Source};
use modstore_python::quoted;

use super::pointers::name_of;
use crate::{
    cache::{Cached, Meta, cached_above, is_commit, short, source_of},
    catalog::Shared,
    code::Code,
    finding::Finding,
};

/// How caches are looked at.
pub(crate) struct Looking<'a> {
    pub shared: &'a Shared,
    /// Also what needs more than a few reads: commits are looked up, and sizes added.
    pub is_full: bool,
    pub now: SystemTime,
    /// Every path that is used, if all that may use any is known.
    pub used: Option<&'a [PathBuf]>,
}

/// Looks at the caches with these roots.
pub(crate) fn caches(roots: &[PathBuf], looking: &Looking<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for root in roots {
        let all = Cached::all_in(root);
        found.extend(twins(&all));
        for cached in &all {
            found.extend(of_one(cached, looking));
        }
        found.extend(second_clones(root, &all));
        found.extend(legacy(root));
    }
    if looking.is_full {
        found.extend(of_two_repositories(looking.shared));
    }
    found
}

fn of_one(cached: &Cached, looking: &Looking<'_>) -> Vec<Finding> {
    let mut found: Vec<Finding> = secrets(cached);
    let incomplete = incomplete(cached, looking.is_full);
    found.extend(match incomplete {
        Some(finding) => Some(finding),
        None => at_another_commit(cached),
    });
    found.extend(edited(cached));
    found.extend(locks(cached, looking.now));
    found.extend(orphan(cached, looking));
    found
}

/// D05 by repository.
fn twins(all: &[Cached]) -> Vec<Finding> {
    let mut by_source: BTreeMap<(Origin, Option<String>), Vec<&Cached>> = BTreeMap::new();
    for cached in all {
        if let Some(origin) = cached.origin() {
            by_source.entry((origin, cached.reference())).or_default().push(cached);
        }
    }
    let told = by_source.into_iter().filter_map(|((origin, _), twins)| {
        let (first, rest) = twins.split_first()?;
        let last = rest.last()?;
        let names: Vec<String> = twins.iter().map(|cached| name_of(&cached.directory)).collect();
        let spelled: Vec<String> =
            twins.iter().filter_map(|cached| shown(&cached.address()?)).collect();
        let what = format!(
            "{origin} is cached {} times, as it was spelled: {}",
            twins.len(),
            spelled.join(", ")
        );
        let why = format!("which of {} its host uses is the host's to know", names.join(" and "));
        let finding = Finding::new(Code::D05, &last.directory, what).leading_to(&first.directory);
        Some(finding.not_mended(why))
    });
    told.collect()
}

/// D05 by distribution.
fn of_two_repositories(shared: &Shared) -> Vec<Finding> {
    let mut found = Vec::new();
    for (distribution, directories) in shared.search.known() {
        let mut origins = BTreeMap::new();
        for directory in directories {
            let cached = cached_above(directory).and_then(Cached::at);
            if let Some(origin) = cached.and_then(|cached| cached.origin()) {
                origins.entry(origin).or_insert(directory);
            }
        }
        let mut each = origins.into_iter();
        let (Some((first, _)), Some((second, directory))) = (each.next(), each.next()) else {
            continue;
        };
        let what = format!("{distribution} is in two repositories, {first} and {second}");
        let finding = Finding::new(Code::D05, directory, what).of(distribution, None);
        found.push(finding.not_mended("which of them is meant is its host's to know"));
    }
    found
}

/// D06.
fn at_another_commit(cached: &Cached) -> Option<Finding> {
    let head = cached.checkout.as_ref()?.head.as_deref()?;
    let pin = cached.reference().filter(|reference| is_commit(reference));
    let written = cached.meta.as_ref().and_then(|meta| meta.commit.clone());
    let what = match (pin, written) {
        (Some(pin), _) if pin != head => {
            format!("it is pinned to {}, and {} is checked out", short(&pin), short(head))
        }
        (_, Some(written)) if written != head => {
            format!("{} says {}, and {} is checked out", Meta::FILE, short(&written), short(head))
        }
        _ => return None,
    };
    let finding = Finding::new(Code::D06, &cached.directory, what);
    Some(finding.not_mended("its host has to fetch it anew").mended_by(fetched_anew(cached)))
}

/// D07.
fn incomplete(cached: &Cached, is_full: bool) -> Option<Finding> {
    let what = match &cached.checkout {
        Some(checkout) => {
            let looked_up = || if is_full { checkout.missing_object() } else { None };
            checkout.missing().or_else(looked_up)?
        }
        None => {
            let mut children = std::fs::read_dir(&cached.directory).ok()?.flatten();
            let is_bare = children.all(|child| child.file_name() == Meta::FILE);
            is_bare.then(|| "nothing is in it".to_owned())?
        }
    };
    let finding = Finding::new(Code::D07, &cached.directory, what);
    Some(finding.not_mended("its host has to fetch it anew").mended_by(fetched_anew(cached)))
}

/// What makes a host fetch a directory of its cache again.
fn fetched_anew(cached: &Cached) -> String {
    let aside = cached.directory.with_extension("aside");
    let quoted = |path: &Path| quoted(path.as_os_str());
    format!("mv {} {}", quoted(&cached.directory), quoted(&aside))
}

/// D08.
fn edited(cached: &Cached) -> Option<Finding> {
    let edited = cached.checkout.as_ref()?.edited();
    let first = edited.first()?.display();
    let what = match edited.len() {
        1 => format!("{first} was edited, and the next update of its host takes that away"),
        more => format!(
            "{first} and {} more were edited, and the next update of its host takes that away",
            more - 1
        ),
    };
    let directory = quoted(cached.directory.as_os_str());
    let finding = Finding::new(Code::D08, &cached.directory, what);
    let finding = finding.mended_by(format!("git -C {directory} diff HEAD > edits.patch"));
    Some(finding.not_mended("edits are their author's"))
}

/// D15.
fn secrets(cached: &Cached) -> Vec<Finding> {
    let mut found = Vec::new();
    let meta = cached.meta.as_ref().and_then(|meta| meta.git_url.clone());
    if meta.is_some_and(|url| has_secret(&url)) {
        let path = cached.directory.join(Meta::FILE);
        found.push(secret(&path, None));
    }
    if let Some(checkout) = &cached.checkout
        && let Some(url) = checkout.remote().filter(|url| has_secret(url))
    {
        let directory = quoted(cached.directory.as_os_str());
        let command = shown(&url).map(|url| {
            format!("git -C {directory} remote set-url origin {}", quoted(url.as_ref()))
        });
        found.push(secret(&checkout.config(), command));
    }
    found
}

/// A finding about a file that holds a secret, which is not told.
pub(super) fn secret(path: &Path, command: Option<String>) -> Finding {
    let what = format!("{} holds a password or token in an address", name_of(path));
    let finding = Finding::new(Code::D15, path, what);
    let finding = finding.not_mended("without it its host may not be allowed to fetch any more");
    Finding { fix: command, ..finding }
}

pub(super) fn has_secret(address: &str) -> bool {
    source_of(address).as_ref().is_some_and(Source::has_secret)
}

/// An address without its secret, as git takes it.
fn shown(address: &str) -> Option<String> {
    let text = source_of(address)?.without_secret().to_string();
    Some(text.strip_prefix("git+").unwrap_or(&text).to_owned())
}

/// D17.
fn locks(cached: &Cached, now: SystemTime) -> Vec<Finding> {
    let left = cached.checkout.iter().flat_map(|checkout| checkout.left_locks(now));
    let told = left.map(|(path, why)| {
        let what = format!("{} keeps git from working here, and {why}", name_of(&path));
        let command = format!("rm {}", quoted(path.as_os_str()));
        let finding = Finding::new(Code::D17, path, what).mended_by(command);
        finding.not_mended("a lock in a cache is its host's")
    });
    told.collect()
}

/// D14 of a directory that nothing leads to.
fn orphan(cached: &Cached, looking: &Looking<'_>) -> Option<Finding> {
    let used = looking.used?;
    let directory = &cached.directory;
    let real = directory.canonicalize().unwrap_or_else(|_| directory.clone());
    let is_used = used.iter().any(|path| path.starts_with(directory) || path.starts_with(&real));
    if is_used || cached.projects().is_empty() {
        return None;
    }
    let size = if looking.is_full {
        format!(" ({} kB)", size_of(directory) / 1000)
    } else {
        String::new()
    };
    let what = format!("no environment that is known leads to it{size}");
    Some(unused(directory, what))
}

fn unused(directory: &Path, what: String) -> Finding {
    let finding = Finding::new(Code::D14, directory, what);
    let finding = finding.mended_by(format!("rm -r {}", quoted(directory.as_os_str())));
    finding.not_mended("others may use it")
}

/// D14 of directories `<12 hex digits>/<ref>` that older hosts have left.
fn legacy(root: &Path) -> Vec<Finding> {
    let children = std::fs::read_dir(root).into_iter().flatten().flatten();
    let is_old = |path: &PathBuf| {
        let name = name_of(path);
        let is_hash = name.len() == 12 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        let refs = std::fs::read_dir(path).into_iter().flatten().flatten();
        is_hash
            && refs.into_iter().any(|it| it.path().join(".amplifier_cache_metadata.json").is_file())
    };
    let mut old: Vec<PathBuf> = children.map(|child| child.path()).filter(is_old).collect();
    old.sort();
    old.iter().map(|path| unused(path, "it is of a layout that is used no more".into())).collect()
}

/// D18.
fn second_clones(root: &Path, all: &[Cached]) -> Vec<Finding> {
    let told = Cached::all_in(&root.join("skills")).into_iter().filter_map(|skills| {
        let origin = skills.origin()?;
        let twin = all.iter().find(|cached| cached.origin().as_ref() == Some(&origin))?;
        let what = format!("{origin} is cached for skills too, as {}", name_of(&twin.directory));
        let finding = Finding::new(Code::D18, &skills.directory, what).leading_to(&twin.directory);
        Some(finding.not_mended("its host keeps it twice"))
    });
    told.collect()
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
