//! [`Cached`]: a directory `NAME-<16 hex digits>` that a host keeps a repository in, and the roots of such caches.
//!
//! The digits are the first of the SHA-256 of the repository's address and ref *as they were written*, so that two
//! spellings of one repository are two directories: which is how environments come to be left behind.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use modstore_core::model::{DistributionName, Origin, Source};
use modstore_python::{Project, small_bytes, small_text};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::checkout::Checkout;

/// How deep below its top a repository's projects are looked for.
const DEPTH: usize = 3;

/// What is no place of a project of a repository's own.
const NOT_WITHIN: [&str; 7] =
    ["__pycache__", "node_modules", "site-packages", "target", "build", "dist", "venv"];

/// A directory in a cache.
#[derive(Debug, Clone)]
pub(crate) struct Cached {
    pub directory: PathBuf,
    pub meta: Option<Meta>,
    pub checkout: Option<Checkout>,
}

/// What its host has written down of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Meta {
    #[serde(default)]
    pub git_url: Option<String>,
    #[serde(default, rename = "ref")]
    pub reference: Option<String>,
    #[serde(default)]
    pub commit: Option<String>,
}

/// A Python project that lies in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Held {
    pub distribution: DistributionName,
    pub directory: PathBuf,
}

impl Meta {
    /// The name of the file it is in.
    pub(crate) const FILE: &str = ".amplifier_cache_meta.json";
}

impl Cached {
    /// What is in this directory, if it has such a name.
    pub(crate) fn at(directory: &Path) -> Option<Self> {
        split_name(directory.file_name()?.to_str()?)?;
        let meta = small_bytes(&directory.join(Meta::FILE));
        Some(Self {
            directory: directory.to_owned(),
            meta: meta.and_then(|text| serde_json::from_slice(&text).ok()),
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

    /// The address it comes from, as written: perhaps with a secret.
    pub(crate) fn address(&self) -> Option<String> {
        let written = self.meta.as_ref().and_then(|meta| meta.git_url.clone());
        written.or_else(|| self.checkout.as_ref()?.remote())
    }

    /// The ref it comes from.
    pub(crate) fn reference(&self) -> Option<String> {
        let written = self.meta.as_ref().and_then(|meta| meta.reference.clone());
        written.or_else(|| self.checkout.as_ref()?.branch())
    }

    /// Which repository it is.
    pub(crate) fn origin(&self) -> Option<Origin> {
        source_of(&self.address()?)?.origin()
    }

    /// Whether one of its kind with this hash comes from the same repository and ref under another spelling.
    pub(crate) fn is_respelled(&self, hash: &str) -> bool {
        let (Some(origin), Some(reference)) = (self.origin(), self.reference()) else {
            return false;
        };
        let written = self.address().and_then(|address| plain(&address));
        spellings(origin.to_string().as_str())
            .chain(written)
            .any(|spelling| hash_of(&spelling, &reference) == hash)
    }

    /// The projects that lie in it.
    pub(crate) fn projects(&self) -> Vec<Held> {
        projects_below(&self.directory)
    }
}

/// An address as a source, if it is one.
pub(crate) fn source_of(address: &str) -> Option<Source> {
    let text = match address.contains("://") && !address.starts_with("git+") {
        true => format!("git+{address}"),
        false => address.to_owned(),
    };
    Source::parse(&text, Path::new("/"), None).ok().filter(|source| source.origin().is_some())
}

/// The address without its login and ref, the way a host writes it.
fn plain(address: &str) -> Option<String> {
    let source = source_of(address)?.without_secret().to_string();
    Some(source.strip_prefix("git+").unwrap_or(&source).to_owned())
}

/// The ways in which people write the address of a repository that has this identity.
fn spellings(origin: &str) -> impl Iterator<Item = String> {
    let forms = ["https://", "ssh://git@", "http://", "git://", "ssh://", "file://"];
    let origin = origin.strip_prefix("file://").unwrap_or(origin).to_owned();
    forms
        .into_iter()
        .flat_map(move |form| ["", ".git", "/"].map(|end| format!("{form}{origin}{end}")))
}

/// The digits of a repository's address and ref.
pub(crate) fn hash_of(address: &str, reference: &str) -> String {
    let digest = Sha256::digest(format!("{address}@{reference}"));
    digest.iter().take(8).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// `NAME` and the digits of `NAME-<16 hex digits>`.
pub(crate) fn split_name(name: &str) -> Option<(&str, &str)> {
    let (stem, hash) = name.rsplit_once('-')?;
    let is_hash =
        hash.len() == 16 && hash.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'a'..=b'f'));
    (is_hash && !stem.is_empty()).then_some((stem, hash))
}

/// The cached directory that a path is in or below, whether or not that is there.
pub(crate) fn cached_above(path: &Path) -> Option<&Path> {
    path.ancestors().find(|path| {
        path.file_name()
            .and_then(|name| name.to_str())
            .is_some_and(|name| split_name(name).is_some())
    })
}

/// The Python projects in and below a directory.
pub(crate) fn projects_below(directory: &Path) -> Vec<Held> {
    let mut found = Vec::new();
    collect(directory, DEPTH, &mut found);
    found.sort_by(|a, b| a.directory.cmp(&b.directory));
    found
}

fn collect(directory: &Path, depth: usize, found: &mut Vec<Held>) {
    if let Some(distribution) = distribution_in(directory) {
        found.push(Held { distribution, directory: directory.to_owned() });
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

/// The distribution that the project in this very directory makes, as its files say without being run.
pub(crate) fn distribution_in(directory: &Path) -> Option<DistributionName> {
    Project::read(|file| small_text(&directory.join(file)))?.name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digits_of_both_reports_are_those_of_two_spellings() {
        let address = "github.com/microsoft/amplifier-module-provider-openai";
        assert_eq!(hash_of(&format!("https://{address}"), "main"), "e2c4b8c10222ed8c");
        assert_eq!(hash_of(&format!("ssh://git@{address}"), "main"), "f62df101b02f7b3e");
        let meta = Meta {
            git_url: Some(format!("ssh://git@{address}")),
            reference: Some("main".into()),
            commit: None,
        };
        let cached = Cached {
            directory: "/cache/amplifier-module-provider-openai-f62df101b02f7b3e".into(),
            meta: Some(meta),
            checkout: None,
        };
        assert!(cached.is_respelled("e2c4b8c10222ed8c"));
        assert!(!cached.is_respelled("06d1437d03d6b064"));
        assert_eq!(cached.origin().unwrap().to_string(), address);
    }

    #[test]
    fn the_directory_of_a_cache_is_known_by_its_name() {
        assert_eq!(split_name("a-b-e2c4b8c10222ed8c"), Some(("a-b", "e2c4b8c10222ed8c")));
        for name in
            ["e2c4b8c10222ed8c", "-e2c4b8c10222ed8c", "a-e2c4b8c10222ed8", "a-E2c4b8c10222ed8c"]
        {
            assert_eq!(split_name(name), None, "{name}");
        }
        let above = cached_above(Path::new("/c/a-e2c4b8c10222ed8c/modules/x/src"));
        assert_eq!(above, Some(Path::new("/c/a-e2c4b8c10222ed8c")));
    }
}
