//! What a tree may not contain, in git or in an archive.
//!
//! The rules are pure: names and link texts in, a reason out. They run before anything with that
//! path is written. Names are checked with git's own protections for HFS+ and NTFS, because a store
//! may be copied to, or mounted from, such a file system.
//!
//! Whether names fold is asked of the disk, and only where it matters. Which ones do is guessed broadly ([`fold`]:
//! normalisation C, upper then lower case, without what is not seen and what is cut off at the end), so where they
//! fold, two names that the disk would keep apart may be refused.

use std::{borrow::Cow, collections::HashSet};

use gix::{
    bstr::{BStr, BString, ByteSlice},
    validate::path::component,
};
use modstore_core::disk::{DiskError, FoldsNames, Layout};
use thiserror::Error;
use unicode_normalization::UnicodeNormalization;

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
    pub reason: RejectReason,
}

/// The rule that a path breaks.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RejectReason {
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
pub fn check_name(name: &BStr, is_link: bool) -> Result<(), RejectReason> {
    if name.contains(&0) {
        return Err(RejectReason::Name("the name contains NUL".into()));
    }
    // Whatever is left out of it when it is folded, what begins both names is a dot.
    let folded = if name.starts_with(b".") || !name.is_ascii() {
        fold(name)
    } else {
        Cow::Borrowed(name.as_bytes())
    };
    if *folded == *Layout::OWN.as_bytes() {
        return Err(RejectReason::Name("the name is reserved for the store".into()));
    }
    if *folded == *b".git" {
        return Err(RejectReason::Name("some file systems read the name as .git".into()));
    }
    // Only protect_windows would refuse characters that are ordinary on the systems we run on.
    let options =
        component::Options { protect_windows: false, protect_hfs: true, protect_ntfs: true };
    gix::validate::path::component(name, is_link.then_some(component::Mode::Symlink), options)
        .map(|_| ())
        .map_err(|error| RejectReason::Name(error.to_string()))?;
    // git takes a backslash for a separator there, on every system.
    let is_git = |part: &[u8]| {
        let checked = gix::validate::path::component(part.as_bstr(), None, options);
        matches!(checked, Err(component::Error::DotGitDir))
    };
    if name.contains(&b'\\') && name.split(|byte| *byte == b'\\').any(is_git) {
        return Err(RejectReason::Name("some systems read a part of the name as .git".into()));
    }
    Ok(())
}

/// Checks that the link at `path` with text `text` stays in the tree, by its text alone.
///
/// # Errors
/// Says how it leaves the tree, or why the text is unusable.
pub fn check_link(path: &BStr, text: &BStr) -> Result<(), RejectReason> {
    if text.is_empty() || text.len() > LONGEST_LINK || text.contains(&0) {
        return Err(RejectReason::LinkText);
    }
    if text.starts_with(b"/") {
        return Err(RejectReason::AbsoluteLink(text.to_owned()));
    }
    let mut depth = path.find_iter("/").count();
    for step in text.split_str("/") {
        match step {
            b"" | b"." => {}
            b".." => {
                depth = depth
                    .checked_sub(1)
                    .ok_or_else(|| RejectReason::LinkLeaves(text.to_owned()))?;
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
/// [`RejectReason::LinkLeaves`], also for the rare link of this kind that would have stayed inside.
pub(crate) fn check_link_steps(
    path: &BStr,
    text: &BStr,
    is_link: &dyn Fn(&BStr) -> bool,
) -> Result<(), RejectReason> {
    let mut at: Vec<&[u8]> = path.split_str("/").collect();
    at.pop();
    let mut through_link = false;
    for step in text.split_str("/") {
        match step {
            b"" | b"." => {}
            b".." if through_link => return Err(RejectReason::LinkLeaves(text.to_owned())),
            b".." => drop(at.pop()),
            name => {
                at.push(name);
                through_link = through_link || is_link(at.join(&b'/').as_bstr());
            }
        }
    }
    Ok(())
}

/// The first link that leaves the tree by a step up behind another link, of all that the tree has: paths and texts.
/// Where names fold, another spelling of a link is that link.
///
/// # Errors
/// The disk cannot be asked whether names fold.
pub fn first_that_leaves(
    links: &[(BString, BString)],
    folds: &FoldsNames<'_>,
) -> Result<Option<RefusedTree>, DiskError> {
    let exact: HashSet<&BStr> = links.iter().map(|(path, _)| path.as_bstr()).collect();
    let folded: HashSet<Vec<u8>> =
        links.iter().map(|(path, _)| fold_path(path.as_bstr())).collect();
    let is_link = |path: &BStr| exact.contains(path);
    let may_be_link = |path: &BStr| folded.contains(&fold_path(path));
    for (path, text) in links {
        let check = |is_link| check_link_steps(path.as_bstr(), text.as_bstr(), is_link);
        let Err(reason) = check(&may_be_link) else { continue };
        if check(&is_link).is_err() || folds()? {
            return Ok(Some(RefusedTree { path: path.clone(), reason }));
        }
    }
    Ok(None)
}

fn fold_path(path: &BStr) -> Vec<u8> {
    let names: Vec<_> = path.split_str("/").map(|name| fold(name.as_bstr())).collect();
    names.join(&b'/')
}

/// The form under which a folding file system would look the name up: without differences of case and normalisation,
/// without what is not seen, and without dots and spaces at the end.
#[must_use]
pub(crate) fn fold(name: &BStr) -> Cow<'_, [u8]> {
    if name.is_ascii() {
        let end = name.iter().rposition(|byte| !matches!(byte, b'.' | b' '));
        let kept = name.get(..end.map_or(0, |end| end + 1)).unwrap_or_default();
        return if kept.iter().any(u8::is_ascii_uppercase) {
            Cow::Owned(kept.to_ascii_lowercase())
        } else {
            Cow::Borrowed(kept)
        };
    }
    match name.to_str() {
        Ok(text) => {
            let seen = text.chars().filter(|c| !is_ignorable(*c)).nfc();
            let cased = seen.flat_map(char::to_uppercase).flat_map(char::to_lowercase);
            let folded = cased.nfc().collect::<String>();
            Cow::Owned(folded.trim_end_matches(['.', ' ']).to_owned().into_bytes())
        }
        Err(_) => Cow::Owned(name.to_ascii_lowercase()),
    }
}

/// Characters that HFS+ and ext4 leave out when they compare names: those that Unicode calls ignorable by default.
const fn is_ignorable(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fff8}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
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
            ".git. .",
            ".Git::$INDEX_ALLOCATION",
            ".git:x",
            "git~1 .",
            ".g\u{200c}it",
            ".gi\u{ad}t",
            ".G\u{fe0f}IT",
            ".mod\u{200d}store",
            ".mod\u{17f}tore",
            ".modstore.",
            "..",
            ".",
            "",
            "a/b",
            "a\0b",
            ".git\\config",
            "a\\.GIT\\hooks",
            "a\\git~1",
        ] {
            assert!(check_name(name.into(), false).is_err(), "{name:?}");
        }
        for name in [
            ".gitignore",
            ".github",
            "git",
            "a\\b",
            "a\\.github\\b",
            "con",
            "a:b",
            ".gitmodules",
            "...",
        ] {
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
    fn a_step_up_behind_another_spelling_of_a_link_is_refused_where_names_fold() {
        let links = |links: &[(&str, &str)]| -> Vec<(BString, BString)> {
            links.iter().map(|(path, text)| ((*path).into(), (*text).into())).collect()
        };
        let leaves = |of: &[(&str, &str)], folds: bool| {
            let asked = std::sync::atomic::AtomicBool::new(false);
            let answer = || {
                asked.store(true, std::sync::atomic::Ordering::Relaxed);
                Ok(folds)
            };
            let found = first_that_leaves(&links(of), &answer).unwrap();
            (found.is_some(), asked.into_inner())
        };
        for (text, up) in [
            ("x/up/../..", "x/UP"),
            ("X/up/../..", "x/UP"),
            ("x/e\u{301}/../..", "x/\u{c9}"),
            ("x/u\u{200d}p/../..", "x/up"),
            ("x/up./../..", "x/up"),
        ] {
            let tree = [(up, "."), ("out", text)];
            assert_eq!(leaves(&tree, true), (true, true), "{text}");
            assert_eq!(leaves(&tree, false), (false, true), "{text}");
        }
        assert_eq!(leaves(&[("x/up", "."), ("out", "x/up/../..")], false), (true, false));
        assert_eq!(leaves(&[("x/up", "."), ("in", "x/UP/y")], true), (false, false));
    }

    #[test]
    fn names_that_a_file_system_may_fold_have_one_form() {
        for (a, b) in [
            ("u\u{200d}p", "UP"),
            ("a. .", "A"),
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
