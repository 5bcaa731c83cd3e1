//! `bench`: the cost of keeping modules up to date on this machine.
//!
//! `churn` is the run, on the modules of `upstream`; `server` serves them; `meter` and `disk` measure; `print` and `plot`
//! show the answer. The rest is in the crate that tests and benchmarks share. Nothing here touches the user's store.

mod args;
mod answer;
mod server;
mod upstream;
mod meter;
mod figures;
mod disk;
mod plot;
mod churn;
mod print;

use schemars::JsonSchema;
use serde::Serialize;

pub(crate) use self::args::BenchArgs;
use self::{answer::Bench, args::BenchCommand};
use super::Runnable;
use crate::{context::Context, report::Failure};

/// The answer of `bench`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum BenchAnswer {
    /// A churn.
    Churn(Box<Bench>),
    /// Serving and filling, which print as they go.
    Nothing {},
}

impl Runnable for BenchArgs {
    type Answer = BenchAnswer;

    fn run(&self, context: &Context) -> Result<BenchAnswer, Failure> {
        match &self.what {
            BenchCommand::Churn(args) => {
                churn::run(context, args).map(|bench| BenchAnswer::Churn(Box::new(bench)))
            }
            BenchCommand::Serve(args) => {
                server::run(&context.output, args).map(|()| BenchAnswer::Nothing {})
            }
            BenchCommand::Fill(args) => {
                churn::fill(context, args).map(|()| BenchAnswer::Nothing {})
            }
        }
    }
}
