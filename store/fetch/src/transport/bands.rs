//! [`Bands`]: which bytes of an answer are bytes of its pack, known while they arrive.
//!
//! A packet of 64 KiB over a slow line takes long, and a reader of packets sees nothing of it before its end. Without
//! this count a slow line would look like a server that sends nothing.
//!
//! ```text
//! length, 4 hex digits, itself included ‖ band: 1 pack, 2 progress, 3 error ‖ bytes of that band
//! ```
//!
//! Limits: looks at the lengths of packets and at their first byte, and checks nothing. From a byte on that is not the
//! start of a packet, nothing counts.

/// The first byte of a packet of pack data.
const PACK: u8 = 1;

/// Follows the packets of one answer.
#[derive(Debug, Default)]
pub(crate) struct Bands {
    at: At,
}

#[derive(Debug)]
enum At {
    /// In the four digits of a packet's length, of which these were seen.
    Length(Vec<u8>),
    /// Before the first byte of this many.
    Start(usize),
    /// Before this many bytes of a packet that is, or is not, of the pack.
    Within(usize, bool),
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
                    self.at = within(*left - 1, first == PACK);
                    bytes = rest;
                }
                At::Within(left, is_pack) => {
                    let (now, later) = bytes.split_at(bytes.len().min(*left));
                    useful += if *is_pack { now.len() } else { 0 };
                    self.at = within(*left - now.len(), *is_pack);
                    bytes = later;
                }
            }
        }
        useful
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

fn within(left: usize, is_pack: bool) -> At {
    if left == 0 { At::default() } else { At::Within(left, is_pack) }
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
    fn a_byte_of_a_large_packet_counts_when_it_comes_and_nonsense_never() {
        let mut bands = Bands::default();
        assert_eq!(bands.useful(b"fff0\x01abc"), 3);
        assert_eq!(bands.useful(b"de"), 2);
        let mut lost = Bands::default();
        assert_eq!(lost.useful(b"<html>\x01\x01\x01"), 0);
    }
}
