//! Power cuts, on file systems of our own: acknowledged changes are there, the current generation is whole, the next update
//! converges.
//!
//! A host program works with the library on a mounted image and prints each answer. At a moment that a random number decides
//! the file system stops taking anything, the host is killed, and what the image had been given by then is mounted
//! again. `MODSTORE_CUTS=50` is the long form, `MODSTORE_SEED` repeats one run.
//!
//! Limits: Linux and root; a device that lies about its own cache is not played, nor one that reorders writes that the
//! file system had put in order.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "helpers panic, and that is how a test fails"
)]

#[path = "power_cuts/upstream.rs"]
mod upstream;
#[path = "power_cuts/moment.rs"]
mod moment;
#[path = "power_cuts/host.rs"]
mod host;
#[path = "power_cuts/life.rs"]
mod life;
#[path = "power_cuts/campaign.rs"]
mod campaign;

use campaign::Campaign;
use modstore_testbed::{Mount, Random, skip_loudly};

/// Not a law of its own: the process whose power is cut.
#[test]
fn a_host_whose_power_may_be_cut_works() {
    host::run();
}

fn nothing_is_lost(name: &'static str, mount: Option<Mount>, each_file: bool) {
    let Some(mount) = mount else { return };
    let cuts = std::env::var("MODSTORE_CUTS").map_or(5, |cuts| cuts.parse().unwrap());
    let seed = Random::seed();
    println!("{name}: seed {seed}");
    let campaign = Campaign { name, mount: &mount, cuts, seed, each_file, sabotaged: None };
    let met = campaign.run().unwrap_or_else(|why| panic!("{why}"));
    println!("{name}: {cuts} cuts, 0 failed, {met:#?}");
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_current_is_broken_on_ext4() {
    nothing_is_lost("ext4", Mount::ext4(512), true);
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_current_is_broken_on_ext4_without_a_journal() {
    // A sync of each file does not reach a symbolic link's inode, and here nothing else does.
    nothing_is_lost("ext4 without journal", Mount::ext4_without_journal(512), false);
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_current_is_broken_on_xfs() {
    nothing_is_lost("xfs", Mount::xfs(512), true);
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_current_is_broken_on_btrfs() {
    nothing_is_lost("btrfs", Mount::btrfs(512), true);
}

/// The method itself: syncs that do nothing, of one kind or of all, must be noticed.
fn a_sabotage_is_caught(calls: &'static str) {
    let strace = std::process::Command::new("strace").args(["-o", "/dev/null", "true"]).status();
    if !strace.is_ok_and(|status| status.success()) {
        return skip_loudly("strace cannot be run");
    }
    let Some(mount) = Mount::ext4(512) else { return };
    let seed = Random::seed();
    println!("{calls}: seed {seed}");
    let sabotaged = Some(calls);
    let campaign =
        Campaign { name: "ext4", mount: &mount, cuts: 150, seed, each_file: false, sabotaged };
    let why = campaign.run().expect_err("it was not noticed");
    println!("{calls} do nothing; noticed: {why}");
}

#[test]
fn a_store_whose_syncs_do_nothing_is_caught() {
    a_sabotage_is_caught("syncfs,fsync,fdatasync");
}

#[test]
fn a_store_without_its_barrier_is_caught() {
    a_sabotage_is_caught("syncfs");
}

#[test]
fn a_store_whose_journal_is_not_synced_is_caught() {
    a_sabotage_is_caught("fdatasync");
}

#[test]
fn a_store_whose_directories_are_not_synced_is_caught() {
    a_sabotage_is_caught("fsync");
}
