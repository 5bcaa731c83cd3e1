//! The kill matrix and the fault matrix: every operation on a store, ended or failing at each of its acts.
//!
//! A *scenario* is a home prepared once, one operation on it, and what may be seen; a *point* is one copy of that home on
//! which the operation is killed, or fails, at one place. Five laws hold for each scenario:
//!
//! * killed before any act that the store's own observer sees, in a process of its own and by a real SIGKILL,
//!   readers see the set before or the set after, whole; the operation done again ends well, and the home is then,
//!   name by name, what it would have been, and `verify` finds nothing; or, when it is swept instead, what it was before
//!   the operation or what it is after it;
//! * the same, when the one that recovers is killed as well;
//! * the same, for the system calls of the program as it is shipped, killed by `strace`;
//! * the same, in each state that a power cut may leave of the operation, built from its acts ([`disk_model`]); what had been
//!   acknowledged is there;
//! * whichever act fails, the error names what was tried and on what, and the next process ends well. After a sync that
//!   failed the handle does not write.
//!
//! As it stands, a slice by a fixed rule is run ([`points`]); `MODSTORE_CRASH=all` runs every point, and
//! `MODSTORE_CRASH_ON=DIR` on the file system of that directory. Each law prints its row of `docs/reliability.md`.
//!
//! Limits: a process dies here and never the machine. Cuts of the power are built from acts here, and done to real file systems in
//! `power_cuts.rs`. One process at a time. What threads do side by side is put in one order, by one job and one thread.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers panic, and that is how a test fails"
)]

#[path = "crash/operation.rs"]
mod operation;
#[path = "crash/world.rs"]
mod world;
#[path = "crash/left.rs"]
mod left;
#[path = "crash/scenario.rs"]
mod scenario;
#[path = "crash/points.rs"]
mod points;
#[path = "crash/child.rs"]
mod child;
#[path = "crash/acts.rs"]
mod acts;
#[path = "crash/calls.rs"]
mod calls;
#[path = "crash/faults.rs"]
mod faults;
#[path = "crash/disk_model.rs"]
mod disk_model;
#[path = "crash/states.rs"]
mod states;

use scenario::Scenario;

/// The laws named for each scenario.
macro_rules! laws {
    ($($name:ident: $scenario:ident, $($law:ident)*;)*) => {
        $(mod $name {
            $(law!($law, $name, crate::scenario::$scenario);)*
        })*

        fn scenario_named(name: &str) -> Scenario {
            match name {
                $(stringify!($name) => scenario::$scenario,)*
                _ => panic!("there is no scenario {name}"),
            }
        }
    };
}

macro_rules! law {
    (acts, $name:ident, $scenario:expr) => {
        #[test]
        fn is_whole_and_converges_whichever_act_is_the_last_of_its_process() {
            crate::acts::each_is_the_last(stringify!($name), &$scenario);
        }
    };
    (recovery, $name:ident, $scenario:expr) => {
        #[test]
        fn is_whole_and_converges_when_the_recovery_is_killed_too() {
            crate::acts::each_of_the_recovery_is_the_last(stringify!($name), &$scenario);
        }
    };
    (calls, $name:ident, $scenario:expr) => {
        #[test]
        fn is_whole_and_converges_whichever_system_call_is_the_last() {
            crate::calls::each_is_the_last(stringify!($name), &$scenario);
        }
    };
    (states, $name:ident, $scenario:expr) => {
        #[test]
        fn is_whole_and_converges_in_each_state_that_a_power_cut_may_leave() {
            crate::states::each_recovers(stringify!($name), &$scenario);
        }
    };
    (faults, $name:ident, $scenario:expr) => {
        #[test]
        fn names_what_failed_and_is_undone_or_done_whichever_act_fails() {
            crate::faults::each_act_fails(stringify!($name), &$scenario);
        }
    };
}

laws! {
    first_install: FIRST_INSTALL, acts recovery calls faults states;
    update_of_5: UPDATE_OF_5, acts recovery calls faults states;
    failed_update: FAILED_UPDATE, acts recovery calls faults;
    partial_update: PARTIAL_UPDATE, acts recovery calls faults states;
    mirrored_update: MIRRORED_UPDATE, acts recovery calls faults;
    large_update: LARGE_UPDATE, acts recovery calls faults;
    update_with_submodule: UPDATE_WITH_SUBMODULE, acts recovery calls faults;
    building_update: BUILDING_UPDATE, acts recovery calls faults states;
    each_update: EACH_UPDATE, acts recovery calls faults states;
    cooling_update: COOLING_UPDATE, acts recovery calls faults states;
    cooled_update: COOLED_UPDATE, acts recovery faults states;
    keeping_install: KEEPING_INSTALL, acts recovery faults states;
    room_install: ROOM_INSTALL, acts recovery faults states;
    keeping_update: KEEPING_UPDATE, acts recovery calls faults states;
    keeping_rollback: KEEPING_ROLLBACK, acts recovery faults states;
    rollback: ROLLBACK, acts recovery calls faults states;
    remove: REMOVE, acts recovery calls faults states;
    link: LINK, acts recovery calls faults states;
    sweep: SWEEP, acts recovery calls faults states;
    sweeping_update: SWEEPING_UPDATE, acts recovery faults states;
    compaction: COMPACTION, acts recovery faults states;
    repair: REPAIR, acts recovery calls faults states;
    reset: RESET, acts recovery calls faults states;
    purge: PURGE, acts recovery calls faults states;
    import: IMPORT, acts recovery calls faults states;
    expose: EXPOSE, acts recovery faults states;
    unexpose: UNEXPOSE, acts recovery faults states;
}

#[test]
fn a_store_that_leaves_out_a_kind_of_sync_is_caught_in_some_state_of_a_power_cut() {
    states::a_missing_sync_is_caught("update_of_5", &scenario::UPDATE_OF_5);
}
