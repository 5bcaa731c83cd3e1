//! The run: a fill, then rounds of change, update and sweep, each with a reader beside it.
//!
//! Everything is in one temporary directory. Only the update and the sweep are timed: not the change upstream, nor the
//! look at the disk afterwards.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use modstore::{ModuleName, Options, Policy, Store, UpdateReport, UpdateRequest};
use modstore_core::disk::{Disk, FileSystem};
use modstore_testbed::{
    Random, Reader, Reads, Scratch, files_below, peak_memory, reset_peak_memory,
};

use super::{
    answer::{Bench, BenchRound},
    args::{BenchFillArgs, ChurnArgs},
    disk::disk_of,
    figures::{latencies, median, micros, phases},
    meter::Meter,
    plot,
    upstream::{Upstream, corpus},
};
use crate::{
    causes::causes,
    commands::cannot::cannot,
    context::Context,
    exit::Exit,
    report::Failure,
    text::{count, size},
};

/// The reader picks from no more files than this.
const MOST_FILES: usize = 10_000;

/// Runs it.
pub(super) fn run(context: &Context, args: &ChurnArgs) -> Result<Bench, Failure> {
    context.heed();
    if let Some(plot) = &args.plot {
        // It would be a pity to find that out at the end.
        fs::write(plot, "").map_err(|error| cannot("write the plot", &error))?;
    }
    let scratch = Scratch::new("modstore-bench-", args.place.as_deref())
        .map_err(|error| cannot("make a temporary directory", &error))?;
    let home = scratch.path().join("store");
    fs::create_dir(&home).map_err(|error| cannot("make a directory", &error))?;
    let upstream = if args.real {
        Upstream::declared(context, &home)?
    } else {
        let modules = count(args.modules as usize, "module");
        say(context, &format!("making repositories for {modules}"))?;
        Upstream::made(scratch.path(), &home, args)?
    };
    let mut run = Run::open(context, args, &home, upstream)?;
    let fill = run.round(0)?;
    run.find_files()?;
    let mut rounds = Vec::new();
    for number in 1..=usize::from(args.rounds) {
        rounds.push(run.round(number)?);
    }
    let mut bench = run.answer(args, scratch.path(), fill, rounds)?;
    if let Some(path) = &args.plot {
        fs::write(path, plot::draw(&bench)).map_err(|error| cannot("write the plot", &error))?;
        bench.plot = Some(path.display().to_string());
    }
    Ok(bench)
}

/// Only makes the repositories, and prints their commits.
pub(super) fn fill(context: &Context, args: &BenchFillArgs) -> Result<(), Failure> {
    let corpus = corpus(&args.root, &args.churn)?;
    let mut commits = corpus.commits();
    Ok(context.output.for_people(|to| {
        commits.try_for_each(|(round, module, commit)| writeln!(to, "{round} {module} {commit}"))
    })?)
}

fn say(context: &Context, text: &str) -> Result<(), Failure> {
    if context.global.quiet {
        return Ok(());
    }
    Ok(context.output.for_people(|to| writeln!(to, "{text}"))?)
}

/// A run on its way.
struct Run<'a> {
    context: &'a Context,
    args: &'a ChurnArgs,
    upstream: Upstream,
    store: Store,
    meter: Arc<Meter>,
    policy: Policy,
    files: Arc<Vec<PathBuf>>,
    all_reads: Vec<Reads>,
}

impl<'a> Run<'a> {
    fn open(
        context: &'a Context,
        args: &'a ChurnArgs,
        home: &Path,
        upstream: Upstream,
    ) -> Result<Self, Failure> {
        let meter = Arc::new(Meter::default());
        let disk = Disk::observed(Arc::<Meter>::clone(&meter));
        let jobs = usize::from(args.jobs.get());
        let options = Options { jobs, sweep: None, ..context.options()? };
        let store = Store::open_on(disk, home, options)?;
        let policy = Policy { keep: args.keep.into(), grace: Duration::ZERO, max_bytes: None };
        let (files, all_reads) = (Arc::default(), Vec::new());
        Ok(Self { context, args, upstream, store, meter, policy, files, all_reads })
    }

    /// One round; round 0 is the fill, in which there is nothing to sweep or to read yet.
    fn round(&mut self, number: usize) -> Result<BenchRound, Failure> {
        let (changed, again) = self.upstream.change(number, self.args)?;
        let knows_peak = reset_peak_memory();
        let server = self.upstream.server_cpu();
        let random = Random::at(self.args.seed, &[4, number as u64]);
        let reader =
            (!self.files.is_empty()).then(|| Reader::start(Arc::clone(&self.files), random));
        let start = Instant::now();
        let worked = self.work(number, again);
        let wall = start.elapsed();
        let reads = reader.map(Reader::end);
        let report = worked?;
        let spending = self.meter.take();
        let server = server.zip(self.upstream.server_cpu());
        let round = BenchRound {
            round: number,
            changed,
            failed: report.failed.len(),
            wall_us: micros(wall),
            cpu_us: micros(spending.iter().map(|spent| spent.cpu).sum()),
            server_cpu_us: server.map(|(before, after)| micros(after.saturating_sub(before))),
            requests: report.cost.requests,
            connections: report.cost.connections,
            received_bytes: report.cost.received,
            changed_bytes: self.upstream.changed_bytes(number),
            written_bytes: spending.iter().map(|spent| spent.written).sum(),
            peak_memory_bytes: peak_memory().filter(|_| knows_peak),
            phases: phases(&spending),
            disk: disk_of(&self.store)?,
            reader: reads.as_ref().map(latencies),
        };
        self.all_reads.extend(reads);
        self.say_round(&round)?;
        Ok(round)
    }

    /// The timed part.
    fn work(&self, number: usize, again: Vec<ModuleName>) -> Result<UpdateReport, Failure> {
        let mut report = self.update(&UpdateRequest::default())?;
        if !again.is_empty() {
            let request = UpdateRequest { names: again, refetch: true, ..UpdateRequest::default() };
            let second = self.update(&request)?;
            report.failed.extend(second.failed);
            report.cost.requests += second.cost.requests;
            report.cost.connections += second.cost.connections;
            report.cost.received += second.cost.received;
        }
        if number > 0 {
            self.meter.sweep();
            let plan = self.store.plan_sweep(&self.policy)?;
            self.store.sweep(plan, &*self.meter, self.context.cancel())?;
            self.meter.end();
        }
        Ok(report)
    }

    fn update(&self, request: &UpdateRequest) -> Result<UpdateReport, Failure> {
        self.meter.update();
        let report = self.store.update(request, &*self.meter, self.context.cancel());
        self.meter.end();
        let report = report?;
        match report.failed.first() {
            Some(failed) if !self.args.real => {
                let message = format!("{} could not be fetched", failed.module);
                let why = std::iter::once(failed.error.to_string()).chain(causes(&*failed.error));
                Err(Failure::new(Exit::Failed, message).because(why.collect()))
            }
            _ => Ok(report),
        }
    }

    /// Finds the files that a reader reads from now on. Those of linked modules are the user's own, and stay unread.
    fn find_files(&mut self) -> Result<(), Failure> {
        let state = self.store.state()?;
        let entries = state.modules().iter().filter(|(_, binding)| binding.digest().is_some());
        let targets = entries.map(|(module, _)| self.store.target(module));
        self.files = Arc::new(files_below(targets, MOST_FILES));
        Ok(())
    }

    fn say_round(&self, round: &BenchRound) -> Result<(), Failure> {
        let name = match round.round {
            0 => "fill".to_owned(),
            number => format!("round {number}"),
        };
        let disk = size(round.disk.store_disk_bytes);
        let milliseconds = round.wall_us as f64 / 1000.0;
        say(self.context, &format!("{name}: {milliseconds:.0} ms, {disk} on disk"))
    }

    fn answer(
        self,
        args: &ChurnArgs,
        place: &Path,
        fill: BenchRound,
        rounds: Vec<BenchRound>,
    ) -> Result<Bench, Failure> {
        let found = FileSystem::of(place)?;
        let server = (!args.real).then(|| {
            let version = Command::new("git").arg("--version").output();
            let version = version.map(|said| String::from_utf8_lossy(&said.stdout).into_owned());
            let version = version.unwrap_or_default();
            format!("smart HTTP on loopback, git upload-pack, {}", version.trim())
        });
        let mut reads = Reads::default();
        self.all_reads.into_iter().for_each(|more| reads.add(more));
        Ok(Bench {
            generation: self.store.current().map(|shown| shown.number()),
            what: "churn",
            modules: self.upstream.modules(args),
            files: (!args.real).then_some(args.files as usize),
            change_percent: args.change.into(),
            touch_percent: (!args.real).then_some(args.touch.into()),
            keep: usize::from(args.keep.get()),
            seed: args.seed,
            jobs: usize::from(args.jobs.get()),
            real: args.real,
            server,
            file_system: found.to_string(),
            concerns: found.concerns.iter().map(|concern| concern.name()).collect(),
            median: median(&rounds),
            reader: (reads.count() > 0).then(|| latencies(&reads)),
            fill,
            rounds,
            plot: None,
        })
    }
}
