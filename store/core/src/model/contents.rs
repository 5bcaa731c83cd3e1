//! [`Contents`]: what a module wants beyond the files of its repository's own tree.
//!
//! Written in `modules.toml` as `submodules = true | false | ["path", …]` and `lfs = true | false`. In the text of a
//! source it is part of the fragment, and what is usual is not written: `#submodules=false`, `#submodules=a,b`,
//! `#lfs=true`. So a source whose contents are the usual ones has the text that it always had.
//!
//! Limits: knows no repository. Which submodules there are is found out where the tree is.

use std::{collections::BTreeSet, fmt};

use toml_edit::{Array, Value};

use super::{
    Subdirectory,
    toml_fields::{Fields, Placed, TomlFault},
    written::{percent_decode, percent_encode},
};

/// What a module wants beyond the files of its repository's own tree.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Contents {
    /// Which submodules.
    pub submodules: Submodules,
    /// Whether files that are kept by Git LFS are fetched; their pointers otherwise.
    pub lfs: bool,
}

/// Which submodules of a repository are wanted; with one, all that are in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Submodules {
    /// All.
    #[default]
    All,
    /// None.
    None,
    /// Those at or below these paths, and those that lead to them. Never empty.
    At(BTreeSet<Subdirectory>),
}

impl Contents {
    /// What is wanted where nothing is said of it.
    pub const USUAL: Self = Self { submodules: Submodules::All, lfs: false };

    /// The keys in `modules.toml` and in fragments, in the order in which they are written.
    pub const KEYS: [&'static str; 2] = ["submodules", "lfs"];

    /// The values in `modules.toml`, in the order of the keys; none for what is usual.
    pub(super) fn values(&self) -> [Option<Value>; 2] {
        let submodules = match &self.submodules {
            Submodules::All => None,
            Submodules::None => Some(false.into()),
            Submodules::At(paths) => {
                Some(paths.iter().map(Subdirectory::as_str).collect::<Array>().into())
            }
        };
        [submodules, self.lfs.then(|| true.into())]
    }

    /// Whether this value of a key says what is usual.
    pub(super) fn is_usual(key: &str, value: &Value) -> bool {
        value.as_bool() == Some(key == "submodules")
    }

    /// The fields of a fragment, in the order of the keys; none for what is usual.
    pub(super) fn fields(&self) -> [Option<String>; 2] {
        let submodules = match &self.submodules {
            Submodules::All => None,
            Submodules::None | Submodules::At(_) => Some(self.submodules.to_string()),
        };
        [submodules, self.lfs.then(|| "true".to_owned())]
    }

    /// What the keys of a module's table say; where one is absent, what is `written` in its source.
    pub(super) fn read(fields: Fields<'_>, written: &Self) -> Result<Self, Placed<TomlFault>> {
        let submodules = match (fields.boolean("submodules"), fields.texts("submodules")) {
            (Ok(flag), _) => flag.map(Submodules::from),
            (_, Ok(paths)) => {
                let paths = paths.unwrap_or_default();
                let paths = paths.iter().map(|path| path.parse()).collect::<Result<_, _>>();
                let what = "true, false or a list of paths without `..`";
                Some(Submodules::at(paths.map_err(|_| fields.wrong("submodules", what))?))
            }
            (Err(_), Err(_)) => {
                return Err(fields.wrong("submodules", "true, false or a list of paths"));
            }
        };
        let lfs = fields.boolean("lfs")?;
        let differs = "what the source says, or left out";
        if written.submodules != Self::USUAL.submodules
            && submodules.as_ref().is_some_and(|key| *key != written.submodules)
        {
            return Err(fields.wrong("submodules", differs));
        }
        if written.lfs && lfs == Some(false) {
            return Err(fields.wrong("lfs", differs));
        }
        Ok(Self {
            submodules: submodules.unwrap_or_else(|| written.submodules.clone()),
            lfs: lfs.unwrap_or(written.lfs),
        })
    }
}

impl From<bool> for Submodules {
    fn from(all: bool) -> Self {
        if all { Self::All } else { Self::None }
    }
}

impl Submodules {
    /// Those at or below these paths; with none, none.
    #[must_use]
    pub fn at(paths: BTreeSet<Subdirectory>) -> Self {
        if paths.is_empty() { Self::None } else { Self::At(paths) }
    }

    /// Whether the submodule at `path`, from the top of the outermost tree, is wanted.
    #[must_use]
    pub fn has(&self, path: &[u8]) -> bool {
        match self {
            Self::All => true,
            Self::None => false,
            Self::At(paths) => paths.iter().any(|named| is_related(named, path)),
        }
    }

    /// The first path that names none of these submodules, and no directory of any.
    #[must_use]
    pub fn unmet(&self, there: &[&[u8]]) -> Option<&Subdirectory> {
        let Self::At(paths) = self else { return None };
        paths.iter().find(|named| !there.iter().any(|path| is_within(path, named.as_str())))
    }

    /// What is written behind `submodules=`.
    pub(super) fn read(text: &str) -> Option<Self> {
        match text {
            "true" => return Some(Self::All),
            "false" => return Some(Self::None),
            _ => {}
        }
        let path = |part| percent_decode(part)?.parse().ok();
        text.split(',').map(path).collect::<Option<_>>().map(Self::at)
    }
}

/// Whether a submodule is at or below a path, or leads to it.
fn is_related(named: &Subdirectory, path: &[u8]) -> bool {
    is_within(path, named.as_str()) || is_within(named.as_str().as_bytes(), path)
}

/// Whether a path is that directory, or in it.
fn is_within(path: &[u8], directory: impl AsRef<[u8]>) -> bool {
    let rest = path.strip_prefix(directory.as_ref());
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

/// As it is written behind `submodules=`.
impl fmt::Display for Submodules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let paths = match self {
            Self::All => return f.write_str("true"),
            Self::None => return f.write_str("false"),
            Self::At(paths) => paths,
        };
        for (number, path) in paths.iter().enumerate() {
            let comma = if number == 0 { "" } else { "," };
            let text = percent_encode(path.as_str(), b"&#,");
            // A single directory of this name is no answer.
            let text = match text.as_str() {
                "true" => "%74rue",
                "false" => "%66alse",
                text => text,
            };
            write!(f, "{comma}{text}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(paths: &[&str]) -> Submodules {
        Submodules::at(paths.iter().map(|path| path.parse().unwrap()).collect())
    }

    #[test]
    fn which_submodules_are_wanted_reads_back_from_what_it_prints() {
        for paths in [&["a"][..], &["a/b", "c,d&e#f%"], &["true"], &["false"], &["true", "ü"], &[]]
        {
            let written = at(paths).to_string();
            assert_eq!(Submodules::read(&written), Some(at(paths)), "{written}");
        }
        for (text, read) in [
            ("true", Some(Submodules::All)),
            ("false", Some(Submodules::None)),
            ("", None),
            ("../a", None),
            ("a,", None),
            ("/a", None),
        ] {
            assert_eq!(Submodules::read(text), read, "{text:?}");
        }
    }

    #[test]
    fn a_path_means_the_submodules_at_it_below_it_and_on_the_way_to_it() {
        let wanted = at(&["vendor/a", "outer/inner"]);
        for (path, is_wanted) in [
            ("vendor/a", true),
            ("vendor/a/nested", true),
            ("vendor/ab", false),
            ("vendor", true),
            ("outer", true),
            ("outer/inner", true),
            ("outer/other", false),
            ("b", false),
        ] {
            assert_eq!(wanted.has(path.as_bytes()), is_wanted, "{path}");
        }
        assert!(Submodules::All.has(b"b") && !Submodules::None.has(b"b"));
    }

    #[test]
    fn a_path_that_names_no_submodule_is_found() {
        let wanted = at(&["a", "vendor"]);
        let there = [&b"vendor/x"[..], b"ab"];
        assert_eq!(wanted.unmet(&there).map(Subdirectory::as_str), Some("a"));
        assert_eq!(at(&["vendor"]).unmet(&there), None);
        assert_eq!(Submodules::All.unmet(&[]), None);
    }
}
