//! `bench`: the cost of keeping modules up to date on this machine.
//!
//! `churn` is what a user runs; `serve` and `fill` are for it and for the benchmarks of the repository. The runs are in the
//! crate that tests and benchmarks share. Nothing here touches the user's store.

mod args;
mod subject;
mod answer;
mod churn;
mod print;

use modstore_testbed::Corpus;
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
        let output = &context.output;
        match &self.what {
            BenchCommand::Churn(args) => {
                return Ok(BenchAnswer::Churn(Box::new(churn::run(context, args)?)));
            }
            BenchCommand::Serve(args) => modstore_testbed::serve(&args.root, |port| {
                output.for_people(|to| writeln!(to, "{port}"))
            })?,
            BenchCommand::Fill(args) => {
                let corpus = Corpus::build(&args.root, args.churn.shape())?;
                output.for_people(|to| {
                    corpus.commits().try_for_each(|(round, module, commit)| {
                        writeln!(to, "{round} {module} {commit}")
                    })
                })?;
            }
        }
        Ok(BenchAnswer::Nothing {})
    }
}
