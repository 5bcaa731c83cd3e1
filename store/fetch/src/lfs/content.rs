//! [`ContentStream`]: a content as it comes, checked by size and SHA-256 while it does.
//!
//! When the connection breaks, the stream goes on at the byte where it was; a server that knows no parts sends all again,
//! and what is there already is
//! passed over. The end is given out only when all bytes are known to be the right ones.
//!
//! Limits: a content that turns out to be another one is not asked for again.

use std::{
    fs::File,
    io::{self, Read},
    time::Duration,
};

use sha2::{Digest as _, Sha256};

use super::{pointer::Oid, server::Fault};
use crate::{
    errors::{ConnectError, TransferError, TransportError},
    transport::PlainDownload,
};

/// How often a broken download is taken up again without [`ENOUGH`] having come between.
const TRIES: u32 = 5;
/// Bytes after which a download counts as one that gets on.
const ENOUGH: u64 = 1 << 20;
/// The first wait before another try; each is twice as long as the one before.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// Bytes on their way.
pub(super) enum Body {
    Download(PlainDownload),
    File(File),
    Nothing,
}

/// Where the bytes come from.
pub(super) trait Opener {
    /// Opens the content so that it begins at byte `from` or before; gives the body and where it begins. With
    /// `anew`, a new address is asked for first, since the offered one is no longer good.
    fn open(&mut self, from: u64, anew: bool) -> Result<(Body, u64), Fault>;

    /// Waits before another try.
    fn pause(&self, time: Duration) -> Result<(), Fault>;

    /// Bytes have come.
    fn came(&self, bytes: u64);

    /// The place, fit to be printed.
    fn shown(&self) -> String;
}

/// Why a content did not come.
#[derive(Debug)]
pub(super) enum Failure {
    Fault(Fault),
    /// It is another one; says how.
    Wrong(String),
}

/// See the module.
pub(super) struct ContentStream<'s> {
    opener: &'s mut dyn Opener,
    oid: Oid,
    size: u64,
    body: Option<Body>,
    /// Bytes of the body that are there already.
    skip: u64,
    /// Bytes given out.
    received: u64,
    hasher: Sha256,
    tries: u32,
    /// Where the last count of tries began.
    since: u64,
    /// Whether the address that was offered is no longer good.
    anew: bool,
    failure: Option<Failure>,
}

impl<'s> ContentStream<'s> {
    /// Nothing is asked for yet.
    pub(super) fn new(opener: &'s mut dyn Opener, oid: Oid, size: u64) -> Self {
        Self {
            opener,
            oid,
            size,
            body: None,
            skip: 0,
            received: 0,
            hasher: Sha256::new(),
            tries: 0,
            since: 0,
            anew: false,
            failure: None,
        }
    }

    /// Why reading failed, if it did.
    pub(super) fn take_failure(&mut self) -> Option<Failure> {
        self.failure.take()
    }

    /// The next bytes; nothing at the end.
    fn next(&mut self, buf: &mut [u8]) -> Result<usize, Failure> {
        loop {
            let read = match &mut self.body {
                None => self.open().map(|()| None),
                Some(body) => body.read(buf).map(Some),
            };
            let fault = match read {
                Ok(None) => continue,
                Ok(Some(0)) if self.received == self.size => return self.end(),
                Ok(Some(0)) => Fault::Ended,
                Ok(Some(read)) => match self.take(buf, read)? {
                    0 => continue,
                    new => return Ok(new),
                },
                Err(fault) => fault,
            };
            self.body = None;
            self.recover(fault)?;
        }
    }

    fn open(&mut self) -> Result<(), Fault> {
        let (body, begins) = self.opener.open(self.received, self.anew)?;
        self.skip = self.received.saturating_sub(begins);
        self.body = Some(body);
        self.anew = false;
        Ok(())
    }

    /// Takes what was read; gives how much of it is new, at the front of `buf`.
    fn take(&mut self, buf: &mut [u8], read: usize) -> Result<usize, Failure> {
        let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(read);
        self.skip -= skipped as u64;
        let new = read - skipped;
        buf.copy_within(skipped..read, 0);
        let bytes = buf.get(..new).unwrap_or_default();
        self.received += new as u64;
        self.opener.came(new as u64);
        if self.received > self.size {
            let size = self.size;
            return Err(Failure::Wrong(format!("more than the {size} bytes that it should have")));
        }
        self.hasher.update(bytes);
        Ok(new)
    }

    fn end(&self) -> Result<usize, Failure> {
        let found = Oid::of(self.hasher.clone());
        if found == self.oid {
            Ok(0)
        } else {
            Err(Failure::Wrong(format!("its SHA-256 is {found}, and not {}", self.oid)))
        }
    }

    /// Makes ready for another try, where that may help.
    fn recover(&mut self, fault: Fault) -> Result<(), Failure> {
        if self.received - self.since >= ENOUGH {
            (self.tries, self.since) = (0, self.received);
        }
        let is_over = is_refusal(&fault) && self.received > 0 && !self.anew;
        if self.tries >= TRIES || !(is_over || may_pass(&fault)) {
            return Err(Failure::Fault(fault));
        }
        self.opener.pause(FIRST_WAIT * 2_u32.saturating_pow(self.tries)).map_err(Failure::Fault)?;
        self.tries += 1;
        self.anew |= is_over;
        Ok(())
    }
}

impl Read for ContentStream<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.next(buf).map_err(|failure| {
            let sent_up = io::Error::other(format!("{failure:?}"));
            self.failure.get_or_insert(failure);
            sent_up
        })
    }
}

impl Body {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, Fault> {
        match self {
            Self::Download(download) => download.read(buf).map_err(Fault::Broken),
            Self::File(file) => file.read(buf).map_err(Fault::Unread),
            Self::Nothing => Ok(0),
        }
    }
}

/// Whether the same question may be answered a moment later.
fn may_pass(fault: &Fault) -> bool {
    match fault {
        Fault::Ended => true,
        Fault::Refused { status: 408 | 500 | 502 | 503 | 504, .. } => true,
        Fault::Broken(error) => matches!(
            error.transport(),
            Some(
                TransportError::Transfer(TransferError::Dropped { .. })
                    | TransportError::Connect(ConnectError::Refused { .. })
            )
        ),
        Fault::Refused { .. }
        | Fault::Answer { .. }
        | Fault::Setting { .. }
        | Fault::OverSsh { .. }
        | Fault::File { .. }
        | Fault::Unread(_) => false,
    }
}

/// Whether an address that has worked may be over.
fn is_refusal(fault: &Fault) -> bool {
    match fault {
        Fault::Refused { status: 403 | 404 | 410, .. } => true,
        Fault::Broken(error) => matches!(error.transport(), Some(TransportError::Login(_))),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, io::Write as _};

    use super::*;

    /// Gives content in pieces, as a script says.
    struct Script {
        pieces: Vec<Result<(&'static [u8], u64), u16>>,
        asked: Vec<(u64, bool)>,
        came: Cell<u64>,
    }

    impl Opener for Script {
        fn open(&mut self, from: u64, anew: bool) -> Result<(Body, u64), Fault> {
            self.asked.push((from, anew));
            let piece = if self.pieces.is_empty() { Err(500) } else { self.pieces.remove(0) };
            let (bytes, begins) = piece.map_err(|status| Fault::Refused {
                url: "u".into(),
                status,
                said: String::new(),
                retry_after: None,
            })?;
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(bytes).unwrap();
            std::io::Seek::rewind(&mut file).unwrap();
            Ok((Body::File(file), begins))
        }

        fn pause(&self, _: Duration) -> Result<(), Fault> {
            Ok(())
        }

        fn came(&self, bytes: u64) {
            self.came.set(self.came.get() + bytes);
        }

        fn shown(&self) -> String {
            String::new()
        }
    }

    type Asked = Vec<(u64, bool)>;

    fn run(pieces: Vec<Result<(&'static [u8], u64), u16>>) -> (Result<Vec<u8>, Failure>, Asked) {
        let mut script = Script { pieces, asked: Vec::new(), came: Cell::new(0) };
        let oid = Oid::of(Sha256::new_with_prefix(b"0123456789"));
        let mut stream = ContentStream::new(&mut script, oid, 10);
        let mut read = Vec::new();
        let result = stream.read_to_end(&mut read);
        let failure = stream.take_failure();
        (result.map(|_| read).map_err(|_| failure.unwrap()), script.asked)
    }

    #[test]
    fn a_broken_download_goes_on_where_it_was() {
        let (read, asked) = run(vec![Ok((b"0123", 0)), Ok((b"456", 4)), Ok((b"789", 7))]);
        assert_eq!(read.unwrap(), b"0123456789");
        assert_eq!(asked, [(0, false), (4, false), (7, false)]);
    }

    #[test]
    fn a_server_that_knows_no_parts_sends_all_again() {
        let (read, _) = run(vec![Ok((b"0123", 0)), Ok((b"012", 0)), Ok((b"0123456789", 0))]);
        assert_eq!(read.unwrap(), b"0123456789");
    }

    #[test]
    fn an_address_that_is_over_is_asked_for_again_and_one_that_never_worked_is_not() {
        let (read, asked) = run(vec![Ok((b"0123", 0)), Err(403), Ok((b"456789", 4))]);
        assert_eq!(read.unwrap(), b"0123456789");
        assert_eq!(asked, [(0, false), (4, false), (4, true)]);
        let (read, asked) = run(vec![Err(403)]);
        assert!(matches!(read, Err(Failure::Fault(Fault::Refused { status: 403, .. }))));
        assert_eq!(asked, [(0, false)]);
    }

    #[test]
    fn content_that_is_longer_or_another_is_refused_and_shorter_is_asked_for_again() {
        let (read, _) = run(vec![Ok((b"0123456789x", 0))]);
        assert!(matches!(read, Err(Failure::Wrong(why)) if why.contains("more than the 10")));
        let (read, _) = run(vec![Ok((b"012345678x", 0))]);
        assert!(matches!(read, Err(Failure::Wrong(why)) if why.contains("SHA-256")));
        let (read, asked) = run(vec![Ok((b"0", 0)); 20]);
        assert!(matches!(read, Err(Failure::Fault(Fault::Ended))));
        assert_eq!(asked.len(), 1 + TRIES as usize);
    }
}
