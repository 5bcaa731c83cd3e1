//! `scan`: short for `update --due`.

use std::num::NonZeroU16;

use clap::Args;
use modstore::ModuleName;

use super::{
    Runnable,
    update::{UpdateAnswer, UpdateArgs},
};
use crate::{amounts, context::Context, report::Failure};

/// Update, but skip modules that are not due for a retry: short for `update --due`
///
/// A module that failed is tried again when it is due: five seconds after the first failure, then twice as long
/// each time, ten minutes at most, and at once when its host has answered for another module. A module that would
/// fail again is not tried until something that it depends on changes, or with `update --retry`. Each module is
/// tried at most once per scan, and keeps its current version when it fails.
///
/// The exit code is 1 while some module is failing, whether it was tried now or not.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore scan
  modstore --json scan               (the modules that were not tried are in `deferred`)")]
pub(crate) struct ScanArgs {
    /// Only these modules [default: all]
    #[arg(value_name = "NAME")]
    names: Vec<ModuleName>,
    /// At most this many repositories are asked at once [default: 64, and 8 of a near host]
    #[arg(long, short, value_name = "J", value_parser = amounts::number)]
    jobs: Option<NonZeroU16>,
    /// Exit with 0 even if some module is failing
    #[arg(long)]
    allow_partial: bool,
}

impl Runnable for ScanArgs {
    type Answer = UpdateAnswer;

    fn run(&self, context: &Context) -> Result<UpdateAnswer, Failure> {
        let update = UpdateArgs {
            names: self.names.clone(),
            jobs: self.jobs,
            allow_partial: self.allow_partial,
            due: true,
            all_or_nothing: false,
            locked: false,
            retry: false,
        };
        update.run(context)
    }
}
