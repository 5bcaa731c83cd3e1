//! [`RecordedSource`]: a source as the journal holds it, without any secret.
//!
//! The text is what counts: it is written back as it was read, and two records have the same source if they have the
//! same text. What it means is found out when it is asked for, by the rules of today. A text that they refuse, from
//! another version or from a journal that was made again, is no source and stays readable.

use std::{
    fmt,
    hash::{Hash, Hasher},
    path::Path,
    sync::{Arc, OnceLock},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Source;

/// Where a module came from, as it is recorded: a [`Source`] that has no password and no token.
#[derive(Clone)]
pub struct RecordedSource {
    text: Box<str>,
    /// What the text means. Every command reads the whole journal and few ask for this, so it waits until then; made
    /// from a source, it is there from the beginning.
    meaning: OnceLock<Option<Arc<Source>>>,
}

impl RecordedSource {
    /// The text of a module of which nothing is known but its tree. It reads as no source.
    const UNKNOWN: &str = "unknown";

    /// The source of a module of which nothing is known but its tree.
    #[must_use]
    pub fn unknown() -> Self {
        Self::read(Self::UNKNOWN)
    }

    /// The source that was recorded as this text: what a journal holds, which never has a secret.
    #[must_use]
    pub fn read(text: impl Into<Box<str>>) -> Self {
        Self { text: text.into(), meaning: OnceLock::new() }
    }

    /// The source; `None` where the text is none by the rules of this version.
    #[must_use]
    pub fn source(&self) -> Option<&Source> {
        // What is recorded is absolute, so it does not matter what relative paths begin at.
        let meaning = || Source::parse(&self.text, Path::new("/"), None).ok().map(Arc::new);
        self.meaning.get_or_init(meaning).as_deref()
    }

    /// The text, as a person would write it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl From<&Source> for RecordedSource {
    fn from(source: &Source) -> Self {
        let bare = source.without_secret();
        let text = bare.to_string().into();
        Self { text, meaning: OnceLock::from(Some(Arc::new(bare))) }
    }
}

impl Serialize for RecordedSource {
    fn serialize<S: Serializer>(&self, into: S) -> Result<S::Ok, S::Error> {
        into.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for RecordedSource {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(Self::read)
    }
}

impl PartialEq for RecordedSource {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for RecordedSource {}

impl Hash for RecordedSource {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl fmt::Debug for RecordedSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecordedSource({})", self.text)
    }
}

impl fmt::Display for RecordedSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source::parse(text, Path::new("/"), None).unwrap()
    }

    #[test]
    fn a_source_is_recorded_without_its_secret() {
        let recorded = RecordedSource::from(&source("https://me:secret@example.com/o/r.git@main"));
        assert!(!recorded.as_str().contains("secret"));
        assert!(recorded.source().is_some_and(|source| !source.has_secret()));
    }

    #[test]
    fn what_is_recorded_means_the_same_when_it_is_read_again() {
        for text in [
            "git+https://example.com/o/r@main#subdirectory=a/b",
            "git@example.com:o/r",
            "archive+https://example.com/a.zip#sha256=e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "/home/me/src",
        ] {
            let recorded = RecordedSource::from(&source(text));
            let read = RecordedSource::read(recorded.as_str());
            assert_eq!(read, recorded);
            assert_eq!(read.source(), recorded.source(), "{text}");
            assert_eq!(read.source(), Some(&source(text)), "{text}");
        }
    }

    #[test]
    fn a_text_that_is_no_source_is_kept_as_it_is() {
        for text in ["unknown", "", "oci://example.com/a:1", "https://", "../relative\n"] {
            let read = RecordedSource::read(text);
            assert_eq!(read.as_str(), text);
            assert!(read.source().is_none() || text.starts_with(".."), "{text}");
        }
        assert_eq!(RecordedSource::unknown().source(), None);
    }
}
