//! [`Platform`]: the kind of machine that something was built on.
//!
//! Only a name: which one this machine has is found out where builds are run.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The most bytes of a name.
const LONGEST: usize = 64;

/// A kind of machine, such as `linux-x86_64-glibc-2.36`: what is built on one may not run on another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Platform(String);

/// The text is not the name of a platform.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a platform: up to 64 of `a-z`, `0-9`, `.`, `_` and `-`")]
pub struct ParsePlatformError(String);

impl FromStr for Platform {
    type Err = ParsePlatformError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
        match !text.is_empty() && text.len() <= LONGEST && text.chars().all(is_plain) {
            true => Ok(Self(text.to_owned())),
            false => Err(ParsePlatformError(text.to_owned())),
        }
    }
}

impl TryFrom<String> for Platform {
    type Error = ParsePlatformError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Platform> for String {
    fn from(platform: Platform) -> Self {
        platform.0
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
