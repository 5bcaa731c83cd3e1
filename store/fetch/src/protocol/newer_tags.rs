//! [`newer_tag`]: the tag of the newest version after the one that is followed. Pure.
//!
//! A tag is read as some text, such as `v` or `tool-`, and a version: by PEP 440, or else by SemVer. Only tags with the same
//! text before it are compared. A version that is no pre-release leads to none; and a tag of one number, such as `v1`,
//! only to one of one number, because such a tag often moves along with its line.
//!
//! Limits: tags only, no branches; a version longer than [`LONGEST`] is no version.

use std::{cmp::Ordering, str::FromStr as _};

use gix::{
    ObjectId,
    bstr::{BString, ByteSlice as _},
    protocol::handshake::Ref,
};
use pep440_rs::Version as Pep440;
use semver::Version as SemVer;

/// Bytes of a version.
const LONGEST: usize = 64;

const TAGS: &str = "refs/tags/";

/// A tag of a newer version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewerTag {
    /// Its short name: `v1.2.0`.
    pub name: String,
    /// The commit that it names.
    pub commit: ObjectId,
}

/// A version, by the law that reads it.
enum Version {
    Pep440(Pep440),
    SemVer(SemVer),
}

impl Version {
    /// Reads all of `text`.
    fn read(text: &str) -> Option<Self> {
        if text.len() > LONGEST || !text.starts_with(|first: char| first.is_ascii_digit()) {
            return None;
        }
        let pep440 = Pep440::from_str(text).map(Self::Pep440);
        pep440.ok().or_else(|| SemVer::parse(text).map(Self::SemVer).ok())
    }

    /// Whether it comes before a release. What PEP 440 calls a release after another (`1.0.0-1`) is one before it by
    /// SemVer, and is left alone.
    fn is_pre_release(&self, text: &str) -> bool {
        let by_semver = SemVer::parse(text).is_ok_and(|version| !version.pre.is_empty());
        by_semver || matches!(self, Self::Pep440(version) if version.any_prerelease())
    }

    fn has_one_number(&self) -> bool {
        matches!(self, Self::Pep440(version) if version.release().len() == 1)
    }

    /// Which is newer, where both are read by one law.
    fn order(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Pep440(this), Self::Pep440(other)) => Some(this.cmp(other)),
            (Self::SemVer(this), Self::SemVer(other)) => Some(this.cmp(other)),
            (Self::Pep440(_), Self::SemVer(_)) | (Self::SemVer(_), Self::Pep440(_)) => None,
        }
    }
}

/// The text before the version of a tag, the text of the version, and the version.
fn split(tag: &str) -> Option<(&str, &str, Version)> {
    let mut before = ' ';
    for (at, letter) in tag.char_indices() {
        if letter.is_ascii_digit() && !before.is_ascii_digit() && before != '.' {
            let (lead, text) = tag.split_at(at);
            if let Some(version) = Version::read(text) {
                return Some((lead, text, version));
            }
        }
        before = letter;
    }
    None
}

/// The beginning of the names among which [`newer_tag`] looks; none, if `tag` names no version.
pub(crate) fn prefix(tag: &str) -> Option<BString> {
    let (lead, _, _) = split(tag.strip_prefix(TAGS).unwrap_or(tag))?;
    Some(format!("{TAGS}{lead}").into())
}

/// The tag in `refs` of the newest version after that of the tag with the full name `current`.
pub(crate) fn newer_tag(refs: &[Ref], current: &str) -> Option<NewerTag> {
    let (lead, text, now) = split(current.strip_prefix(TAGS)?)?;
    let is_pre_release = now.is_pre_release(text);
    let newer = refs.iter().filter_map(|each| {
        let (name, object, peeled) = each.unpack();
        let name = name.to_str().ok()?.strip_prefix(TAGS)?;
        let text = name.strip_prefix(lead)?;
        let version = Version::read(text)?;
        let is_release = !version.is_pre_release(text);
        let is_newer = version.order(&now) == Some(Ordering::Greater)
            && version.has_one_number() == now.has_one_number()
            && (is_release || is_pre_release);
        let commit = peeled.or(object).filter(|_| is_newer)?.to_owned();
        Some((is_release, version, NewerTag { name: name.to_owned(), commit }))
    });
    // A release comes before what comes before a release; of two spellings of one version the longer is the fuller.
    let newest = newer.max_by(|(a_is_release, a, a_tag), (b_is_release, b, b_tag)| {
        let order = a_is_release.cmp(b_is_release);
        let order = order.then_with(|| a.order(b).unwrap_or(Ordering::Equal));
        order.then_with(|| (a_tag.name.len(), &a_tag.name).cmp(&(b_tag.name.len(), &b_tag.name)))
    });
    newest.map(|(_, _, tag)| tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn newer(current: &str, tags: &[&str]) -> Option<String> {
        let object = ObjectId::null(gix::hash::Kind::Sha1);
        let tag =
            |name: &&str| Ref::Direct { full_ref_name: format!("{TAGS}{name}").into(), object };
        let mut refs: Vec<Ref> = tags.iter().map(tag).collect();
        refs.push(Ref::Direct { full_ref_name: "refs/heads/v9.9.9".into(), object });
        newer_tag(&refs, &format!("{TAGS}{current}")).map(|tag| tag.name)
    }

    #[test]
    fn the_newest_release_with_the_same_text_before_it_is_found() {
        let tags = [
            "v1.0.0",
            "v1.2.0",
            "v1.10.0",
            "v1.9",
            "v2.0.0-rc.1",
            "v2.0.0b1",
            "v1.11.0.dev1",
            "v1.11.0-1",
            "1.99.0",
            "tool-3.0",
            "nonsense",
            "v1.x",
        ];
        let table = [
            ("v1.0.0", Some("v1.10.0")),
            ("v1.9", Some("v1.10.0")),
            ("v1.10.0", None),
            ("v1.11.0", None),
            ("v2.0.0-rc.0", Some("v2.0.0-rc.1")),
            ("v1.9.0a1", Some("v1.10.0")),
            ("1.0.0", Some("1.99.0")),
            ("tool-1.0", Some("tool-3.0")),
            ("tools-1.0", None),
            ("nonsense", None),
            ("v1", None),
        ];
        for (current, expected) in table {
            assert_eq!(newer(current, &tags).as_deref(), expected, "{current}");
        }
    }

    #[test]
    fn what_only_semver_reads_is_compared_by_semver() {
        let tags = ["v1.0.0-canary.2", "v1.0.0-canary.10", "v1.0.0"];
        assert_eq!(newer("v1.0.0-canary.1", &tags[..2]).as_deref(), Some("v1.0.0-canary.10"));
    }

    #[test]
    fn a_tag_of_one_number_leads_only_to_its_like() {
        let tags = ["v1", "v2", "v3.1.0", "2024", "20240105"];
        assert_eq!(newer("v1", &tags).as_deref(), Some("v2"));
        assert_eq!(newer("v1.0", &tags).as_deref(), Some("v3.1.0"));
        assert_eq!(newer("20240101", &tags).as_deref(), Some("20240105"));
    }

    #[test]
    fn digits_before_the_version_belong_to_the_name() {
        assert_eq!(newer("py3-v1.2", &["py3-v1.3", "py2-v1.9"]).as_deref(), Some("py3-v1.3"));
        assert_eq!(prefix("refs/tags/py3-v1.2"), Some("refs/tags/py3-v".into()));
        assert_eq!(prefix("py3-v1.2"), Some("refs/tags/py3-v".into()));
        assert_eq!(prefix("main"), None);
    }

    #[test]
    fn a_tag_of_any_length_is_read_in_time() {
        let long = "1-".repeat(50_000);
        assert_eq!(newer(&long, &[&long, &"9".repeat(100_000)]), None);
        assert_eq!(newer("1.0", &[&format!("2.{}", "9".repeat(200))]), None);
    }
}
