//! [`ModuleName`]: the slot a host loads, which is also a file name in every generation.
//!
//! Two names that differ only in case are two names here; `modules.toml` refuses to hold both.

use std::{borrow::Borrow, fmt, path::Path, str::FromStr};

use serde::{Deserialize, Serialize};

/// A module's name: 1 to 128 ASCII letters, digits, `.`, `_` and `-`, not beginning with `.` or `-`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ModuleName(String);

/// Why a text is not a module name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseModuleNameError {
    /// The text is empty.
    #[error("a module name may not be empty")]
    Empty,
    /// The text is longer than 128 bytes.
    #[error("a module name has at most 128 bytes, this has {bytes}")]
    TooLong {
        /// How many bytes it has.
        bytes: usize,
    },
    /// The first character would make a hidden file or a command line option of it.
    #[error("a module name may not begin with `{first}`")]
    Beginning {
        /// The first character.
        first: char,
    },
    /// A character that not every file system and host takes.
    #[error("a module name has only ASCII letters, digits, `.`, `_` and `-`, not {character:?}")]
    Character {
        /// The first such character.
        character: char,
    },
}

impl ModuleName {
    /// The longest a name may be, in bytes.
    pub const MAX_BYTES: usize = 128;

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A name made of `text` by replacing what may not be in one; `None` if nothing is left.
    pub(super) fn made_from(text: &str) -> Option<Self> {
        let valid = |c: char| if is_allowed(c) { c } else { '-' };
        let name: String = text.chars().map(valid).collect();
        let name: String =
            name.trim_start_matches(['.', '-']).chars().take(Self::MAX_BYTES).collect();
        name.trim_end_matches('-').parse().ok()
    }
}

/// A name is a file name in every generation.
impl AsRef<Path> for ModuleName {
    fn as_ref(&self) -> &Path {
        Path::new(&self.0)
    }
}

/// A name is ordered as its text is, so that a map can be asked by text.
impl Borrow<str> for ModuleName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

fn is_allowed(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | '-')
}

impl FromStr for ModuleName {
    type Err = ParseModuleNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > Self::MAX_BYTES {
            return Err(ParseModuleNameError::TooLong { bytes: text.len() });
        }
        match text.chars().next() {
            None => return Err(ParseModuleNameError::Empty),
            Some(first @ ('.' | '-')) => return Err(ParseModuleNameError::Beginning { first }),
            Some(_) => {}
        }
        match text.chars().find(|&character| !is_allowed(character)) {
            Some(character) => Err(ParseModuleNameError::Character { character }),
            None => Ok(Self(text.to_owned())),
        }
    }
}

impl TryFrom<String> for ModuleName {
    type Error = ParseModuleNameError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ModuleName> for String {
    fn from(name: ModuleName) -> Self {
        name.0
    }
}

impl AsRef<str> for ModuleName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ModuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_can_be_a_file_and_an_argument_anywhere_is_accepted() {
        for good in ["a", "provider-openai", "Tool_2.x", "0", &"x".repeat(128)] {
            assert_eq!(good.parse::<ModuleName>().unwrap().to_string(), good);
        }
    }

    #[test]
    fn a_name_that_could_be_a_path_an_option_or_a_hidden_file_is_refused() {
        for bad in ["", ".", "..", ".a", "-a", "a/b", "a b", "ü", "a\0", "a\n", &"x".repeat(129)] {
            assert!(bad.parse::<ModuleName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_name_made_from_anything_is_a_valid_name_or_none() {
        let table = [
            ("repo", Some("repo")),
            (".github", Some("github")),
            ("my repo!", Some("my-repo")),
            ("ü", None),
            ("", None),
        ];
        for (text, name) in table {
            assert_eq!(
                ModuleName::made_from(text).as_ref().map(ModuleName::as_str),
                name,
                "{text}"
            );
        }
    }

    #[test]
    fn a_name_is_text_in_json_and_a_bad_one_does_not_read() {
        let name: ModuleName = serde_json::from_str("\"a-b\"").unwrap();
        assert_eq!(serde_json::to_string(&name).unwrap(), "\"a-b\"");
        assert!(serde_json::from_str::<ModuleName>("\"../b\"").is_err());
    }
}
