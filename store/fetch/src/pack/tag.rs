//! From an annotated tag to the commit it names, by the tag objects themselves.
//!
//! A server says in its listing which commit a tag leads to. That is a claim: the tag objects come with the pack,
//! each is known by its id, and they are followed here.

use gix::{
    ObjectId,
    objs::{Kind, TagRef},
};

use crate::{
    errors::{PackError, TagError},
    protocol::Tip,
};

/// Tags of tags are followed so far. git itself knows no limit; two are the most in practice.
const LONGEST_CHAIN: usize = 32;

/// Fails unless the tag of `tip`, if it has one, leads to its commit. `find` gives the kind and the bytes of an object
/// that is what its id says, and nothing where it is not there.
pub(crate) fn check_tag(
    tip: Tip,
    mut find: impl FnMut(&ObjectId) -> Result<Option<(Kind, Vec<u8>)>, PackError>,
) -> Result<(), PackError> {
    let Some(tag) = tip.tag else { return Ok(()) };
    let mut at = tag;
    for _ in 0..LONGEST_CHAIN {
        let found = find(&at)?;
        let (kind, data) =
            found.ok_or_else(|| PackError::MissingObject { id: at, path: "".into() })?;
        let (target, kind) = target_of(kind, &data).ok_or(TagError::Malformed { tag: at })?;
        match kind {
            Kind::Tag => at = target,
            Kind::Commit if target == tip.commit => return Ok(()),
            Kind::Commit => {
                return Err(
                    TagError::LeadsElsewhere { tag, found: target, listed: tip.commit }.into()
                );
            }
            Kind::Tree | Kind::Blob => return Err(TagError::OfNoCommit { tag, kind }.into()),
        }
    }
    Err(TagError::Chain { tag, limit: LONGEST_CHAIN }.into())
}

fn target_of(kind: Kind, data: &[u8]) -> Option<(ObjectId, Kind)> {
    let tag = TagRef::from_bytes(data, gix::hash::Kind::Sha1).ok();
    tag.filter(|_| kind == Kind::Tag).map(|tag| (tag.target(), tag.target_kind))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn id(number: usize) -> ObjectId {
        ObjectId::from_hex(format!("{number:040}").as_bytes()).unwrap()
    }

    fn tag(target: usize, kind: &str) -> (Kind, Vec<u8>) {
        let text =
            format!("object {}\ntype {kind}\ntag t\ntagger a <a@b> 1 +0000\n\nx\n", id(target));
        (Kind::Tag, text.into_bytes())
    }

    fn checked(objects: &[(usize, (Kind, Vec<u8>))]) -> Result<(), PackError> {
        let objects: HashMap<_, _> = objects.iter().map(|(at, each)| (id(*at), each)).collect();
        let tip = Tip { commit: id(0), tag: Some(id(1)) };
        check_tag(tip, |id| Ok(objects.get(id).map(|(kind, data)| (*kind, data.clone()))))
    }

    #[test]
    fn a_tag_leads_to_the_commit_that_was_listed_or_is_refused_by_what_is_wrong() {
        checked(&[(1, tag(0, "commit"))]).unwrap();
        checked(&[(1, tag(2, "tag")), (2, tag(0, "commit"))]).unwrap();
        let wrong = |objects: &[_]| checked(objects).unwrap_err();
        let elsewhere = wrong(&[(1, tag(2, "tag")), (2, tag(3, "commit"))]);
        assert!(
            matches!(elsewhere, PackError::Tag(TagError::LeadsElsewhere { found, .. }) if found == id(3))
        );
        for (kind, text) in [(Kind::Tree, "tree"), (Kind::Blob, "blob")] {
            let error = wrong(&[(1, tag(0, text))]);
            assert!(
                matches!(error, PackError::Tag(TagError::OfNoCommit { kind: found, .. }) if found == kind)
            );
        }
        let absent = wrong(&[(1, tag(2, "tag"))]);
        assert!(matches!(absent, PackError::MissingObject { id: lost, .. } if lost == id(2)));
        for broken in [(Kind::Tag, b"object 12\n".to_vec()), (Kind::Commit, tag(0, "commit").1)] {
            assert!(
                matches!(wrong(&[(1, broken)]), PackError::Tag(TagError::Malformed { tag }) if tag == id(1))
            );
        }
    }

    #[test]
    fn a_chain_of_tags_has_an_end() {
        let chain = |length: usize| -> Vec<_> {
            let last = (length, tag(0, "commit"));
            (1..length).map(|at| (at, tag(at + 1, "tag"))).chain([last]).collect()
        };
        checked(&chain(LONGEST_CHAIN)).unwrap();
        let error = checked(&chain(LONGEST_CHAIN + 1)).unwrap_err();
        assert!(
            matches!(error, PackError::Tag(TagError::Chain { limit: LONGEST_CHAIN, .. })),
            "{error:?}"
        );
    }
}
