//! [`DistributionName`]: what Python's installers call a project, whatever way it is spelled.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A distribution's name in its normal form: lower case, runs of `-`, `_` and `.` are one `-`.
///
/// Source: <https://packaging.python.org/en/latest/specifications/name-normalization/>.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DistributionName(String);

/// The text is no distribution's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is no name of a distribution: letters, digits, `.`, `_` and `-`, with a letter or digit at both ends"
)]
pub struct ParseDistributionNameError {
    text: String,
}

impl DistributionName {
    /// The name in its normal form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form that stands in file names, with `_` for `-`.
    #[must_use]
    pub fn in_file_names(&self) -> String {
        self.0.replace('-', "_")
    }
}

impl FromStr for DistributionName {
    type Err = ParseDistributionNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_end = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if !is_end(text.chars().next())
            || !is_end(text.chars().last())
            || !text.chars().all(is_allowed)
        {
            return Err(ParseDistributionNameError { text: text.to_owned() });
        }
        let mut name = String::with_capacity(text.len());
        for c in text.chars() {
            match c {
                '.' | '_' | '-' if name.ends_with('-') => {}
                '.' | '_' | '-' => name.push('-'),
                c => name.push(c.to_ascii_lowercase()),
            }
        }
        Ok(Self(name))
    }
}

impl fmt::Display for DistributionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for DistributionName {
    type Error = ParseDistributionNameError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<DistributionName> for String {
    fn from(name: DistributionName) -> Self {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_spellings_of_a_name_are_one_name() {
        for text in ["friendly-bard", "Friendly-Bard", "FRIENDLY.BARD", "friendly._-__bard"] {
            let name: DistributionName = text.parse().unwrap();
            assert_eq!((name.as_str(), &*name.in_file_names()), ("friendly-bard", "friendly_bard"));
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in ["", "-a", "a_", "a b", "a/b", "é", "a\n"] {
            assert!(text.parse::<DistributionName>().is_err(), "{text:?}");
        }
    }
}
