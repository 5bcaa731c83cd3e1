//! From an error of gix, and what else is known of a conversation, to the one cause.
//!
//! Limits: what a server says in its own words is recognised by the words of git's own server, which
//! the large hosts kept.

use std::error::Error;
use std::io;

use gix_transport::packetline::read::Error as PacketError;

use crate::acquire::idle::Watch;
use crate::acquire::network_error::{Cause, Fault};
use crate::acquire::process::{Stderr, meaning};

/// The cause of `error`: what the watch saw first, else what the server said, else what broke.
pub(crate) fn diagnose(
    error: &(dyn Error + 'static),
    watch: &Watch,
    stderr: Option<&Stderr>,
) -> Fault {
    let fault = watch.take_fault().unwrap_or_else(|| from_chain(error));
    match (fault, stderr) {
        (fault @ Fault::Dropped { .. }, Some(stderr)) => meaning(&stderr.last_words(), fault),
        (fault, _) => fault,
    }
}

fn from_chain(error: &(dyn Error + 'static)) -> Fault {
    for cause in chain(error) {
        if let Some(said) = packet_error(cause) {
            return from_server(&said);
        }
        let Some(error) = cause.downcast_ref::<io::Error>() else { continue };
        if is_broken(error.kind()) {
            return Fault::Dropped { source: Some(error.to_string().into()) };
        }
    }
    Fault::Protocol { source: flat(error) }
}

/// What a server says before it hangs up.
pub(crate) fn from_server(said: &str) -> Fault {
    let said = said.lines().next().unwrap_or_default().trim().to_owned();
    let has = |texts: &[&str]| texts.iter().any(|text| said.contains(text));
    if has(&["not our ref", "unadvertised object", "no such remote ref", "bad object"]) {
        Fault::NotOurs(said)
    } else if has(&[
        "access denied",
        "not exported",
        "no such repository",
        "epository not found",
        "not appear to be a git",
    ]) {
        Fault::NoRepository(said)
    } else {
        Fault::Said(said)
    }
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn Error + 'static)| inner(*error))
}

/// What `error` wraps. An I/O error hides that from `source`, and gives the source of it instead.
fn inner<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

fn packet_error(error: &(dyn Error + 'static)) -> Option<String> {
    error.downcast_ref::<PacketError>().map(|error| error.message.to_string())
}

fn is_broken(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{
        BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof,
    };
    matches!(kind, BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected | UnexpectedEof)
}

/// The chain in one line, without saying anything twice.
fn flat(error: &(dyn Error + 'static)) -> Cause {
    let mut parts: Vec<String> = Vec::new();
    for cause in chain(error) {
        let part = cause.to_string();
        if !parts.iter().any(|before| before.contains(&part)) {
            parts.push(part);
        }
    }
    parts.join(": ").into()
}
