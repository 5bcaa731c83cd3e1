//! `bench churn`: a scratch store, the modules that it follows, and the answer. The run itself is the laboratory's.

use std::{fs, path::Path, process::Command};

use modstore_core::disk::{FileSystem, Layout};
use modstore_testbed::{BenchRound, Churn, Course, LabError, Scratch, Upstream};

use super::{answer::Bench, args::ChurnArgs, subject::Measured};
use crate::{
    context::Context,
    escape::escaped,
    exit::Exit,
    report::Failure,
    text::{count, size},
};

/// Runs it, in one temporary directory.
pub(super) fn run(context: &Context, args: &ChurnArgs) -> Result<Bench, Failure> {
    context.heed();
    if let Some(plot) = &args.plot {
        // It would be a pity to find that out at the end.
        fs::write(plot, "").map_err(LabError::cannot("write the plot"))?;
    }
    let scratch = Scratch::new("modstore-bench-", args.place.as_deref())
        .map_err(LabError::cannot("make a temporary directory"))?;
    let home = scratch.path().join("store");
    fs::create_dir(&home).map_err(LabError::cannot("make a directory"))?;
    let upstream = upstream(context, args, scratch.path(), &home)?;
    let subject = Measured::open(context, args, &home)?;
    let churn =
        Churn { subject: &subject, meter: subject.meter(), upstream: &upstream, seed: args.seed };
    let course = churn.run(args.rounds.into(), |round| say(context, &summary(round)))?;
    let found = FileSystem::of(scratch.path())?;
    if let Some(path) = &args.plot {
        let plot = plot(args, &upstream, &found, &course);
        fs::write(path, plot).map_err(LabError::cannot("write the plot"))?;
    }
    let generation = subject.store().current();
    let made = !args.real;
    Ok(Bench {
        generation: generation.map(|shown| shown.number()),
        what: "churn",
        modules: upstream.modules(),
        files: made.then_some(args.files as usize),
        change_percent: args.change.into(),
        touch_percent: made.then_some(args.touch.into()),
        keep: args.keep.get().into(),
        seed: args.seed,
        jobs: args.jobs.get().into(),
        real: args.real,
        server: upstream.server(),
        file_system: found.to_string(),
        concerns: found.concerns.iter().map(|concern| concern.name()).collect(),
        fill: course.fill,
        rounds: course.rounds,
        median: course.median,
        reader: course.reader,
        plot: args.plot.as_ref().map(|path| path.display().to_string()),
    })
}

/// The modules, which are declared in `home`.
fn upstream(
    context: &Context,
    args: &ChurnArgs,
    scratch: &Path,
    home: &Path,
) -> Result<Upstream, Failure> {
    let (upstream, declarations) = if args.real {
        let names = context.store()?.declarations()?.modules.into_keys();
        let names: Vec<String> = names.map(|name| name.to_string()).collect();
        if names.is_empty() {
            return Err(Failure::new(Exit::Usage, "no modules are declared")
                .hint("leave --real out, or declare some with `modstore add`"));
        }
        let theirs = fs::read_to_string(context.layout()?.modules_toml());
        let theirs = theirs.map_err(LabError::cannot("read modules.toml"))?;
        (Upstream::declared(names, args.change.into(), args.seed), theirs)
    } else {
        let modules = count(args.modules as usize, "module");
        say(context, &format!("making repositories for {modules}"))?;
        let root = scratch.join("repositories");
        fs::create_dir(&root).map_err(LabError::cannot("make a directory"))?;
        let program = std::env::current_exe().map_err(LabError::cannot("find this program"))?;
        let mut server = Command::new(program);
        server.args(["bench", "serve"]).arg(&root);
        let upstream = Upstream::made(&root, args.shape(), server)?;
        let declarations = upstream.declarations().unwrap_or_default();
        (upstream, declarations)
    };
    fs::write(Layout::new(home).modules_toml(), declarations)
        .map_err(LabError::cannot("write modules.toml"))?;
    Ok(upstream)
}

fn say(context: &Context, text: &str) -> Result<(), Failure> {
    if context.global.quiet {
        return Ok(());
    }
    Ok(context.output.for_people(|to| writeln!(to, "{text}"))?)
}

fn summary(round: &BenchRound) -> String {
    let name = match round.round {
        0 => "fill".to_owned(),
        number => format!("round {number}"),
    };
    let disk = size(round.disk.store_disk_bytes);
    let milliseconds = round.wall_us as f64 / 1000.0;
    format!("{name}: {milliseconds:.0} ms, {disk} on disk")
}

fn plot(args: &ChurnArgs, upstream: &Upstream, found: &FileSystem, course: &Course) -> String {
    let modules = count(upstream.modules(), "module");
    let files =
        if args.real { "a user's own".to_owned() } else { count(args.files as usize, "file") };
    let title =
        format!("Cache churn: {modules} of {files}, {} % change in each round", args.change);
    let subtitle = format!(
        "modstore {}; first fill {:.2} s; on {found}; each sweep keeps {}; a sync is a real one",
        env!("CARGO_PKG_VERSION"),
        course.fill.wall_us as f64 / 1e6,
        count(args.keep.get().into(), "generation"),
    );
    course.plot(title, escaped(&subtitle).into_owned())
}
