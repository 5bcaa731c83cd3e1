//! Work that is done by several threads of its own.
//!
//! For work that waits: for a network, a program, a disk. Work on bytes that are there is rayon's.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

/// Does all work, as much at once as there are `threads`, and collects what it gives, in no order.
pub fn in_parallel<T: Sync, R: Send>(
    threads: usize,
    work: &[T],
    run: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let go_on = || {
        while let Some(one) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
            let result = run(one);
            done.lock().unwrap_or_else(PoisonError::into_inner).push(result);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads.clamp(1, work.len().max(1)) {
            // Where no thread can be started, those that run do all of it.
            if std::thread::Builder::new().spawn_scoped(scope, go_on).is_err() {
                break;
            }
        }
        go_on();
    });
    done.into_inner().unwrap_or_else(PoisonError::into_inner)
}
