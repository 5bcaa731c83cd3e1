//! Git's delta encoding: a new object as copies from a base and insertions.
//!
//! Limits: knows nothing of packs or ids; the caller checks the result against its id.

use thiserror::Error;

/// Why a delta cannot be applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum DeltaError {
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

/// How many bytes the delta says it makes; `None` when it does not even say that.
pub(super) fn result_size(delta: &[u8]) -> Option<u64> {
    let mut rest = delta;
    size(&mut rest).ok()?;
    size(&mut rest).ok()
}

/// Applies `delta` to `base`; the result has at most `limit` bytes.
///
/// # Errors
/// When the delta is malformed, made for another base, or its result too large. Nothing larger than
/// what the instructions really make is allocated.
pub(super) fn apply(base: &[u8], delta: &[u8], limit: u64) -> Result<Vec<u8>, DeltaError> {
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

    #[test]
    fn a_declared_size_is_not_believed() {
        let mut delta = vec![0];
        delta.extend([0x80, 0x80, 0x80, 0x80, 0x40]); // 16 GiB
        delta.extend(b"\x01a");
        assert_eq!(apply(b"", &delta, u64::MAX), Err(DeltaError::OtherResult));
    }
}
