//! The answer to one request, with the effect of every fault that is on.

use std::{
    io::{self, Read as _, Write as _},
    net::TcpStream,
    sync::Arc,
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    fault::{Armed, Fault, Faults, without_end},
    message::{Chunks, Request, send, send_chunked_head, send_closing_head},
    pack_stream::{End, PackStream},
    pkt_line::{pkt_line, without_capability},
    reply::{Reply, Repositories},
};

/// Whether the connection can carry another request.
pub(super) enum After {
    KeepOpen,
    Close,
}

/// The repositories, and the faults in front of them.
pub(super) struct Answers {
    pub(super) repositories: Box<dyn Repositories>,
    pub(super) faults: Faults,
}

/// Answers one request.
pub(super) fn answer(
    answers: &Answers,
    request: &Request,
    to: &mut TcpStream,
) -> io::Result<After> {
    let faults = answers.faults.of(request.repo_and_rest().0, request.is_fetch());
    for armed in &faults {
        if let Some(after) = instead(answers, armed, request, to)? {
            return Ok(after);
        }
    }
    let old =
        faults.iter().any(|armed| matches!(armed.fault, Fault::ForceProtocolV0) && armed.fires());
    let protocol = request.header("git-protocol").filter(|_| !old);
    let reply = answers.repositories.answer(request, protocol)?;
    if request.method == "GET" {
        send_advertisement(reply, &faults, to)
    } else {
        send_stream(answers, reply, &faults, request, to)
    }
}

/// The effect of a fault in place of, or before, the real answer.
fn instead(
    answers: &Answers,
    armed: &Armed,
    request: &Request,
    to: &mut TcpStream,
) -> io::Result<Option<After>> {
    let mut plain = |status: u16, name: &str, value: &str| {
        send(
            to,
            status,
            &[(name.to_owned(), value.to_owned())],
            b"a fault that the test asked for\n",
        )?;
        Ok(Some(After::KeepOpen))
    };
    match &armed.fault {
        // A page, so that its text is not taken for words about the repository.
        Fault::Status(status) if armed.fires() => plain(*status, "Content-Type", "text/html"),
        Fault::StatusWithHeader(status, name, value) if armed.fires() => {
            plain(*status, name, value)
        }
        Fault::Says(status, text) if armed.fires() => {
            let kind = ("Content-Type".to_owned(), "text/plain; charset=utf-8".to_owned());
            send(to, *status, &[kind], text.as_bytes())?;
            Ok(Some(After::KeepOpen))
        }
        Fault::Redirect { to: other } if armed.fires() => {
            plain(302, "Location", &format!("{other}{}", request.repo_and_rest().1))
        }
        Fault::BasicAuth { user, password } if !is_authorised(request, user, password) => {
            armed.fires();
            plain(401, "WWW-Authenticate", "Basic realm=\"test\"")
        }
        Fault::NeedsHeader { name, value } if request.header(name) != Some(value) => {
            armed.fires();
            plain(403, "Content-Type", "text/html")
        }
        Fault::RefusesHeader(name) if request.header(name).is_some() => {
            armed.fires();
            plain(403, "Content-Type", "text/html")
        }
        Fault::RefuseWant(id) if wants(request, id) && armed.fires() => {
            let body = pkt_line(format!("ERR upload-pack: not our ref {id}"));
            let kind = "application/x-git-upload-pack-result".to_owned();
            send(to, 200, &[("Content-Type".to_owned(), kind)], &body)?;
            Ok(Some(After::KeepOpen))
        }
        Fault::BreakOffAtWant(id) if wants(request, id) && armed.fires() => Ok(Some(After::Close)),
        Fault::HangBeforeReply if armed.fires() => {
            answers.faults.hang(|| is_closed(to));
            Ok(Some(After::Close))
        }
        Fault::CloseBeforeReply if armed.fires() => Ok(Some(After::Close)),
        Fault::BytesWithoutEnd { first, again, pause } if armed.fires() => {
            to.write_all(first)?;
            Err(without_end(to, again, *pause))
        }
        Fault::Delay(ms) if armed.fires() => {
            std::thread::sleep(Duration::from_millis(*ms));
            Ok(None)
        }
        Fault::OnRequest(call) if armed.fires() => {
            call();
            Ok(None)
        }
        _ => Ok(None),
    }
}

/// A small reply, with its length, after capabilities have been taken out.
fn send_advertisement(
    mut reply: Reply,
    faults: &[Arc<Armed>],
    to: &mut TcpStream,
) -> io::Result<After> {
    let mut body = Vec::new();
    reply.body.read_to_end(&mut body)?;
    for armed in faults {
        if let Fault::WithoutCapability(name) = armed.fault
            && armed.fires()
        {
            body = without_capability(&body, name);
        }
    }
    send(to, reply.status, &reply.headers, &body)?;
    Ok(After::KeepOpen)
}

/// A reply that may carry a pack, sent while it is being made.
fn send_stream(
    answers: &Answers,
    mut reply: Reply,
    faults: &[Arc<Armed>],
    request: &Request,
    to: &mut TcpStream,
) -> io::Result<After> {
    if !request.keep_alive() {
        send_closing_head(to, reply.status, &reply.headers)?;
        let end = PackStream::new(to, faults).copy(&mut reply.body)?;
        return Ok(ended(answers, end, to));
    }
    send_chunked_head(to, reply.status, &reply.headers)?;
    let mut chunks = Chunks::new(to);
    let end = PackStream::new(&mut chunks, faults).copy(&mut reply.body)?;
    if end == End::Whole {
        chunks.finish()?;
    }
    Ok(ended(answers, end, to))
}

fn ended(answers: &Answers, end: End, to: &TcpStream) -> After {
    match end {
        End::Whole => After::KeepOpen,
        End::Close => After::Close,
        End::Hang => {
            answers.faults.hang(|| is_closed(to));
            After::Close
        }
    }
}

/// Whether the other side has closed the connection; looks without waiting.
fn is_closed(stream: &TcpStream) -> bool {
    let waits = stream.set_nonblocking(true);
    let closed = matches!(stream.peek(&mut [0]), Ok(0));
    waits.and_then(|()| stream.set_nonblocking(false)).is_err() || closed
}

/// Whether a pack of this object is asked for, in a body that the client has not compressed.
fn wants(request: &Request, id: &str) -> bool {
    let line = format!("want {id}");
    request.body.windows(line.len()).any(|part| part == line.as_bytes())
}

fn is_authorised(request: &Request, user: &str, password: &str) -> bool {
    let right = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
    request.header("authorization") == Some(&right)
}
