//! Random sequences of commands, with faults and crashes among them, against a small model: after every step the store
//! is what the model says, file by file.
//!
//! Each case has a seed of its own, which a failure prints together with the shortest sequence that still fails. The
//! slice that runs always has the same seeds; `PROPTEST_CASES=5000 MODSTORE_SEED=$RANDOM` is the long form, and
//! `PROPTEST_CASES=1 MODSTORE_SEED=…` one case again.
//!
//! Limits: one process, repositories on the same disk, a store in memory; a crash is an act after which no other
//! happens, which leaves locks free and written bytes durable. Killed processes and lost power are tested elsewhere.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers panic, and that is how a test fails"
)]

#[path = "sequences/upstream.rs"]
mod upstream;
#[path = "sequences/model.rs"]
mod model;
#[path = "sequences/command.rs"]
mod command;
#[path = "sequences/faulty_disk.rs"]
mod faulty_disk;
#[path = "sequences/run.rs"]
mod run;

use std::{cell::RefCell, env, panic};

use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};

use command::steps;
use upstream::Upstream;

/// How many cases run always.
const SLICE: u64 = 250;

fn number(variable: &str, otherwise: u64) -> u64 {
    env::var(variable).map_or(otherwise, |text| text.parse().expect("a number"))
}

#[test]
fn after_any_sequence_of_commands_faults_and_crashes_the_store_is_what_the_model_says() {
    let (first, cases) = (number("MODSTORE_SEED", 1), number("PROPTEST_CASES", SLICE));
    let upstream = Upstream::new();
    let tally = RefCell::new(run::Tally::default());
    for seed in first..first + cases {
        let config = Config {
            cases: 1,
            rng_seed: RngSeed::Fixed(seed),
            failure_persistence: None,
            max_shrink_iters: 600,
            ..Config::default()
        };
        let ran = TestRunner::new(config).run(&steps(), |steps| {
            run::run(&upstream, &steps, &mut tally.borrow_mut()).map_err(TestCaseError::fail)
        });
        if let Err(error) = ran {
            eprintln!("again: PROPTEST_CASES=1 MODSTORE_SEED={seed}");
            panic::panic_any(format!("seed {seed}: {error}"));
        }
    }
    println!("{cases} cases from seed {first}: {:?}", tally.into_inner());
}
