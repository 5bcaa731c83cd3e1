//! From what a server lists to the one commit that is meant. Pure.
//!
//! Names are read as git reads them: a branch or a tag, or else what lies below `refs/` (`pull/1/head`), or else the
//! first digits of a commit id, which are looked for among the ids of a listing that has all branches and tags.
//!
//! Limits: a listing does not say what kind of object a tag names. A tag of a file or a tree is
//! found out when the pack comes without a commit of that id. A short id of a commit that no name leads to is not found.

use std::cmp::Reverse;

use gix::{
    ObjectId,
    bstr::{BStr, BString, ByteSlice},
    hash::oid,
    protocol::handshake::Ref,
};
use modstore_core::model::distance;

use super::newer_tags::{self, NewerTag, newer_tag};
use crate::errors::RemoteError;

/// What a Source asks of its repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// What the server's `HEAD` names.
    Head,
    /// A branch, a tag, or a full name that begins with `refs/`.
    Named(String),
    /// Exactly this commit.
    Commit(ObjectId),
}

/// The one commit that is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The commit. For an annotated tag, what it names.
    pub commit: ObjectId,
    /// The full name it was found by: `refs/heads/main`. `None` for a commit id, and for a `HEAD`
    /// that names no branch.
    pub name: Option<String>,
    /// The annotated tag object, if there was one on the way.
    pub tag: Option<ObjectId>,
    /// Another commit that has this name too: it is a branch, which is taken as by `git clone --branch`, and this is the tag.
    pub also_a_tag: Option<ObjectId>,
    /// The tag of a newer version, where it is the tag of a version: only of a listing that has such tags.
    pub newer: Option<NewerTag>,
}

impl Resolved {
    /// A commit that is meant by its id.
    fn by_id(commit: ObjectId) -> Self {
        Self { commit, name: None, tag: None, also_a_tag: None, newer: None }
    }
}

/// A commit, and the annotated tag that it is asked for by where no name leads to it straight: servers give what they
/// list, and they list the tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tip {
    /// The commit.
    pub commit: ObjectId,
    /// The tag object, the first one where it is a tag of a tag.
    pub tag: Option<ObjectId>,
}

impl Tip {
    /// The id that the server is asked for.
    pub fn wanted(&self) -> ObjectId {
        self.tag.unwrap_or(self.commit)
    }
}

impl From<ObjectId> for Tip {
    fn from(commit: ObjectId) -> Self {
        Tip { commit, tag: None }
    }
}

/// How many names a "no such ref" gives for comparison.
const NEAR: usize = 10;

/// The prefixes that a listing must have for `wanted` to be found in it.
pub(crate) fn prefixes(wanted: &Wanted) -> Vec<BString> {
    match wanted {
        Wanted::Head => vec!["HEAD".into()],
        Wanted::Named(name) if is_full(name) => vec![name.as_str().into()],
        Wanted::Named(name) => {
            let places = ["refs/heads/", "refs/tags/", "refs/"];
            places.iter().map(|place| format!("{place}{name}").into()).collect()
        }
        Wanted::Commit(_) => Vec::new(),
    }
}

/// The prefix that a listing must have for newer versions of `wanted` to be found in it, if that names a version.
pub(crate) fn prefix_of_newer(wanted: &Wanted) -> Option<BString> {
    match wanted {
        Wanted::Named(name) => newer_tags::prefix(name),
        Wanted::Head | Wanted::Commit(_) => None,
    }
}

/// The commit that `wanted` means in `refs`, which has all that [`prefixes`] asks for.
pub(crate) fn resolve(refs: &[Ref], wanted: &Wanted, url: &str) -> Result<Resolved, RemoteError> {
    match wanted {
        Wanted::Commit(id) => Ok(Resolved::by_id(*id)),
        Wanted::Head => head(refs).ok_or_else(|| missing(refs, "HEAD", url)),
        Wanted::Named(name) if is_full(name) => {
            find(refs, name).ok_or_else(|| missing(refs, name, url))
        }
        Wanted::Named(name) => short(refs, name, url),
    }
}

/// The same, where `refs` has all branches and tags: a short commit id is found, and the error names what there is.
pub(crate) fn resolve_in_all(
    refs: &[Ref],
    wanted: &Wanted,
    url: &str,
) -> Result<Resolved, RemoteError> {
    let found = resolve(refs, wanted, url);
    match wanted {
        Wanted::Named(name) if found.is_err() && is_short_id(name) => {
            by_short_id(refs, name, url)?.map_or(found, Ok)
        }
        Wanted::Head | Wanted::Named(_) | Wanted::Commit(_) => found,
    }
}

/// Whether the text can be the beginning of a commit id: git asks for four digits.
pub fn is_short_id(name: &str) -> bool {
    (4..40).contains(&name.len()) && name.bytes().all(|digit| digit.is_ascii_hexdigit())
}

/// Whether the text can only be meant as the id of a commit of a SHA-256 repository.
#[must_use]
pub fn is_sha256_id(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|digit| digit.is_ascii_hexdigit())
}

/// The one commit that has, or whose tag has, an id that begins like this.
fn by_short_id(refs: &[Ref], digits: &str, url: &str) -> Result<Option<Resolved>, RemoteError> {
    let digits = digits.to_ascii_lowercase();
    let begins_so = |id: &oid| id.to_string().starts_with(&digits);
    let mut found: Vec<Resolved> = Vec::new();
    for each in refs {
        let (_, object, peeled) = each.unpack();
        let is_meant = [object, peeled].into_iter().flatten().any(begins_so);
        let Some(commit) = peeled.or(object).filter(|_| is_meant) else { continue };
        if found.iter().all(|other| other.commit != commit) {
            found.push(Resolved::by_id(commit.to_owned()));
        }
    }
    if found.len() > 1 {
        let mut commits: Vec<ObjectId> = found.iter().map(|each| each.commit).collect();
        commits.sort_unstable();
        return Err(RemoteError::AmbiguousId { url: url.to_owned(), digits, commits });
    }
    Ok(found.pop())
}

/// How to ask a server that lists `refs` for `commit`; `None` where no name leads to it.
pub(crate) fn tip_of(refs: &[Ref], commit: ObjectId) -> Option<Tip> {
    let mut tagged = None;
    for each in refs {
        match each.unpack() {
            (_, Some(object), None) if object == commit => return Some(commit.into()),
            (_, Some(tag), Some(peeled)) if peeled == commit => {
                tagged.get_or_insert(Tip { commit, tag: Some(tag.to_owned()) });
            }
            _ => {}
        }
    }
    tagged
}

/// The ids by which the branches, the tags and `HEAD` can be asked for.
pub(crate) fn tips_in(refs: &[Ref]) -> Vec<ObjectId> {
    let is_followed = |name: &BStr| {
        name == "HEAD" || name.starts_with(b"refs/heads/") || name.starts_with(b"refs/tags/")
    };
    let mut tips: Vec<ObjectId> = refs
        .iter()
        .filter_map(|each| {
            let (name, object, peeled) = each.unpack();
            Some(object.or(peeled).filter(|_| is_followed(name))?.to_owned())
        })
        .collect();
    tips.sort_unstable();
    tips.dedup();
    tips
}

/// The error for a name that is not there; `refs` should be all branches and tags.
pub(crate) fn missing(refs: &[Ref], name: &str, url: &str) -> RemoteError {
    let url = url.to_owned();
    let near = nearest(refs, name);
    if near.is_empty() && head(refs).is_none() {
        return RemoteError::Empty { url };
    }
    RemoteError::NoSuchRef { url, name: name.to_owned(), near }
}

fn is_full(name: &str) -> bool {
    name.starts_with("refs/") || name == "HEAD"
}

fn head(refs: &[Ref]) -> Option<Resolved> {
    let mut found = find(refs, "HEAD")?;
    found.name = refs.iter().find_map(|each| match each {
        Ref::Symbolic { full_ref_name, target, .. } if full_ref_name == "HEAD" => {
            Some(target.to_string())
        }
        _ => None,
    });
    Some(found)
}

fn short(refs: &[Ref], name: &str, url: &str) -> Result<Resolved, RemoteError> {
    let branch = find(refs, &format!("refs/heads/{name}"));
    let tag = find(refs, &format!("refs/tags/{name}"));
    match (branch, tag) {
        (Some(branch), Some(tag)) if branch.commit != tag.commit => {
            Ok(Resolved { also_a_tag: Some(tag.commit), ..branch })
        }
        (Some(found), _) | (None, Some(found)) => Ok(found),
        (None, None) => find(refs, &format!("refs/{name}")).ok_or_else(|| missing(refs, name, url)),
    }
}

fn find(refs: &[Ref], full: &str) -> Option<Resolved> {
    refs.iter().find_map(|each| {
        let (name, object, peeled) = each.unpack();
        if name != full {
            return None;
        }
        let object = object?.to_owned();
        let peeled = peeled.map(ToOwned::to_owned);
        Some(Resolved {
            commit: peeled.unwrap_or(object),
            name: Some(name.to_string()),
            tag: peeled.map(|_| object),
            also_a_tag: None,
            newer: newer_tag(refs, full),
        })
    })
}

/// Up to [`NEAR`] branch and tag names, the most similar first.
fn nearest(refs: &[Ref], name: &str) -> Vec<String> {
    let full = is_full(name);
    let mut names: Vec<(Reverse<usize>, String)> = refs
        .iter()
        .filter_map(|each| shown_name(each.unpack().0, full))
        .map(|each| (Reverse(similarity(&each, name)), each))
        .collect();
    names.sort();
    names.dedup_by(|a, b| a.1 == b.1);
    names.into_iter().take(NEAR).map(|(_, name)| name).collect()
}

fn shown_name(name: &BStr, full: bool) -> Option<String> {
    let short = name.strip_prefix(b"refs/heads/").or_else(|| name.strip_prefix(b"refs/tags/"))?;
    Some(if full { name.to_string() } else { short.to_str_lossy().into_owned() })
}

/// The more, the more alike: a thousandth of the letters that stay when one is edited into the other.
fn similarity(a: &str, b: &str) -> usize {
    let (a, b): (String, String) = (a.chars().take(64).collect(), b.chars().take(64).collect());
    let longest = a.chars().count().max(b.chars().count()).max(1);
    (longest - distance(&a, &b)) * 1000 / longest
}

#[cfg(test)]
mod tests {
    use gix::{ObjectId, protocol::handshake::Ref};

    use super::{Tip, Wanted, resolve, resolve_in_all, tip_of};
    use crate::errors::RemoteError;

    fn id(digit: char) -> ObjectId {
        ObjectId::from_hex(digit.to_string().repeat(40).as_bytes()).unwrap()
    }

    fn direct(name: &str, digit: char) -> Ref {
        Ref::Direct { full_ref_name: name.into(), object: id(digit) }
    }

    fn named(name: &str) -> Wanted {
        Wanted::Named(name.into())
    }

    #[test]
    fn of_a_branch_and_a_tag_of_one_name_the_branch_is_meant_and_the_tag_is_named() {
        let mut refs = vec![direct("refs/heads/v1", '1'), direct("refs/tags/v1", '1')];
        let both = |refs: &[Ref]| {
            let found = resolve(refs, &named("v1"), "u").unwrap();
            (found.commit, found.also_a_tag)
        };
        assert_eq!(both(&refs), (id('1'), None));
        refs[1] =
            Ref::Peeled { full_ref_name: "refs/tags/v1".into(), tag: id('1'), object: id('2') };
        assert_eq!(both(&refs), (id('1'), Some(id('2'))));
        assert_eq!(resolve(&refs, &named("refs/tags/v1"), "u").unwrap().tag, Some(id('1')));
    }

    #[test]
    fn a_name_below_refs_is_found_when_it_is_neither_a_branch_nor_a_tag() {
        let mut refs = vec![direct("refs/pull/1/head", '1'), direct("refs/heads/main", '2')];
        let commit =
            |refs: &[Ref], name: &str| resolve(refs, &named(name), "u").map(|each| each.commit);
        assert_eq!(commit(&refs, "pull/1/head").unwrap(), id('1'));
        assert_eq!(commit(&refs, "heads/main").unwrap(), id('2'));
        refs.push(direct("refs/tags/pull/1/head", '3'));
        assert_eq!(commit(&refs, "pull/1/head").unwrap(), id('3'));
    }

    #[test]
    fn the_first_digits_of_a_listed_id_are_its_commit_unless_they_are_a_name_or_begin_several() {
        let tag =
            Ref::Peeled { full_ref_name: "refs/tags/x".into(), tag: id('d'), object: id('2') };
        let mut refs = vec![tag, direct("refs/heads/main", 'a'), direct("HEAD", 'a')];
        let commit = |refs: &[Ref], name: &str| {
            resolve_in_all(refs, &named(name), "u").map(|each| (each.commit, each.name))
        };
        assert_eq!(commit(&refs, "aaaaaaa").unwrap(), (id('a'), None));
        assert_eq!(commit(&refs, "AAAA").unwrap(), (id('a'), None));
        assert_eq!(commit(&refs, "ddddddd").unwrap(), (id('2'), None), "a tag's id is its commit");
        for none in ["aaa", "bbbb", "aaaab", "aaaag"] {
            let error = commit(&refs, none).unwrap_err();
            assert!(matches!(error, RemoteError::NoSuchRef { .. }), "{none}: {error}");
        }
        refs.push(direct("refs/heads/aaaaaaa", '5'));
        assert_eq!(commit(&refs, "aaaaaaa").unwrap().0, id('5'), "a name comes first");
        let mut other = "a".repeat(39);
        other.push('b');
        let object = ObjectId::from_hex(other.as_bytes()).unwrap();
        refs.push(Ref::Direct { full_ref_name: "refs/heads/other".into(), object });
        let RemoteError::AmbiguousId { commits, .. } = commit(&refs, "aaaa").unwrap_err() else {
            panic!("two commits begin like this")
        };
        assert_eq!(commits, [id('a'), object]);
    }

    #[test]
    fn a_commit_is_asked_for_by_its_own_id_unless_only_a_tag_leads_to_it() {
        let tag =
            Ref::Peeled { full_ref_name: "refs/tags/x".into(), tag: id('1'), object: id('2') };
        let refs = [tag, direct("refs/tags/y", '3')];
        assert_eq!(tip_of(&refs, id('2')), Some(Tip { commit: id('2'), tag: Some(id('1')) }));
        assert_eq!(tip_of(&refs, id('3')), Some(id('3').into()));
        assert_eq!(tip_of(&refs, id('1')), None, "a tag object is no commit");
        let refs = [&refs[..], &[direct("refs/heads/main", '2')]].concat();
        assert_eq!(tip_of(&refs, id('2')), Some(id('2').into()));
    }

    #[test]
    fn only_the_whole_name_is_a_match() {
        let refs = [
            direct("HEAD", '1'),
            direct("refs/heads/main2", '1'),
            direct("refs/heads/a/main", '1'),
        ];
        let RemoteError::NoSuchRef { near, .. } = resolve(&refs, &named("main"), "u").unwrap_err()
        else {
            panic!("not a missing ref")
        };
        assert_eq!(near, ["main2", "a/main"]);
    }

    #[test]
    fn a_repository_without_commits_is_empty_and_not_without_a_ref() {
        let unborn =
            [Ref::Unborn { full_ref_name: "HEAD".into(), target: "refs/heads/main".into() }];
        for refs in [&[][..], &unborn[..]] {
            for wanted in [Wanted::Head, named("main")] {
                assert!(
                    matches!(resolve(refs, &wanted, "u"), Err(RemoteError::Empty { .. })),
                    "{wanted:?}"
                );
            }
        }
    }
}
