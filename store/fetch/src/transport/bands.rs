//! [`Bands`]: which bytes of an answer are bytes of its pack, known while they arrive, and which packets of progress end a line.
//!
//! A packet of 64 KiB over a slow line takes long, and a reader of packets sees nothing of it before its end. Without
//! this count a slow line would look like a server that sends nothing. And the reader takes the end of a line from the end of a
//! packet, so that two lines would look like one.
//!
//! ```text
//! length, 4 hex digits, itself included ‖ band: 1 pack, 2 progress, 3 error ‖ bytes of that band
//! ```
//!
//! Limits: looks at the lengths of packets and at their first byte, and checks nothing. From a byte on that is not the
//! start of a packet, nothing counts.

use std::collections::VecDeque;

/// The first byte of a packet of pack data.
const PACK: u8 = 1;

/// The first byte of a packet of progress.
const PROGRESS: u8 = 2;

/// Of more packets that no reader asked about, the oldest is forgotten.
const MOST_ENDS: usize = 1 << 16;

/// Follows the packets of one answer.
#[derive(Debug, Default)]
pub(crate) struct Bands {
    at: At,
    /// Of each packet of progress, whether its last byte ends a line.
    ends: VecDeque<bool>,
}

#[derive(Debug)]
enum At {
    /// In the four digits of a packet's length, of which these were seen.
    Length(Vec<u8>),
    /// Before the first byte of this many.
    Start(usize),
    /// Before this many bytes of a packet of this band.
    Within(usize, u8),
    /// In what is no packet.
    Lost,
}

impl Default for At {
    fn default() -> Self {
        At::Length(Vec::new())
    }
}

impl Bands {
    /// How many of `bytes`, which are the next of the answer, are of the pack.
    pub(crate) fn useful(&mut self, mut bytes: &[u8]) -> usize {
        let mut useful = 0;
        while let Some((&first, rest)) = bytes.split_first() {
            match &mut self.at {
                At::Lost => return useful,
                At::Length(digits) => {
                    digits.push(first);
                    bytes = rest;
                    if digits.len() == 4 {
                        self.at = after(digits);
                    }
                }
                At::Start(left) => {
                    let left = *left - 1;
                    self.go_on(left, first, None);
                    bytes = rest;
                }
                At::Within(left, band) => {
                    let (now, later) = bytes.split_at(bytes.len().min(*left));
                    useful += if *band == PACK { now.len() } else { 0 };
                    let (left, band) = (*left - now.len(), *band);
                    self.go_on(left, band, now.last());
                    bytes = later;
                }
            }
        }
        useful
    }

    /// Whether the next packet of progress ends a line. No, where that is not known.
    pub(crate) fn next_ends_a_line(&mut self) -> bool {
        self.ends.pop_front().unwrap_or(false)
    }

    /// Stands before the last `left` bytes of a packet, behind `last`.
    fn go_on(&mut self, left: usize, band: u8, last: Option<&u8>) {
        self.at = if left == 0 { At::default() } else { At::Within(left, band) };
        if left == 0 && band == PROGRESS {
            self.ends.push_back(last == Some(&b'\n'));
            if self.ends.len() > MOST_ENDS {
                self.ends.pop_front();
            }
        }
    }
}

fn after(digits: &[u8]) -> At {
    let length = str::from_utf8(digits).ok().and_then(|hex| usize::from_str_radix(hex, 16).ok());
    match length {
        None => At::Lost,
        // Without content: a flush, a delimiter, the end of a response, an empty packet.
        Some(0..=4) => At::default(),
        Some(length) => At::Start(length - 4),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_an_answer_is_cut_only_its_pack_counts() {
        let answer = b"0008NAK\n0000000b\x01PACK..0006\x02x0005\x01000a\x01PACKS0004000a\x03sorry";
        for size in 1..answer.len() {
            let mut bands = Bands::default();
            let useful: usize = answer.chunks(size).map(|part| bands.useful(part)).sum();
            assert_eq!(useful, 6 + 5, "pieces of {size}");
        }
    }

    #[test]
    fn however_an_answer_is_cut_it_is_known_which_packets_of_progress_end_a_line() {
        let answer = b"0009\x02one\n0006\x02t0009\x01\x02\n\n\n0007\x02o\n0005\x02";
        for size in 1..answer.len() {
            let mut bands = Bands::default();
            for part in answer.chunks(size) {
                bands.useful(part);
            }
            let ends: Vec<bool> = (0..5).map(|_| bands.next_ends_a_line()).collect();
            assert_eq!(ends, [true, false, true, false, false], "pieces of {size}");
        }
    }

    #[test]
    fn a_byte_of_a_large_packet_counts_when_it_comes_and_nonsense_never() {
        let mut bands = Bands::default();
        assert_eq!(bands.useful(b"fff0\x01abc"), 3);
        assert_eq!(bands.useful(b"de"), 2);
        let mut lost = Bands::default();
        assert_eq!(lost.useful(b"<html>\x01\x01\x01"), 0);
    }
}
