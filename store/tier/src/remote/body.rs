//! The bytes of an object as they arrive.

use std::{
    future::poll_fn,
    io::{self, ErrorKind, Read},
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::{Buf as _, Bytes as Piece};
use futures_core::Stream;

use super::{
    client::io_fault,
    exchange::{Exchange, Fault},
    inline::block_on,
};
use crate::TierError;

/// What must arrive within the time of a stall. A place that gives a byte a second would else hold a command for ever.
const LEAST: u64 = 16 * 1024;

/// The bytes of an object, which stop when the command is stopped, the place stalls, or there are too many.
pub(super) struct Arriving {
    bytes: Box<dyn Read + Send>,
    exchange: Arc<Exchange>,
    stall: Duration,
    /// How many more there may be.
    left: u64,
    /// How many more the place says there are.
    promised: Option<u64>,
    /// How long has been waited, and what has come, since it was last enough.
    waited: Duration,
    came: u64,
}

impl Arriving {
    pub(super) fn new(
        bytes: Box<dyn Read + Send>,
        exchange: Arc<Exchange>,
        stall: Duration,
        most: u64,
        promised: Option<u64>,
    ) -> Box<Self> {
        let (waited, came) = (Duration::ZERO, 0);
        Box::new(Self { bytes, exchange, stall, left: most, promised, waited, came })
    }

    /// Reads the end after the last byte. A reader of a pack knows that it has all, and does not ask for the end; but a
    /// connection is kept only if that was read.
    fn read_the_end(&mut self, came: u64) {
        self.promised = self.promised.map(|promised| promised.saturating_sub(came));
        if came > 0 && self.promised == Some(0) {
            let bytes = &mut self.bytes;
            // If it fails, the connection is closed.
            let _ = self.exchange.during(|| bytes.read(&mut [0]));
        }
    }

    fn failed(&self, error: &io::Error) -> io::Error {
        if self.exchange.cancel().is_cancelled() {
            return io::Error::other(TierError::Cancelled);
        }
        match self.exchange.seen().fault.unwrap_or_else(|| io_fault(error)) {
            Fault::Broken(kind, text) => io::Error::new(kind, text),
            Fault::NoConnection(text) | Fault::NoLogin(text) => io::Error::other(text),
        }
    }

    fn keep_pace(&mut self, waited: Duration, came: u64) -> io::Result<()> {
        self.waited += waited;
        self.came += came;
        if self.came >= LEAST {
            (self.waited, self.came) = (Duration::ZERO, 0);
        } else if self.waited > self.stall && came > 0 {
            let text =
                format!("only {} bytes came in {} s", self.came, self.waited.as_secs().max(1));
            return Err(io::Error::new(ErrorKind::TimedOut, text));
        }
        Ok(())
    }
}

impl Read for Arriving {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.exchange.cancel().is_cancelled() {
            return Err(io::Error::other(TierError::Cancelled));
        }
        let begun = Instant::now();
        let bytes = &mut self.bytes;
        let read = self.exchange.during(|| bytes.read(out)).map_err(|error| self.failed(&error))?;
        let came = read as u64;
        self.left = self.left.checked_sub(came).ok_or_else(|| {
            io::Error::new(ErrorKind::FileTooLarge, "the object is longer than what is read of one")
        })?;
        self.keep_pace(begun.elapsed(), came)?;
        self.read_the_end(came);
        Ok(read)
    }
}

/// Pieces, read one after the other.
pub(super) struct Pieces<S> {
    pub(super) stream: Pin<Box<S>>,
    piece: Piece,
}

impl<S> Pieces<S> {
    pub(super) fn of(stream: S) -> Self {
        Self { stream: Box::pin(stream), piece: Piece::new() }
    }
}

impl<S, E> Read for Pieces<S>
where
    S: Stream<Item = Result<Piece, E>>,
    E: std::error::Error + Send + Sync + 'static,
{
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match block_on(poll_fn(|context| self.stream.as_mut().poll_next(context))) {
                None => return Ok(0),
                Some(piece) => self.piece = piece.map_err(io::Error::other)?,
            }
        }
        let amount = out.len().min(self.piece.len());
        self.piece.copy_to_slice(out.get_mut(..amount).unwrap_or_default());
        Ok(amount)
    }
}
