//! One conversation with a server: greeting, listing, pack.
//!
//! Limits: whether the pack is thin is the server's choice, and the receiver's to find out.

use std::{
    error::Error,
    io::{self, BufRead, Read},
    ops::ControlFlow,
    sync::Arc,
    time::Duration,
};

use gix::{
    ObjectId,
    bstr::{BString, ByteSlice},
    progress::Discard,
    protocol::{Command, LsRefsCommand, fetch::Arguments, handshake::Ref, ls_refs::RefPrefixes},
};
use gix_transport::{
    Protocol,
    client::{MessageKind, blocking_io::ExtendedBufRead},
};

use super::{
    diagnosis::{diagnose, from_server},
    handshake::Greeting,
    listing::{Tip, tip_of},
};
use crate::{
    errors::{Fault, Stage},
    limits::Limits,
    transport::{Agents, Host, Link, Route, Watch, dial},
};

/// What this program calls itself in the protocol.
const AGENT: &str = concat!("modstore/", env!("CARGO_PKG_VERSION"));

/// What may follow a pack until the end of its answer, in bytes and in time. With more, the pack is good all the same and
/// the connection is not used again.
const AFTER_THE_PACK: u64 = 64 * 1024;
const SOON: Duration = Duration::from_secs(1);

/// What a server reports while a pack is made and received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemoteNews<'a> {
    /// A line of text: `Counting objects: 100% (3/3), done.`
    Says(&'a str),
    /// Bytes of the pack received so far.
    Received(u64),
}

/// A conversation that can go on.
pub(crate) struct Conversation {
    link: Link,
    watch: Arc<Watch>,
    greeting: Greeting,
    /// Whether the last answer was read to its end.
    at_end: bool,
}

/// What a pack is to hold.
#[derive(Debug, Clone)]
pub(crate) enum Wish<'w> {
    /// A commit, or the tag of one, and its files, without its history, and maybe without what `have` has.
    Alone { want: ObjectId, have: Option<ObjectId> },
    /// Commits and tags with all their history, but for that of `haves`.
    History { wants: Vec<ObjectId>, haves: &'w [ObjectId] },
}

/// Why there is no greeting.
pub(crate) enum Refusal {
    /// It has more bytes than allowed.
    TooLong,
    /// It failed, at this stage.
    Fault(Stage, Fault),
}

/// Why a pack was not received.
pub(crate) enum Trouble<E> {
    /// The server or the way there.
    Fault(Fault),
    /// The receiver.
    Receive(E),
}

impl Conversation {
    /// Greet the server, in `version` if it knows that, with a greeting of at most `longest` bytes.
    pub(crate) fn begin(
        host: &Arc<Host>,
        agents: &Agents,
        route: &Route,
        version: Protocol,
        limits: &Limits,
        longest: usize,
        watch: Arc<Watch>,
    ) -> Result<Self, Refusal> {
        let at_once = |fault| Refusal::Fault(Stage::Connect, fault);
        watch.proceed().map_err(|_| at_once(Fault::Cancelled))?;
        let mut link = dial(host, agents, route, version, limits, &watch).map_err(at_once)?;
        count(&link, &watch);
        watch.allow(longest);
        let greeting = watch.during(|| Greeting::hear(&mut link.transport));
        watch.allow(usize::MAX);
        match greeting {
            Ok(greeting) => Ok(Conversation { link, watch, greeting, at_end: true }),
            Err(_) if watch.exceeded() => Err(Refusal::TooLong),
            Err(error) => {
                let fault = diagnose(&error, &watch, link.stderr.as_ref());
                Err(Refusal::Fault(stage_of(&fault), fault))
            }
        }
    }

    pub(crate) fn speaks_v2(&self) -> bool {
        self.greeting.version == Protocol::V2
    }

    pub(crate) fn can_shallow(&self) -> bool {
        self.greeting.can_shallow()
    }

    /// Whether the server will give a pack of `commit` as far as can be told: version 0 gives what
    /// it has listed.
    pub(crate) fn may_give(&self, commit: ObjectId) -> bool {
        self.greeting.refs.as_ref().is_none_or(|refs| tip_of(refs, commit).is_some())
    }

    /// How to ask for `commit`, as far as the greeting tells.
    pub(crate) fn listed(&self, commit: ObjectId) -> Option<Tip> {
        tip_of(self.greeting.refs.as_ref()?, commit)
    }

    /// Whether the server gives any commit that its branches and tags reach, listed or not.
    pub(crate) fn gives_unlisted(&self) -> bool {
        let able = |what: &str| self.greeting.capabilities.contains(what);
        self.speaks_v2() || able("allow-reachable-sha1-in-want") || able("allow-any-sha1-in-want")
    }

    /// What the branches, the tags and `HEAD` are, in version 0.
    pub(crate) fn listed_tips(&self) -> Vec<ObjectId> {
        let refs = self.greeting.refs.iter().flatten();
        let mut tips: Vec<ObjectId> = refs
            .filter_map(|each| {
                let (name, object, peeled) = each.unpack();
                let ours = name == "HEAD"
                    || name.starts_with(b"refs/heads/")
                    || name.starts_with(b"refs/tags/");
                Some(object.or(peeled).filter(|_| ours)?.to_owned())
            })
            .collect();
        tips.sort_unstable();
        tips.dedup();
        tips
    }

    /// Whether another question can follow a pack: a lasting connection in version 0 is over.
    pub(crate) fn outlives_a_pack(&self) -> bool {
        let lasts = self.link.transport.connection_persists_across_multiple_requests();
        !lasts || (self.speaks_v2() && self.at_end)
    }

    /// The refs of the greeting, or in version 2 those that begin with `prefixes`, in a listing of
    /// at most `longest` bytes.
    pub(crate) fn refs(
        &mut self,
        prefixes: Vec<BString>,
        longest: usize,
    ) -> Result<Vec<Ref>, Fault> {
        if let Some(refs) = &self.greeting.refs {
            return Ok(refs.clone());
        }
        if prefixes.is_empty() {
            return Ok(Vec::new());
        }
        count(&self.link, &self.watch);
        let mut wanted = RefPrefixes::new();
        wanted.extend(prefixes);
        let agent = ("agent", Some(AGENT.into()));
        let command = LsRefsCommand::new(Some(wanted), &self.greeting.capabilities, agent);
        self.watch.allow(longest);
        let listed = command.invoke_blocking(&mut self.link.transport, &mut Discard, false);
        self.watch.allow(usize::MAX);
        listed.map_err(|error| diagnose(&error, &self.watch, self.link.stderr.as_ref()))
    }

    /// Ask for `wish`, and let `receive` have the pack. After an error the conversation is over.
    pub(crate) fn fetch<R, E>(
        &mut self,
        wish: Wish<'_>,
        progress: &dyn Fn(RemoteNews<'_>),
        receive: impl FnOnce(&mut dyn BufRead) -> Result<R, E>,
    ) -> Result<R, Trouble<E>> {
        let Conversation { link, watch, greeting, at_end } = self;
        let mut arguments = arguments(greeting, wish).map_err(Trouble::Fault)?;
        let stderr = link.stderr.clone();
        let diagnose = |error: &(dyn Error + 'static)| diagnose(error, watch, stderr.as_ref());
        count(link, watch);
        watch.expect_pack(true);
        let mut reader = arguments
            .send(&mut link.transport, true)
            .map_err(|error| Trouble::Fault(diagnose(&error)))?;
        until_pack(&mut reader, greeting.version, diagnose).map_err(Trouble::Fault)?;
        reader.set_progress_handler(Some(Box::new(|is_error, text| {
            hear(is_error, text, watch, progress)
        })));
        let mut pack = Pack { reader, watch, progress, received: 0, left: 0 };
        match receive(&mut pack) {
            // The receiver saw a pack that ends too early; why it did is known here.
            Err(_) if watch.has_fault() => {
                drop(pack);
                Err(Trouble::Fault(diagnose(&io::Error::from(io::ErrorKind::UnexpectedEof))))
            }
            Err(error) => Err(Trouble::Receive(error)),
            Ok(received) => {
                // What is left is the end of the answer, and it must be read for the connection to be
                // of use again. The pack is whole, whatever happens now.
                watch.expect_pack(false);
                watch.hurry(SOON);
                let rest = io::copy(&mut (&mut pack).take(AFTER_THE_PACK), &mut io::sink());
                *at_end = rest.is_ok_and(|rest| rest < AFTER_THE_PACK);
                drop(pack);
                watch.relax();
                watch.take_fault();
                Ok(received)
            }
        }
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        // A server that is hung up on without a word writes a complaint into its log. It need not be heard.
        self.watch.hurry(SOON);
        let _ = gix::protocol::indicate_end_of_interaction(&mut self.link.transport, false);
    }
}

/// Read the answer up to its pack. What stands before it is not needed; the watch bounds it.
///
/// This is not left to gix, which keeps all of it, compares every acknowledgement with those before, and takes a server
/// that ends a section where none begins for a fault of the program.
fn until_pack<'a>(
    reader: &mut impl ExtendedBufRead<'a>,
    version: Protocol,
    diagnose: impl Fn(&(dyn Error + 'static)) -> Fault,
) -> Result<(), Fault> {
    let found = match version {
        Protocol::V2 => pass_sections(reader),
        Protocol::V0 | Protocol::V1 => pass_lines(reader),
    };
    found.map_err(|ended| match ended {
        Ended::Told(said) => from_server(&said),
        Ended::Unknown(line) => {
            let what = format!(
                "the server sent {:?} where a pack begins",
                line.escape_ascii().to_string()
            );
            Fault::Protocol { source: what.into() }
        }
        Ended::Read(error) => diagnose(&error),
    })
}

/// Why an answer has no pack.
enum Ended {
    /// The server says why.
    Told(String),
    /// Something else stands there.
    Unknown(BString),
    /// It could not be read, or ended.
    Read(io::Error),
}

impl Ended {
    fn too_soon() -> Self {
        Ended::Read(io::ErrorKind::UnexpectedEof.into())
    }
}

impl From<io::Error> for Ended {
    fn from(error: io::Error) -> Self {
        Ended::Read(error)
    }
}

/// Versions 0 and 1: lines about the boundary of history and about what both have, then the pack.
fn pass_lines<'a>(reader: &mut impl ExtendedBufRead<'a>) -> Result<(), Ended> {
    let mut boundary_ended = false;
    loop {
        match peek(reader)?.map(is_pack).transpose()? {
            Some(true) => return Ok(()),
            Some(false) => skip(reader)?,
            // The lines about the boundary end like this, once.
            None if reader.stopped_at() == Some(MessageKind::Flush) && !boundary_ended => {
                boundary_ended = true;
                reader.reset(Protocol::V1);
            }
            None => return Err(Ended::too_soon()),
        }
    }
}

/// Whether the pack begins with this line, and no other line that may stand before it.
fn is_pack(line: &[u8]) -> Result<bool, Ended> {
    let before_it = [&b"shallow "[..], b"unshallow ", b"ACK ", b"NAK"];
    match line {
        [1..=3, ..] => Ok(true),
        line if before_it.iter().any(|begin| line.starts_with(begin)) => Ok(false),
        line if line.starts_with(b"ERR ") => Err(told(line)),
        line => Err(Ended::Unknown(line.into())),
    }
}

/// Version 2: sections with a headline each, of which the pack is the last.
fn pass_sections<'a>(reader: &mut impl ExtendedBufRead<'a>) -> Result<(), Ended> {
    reader.reset(Protocol::V2);
    loop {
        let Some(headline) = peek(reader)? else {
            return Err(Ended::too_soon());
        };
        match headline.trim_end() {
            line if line.starts_with(b"ERR ") => return Err(told(line)),
            b"packfile" => return skip(reader),
            b"acknowledgments" | b"shallow-info" | b"wanted-refs" => {}
            line => return Err(Ended::Unknown(line.into())),
        }
        while peek(reader)?.is_some() {
            skip(reader)?;
        }
        if reader.stopped_at() != Some(MessageKind::Delimiter) {
            return Err(Ended::too_soon());
        }
        reader.reset(Protocol::V2);
    }
}

/// The next line, if one comes before the end of a section or of the answer.
fn peek<'r, 'a>(reader: &'r mut impl ExtendedBufRead<'a>) -> Result<Option<&'r [u8]>, Ended> {
    match reader.peek_data_line() {
        None => Ok(None),
        Some(Ok(Ok(line))) => Ok(Some(line)),
        Some(Ok(Err(error))) => Err(io::Error::other(error).into()),
        Some(Err(error)) => Err(error.into()),
    }
}

/// Goes past a line that was peeked at.
fn skip<'a>(reader: &mut impl ExtendedBufRead<'a>) -> Result<(), Ended> {
    match reader.readline() {
        Some(Ok(Ok(_))) => Ok(()),
        Some(Ok(Err(error))) => Err(io::Error::other(error).into()),
        Some(Err(error)) => Err(error.into()),
        None => Err(Ended::too_soon()),
    }
}

fn told(line: &[u8]) -> Ended {
    Ended::Told(line.strip_prefix(b"ERR ").unwrap_or(line).to_str_lossy().into_owned())
}

/// The request.
fn arguments(greeting: &Greeting, wish: Wish<'_>) -> Result<Arguments, Fault> {
    let version = greeting.version;
    let mut features = Command::Fetch.default_features(version, &greeting.capabilities);
    // Of all that the server can do, what this one question needs. A pack without side band could
    // not be told from an error.
    features.retain(|(name, _)| {
        matches!(
            *name,
            "shallow"
                | "thin-pack"
                | "side-band"
                | "side-band-64k"
                | "ofs-delta"
                | "multi_ack_detailed"
                | "object-format"
        )
    });
    let lacks = |what: &str| Fault::Protocol { source: format!("the server lacks {what}").into() };
    let alone = matches!(wish, Wish::Alone { .. });
    if alone && !greeting.can_shallow() {
        return Err(lacks("shallow fetches"));
    }
    if version != Protocol::V2 && !features.iter().any(|(name, _)| name.starts_with("side-band")) {
        return Err(lacks("side-band answers"));
    }
    if version == Protocol::V2 || greeting.capabilities.contains("agent") {
        features.push(("agent", Some(AGENT.into())));
    }
    // The program's own mirror is not read while it is written to.
    features.retain(|(name, _)| alone || *name != "thin-pack");
    let mut arguments = Arguments::new(version, features, false);
    match wish {
        Wish::Alone { want, have } => {
            arguments.want(want);
            if let Some(have) = have {
                arguments.shallow(have);
                arguments.have(have);
            }
            arguments.deepen(1);
        }
        Wish::History { wants, haves } => {
            wants.iter().for_each(|want| arguments.want(want));
            haves.iter().for_each(|have| arguments.have(have));
        }
    }
    Ok(arguments)
}

/// Side band text: news, or the server's last words.
fn hear(
    is_error: bool,
    text: &[u8],
    watch: &Watch,
    progress: &dyn Fn(RemoteNews<'_>),
) -> ControlFlow<()> {
    let text = text.to_str_lossy();
    if is_error {
        watch.fail(from_server(&text));
        return ControlFlow::Break(());
    }
    for line in text.split(['\r', '\n']).map(str::trim).filter(|line| !line.is_empty()) {
        progress(RemoteNews::Says(line));
    }
    ControlFlow::Continue(())
}

/// The pack, counted, and with its failures noted.
struct Pack<'a> {
    reader: Box<dyn ExtendedBufRead<'a> + Unpin + 'a>,
    watch: &'a Watch,
    progress: &'a dyn Fn(RemoteNews<'_>),
    received: u64,
    left: usize,
}

impl BufRead for Pack<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.watch.proceed()?;
        let filled = self.reader.fill_buf().map_err(|error| {
            let what = Some(error.to_string().into());
            self.watch.fail(Fault::Dropped { source: what })
        })?;
        if self.left == 0 && !filled.is_empty() {
            self.received += filled.len() as u64;
            self.left = filled.len();
            (self.progress)(RemoteNews::Received(self.received));
        }
        Ok(filled)
    }

    fn consume(&mut self, amount: usize) {
        self.left = self.left.saturating_sub(amount);
        self.reader.consume(amount);
    }
}

impl Read for Pack<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut filled = self.fill_buf()?;
        let read = filled.read(buf)?;
        self.consume(read);
        Ok(read)
    }
}

/// HTTP counts its own requests; on a lasting connection a message is one.
fn count(link: &Link, watch: &Watch) {
    if link.transport.connection_persists_across_multiple_requests() {
        watch.counters.request();
    }
}

fn stage_of(fault: &Fault) -> Stage {
    match fault {
        Fault::UnknownHost { .. }
        | Fault::Refused { .. }
        | Fault::ConnectLimit(_)
        | Fault::Tls { .. }
        | Fault::Proxy(_)
        | Fault::Start { .. }
        | Fault::HostKey(_)
        | Fault::ClearText => Stage::Connect,
        _ => Stage::List,
    }
}
