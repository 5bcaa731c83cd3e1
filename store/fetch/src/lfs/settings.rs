//! [`LfsSettings`]: what the repository's `.lfsconfig` and this host's git configuration say about Git LFS.
//!
//! The configuration of the host goes before `.lfsconfig`, of which only the keys that git-lfs holds for safe are read.
//!
//! Limits: of the host's configuration it reads `lfs.url`, `remote.origin.lfsurl`, `lfs.gitprotocol`, `lfs.fetchinclude`
//! and `lfs.fetchexclude`. Where content is kept is asked under the remote's name `origin`, whatever
//! `clone.defaultRemoteName` says.

use gix::{
    bstr::{BStr, BString, ByteSlice as _},
    config::{File, file::Metadata},
};
use gix_glob::{Pattern, pattern::Case, wildmatch::Mode};

use crate::transport::GitConfig;

/// Bytes of `.lfsconfig`.
pub(super) const MOST: u64 = 64 * 1024;

/// See the module.
pub(super) struct LfsSettings<'c> {
    host: &'c GitConfig,
    repository: Option<File>,
}

/// Who says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Author {
    /// The person whose host this is.
    Person,
    /// The repository.
    Repository,
}

/// Which of the files are wanted.
#[derive(Debug, Default)]
pub(super) struct Wish {
    include: Vec<Pattern>,
    exclude: Vec<Pattern>,
}

impl<'c> LfsSettings<'c> {
    /// `lfsconfig` is what lies there; what is no configuration says nothing.
    pub(super) fn new(host: &'c GitConfig, lfsconfig: Option<&[u8]>) -> Self {
        let repository = lfsconfig.and_then(|bytes| {
            File::from_bytes_no_includes(bytes, Metadata::api(), Default::default()).ok()
        });
        Self { host, repository }
    }

    /// The address of the server, where one is named.
    pub(super) fn url(&self) -> Option<(String, Author)> {
        self.value("lfs.url").or_else(|| self.value("remote.origin.lfsurl"))
    }

    /// What `git://` stands for.
    pub(super) fn git_protocol(&self) -> String {
        self.value("lfs.gitprotocol").map_or_else(|| "https".to_owned(), |(value, _)| value)
    }

    /// Which files are wanted.
    pub(super) fn wish(&self) -> Wish {
        let patterns = |key| {
            let list = self.value(key).map(|(list, _)| list).unwrap_or_default();
            let parts = list.split(',').map(|part| part.trim().trim_end_matches('/'));
            parts
                .filter(|part| !part.is_empty())
                .filter_map(|part| Pattern::from_bytes_without_negation(part.as_bytes()))
                .collect()
        };
        Wish { include: patterns("lfs.fetchinclude"), exclude: patterns("lfs.fetchexclude") }
    }

    fn value(&self, key: &str) -> Option<(String, Author)> {
        let host = self.host.value(key).map(|value| (value, Author::Person));
        host.or_else(|| {
            let value = self.repository.as_ref()?.string(key)?;
            Some((value.to_string(), Author::Repository))
        })
    }
}

impl Wish {
    /// Whether the content of the file at `path` is wanted.
    pub(super) fn contains(&self, path: &BStr) -> bool {
        let is_one_of = |patterns: &[Pattern]| patterns.iter().any(|it| is_below(it, path));
        (self.include.is_empty() || is_one_of(&self.include)) && !is_one_of(&self.exclude)
    }
}

/// Whether the pattern names the path, or a directory that leads to it.
fn is_below(pattern: &Pattern, path: &BStr) -> bool {
    let ends = path.find_iter(b"/").chain([path.len()]);
    ends.filter_map(|end| path.get(..end)).any(|part| {
        let part = BString::from(part);
        let name = part.rfind(b"/").map(|at| at + 1);
        let is_directory = Some(part.len() < path.len());
        let mode = Mode::NO_MATCH_SLASH_LITERAL;
        pattern.matches_repo_relative_path(
            part.as_bstr(),
            name,
            is_directory,
            Case::Sensitive,
            mode,
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_wanted_as_lists_of_patterns_say() {
        let list = |text: &str| text.split(',').filter_map(gix_glob::parse).collect();
        let wish = Wish { include: list("models,*.bin,/top/*.dat"), exclude: list("models/old") };
        for (path, expected) in [
            ("models/a", true),
            ("deep/models/a/b", true),
            ("models/old/a", false),
            ("x.bin", true),
            ("deep/x.bin", true),
            ("top/a.dat", true),
            ("deep/top/a.dat", false),
            ("other", false),
        ] {
            assert_eq!(wish.contains(path.into()), expected, "{path}");
        }
        assert!(Wish::default().contains("any".into()));
    }
}
