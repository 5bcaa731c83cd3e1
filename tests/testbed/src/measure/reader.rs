//! A thread that reads files of the modules all the time while they are updated.
//!
//! Each read goes through `current`, as a host's would, about a thousand times a second: too seldom to be in the way.
//! Its processor time counts as the process's, a percent or so.

use std::{
    fs,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::{random::Random, repositories::walk};

/// The regular files below these directories that are not empty: at most this many, evenly chosen.
pub fn files_below(directories: impl IntoIterator<Item = PathBuf>, most: usize) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for directory in directories {
        walk(&directory, &mut |path| {
            if fs::symlink_metadata(path).is_ok_and(|found| found.is_file() && found.len() > 0) {
                files.push(path.to_owned());
            }
        });
    }
    let every = files.len().div_ceil(most).max(1);
    files.into_iter().step_by(every).collect()
}

const PAUSE: Duration = Duration::from_millis(1);

/// The reader, at work.
#[derive(Debug)]
pub struct Reader {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Reads>,
}

/// The reads it made.
#[derive(Debug, Default)]
pub struct Reads {
    /// Files that were not there, or empty.
    pub misses: u64,
    /// How long each read took, from the quickest.
    took: Vec<Duration>,
}

impl Reader {
    /// Reads one or another of these files until [`Reader::end`].
    #[must_use]
    pub fn start(files: Arc<Vec<PathBuf>>, mut random: Random) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut reads = Reads::default();
            while let Some(file) = files.get(random.below(files.len())) {
                let start = Instant::now();
                let read = fs::read(file);
                reads.took.push(start.elapsed());
                reads.misses += u64::from(!read.is_ok_and(|text| !text.is_empty()));
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                thread::sleep(PAUSE);
            }
            reads.took.sort_unstable();
            reads
        });
        Self { stop, thread }
    }

    /// Stops it.
    ///
    /// # Panics
    /// Never: reading a file does not panic.
    #[must_use]
    pub fn end(self) -> Reads {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the reader does not panic")
    }
}

impl Reads {
    /// Adds other reads.
    pub fn add(&mut self, more: Self) {
        self.misses += more.misses;
        self.took.extend(more.took);
        self.took.sort_unstable();
    }

    /// How many reads there were.
    #[must_use]
    pub fn count(&self) -> usize {
        self.took.len()
    }

    /// The time within which this many of a thousand reads ended.
    #[must_use]
    pub fn within(&self, permille: usize) -> Duration {
        let at = (self.took.len() * permille).div_ceil(1000).saturating_sub(1);
        self.took.get(at).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_read_that_there_was() {
        let took = (1..=200).map(Duration::from_micros).collect();
        let reads = Reads { misses: 0, took };
        let micros = [0, 500, 990, 1000].map(|permille| reads.within(permille).as_micros());
        assert_eq!(micros, [1, 100, 198, 200]);
        assert_eq!(Reads::default().within(500), Duration::ZERO);
    }

    #[test]
    fn a_file_that_is_not_there_is_a_miss_and_one_that_is_is_none() {
        let place = tempfile::tempdir().unwrap();
        let there = place.path().join("there");
        fs::write(&there, "x").unwrap();
        for (file, misses) in [(there, false), (place.path().join("gone"), true)] {
            let reader = Reader::start(Arc::new(vec![file]), Random::of(1));
            let reads = reader.end();
            assert!(reads.count() > 0);
            assert_eq!(reads.misses, if misses { reads.count() as u64 } else { 0 });
        }
    }
}
