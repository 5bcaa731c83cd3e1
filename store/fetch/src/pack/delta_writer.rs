//! Git's delta encoding, written: a new object as copies from an old one and insertions.
//!
//! The old object is known by its aligned blocks, so that a run of at least two blocks that both have is always found. The
//! same two objects give the same delta.
//!
//! Limits: both objects are in memory, and have less than 4 GiB.

use std::collections::HashMap;

/// The old object is looked up by blocks of this size: less than the id in a line of a tree, so that the lines around one
/// that changed are copied.
const BLOCK: usize = 16;

/// The longest copy of one instruction that every reader knows.
const LONGEST_COPY: usize = 0xffff;

/// The longest insertion of one instruction.
const LONGEST_INSERTION: usize = 0x7f;

/// The delta that makes `new` from `old`.
pub(crate) fn delta_of(old: &[u8], new: &[u8]) -> Vec<u8> {
    let blocks = blocks_of(old);
    let mut delta = Vec::with_capacity(64);
    write_size(&mut delta, old.len());
    write_size(&mut delta, new.len());
    let (mut written, mut at) = (0, 0);
    while let Some(block) = new.get(at..at + BLOCK) {
        let Some(found) = blocks.get(block) else {
            at += 1;
            continue;
        };
        let (before, old_before) = (slice(new, written, at), slice(old, 0, *found));
        let back = alike(before.iter().rev(), old_before.iter().rev());
        let (start, from) = (at - back, found - back);
        let length = alike(slice(new, start, new.len()).iter(), slice(old, from, old.len()).iter());
        insert(&mut delta, slice(new, written, start));
        copy(&mut delta, from, length);
        at = start + length;
        written = at;
    }
    insert(&mut delta, slice(new, written, new.len()));
    delta
}

/// Where each block of the object begins, the first of those that are alike.
fn blocks_of(old: &[u8]) -> HashMap<&[u8], usize> {
    let mut blocks = HashMap::with_capacity(old.len() / BLOCK);
    for (number, block) in old.chunks_exact(BLOCK).enumerate() {
        blocks.entry(block).or_insert(number * BLOCK);
    }
    blocks
}

fn slice(bytes: &[u8], from: usize, to: usize) -> &[u8] {
    bytes.get(from..to).unwrap_or_default()
}

/// How many of these are the same from the beginning on.
fn alike<'a>(one: impl Iterator<Item = &'a u8>, other: impl Iterator<Item = &'a u8>) -> usize {
    one.zip(other).take_while(|(one, other)| one == other).count()
}

/// Groups of seven bits, the lowest first.
fn write_size(delta: &mut Vec<u8>, size: usize) {
    let mut rest = size;
    while rest > 0x7f {
        delta.push(low(rest) | 0x80);
        rest >>= 7;
    }
    delta.push(low(rest));
}

fn insert(delta: &mut Vec<u8>, bytes: &[u8]) {
    for piece in bytes.chunks(LONGEST_INSERTION) {
        delta.push(low(piece.len()));
        delta.extend_from_slice(piece);
    }
}

fn copy(delta: &mut Vec<u8>, from: usize, length: usize) {
    for start in (0..length).step_by(LONGEST_COPY) {
        let mut instruction = 0x80;
        let mut arguments = Vec::with_capacity(7);
        let length = (length - start).min(LONGEST_COPY);
        for (value, bits) in [(from + start, [1, 2, 4, 8].as_slice()), (length, &[0x10, 0x20])] {
            for (bit, byte) in bits.iter().zip(value.to_le_bytes()) {
                if byte != 0 {
                    instruction |= bit;
                    arguments.push(byte);
                }
            }
        }
        delta.push(instruction);
        delta.append(&mut arguments);
    }
}

/// The lowest seven bits.
fn low(value: usize) -> u8 {
    u8::try_from(value & 0x7f).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{super::delta::apply, *};

    #[track_caller]
    fn made(old: &[u8], new: &[u8]) -> usize {
        let delta = delta_of(old, new);
        assert_eq!(apply(old, &delta, u64::MAX).unwrap(), new);
        delta.len()
    }

    /// Bytes that no two places of are alike.
    fn random(length: usize, seed: u32) -> Vec<u8> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        (0..length).map(|_| next()).collect()
    }

    #[test]
    fn a_delta_makes_the_new_object_whatever_the_two_are() {
        let (old, other) = (random(300_000, 1), random(5_000, 2));
        let cut = [&old[..100_001], &old[100_050..]].concat();
        let grown = [&old[..777], &other[..], &old[777..]].concat();
        let swapped = [&old[200_000..], &old[..200_000]].concat();
        for new in [&old, &other, &cut, &grown, &swapped, &Vec::new()] {
            made(&old, new);
            made(&[], new);
            made(new, &old);
        }
        for length in 0..70 {
            made(&vec![7; length], &vec![7; 300 - length]);
            made(&old[..length], &old[..length / 2]);
        }
    }

    #[test]
    fn a_delta_is_as_long_as_what_is_new() {
        let old = random(200_000, 1);
        let mut new = old.clone();
        new[100_000..100_020].copy_from_slice(&random(20, 9));
        assert!(made(&old, &new) < 70, "{}", made(&old, &new));
        // Lines of a tree: one id is another.
        let line = |id: u32| [&b"100644 some-name\0"[..], &random(20, id)].concat();
        let tree = |changed: u32| -> Vec<u8> {
            (0..1000).flat_map(|n| line(if n == 500 { changed } else { n })).collect()
        };
        assert!(made(&tree(1), &tree(2)) < 60, "{}", made(&tree(1), &tree(2)));
    }
}
