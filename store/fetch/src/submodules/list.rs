//! [`SubmoduleList`]: what a tree's `.gitmodules` says.

use std::collections::HashMap;

use gix::bstr::{BStr, BString, ByteSlice as _};

use crate::{
    errors::SubmoduleError,
    tree_rules::{RejectReason, check_name},
};

/// What `.gitmodules` says of the submodules of a tree.
#[derive(Debug, Default)]
pub struct SubmoduleList {
    by_path: HashMap<BString, Submodule>,
}

/// A submodule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submodule {
    /// What it is called; by default its path.
    pub name: BString,
    /// Where it comes from, as it is written; none if nothing says it.
    pub url: Option<BString>,
    /// Whether it is not to be fetched: `update = none`.
    pub is_left_out: bool,
}

impl SubmoduleList {
    /// Longest file, in bytes.
    pub const LONGEST: u64 = 1 << 20;
    /// Most submodules of one module, with those in submodules.
    pub const MOST: usize = 1000;
    /// Most submodules within each other.
    pub const DEEPEST: usize = 20;

    /// Reads the content of the file.
    ///
    /// # Errors
    /// The first thing that no repository in good faith has. Nothing of it is used then.
    pub fn read(content: &[u8]) -> Result<Self, SubmoduleError> {
        let size = content.len() as u64;
        if size > Self::LONGEST {
            return Err(SubmoduleError::TooLong { size, limit: Self::LONGEST });
        }
        let mut by_path: HashMap<BString, Submodule> = HashMap::new();
        for (name, written) in sections(content)? {
            check_submodule_name(name.as_bstr())?;
            let Some(path) = written.path else { continue };
            check_path(name.as_bstr(), path.as_bstr())?;
            let url = written.url;
            if let Some(url) = url.as_ref().filter(|url| url.starts_with(b"-")) {
                return Err(SubmoduleError::Url { url: url.to_string() });
            }
            let is_left_out = match written.update.as_ref().map(|value| value.as_slice()) {
                None | Some(b"checkout" | b"rebase" | b"merge") => false,
                Some(b"none") => true,
                Some(value) => {
                    return Err(SubmoduleError::Update { name, value: value.into() });
                }
            };
            let submodule = Submodule { name: name.clone(), url, is_left_out };
            // Of several at one path the last counts, as in git.
            by_path.insert(path, submodule);
        }
        Ok(Self { by_path })
    }

    /// The paths of all, in no order.
    pub fn paths(&self) -> impl Iterator<Item = &BStr> {
        self.by_path.keys().map(|path| path.as_bstr())
    }

    /// The submodule at this path.
    #[must_use]
    pub fn at(&self, path: &BStr) -> Option<&Submodule> {
        self.by_path.get(path)
    }

    /// Checks that no link lies on the way to a submodule. `is_link` answers for a path of the tree.
    ///
    /// # Errors
    /// The first link that does.
    pub fn check_ways(&self, is_link: impl Fn(&BStr) -> bool) -> Result<(), SubmoduleError> {
        for (path, Submodule { name, .. }) in &self.by_path {
            let ends = path.find_iter("/").chain([path.len()]);
            let mut ways = ends.filter_map(|end| path.get(..end)).map(BStr::new);
            if let Some(link) = ways.find(|way| is_link(way)) {
                return Err(SubmoduleError::Link { name: name.clone(), link: link.to_owned() });
            }
        }
        Ok(())
    }
}

/// What the sections of one name say; the last value of a key counts.
#[derive(Default)]
struct Written {
    path: Option<BString>,
    /// The number of the section that says the path.
    place: usize,
    url: Option<BString>,
    update: Option<BString>,
}

/// The submodules that have a section, in the order in which their paths are written.
fn sections(content: &[u8]) -> Result<Vec<(BString, Written)>, SubmoduleError> {
    // Without includes: a repository does not name files of this machine.
    let metadata = gix::config::file::Metadata::api();
    let file = gix::config::File::from_bytes_no_includes(content, metadata, Default::default());
    let file = file.map_err(|error| SubmoduleError::Unreadable {
        source: error.to_string().lines().next().unwrap_or_default().into(),
    })?;
    let mut found: HashMap<BString, Written> = HashMap::new();
    for (place, section) in file.sections_by_name("submodule").into_iter().flatten().enumerate() {
        let Some(name) = section.header().subsection_name() else { continue };
        let written = found.entry(name.to_owned()).or_default();
        let last = |key: &str| section.value(key).map(|value| value.to_owned());
        if let Some(path) = last("path") {
            (written.path, written.place) = (Some(path), place);
        }
        written.url = last("url").or(written.url.take());
        written.update = last("update").or(written.update.take());
    }
    let mut found: Vec<_> = found.into_iter().collect();
    found.sort_by_key(|(_, written)| written.place);
    Ok(found)
}

/// As git checks it, and that no program can take it for an option.
fn check_submodule_name(name: &BStr) -> Result<(), SubmoduleError> {
    let has_parent = name.split(|byte| matches!(byte, b'/' | b'\\')).any(|part| part == b"..");
    if name.is_empty() || has_parent || name.starts_with(b"-") || name.contains(&0) {
        return Err(SubmoduleError::Name { name: name.to_owned() });
    }
    Ok(())
}

fn check_path(name: &BStr, path: &BStr) -> Result<(), SubmoduleError> {
    let refused =
        |reason| SubmoduleError::Path { name: name.to_owned(), path: path.to_owned(), reason };
    if path.starts_with(b"/") {
        return Err(refused(RejectReason::Absolute));
    }
    if path.starts_with(b"-") {
        return Err(refused(RejectReason::Name("it begins with `-`".into())));
    }
    // git finds nothing at a path with `.` or a `/` at its end, and neither do we.
    let mut parts = path.split_str("/").filter(|part| !matches!(*part, b"" | b"."));
    parts.try_for_each(|part| check_name(part.as_bstr(), false)).map_err(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<SubmoduleList, SubmoduleError> {
        SubmoduleList::read(text.as_bytes())
    }

    fn at<'l>(list: &'l SubmoduleList, path: &str) -> Option<&'l Submodule> {
        list.at(path.into())
    }

    #[test]
    fn what_git_reads_is_read() {
        let text = "# parts\n[submodule \"x\"]\n\tpath = vendor/x\n\turl = ../x\n\tbranch = b\n\
            [Submodule \"y\"]\n path = \"a b\"\n url = https://h/y\n update = none\n\
            [submodule \"z\"]\n path = z\n update = rebase\n\
            [submodule \"no-path\"]\n url = ../n\n[core]\n bare = true\n";
        let list = read(text).unwrap();
        let url = |path| at(&list, path).and_then(|it| it.url.clone());
        assert_eq!(url("vendor/x"), Some("../x".into()));
        assert_eq!(url("a b"), Some("https://h/y".into()));
        assert!(at(&list, "a b").is_some_and(|it| it.is_left_out));
        assert!(at(&list, "z").is_some_and(|it| it.url.is_none() && !it.is_left_out));
        assert!(at(&list, "no-path").is_none() && at(&list, "vendor").is_none());
    }

    #[test]
    fn the_last_value_of_a_name_counts_also_in_another_section() {
        let list =
            read("[submodule \"x\"]\npath=a\nurl=../1\n[submodule \"x\"]\nurl=../2\n").unwrap();
        assert_eq!(at(&list, "a").and_then(|it| it.url.clone()), Some("../2".into()));
    }

    #[test]
    fn of_two_names_with_one_path_the_one_counts_that_is_written_last() {
        let (x, y) =
            ("[submodule \"x\"]\npath=a\nurl=../1\n", "[submodule \"y\"]\npath=a\nurl=../2\n");
        let url = |text: &str| at(&read(text).unwrap(), "a").and_then(|it| it.url.clone());
        assert_eq!(url(&format!("{x}{y}")), Some("../2".into()));
        assert_eq!(url(&format!("{y}{x}")), Some("../1".into()));
        assert_eq!(url(&format!("{x}{y}[submodule \"x\"]\npath=a\n")), Some("../1".into()));
    }

    #[test]
    fn nothing_is_included() {
        let list =
            read("[include]\npath = /etc/hosts\n[submodule \"x\"]\npath=a\nurl=b\n").unwrap();
        assert!(at(&list, "a").is_some());
    }

    #[test]
    fn what_no_repository_in_good_faith_has_is_refused() {
        for (text, words) in [
            ("[submodule \"../x\"]\npath=a\nurl=../a\n", "not the name"),
            ("[submodule \"a/../../x\"]\npath=a\nurl=../a\n", "not the name"),
            ("[submodule \"..\\\\x\"]\npath=a\nurl=../a\n", "not the name"),
            ("[submodule \"-x\"]\npath=a\nurl=../a\n", "not the name"),
            ("[submodule \"\"]\npath=a\nurl=../a\n", "not the name"),
            ("[submodule \"x\"]\npath=../a\nurl=../a\n", "is refused"),
            ("[submodule \"x\"]\npath=/a\nurl=../a\n", "absolute"),
            ("[submodule \"x\"]\npath=-a\nurl=../a\n", "begins with `-`"),
            ("[submodule \"x\"]\npath=.git/hooks\nurl=../a\n", "is refused"),
            ("[submodule \"x\"]\npath=a/.GIT\nurl=../a\n", "is refused"),
            ("[submodule \"x\"]\npath=a/git~1/b\nurl=../a\n", "is refused"),
            ("[submodule \"x\"]\npath=a\nurl=-ux\n", "is not the url"),
            ("[submodule \"x\"]\npath=a\nurl=../a\nupdate=!touch x\n", "not allowed"),
            ("[submodule \"x\"]\npath=a\nurl=../a\nupdate=other\n", "not allowed"),
            ("[submodule \"x\"\npath=a\n", "cannot be read"),
        ] {
            let error = read(text).expect_err(text).to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
    }

    #[test]
    fn a_file_over_the_limit_is_refused_and_one_at_it_is_not() {
        let fill = |size: u64| "#".repeat(usize::try_from(size).unwrap());
        assert!(read(&fill(SubmoduleList::LONGEST)).is_ok());
        let error = read(&fill(SubmoduleList::LONGEST + 1)).unwrap_err();
        assert!(matches!(error, SubmoduleError::TooLong { .. }), "{error}");
    }

    #[test]
    fn a_link_on_the_way_is_found() {
        let list = read("[submodule \"x\"]\npath=a/b/c\nurl=../x\n").unwrap();
        for link in ["a", "a/b", "a/b/c"] {
            let error = list.check_ways(|path| path == link).unwrap_err();
            assert!(error.to_string().contains(&format!("{link:?}")), "{error}");
        }
        assert!(list.check_ways(|path| path == "a/bc" || path == "b").is_ok());
    }
}
