//! From an error of gix, and all else that is known of a connection, to the one cause.
//!
//! Limits: what a server's words mean is for `transport/refusal`.

use std::{error::Error, io};

use gix::bstr::ByteSlice;
use gix_transport::packetline::read::Error as PacketError;

use crate::{
    errors::{Cause, ServerError, TransferError, TransportError},
    transport::{Moment, StderrTail, Watch, judge, recognised},
};

/// The cause of `error`: the first one that the watch saw, else the server's message, else the broken connection.
pub(crate) fn diagnose(
    error: &(dyn Error + 'static),
    watch: &Watch,
    stderr: Option<&StderrTail>,
    moment: Moment,
) -> TransportError {
    let first = watch.take_error().unwrap_or_else(|| from_chain(error, moment));
    match (first, stderr) {
        (TransportError::Transfer(dropped @ TransferError::Dropped { .. }), Some(stderr)) => {
            stderr.meaning(dropped, moment)
        }
        // A program on the way, such as a start-up file of the login's shell, has printed something.
        (TransportError::Server(ServerError::Protocol { source }), _) => {
            foreign(watch).unwrap_or_else(|| ServerError::Protocol { source }.into())
        }
        (first, _) => first,
    }
}

/// What a text means that stands where git's protocol begins.
fn foreign(watch: &Watch) -> Option<TransportError> {
    let text = watch.foreign_text()?;
    let line = text.lines().find(|line| !line.trim().is_empty())?.trim();
    let source = format!("it begins with {line:?}, which is not git's protocol").into();
    Some(recognised(line).unwrap_or_else(|| ServerError::Protocol { source }.into()))
}

fn from_chain(error: &(dyn Error + 'static), moment: Moment) -> TransportError {
    let causes = causes(error);
    let said = causes.iter().find_map(|cause| cause.downcast_ref::<PacketError>());
    if let Some(said) = said {
        return judge(&said.message.to_str_lossy(), moment);
    }
    let broken = causes
        .iter()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .find(|error| is_broken(error.kind()));
    match broken {
        Some(error) => TransferError::Dropped { source: Some(error.to_string().into()) }.into(),
        None => ServerError::Protocol { source: flat(&causes) }.into(),
    }
}

/// `error` and all below it. gix keeps its causes in a tree of its own, which `source` does not show
/// as what they are; an I/O error gives the source of what it wraps, and not what it wraps.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> Vec<&'a (dyn Error + 'static)> {
    let mut causes = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        match error.downcast_ref::<gix::Error>() {
            Some(tree) => causes.extend(tree.iter_errors()),
            None => causes.push(error),
        }
        next = causes.last().copied().and_then(|last: &(dyn Error + 'static)| {
            match last.downcast_ref::<io::Error>() {
                Some(error) => error.get_ref().map(|inner| inner as &(dyn Error + 'static)),
                None => last.source(),
            }
        });
    }
    causes
}

fn is_broken(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{
        BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof,
    };
    matches!(kind, BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected | UnexpectedEof)
}

/// The causes in one line, without saying anything twice.
fn flat(causes: &[&(dyn Error + 'static)]) -> Cause {
    let mut parts: Vec<String> = Vec::new();
    for part in causes.iter().map(ToString::to_string) {
        if !parts.iter().any(|before| before.contains(&part)) {
            parts.push(part);
        }
    }
    parts.join(": ").into()
}
