//! One cause, one code.

use std::{io, time::Duration};

use gix::{ObjectId, objs::Kind};
use modstore_core::model::{ArchiveKind, FailureCode};

use super::*;
use crate::{
    limits::{ArchiveLimit, PackLimit},
    tree_rules::{RefusedTree, RejectReason},
};

const SECOND: Duration = Duration::from_secs(1);

fn id() -> ObjectId {
    ObjectId::empty_tree(gix::hash::Kind::Sha1)
}

fn word() -> String {
    "word".into()
}

fn words() -> Words {
    Words::of("word")
}

fn refused() -> RefusedTree {
    RefusedTree { path: "a".into(), reason: RejectReason::Absolute }
}

fn transport(error: impl Into<TransportError>) -> FailureCode {
    error.into().code()
}

fn status(status: u16) -> FailureCode {
    transport(ServerError::Status { status, retry_after: None, said: Words::default() })
}

#[test]
fn an_exchange_with_a_server_has_the_code_of_its_cause() {
    let start = |kind: io::ErrorKind| ConnectError::Start { program: word(), source: kind.into() };
    for (code, expected) in [
        (transport(ConnectError::UnknownHost { source: None }), FailureCode::NameResolution),
        (transport(ConnectError::Refused { source: None }), FailureCode::Connection),
        (transport(ConnectError::Timeout(SECOND)), FailureCode::Timeout),
        (transport(ConnectError::Tls { source: word().into() }), FailureCode::Untrusted),
        (transport(ConnectError::HostKey(word())), FailureCode::Untrusted),
        (transport(ConnectError::Proxy(word())), FailureCode::Proxy),
        (transport(start(io::ErrorKind::NotFound)), FailureCode::Program),
        (transport(TransferError::Dropped { source: None }), FailureCode::Connection),
        (transport(TransferError::Idle(SECOND)), FailureCode::Timeout),
        (transport(TransferError::Slow { rate: 1, over: SECOND }), FailureCode::Timeout),
        (transport(TransferError::Overlong(SECOND)), FailureCode::Timeout),
        (transport(TransferError::Chatter(1)), FailureCode::Limit),
        (transport(LoginError::Missing(words())), FailureCode::Authentication),
        (transport(LoginError::NoneGiven(words())), FailureCode::Authentication),
        (transport(LoginError::Refused(words())), FailureCode::Authentication),
        (transport(LoginError::NoRights(words())), FailureCode::Authentication),
        (transport(LoginError::SingleSignOn(words())), FailureCode::Authentication),
        (transport(LoginError::Account(words())), FailureCode::Authentication),
        (transport(LoginError::UnknownKind(word())), FailureCode::Authentication),
        (transport(LoginError::Helper(word())), FailureCode::Program),
        (status(403), FailureCode::Authentication),
        (status(404), FailureCode::NoSuchRepository),
        (status(407), FailureCode::Proxy),
        (status(408), FailureCode::Timeout),
        (status(418), FailureCode::Protocol),
        (status(429), FailureCode::RateLimited),
        (status(500), FailureCode::Server),
        (status(503), FailureCode::RateLimited),
        (transport(ServerError::Redirect(word())), FailureCode::Protocol),
        (transport(ServerError::NoRepository(words())), FailureCode::NoSuchRepository),
        (transport(ServerError::Unavailable(words())), FailureCode::Unavailable),
        (transport(ServerError::Quota(words())), FailureCode::Quota),
        (transport(ServerError::Owner(words())), FailureCode::Untrusted),
        (transport(ServerError::Refused(words())), FailureCode::Server),
        (
            transport(ServerError::RateLimited { status: None, wait: None, said: words() }),
            FailureCode::RateLimited,
        ),
        (status(451), FailureCode::Unavailable),
        (transport(ServerError::NotGiven(word())), FailureCode::NoSuchCommit),
        (transport(ServerError::Moved), FailureCode::NoSuchCommit),
        (transport(ServerError::ObjectFormat(word())), FailureCode::ObjectFormat),
        (transport(ServerError::Said(words())), FailureCode::Server),
        (transport(ServerError::Protocol { source: word().into() }), FailureCode::Protocol),
        (TransportError::Cancelled.code(), FailureCode::Cancelled),
    ] {
        assert_eq!(code, expected);
    }
}

#[test]
fn a_commit_that_is_not_named_has_the_code_of_its_cause() {
    let url = word;
    let failed = RemoteError::Failed {
        stage: RemoteStage::List,
        url: url(),
        source: LoginError::Missing(words()).into(),
    };
    for (error, expected) in [
        (RemoteError::Address { url: url(), source: None }, FailureCode::Source),
        (RemoteError::Forbidden { url: url(), scheme: word() }, FailureCode::Source),
        (RemoteError::Sha256Id { id: word() }, FailureCode::ObjectFormat),
        (RemoteError::Offline { url: url() }, FailureCode::Offline),
        (failed, FailureCode::Authentication),
        (
            RemoteError::NoSuchRef { url: url(), name: word(), near: vec![] },
            FailureCode::NoSuchReference,
        ),
        (
            RemoteError::AmbiguousId { url: url(), digits: word(), commits: vec![id()] },
            FailureCode::AmbiguousReference,
        ),
        (RemoteError::Empty { url: url() }, FailureCode::EmptyRepository),
    ] {
        assert_eq!(error.code(), expected, "{error}");
        assert_eq!(AcquireError::from(error).code(), expected);
    }
}

#[test]
fn a_pack_has_the_code_of_its_cause() {
    let io = || io::Error::other("io");
    let limit = LimitError::TooLarge { what: PackLimit::Object, size: 2, limit: 1 };
    let elsewhere = TagError::LeadsElsewhere { tag: id(), found: id(), listed: id() };
    for (error, expected) in [
        (PackError::Truncated { at: 1, source: None }, FailureCode::Corrupt),
        (PackError::Stream { at: 1, source: io() }, FailureCode::Connection),
        (PackError::corrupt(1, "x"), FailureCode::Corrupt),
        (PackError::MissingObject { id: id(), path: "a".into() }, FailureCode::Corrupt),
        (PackError::Limit(limit), FailureCode::Limit),
        (PackError::Limit(LimitError::Crowded { taken: 1, limit: 1 }), FailureCode::Limit),
        (
            PackError::LargeFile {
                path: "a".into(),
                source: LimitError::TooLarge { what: PackLimit::Object, size: 2, limit: 1 },
            },
            FailureCode::Limit,
        ),
        (PackError::Refused(refused()), FailureCode::RefusedTree),
        (PackError::Spill { path: "a".into(), source: io() }, FailureCode::Store),
        (PackError::BaseDamaged { path: "a".into(), source: None }, FailureCode::Corrupt),
        (PackError::Find { id: id(), source: word().into() }, FailureCode::Corrupt),
        (PackError::Malformed { kind: "tree", id: id() }, FailureCode::Corrupt),
        (PackError::NotACommit { id: id() }, FailureCode::NoSuchCommit),
        (
            PackError::Tag(TagError::OfNoCommit { tag: id(), kind: Kind::Tree }),
            FailureCode::NoSuchCommit,
        ),
        (PackError::Tag(elsewhere), FailureCode::Protocol),
        (PackError::Tag(TagError::Chain { tag: id(), limit: 1 }), FailureCode::Limit),
        (PackError::Tag(TagError::Malformed { tag: id() }), FailureCode::Corrupt),
        (PackError::Cancelled, FailureCode::Cancelled),
    ] {
        assert_eq!(error.code(), expected, "{error}");
        let url = word();
        let whole = AcquireError::Fetch(FetchError::Receive { url, source: error });
        assert_eq!(whole.code(), expected);
    }
}

#[test]
fn an_archive_and_what_surrounds_a_fetch_have_the_code_of_their_cause() {
    let open = ArchiveError::Open { path: "a".into(), source: io::ErrorKind::NotFound.into() };
    let malformed = ArchiveError::Malformed { kind: ArchiveKind::Zip, source: word().into() };
    let damaged = MirrorError::Damaged { url: word(), source: word().into() };
    for (error, expected) in [
        (open.into(), FailureCode::Source),
        (
            ArchiveError::WrongSum { expected: word(), found: word(), is_page: false }.into(),
            FailureCode::Corrupt,
        ),
        (ArchiveError::TooLarge { what: ArchiveLimit::Files, limit: 1 }.into(), FailureCode::Limit),
        (malformed.into(), FailureCode::Corrupt),
        (ArchiveError::Refused(refused()).into(), FailureCode::RefusedTree),
        (damaged.into(), FailureCode::Corrupt),
        (AcquireError::Cancelled, FailureCode::Cancelled),
    ] {
        let error: AcquireError = error;
        assert_eq!(error.code(), expected, "{error}");
    }
}
