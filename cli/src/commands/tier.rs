//! `tier`: shared tiers, from which modules come without git.

mod check;

use clap::{Args, Subcommand};

pub(crate) use self::check::TierAnswer;
use super::Runnable;
use crate::{context::Context, effect::Effect, report::Failure};

/// Try a shared tier
///
/// A shared tier is a directory, a bucket or a static server from which modules come instead of from git servers. It need
/// not be trusted: everything that comes from it is checked against the commit that was asked for. docs/fleet.md says how to
/// set one up.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore tier check /mnt/share/tier
  modstore tier check 's3://ci-modules/team?region=eu-west-1'")]
pub(crate) struct TierArgs {
    #[command(subcommand)]
    what: TierCommand,
}

/// What to do with it.
#[derive(Debug, Subcommand)]
enum TierCommand {
    Check(check::TierCheckArgs),
}

impl Runnable for TierArgs {
    type Answer = TierAnswer;
    const EFFECT: Effect = Effect::Changes;

    fn run(&self, context: &Context) -> Result<TierAnswer, Failure> {
        match &self.what {
            TierCommand::Check(args) => args.run(context),
        }
    }
}
