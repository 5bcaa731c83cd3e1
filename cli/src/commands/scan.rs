//! `scan`: short for `update --due`.

use clap::Args;
use modstore::{RetryPolicy, UpdateRequest};

use super::{
    Runnable,
    selected::Selected,
    update::{self, UpdateAnswer},
};
use crate::{context::Context, report::Failure};

/// Update, but skip modules that are not due for a retry: short for `update --due`
///
/// A module that failed is tried again when it is due: five seconds after the first failure, then twice as long
/// each time, ten minutes at most, and at once when its host has answered for another module. Where a retry cannot
/// help, it waits for a change: a source on this machine is checked in every scan, a server is not asked again for
/// what it does not have. `modstore update` tries these too, and `update --retry` also a build that would fail
/// again. Each module is tried at most once per scan, and keeps its current version when it fails.
///
/// The exit code is 1 while some module is failing, whether it was tried now or not.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore scan
  modstore --json scan               (the modules that were not tried are in `deferred`)")]
pub(crate) struct ScanArgs {
    #[command(flatten)]
    selected: Selected,
    /// Exit with 0 even if some module is failing
    #[arg(long)]
    allow_partial: bool,
}

impl Runnable for ScanArgs {
    type Answer = UpdateAnswer;

    fn run(&self, context: &Context) -> Result<UpdateAnswer, Failure> {
        let request = UpdateRequest { policy: RetryPolicy::DueOnly, ..UpdateRequest::default() };
        update::run(context, &self.selected, request, (self.allow_partial, false))
    }
}
