//! Every state that a power cut may leave of an operation, as [`disk_model`](crate::disk_model) builds them, and what becomes of it.

use std::{collections::BTreeSet, fs, sync::Arc};

use modstore_core::disk::{Disk, Verb};

use crate::{
    disk_model::{Recorder, Recording, State},
    points::{Points, slice},
    scenario::Scenario,
    world::World,
};

/// Where the operation plays, and where each state is made: stores may know their own place.
const HOME: &str = "state";

/// A world in which what threads do side by side has one order.
fn in_order(name: &'static str, scenario: &Scenario) -> World {
    // Before anything else starts the pool; the tests of one process may all ask.
    let _ = rayon::ThreadPoolBuilder::new().num_threads(1).build_global();
    World::of(name, scenario)
}

fn recording(world: &World) -> Recording {
    let names = fs::read_dir(world.root()).unwrap().map(|child| child.unwrap().file_name());
    let aside: BTreeSet<_> = names.filter(|name| name != "exposed").collect();
    let home = world.copy(HOME);
    let recorder = Arc::new(Recorder::new(world.root(), aside));
    let disk = Disk::observed(recorder.clone());
    let ended = world.scenario.operation.run_on(disk, &home, &world.linked());
    assert!(world.ended_as_ever(&ended), "{ended:?}");
    let recording = recorder.end();
    world.drop_copy(&home);
    recording
}

fn judge(world: &World, state: &State) -> Result<(), String> {
    let home = world.root().join(HOME);
    let _ = fs::remove_file(world.root().join("exposed"));
    state.write(world.root());
    let mut came = Ok(());
    if state.acknowledged {
        came = world.is_after(&home).map_err(|why| format!("it was acknowledged: {why}"));
    }
    let came = came
        .and_then(|()| world.readers(&home))
        .and_then(|()| world.recovery(&home))
        .and_then(|()| world.nothing_but_torn_ends_left(&home));
    world.drop_copy(&home);
    came
}

pub(crate) fn each_recovers(name: &'static str, scenario: &Scenario) {
    let world = in_order(name, scenario);
    let states = recording(&world).states(None, |total| slice(total, 16).collect());
    let mut points = Points::of(format!("{name}, each state that a power cut may leave"));
    for state in &states {
        points.tried(|| state.told.clone(), judge(&world, state));
    }
    points.end();
}

/// The method itself: a store that leaves out a kind of sync must be noticed.
pub(crate) fn a_missing_sync_is_caught(name: &'static str, scenario: &Scenario) {
    let world = in_order(name, scenario);
    let recording = recording(&world);
    for blind in [Verb::SyncFileSystem, Verb::SyncFile, Verb::SyncDir] {
        let states = recording.states(Some(blind), |total| slice(total, 60).collect());
        let failed = states.iter().rev().find_map(|state| judge(&world, state).err());
        assert!(failed.is_some(), "{} states without `{blind}`, and none is broken", states.len());
    }
}
