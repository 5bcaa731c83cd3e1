//! [`Cached`]: a directory that a host keeps a repository in.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use modstore_core::model::{DistributionName, Origin, Source};
use modstore_python::{Metadata, Project, small_text};

use super::checkout::Checkout;
use crate::hosts::{CacheRecord, HostCache, host_of};

/// The depth to which a repository's projects are searched below its top.
const DEPTH: usize = 3;

/// Directories that hold no project of a repository's own.
const NOT_WITHIN: [&str; 7] =
    ["__pycache__", "node_modules", "site-packages", "target", "build", "dist", "venv"];

/// A directory in a cache.
#[derive(Debug, Clone)]
pub(crate) struct Cached {
    pub host: &'static dyn HostCache,
    pub directory: PathBuf,
    pub record: Option<CacheRecord>,
    pub checkout: Option<Checkout>,
}

/// A Python project that lies in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CachedProject {
    pub distribution: DistributionName,
    pub directory: PathBuf,
}

impl Cached {
    /// The cached repository in this directory, if a host uses such names.
    pub(crate) fn at(directory: &Path) -> Option<Self> {
        let (host, _) = host_of(directory)?;
        Some(Self {
            host,
            directory: directory.to_owned(),
            record: host.record_in(directory),
            checkout: Checkout::at(directory),
        })
    }

    /// All in this root, by path.
    pub(crate) fn all_in(root: &Path) -> Vec<Self> {
        let children = std::fs::read_dir(root).into_iter().flatten().flatten();
        let mut paths: Vec<PathBuf> =
            children.map(|child| child.path()).filter(|path| path.is_dir()).collect();
        paths.sort();
        paths.iter().filter_map(|path| Self::at(path)).collect()
    }

    /// The address that it comes from, as spelled: perhaps with a secret.
    pub(crate) fn address(&self) -> Option<String> {
        let recorded = self.record.as_ref().and_then(|record| record.address.clone());
        recorded.or_else(|| self.checkout.as_ref()?.remote())
    }

    /// The ref that it comes from.
    pub(crate) fn reference(&self) -> Option<String> {
        let recorded = self.record.as_ref().and_then(|record| record.reference.clone());
        recorded.or_else(|| self.checkout.as_ref()?.branch())
    }

    /// The identity of its repository.
    pub(crate) fn origin(&self) -> Option<Origin> {
        source_of(&self.address()?)?.origin()
    }

    /// Whether a directory with this key comes from the same repository and ref in another spelling.
    pub(crate) fn is_respelled(&self, key: &str) -> bool {
        let (Some(origin), Some(reference)) = (self.origin(), self.reference()) else {
            return false;
        };
        let spelled = self.address().and_then(|address| without_secret(&address));
        spellings(origin.to_string().as_str())
            .chain(spelled)
            .any(|spelling| self.host.key_of(&spelling, &reference) == key)
    }

    /// The projects that lie in it.
    pub(crate) fn projects(&self) -> Vec<CachedProject> {
        projects_below(&self.directory)
    }
}

/// An address as a source, if it is one.
pub(crate) fn source_of(address: &str) -> Option<Source> {
    let is_bare = address.contains("://") && !address.starts_with("git+");
    let text = if is_bare { format!("git+{address}") } else { address.to_owned() };
    Source::parse(&text, Path::new("/"), None).ok().filter(|source| source.origin().is_some())
}

/// An address without its login, as git takes it.
pub(crate) fn without_secret(address: &str) -> Option<String> {
    let source = source_of(address)?.without_secret().to_string();
    Some(source.strip_prefix("git+").unwrap_or(&source).to_owned())
}

/// The usual spellings of the address of a repository with this identity.
fn spellings(origin: &str) -> impl Iterator<Item = String> {
    let forms = ["https://", "ssh://git@", "http://", "git://", "ssh://", "file://"];
    let origin = origin.strip_prefix("file://").unwrap_or(origin).to_owned();
    forms
        .into_iter()
        .flat_map(move |form| ["", ".git", "/"].map(|end| format!("{form}{origin}{end}")))
}

/// The Python projects in and below a directory.
pub(crate) fn projects_below(directory: &Path) -> Vec<CachedProject> {
    let mut found = Vec::new();
    collect(directory, DEPTH, &mut found);
    found.sort_by(|a, b| a.directory.cmp(&b.directory));
    found
}

fn collect(directory: &Path, depth: usize, found: &mut Vec<CachedProject>) {
    if let Some(distribution) = distribution_in(directory) {
        found.push(CachedProject { distribution, directory: directory.to_owned() });
    }
    let Some(depth) = depth.checked_sub(1) else { return };
    for child in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = child.file_name();
        let name = name.to_string_lossy();
        let is_within = !name.starts_with('.') && !NOT_WITHIN.contains(&&*name);
        if is_within && child.file_type().is_ok_and(|kind| kind.is_dir()) {
            collect(&child.path(), depth, found);
        }
    }
}

/// The distribution of the project in this very directory, read from its files without running them.
pub(crate) fn distribution_in(directory: &Path) -> Option<DistributionName> {
    let project = Project::read(|file| small_text(&directory.join(file)))?;
    project.name.or_else(|| built_name(directory))
}

/// The name that a build has left in the directory of a project that computes it (`setup.py`), if there is only one.
fn built_name(directory: &Path) -> Option<DistributionName> {
    let below = ["", "src", "lib"].map(|below| directory.join(below));
    let children = below.iter().filter_map(|below| std::fs::read_dir(below).ok()).flatten();
    let of_builds = children.flatten().map(|child| child.path().join("PKG-INFO"));
    let of_builds = of_builds.filter(|file| {
        file.parent().and_then(Path::extension).is_some_and(|end| end == "egg-info")
    });
    let files = of_builds.chain([directory.join("PKG-INFO")]);
    let names: BTreeSet<DistributionName> =
        files.filter_map(|file| Metadata::read(&small_text(&file)?).name?.parse().ok()).collect();
    let mut names = names.into_iter();
    names.next().filter(|_| names.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hosts::cached_above;

    #[test]
    fn another_spelling_of_the_same_repository_is_known_by_its_key() {
        let address = "github.com/microsoft/amplifier-module-provider-openai";
        let directory = Path::new("/cache/amplifier-module-provider-openai-f62df101b02f7b3e");
        let record = CacheRecord {
            address: Some(format!("ssh://git@{address}")),
            reference: Some("main".into()),
            commit: None,
        };
        let cached = Cached { record: Some(record), ..Cached::at(directory).unwrap() };
        assert!(cached.is_respelled("e2c4b8c10222ed8c"));
        assert!(!cached.is_respelled("06d1437d03d6b064"));
        assert_eq!(cached.origin().unwrap().to_string(), address);
    }

    #[test]
    fn the_cached_directory_above_a_path_is_found_by_its_name() {
        let above = cached_above(Path::new("/c/a-e2c4b8c10222ed8c/modules/x/src"));
        assert_eq!(above, Some(Path::new("/c/a-e2c4b8c10222ed8c")));
    }
}
