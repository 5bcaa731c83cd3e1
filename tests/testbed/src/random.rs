//! Random numbers that can be repeated: a seed decides all of them.
//!
//! splitmix64, which any seed will do for. Good enough to choose moments, names and contents; not for secrets.

use std::{
    ops::Range,
    time::{SystemTime, UNIX_EPOCH},
};

/// The increment of splitmix64: 2⁶⁴ divided by the golden ratio.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// A stream of numbers that depends on its seed alone.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The stream of this seed.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        Self(seed)
    }

    /// The stream for this seed at these coordinates, whatever was drawn elsewhere.
    #[must_use]
    pub fn at(seed: u64, coordinates: &[u64]) -> Self {
        coordinates.iter().fold(Self(seed), |random, coordinate| {
            Self(Self(random.0 ^ coordinate.wrapping_mul(STEP)).draw())
        })
    }

    /// The seed to use: `MODSTORE_SEED`, or a new one. Print it, so that a failure can be repeated.
    ///
    /// # Panics
    /// When `MODSTORE_SEED` is no whole number.
    #[must_use]
    pub fn seed() -> u64 {
        let given = std::env::var("MODSTORE_SEED").ok();
        let given = given.map(|text| text.parse().expect("MODSTORE_SEED is a whole number"));
        given.unwrap_or_else(|| {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            now.map_or(0, |since| since.as_nanos() as u64 % 1_000_000)
        })
    }

    /// Any number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number of the range, which is not empty.
    pub fn within(&mut self, range: Range<u64>) -> u64 {
        range.start + self.draw() % (range.end - range.start)
    }

    /// A number below `end`; 0 when there is none.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.draw() % (end.max(1) as u64)).unwrap_or_default()
    }

    /// True with this probability, in percent.
    pub fn percent(&mut self, percent: u64) -> bool {
        self.within(0..100) < percent
    }

    /// One of these.
    ///
    /// # Panics
    /// When there is none.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        from.get(self.below(from.len())).expect("there is something to pick from")
    }

    /// This many different numbers below `end`, in order; all of them where there are not as many.
    pub fn choose(&mut self, count: usize, end: usize) -> Vec<usize> {
        let mut all: Vec<usize> = (0..end).collect();
        for at in 0..count.min(end) {
            let other = at + self.below(end - at);
            all.swap(at, other);
        }
        all.truncate(count);
        all.sort_unstable();
        all
    }

    /// Bytes that do not compress.
    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(length + 7);
        while bytes.len() < length {
            bytes.extend(self.draw().to_le_bytes());
        }
        bytes.truncate(length);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_and_another_seed_gives_another() {
        let draw = |seed, places: &[u64]| Random::at(seed, places).choose(10, 100);
        assert_eq!(draw(1, &[3]), draw(1, &[3]));
        assert_ne!(draw(1, &[3]), draw(2, &[3]));
        assert_ne!(draw(1, &[3]), draw(1, &[4]));
        assert_ne!(draw(1, &[3, 0]), draw(1, &[0, 3]));
    }

    #[test]
    fn chosen_numbers_are_different_and_never_more_than_there_are() {
        for (count, end) in [(0, 5), (3, 5), (5, 5), (9, 5), (1, 0)] {
            let chosen = Random::of(7).choose(count, end);
            assert_eq!(chosen.len(), count.min(end));
            assert!(chosen.windows(2).all(|pair| pair[0] < pair[1]), "{chosen:?}");
            assert!(chosen.iter().all(|number| *number < end));
        }
    }
}
