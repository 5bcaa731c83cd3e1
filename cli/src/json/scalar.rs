//! Digests, revisions and times, and lists of texts.

use std::{fmt, ops::Deref, path::PathBuf};

use modstore::Generation;
use schemars::JsonSchema;
use serde::Serialize;

use crate::time;

/// The name of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline)]
pub(crate) struct Digest(#[schemars(with = "modstore::Digest")] String);

impl From<modstore::Digest> for Digest {
    fn from(digest: modstore::Digest) -> Self {
        Self(digest.to_string())
    }
}

impl Deref for Digest {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// A git commit: 40 hex digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(extend("pattern" = "^[0-9a-f]{40}$"))]
pub(crate) struct Revision(String);

impl Revision {
    /// The commit that `text` names in full.
    pub(crate) fn new(text: impl fmt::Display) -> Self {
        Self(text.to_string())
    }
}

impl Deref for Revision {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// A time in UTC with milliseconds: `2026-11-20T19:21:02.123Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(into = "String")]
#[schemars(extend("pattern" = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"))]
pub(crate) struct Time(u64);

impl Time {
    /// So many milliseconds since 1970.
    pub(crate) const fn new(at: u64) -> Self {
        Self(at)
    }

    /// In the time zone of the reader: `2026-11-20 19:21:02`.
    pub(crate) fn local(self) -> String {
        time::local(self.0)
    }

    /// How long ago it was: `now`, `3 min`, `5 h`.
    pub(crate) fn age(self) -> String {
        time::age(self.0, time::now())
    }

    /// How long ago it was, in a sentence: `just now`, `3 min ago`.
    pub(crate) fn ago(self) -> String {
        match self.age() {
            age if age == "now" => "just now".into(),
            age => format!("{age} ago"),
        }
    }

    /// How long until then: `now`, `in 20 s`.
    pub(crate) fn left(self) -> String {
        time::left(self.0, time::now())
    }
}

impl From<Time> for String {
    fn from(time: Time) -> Self {
        time::stamp(time.0)
    }
}

/// Each item as text.
pub(crate) fn texts(items: impl IntoIterator<Item = impl fmt::Display>) -> Vec<String> {
    items.into_iter().map(|item| item.to_string()).collect()
}

/// Each path as text; what is not Unicode in it becomes U+FFFD.
pub(crate) fn paths<'p>(paths: impl IntoIterator<Item = &'p PathBuf>) -> Vec<String> {
    texts(paths.into_iter().map(|path| path.display()))
}

/// Each generation as its number.
pub(crate) fn numbers<'g>(generations: impl IntoIterator<Item = &'g Generation>) -> Vec<u64> {
    generations.into_iter().map(|generation| generation.number()).collect()
}
