//! Many publish one commit at once, and some are killed: under a key there is a whole object or none.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

use modstore_testbed::{Random, TestHome};
use rustix::process::Signal;

use crate::world::{World, objects, run};

#[test]
fn publishers_of_one_commit_do_not_meet_and_a_killed_one_leaves_nothing_of_half() {
    let world = World::new(1);
    let text = "0123456789abcdef\n".repeat(30_000);
    world.repos[0].write(&[("large", &text)]);
    let homes: Vec<TestHome> = (0..8).map(|_| world.home()).collect();
    homes.iter().for_each(|home| drop(run(home, &["update", "--tier", "off"])));
    run(&homes[0], &["push", "--tier", &world.tier_url()]);
    let object = world.object(&world.repos[0]);
    let truth = std::fs::read(&object).unwrap();
    let (over, seen) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                if let Ok(bytes) = std::fs::read(&object) {
                    assert!(bytes == truth, "an object of {} bytes", bytes.len());
                    seen.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        let mut random = Random::of(7);
        for _ in 0..4 {
            std::fs::remove_file(&object).unwrap();
            let args = ["push", "--tier", &world.tier_url(), "--json"];
            let mut running: Vec<_> = homes.iter().map(|home| home.spawn(&args)).collect();
            for killed in running.drain(..3) {
                std::thread::sleep(Duration::from_millis(random.within(0..20)));
                killed.signal(Signal::KILL);
                killed.wait();
            }
            running.into_iter().for_each(|running| drop(running.wait().ok()));
            assert!(object.exists());
        }
        over.store(true, Ordering::Relaxed);
    });
    assert!(seen.load(Ordering::Relaxed) > 0);
    assert_eq!(objects(&world.tier()).len(), 1);
    assert_eq!(std::fs::read(&object).unwrap(), truth);
}
