//! One connection with a server: handshake, listing, pack.
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
use modstore_core::events::Step;

use super::{
    diagnosis::diagnose,
    handshake::Handshake,
    listing::{Tip, tip_of},
};
use crate::{
    errors::{RemoteStage, ServerError, TransferError, TransportError},
    transport::{Link, Moment, Watch, judge},
};

/// What this program calls itself in the protocol.
const AGENT: &str = concat!("modstore/", env!("CARGO_PKG_VERSION"));

/// What may follow a pack until the end of its answer, in bytes and in time. With more, the pack is good all the same and
/// the connection is not used again.
const AFTER_THE_PACK: u64 = 64 * 1024;
const SOON: Duration = Duration::from_secs(1);
/// A line of a server that is not over by then is taken for one.
const LONGEST_LINE: usize = 4096;

/// A connection on which the next request can be sent.
pub(crate) struct Connection {
    link: Link,
    watch: Arc<Watch>,
    handshake: Handshake,
    /// Whether the last answer was read to its end.
    at_end: bool,
}

/// What a pack is asked to hold.
#[derive(Debug, Clone)]
pub(crate) enum FetchRequest<'w> {
    /// A commit, or the tag of one, and its files, without its history, and maybe without what `have` has.
    Alone { want: ObjectId, have: Option<ObjectId> },
    /// Commits and tags with all their history, but for that of `haves`.
    History { wants: Vec<ObjectId>, haves: &'w [ObjectId] },
    /// A commit, or the tag of one, and its history without that of `have`, at most `depth` commits deep; without any files
    /// where the server can leave them out.
    Commits { want: ObjectId, have: Option<ObjectId>, depth: usize },
}

/// The handshake failed. The connection is closed.
pub(crate) enum HandshakeError {
    /// The first answer has more bytes than allowed.
    TooLong,
    /// An error, at this stage.
    Failed(RemoteStage, TransportError),
}

/// A pack was not received. The connection is closed.
pub(crate) enum ReceiveError<E> {
    /// The server or the way there.
    Failed(TransportError),
    /// The receiver.
    Receive(E),
}

impl Connection {
    /// Connects by `dial` and reads the first answer, of at most `longest` bytes.
    pub(crate) fn begin(
        dial: impl FnOnce(&Arc<Watch>) -> Result<Link, TransportError>,
        longest: usize,
        watch: Arc<Watch>,
    ) -> Result<Self, HandshakeError> {
        let at_once = |error| HandshakeError::Failed(RemoteStage::Connect, error);
        watch.check_cancelled().map_err(|_| at_once(TransportError::Cancelled))?;
        let mut link = dial(&watch).map_err(at_once)?;
        count(&link, &watch);
        watch.limit_answer(link.without_refs.unwrap_or(longest));
        let handshake = watch.during(|| Handshake::read(&mut link.transport));
        watch.limit_answer(usize::MAX);
        match handshake {
            Ok(handshake) if !handshake.can_side_band() => {
                let source = "the server lacks side-band answers".into();
                let error = ServerError::Protocol { source }.into();
                Err(HandshakeError::Failed(RemoteStage::List, error))
            }
            Ok(handshake) => Ok(Connection { link, watch, handshake, at_end: true }),
            Err(_) if watch.answer_was_too_long() => Err(HandshakeError::TooLong),
            Err(fault) => {
                let stderr = link.stderr.as_ref();
                let error =
                    fault.into_error(|error| diagnose(error, &watch, stderr, Moment::Asked));
                Err(HandshakeError::Failed(stage_of(&error), error))
            }
        }
    }

    pub(crate) fn speaks_v2(&self) -> bool {
        self.handshake.version == Protocol::V2
    }

    /// Whether the handshake listed refs, and there are none.
    pub(crate) fn lists_nothing(&self) -> bool {
        self.handshake.refs.as_ref().is_some_and(Vec::is_empty)
    }

    pub(crate) fn can_shallow(&self) -> bool {
        self.handshake.can_shallow()
    }

    /// Whether the server will give a pack of `commit` as far as the handshake shows: version 0 gives the
    /// commits that it has listed.
    pub(crate) fn may_give(&self, commit: ObjectId) -> bool {
        self.handshake.refs.as_ref().is_none_or(|refs| tip_of(refs, commit).is_some())
    }

    /// How to ask for `commit`, as far as the handshake shows.
    pub(crate) fn listed(&self, commit: ObjectId) -> Option<Tip> {
        tip_of(self.handshake.refs.as_ref()?, commit)
    }

    /// Whether the server gives any commit that its branches and tags reach, listed or not.
    pub(crate) fn gives_unlisted(&self) -> bool {
        let able = |what: &str| self.handshake.capabilities.contains(what);
        self.speaks_v2() || able("allow-reachable-sha1-in-want") || able("allow-any-sha1-in-want")
    }

    /// Whether git's own server answers, which says so when it does not give a commit. Others may only break off.
    pub(crate) fn is_git(&self) -> bool {
        let agent = self.handshake.capabilities.capability("agent");
        agent.and_then(|agent| agent.value()?.starts_with(b"git/").then_some(())).is_some()
    }

    /// Whether the server does not say what it is.
    pub(crate) fn is_anonymous(&self) -> bool {
        self.handshake.capabilities.capability("agent").is_none()
    }

    /// Whether another request can follow a pack: a lasting connection in version 0 is over.
    pub(crate) fn outlives_a_pack(&self) -> bool {
        !self.link.is_one_stream || (self.speaks_v2() && self.at_end)
    }

    /// The refs of the handshake, or in version 2 those that begin with `prefixes`, in a listing of
    /// at most `longest` bytes.
    pub(crate) fn refs(
        &mut self,
        prefixes: Vec<BString>,
        longest: usize,
    ) -> Result<Vec<Ref>, TransportError> {
        if let Some(refs) = &self.handshake.refs {
            return Ok(refs.clone());
        }
        if prefixes.is_empty() {
            return Ok(Vec::new());
        }
        count(&self.link, &self.watch);
        let mut wanted = RefPrefixes::new();
        wanted.extend(prefixes);
        let agent = ("agent", Some(AGENT.into()));
        let command = LsRefsCommand::new(Some(wanted), &self.handshake.capabilities, agent);
        self.watch.limit_answer(longest);
        let listed = command.invoke_blocking(&mut self.link.transport, &mut Discard, false);
        self.watch.limit_answer(usize::MAX);
        let stderr = self.link.stderr.as_ref();
        listed.map_err(|error| diagnose(&error, &self.watch, stderr, Moment::Asked))
    }

    /// Sends `request`, and gives the pack to `receive`. After an error the connection is over.
    pub(crate) fn fetch<R, E>(
        &mut self,
        request: FetchRequest<'_>,
        on_step: &dyn Fn(Step<'_>),
        receive: impl FnOnce(&mut dyn BufRead) -> Result<R, E>,
    ) -> Result<R, ReceiveError<E>> {
        let Connection { link, watch, handshake, at_end } = self;
        let mut arguments =
            arguments(handshake, request).map_err(|error| ReceiveError::Failed(error.into()))?;
        let stderr = link.stderr.clone();
        let diagnose =
            |error: &(dyn Error + 'static)| diagnose(error, watch, stderr.as_ref(), Moment::Giving);
        count(link, watch);
        watch.expect_pack(true);
        let mut begun = BString::default();
        let mut reader = arguments
            .send(&mut link.transport, true)
            .map_err(|error| ReceiveError::Failed(diagnose(&error)))?;
        skip_to_pack(&mut reader, handshake.version, diagnose).map_err(ReceiveError::Failed)?;
        reader.set_progress_handler(Some(Box::new(|is_error, text| {
            on_sideband(is_error, text, watch, (&mut begun, on_step))
        })));
        let mut pack = PackStream { reader, watch, on_step, received: 0, left: 0 };
        match receive(&mut pack) {
            // The receiver saw a pack that ends too early; the watch knows the reason.
            Err(_) if watch.has_error() => {
                drop(pack);
                Err(ReceiveError::Failed(diagnose(&io::Error::from(io::ErrorKind::UnexpectedEof))))
            }
            Err(error) => Err(ReceiveError::Receive(error)),
            Ok(received) => {
                // The end of the answer is still to come, and must be read before the connection can be used
                // again. The pack is whole, whatever happens now.
                watch.expect_pack(false);
                watch.set_deadline(SOON);
                let rest = io::copy(&mut (&mut pack).take(AFTER_THE_PACK), &mut io::sink());
                *at_end = rest.is_ok_and(|rest| rest < AFTER_THE_PACK);
                drop(pack);
                watch.clear_deadline();
                watch.take_error();
                Ok(received)
            }
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // A server whose client hangs up without a goodbye writes a complaint into its log.
        self.watch.set_deadline(SOON);
        let _ = gix::protocol::indicate_end_of_interaction(&mut self.link.transport, false);
    }
}

/// Reads the answer up to its pack. The lines before it are not needed; the watch bounds their number.
///
/// This is not left to gix, which keeps all of it, compares every acknowledgement with those before, and takes a server
/// that ends a section where none begins for a fault of the program.
fn skip_to_pack<'a>(
    reader: &mut impl ExtendedBufRead<'a>,
    version: Protocol,
    diagnose: impl Fn(&(dyn Error + 'static)) -> TransportError,
) -> Result<(), TransportError> {
    let found = match version {
        Protocol::V2 => skip_to_pack_v2(reader),
        Protocol::V0 | Protocol::V1 => skip_to_pack_v0(reader),
    };
    found.map_err(|ended| match ended {
        NoPack::Refused(said) => judge(&said, Moment::Giving),
        NoPack::Unknown(line) => {
            let what = format!(
                "the server sent {:?} where a pack begins",
                line.escape_ascii().to_string()
            );
            ServerError::Protocol { source: what.into() }.into()
        }
        NoPack::Read(error) => diagnose(&error),
    })
}

/// Why an answer has no pack.
enum NoPack {
    /// The server says why.
    Refused(String),
    /// Something else stands there.
    Unknown(BString),
    /// It could not be read, or ended.
    Read(io::Error),
}

impl NoPack {
    fn too_soon() -> Self {
        NoPack::Read(io::ErrorKind::UnexpectedEof.into())
    }
}

impl From<io::Error> for NoPack {
    fn from(error: io::Error) -> Self {
        NoPack::Read(error)
    }
}

/// Versions 0 and 1: lines about the boundary of history and about what both have, then the pack.
fn skip_to_pack_v0<'a>(reader: &mut impl ExtendedBufRead<'a>) -> Result<(), NoPack> {
    let mut boundary_ended = false;
    loop {
        match peek_line(reader)?.map(is_pack).transpose()? {
            Some(true) => return Ok(()),
            Some(false) => skip_line(reader)?,
            // The lines about the boundary end like this, once.
            None if reader.stopped_at() == Some(MessageKind::Flush) && !boundary_ended => {
                boundary_ended = true;
                reader.reset(Protocol::V1);
            }
            None => return Err(NoPack::too_soon()),
        }
    }
}

/// Whether the pack begins with this line, and no other line that may stand before it.
fn is_pack(line: &[u8]) -> Result<bool, NoPack> {
    let before_it = [&b"shallow "[..], b"unshallow ", b"ACK ", b"NAK"];
    match line {
        [1..=3, ..] => Ok(true),
        line if before_it.iter().any(|begin| line.starts_with(begin)) => Ok(false),
        line if line.starts_with(b"ERR ") => Err(from_err_line(line)),
        line => Err(NoPack::Unknown(line.into())),
    }
}

/// Version 2: sections with a headline each, of which the pack is the last.
fn skip_to_pack_v2<'a>(reader: &mut impl ExtendedBufRead<'a>) -> Result<(), NoPack> {
    reader.reset(Protocol::V2);
    loop {
        let Some(headline) = peek_line(reader)? else {
            return Err(NoPack::too_soon());
        };
        match headline.trim_end() {
            line if line.starts_with(b"ERR ") => return Err(from_err_line(line)),
            b"packfile" => return skip_line(reader),
            b"acknowledgments" | b"shallow-info" | b"wanted-refs" => {}
            line => return Err(NoPack::Unknown(line.into())),
        }
        while peek_line(reader)?.is_some() {
            skip_line(reader)?;
        }
        if reader.stopped_at() != Some(MessageKind::Delimiter) {
            return Err(NoPack::too_soon());
        }
        reader.reset(Protocol::V2);
    }
}

/// The next line, if one comes before the end of a section or of the answer.
fn peek_line<'r, 'a>(reader: &'r mut impl ExtendedBufRead<'a>) -> Result<Option<&'r [u8]>, NoPack> {
    match reader.peek_data_line() {
        None => Ok(None),
        Some(Ok(Ok(line))) => Ok(Some(line)),
        Some(Ok(Err(error))) => Err(io::Error::other(error).into()),
        Some(Err(error)) => Err(error.into()),
    }
}

/// Goes past a line that was peeked at.
fn skip_line<'a>(reader: &mut impl ExtendedBufRead<'a>) -> Result<(), NoPack> {
    match reader.readline() {
        Some(Ok(Ok(_))) => Ok(()),
        Some(Ok(Err(error))) => Err(io::Error::other(error).into()),
        Some(Err(error)) => Err(error.into()),
        None => Err(NoPack::too_soon()),
    }
}

fn from_err_line(line: &[u8]) -> NoPack {
    NoPack::Refused(line.strip_prefix(b"ERR ").unwrap_or(line).to_str_lossy().into_owned())
}

/// The request.
fn arguments(handshake: &Handshake, request: FetchRequest<'_>) -> Result<Arguments, ServerError> {
    let version = handshake.version;
    let mut features = Command::Fetch.default_features(version, &handshake.capabilities);
    let commits_only = matches!(request, FetchRequest::Commits { .. });
    // Of the server's capabilities, those that this one request needs. A pack without side band could
    // not be distinguished from an error.
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
        ) || (*name == "filter" && commits_only)
    });
    let lacks =
        |what: &str| ServerError::Protocol { source: format!("the server lacks {what}").into() };
    let alone = matches!(request, FetchRequest::Alone { .. });
    if alone && !handshake.can_shallow() {
        return Err(lacks("shallow fetches"));
    }
    if version == Protocol::V2 || handshake.capabilities.contains("agent") {
        features.push(("agent", Some(AGENT.into())));
    }
    // A pack with history goes into our mirror, which is not read while it is written to: it must not be thin.
    // A pack against nothing is not, and some servers demand that it may be.
    let may_be_thin = match &request {
        FetchRequest::Alone { .. } => true,
        FetchRequest::History { haves, .. } => haves.is_empty(),
        // The receiver has no object that a delta could be of.
        FetchRequest::Commits { .. } => false,
    };
    features.retain(|(name, _)| may_be_thin || *name != "thin-pack");
    let mut arguments = Arguments::new(version, features, false);
    match request {
        FetchRequest::Alone { want, have } => {
            arguments.want(want);
            if let Some(have) = have {
                arguments.shallow(have);
                arguments.have(have);
            }
            arguments.deepen(1);
        }
        FetchRequest::History { wants, haves } => {
            wants.iter().for_each(|want| arguments.want(want));
            haves.iter().for_each(|have| arguments.have(have));
        }
        FetchRequest::Commits { want, have, depth } => {
            arguments.want(want);
            have.iter().for_each(|have| arguments.have(have));
            if handshake.can_shallow() {
                arguments.deepen(depth);
            }
            if arguments.can_use_filter() {
                arguments.filter("tree:0");
            }
        }
    }
    Ok(arguments)
}

/// Side band text: progress, or the server's last message. `begun` is a line of which packets have brought the start.
fn on_sideband(
    is_error: bool,
    text: &[u8],
    watch: &Watch,
    (begun, on_step): (&mut BString, &dyn Fn(Step<'_>)),
) -> ControlFlow<()> {
    if is_error {
        let text = text.to_str_lossy();
        watch.fail(judge(&text, Moment::Giving));
        return ControlFlow::Break(());
    }
    begun.extend_from_slice(text);
    // The reader has taken it away.
    if watch.next_ends_a_line() {
        begun.push(b'\n');
    }
    let is_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
    let whole = begun.iter().rposition(is_end).map_or(0, |end| end + 1);
    // The text of a server that never ends its line is reported all the same.
    let whole = if begun.len() > LONGEST_LINE { begun.len() } else { whole };
    let rest: Vec<u8> = begun.split_off(whole);
    for line in begun.split(is_end).map(|line| line.to_str_lossy()) {
        if !line.trim().is_empty() {
            on_step(Step::Remote(line.trim()));
        }
    }
    *begun = rest.into();
    ControlFlow::Continue(())
}

/// The pack, counted, and with its failures noted.
struct PackStream<'a> {
    reader: Box<dyn ExtendedBufRead<'a> + Unpin + 'a>,
    watch: &'a Watch,
    on_step: &'a dyn Fn(Step<'_>),
    received: u64,
    left: usize,
}

impl BufRead for PackStream<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.watch.check_cancelled()?;
        let filled = self.reader.fill_buf().map_err(|error| {
            let what = Some(error.to_string().into());
            self.watch.fail(TransferError::Dropped { source: what })
        })?;
        if self.left == 0 && !filled.is_empty() {
            self.received += filled.len() as u64;
            self.left = filled.len();
            (self.on_step)(Step::Receiving { bytes: self.received, objects: 0, of: None });
        }
        Ok(filled)
    }

    fn consume(&mut self, amount: usize) {
        self.left = self.left.saturating_sub(amount);
        self.reader.consume(amount);
    }
}

impl Read for PackStream<'_> {
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

/// How far the connection had come when the handshake failed.
const fn stage_of(error: &TransportError) -> RemoteStage {
    match error {
        TransportError::Connect(_) => RemoteStage::Connect,
        _ => RemoteStage::List,
    }
}
