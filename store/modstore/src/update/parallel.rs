//! Work of one update, done by several threads: as many as are asked for, or as there are lanes to the hosts.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, PoisonError},
};

use modstore_fetch::{Lane, Lanes};

use crate::parallel::in_parallel;

/// Does all work, as much of each host at once as there are lanes to it, and collects what it gives, in no order.
pub(super) fn in_lanes<T: Sync, R: Send>(
    lanes: &Lanes,
    work: &[T],
    host: impl Fn(&T) -> Option<String> + Sync,
    run: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    if lanes.most().min(work.len()) <= 1 {
        // What the work itself does side by side is within the bound too.
        return in_parallel(1, work, |one| {
            let _lane = lanes.enter(&host(one).unwrap_or_default());
            run(one)
        });
    }
    let done = side_by_side(lanes, work, host, run);
    lanes.keep();
    done
}

fn side_by_side<T: Sync, R: Send>(
    lanes: &Lanes,
    work: &[T],
    host: impl Fn(&T) -> Option<String> + Sync,
    run: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let (queue, done) = (Mutex::new(Queue::of(work, host)), Mutex::new(Vec::new()));
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next(lanes);
    let begun = Mutex::new(Vec::new());
    let go_on = || {
        let _announce = Announce(lanes);
        let mut one = begun.lock().unwrap_or_else(PoisonError::into_inner).pop();
        while let Some((work, lane)) = one {
            let result = run(work);
            done.lock().unwrap_or_else(PoisonError::into_inner).push(result);
            drop(lane);
            one = next();
        }
    };
    std::thread::scope(|scope| {
        loop {
            let seen = lanes.changes();
            match next() {
                Some(first) => {
                    begun.lock().unwrap_or_else(PoisonError::into_inner).push(first);
                    // Where no thread can be started, this one does the work.
                    if std::thread::Builder::new().spawn_scoped(scope, go_on).is_err() {
                        go_on();
                    }
                }
                None if queue.lock().unwrap_or_else(PoisonError::into_inner).is_empty() => break,
                None => lanes.wait_for_change(seen),
            }
        }
    });
    done.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Wakes who waits for room when a thread ends, however it ends.
struct Announce<'l>(&'l Lanes);

impl Drop for Announce<'_> {
    fn drop(&mut self) {
        self.0.announce();
    }
}

/// Work that has not begun, by host. The hosts take turns, so that one that is slow holds back no other.
struct Queue<'w, T>(VecDeque<(String, VecDeque<&'w T>)>);

impl<'w, T> Queue<'w, T> {
    fn of(work: &'w [T], host: impl Fn(&T) -> Option<String>) -> Self {
        let mut hosts = BTreeMap::<String, VecDeque<&'w T>>::new();
        for one in work {
            hosts.entry(host(one).unwrap_or_default()).or_default().push_back(one);
        }
        Self(hosts.into_iter().collect())
    }

    /// The first piece of work for whose host there is a lane.
    fn next<'l>(&mut self, lanes: &'l Lanes) -> Option<(&'w T, Lane<'l>)> {
        for _ in 0..self.0.len() {
            let (host, mut work) = self.0.pop_front()?;
            let found = lanes.enter(&host).and_then(|lane| Some((work.pop_front()?, lane)));
            if !work.is_empty() {
                self.0.push_back((host, work));
            }
            if found.is_some() {
                return found;
            }
        }
        None
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc, Barrier,
            atomic::{AtomicUsize, Ordering},
        },
        thread,
        time::Duration,
    };

    use super::*;

    /// The most pieces of work that ran at once, of all hosts and of each.
    fn most_at_once(lanes: &Arc<Lanes>, hosts: &[&str]) -> (usize, BTreeMap<String, usize>) {
        let running = Mutex::new((0, BTreeMap::<String, usize>::new()));
        let most = Mutex::new((0, BTreeMap::<String, usize>::new()));
        let done = in_lanes(
            lanes,
            hosts,
            |host| Some((*host).to_owned()),
            |host| {
                {
                    let mut now = running.lock().unwrap();
                    now.0 += 1;
                    let here = now.1.entry((*host).to_owned()).or_default();
                    *here += 1;
                    let mut most = most.lock().unwrap();
                    let seen = most.1.entry((*host).to_owned()).or_default();
                    *seen = (*seen).max(*here);
                    most.0 = most.0.max(now.0);
                }
                thread::sleep(Duration::from_millis(1));
                let mut now = running.lock().unwrap();
                now.0 -= 1;
                *now.1.get_mut(*host).unwrap() -= 1;
            },
        );
        assert_eq!(done.len(), hosts.len(), "each piece of work is done once");
        most.into_inner().unwrap()
    }

    #[test]
    fn no_more_runs_at_once_than_the_limit_says_nor_than_the_host_has_lanes() {
        let hosts: Vec<&str> = ["a", "b", "c"].into_iter().cycle().take(150).collect();
        for limit in [1, 2, 10, 32] {
            let (all, of_each) = most_at_once(&Lanes::new(limit), &hosts);
            assert!(all <= limit, "{all} of {limit}");
            assert!(of_each.values().all(|of_one| *of_one <= 8), "{of_each:?}");
        }
    }

    #[test]
    fn a_host_that_does_not_answer_holds_back_no_other() {
        let lanes = Lanes::new(32);
        let mut work = vec!["dead"; 20];
        work.extend(["alive"; 20]);
        // The dead host answers when all of the other's work is done.
        let all_done = Barrier::new(9);
        let left = AtomicUsize::new(20);
        let done = in_lanes(
            &lanes,
            &work,
            |host| Some((*host).to_owned()),
            |host| match *host {
                "alive" if left.fetch_sub(1, Ordering::SeqCst) == 1 => drop(all_done.wait()),
                "dead" if left.load(Ordering::SeqCst) > 0 => drop(all_done.wait()),
                _ => {}
            },
        );
        assert_eq!(done.len(), work.len());
    }

    #[test]
    #[should_panic(expected = "a scoped thread panicked")]
    fn a_thread_that_panics_leaves_no_one_waiting() {
        in_lanes(&Lanes::new(4), &[1, 2, 3], |_| None, |one| assert_ne!(*one, 3));
    }
}
