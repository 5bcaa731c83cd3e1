//! [`Endpoint`]: where the content of a repository's Git LFS files is asked for.
//!
//! The order is that of git-lfs: `lfs.url`, `remote.origin.lfsurl`, and else a place made of the repository's address:
//! `<address>.git/info/lfs` over HTTP, the same machine over ssh, the repository itself where it lies on this machine.
//!
//! Limits: the transfer of content through ssh (`git-lfs-transfer`) and transfer programs are not used.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _, path::PathBuf};

use gix::url::Scheme;

use super::settings::{Author, LfsSettings};
use crate::{
    errors::{LfsError, RemoteError},
    transport::{Access, RemoteUrl, http_origin},
};

/// A place that has the content of files.
pub(super) enum Endpoint {
    /// A server that speaks the batch protocol.
    Http(HttpEndpoint),
    /// A machine that says, over ssh, where that server is; and where it is if it does not say.
    Ssh(Box<(RemoteUrl, HttpEndpoint)>),
    /// A repository on this machine.
    Local(PathBuf),
}

/// The address of a server that speaks the batch protocol.
#[derive(Clone)]
pub(super) struct HttpEndpoint {
    pub(super) remote: RemoteUrl,
    /// What follows, in the address, the one that credential helpers know.
    pub(super) tail: String,
    /// Whether a person named it, and not only the repository.
    pub(super) is_own: bool,
}

/// Finds the place for the repository that `access` is for.
pub(super) fn endpoint(access: &Access, settings: &LfsSettings<'_>) -> Result<Endpoint, LfsError> {
    let Some((url, author)) = settings.url() else {
        return Ok(beside(&access.remote, &settings.git_protocol()));
    };
    let mut named = access.config.remote_url(&url).map_err(|error| refused(error, author))?;
    let is_local = |remote: &RemoteUrl| remote.url.scheme == Scheme::File;
    if author == Author::Repository && is_local(&named) && !is_local(&access.remote) {
        let why = "a repository of another machine may not name a place on this one";
        return Err(LfsError::Place { url: named.redacted, why });
    }
    if !matches!(named.url.scheme, Scheme::Http | Scheme::Https) {
        return Ok(beside(&named, &settings.git_protocol()));
    }
    let is_same = origin_of(&named) == origin_of(&access.remote);
    if is_same && named.login.is_none() && named.url.user().is_none() {
        named.login = access.remote.login.clone();
        named.url.set_user(access.remote.url.user().map(str::to_owned));
    }
    trim(&mut named);
    let is_own = author == Author::Person || is_same;
    Ok(Endpoint::Http(HttpEndpoint { remote: named, tail: String::new(), is_own }))
}

fn refused(error: RemoteError, author: Author) -> LfsError {
    let files = match author {
        Author::Person => "all files (lfs.url in the git configuration)",
        Author::Repository => "all files (lfs.url in `.lfsconfig`)",
    };
    LfsError::Exchange { files: files.to_owned(), source: error }
}

/// The place that belongs to a repository's address.
fn beside(remote: &RemoteUrl, git_protocol: &str) -> Endpoint {
    let mut remote = remote.clone();
    trim(&mut remote);
    let is_own = true;
    match remote.url.scheme {
        Scheme::Http | Scheme::Https => Endpoint::Http(with_tail(remote, is_own)),
        Scheme::Ssh => {
            let mut guess = remote.clone();
            guess.url.scheme = Scheme::Https;
            guess.url.port = None;
            guess.url.set_user(None);
            if !guess.url.path.starts_with(b"/") {
                guess.url.path.insert(0, b'/');
            }
            Endpoint::Ssh(Box::new((remote, with_tail(guess, is_own))))
        }
        Scheme::Git => {
            remote.url.scheme = if git_protocol == "http" { Scheme::Http } else { Scheme::Https };
            Endpoint::Http(with_tail(remote, is_own))
        }
        _ => Endpoint::Local(PathBuf::from(OsStr::from_bytes(&remote.url.path))),
    }
}

fn with_tail(mut remote: RemoteUrl, is_own: bool) -> HttpEndpoint {
    let has_ending = remote.url.path.ends_with(b".git");
    let tail = if has_ending { "/info/lfs" } else { ".git/info/lfs" }.to_owned();
    remote.url.path.extend_from_slice(tail.as_bytes());
    remote.redacted.push_str(&tail);
    HttpEndpoint { remote, tail, is_own }
}

fn trim(remote: &mut RemoteUrl) {
    while remote.url.path.ends_with(b"/") && remote.url.path.len() > 1 {
        remote.url.path.pop();
    }
    remote.redacted.truncate(remote.redacted.trim_end_matches('/').len());
}

fn origin_of(remote: &RemoteUrl) -> Option<crate::transport::HttpOrigin> {
    http_origin(&remote.url.to_bstring().to_string())
}
