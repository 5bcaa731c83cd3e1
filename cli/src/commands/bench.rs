//! `bench`: what keeping modules up to date takes on this machine.
//!
//! `churn` is the run; `corpus` and `server` are what it is run against, `meter`, `reader` and `machine` what looks at it,
//! `plot` its picture. Nothing here touches the user's store.

mod chance;
mod corpus;
mod server;
mod meter;
mod reader;
mod machine;
mod plot;
mod churn;
mod told;

use serde::Serialize;

use crate::{
    args::{BenchArgs, BenchCommand},
    context::Context,
    json::Bench,
    report::Failure,
};

/// What there is to tell.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Answered {
    /// Of a churn.
    Churn(Box<Bench>),
    /// Of what serves and fills, which has said what it had to say.
    Nothing {},
}

/// Measures.
pub(crate) fn run(context: &Context, args: &BenchArgs) -> Result<Answered, Failure> {
    match &args.what {
        BenchCommand::Churn(args) => {
            churn::run(context, args).map(|bench| Answered::Churn(Box::new(bench)))
        }
        BenchCommand::Serve(args) => {
            server::run(&context.output, args).map(|()| Answered::Nothing {})
        }
        BenchCommand::Fill(args) => churn::fill(context, args).map(|()| Answered::Nothing {}),
    }
}
