//! A matrix of servers, logins, proxies, trust, settings and references: `modstore add` succeeds where `git clone` succeeds, with
//! the same files, and where git fails it fails by the right name.
//!
//! The slice that always runs holds every pair of values that can succeed together and every value that fails with every server, and
//! is the same in every run. The long form is
//! `MODSTORE_GIT_MATRIX=2000 MODSTORE_SEED=$RANDOM`, which draws cells of the whole product. A cell that fails prints all that was
//! set, and `MODSTORE_GIT_MATRIX='…'` with its name, or with several names and commas between them, runs it alone. `MODSTORE_BINARY` names another build of the program.
//!
//! Limits: loopback only; one cause of failure in a cell. Not here, but tested elsewhere: submodules, LFS, Digest, SOCKS
//! servers and times; variables that only one TLS library reads, such as `SSL_CERT_FILE`.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "helpers panic, and that is how a test fails"
)]

#[path = "git_matrix/axes.rs"]
mod axes;
#[path = "git_matrix/cell.rs"]
mod cell;
#[path = "git_matrix/choice.rs"]
mod choice;
#[path = "git_matrix/world.rs"]
mod world;
#[path = "git_matrix/surroundings.rs"]
mod surroundings;
#[path = "git_matrix/law.rs"]
mod law;

use std::{
    env,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use modstore_testbed::Random;

use cell::Cell;
use world::World;

/// Cells at the same time.
const THREADS: usize = 3;

/// The cells that were asked for.
fn chosen() -> Vec<Cell> {
    let Ok(wanted) = env::var("MODSTORE_GIT_MATRIX") else { return choice::pairs() };
    match wanted.parse() {
        Ok(count) => {
            let seed = Random::seed();
            println!("MODSTORE_SEED={seed}");
            choice::drawn(count, seed)
        }
        Err(_) => wanted.split(',').map(|name| choice::named(name.trim())).collect(),
    }
}

#[test]
fn where_git_succeeds_modstore_succeeds_with_the_same_files_and_where_it_fails_by_the_right_name() {
    let (world, cells) = (World::new(), chosen());
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let succeeded = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some(cell) = cells.get(next.fetch_add(1, Ordering::SeqCst)) {
                    match law::holds(&world, *cell) {
                        Ok(was_success) => {
                            succeeded.fetch_add(was_success.into(), Ordering::SeqCst);
                        }
                        Err(what) => {
                            wrong.lock().unwrap_or_else(PoisonError::into_inner).push(what);
                        }
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    let (all, succeeded) = (cells.len(), succeeded.into_inner());
    println!("{all} cells, of which git and modstore succeeded in {succeeded}");
    assert!(wrong.is_empty(), "{} of {all} cells:\n\n{}", wrong.len(), wrong.join("\n\n"));
}

#[test]
fn the_slice_holds_every_pair_that_can_meet_and_is_the_same_in_every_run() {
    let cells = choice::pairs();
    assert_eq!(cells, choice::pairs());
    assert!(choice::left_out(&cells).is_empty());
    assert!(cells.iter().all(|cell| cell.can_be()));
}
