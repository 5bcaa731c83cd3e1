//! [`LfsPaths`]: which files of a tree are files of Git LFS, as its `.gitattributes` say.
//!
//! git asks Git LFS for the content of a file whose attribute `filter` is `lfs`, and so it is here: with macros, with
//! `-filter` and `!filter`, the nearest directory first. As in git, a `.gitattributes` that is a link is not read.
//!
//! Limits: attributes of this machine (`core.attributesFile`, `$GIT_DIR/info/attributes`) are not read.

use std::path::Path;

use gix::bstr::{BStr, BString, ByteSlice as _};
use gix_attributes::{
    Search, StateRef,
    search::{MetadataCollection, Outcome},
};
use gix_glob::pattern::Case;

/// The attributes of a tree.
pub(super) struct LfsPaths {
    search: Search,
    outcome: Outcome,
}

impl LfsPaths {
    /// Reads the attributes; `files` are the paths and the bytes of all `.gitattributes`.
    pub(super) fn new(mut files: Vec<(BString, Vec<u8>)>) -> Self {
        files.sort_by_key(|(path, _)| path.find_iter(b"/").count());
        let (mut search, mut names) = (Search::default(), MetadataCollection::default());
        for (path, bytes) in files {
            let is_top = !path.contains(&b'/');
            let Ok(source) = path.to_path() else { continue };
            // Fails only for a path that names no directory.
            let _ = search.add_patterns_buffer(
                &bytes,
                source.to_owned(),
                Some(Path::new("")),
                &mut names,
                is_top,
            );
        }
        let mut outcome = Outcome::default();
        outcome.initialize_with_selection(&names, ["filter"]);
        Self { search, outcome }
    }

    /// Whether the file at `path` is one of Git LFS.
    pub(super) fn contains(&mut self, path: &BStr) -> bool {
        self.outcome.reset();
        self.search.pattern_matching_relative_path(
            path,
            Case::Sensitive,
            Some(false),
            &mut self.outcome,
        );
        let mut selected = self.outcome.iter_selected();
        selected.any(|found| {
            matches!(found.assignment.state, StateRef::Value(value) if value.as_bstr() == "lfs")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_attribute_decides_as_in_git() {
        let repo = tempfile::tempdir().unwrap();
        let files = [
            (
                ".gitattributes",
                "[attr]big filter=lfs diff=lfs -text\n*.bin filter=lfs\nmodels/** big\n*.txt filter=other\nsub/no.bin -filter\n/top.dat filter=lfs\n",
            ),
            (
                "sub/.gitattributes",
                "*.dat filter=lfs\nunset.bin !filter\n[attr]own filter=lfs\nmacro.x own\n",
            ),
            ("sub/deep/.gitattributes", "*.bin -filter\n\"with space.q\" filter=lfs\n"),
        ];
        for (path, text) in files {
            std::fs::create_dir_all(repo.path().join(path).parent().unwrap()).unwrap();
            std::fs::write(repo.path().join(path), text).unwrap();
        }
        let git = |args: &[&str]| {
            let mut command = std::process::Command::new("git");
            command.current_dir(repo.path()).args(args);
            String::from_utf8(command.output().unwrap().stdout).unwrap()
        };
        git(&["init", "-q"]);
        let paths = [
            "a.bin",
            "a.BIN",
            "deep/a.bin",
            "models/x",
            "models/a/b.txt",
            "a.txt",
            "top.dat",
            "sub/top.dat",
            "sub/no.bin",
            "sub/unset.bin",
            "sub/macro.x",
            "sub/deep/a.bin",
            "sub/deep/with space.q",
            "sub/a.dat",
            "plain",
        ];
        let bytes = |(path, text): (&str, &str)| (path.into(), text.as_bytes().to_vec());
        let mut ours = LfsPaths::new(files.map(bytes).to_vec());
        for path in paths {
            let said = git(&["check-attr", "filter", "--", path]);
            let theirs = said.trim_end().ends_with("filter: lfs");
            assert_eq!(ours.contains(path.into()), theirs, "{path}: {said}");
        }
    }
}
