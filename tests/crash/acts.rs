//! Killed before each act that the store's observer sees, and again while recovering from that.

use crate::{
    child::{Fate, Part, live},
    operation::Operation,
    points::{Points, slice},
    scenario::Scenario,
    world::World,
};

/// The barrier and all after it is always tried: there lies the order that everything rests on.
fn chosen(acts: &[String], few: usize) -> Vec<usize> {
    let heart = acts.iter().position(|act| act.starts_with("sync the file system"));
    let heart = heart.unwrap_or(acts.len());
    let mut chosen: Vec<_> = slice(heart, few).chain(heart..acts.len()).collect();
    chosen.dedup();
    chosen
}

/// The acts of the scenario's operation, in their order.
fn acts_of(world: &World) -> Vec<String> {
    let home = world.copy("counted");
    let lived = live(world, Part::Operation, &home, Fate::Undisturbed);
    assert!(world.ended_as_ever(lived.ended.as_ref().unwrap()), "{lived:?}");
    world.nothing_left(&home).unwrap();
    world.drop_copy(&home);
    lived.acts
}

pub(crate) fn each_is_the_last(name: &'static str, scenario: &Scenario) {
    let world = World::of(name, scenario);
    let acts = acts_of(&world);
    let mut points = Points::of(format!("{name}, killed before each of {} acts", acts.len()));
    for at in chosen(&acts, 24) {
        let home = world.copy("killed");
        let lived = live(&world, Part::Operation, &home, Fate::Killed(at));
        assert!(lived.ended.is_none(), "it came to {} acts and not to {at}", lived.acts.len());
        let settled = world.copy_of(&home, "settled");
        let mut came = world.judge(&home);
        if is_settled_by_sweeps(scenario) {
            let swept = || world.is_settled_by_sweeps(&settled);
            came = came.and_then(|()| swept().map_err(|why| format!("swept: {why}")));
        }
        points.tried(|| format!("killed before act {at}, {}", lived.acts[at]), came);
        world.drop_copy(&settled);
        world.drop_copy(&home);
    }
    points.end();
}

pub(crate) fn each_of_the_recovery_is_the_last(name: &'static str, scenario: &Scenario) {
    let world = World::of(name, scenario);
    let acts = acts_of(&world);
    let mut points = Points::of(format!("{name}, and its recovery killed before each act"));
    for first in firsts(&acts) {
        let crashed = world.copy("crashed");
        live(&world, Part::Operation, &crashed, Fate::Killed(first));
        let recovered = world.copy_of(&crashed, "recovered");
        let recovery = live(&world, Part::Recovery, &recovered, Fate::Undisturbed).acts;
        world.drop_copy(&recovered);
        for second in slice(recovery.len(), 8) {
            let home = world.copy_of(&crashed, "killed twice");
            let lived = live(&world, Part::Recovery, &home, Fate::Killed(second));
            assert!(
                lived.ended.is_none(),
                "the recovery came to {} acts, not to {second}",
                lived.acts.len()
            );
            let what = || {
                format!("killed before {}, the recovery before {}", acts[first], lived.acts[second])
            };
            points.tried(what, world.judge(&home));
            world.drop_copy(&home);
        }
        world.drop_copy(&crashed);
    }
    points.end();
}

/// Whether a home on which the operation died is as it was, or done, after a sweep. Not where there is no store
/// yet, which a sweep makes; nor where the operation is two, or does what a sweep leaves alone.
fn is_settled_by_sweeps(scenario: &Scenario) -> bool {
    use Operation::{Purge, Repair, Reset, SweepingUpdate};
    let is_one = !matches!(scenario.operation, SweepingUpdate | Repair | Reset | Purge);
    is_one && !scenario.before.starts_with('-')
}

/// Where the first kill falls: in the middle of what is staged, before the journal, before it is synced, before the
/// switch, after it. For a purge: before the journal goes, and after.
fn firsts(acts: &[String]) -> Vec<usize> {
    let place = |pattern: &str| acts.iter().position(|act| act.contains(pattern));
    let gone = acts.iter().position(|act| act.starts_with("remove") && act.ends_with("/journal"));
    let mut firsts: Vec<_> = [
        gone,
        gone.map(|gone| gone + 1),
        place("sync the file system").map(|barrier| barrier / 2),
        place("append to"),
        place("append to").map(|append| append + 1),
        place("append to").map(|append| append + 2),
        acts.iter().rposition(|act| act.starts_with("rename") && act.ends_with("/current")),
        Some(acts.len() - 1),
    ]
    .into_iter()
    .flatten()
    .collect();
    firsts.dedup();
    firsts
}
