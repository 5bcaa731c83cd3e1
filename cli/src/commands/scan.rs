//! `scan`: short for `update --due`.

use std::num::NonZeroU16;

use clap::Args;
use modstore::model::ModuleName;

use super::{
    Run,
    update::{Answered, UpdateArgs},
};
use crate::{amounts, context::Context, report::Failure};

/// What a host does at its natural moments: update, and leave alone what is not due
///
/// The same as `update --scan`. What could not be had is tried again when it is due: five seconds after the
/// first failure, then twice as long each time, ten minutes at most, and at once when its host has answered
/// somebody else. What will not change by itself is not tried again until something that it depends on
/// changes, or with `update --retry`. Each module is tried at most once. Whatever fails, the last good entry
/// of the module stays shown.
///
/// The exit code is 1 while some module is not as it is wanted, whether it was tried now or not.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore scan
  modstore --json scan               (what waits is in `waiting`, and why)")]
pub(crate) struct ScanArgs {
    /// Only these modules; all when none is named
    #[arg(value_name = "NAME")]
    names: Vec<ModuleName>,
    /// How many repositories are asked at once
    #[arg(long, short, value_name = "J", value_parser = amounts::number)]
    jobs: Option<NonZeroU16>,
    /// Exit with 0 even if some module is not as it is wanted
    #[arg(long)]
    allow_partial: bool,
}

impl Run for ScanArgs {
    type Answer = Answered;

    fn run(&self, context: &Context) -> Result<Answered, Failure> {
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
