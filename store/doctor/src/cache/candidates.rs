//! Where a distribution that Python cannot find any more lies now: the directories of caches that hold it, and which
//! of them is meant.
//!
//! Only a directory whose own files name the distribution counts. With several, the reason for the choice is reported;
//! when nothing decides, none is chosen.

use std::{
    cell::OnceCell,
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use modstore_core::model::DistributionName;

use super::{
    cached::{Cached, CachedProject, distribution_in, projects_below},
    checkout::short,
};
use crate::{
    finding::{Candidate, Choice},
    hosts::{cached_above, host_of},
};

/// A directory with more children than this is no cache of modules.
const CROWD: usize = 2000;

/// The directories of caches, read once and when they are needed.
#[derive(Debug)]
pub(crate) struct Search {
    roots: Vec<PathBuf>,
    known: OnceCell<BTreeMap<DistributionName, Vec<PathBuf>>>,
}

impl Search {
    /// A search in these roots of caches.
    pub(crate) fn new(roots: Vec<PathBuf>) -> Self {
        Self { roots, known: OnceCell::new() }
    }

    /// Every directory of the caches that holds the distribution, by path.
    pub(crate) fn holders(&self, distribution: &DistributionName) -> &[PathBuf] {
        self.known().get(distribution).map_or(&[], Vec::as_slice)
    }

    /// All distributions in the caches, and where each lies.
    pub(crate) fn known(&self) -> &BTreeMap<DistributionName, Vec<PathBuf>> {
        self.known.get_or_init(|| {
            let mut known: BTreeMap<DistributionName, Vec<PathBuf>> = BTreeMap::new();
            for root in &self.roots {
                for child in children(root) {
                    if host_of(&child).is_none() {
                        continue;
                    }
                    for CachedProject { distribution, directory } in projects_below(&child) {
                        known.entry(distribution).or_default().push(directory);
                    }
                }
            }
            for directories in known.values_mut() {
                directories.sort();
                directories.dedup();
            }
            known
        })
    }

    /// Where this distribution lies now that `dangling`, a project's directory or a path in it, is gone.
    pub(crate) fn choose(&self, distribution: &DistributionName, dangling: &Path) -> Choice {
        let mut found = beside(distribution, dangling);
        found.extend_from_slice(self.holders(distribution));
        found.sort();
        found.dedup();
        choose(found, dangling)
    }
}

/// The directories beside the missing one that hold the distribution at the same place within.
fn beside(distribution: &DistributionName, dangling: &Path) -> Vec<PathBuf> {
    let Some(standing) = dangling.ancestors().find(|path| path.is_dir()) else { return vec![] };
    let Ok(gone) = dangling.strip_prefix(standing) else { return vec![] };
    let mut parts = gone.components();
    parts.next();
    let within = parts.as_path();
    // In a cache, all directories that may hold it are known already, wherever it lies within.
    let named = |path: &Path| {
        path.file_name().is_some_and(|name| name.to_str().is_some()) && host_of(path).is_none()
    };
    let mut found = Vec::new();
    for child in children(standing).into_iter().filter(|child| named(child)) {
        // A project's directory, or a directory of it that is on the import path.
        let place: PathBuf = child.components().chain(within.components()).collect();
        let projects = place.ancestors().take_while(|path| path.starts_with(&child));
        let holds = |path: &&Path| distribution_in(path).as_ref() == Some(distribution);
        found.extend(projects.filter(|path| path.is_dir()).find(holds).map(Path::to_owned));
    }
    found
}

fn children(directory: &Path) -> Vec<PathBuf> {
    let children = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let children: Vec<PathBuf> = children.map(|child| child.path()).collect();
    if children.len() > CROWD {
        return Vec::new();
    }
    children.into_iter().filter(|path| path.is_dir()).collect()
}

/// The one of these that is meant.
fn choose(found: Vec<PathBuf>, dangling: &Path) -> Choice {
    let single = |directory: PathBuf, why: String| {
        let others = found.iter().filter(|other| **other != directory).cloned().collect();
        Choice::One(Candidate { directory, why, others })
    };
    let [first, _, ..] = found.as_slice() else {
        return match found.first() {
            Some(only) => single(only.clone(), "the only directory that holds it".into()),
            None => Choice::None,
        };
    };
    let cached = |path: &PathBuf| Cached::at(cached_above(path)?);
    let about: Vec<(&PathBuf, Option<Cached>)> =
        found.iter().map(|path| (path, cached(path))).collect();
    if let Some((_, key)) = cached_above(dangling).and_then(host_of) {
        let is_wanted = |cached: &Option<Cached>| {
            cached.as_ref().is_some_and(|cached| cached.is_respelled(key))
        };
        let mut same = about.iter().filter(|(_, cached)| is_wanted(cached));
        if let (Some((path, _)), None) = (same.next(), same.next()) {
            let why = "of the same repository and ref as the missing one, under another spelling";
            return single((*path).clone(), why.into());
        }
    }
    let heads: Vec<Option<(i64, String)>> = about.iter().map(|(_, cached)| head(cached)).collect();
    let Some(heads) = heads.into_iter().collect::<Option<Vec<_>>>() else {
        return Choice::Several(found);
    };
    if let Some((_, commit)) =
        heads.first().filter(|first| heads.iter().all(|head| head.1 == first.1))
    {
        let why = format!("all {} are at commit {}", found.len(), short(commit));
        return single(first.clone(), why);
    }
    let newest = heads.iter().map(|(time, _)| *time).max();
    let mut at = heads.iter().zip(&about).filter(|((time, _), _)| Some(*time) == newest);
    match (at.next(), at.next()) {
        (Some(((_, commit), (path, _))), None) => {
            let why =
                format!("of {}, the one with the newest commit, {}", found.len(), short(commit));
            single((*path).clone(), why)
        }
        _ => Choice::Several(found),
    }
}

/// The time and the id of the commit that is checked out.
fn head(cached: &Option<Cached>) -> Option<(i64, String)> {
    let checkout = cached.as_ref()?.checkout.as_ref()?;
    Some((checkout.committed_at()?, checkout.head.clone()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hosts::HOSTS;

    fn project(directory: &Path, name: &str) {
        std::fs::create_dir_all(directory).unwrap();
        std::fs::write(directory.join("pyproject.toml"), format!("[project]\nname = {name:?}\n"))
            .unwrap();
    }

    fn name() -> DistributionName {
        "my-mod".parse().unwrap()
    }

    #[test]
    fn the_only_directory_that_holds_it_is_taken_wherever_it_lies_within() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path();
        project(&root.join("repo-0000000000000001/modules/my-mod"), "My_Mod");
        project(&root.join("repo-0000000000000002"), "another");
        let search = Search::new(vec![root.to_owned()]);
        let gone = root.join("repo-0000000000000003/modules/my-mod/src");
        let Choice::One(candidate) = search.choose(&name(), &gone) else { panic!() };
        assert_eq!(candidate.directory, root.join("repo-0000000000000001/modules/my-mod"));
    }

    #[test]
    fn in_any_other_layout_it_lies_beside_what_is_gone_at_the_same_place() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path();
        project(&root.join("v2/py"), "my-mod");
        project(&root.join("v2/other"), "my-mod");
        project(&root.join("v3"), "my-mod-two");
        let search = Search::new(vec![]);
        let Choice::One(candidate) = search.choose(&name(), &root.join("v1/py/src")) else {
            panic!()
        };
        assert_eq!(candidate.directory, root.join("v2/py"));
        assert_eq!(search.choose(&name(), &root.join("v1/elsewhere")), Choice::None);
    }

    #[test]
    fn what_nothing_decides_is_not_guessed() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path();
        let (one, two) = (root.join("a-0000000000000001"), root.join("a-0000000000000002"));
        project(&one, "my-mod");
        project(&two, "my-mod");
        let search = Search::new(vec![root.to_owned()]);
        let gone = root.join("a-00000000000000ff");
        assert_eq!(search.choose(&name(), &gone), Choice::Several(vec![one, two.clone()]));
        // The key of the missing directory tells its repository and ref.
        let meta = r#"{"git_url": "ssh://git@h.example/a", "ref": "v1"}"#;
        std::fs::write(two.join(".amplifier_cache_meta.json"), meta).unwrap();
        let hash = HOSTS[0].key_of("https://h.example/a", "v1");
        let gone = root.join(format!("a-{hash}"));
        let Choice::One(candidate) = search.choose(&name(), &gone) else { panic!() };
        assert_eq!(candidate.directory, two);
        assert!(candidate.why.contains("another spelling"), "{}", candidate.why);
    }
}
