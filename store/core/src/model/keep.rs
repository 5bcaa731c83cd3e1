//! [`Keep`]: the paths of a module that are its own to write to, as `modules.toml` declares them.
//!
//! Three forms, each a path in the module's directory: `user/**` is a directory with all that is ever in it,
//! `settings.json` a file, and `data/*.db` those files of one directory whose names fit.
//!
//! Lexical only: whether a path fits what upstream ships is found out where the tree is.

use std::{fmt, str::FromStr};

use gix::{
    bstr::BStr,
    glob::{wildmatch, wildmatch::Mode},
};

use super::{
    subdirectory::{ParseSubdirectoryError, Subdirectory},
    toml_fields::{Fields, Placed, TomlFault},
};

/// The longest pattern, in bytes: with what a link's text has before it, it is a path that every system takes.
const LONGEST: usize = 1024;

/// A directory in a module's directory that is the store's own.
const OWN: &str = ".modstore";

/// The paths of a module that survive its updates.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Keep(Vec<KeptPattern>);

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeptPattern {
    /// A directory, whether upstream has it or not.
    Directory(Subdirectory),
    /// A file, whether upstream has it or not; or a directory that upstream has.
    Path(Subdirectory),
    /// The files of one directory whose names fit.
    Names {
        /// The directory; none for the module's own.
        directory: Option<Subdirectory>,
        /// What their names fit.
        glob: String,
    },
}

/// Why a text is no pattern of paths to keep.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseKeepError {
    /// Nothing.
    #[error("it may not be empty")]
    Empty,
    /// It begins with `/`.
    #[error("it is relative to the module's directory, so it may not begin with `/`")]
    Absolute,
    /// A `..` component.
    #[error("it may not leave the module's directory by `..`")]
    Parent,
    /// `.git` or `.modstore`, in whatever case, or a character that no path here has.
    #[error("it may not contain {0}")]
    Name(String),
    /// All of the module, so that no update would change anything.
    #[error("it keeps the whole module, and an update would change nothing any more")]
    Everything,
    /// `*`, `?` or `[` where it cannot be followed by a link.
    #[error(
        "only the last part may have `*`, `?` or `[`: `user/**`, `settings.json` or `data/*.db`"
    )]
    Wildcard,
    /// More bytes than a path has.
    #[error("it is longer than {LONGEST} bytes")]
    Long,
}

impl Keep {
    pub(super) const KEY: &'static str = "keep";

    /// What is kept.
    #[must_use]
    pub fn patterns(&self) -> &[KeptPattern] {
        &self.0
    }

    /// Whether nothing is.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The texts of the key `keep`; none where it is not there.
    pub(super) fn texts(fields: Fields<'_>) -> Result<Vec<String>, Placed<TomlFault>> {
        let texts = fields.texts(Self::KEY);
        let wrong = |_| fields.wrong(Self::KEY, "a list like [\"user/**\", \"*.local.json\"]");
        texts.map_err(wrong).map(Option::unwrap_or_default)
    }

    /// Reads these texts.
    ///
    /// # Errors
    /// The first text that is no pattern, and why.
    pub fn parse(texts: &[String]) -> Result<Self, (String, ParseKeepError)> {
        let read = |text: &String| text.parse().map_err(|error| (text.clone(), error));
        let mut patterns: Vec<KeptPattern> = Vec::new();
        for pattern in texts.iter().map(read) {
            let pattern = pattern?;
            if !patterns.contains(&pattern) {
                patterns.push(pattern);
            }
        }
        Ok(Self(patterns))
    }
}

impl KeptPattern {
    /// Whether a file of this name, in the directory of the pattern, fits.
    #[must_use]
    pub fn fits(&self, name: &BStr) -> bool {
        match self {
            Self::Names { glob, .. } => {
                wildmatch(glob.as_str().into(), name, Mode::NO_MATCH_SLASH_LITERAL)
            }
            Self::Directory(_) | Self::Path(_) => false,
        }
    }
}

impl FromStr for KeptPattern {
    type Err = ParseKeepError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Err(ParseKeepError::Empty);
        }
        if text.len() > LONGEST {
            return Err(ParseKeepError::Long);
        }
        let (body, is_directory) = match text.strip_suffix("**") {
            Some(body) if body.is_empty() || body.ends_with('/') => (body, true),
            _ => (text, text.ends_with('/')),
        };
        let path = path(body)?;
        if is_directory {
            let is_plain = !path.as_str().contains(is_wildcard);
            return is_plain.then_some(Self::Directory(path)).ok_or(ParseKeepError::Wildcard);
        }
        let (directory, name) = match path.as_str().rsplit_once('/') {
            Some((directory, name)) => (Some(directory), name),
            None => (None, path.as_str()),
        };
        if directory.is_some_and(|it| it.contains(is_wildcard)) || name.contains("**") {
            return Err(ParseKeepError::Wildcard);
        }
        if !name.contains(is_wildcard) {
            return Ok(Self::Path(path));
        }
        if directory.is_none() && name.chars().all(|c| c == '*') {
            return Err(ParseKeepError::Everything);
        }
        let glob = name.to_owned();
        let directory = directory.map(self::path).transpose()?;
        Ok(Self::Names { directory, glob })
    }
}

impl fmt::Display for KeptPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(path) => write!(f, "{path}/**"),
            Self::Path(path) => write!(f, "{path}"),
            Self::Names { directory: Some(directory), glob } => write!(f, "{directory}/{glob}"),
            Self::Names { directory: None, glob } => f.write_str(glob),
        }
    }
}

const fn is_wildcard(c: char) -> bool {
    matches!(c, '*' | '?' | '[')
}

fn path(text: &str) -> Result<Subdirectory, ParseKeepError> {
    let read = text.parse::<Subdirectory>().map_err(|error| match error {
        ParseSubdirectoryError::Empty => ParseKeepError::Everything,
        ParseSubdirectoryError::Absolute => ParseKeepError::Absolute,
        ParseSubdirectoryError::Parent => ParseKeepError::Parent,
        ParseSubdirectoryError::DotGit => ParseKeepError::Name("`.git`".into()),
        ParseSubdirectoryError::Character(c) => ParseKeepError::Name(format!("{c:?}")),
    })?;
    match read.as_str().split('/').any(|part| part.eq_ignore_ascii_case(OWN)) {
        true => Err(ParseKeepError::Name(format!("`{OWN}`"))),
        false => Ok(read),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_a_directory_a_path_or_names_in_one_directory() {
        let pattern = |text: &str| text.parse::<KeptPattern>().unwrap();
        let at = |text: &str| text.parse::<Subdirectory>().unwrap();
        for text in ["user/**", "user/", "./user//**"] {
            assert_eq!(pattern(text), KeptPattern::Directory(at("user")), "{text}");
        }
        assert_eq!(pattern("a/b.json"), KeptPattern::Path(at("a/b.json")));
        let names = KeptPattern::Names { directory: Some(at("data")), glob: "*.db".into() };
        assert_eq!(pattern("data/*.db"), names);
        assert!(names.fits("a.db".into()) && !names.fits("a.db.old".into()));
        assert_eq!(pattern("*.local.json").to_string(), "*.local.json");
        assert_eq!(pattern("a/b/").to_string(), "a/b/**");
    }

    #[test]
    fn a_pattern_that_leaves_the_module_or_is_all_of_it_is_refused_with_its_reason() {
        for (text, says) in [
            ("", "empty"),
            ("/etc/passwd", "begin with `/`"),
            ("/**", "begin with `/`"),
            ("../x", "leave the module's directory"),
            ("user/../../x/**", "leave the module's directory"),
            ("**", "the whole module"),
            (".", "the whole module"),
            ("./**", "the whole module"),
            ("*", "the whole module"),
            (".git/**", "`.git`"),
            ("a/.ModStore", "`.modstore`"),
            ("a\\b", "'\\\\'"),
            ("a\0b", "'\\0'"),
            ("*/x", "only the last part"),
            ("user-*/**", "only the last part"),
            ("**/x.json", "only the last part"),
            ("a/**/b", "only the last part"),
            ("a**", "only the last part"),
        ] {
            let error = text.parse::<KeptPattern>().expect_err(text).to_string();
            assert!(error.contains(says), "{text:?}: {error}");
        }
        assert_eq!("a".repeat(LONGEST + 1).parse::<KeptPattern>(), Err(ParseKeepError::Long));
    }
}
