//! `push`: publishes modules to shared tiers.

use std::io;

use clap::Args;
use modstore::{ModuleName, internals::ops::PushReport};
use modstore_core::model::causes;
use schemars::JsonSchema;
use serde::Serialize;

use super::Runnable;
use crate::{
    context::Context, exit::Exit, json::texts, output::Answer, page::Page, report::Failure,
    text::count,
};

/// Publish modules to the shared tiers, as they are now
///
/// Each module from git becomes one object: the pack of its commit, which proves itself to everyone who reads it. What a
/// tier has is left there, unless it is older than the `renew` of the tier. Linked modules and archives are not
/// published, and a module that is fetched with a login only where a tier names it in `only`. `--publish` does the same
/// after an update, for what the update has fetched.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore push
  modstore push weather --tier /srv/tier
  modstore update --publish          (publish what was fetched)")]
pub(crate) struct PushArgs {
    /// Only these modules [default: all]
    #[arg(value_name = "NAME")]
    names: Vec<ModuleName>,
}

/// The answer of `push`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct PushAnswer {
    generation: Option<u64>,
    /// Modules that a tier took.
    published: Vec<String>,
    /// Modules that each tier has that they belong to.
    already_there: Vec<String>,
    /// Modules that are not published.
    not_published: Vec<ModuleNotPublished>,
    /// What the tiers came to.
    tier: super::changes::Tier,
}

/// A module that is not published.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct ModuleNotPublished {
    /// The module.
    module: String,
    /// Why not.
    message: String,
    /// What is behind that.
    causes: Vec<String>,
    /// Whether a tier, or this store, has failed; false for what is never published.
    failed: bool,
}

impl Runnable for PushArgs {
    type Answer = PushAnswer;

    fn run(&self, context: &Context) -> Result<PushAnswer, Failure> {
        let store = context.store()?;
        let report = store.push(&self.names, &context.progress(), context.cancel())?;
        Ok(PushAnswer::new(context.generation(), &report))
    }
}

impl PushAnswer {
    fn new(generation: Option<u64>, report: &PushReport) -> Self {
        let not_published = report.not_published.iter().map(|(module, why)| ModuleNotPublished {
            module: module.to_string(),
            message: why.to_string(),
            causes: causes(why).into_iter().skip(1).collect(),
            failed: why.is_failure(),
        });
        Self {
            generation,
            published: texts(&report.published),
            already_there: texts(&report.already_there),
            not_published: not_published.collect(),
            tier: report.tier.into(),
        }
    }
}

impl Answer for PushAnswer {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        for not in self.not_published.iter().filter(|not| !not.failed) {
            writeln!(to, "{}: not published: {}", not.module, not.message)?;
        }
        let published = count(self.published.len(), "module");
        writeln!(to, "{published} published, {} already there", self.already_there.len())
    }

    fn troubles(&self) -> Vec<Failure> {
        let failed = self.not_published.iter().filter(|not| not.failed);
        let failed = failed.map(|not| {
            let message = format!("{}: not published: {}", not.module, not.message);
            Failure::new(Exit::Failed, message).because(not.causes.clone())
        });
        failed.collect()
    }

    fn failure(&self) -> Option<Failure> {
        let failed = self.not_published.iter().filter(|not| not.failed).count();
        let message = format!("{} could not be published", count(failed, "module"));
        (failed > 0).then(|| Failure::new(Exit::Failed, message))
    }
}
