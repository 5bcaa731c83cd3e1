//! The run: a fill, then rounds of change, update and sweep, each with a reader beside it.
//!
//! Everything is in one temporary directory. Only the update and the sweep are timed: not the change upstream, nor the
//! look at the disk afterwards.

use std::{
    ffi::{OsStr, OsString},
    fs,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use modstore::{
    Exit, Options, Policy, Store, UpdateReport, UpdateRequest,
    commit::{Binding, Bound},
    disk::{Disk, FileSystem, Layout},
    model::{FileKind, ModuleName},
};

use super::{
    chance::Chance,
    corpus::{Corpus, Shape},
    machine::{Room, forget_peak, peak},
    meter::{Meter, Phase, Spending, Spent},
    plot,
    reader::{Reader, Reads},
    server::Server,
};
use crate::{
    args::{BenchFillArgs, ChurnArgs},
    commands::scratch::{Scratch, cannot},
    context::Context,
    json::{Bench, BenchDisk, BenchPhase, BenchReader, BenchRound, causes},
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
    let scratch = Scratch::new("modstore-bench-", args.place.as_deref())?;
    let home = scratch.path().join("store");
    fs::create_dir(&home).map_err(|error| cannot("make a directory", &error))?;
    let upstream = match args.real {
        true => Upstream::declared(context, &home)?,
        false => Upstream::made(&scratch, args, context)?,
    };
    let mut run = Run::open(context, args, &home, upstream)?;
    let fill = run.round(0)?;
    run.find_files()?;
    let mut rounds = Vec::new();
    for number in 1..=usize::from(args.rounds) {
        rounds.push(run.round(number)?);
    }
    let mut bench = run.told(args, scratch.path(), fill, rounds)?;
    if let Some(path) = &args.plot {
        fs::write(path, plot::draw(&bench)).map_err(|error| cannot("write the plot", &error))?;
        bench.plot = Some(path.display().to_string());
    }
    Ok(bench)
}

/// Only makes the repositories, and tells what is in them.
pub(super) fn fill(context: &Context, args: &BenchFillArgs) -> Result<(), Failure> {
    let corpus = Corpus::build(&args.root, shape_of(&args.churn), &variables(&args.root))?;
    Ok(context.output.for_people(|to| corpus.tell(to))?)
}

fn shape_of(args: &ChurnArgs) -> Shape {
    Shape {
        modules: args.modules as usize,
        files: args.files as usize,
        rounds: args.rounds.into(),
        change: args.change.into(),
        touch: args.touch.into(),
        mean_size: usize::try_from(args.file_size).unwrap_or(usize::MAX),
        seed: args.seed,
    }
}

/// Where the modules come from.
enum Upstream {
    /// Repositories of our own, and who serves them.
    Made { corpus: Corpus, server: Server },
    /// Where the user has them from.
    Declared { modules: Vec<ModuleName> },
}

impl Upstream {
    fn made(scratch: &Scratch, args: &ChurnArgs, context: &Context) -> Result<Self, Failure> {
        let shape = shape_of(args);
        say(context, &format!("making repositories for {}", count(shape.modules, "module")))?;
        let root = scratch.path().join("repositories");
        fs::create_dir(&root).map_err(|error| cannot("make a directory", &error))?;
        let variables = variables(scratch.path());
        let corpus = Corpus::build(&root, shape, &variables)?;
        let server = Server::start(&root, &variables)?;
        let declared = corpus.declared(server.port());
        declare(&scratch.path().join("store"), &declared)?;
        Ok(Self::Made { corpus, server })
    }

    /// What the user has declared, copied.
    fn declared(context: &Context, home: &Path) -> Result<Self, Failure> {
        let declared = context.store()?.declarations()?;
        let modules: Vec<ModuleName> = declared.modules.into_keys().collect();
        if modules.is_empty() {
            return Err(Failure::new(Exit::Usage, "no modules are declared")
                .hint("leave --real out, or declare some with `modstore add`"));
        }
        let theirs = Layout::new(context.home()?).modules_toml();
        let text = fs::read_to_string(theirs);
        declare(home, &text.map_err(|error| cannot("read modules.toml", &error))?)?;
        Ok(Self::Declared { modules })
    }

    fn modules(&self, args: &ChurnArgs) -> usize {
        match self {
            Self::Made { .. } => args.modules as usize,
            Self::Declared { modules } => modules.len(),
        }
    }

    fn server_cpu(&self) -> Option<Duration> {
        match self {
            Self::Made { server, .. } => server.cpu(),
            Self::Declared { .. } => None,
        }
    }

    /// Makes the change of a round. Gives how many modules it is about, and, where nothing could be changed, the names of
    /// those to be fetched anew.
    fn change(&self, round: usize, args: &ChurnArgs) -> Result<(usize, Vec<ModuleName>), Failure> {
        match self {
            Self::Made { corpus, .. } => {
                corpus.serve(round)?;
                Ok((corpus.changing(round), Vec::new()))
            }
            Self::Declared { modules } if round == 0 => Ok((modules.len(), Vec::new())),
            Self::Declared { modules } => {
                let wanted = (modules.len() * usize::from(args.change)).div_ceil(100);
                let mut chance = Chance::of(args.seed, &[1, round as u64]);
                let some = chance.some(wanted, modules.len());
                let names = some.into_iter().filter_map(|at| modules.get(at).cloned()).collect();
                Ok((wanted, names))
            }
        }
    }

    fn changed_bytes(&self, round: usize) -> Option<u64> {
        match self {
            Self::Made { corpus, .. } => Some(corpus.changed_bytes(round)),
            Self::Declared { .. } => None,
        }
    }
}

fn declare(home: &Path, text: &str) -> Result<(), Failure> {
    fs::write(Layout::new(home).modules_toml(), text)
        .map_err(|error| cannot("write modules.toml", &error))
}

/// The variables git runs with: nothing of the machine's configuration.
fn variables(home: &Path) -> Vec<(OsString, OsString)> {
    let kept = ["PATH", "TMPDIR", "LD_LIBRARY_PATH", "LLVM_PROFILE_FILE"];
    let kept = kept.into_iter().filter_map(|name| Some((name.into(), std::env::var_os(name)?)));
    let own = [("HOME", home.as_os_str()), ("GIT_CONFIG_NOSYSTEM", OsStr::new("1"))];
    kept.chain(own.map(|(name, value)| (name.into(), value.to_owned()))).collect()
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
        let (changed, anew) = self.upstream.change(number, self.args)?;
        let tells_peak = forget_peak();
        let server = self.upstream.server_cpu();
        let chance = Chance::of(self.args.seed, &[4, number as u64]);
        let reader =
            (!self.files.is_empty()).then(|| Reader::start(Arc::clone(&self.files), chance));
        let start = Instant::now();
        let worked = self.work(number, anew);
        let wall = start.elapsed();
        let reads = reader.map(Reader::end);
        let report = worked?;
        let spending = self.meter.take();
        let server = server.zip(self.upstream.server_cpu());
        let room = Room::of(&self.store)?;
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
            peak_memory_bytes: peak().filter(|_| tells_peak),
            phases: phases(&spending),
            disk: BenchDisk {
                live_bytes: room.live,
                live_disk_bytes: room.live_on_disk,
                store_disk_bytes: room.on_disk,
                amplification: room.amplification(),
            },
            reader: reads.as_ref().map(latencies),
        };
        self.all_reads.extend(reads);
        self.say_round(&round)?;
        Ok(round)
    }

    /// What is timed.
    fn work(&self, number: usize, anew: Vec<ModuleName>) -> Result<UpdateReport, Failure> {
        let mut report = self.update(&UpdateRequest::default())?;
        if !anew.is_empty() {
            let request = UpdateRequest { names: anew, fresh: true, ..UpdateRequest::default() };
            let again = self.update(&request)?;
            report.failed.extend(again.failed);
            report.cost.requests += again.cost.requests;
            report.cost.connections += again.cost.connections;
            report.cost.received += again.cost.received;
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
                let message = format!("{} could not be had", failed.module);
                let why = std::iter::once(failed.error.to_string()).chain(causes(&*failed.error));
                Err(Failure::new(Exit::Failed, message).because(why.collect()))
            }
            _ => Ok(report),
        }
    }

    /// The files that a reader reads from now on.
    fn find_files(&mut self) -> Result<(), Failure> {
        let state = self.store.state()?;
        let mut files = Vec::new();
        for (module, binding) in state.modules() {
            files.extend(self.files_of(module, binding));
        }
        let every = files.len().div_ceil(MOST_FILES).max(1);
        self.files = Arc::new(files.into_iter().step_by(every).collect());
        Ok(())
    }

    fn files_of(&self, module: &ModuleName, binding: &Binding) -> Vec<PathBuf> {
        let part = match &binding.bound {
            Bound::Entry { subdirectory: Some(part), .. } => part.as_str(),
            _ => "",
        };
        let manifest = binding.digest().and_then(|digest| self.store.manifest(digest));
        let manifest = manifest.unwrap_or_default();
        let target = self.store.target(module);
        let file = |path: &[u8]| target.join(Path::new(OsStr::from_bytes(path)));
        let skip = if part.is_empty() { 0 } else { part.len() + 1 };
        let files = manifest.below(part.into()).iter();
        let files = files.filter(|file| file.kind != FileKind::Symlink && file.size > 0);
        files.map(|found| file(found.path.get(skip..).unwrap_or_default())).collect()
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

    fn told(
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
            generation: self.store.shown().map(|shown| shown.number()),
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

fn phases(spending: &Spending) -> Vec<BenchPhase> {
    let phase = |(phase, spent): (Phase, &Spent)| BenchPhase {
        phase: phase.name(),
        wall_us: micros(spent.wall),
        cpu_us: micros(spent.cpu),
        written_bytes: spent.written,
        files_created: spent.created,
        files_linked: spent.linked,
        syncs: spent.syncs,
        disk_calls: spent.acts,
    };
    Phase::ALL.into_iter().zip(spending).map(phase).collect()
}

/// The middle of each figure of each phase, over all rounds.
fn median(rounds: &[BenchRound]) -> Vec<BenchPhase> {
    let phase = |at: usize, phase: Phase| {
        let middle = |figure: fn(&BenchPhase) -> u64| {
            let phases = rounds.iter().filter_map(|round| round.phases.get(at));
            middle(phases.map(figure).collect())
        };
        BenchPhase {
            phase: phase.name(),
            wall_us: middle(|it| it.wall_us),
            cpu_us: middle(|it| it.cpu_us),
            written_bytes: middle(|it| it.written_bytes),
            files_created: middle(|it| it.files_created),
            files_linked: middle(|it| it.files_linked),
            syncs: middle(|it| it.syncs),
            disk_calls: middle(|it| it.disk_calls),
        }
    };
    Phase::ALL.into_iter().enumerate().map(|(at, each)| phase(at, each)).collect()
}

/// The middle of some numbers, or between the two; 0 of none.
pub(super) fn middle(mut numbers: Vec<u64>) -> u64 {
    numbers.sort_unstable();
    let upper = numbers.get(numbers.len() / 2).copied().unwrap_or_default();
    let lower = numbers.get(numbers.len().saturating_sub(1) / 2).copied().unwrap_or_default();
    lower.midpoint(upper)
}

fn latencies(reads: &Reads) -> BenchReader {
    let within = |permille| reads.within(permille).as_nanos() as f64 / 1000.0;
    BenchReader {
        reads: reads.count() as u64,
        misses: reads.misses,
        p50_us: within(500),
        p90_us: within(900),
        p99_us: within(990),
        max_us: within(1000),
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_numbers_is_one_of_them_or_between_the_two() {
        let table = [(vec![], 0), (vec![7], 7), (vec![9, 1], 5), (vec![9, 1, 3], 3)];
        for (numbers, is) in table {
            assert_eq!(middle(numbers), is);
        }
    }
}
