//! Chance that can be had again: a seed, told in the test's output, decides everything.
//!
//! Limits: good enough to choose moments and names, and for nothing else.

use std::ops::Range;
use std::time::{SystemTime, UNIX_EPOCH};

/// A stream of numbers that depends on its seed alone.
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    /// The stream of this seed.
    pub fn of(seed: u64) -> Self {
        let mut chance = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        chance.draw();
        chance
    }

    /// The seed to use: `MODSTORE_SEED`, or one that nobody has used before. Tell it, so that a failure can be had again.
    ///
    /// # Panics
    /// When `MODSTORE_SEED` is no whole number.
    pub fn seed() -> u64 {
        let told = std::env::var("MODSTORE_SEED").ok();
        let told = told.map(|told| told.parse().expect("MODSTORE_SEED is a whole number"));
        let now = || {
            SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_nanos() as u64 % 1_000_000)
        };
        told.unwrap_or_else(now)
    }

    /// Any number.
    pub fn draw(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number of the range, which is not empty.
    pub fn within(&mut self, range: Range<u64>) -> u64 {
        range.start + (self.draw() >> 11) % (range.end - range.start)
    }

    /// Whether something of this probability, in percent, is the case.
    pub fn percent(&mut self, percent: u64) -> bool {
        self.within(0..100) < percent
    }

    /// One of these.
    ///
    /// # Panics
    /// When there is none.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        let at = self.within(0..from.len() as u64) as usize;
        from.get(at).expect("there is something to pick from")
    }
}
