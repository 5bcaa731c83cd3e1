//! [`Reference`]: which commit of a repository is meant.
//!
//! Only the form of a name is checked; whether a remote has it, and as what, is for the ref listing.

use std::{fmt, str::FromStr};

use super::Revision;

/// A branch, tag or other ref by name, or one commit by its id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reference {
    /// A ref as written: short (`main`, `v1.2`, `feature/x`) or full (`refs/heads/main`).
    Named(String),
    /// A full commit id. Forty hex digits are always taken for one.
    Commit(Revision),
}

/// The text breaks a rule that git has for the names of refs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} cannot be the name of a git ref: {rule}")]
pub struct ParseReferenceError {
    text: String,
    rule: &'static str,
}

impl ParseReferenceError {
    /// The rule that is broken, as a clause: "it may not …".
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        self.rule
    }
}

impl FromStr for Reference {
    type Err = ParseReferenceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(revision) = text.parse() {
            return Ok(Self::Commit(revision));
        }
        match broken_rule(text) {
            Some(rule) => Err(ParseReferenceError { text: text.to_owned(), rule }),
            None => Ok(Self::Named(text.to_owned())),
        }
    }
}

/// The rules of `git check-ref-format`, and that a name is never taken for an option.
fn broken_rule(name: &str) -> Option<&'static str> {
    // Most names break none of them at the first look, and a thousand are read for one answer.
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if !name.is_empty() && !name.starts_with('-') && name.bytes().all(is_plain) {
        return None;
    }
    let forbidden = |c: char| c.is_ascii_control() || " ~^:?*[\\".contains(c);
    let rules = [
        (name.is_empty(), "it may not be empty"),
        (name == "@", "it may not be `@`"),
        (name.starts_with('-'), "it may not begin with `-`"),
        (
            name.contains(forbidden),
            "it may not contain a space, control character or any of ~^:?*[\\",
        ),
        (name.contains(".."), "it may not contain `..`"),
        (name.contains("@{"), "it may not contain `@{`"),
        (name.ends_with('.'), "it may not end with `.`"),
        (name.split('/').any(str::is_empty), "it may not begin or end with `/` or contain `//`"),
        (name.split('/').any(|part| part.starts_with('.')), "no part may begin with `.`"),
        (name.split('/').any(|part| part.ends_with(".lock")), "no part may end with `.lock`"),
    ];
    rules.into_iter().find_map(|(broken, rule)| broken.then_some(rule))
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) => f.pad(name),
            Self::Commit(revision) => revision.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_git_accepts_is_a_reference() {
        for name in [
            "main",
            "v1.2.3",
            "feature/x",
            "a@b",
            "refs/heads/x",
            "refs/tags/x",
            "HEAD",
            "fix#1",
            "deadbeef",
            "ü",
            "a{b",
            "x-",
            "%41",
        ] {
            assert_eq!(name.parse(), Ok(Reference::Named(name.to_owned())), "{name}");
        }
    }

    #[test]
    fn forty_hex_digits_are_a_commit() {
        let hex = "A".repeat(40);
        let reference: Reference = hex.parse().unwrap();
        assert_eq!(reference, Reference::Commit(Revision::from_bytes([0xaa; 20])));
        assert_eq!(reference.to_string(), "a".repeat(40));
    }

    #[test]
    fn a_name_that_git_would_refuse_is_refused() {
        for name in [
            "", "@", "-x", "a b", "a..b", "a~1", "a^", "a:b", "a?", "a*", "a[0", "a\\b", "a\tb",
            "a\x7f", "HEAD@{1}", "x.lock", "x.lock/y", "x/", "/x", "a//b", "a.", ".a", "a/.b",
        ] {
            assert!(name.parse::<Reference>().is_err(), "{name:?}");
        }
    }
}
