//! `bench`: what keeping modules up to date takes on this machine.
//!
//! `churn` is the run; `corpus` and `server` are what it is run against, `meter`, `reader` and `machine` what looks at it,
//! `plot` its picture. Nothing here touches the user's store.

mod args;
mod answer;
mod chance;
mod corpus;
mod server;
mod meter;
mod reader;
mod machine;
mod plot;
mod churn;
mod told;

use schemars::JsonSchema;
use serde::Serialize;

pub(crate) use self::args::BenchArgs;
use self::{answer::Bench, args::BenchCommand};
use super::Run;
use crate::{context::Context, report::Failure};

/// What there is to tell.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Answered {
    /// Of a churn.
    Churn(Box<Bench>),
    /// Of what serves and fills, which has said what it had to say.
    Nothing {},
}

impl Run for BenchArgs {
    type Answer = Answered;

    fn run(&self, context: &Context) -> Result<Answered, Failure> {
        match &self.what {
            BenchCommand::Churn(args) => {
                churn::run(context, args).map(|bench| Answered::Churn(Box::new(bench)))
            }
            BenchCommand::Serve(args) => {
                server::run(&context.output, args).map(|()| Answered::Nothing {})
            }
            BenchCommand::Fill(args) => churn::fill(context, args).map(|()| Answered::Nothing {}),
        }
    }
}
