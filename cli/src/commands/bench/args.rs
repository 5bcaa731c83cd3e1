//! The arguments of `bench`.

use std::{num::NonZeroU16, path::PathBuf};

use clap::{Args, Subcommand, ValueHint};
use modstore_testbed::{Contents, Shape, share};

use crate::amounts;

/// Measure the cost of keeping modules up to date on this machine
///
/// `bench churn` makes git repositories of its own, serves them on loopback, fills a scratch store from them, and
/// then changes some of them round by round, with an update and a sweep after each. It never touches your store.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore bench churn
  modstore bench churn --modules 500 --change 2 --plot churn.svg
  modstore bench churn --help")]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    pub(crate) what: BenchCommand,
}

/// The benchmark.
#[derive(Debug, Subcommand)]
pub(crate) enum BenchCommand {
    Churn(ChurnArgs),
    #[command(hide = true)]
    Serve(BenchServeArgs),
}

/// Cache churn: modules change, and the store follows, round by round
///
/// Reports for each phase of a round (check, fetch, place, sync, switch, sweep) its time, its processor time, the
/// bytes and files it wrote, linked and synced; for each round the memory, the disk, and how long a reader
/// that never stops reading had to wait. Figures that this system does not give are left out. Needs git.
///
/// The repositories are served over smart HTTP by `git upload-pack` in a process of its own, which shares the
/// machine: its processor time is reported separately.
///
/// With --real, the modules that you have declared are fetched from where they come from, into a scratch store.
/// Nothing can be made to change there, so P % of them are fetched again in each round, as a reset does.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore bench churn
  modstore bench churn --modules 1000 --files 10 --rounds 5 --change 1
  modstore bench churn --plot churn.svg --json > churn.json
  modstore bench churn --real --rounds 3")]
pub(crate) struct ChurnArgs {
    /// How many modules, each a repository
    #[arg(long, value_name = "M", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=99_999), conflicts_with = "real")]
    pub(crate) modules: u32,
    /// How many files in each
    #[arg(long, value_name = "F", default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..=10_000), conflicts_with = "real")]
    pub(crate) files: u32,
    /// How many rounds after the first fill
    #[arg(long, value_name = "R", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) rounds: u16,
    /// How many of a hundred modules change in a round
    #[arg(long, value_name = "P", default_value_t = 10, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub(crate) change: u8,
    /// How many of a hundred files of a module that changes do
    #[arg(long, value_name = "P", default_value_t = 8, value_parser = clap::value_parser!(u8).range(1..=100), conflicts_with = "real")]
    pub(crate) touch: u8,
    /// How many bytes a file has on average
    #[arg(long, value_name = "S", default_value = "6750B", value_parser = amounts::size, conflicts_with = "real")]
    pub(crate) file_size: u64,
    /// How many generations a sweep keeps
    #[arg(long, value_name = "N", default_value = "3", value_parser = amounts::number)]
    pub(crate) keep: NonZeroU16,
    /// How many repositories are asked at once
    #[arg(long, value_name = "J", default_value = "8", value_parser = amounts::number)]
    pub(crate) jobs: NonZeroU16,
    /// The same seed makes the same repositories and the same changes
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Your own declared modules instead, in a scratch store
    #[arg(long)]
    pub(crate) real: bool,
    /// Also draw time and disk, round by round, into this file
    #[arg(long, value_name = "FILE.svg", value_hint = ValueHint::FilePath)]
    pub(crate) plot: Option<PathBuf>,
    /// Work in this directory's file system instead of where temporary files are
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) place: Option<PathBuf>,
}

impl ChurnArgs {
    /// The repositories that are made for it.
    pub(super) fn shape(&self) -> Shape {
        let modules = self.modules as usize;
        let files = self.files as usize;
        Shape {
            modules,
            files,
            rounds: self.rounds.into(),
            changing: share(modules, self.change.into()),
            touched: share(files, self.touch.into()),
            mean_size: usize::try_from(self.file_size).unwrap_or(usize::MAX),
            seed: self.seed,
            contents: Contents::Text,
        }
    }
}

/// Serve repositories on loopback until standard input ends. For `bench churn` itself.
#[derive(Debug, Args)]
pub(crate) struct BenchServeArgs {
    /// The directory that they are in
    pub(crate) root: PathBuf,
}
