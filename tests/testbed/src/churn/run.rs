//! The run: a fill, then rounds of change, update and sweep, each with a reader beside it.
//!
//! Only the update and the sweep are timed: not the change upstream, nor the look at the disk afterwards.

use std::{path::PathBuf, sync::Arc, time::Instant};

use super::{
    figures::{BenchDisk, BenchPhase, BenchReader, BenchRound, median, micros, phases},
    meter::Meter,
    upstream::Upstream,
};
use crate::{
    failure::LabError,
    measure::{
        DiskUsage, Line, Reader, Reads, Rounds, files_below, peak_memory, reset_peak_memory,
    },
    random::Random,
};

/// The reader picks from no more files than this.
const MOST_FILES: usize = 10_000;

/// The store that follows the modules. It tells its [`Meter`] what it does.
pub trait Subject {
    /// Why it did not.
    type Failure: From<LabError>;

    /// Updates every module.
    ///
    /// # Errors
    /// When nothing can be updated, or a module cannot that must.
    fn update(&self) -> Result<Fetched, Self::Failure>;

    /// Fetches these modules as if it did not have them.
    ///
    /// # Errors
    /// As for [`update`](Self::update).
    fn fetch_again(&self, modules: &[String]) -> Result<Fetched, Self::Failure>;

    /// Deletes what it does not keep.
    ///
    /// # Errors
    /// When it cannot.
    fn sweep(&self) -> Result<(), Self::Failure>;

    /// The entries of the current modules.
    ///
    /// # Errors
    /// When it cannot be read.
    fn live(&self) -> Result<LiveEntries, Self::Failure>;
}

/// What an update fetched.
#[derive(Debug, Clone, Copy, Default)]
pub struct Fetched {
    /// Modules that failed.
    pub failed: usize,
    /// Requests to servers.
    pub requests: u64,
    /// Connections made for them.
    pub connections: u64,
    /// Bytes of packs that were received.
    pub received: u64,
}

/// The entries of the current modules.
#[derive(Debug, Clone, Default)]
pub struct LiveEntries {
    /// The directory of the store.
    pub home: PathBuf,
    /// The directory of each entry, once.
    pub entries: Vec<PathBuf>,
    /// The directories in which a host finds the modules that are entries.
    pub targets: Vec<PathBuf>,
    /// Bytes of their files.
    pub bytes: u64,
}

/// A churn that is about to run.
#[derive(Debug)]
pub struct Churn<'a, S> {
    /// The store.
    pub subject: &'a S,
    /// What the store tells the costs.
    pub meter: &'a Meter,
    /// The modules.
    pub upstream: &'a Upstream,
    /// The seed of the reader's choices.
    pub seed: u64,
}

/// What a churn measured.
#[derive(Debug)]
pub struct Course {
    /// The first fill, without a sweep or a reader.
    pub fill: BenchRound,
    /// The rounds after it.
    pub rounds: Vec<BenchRound>,
    /// The phases, each figure the median of all rounds.
    pub median: Vec<BenchPhase>,
    /// The reader over all rounds, if there was one.
    pub reader: Option<BenchReader>,
}

impl<S: Subject> Churn<'_, S> {
    /// Runs the fill and so many rounds. `seen` is given each when it is over.
    ///
    /// # Errors
    /// When git, the store or `seen` fails.
    pub fn run(
        &self,
        rounds: usize,
        mut seen: impl FnMut(&BenchRound) -> Result<(), S::Failure>,
    ) -> Result<Course, S::Failure> {
        let mut all_reads = Reads::default();
        let mut files = Arc::default();
        let mut all = Vec::new();
        for number in 0..=rounds {
            let round = self.round(number, &files, &mut all_reads)?;
            seen(&round)?;
            all.push(round);
            if number == 0 {
                // Those of linked modules are the user's own, and stay unread.
                files = Arc::new(files_below(self.subject.live()?.targets, MOST_FILES));
            }
        }
        let rounds = all.split_off(1);
        Ok(Course {
            fill: all.swap_remove(0),
            median: median(&rounds),
            reader: (all_reads.count() > 0).then(|| BenchReader::of(&all_reads)),
            rounds,
        })
    }

    /// One round; round 0 is the fill, in which there is nothing to sweep or to read yet.
    fn round(
        &self,
        number: usize,
        files: &Arc<Vec<PathBuf>>,
        all_reads: &mut Reads,
    ) -> Result<BenchRound, S::Failure> {
        let (changed, again) = self.upstream.change(number)?;
        let knows_peak = reset_peak_memory();
        let server = self.upstream.server_cpu();
        let random = Random::at(self.seed, &[4, number as u64]);
        let reader = (!files.is_empty()).then(|| Reader::start(Arc::clone(files), random));
        let start = Instant::now();
        let worked = self.work(number, &again);
        let wall = start.elapsed();
        let reads = reader.map(Reader::end);
        let fetched = worked?;
        let spending = self.meter.take();
        let server = server.zip(self.upstream.server_cpu());
        let round = BenchRound {
            round: number,
            changed,
            failed: fetched.failed,
            wall_us: micros(wall),
            cpu_us: micros(spending.iter().map(|spent| spent.cpu).sum()),
            server_cpu_us: server.map(|(before, after)| micros(after.saturating_sub(before))),
            requests: fetched.requests,
            connections: fetched.connections,
            received_bytes: fetched.received,
            changed_bytes: self.upstream.changed_bytes(number),
            written_bytes: spending.iter().map(|spent| spent.written).sum(),
            peak_memory_bytes: peak_memory().filter(|_| knows_peak),
            phases: phases(&spending),
            disk: disk_of(&self.subject.live()?)?,
            reader: reads.as_ref().map(BenchReader::of),
        };
        reads.into_iter().for_each(|reads| all_reads.add(reads));
        Ok(round)
    }

    /// The timed part.
    fn work(&self, number: usize, again: &[String]) -> Result<Fetched, S::Failure> {
        let mut fetched = self.measured(Meter::update, || self.subject.update())?;
        if !again.is_empty() {
            let second = self.measured(Meter::update, || self.subject.fetch_again(again))?;
            fetched.failed += second.failed;
            fetched.requests += second.requests;
            fetched.connections += second.connections;
            fetched.received += second.received;
        }
        if number > 0 {
            self.measured(Meter::sweep, || self.subject.sweep())?;
        }
        Ok(fetched)
    }

    fn measured<T>(&self, begin: fn(&Meter), work: impl FnOnce() -> T) -> T {
        begin(self.meter);
        let done = work();
        self.meter.end();
        done
    }
}

fn disk_of(live: &LiveEntries) -> Result<BenchDisk, LabError> {
    let failed = || LabError::cannot("look at the store");
    let mut current = DiskUsage::default();
    live.entries.iter().try_for_each(|entry| current.add(entry)).map_err(failed())?;
    let store_disk_bytes = DiskUsage::of(&live.home).map_err(failed())?.blocks;
    Ok(BenchDisk {
        live_bytes: live.bytes,
        live_disk_bytes: current.blocks,
        store_disk_bytes,
        amplification: (live.bytes > 0).then(|| store_disk_bytes as f64 / live.bytes as f64),
    })
}

impl Course {
    /// A picture: above, the time of each round, phase on phase; below, the disk as the rounds go by, and a reader's wait.
    #[must_use]
    pub fn plot(&self, title: String, subtitle: String) -> String {
        let all = || std::iter::once(&self.fill).chain(&self.rounds);
        let milliseconds = |phase: &BenchPhase| phase.wall_us as f64 / 1000.0;
        let line = |name, figure: fn(&BenchDisk) -> u64| Line {
            name,
            values: all().map(|round| figure(&round.disk) as f64 / 1e6).collect(),
        };
        let plot = Rounds {
            title,
            subtitle,
            phases: self.median.iter().map(|phase| (phase.phase, milliseconds(phase))).collect(),
            rounds: all().map(|round| round.phases.iter().map(milliseconds).collect()).collect(),
            waits: all()
                .map(|round| round.reader.map(|it| (it.p99_us / 1000.0, it.max_us / 1000.0)))
                .collect(),
            lines: [
                line("store on disk", |disk| disk.store_disk_bytes),
                line("live, on disk", |disk| disk.live_disk_bytes),
                line("live, bytes", |disk| disk.live_bytes),
            ],
        };
        plot.draw()
    }
}
