//! A [`Frame`]: the bytes of one transaction in the journal.
//!
//! ```text
//! magic "msj1" ‖ payload length u32 LE ‖ check of the two, 4 bytes
//! ‖ sequence u64 LE ‖ hash of the previous frame, 16 bytes ‖ payload
//! ‖ hash of all before, 16 bytes
//! ```
//!
//! A frame is whole or it is not there. The length has a check of its own: were it trusted, a bad
//! length in the middle would look like a torn end, and cutting there would lose what follows. The
//! hash of the previous frame makes lost, swapped and replayed frames show.
//!
//! Knows bytes only; files are the business of [`journal`](super::Journal).

use super::record::{self, DecodeError, Record};

const MAGIC: &[u8; 4] = b"msj1";
/// Bytes before the payload.
const HEAD: usize = 4 + 4 + 4 + 8 + 16;
/// Bytes after the payload.
const FOOT: usize = 16;

/// The first 16 bytes of a BLAKE3 hash, which chains frames.
pub(crate) type Link = [u8; 16];

/// One transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// 1 for the first frame of a journal, then 2, 3, …
    pub sequence: u64,
    /// The hash of the frame before, zeros for the first.
    pub previous: Link,
    /// What changed.
    pub records: Vec<Record>,
}

/// Why no frame can be read at an offset.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The bytes end within the frame.
    #[error("the frame is cut off")]
    Cut,
    /// Something is there, and it is no frame.
    #[error("the frame is damaged: {0}")]
    Damaged(&'static str),
    /// The frame is whole and its records are none this version knows.
    #[error("the frame holds unknown records")]
    Records(#[source] DecodeError),
}

impl Frame {
    /// The frame's bytes, and the hash that the next frame names.
    #[must_use]
    pub fn to_bytes(&self) -> (Vec<u8>, Link) {
        let payload = record::encode(&self.records);
        let length = u32::try_from(payload.len()).expect("the records have less than 4 GiB");
        let mut bytes = Vec::with_capacity(HEAD + payload.len() + FOOT);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&check(&bytes));
        bytes.extend_from_slice(&self.sequence.to_le_bytes());
        bytes.extend_from_slice(&self.previous);
        bytes.extend_from_slice(&payload);
        let link = link_of(&bytes);
        bytes.extend_from_slice(&link);
        (bytes, link)
    }

    /// Reads the frame at the start of `bytes`: the frame, its length, and its hash.
    ///
    /// # Errors
    /// When no whole frame is there. Nothing larger than the frame is allocated.
    pub fn read(bytes: &[u8]) -> Result<(Self, usize, Link), FrameError> {
        let (frame, link) = Self::split(bytes)?;
        let (head, payload) = frame.split_first_chunk::<HEAD>().ok_or(FrameError::Cut)?;
        let (_, sequence_and_previous) = head.split_at(12);
        let (sequence, previous) =
            sequence_and_previous.split_first_chunk::<8>().ok_or(FrameError::Cut)?;
        let previous = Link::try_from(previous).map_err(|_| FrameError::Cut)?;
        let records = record::decode(payload).map_err(FrameError::Records)?;
        let sequence = u64::from_le_bytes(*sequence);
        Ok((Self { sequence, previous, records }, frame.len() + FOOT, link))
    }

    /// The bytes of the frame without its hash, and the hash, which they have.
    fn split(bytes: &[u8]) -> Result<(&[u8], Link), FrameError> {
        let length = Self::length(bytes)?;
        if length > record::LIMIT {
            return Err(FrameError::Damaged("it is longer than any frame"));
        }
        let (body, rest) = bytes.split_at_checked(HEAD + length).ok_or(FrameError::Cut)?;
        let (link, _) = rest.split_first_chunk::<FOOT>().ok_or(FrameError::Cut)?;
        if link_of(body) != *link {
            return Err(FrameError::Damaged("its hash does not fit"));
        }
        Ok((body, *link))
    }

    /// How long the payload is, which the first bytes tell and prove.
    fn length(bytes: &[u8]) -> Result<usize, FrameError> {
        let (header, rest) = bytes.split_first_chunk::<8>().ok_or(FrameError::Cut)?;
        let header_check = rest.first_chunk::<4>().ok_or(FrameError::Cut)?;
        let (magic, length) = header.split_at(4);
        if magic != MAGIC {
            return Err(FrameError::Damaged("it does not begin like one"));
        }
        if check(header) != *header_check {
            return Err(FrameError::Damaged("its length cannot be trusted"));
        }
        Ok(length.iter().rev().fold(0, |length, byte| length << 8 | usize::from(*byte)))
    }

    /// Whether a frame begins anywhere in `bytes`, whole or not. No writer begins a frame before the one
    /// before it is durable, so its first bytes are proof enough; and invented bytes cannot
    /// make this hash all that follows each of them.
    #[must_use]
    pub fn begins_in(bytes: &[u8]) -> bool {
        bytes.windows(4 + 4 + 4).any(|bytes| Self::length(bytes).is_ok())
    }
}

fn check(bytes: &[u8]) -> [u8; 4] {
    let [a, b, c, d, ..] = *blake3::hash(bytes).as_bytes();
    [a, b, c, d]
}

fn link_of(bytes: &[u8]) -> Link {
    let hash = blake3::hash(bytes);
    *hash.as_bytes().first_chunk().expect("a hash has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Frame {
        let records = vec![Record::Unbound { module: "a".parse().unwrap() }];
        Frame { sequence: 7, previous: [9; 16], records }
    }

    #[test]
    fn a_frame_reads_back_from_its_bytes_and_leaves_what_follows() {
        let (bytes, link) = sample().to_bytes();
        let (frame, length, read_link) =
            Frame::read(&[bytes.as_slice(), b"more"].concat()).unwrap();
        assert_eq!((frame, length, read_link), (sample(), bytes.len(), link));
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let (bytes, _) = sample().to_bytes();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(Frame::read(&flipped), Err(FrameError::Damaged(_))), "bit {bit}");
        }
    }

    #[test]
    fn every_truncation_is_a_cut_and_never_damage() {
        let (bytes, _) = sample().to_bytes();
        for end in 0..bytes.len() {
            assert!(matches!(Frame::read(&bytes[..end]), Err(FrameError::Cut)), "cut at {end}");
        }
    }

    #[test]
    fn a_frame_is_found_behind_garbage_from_its_first_bytes() {
        let (bytes, _) = sample().to_bytes();
        for end in 0..=bytes.len() {
            let after_garbage = [b"garbage".as_slice(), &bytes[..end]].concat();
            assert_eq!(Frame::begins_in(&after_garbage), end >= 12, "{end} bytes of it");
        }
        assert!(!Frame::begins_in(&bytes[1..]));
    }
}
