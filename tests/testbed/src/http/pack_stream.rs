//! Sending a pack, with faults at exact offsets of it.
//!
//! Side-band packets are taken apart and sent on packet by packet; a pack without side band is one endless packet.
//! Limits: a reply that carries no pack (a listing, a negotiation round) passes through untouched.

use std::{
    io::{self, Read, Write},
    sync::Arc,
    time::Duration,
};

use super::{
    fault::{Armed, Fault, without_end},
    pkt_line::{Pkt, length_of, pkt_line, read_pkt},
};

const PACK_BAND: u8 = 1;

/// How the reply ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// In good order; whether whole is another question.
    Whole,
    /// Unfinished, connection open.
    Hang,
    /// Unfinished, connection closed.
    Close,
}

/// A reply on its way to the client.
pub(crate) struct PackStream<'a> {
    to: &'a mut dyn Write,
    faults: Vec<Arc<Armed>>,
    /// Those that concern no offset.
    others: Vec<Arc<Armed>>,
    sent: u64,
}

impl<'a> PackStream<'a> {
    /// A stream to `to` with those of `faults` that concern packs, by offset.
    pub(crate) fn new(to: &'a mut dyn Write, all: &[Arc<Armed>]) -> Self {
        let mut faults: Vec<_> =
            all.iter().filter(|armed| offset(&armed.fault).is_some()).cloned().collect();
        faults.sort_by_key(|armed| offset(&armed.fault));
        let others = all.iter().filter(|armed| {
            matches!(armed.fault, Fault::LinesWithoutEnd { .. } | Fault::PackInPieces { .. })
        });
        Self { to, faults, others: others.cloned().collect(), sent: 0 }
    }

    /// Sends all of `from`, or as much as the faults allow.
    pub(crate) fn copy(mut self, from: &mut dyn Read) -> io::Result<End> {
        if self.faults.is_empty() && self.others.is_empty() {
            return self.copy_untouched(from);
        }
        while let Some(pkt) = read_pkt(from)? {
            let end = match pkt {
                Pkt::Data(payload) => self.send_line(payload)?,
                Pkt::Raw(head) => return self.copy_raw(&head, from),
                Pkt::Special(head) => {
                    let end = self.end_of_pack()?;
                    if end.is_none() {
                        self.to.write_all(&head)?;
                    }
                    end
                }
            };
            self.to.flush()?;
            if let Some(end) = end {
                return Ok(end);
            }
        }
        Ok(End::Whole)
    }

    fn copy_untouched(&mut self, from: &mut dyn Read) -> io::Result<End> {
        let mut part = vec![0; 64 * 1024];
        loop {
            let read = from.read(&mut part)?;
            if read == 0 {
                return Ok(End::Whole);
            }
            self.to.write_all(part.get(..read).unwrap_or_default())?;
            self.to.flush()?;
        }
    }

    fn send_line(&mut self, payload: Vec<u8>) -> io::Result<Option<End>> {
        let Some((&PACK_BAND, pack)) = payload.split_first() else {
            self.to.write_all(&pkt_line(payload))?;
            return Ok(None);
        };
        self.lines_without_end(false)?;
        if let Some(keep) = self.truncation_within(pack.len() as u64) {
            let pack = pack.get(..keep).unwrap_or(pack);
            self.send_band(pack)?;
            self.to.write_all(b"0000")?;
            return Ok(Some(End::Whole));
        }
        self.send_band(pack)
    }

    fn send_band(&mut self, pack: &[u8]) -> io::Result<Option<End>> {
        self.to.write_all(length_of(pack.len() + 1).as_bytes())?;
        self.to.write_all(&[PACK_BAND])?;
        self.send_pack(pack.to_vec())
    }

    /// A pack that follows bare: all of the rest is pack.
    fn copy_raw(mut self, head: &[u8; 4], from: &mut dyn Read) -> io::Result<End> {
        let mut part = head.to_vec();
        loop {
            let cut = self.truncation_within(part.len() as u64);
            part.truncate(cut.unwrap_or(part.len()));
            let end = self.send_pack(part)?;
            if end.is_some() || cut.is_some() {
                return Ok(end.unwrap_or(End::Whole));
            }
            part = vec![0; 8192];
            let read = from.read(&mut part)?;
            part.truncate(read);
            if read == 0 {
                return Ok(self.end_of_pack()?.unwrap_or(End::Whole));
            }
        }
    }

    /// Sends pack bytes up to the first fault that ends the reply.
    fn send_pack(&mut self, mut pack: Vec<u8>) -> io::Result<Option<End>> {
        let start = self.sent;
        let due = self.due_before(start + pack.len() as u64);
        for armed in &due {
            if let Fault::FlipByteInPack { at } = &armed.fault
                && let Some(byte) = pack.get_mut((at - start) as usize)
                && armed.fires()
            {
                *byte ^= 0xff;
            }
        }
        let mut rest = pack.as_slice();
        for armed in due {
            let until = offset(&armed.fault).unwrap_or(start).saturating_sub(self.sent) as usize;
            let (now, later) = rest.split_at_checked(until).unwrap_or((rest, &[]));
            self.send_bytes(now)?;
            rest = later;
            if let Some(end) = happen(&armed) {
                return Ok(Some(end));
            }
        }
        self.send_bytes(rest)?;
        Ok(None)
    }

    fn send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        let (piece, pause) = self.pieces().unwrap_or((usize::MAX, 0));
        for piece in bytes.chunks(piece) {
            std::thread::sleep(Duration::from_millis(pause));
            self.to.write_all(piece)?;
            self.to.flush()?;
            self.sent += piece.len() as u64;
        }
        Ok(())
    }

    fn pieces(&self) -> Option<(usize, u64)> {
        self.others.iter().find_map(|armed| match armed.fault {
            Fault::PackInPieces { piece, pause } if armed.fires() => Some((piece, pause)),
            _ => None,
        })
    }

    /// Returns only when there are none for this place, or when the client reads no more of them.
    fn lines_without_end(&mut self, now: bool) -> io::Result<()> {
        let found = self.others.iter().find_map(|armed| match &armed.fault {
            Fault::LinesWithoutEnd { after_the_pack, lines, pause } if *after_the_pack == now => {
                armed.fires().then(|| (lines.clone(), *pause))
            }
            _ => None,
        });
        match found {
            Some((lines, pause)) => Err(without_end(self.to, &lines, pause)),
            None => Ok(()),
        }
    }

    /// Takes out the faults with an offset below `end`.
    fn due_before(&mut self, end: u64) -> Vec<Arc<Armed>> {
        let later = self.faults.iter().position(|armed| offset(&armed.fault) >= Some(end));
        let later = self.faults.split_off(later.unwrap_or(self.faults.len()));
        std::mem::replace(&mut self.faults, later)
    }

    fn truncation_within(&self, length: u64) -> Option<usize> {
        let until = self.sent + length;
        let cut = self.faults.iter().find(|armed| {
            matches!(armed.fault, Fault::TruncatedPackCleanEof { after } if after < until)
                && armed.fires()
        })?;
        Some(offset(&cut.fault).unwrap_or(0).saturating_sub(self.sent) as usize)
    }

    /// The faults that wait for an offset beyond the pack's end.
    fn end_of_pack(&mut self) -> io::Result<Option<End>> {
        if self.sent == 0 {
            return Ok(None);
        }
        self.to.flush()?;
        self.lines_without_end(true)?;
        Ok(std::mem::take(&mut self.faults).iter().find_map(|armed| happen(armed)))
    }
}

/// Where in the pack a fault happens; `None` for faults that do not concern packs.
fn offset(fault: &Fault) -> Option<u64> {
    match fault {
        Fault::HangMidPack { after }
        | Fault::CloseMidPack { after }
        | Fault::TruncatedPackCleanEof { after } => Some(*after),
        Fault::FlipByteInPack { at } | Fault::OnPack { at, .. } => Some(*at),
        _ => None,
    }
}

fn happen(armed: &Armed) -> Option<End> {
    let end = match &armed.fault {
        Fault::HangMidPack { .. } => Some(End::Hang),
        Fault::CloseMidPack { .. } => Some(End::Close),
        Fault::OnPack { .. } => None,
        _ => return None,
    };
    if !armed.fires() {
        return None;
    }
    if let Fault::OnPack { call, .. } = &armed.fault {
        call();
    }
    end
}
