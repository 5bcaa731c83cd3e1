//! `bench`: the cost of keeping modules up to date on this machine.
//!
//! `churn` is what a user runs; `serve` is what it starts. The runs are in the
//! crate that tests and benchmarks share. Nothing here touches the user's store.

mod args;
mod subject;
mod answer;
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
    /// Serving, which prints as it goes.
    Nothing {},
}

impl Runnable for BenchArgs {
    type Answer = BenchAnswer;

    fn run(&self, context: &Context) -> Result<BenchAnswer, Failure> {
        match &self.what {
            BenchCommand::Churn(args) => {
                Ok(BenchAnswer::Churn(Box::new(churn::run(context, args)?)))
            }
            BenchCommand::Serve(args) => {
                let print = |port| context.output.for_people(|to| writeln!(to, "{port}"));
                modstore_testbed::serve(&args.root, print)?;
                Ok(BenchAnswer::Nothing {})
            }
        }
    }
}
