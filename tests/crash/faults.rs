//! Each act fails, once or together with all that follow.

use std::{io, path::Path};

use crate::{
    child::{Fate, Lived, Part, is_sync, live},
    operation::Operation,
    points::{Points, slice},
    scenario::Scenario,
    world::World,
};

const EIO: i32 = 5;
const EMFILE: i32 = 24;
const ENOSPC: i32 = 28;

/// What an act may meet.
fn faults(at: usize) -> [Fate; 4] {
    let once = |code| Fate::Once(at, code);
    [once(EIO), once(ENOSPC), once(EMFILE), Fate::FromThenOn(at, EIO)]
}

pub(crate) fn each_act_fails(name: &'static str, scenario: &Scenario) {
    let world = World::of(name, scenario);
    let home = world.copy("counted");
    let total = live(&world, Part::Operation, &home, Fate::Undisturbed).acts.len();
    world.drop_copy(&home);
    let fates: Vec<_> = (0..total).flat_map(faults).collect();
    let mut points = Points::of(format!("{name}, each of {total} acts fails in 4 ways"));
    for point in slice(fates.len(), 60) {
        let fate = fates[point];
        let home = world.copy("failing");
        let lived = live(&world, Part::Operation, &home, fate);
        points.tried(
            || format!("{fate}, {:?}", failed(&lived, fate)),
            judge(&world, &home, &lived, fate),
        );
        world.drop_copy(&home);
    }
    points.end();
}

/// The acts from the one that failed on.
fn failed(lived: &Lived, fate: Fate) -> &[String] {
    match fate {
        Fate::Once(at, _) | Fate::FromThenOn(at, _) => lived.acts.get(at..).unwrap_or_default(),
        Fate::Undisturbed | Fate::Killed(_) => &[],
    }
}

fn judge(world: &World, home: &Path, lived: &Lived, fate: Fate) -> Result<(), String> {
    let (failed, after) = failed(lived, fate).split_first().ok_or("it did not come to that act")?;
    told(world, home, lived, fate)?;
    if is_sync(failed) {
        nothing_after_a_failed_sync(failed, after)?;
        match &lived.again {
            Some((0, Err(error))) if error.contains("no longer writes") => {}
            again => return Err(format!("after a failed sync the handle goes on: {again:?}")),
        }
    }
    if matches!(world.scenario.operation, Operation::PartialUpdate | Operation::Import) {
        // Modules that can be fetched become current, so any module may be behind, and follow one generation later.
        world.each_is_whole(home)?;
        world.recovery(home)?;
        return world.all_is_shown(home);
    }
    world.readers(home)?;
    world.recovery(home)?;
    world.nothing_left(home)
}

/// The error names verb, path and cause, or the operation has ended as if nothing had failed: a link that cannot be
/// made is written instead, and what cannot be removed is left to the next writer. Never so with a sync.
fn told(world: &World, home: &Path, lived: &Lived, fate: Fate) -> Result<(), String> {
    let failed = match fate {
        Fate::Once(..) => failed(lived, fate).get(..1).unwrap_or_default(),
        _ => failed(lived, fate),
    };
    let (Fate::Once(_, code) | Fate::FromThenOn(_, code)) = fate else { return Ok(()) };
    let cause = io::Error::from_raw_os_error(code).to_string();
    let ended = lived.ended.as_ref().ok_or("it was killed")?;
    let named =
        |error: &String| failed.iter().any(|act| error.contains(&format!("cannot {act}: {cause}")));
    if ended.as_ref().is_err_and(named) {
        return Ok(());
    }
    let is_sync = failed.first().is_some_and(|act| is_sync(act));
    // A brief sweep after an update is not what was asked for; that the handle ends with it is looked at elsewhere.
    let is_aside = world.scenario.operation == Operation::SweepingUpdate;
    match (!is_sync || is_aside) && world.ended_as_ever(ended) {
        true => world.is_after(home),
        false => Err(format!("the failed act is not reported: {ended:?}")),
    }
}

/// No sync is tried again, and nothing is recorded or made current on top of it.
fn nothing_after_a_failed_sync(failed: &str, after: &[String]) -> Result<(), String> {
    let goes_on = |act: &&String| {
        *act == failed
            || act.starts_with("append")
            || act.starts_with("rename") && act.ends_with("/current")
    };
    match after.iter().find(goes_on) {
        None => Ok(()),
        Some(act) => Err(format!("it goes on with {act}")),
    }
}
