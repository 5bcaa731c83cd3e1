//! Chance that is the same on every run: what `--seed` means.
//!
//! splitmix64, which any seed will do for. Not for secrets.

/// A stream of numbers.
#[derive(Debug, Clone)]
pub(super) struct Chance(u64);

impl Chance {
    /// The stream for this seed and these places in the whole, whatever was drawn elsewhere.
    pub(super) fn of(seed: u64, places: &[u64]) -> Self {
        places.iter().fold(Self(seed), |chance, place| {
            let mut next = Self(chance.0 ^ place.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            Self(next.draw())
        })
    }

    pub(super) fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 when there is none.
    pub(super) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.draw() % (end.max(1) as u64)).unwrap_or_default()
    }

    /// So many different numbers below `end`, in order.
    pub(super) fn some(&mut self, count: usize, end: usize) -> Vec<usize> {
        let mut all: Vec<usize> = (0..end).collect();
        for at in 0..count.min(end) {
            let other = at + self.below(end - at);
            all.swap(at, other);
        }
        all.truncate(count);
        all.sort_unstable();
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_and_another_seed_gives_another() {
        let draw = |seed, places: &[u64]| Chance::of(seed, places).some(10, 100);
        assert_eq!(draw(1, &[3]), draw(1, &[3]));
        assert_ne!(draw(1, &[3]), draw(2, &[3]));
        assert_ne!(draw(1, &[3]), draw(1, &[4]));
        assert_ne!(draw(1, &[3, 0]), draw(1, &[0, 3]));
    }

    #[test]
    fn some_of_all_are_different_and_never_more_than_there_are() {
        for (count, end) in [(0, 5), (3, 5), (5, 5), (9, 5), (1, 0)] {
            let some = Chance::of(7, &[]).some(count, end);
            assert_eq!(some.len(), count.min(end));
            assert!(some.windows(2).all(|pair| pair[0] < pair[1]), "{some:?}");
            assert!(some.iter().all(|number| *number < end));
        }
    }
}
