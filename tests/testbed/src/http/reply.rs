//! The repositories behind a server, and a reply from them.

use std::io::{self, Read};

use super::message::Request;

/// Where the answers come from.
pub(crate) trait Repositories: Send + Sync {
    /// Starts the answer. `protocol` is the `Git-Protocol` header.
    fn answer(&self, request: &Request, protocol: Option<&str>) -> io::Result<Reply>;
}

/// A reply whose body may still be in the making.
pub(crate) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Box<dyn Read>,
}

impl Reply {
    /// An `advertisement` or a `result` of upload-pack.
    pub(crate) fn git(kind: &str, body: impl Read + 'static) -> Self {
        let kind = format!("application/x-git-upload-pack-{kind}");
        let headers = [("Content-Type", kind.as_str()), ("Cache-Control", "no-cache")];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self { status: 200, headers: headers.into(), body: Box::new(body) }
    }

    /// An empty reply.
    pub(crate) fn failed(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Box::new(io::empty()) }
    }
}
