//! `tier check`: what a place does, found out by trying.

use std::{error::Error, io, path::PathBuf};

use clap::Args;
use modstore::internals::tier::tier_options;
use modstore_core::disk::{Disk, random_name};
use modstore_tier::{Key, TierAddress, TierCheck, TierError, TierProbe, check, open};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    context::Context, exit::Exit, output::Answer, page::Page, report::Failure, table::Table,
    tiers::tier_at,
};

/// A clock that differs by more than this is worth a word: S3 refuses at 15 minutes.
const WRONG_CLOCK: i64 = 60;
const CONTENT: [&str; 2] =
    ["what `modstore tier check` wrote 1st\n", "what `modstore tier check` wrote 2nd\n"];

/// Try what a shared tier allows
///
/// Writes an object of a few bytes below `v1/probe/`, reads it, writes to its name again and removes it. Reports whether objects
/// may be read and written, whether an object that is there is kept when two publishers write it, how far the clocks are apart,
/// and how long a request takes.
///
/// Exits with 0 if objects may be read, and with --write only if they may be written, too; else with 1. That conditions are
/// ignored is no failure: two publishers of one commit write the same module.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore tier check /mnt/share/tier
  modstore tier check 's3://ci-modules/team?region=eu-west-1' --write
  modstore tier check https://modules.example.com/tier --json")]
pub(super) struct TierCheckArgs {
    /// A directory, or file://, https://, s3:// or gs://
    #[arg(value_name = "URL")]
    url: String,
    /// Fail if nothing may be written
    #[arg(long)]
    write: bool,
}

/// The answer of `tier check`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct TierAnswer {
    generation: Option<u64>,
    /// The address, without a secret.
    tier: String,
    /// Whether objects may be read; null if that could not be found out.
    may_read: Option<bool>,
    /// Whether objects may be written.
    may_write: bool,
    /// Why not, in the words of the place.
    refusal: Option<String>,
    /// Whether an object that is there is kept when another is written under its name; null where nothing may be written.
    conditions: Option<bool>,
    /// By how many seconds the clock of the place is ahead of this machine's; null if it does not say what time it is.
    clock_ahead: Option<i64>,
    /// How many milliseconds a small request takes, the middle of three.
    round_trip_ms: Option<f64>,
    /// What went wrong.
    problems: Vec<String>,
    #[serde(skip)]
    demands_writing: bool,
}

impl TierCheckArgs {
    pub(super) fn run(&self, context: &Context) -> Result<TierAnswer, Failure> {
        let usage = |error: &dyn Error| Failure::of(Exit::Usage, error);
        let address: TierAddress = self.url.parse().map_err(|error| usage(&error))?;
        if context.global.offline && address.is_remote() {
            return Err(Failure::new(Exit::Usage, "--offline, and the tier is over the network"));
        }
        let settings = tier_at(&self.url, context.layout().ok())
            .map_err(|error| usage(&error).hint(error.hint()))?;
        let options = tier_options(&settings, Disk::default());
        let place = open(&address, &options).map_err(|error| usage(&error))?;
        let scratch = Scratch::new().map_err(|error| Failure::of(Exit::Failed, &error))?;
        let found = check(&*place, &scratch.probe(), context.cancel());
        if context.cancel().is_cancelled() {
            return Err(Failure::of(Exit::Interrupted, &TierError::Cancelled));
        }
        Ok(TierAnswer::new(context.generation(), &address, &found, self.write))
    }
}

/// What is written to the place.
struct Scratch {
    _directory: tempfile::TempDir,
    files: [PathBuf; 2],
    key: Key,
}

impl Scratch {
    fn new() -> io::Result<Self> {
        let directory = tempfile::tempdir()?;
        let files = ["first", "second"].map(|name| directory.path().join(name));
        for (file, text) in files.iter().zip(CONTENT) {
            std::fs::write(file, text)?;
        }
        let name = random_name(directory.path()).map_err(|error| error.source)?;
        Ok(Self { _directory: directory, files, key: Key::probe(&name) })
    }

    fn probe(&self) -> TierProbe<'_> {
        let [content, other] = &self.files;
        TierProbe { key: self.key.clone(), content, other }
    }
}

impl TierAnswer {
    fn new(
        generation: Option<u64>,
        url: &TierAddress,
        found: &TierCheck,
        demands_writing: bool,
    ) -> Self {
        let mut problems: Vec<String> = found.troubles.iter().map(ToString::to_string).collect();
        if found.is_altered {
            problems.push("an object was read that is not as it was written".to_owned());
        }
        if let Some(left) = &found.left {
            problems.push(format!("{left} was written and could not be removed"));
        }
        if let Some(ahead) = found.clock_ahead.filter(|ahead| ahead.abs() > WRONG_CLOCK) {
            problems.push(format!("the clocks are {} s apart", ahead.abs()));
        }
        Self {
            generation,
            tier: url.to_string(),
            may_read: found.may_read.filter(|_| !found.is_altered),
            may_write: found.may_write,
            refusal: found.refusal.as_ref().map(ToString::to_string),
            conditions: found.keeps_conditions,
            clock_ahead: found.clock_ahead,
            round_trip_ms: found.round_trip.map(|time| time.as_secs_f64() * 1000.0),
            problems,
            demands_writing,
        }
    }
}

impl Answer for TierAnswer {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        writeln!(to, "{}", self.tier)?;
        let mut table = Table::default();
        let reading = match self.may_read {
            Some(true) => "yes",
            Some(false) => "no",
            None => "not known",
        };
        table.row(["may read", reading]);
        table.row(["may write", if self.may_write { "yes" } else { "no" }]);
        table.named("", self.refusal.as_deref());
        let conditions = self.conditions.map(|kept| match kept {
            true => "honoured: what is there is kept",
            false => "ignored: the last of two publishers wins, which does no harm",
        });
        table.named("conditional writes", conditions);
        let clock = self.clock_ahead.map(|ahead| match ahead {
            0 => "as here".to_owned(),
            ahead if ahead > 0 => format!("{ahead} s ahead of this machine"),
            ahead => format!("{} s behind this machine", -ahead),
        });
        table.named("its clock", clock.as_deref());
        let round_trip = self.round_trip_ms.map(|time| format!("{time:.1} ms"));
        table.named("a request takes", round_trip.as_deref());
        table.write(to, 2)
    }

    fn troubles(&self) -> Vec<Failure> {
        self.problems.iter().map(|text| Failure::new(Exit::Failed, text)).collect()
    }

    fn failure(&self) -> Option<Failure> {
        if self.may_read != Some(true) {
            return Some(Failure::new(Exit::Failed, format!("{} cannot be read", self.tier)));
        }
        if self.demands_writing && !self.may_write {
            return Some(Failure::new(Exit::Failed, format!("{} cannot be written", self.tier)));
        }
        None
    }
}
