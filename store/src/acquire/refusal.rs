//! What a tree may not contain, whoever made it, in git or in an archive.
//!
//! The rules are pure: names and link texts in, a reason out. They run before anything with that
//! path is written. Names are checked with git's own protections for HFS+ and NTFS, because a store
//! may be copied to, or mounted from, such a file system.
//!
//! Limits: which names a file system really folds together is not asked here; [`fold`] is a broad
//! guess (normalisation C, upper then lower case), so it may report two names that a disk keeps apart.

use std::borrow::Cow;

use gix::bstr::{BStr, BString, ByteSlice};
use gix::validate::path::component;
use thiserror::Error;
use unicode_normalization::UnicodeNormalization;

use crate::disk::Layout;

/// Longest path in a tree, in bytes; PATH_MAX of Linux.
pub const LONGEST_PATH: usize = 4096;
/// Longest text of a symbolic link, in bytes.
pub const LONGEST_LINK: usize = 4095;
/// Deepest nesting of directories.
pub const DEEPEST: usize = 200;

/// Why a tree is not accepted. Nothing was written under the path it names.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{path:?} is refused: {reason}")]
pub struct RefusedTree {
    /// Path from the root of the tree, `/`-separated.
    pub path: BString,
    /// The rule it breaks.
    pub reason: Refusal,
}

/// The rule that a path breaks.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// Empty, `.`, `..`, with a `/` or NUL inside, `.git` in any of its disguises, or `.modstore`.
    #[error("the name is not allowed ({0})")]
    Name(String),
    /// Neither file, executable, symbolic link, directory nor submodule.
    #[error("mode {0:o} is not a file, link or directory")]
    Mode(u16),
    /// A path that begins at the root of the file system.
    #[error("the path is absolute")]
    Absolute,
    /// A device, pipe, socket or other thing that is no file.
    #[error("{0} is not a file, link or directory")]
    Kind(String),
    /// Something lies below a file or link, or a file where a directory is.
    #[error("the same path is a directory and something else")]
    Clash,
    /// A hard link to what is not an earlier file of the same archive.
    #[error("the hard link does not lead to an earlier file ({0:?})")]
    HardLink(BString),
    /// The same name twice in one directory.
    #[error("the name occurs twice in its directory")]
    Twice,
    /// Two names that the target file system holds for one.
    #[error("the file system takes it for the same name as {0:?}")]
    Folds(BString),
    /// A symbolic link whose text is absolute.
    #[error("the link is absolute ({0:?})")]
    AbsoluteLink(BString),
    /// A symbolic link that resolves to something above the root.
    #[error("the link leaves the tree ({0:?})")]
    LinkLeaves(BString),
    /// A symbolic link with an empty or too long text, or with NUL in it.
    #[error("the link's text is not usable")]
    LinkText,
    /// More than [`LONGEST_PATH`] bytes.
    #[error("the path is longer than {LONGEST_PATH} bytes")]
    LongPath,
    /// More than [`DEEPEST`] directories inside each other.
    #[error("directories are nested deeper than {DEEPEST}")]
    Deep,
}

/// Checks one name of a tree entry.
///
/// # Errors
/// Says what is wrong with the name.
pub(crate) fn check_name(name: &BStr, is_link: bool) -> Result<(), Refusal> {
    if name.contains(&0) {
        return Err(Refusal::Name("it contains NUL".into()));
    }
    if name.eq_ignore_ascii_case(Layout::OWN.as_bytes()) {
        return Err(Refusal::Name("the store has things of its own under it".into()));
    }
    // Only protect_windows would refuse characters that are ordinary on the systems we run on.
    let options =
        component::Options { protect_windows: false, protect_hfs: true, protect_ntfs: true };
    gix::validate::path::component(name, is_link.then_some(component::Mode::Symlink), options)
        .map(|_| ())
        .map_err(|error| Refusal::Name(error.to_string()))
}

/// Checks that the link at `path` with text `text` stays in the tree, by its text alone.
///
/// # Errors
/// Says how it leaves the tree, or why the text is unusable.
pub(crate) fn check_link(path: &BStr, text: &BStr) -> Result<(), Refusal> {
    if text.is_empty() || text.len() > LONGEST_LINK || text.contains(&0) {
        return Err(Refusal::LinkText);
    }
    if text.starts_with(b"/") {
        return Err(Refusal::AbsoluteLink(text.to_owned()));
    }
    let mut depth = path.find_iter("/").count();
    for step in text.split_str("/") {
        match step {
            b"" | b"." => {}
            b".." => {
                depth = depth.checked_sub(1).ok_or_else(|| Refusal::LinkLeaves(text.to_owned()))?;
            }
            _ => depth += 1,
        }
    }
    Ok(())
}

/// Checks that no `..` in the link's text comes after a step through another link.
///
/// `a/up -> ..` stays in the tree and so does the text `a/up/..`, but followed by the kernel it
/// does not. `is_link` answers for a path from the root.
///
/// # Errors
/// [`Refusal::LinkLeaves`], also for the rare link of this kind that would have stayed inside.
pub(crate) fn check_link_steps(
    path: &BStr,
    text: &BStr,
    is_link: &dyn Fn(&BStr) -> bool,
) -> Result<(), Refusal> {
    let mut at: Vec<&[u8]> = path.split_str("/").collect();
    at.pop();
    let mut through_link = false;
    for step in text.split_str("/") {
        match step {
            b"" | b"." => {}
            b".." if through_link => return Err(Refusal::LinkLeaves(text.to_owned())),
            b".." => drop(at.pop()),
            name => {
                at.push(name);
                through_link = through_link || is_link(at.join(&b'/').as_bstr());
            }
        }
    }
    Ok(())
}

/// The form under which a folding file system would look the name up.
#[must_use]
pub(crate) fn fold(name: &BStr) -> Cow<'_, [u8]> {
    if name.is_ascii() {
        if name.iter().any(u8::is_ascii_uppercase) {
            return Cow::Owned(name.to_ascii_lowercase());
        }
        return Cow::Borrowed(name);
    }
    match name.to_str() {
        Ok(text) => {
            let cased = text.nfc().flat_map(char::to_uppercase).flat_map(char::to_lowercase);
            Cow::Owned(cased.nfc().collect::<String>().into_bytes())
        }
        Err(_) => Cow::Owned(name.to_ascii_lowercase()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn git_directories_are_refused_in_every_disguise() {
        for name in [
            ".git",
            ".GIT",
            ".gIt",
            "git~1",
            "GIT~1",
            ".modstore",
            ".Modstore",
            ".git ",
            ".git.",
            ".g\u{200c}it",
            "..",
            ".",
            "",
            "a/b",
            "a\0b",
        ] {
            assert!(check_name(name.into(), false).is_err(), "{name:?}");
        }
        for name in [".gitignore", ".github", "git", "a\\b", "con", "a:b", ".gitmodules", "..."] {
            assert!(check_name(name.into(), false).is_ok(), "{name:?}");
        }
        assert!(check_name(".gitmodules".into(), true).is_err());
    }

    #[test]
    fn links_stay_inside_by_their_text() {
        let ok =
            [("a", "b"), ("a/b", "../c"), ("a/b/c", "../../d"), ("a", "./b/../c"), ("x/y", "..")];
        for (path, text) in ok {
            assert_eq!(check_link(path.into(), text.into()), Ok(()), "{path} -> {text}");
        }
        let bad = [
            ("a", ".."),
            ("a", "/etc/passwd"),
            ("a/b", "../../c"),
            ("a", "b/../../c"),
            ("a", ""),
            ("a", "b\0c"),
        ];
        for (path, text) in bad {
            assert!(check_link(path.into(), text.into()).is_err(), "{path} -> {text}");
        }
        assert!(check_link("a".into(), "x".repeat(4096).as_str().into()).is_err());
    }

    #[test]
    fn a_step_up_behind_a_link_is_refused() {
        let links = |path: &BStr| path == "a/up";
        assert!(check_link_steps("out".into(), "a/up/../..".into(), &links).is_err());
        assert!(check_link_steps("out".into(), "a/up/x".into(), &links).is_ok());
        assert!(check_link_steps("a/out".into(), "../b/c/../d".into(), &links).is_ok());
    }

    #[test]
    fn names_that_a_file_system_may_fold_have_one_form() {
        for (a, b) in [
            ("README", "readme"),
            ("\u{e9}", "e\u{301}"),
            ("\u{212a}", "k"),
            ("\u{c9}", "e\u{301}"),
        ] {
            assert_eq!(fold(a.into()), fold(b.into()), "{a} {b}");
        }
        assert_ne!(fold("a".into()), fold("b".into()));
    }
}
