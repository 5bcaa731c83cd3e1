//! Which cells are run.
//!
//! Limits: the pairs are covered greedily, not by the fewest cells.

use std::collections::BTreeSet;

use modstore_testbed::Random;

use crate::cell::{Cell, LENGTHS, Place};

/// A value of one axis and a value of a later one.
type Pair = (usize, usize, usize, usize);

/// How many completions of a pair are looked at, the one with the most new pairs is taken.
const COMPLETIONS: usize = 40;
/// Draws before a pair is said not to meet anywhere.
const DRAWS: usize = 4000;

fn draw(random: &mut Random, fixed: &[(usize, usize)]) -> Place {
    let mut place = LENGTHS.map(|length| random.below(length));
    // Most values make sense with few others: each axis is at its first, plain, value half of the time.
    for axis in &mut place {
        if random.percent(50) {
            *axis = 0;
        }
    }
    for (axis, value) in fixed {
        place[*axis] = *value;
    }
    // The plain server is http: the value 0 of trust has no place at https, where any other can be drawn.
    place
}

fn pairs_of(place: Place) -> impl Iterator<Item = Pair> {
    (0..place.len()).flat_map(move |a| {
        (a + 1..place.len()).map(move |b| (a, place[a], b, place[b]))
    })
}

fn all_pairs() -> Vec<Pair> {
    let axes = 0..LENGTHS.len();
    let of = |a: usize, b: usize| {
        (0..LENGTHS[a]).flat_map(move |x| (0..LENGTHS[b]).map(move |y| (a, x, b, y)))
    };
    axes.flat_map(|a| (a + 1..LENGTHS.len()).flat_map(move |b| of(a, b))).collect()
}

/// Cells that hold every pair which can meet.
pub(crate) fn pairs() -> Vec<Cell> {
    let mut random = Random::of(14);
    let (mut covered, mut cells) = (BTreeSet::new(), Vec::new());
    for pair in all_pairs() {
        if covered.contains(&pair) {
            continue;
        }
        let places = completions(&mut random, pair);
        let gain = |place: &Place| pairs_of(*place).filter(|pair| !covered.contains(pair)).count();
        if let Some(best) = places.into_iter().max_by_key(gain) {
            covered.extend(pairs_of(best));
            cells.push(Cell::at(best));
        }
    }
    cells
}

/// Some cells that can be and hold this pair.
fn completions(random: &mut Random, (a, x, b, y): Pair) -> Vec<Place> {
    let draws = (0..DRAWS).map(|_| draw(random, &[(a, x), (b, y)]));
    draws.filter(|place| Cell::at(*place).can_be()).take(COMPLETIONS).collect()
}

/// Pairs that can meet, as another stream of draws says, and meet in none of these cells.
pub(crate) fn left_out(cells: &[Cell]) -> Vec<Cell> {
    let mut random = Random::of(41);
    let held = |(a, x, b, y): Pair| {
        cells.iter().any(|cell| {
            let place = cell.place();
            place[a] == x && place[b] == y
        })
    };
    let missing = all_pairs().into_iter().filter(|pair| !held(*pair));
    missing.filter_map(|pair| completions(&mut random, pair).first().copied().map(Cell::at)).collect()
}

/// This many cells of the whole product.
pub(crate) fn drawn(count: usize, seed: u64) -> Vec<Cell> {
    let mut random = Random::of(seed);
    let draws = std::iter::repeat_with(|| Cell::at(draw(&mut random, &[])));
    draws.filter(Cell::can_be).take(count).collect()
}

/// The cell of this name.
pub(crate) fn named(name: &str) -> Cell {
    let words: Vec<&str> = name.split(' ').collect();
    let value = |axis: usize| {
        let plain = |value: usize| {
            let mut place = [0; 6];
            place[axis] = value;
            Cell::at(place).to_string().split(' ').nth(axis) == words.get(axis).copied()
        };
        (0..LENGTHS[axis]).find(|value| plain(*value)).unwrap_or_else(|| panic!("no cell {name}"))
    };
    Cell::at([0, 1, 2, 3, 4, 5].map(value))
}
