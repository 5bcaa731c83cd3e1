//! Git's delta encoding: a new object as copies from a base and insertions.
//!
//! Limits: knows nothing of packs or ids; the caller checks the result against its id.

use std::io::{self, BufReader, Read};

use thiserror::Error;

/// Why a delta cannot be applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum DeltaError {
    /// It ends in the middle of an instruction.
    #[error("the delta ends in the middle of an instruction")]
    Short,
    /// It was made for a base of another size.
    #[error("the delta was made for another base")]
    OtherBase,
    /// A copy reaches outside the base.
    #[error("the delta copies from outside its base")]
    OutsideBase,
    /// Its instructions make more or less than it says.
    #[error("the delta makes another size than it says")]
    OtherResult,
    /// Instruction 0 is reserved.
    #[error("the delta has an unknown instruction")]
    Unknown,
    /// The result would be larger than the caller allows.
    #[error("the delta makes an object of {0} bytes")]
    TooLarge(u64),
}

/// How many bytes the base has and the delta makes, as its first bytes say.
///
/// # Errors
/// When it does not even say that.
pub(crate) fn sizes(delta: &mut dyn Read) -> io::Result<(u64, u64)> {
    let mut start = Vec::new();
    delta.take(LONGEST_SIZES).read_to_end(&mut start)?;
    let mut rest = start.as_slice();
    let both = size(&mut rest).and_then(|base| Ok((base, size(&mut rest)?)));
    both.map_err(io::Error::other)
}

/// Two numbers of 64 bits, seven in each byte.
const LONGEST_SIZES: u64 = 20;

/// How many bytes the delta says it makes; `None` when it does not even say that.
pub(crate) fn result_size(delta: &[u8]) -> Option<u64> {
    let mut rest = delta;
    size(&mut rest).ok()?;
    size(&mut rest).ok()
}

/// Applies `delta` to `base`; the result has at most `limit` bytes.
///
/// # Errors
/// When the delta is malformed, made for another base, or its result too large. Nothing larger than
/// what the instructions really make is allocated.
pub(crate) fn apply(base: &[u8], delta: &[u8], limit: u64) -> Result<Vec<u8>, DeltaError> {
    let mut rest = delta;
    if size(&mut rest)? != base.len() as u64 {
        return Err(DeltaError::OtherBase);
    }
    let target = size(&mut rest)?;
    if target > limit {
        return Err(DeltaError::TooLarge(target));
    }
    let target = usize::try_from(target).map_err(|_| DeltaError::TooLarge(target))?;
    // A hostile size costs nothing before the instructions have made as much.
    let mut made = Vec::with_capacity(target.min(base.len() + delta.len()));
    while let Some((&instruction, after)) = rest.split_first() {
        rest = after;
        let bytes = match instruction {
            0 => return Err(DeltaError::Unknown),
            1..=0x7f => take(&mut rest, usize::from(instruction))?,
            _ => copied(instruction, &mut rest, base)?,
        };
        if made.len() + bytes.len() > target {
            return Err(DeltaError::OtherResult);
        }
        made.extend_from_slice(bytes);
    }
    if made.len() == target { Ok(made) } else { Err(DeltaError::OtherResult) }
}

fn take<'d>(rest: &mut &'d [u8], count: usize) -> Result<&'d [u8], DeltaError> {
    let (taken, after) = rest.split_at_checked(count).ok_or(DeltaError::Short)?;
    *rest = after;
    Ok(taken)
}

fn byte(rest: &mut &[u8]) -> Result<u8, DeltaError> {
    let (&first, after) = rest.split_first().ok_or(DeltaError::Short)?;
    *rest = after;
    Ok(first)
}

/// Little-endian groups of seven bits.
fn size(rest: &mut &[u8]) -> Result<u64, DeltaError> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let next = byte(rest)?;
        value |= u64::from(next & 0x7f) << shift;
        if next & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(DeltaError::Short)
}

fn copied<'b>(instruction: u8, rest: &mut &[u8], base: &'b [u8]) -> Result<&'b [u8], DeltaError> {
    let mut offset = 0usize;
    for (bit, shift) in [(1, 0), (2, 8), (4, 16), (8, 24)] {
        if instruction & bit != 0 {
            offset |= usize::from(byte(rest)?) << shift;
        }
    }
    let mut length = 0usize;
    for (bit, shift) in [(0x10, 0), (0x20, 8), (0x40, 16)] {
        if instruction & bit != 0 {
            length |= usize::from(byte(rest)?) << shift;
        }
    }
    let length = if length == 0 { 0x1_0000 } else { length };
    let end = offset.checked_add(length).ok_or(DeltaError::OutsideBase)?;
    base.get(offset..end).ok_or(DeltaError::OutsideBase)
}

/// What a delta copies from, at any offset.
pub(crate) trait ReadAt {
    /// Its bytes.
    fn size(&self) -> u64;
    /// Fills `out` from `offset` on; there are as many bytes.
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()>;
}

/// The result of a delta as a stream, for one that memory should not hold. Its errors are [`DeltaError`]s and
/// those of what it reads from.
pub(crate) struct DeltaReader<'b, D> {
    delta: BufReader<D>,
    base: &'b dyn ReadAt,
    /// Bytes still to be made.
    left: u64,
    /// What the instruction at hand still gives.
    instruction: Instruction,
}

#[derive(Clone, Copy)]
enum Instruction {
    Copy { offset: u64, left: u64 },
    Insert { left: u64 },
}

impl<'b, D: Read> DeltaReader<'b, D> {
    /// Begins to apply `delta`, whose result has `result` bytes as [`sizes`] gave it.
    pub(crate) fn new(
        delta: D,
        base: &'b dyn ReadAt,
        result: u64,
    ) -> io::Result<DeltaReader<'b, D>> {
        let instruction = Instruction::Insert { left: 0 };
        let mut applied = DeltaReader {
            delta: BufReader::with_capacity(64 << 10, delta),
            base,
            left: result,
            instruction,
        };
        if applied.number()? != base.size() {
            return Err(io::Error::other(DeltaError::OtherBase));
        }
        if applied.number()? == result {
            Ok(applied)
        } else {
            Err(io::Error::other(DeltaError::OtherResult))
        }
    }

    fn number(&mut self) -> io::Result<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let next = self.byte()?;
            value |= u64::from(next & 0x7f) << shift;
            if next & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(io::Error::other(DeltaError::Short))
    }

    fn byte(&mut self) -> io::Result<u8> {
        let mut byte = [0];
        match self.delta.read(&mut byte)? {
            0 => Err(io::Error::other(DeltaError::Short)),
            _ => Ok(byte[0]),
        }
    }

    /// Takes the next instruction; `false` at the end.
    fn next(&mut self) -> io::Result<bool> {
        let mut first = [0];
        if self.delta.read(&mut first)? == 0 {
            return match self.left {
                0 => Ok(false),
                _ => Err(io::Error::other(DeltaError::OtherResult)),
            };
        }
        let [instruction] = first;
        self.instruction = match instruction {
            0 => return Err(io::Error::other(DeltaError::Unknown)),
            1..=0x7f => Instruction::Insert { left: u64::from(instruction) },
            _ => self.copy(instruction)?,
        };
        let (Instruction::Insert { left } | Instruction::Copy { left, .. }) = self.instruction;
        match self.left.checked_sub(left) {
            Some(left) => self.left = left,
            None => return Err(io::Error::other(DeltaError::OtherResult)),
        }
        Ok(true)
    }

    fn copy(&mut self, instruction: u8) -> io::Result<Instruction> {
        let mut value = |bits: &[(u8, u32)]| -> io::Result<u64> {
            let mut value = 0;
            for (bit, shift) in bits {
                if instruction & bit != 0 {
                    value |= u64::from(self.byte()?) << shift;
                }
            }
            Ok(value)
        };
        let offset = value(&[(1, 0), (2, 8), (4, 16), (8, 24)])?;
        let left = match value(&[(0x10, 0), (0x20, 8), (0x40, 16)])? {
            0 => 0x1_0000,
            left => left,
        };
        if offset + left <= self.base.size() {
            Ok(Instruction::Copy { offset, left })
        } else {
            Err(io::Error::other(DeltaError::OutsideBase))
        }
    }
}

impl<D: Read> Read for DeltaReader<'_, D> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut made = 0;
        while let Some(rest) = out.get_mut(made..).filter(|rest| !rest.is_empty()) {
            let most = |left: u64| usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
            match self.instruction {
                Instruction::Copy { left: 0, .. } | Instruction::Insert { left: 0 } => {
                    if !self.next()? {
                        break;
                    }
                }
                Instruction::Copy { offset, left } => {
                    let count = most(left);
                    self.base.read_at(offset, rest.split_at_mut(count).0)?;
                    let done = count as u64;
                    self.instruction =
                        Instruction::Copy { offset: offset + done, left: left - done };
                    made += count;
                }
                Instruction::Insert { left } => {
                    let count = self.delta.read(rest.split_at_mut(most(left)).0)?;
                    if count == 0 {
                        return Err(io::Error::other(DeltaError::Short));
                    }
                    self.instruction = Instruction::Insert { left: left - count as u64 };
                    made += count;
                }
            }
        }
        Ok(made)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_and_insertions_make_the_object() {
        // base 6, result 5: copy 3 from 2, insert "xy".
        assert_eq!(apply(b"abcdef", b"\x06\x05\x91\x02\x03\x02xy", 100).unwrap(), b"cdexy");
    }

    #[test]
    fn a_malformed_delta_is_an_error_and_never_a_panic() {
        let good = b"\x06\x05\x91\x02\x03\x02xy";
        for end in 0..good.len() {
            assert!(apply(b"abcdef", &good[..end], 100).is_err(), "{end}");
        }
        assert_eq!(apply(b"abc", good, 100), Err(DeltaError::OtherBase));
        assert_eq!(apply(b"abcdef", good, 4), Err(DeltaError::TooLarge(5)));
        assert_eq!(apply(b"abcdef", b"\x06\x01\x00", 100), Err(DeltaError::Unknown));
        assert_eq!(apply(b"abcdef", b"\x06\x03\x91\x04\x03", 100), Err(DeltaError::OutsideBase));
        assert_eq!(apply(b"abcdef", b"\x06\x01\x02xy", 100), Err(DeltaError::OtherResult));
        assert!(apply(b"", &[0xff; 20], 100).is_err());
    }

    impl ReadAt for &[u8] {
        fn size(&self) -> u64 {
            self.len() as u64
        }

        fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
            let offset = usize::try_from(offset).unwrap();
            out.copy_from_slice(&self[offset..offset + out.len()]);
            Ok(())
        }
    }

    fn streamed(base: &[u8], delta: &[u8], piece: usize) -> io::Result<Vec<u8>> {
        let (_, result) = sizes(&mut &delta[..])?;
        let mut stream = DeltaReader::new(delta, &base, result)?;
        let mut made = Vec::new();
        let mut buffer = vec![0; piece];
        loop {
            match stream.read(&mut buffer)? {
                0 => return Ok(made),
                read => made.extend(&buffer[..read]),
            }
        }
    }

    #[test]
    fn a_streamed_result_is_the_result_and_has_the_same_errors() {
        let good = b"\x06\x05\x91\x02\x03\x02xy";
        for piece in 1..7 {
            assert_eq!(streamed(b"abcdef", good, piece).unwrap(), b"cdexy");
        }
        let bad: [&[u8]; 5] = [
            b"\x06\x01\x00",
            b"\x06\x03\x91\x04\x03",
            b"\x06\x01\x02xy",
            b"\x06\x05\x91\x02\x03",
            &[0xff; 20],
        ];
        for delta in bad.into_iter().chain((0..good.len()).map(|end| &good[..end])) {
            assert!(streamed(b"abcdef", delta, 3).is_err(), "{delta:?}");
        }
        assert!(streamed(b"abc", good, 3).is_err());
    }

    #[test]
    fn a_declared_size_is_not_believed() {
        let mut delta = vec![0];
        delta.extend([0x80, 0x80, 0x80, 0x80, 0x40]); // 16 GiB
        delta.extend(b"\x01a");
        assert_eq!(apply(b"", &delta, u64::MAX), Err(DeltaError::OtherResult));
    }
}
