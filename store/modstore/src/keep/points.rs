//! Which paths of a module are links into its state: that follows from the patterns that are
//! declared, the files of the tree, and what lies in the state already.

use std::collections::BTreeMap;

use gix::bstr::{BStr, BString, ByteSlice as _};

use crate::model::{FileKind, Keep, KeptPath, KeptPattern, Manifest, Subdirectory};

/// A module cannot keep what it declares. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KeepError {
    /// ShippedFiles has a link where a link into the state would be, or on the way there, or in it.
    #[error(
        "`{path}` is a link in the module's source, and what is kept is never reached through one"
    )]
    Link {
        /// The link.
        path: BString,
    },
    /// ShippedFiles has a file where a directory is to be kept, or on the way to what is to be kept.
    #[error("`{path}` is a file in the module's source, and a directory is to be kept there")]
    File {
        /// The file.
        path: BString,
    },
    /// A file whose name is no text, or has a backslash.
    #[error("{path:?} cannot be kept by itself because of its name: keep its directory")]
    Name {
        /// The file.
        path: BString,
    },
    /// The module is a file.
    #[error("the module is a single file, so there is nothing in it that could be kept")]
    SingleFile,
}

/// The paths to keep of a module whose files are those of `manifest` below `part`. `stored` gives the names in a directory of its
/// state, the empty path being the state itself.
///
/// # Errors
/// ShippedFiles has something there that is no file of its own.
pub(crate) fn points(
    keep: &Keep,
    (manifest, part): (&Manifest, &str),
    stored: &dyn Fn(&str) -> Vec<BString>,
) -> Result<Vec<KeptPath>, KeepError> {
    let tree = ShippedFiles { manifest, part };
    let mut found: BTreeMap<Subdirectory, bool> = BTreeMap::new();
    let mut add = |path: Subdirectory, is_directory: bool| {
        *found.entry(path).or_default() |= is_directory;
    };
    for pattern in keep.patterns() {
        match pattern {
            KeptPattern::Directory(path) => {
                tree.must_lead_to_directory(path.as_str())?;
                add(path.clone(), true);
            }
            KeptPattern::Path(path) => {
                tree.must_lead_to_directory(parent(path.as_str()))?;
                tree.must_be_no_link(path.as_str())?;
                add(path.clone(), tree.is_directory(path.as_str()));
            }
            KeptPattern::Names { directory, .. } => {
                let directory = directory.as_ref().map_or("", Subdirectory::as_str);
                tree.must_lead_to_directory(directory)?;
                let shipped = tree.names_in(directory);
                for name in shipped.into_iter().chain(stored(directory)) {
                    if pattern.fits(name.as_bstr()) {
                        add(tree.file(directory, name.as_bstr())?, false);
                    }
                }
            }
        }
    }
    let points = outermost(found);
    let mut directories = points.iter().filter(|point| point.is_directory);
    directories.try_for_each(|point| tree.must_have_no_links(point.path.as_str()))?;
    Ok(points)
}

/// Those that lie in no other one. One that others lie in is a directory.
fn outermost(found: BTreeMap<Subdirectory, bool>) -> Vec<KeptPath> {
    let mut points: Vec<KeptPath> = Vec::new();
    // In the order of bytes, `a-b` stands between `a` and `a/b`; in that of components it does not.
    let mut sorted: Vec<(Subdirectory, bool)> = found.into_iter().collect();
    sorted.sort_by(|(a, _), (b, _)| a.as_path().cmp(b.as_path()));
    for (path, is_directory) in sorted {
        let is_within = |outer: &KeptPath| path.as_path().starts_with(&outer.path);
        match points.last_mut() {
            Some(outer) if is_within(outer) => outer.is_directory = true,
            _ => points.push(KeptPath { path, is_directory }),
        }
    }
    points
}

/// The files that upstream has in a module.
struct ShippedFiles<'a> {
    manifest: &'a Manifest,
    part: &'a str,
}

impl ShippedFiles<'_> {
    fn in_tree(&self, path: &str) -> BString {
        in_tree(self.part, path)
    }

    /// Neither the path nor anything on the way to it is a file or a link.
    fn must_lead_to_directory(&self, path: &str) -> Result<(), KeepError> {
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        for step in ends.filter_map(|end| path.get(..end)).filter(|step| !step.is_empty()) {
            let at = self.in_tree(step);
            match self.manifest.find(at.as_bstr()).map(|(_, file)| file.kind) {
                Some(FileKind::Symlink) => return Err(KeepError::Link { path: at }),
                Some(_) => return Err(KeepError::File { path: at }),
                None => {}
            }
        }
        Ok(())
    }

    fn must_be_no_link(&self, path: &str) -> Result<(), KeepError> {
        let at = self.in_tree(path);
        match self.manifest.find(at.as_bstr()) {
            Some((_, file)) if file.kind == FileKind::Symlink => Err(KeepError::Link { path: at }),
            _ => Ok(()),
        }
    }

    fn must_have_no_links(&self, directory: &str) -> Result<(), KeepError> {
        let below = self.manifest.below(self.in_tree(directory).as_bstr());
        match below.iter().find(|file| file.kind == FileKind::Symlink) {
            Some(link) => Err(KeepError::Link { path: link.path.clone() }),
            None => Ok(()),
        }
    }

    fn is_directory(&self, path: &str) -> bool {
        !self.manifest.below(self.in_tree(path).as_bstr()).is_empty()
    }

    /// The names of the files in a directory.
    fn names_in(&self, directory: &str) -> Vec<BString> {
        let at = self.in_tree(directory);
        let below = self.manifest.below(at.as_bstr()).iter();
        let names = below.filter_map(|file| {
            let name = file.path.strip_prefix(at.as_bytes())?;
            let name = name.strip_prefix(b"/").unwrap_or(name);
            (!name.contains(&b'/')).then(|| name.into())
        });
        names.collect()
    }

    /// The path of a file of this name that is kept by itself.
    fn file(&self, directory: &str, name: &BStr) -> Result<Subdirectory, KeepError> {
        let path: Option<Subdirectory> =
            name.to_str().ok().and_then(|name| format!("./{directory}/{name}").parse().ok());
        let path = path.ok_or_else(|| KeepError::Name { path: name.to_owned() })?;
        self.must_be_no_link(path.as_str())?;
        Ok(path)
    }
}

/// A path of the module as one of the tree.
pub(super) fn in_tree(part: &str, path: &str) -> BString {
    match (part, path) {
        ("", path) => path.into(),
        (part, "") => part.into(),
        (part, path) => format!("{part}/{path}").into(),
    }
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(directory, _)| directory)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ContentHash, TreeFile};

    fn upstream(files: &[(&str, FileKind)]) -> Manifest {
        let files = files.iter().map(|(path, kind)| TreeFile {
            path: (*path).into(),
            kind: *kind,
            size: 1,
            content: ContentHash::of(path.as_bytes()),
        });
        Manifest::new(files.collect()).unwrap()
    }

    const FILES: [(&str, FileKind); 7] = [
        ("part/main.py", FileKind::File),
        ("part/a.local.json", FileKind::File),
        ("part/user/one.json", FileKind::File),
        ("part/user-old", FileKind::File),
        ("part/linked", FileKind::Symlink),
        ("part/odd/link", FileKind::Symlink),
        ("b.local.json", FileKind::File),
    ];

    fn found(patterns: &[&str], stored: &[&str]) -> Result<Vec<String>, KeepError> {
        let texts: Vec<String> = patterns.iter().map(|text| (*text).to_owned()).collect();
        let stored = |_: &str| stored.iter().map(|name| (*name).into()).collect();
        let found = points(&Keep::parse(&texts).unwrap(), (&upstream(&FILES), "part"), &stored);
        found.map(|points| points.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_point_is_what_is_named_what_upstream_ships_and_what_lies_in_the_state() {
        assert_eq!(found(&["user/**"], &[]).unwrap(), ["user/"]);
        assert_eq!(found(&["user"], &[]).unwrap(), ["user/"], "upstream has a directory there");
        assert_eq!(found(&["new/deep.json", "cache/"], &[]).unwrap(), ["cache/", "new/deep.json"]);
        assert_eq!(
            found(&["*.local.json"], &["c.local.json", "c.json"]).unwrap(),
            ["a.local.json", "c.local.json"]
        );
    }

    #[test]
    fn a_point_within_another_is_left_out() {
        assert_eq!(
            found(&["user/one.json", "user-old", "user/**"], &[]).unwrap(),
            ["user/", "user-old"]
        );
        assert_eq!(found(&["x/y.json", "x"], &[]).unwrap(), ["x/"]);
    }

    #[test]
    fn what_upstream_has_in_the_way_is_named() {
        for (pattern, path, is_link) in [
            ("linked", "part/linked", true),
            ("linked/**", "part/linked", true),
            ("linked/x.json", "part/linked", true),
            ("odd/**", "part/odd/link", true),
            ("odd/lin*", "part/odd/link", true),
            ("user-old/**", "part/user-old", false),
            ("main.py/x", "part/main.py", false),
        ] {
            let path = path.into();
            let expected =
                if is_link { KeepError::Link { path } } else { KeepError::File { path } };
            assert_eq!(found(&[pattern], &[]), Err(expected), "{pattern}");
        }
    }
}
