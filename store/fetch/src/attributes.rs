//! Files that a checkout by git would write differently than they are in the commit, because of `.gitattributes`.
//!
//! Here files are as they were committed: a tree is the same on every host, and its files are the blobs of the next fetch.
//! So the files that this concerns are named. Whether it does is decided by git's rules (`convert.c`): lists further
//! down outrank those above, macros are defined at the top, and a file is only named when its bytes would differ.
//!
//! Limits: line ends, encodings and `ident` only, which need nothing but the tree. What the configuration of a host adds
//! (`core.autocrlf`, `core.attributesFile`, filter drivers) is not looked at; LFS is a matter of its own. A tree with more
//! patterns and files than [`MOST_MATCHES`] together is not looked at file by file.

use std::{fmt, path::Path};

use gix::bstr::{BString, ByteSlice as _};
use gix_attributes::{
    Search, StateRef,
    glob::pattern::Case,
    search::{MetadataCollection, Outcome},
};
use modstore_core::{
    disk::{place, read_regular},
    model::{FileKind, Manifest, TreeFile, TreePart},
};

/// All lists of a tree together, in bytes.
const LONGEST_LISTS: u64 = 1 << 20;

/// git ignores lines that are longer.
const LONGEST_LINE: usize = 2048;

/// Patterns times files: what a look at each file may cost.
const MOST_MATCHES: u64 = 50_000_000;

/// Bytes of files that are read to see whether they would differ. From then on files are only counted by their attributes.
const MOST_READ: u64 = 64 << 20;

/// The most files that are named.
const SHOWN: usize = 5;

/// The attributes that change what a checkout writes.
const NAMES: [&str; 5] = ["text", "crlf", "eol", "ident", "working-tree-encoding"];

/// The files that a checkout by git would write differently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unapplied {
    /// How many there are; nothing, where the tree was too large for a look at each file.
    count: Option<usize>,
    /// The first of them, and the attribute.
    files: Vec<(BString, String)>,
}

impl fmt::Display for Unapplied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(count) = self.count else {
            return f.write_str(
                "git attributes are not applied, and there are too many of them to see which files `git checkout` would write differently",
            );
        };
        let files = if count == 1 { "1 file".to_owned() } else { format!("{count} files") };
        write!(
            f,
            "git attributes are not applied: `git checkout` would write {files} differently, "
        )?;
        for (number, (path, attribute)) in self.files.iter().enumerate() {
            let comma = if number == 0 { "" } else { ", " };
            write!(f, "{comma}{path} ({attribute})")?;
        }
        if count > self.files.len() { f.write_str(", …") } else { Ok(()) }
    }
}

/// The files in this part of the tree at `root` that a checkout by git would write differently, if there are any.
#[must_use]
pub fn unapplied_attributes(
    root: &Path,
    manifest: &Manifest,
    part: &TreePart,
) -> Option<Unapplied> {
    let lists = lists(manifest);
    if lists.is_empty() {
        return None;
    }
    if lists.iter().map(|list| list.size).sum::<u64>() > LONGEST_LISTS {
        return Some(Unapplied { count: None, files: Vec::new() });
    }
    let read = |file: &TreeFile| read_regular(&place(root, file.path.as_bstr()), MOST_READ).ok();
    let texts: Vec<(&TreeFile, Vec<u8>)> =
        lists.into_iter().filter_map(|list| Some((list, read(list)?))).collect();
    // Most lists say nothing but how to show a difference, or what is generated.
    if !texts.iter().any(|(_, text)| {
        ["eol", "ident", "encoding", "crlf"].iter().any(|word| text.contains_str(word))
    }) {
        return None;
    }
    let files: Vec<&TreeFile> = manifest
        .files()
        .iter()
        .filter(|file| file.kind != FileKind::Symlink && part.contains(file.path.as_bstr()))
        .collect();
    let lines: usize = texts.iter().map(|(_, text)| text.lines().count()).sum();
    if lines as u64 * files.len() as u64 > MOST_MATCHES {
        return Some(Unapplied { count: None, files: Vec::new() });
    }
    Rules::of(&texts)?.differing(&files, read)
}

/// The lists of a tree, those further up first. A link is none, as in git.
fn lists(manifest: &Manifest) -> Vec<&TreeFile> {
    let is_list = |file: &&TreeFile| {
        let name = file.path.rsplit_once_str("/").map_or(file.path.as_slice(), |(_, name)| name);
        name == b".gitattributes" && file.kind != FileKind::Symlink
    };
    let mut lists: Vec<&TreeFile> = manifest.files().iter().filter(is_list).collect();
    lists.sort_by_key(|list| list.path.find_iter("/").count());
    lists
}

/// The rules of all lists.
struct Rules {
    search: Search,
    found: Outcome,
}

impl Rules {
    fn of(lists: &[(&TreeFile, Vec<u8>)]) -> Option<Self> {
        let mut names = MetadataCollection::default();
        let mut search = Search::new_globals(None::<&Path>, &mut Vec::new(), &mut names).ok()?;
        for (list, text) in lists {
            let lines = text.lines_with_terminator().filter(|line| line.len() <= LONGEST_LINE);
            let text: Vec<u8> = lines.flatten().copied().collect();
            let source = gix::path::from_bstr(list.path.as_bstr()).ok()?.into_owned();
            let is_top = list.path == ".gitattributes";
            search
                .add_patterns_buffer(&text, source, Some(Path::new("")), &mut names, is_top)
                .ok()?;
        }
        let mut found = Outcome::default();
        found.initialize_with_selection(&names, NAMES);
        Some(Self { search, found })
    }

    fn differing(
        mut self,
        files: &[&TreeFile],
        read: impl Fn(&TreeFile) -> Option<Vec<u8>>,
    ) -> Option<Unapplied> {
        let (mut count, mut shown, mut budget) = (0, Vec::new(), MOST_READ);
        for file in files {
            let Some(conversion) = self.conversion(file) else { continue };
            let contents = (file.size <= budget).then(|| read(file)).flatten();
            budget -= file.size.min(budget);
            let difference = match contents {
                Some(contents) => conversion.difference(&contents),
                None => Some(conversion.name()),
            };
            let Some(attribute) = difference else { continue };
            count += 1;
            if shown.len() < SHOWN {
                shown.push((file.path.clone(), attribute));
            }
        }
        (count > 0).then_some(Unapplied { count: Some(count), files: shown })
    }

    /// What git would do to the file, if it would do anything.
    fn conversion(&mut self, file: &TreeFile) -> Option<Conversion> {
        self.found.reset();
        let path = file.path.as_bstr();
        self.search.pattern_matching_relative_path(
            path,
            Case::Sensitive,
            Some(false),
            &mut self.found,
        );
        let mut read = Conversion::default();
        let (mut text, mut crlf, mut eol) = (Text::Unsaid, Text::Unsaid, None);
        for found in self.found.iter_selected() {
            let value = match found.assignment.state {
                StateRef::Value(value) => Some(value.as_bstr().to_string()),
                StateRef::Set | StateRef::Unset | StateRef::Unspecified => None,
            };
            match found.assignment.name.as_str() {
                "text" => text = Text::of(found.assignment.state),
                "crlf" => crlf = Text::of(found.assignment.state),
                "eol" => eol = value,
                "ident" => read.ident = found.assignment.state == StateRef::Set,
                _ => read.encoding = value.filter(|name| !is_utf8(name)),
            }
        }
        let text = if text == Text::Unsaid { crlf } else { text };
        read.line_ends = match eol.as_deref() {
            Some("crlf") if text != Text::Not => Some(text),
            _ => None,
        };
        (read != Conversion::default()).then_some(read)
    }
}

/// What `text`, or the older `crlf`, says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Text {
    Is,
    Not,
    Guessed,
    Unsaid,
}

impl Text {
    fn of(state: StateRef<'_>) -> Self {
        match state {
            StateRef::Set => Self::Is,
            StateRef::Unset => Self::Not,
            StateRef::Value(value) if value.as_bstr() == "auto" => Self::Guessed,
            StateRef::Value(value) if value.as_bstr() == "input" => Self::Is,
            StateRef::Value(_) | StateRef::Unspecified => Self::Unsaid,
        }
    }
}

/// What git would do to a file.
#[derive(Debug, Default, PartialEq, Eq)]
struct Conversion {
    /// `\n` becomes `\r\n`, where the file is text.
    line_ends: Option<Text>,
    ident: bool,
    encoding: Option<String>,
}

impl Conversion {
    /// The attribute by which these contents would be written differently.
    fn difference(&self, contents: &[u8]) -> Option<String> {
        let changes_line_ends = self.line_ends.is_some_and(|text| gets_line_ends(contents, text));
        let changes_ident = self.ident && has_ident(contents);
        let is_encoded = self.encoding.as_ref().is_some_and(|name| is_changed_by(name, contents));
        Self {
            line_ends: self.line_ends.filter(|_| changes_line_ends),
            ident: changes_ident,
            encoding: self.encoding.clone().filter(|_| is_encoded),
        }
        .named()
    }

    fn name(&self) -> String {
        self.named().unwrap_or_default()
    }

    fn named(&self) -> Option<String> {
        match self {
            Self { encoding: Some(name), .. } => Some(format!("working-tree-encoding={name}")),
            Self { line_ends: Some(_), .. } => Some("eol=crlf".to_owned()),
            Self { ident: true, .. } => Some("ident".to_owned()),
            _ => None,
        }
    }
}

fn is_utf8(name: &str) -> bool {
    ["utf-8", "utf8", ""].iter().any(|other| name.eq_ignore_ascii_case(other))
}

/// Text in ASCII is the same in most encodings.
fn is_changed_by(encoding: &str, contents: &[u8]) -> bool {
    let encoding = encoding.to_ascii_uppercase();
    let is_wide =
        ["UTF-16", "UTF16", "UTF-32", "UTF32", "UCS"].iter().any(|wide| encoding.starts_with(wide));
    !contents.is_empty() && (is_wide || !contents.is_ascii())
}

/// `$Id$`, or `$Id: …$` in one line.
fn has_ident(contents: &[u8]) -> bool {
    contents.find_iter("$Id").any(|at| {
        let rest = contents.get(at + 3..).unwrap_or_default();
        let mut line = rest.iter().take_while(|byte| **byte != b'\n');
        match rest.first() {
            Some(b'$') => true,
            Some(b':') => line.any(|byte| *byte == b'$'),
            _ => false,
        }
    })
}

/// Whether git would end lines with `\r\n` that end with `\n`. It leaves alone what may not be text, unless a list says so.
fn gets_line_ends(contents: &[u8], text: Text) -> bool {
    let counts = LineEnds::of(contents);
    let is_left = counts.lone_cr > 0 || counts.crlf > 0 || counts.is_binary();
    counts.lone_lf > 0 && (text != Text::Guessed || !is_left)
}

/// The bytes of a file by their kind, as git counts them.
#[derive(Default)]
struct LineEnds {
    nul: usize,
    lone_cr: usize,
    lone_lf: usize,
    crlf: usize,
    printable: usize,
    nonprintable: usize,
}

impl LineEnds {
    fn of(contents: &[u8]) -> Self {
        let mut counts = Self::default();
        let mut bytes = contents.iter().copied().peekable();
        while let Some(byte) = bytes.next() {
            match byte {
                b'\r' if bytes.next_if_eq(&b'\n').is_some() => counts.crlf += 1,
                b'\r' => counts.lone_cr += 1,
                b'\n' => counts.lone_lf += 1,
                0x08 | b'\t' | 0x1b | 0x0c => counts.printable += 1,
                0 => {
                    counts.nul += 1;
                    counts.nonprintable += 1;
                }
                0x7f | ..0x20 => counts.nonprintable += 1,
                _ => counts.printable += 1,
            }
        }
        // The end mark of DOS says nothing.
        if contents.ends_with(b"\x1a") {
            counts.nonprintable -= 1;
        }
        counts
    }

    fn is_binary(&self) -> bool {
        self.lone_cr > 0 || self.nul > 0 || self.printable >> 7 < self.nonprintable
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_are_those_of_a_checkout_by_git() {
        for (contents, said, guessed) in [
            (&b"a\nb\n"[..], true, true),
            (b"a\r\nb\r\n", false, false),
            (b"a\r\nb\n", true, false),
            (b"a\rb\n", true, false),
            (b"a\0b\n", true, false),
            (b"\x01\n", true, false),
            (b"a\n\x1a", true, true),
            (b"no line", false, false),
            (b"", false, false),
        ] {
            assert_eq!(gets_line_ends(contents, Text::Is), said, "{contents:?}");
            assert_eq!(gets_line_ends(contents, Text::Guessed), guessed, "{contents:?}");
        }
    }

    #[test]
    fn only_a_place_for_an_id_is_filled() {
        for (contents, has) in [
            ("$Id$", true),
            ("x $Id: 12 $ y", true),
            ("$Id:\n$", false),
            ("$Idea$", false),
            ("Id$", false),
            ("$Id", false),
            ("$Id: open\n$Id$", true),
        ] {
            assert_eq!(has_ident(contents.as_bytes()), has, "{contents}");
        }
    }
}
