//! Which cells are run.
//!
//! Limits: the pairs are covered greedily, not by the fewest cells.

use std::collections::BTreeSet;

use modstore_testbed::Random;

use crate::cell::{Cell, LENGTHS, Place};

/// A value of one axis and a value of a later one.
type Pair = (usize, usize, usize, usize);

/// How many completions of a pair are looked at; the one with the most new pairs is taken.
const COMPLETIONS: usize = 24;
/// The axes of server and trust, which decide what the others may be; their first values fit everywhere.
const DECIDING: (usize, usize) = (0, 3);
const OTHERS: [usize; 4] = [1, 2, 4, 5];

/// The plainest cells that can be and hold these values.
fn plainest(fixed: &[(usize, usize)]) -> Vec<Place> {
    let (server, trust) = DECIDING;
    let mut found = Vec::new();
    for (s, t) in (0..LENGTHS[server]).flat_map(|s| (0..LENGTHS[trust]).map(move |t| (s, t))) {
        let mut place = [0; 6];
        (place[server], place[trust]) = (s, t);
        fixed.iter().for_each(|(axis, value)| place[*axis] = *value);
        if !found.contains(&place) && Cell::at(place).can_be() {
            found.push(place);
        }
    }
    found
}

/// A cell like one of these, with other values where they can be.
fn vary(random: &mut Random, plainest: &[Place], fixed: &[usize], may_fail: bool) -> Place {
    let mut place = plainest[random.below(plainest.len())];
    let first = random.below(OTHERS.len());
    for axis in OTHERS.into_iter().cycle().skip(first).take(2 * OTHERS.len()) {
        let mut other = place;
        other[axis] = random.below(LENGTHS[axis]);
        let cell = Cell::at(other);
        if !fixed.contains(&axis) && cell.can_be() && (may_fail || cell.is_good()) {
            place = other;
        }
    }
    place
}

fn pairs_of(place: Place) -> impl Iterator<Item = Pair> {
    (0..place.len())
        .flat_map(move |a| (a + 1..place.len()).map(move |b| (a, place[a], b, place[b])))
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
            let cell = Cell::at(best);
            covered.extend(held_by(cell));
            covered.insert(pair);
            cells.push(cell);
        }
    }
    cells
}

/// The pairs that a cell is a test of: where something fails, the others are not reached.
fn held_by(cell: Cell) -> impl Iterator<Item = Pair> {
    pairs_of(cell.place()).filter(move |_| cell.is_good())
}

/// The plainest cells of a pair: those that succeed, if there are any. A value that fails is wanted with each server, and not with
/// each value of each axis.
fn plainest_of((a, x, b, y): Pair) -> Vec<Place> {
    let found = plainest(&[(a, x), (b, y)]);
    let good: Vec<_> = found.iter().copied().filter(|place| Cell::at(*place).is_good()).collect();
    if good.is_empty() && a == DECIDING.0 { found } else { good }
}

/// Some cells that can be and hold this pair.
fn completions(random: &mut Random, pair: Pair) -> Vec<Place> {
    let plainest = plainest_of(pair);
    let may_fail = plainest.iter().any(|place| !Cell::at(*place).is_good());
    let count = if plainest.is_empty() { 0 } else { COMPLETIONS };
    (0..count).map(|_| vary(random, &plainest, &[pair.0, pair.2], may_fail)).collect()
}

/// The plainest cell of each pair that can meet and is tested in none of these cells.
pub(crate) fn left_out(cells: &[Cell]) -> Vec<Cell> {
    let tested: BTreeSet<Pair> = cells.iter().copied().flat_map(held_by).collect();
    let met: BTreeSet<Pair> = cells.iter().flat_map(|cell| pairs_of(cell.place())).collect();
    let first =
        |pair: Pair| plainest_of(pair).first().copied().map(|place| (pair, Cell::at(place)));
    let can_meet = all_pairs().into_iter().filter_map(first);
    let missing = can_meet.filter(|(pair, cell)| {
        let held = if cell.is_good() { &tested } else { &met };
        !held.contains(pair)
    });
    missing.map(|(_, cell)| cell).collect()
}

/// This many cells of the whole product.
pub(crate) fn drawn(count: usize, seed: u64) -> Vec<Cell> {
    let (mut random, plainest) = (Random::of(seed), plainest(&[]));
    (0..count).map(|_| Cell::at(vary(&mut random, &plainest, &[], true))).collect()
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
