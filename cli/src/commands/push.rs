//! `push`: publishes modules to shared tiers.

use std::io;

use clap::Args;
use modstore::{
    ModuleName,
    internals::{ops::PushReport, update::NotPublished},
};
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
/// Each module from git becomes one object: the pack of its commit, which proves itself to everyone who reads it. So do the
/// commits of its submodules; archives and what Git LFS keeps are published as they are. What a tier has is left there,
/// unless it is older than the `renew` of the tier. Linked modules are not published, and what is fetched with a login only
/// where a tier names it in `only`. A module that was named and is not published makes the command fail. `--publish` does the same
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
    /// Whether modules were named.
    #[serde(skip)]
    named: bool,
    generation: Option<u64>,
    /// Modules that a tier took.
    published: Vec<String>,
    /// Modules that each tier has that they belong to.
    already_there: Vec<String>,
    /// Modules that are not published, or not with all their parts.
    not_published: Vec<ModuleNotPublished>,
    /// What the tiers came to.
    tier: super::changes::Tier,
}

/// A module that is not published.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct ModuleNotPublished {
    /// The module.
    pub(crate) module: String,
    /// Why not.
    pub(crate) message: String,
    /// What is behind that.
    pub(crate) causes: Vec<String>,
    /// Whether a tier, a server or this store has failed; false for what is never published.
    pub(crate) failed: bool,
}

impl ModuleNotPublished {
    pub(crate) fn new(module: &ModuleName, why: &NotPublished) -> Self {
        Self {
            module: module.to_string(),
            message: why.to_string(),
            causes: causes(why).into_iter().skip(1).collect(),
            failed: why.is_failure(),
        }
    }
}

impl Runnable for PushArgs {
    type Answer = PushAnswer;

    fn run(&self, context: &Context) -> Result<PushAnswer, Failure> {
        let store = context.store()?;
        let report = store.push(&self.names, &context.progress(), context.cancel())?;
        Ok(PushAnswer::new(context.generation(), &self.names, &report))
    }
}

impl PushAnswer {
    fn new(generation: Option<u64>, names: &[ModuleName], report: &PushReport) -> Self {
        let not = |(module, why): &(ModuleName, NotPublished)| ModuleNotPublished::new(module, why);
        let not_published = report.not_published.iter().map(not);
        Self {
            named: !names.is_empty(),
            generation,
            published: texts(&report.published),
            already_there: texts(&report.already_there),
            not_published: not_published.collect(),
            tier: report.tier.into(),
        }
    }
}

impl PushAnswer {
    /// Whether it is a failure that this module is not published: a person has asked for it by its name, or something failed.
    const fn is_failure(&self, not: &ModuleNotPublished) -> bool {
        self.named || not.failed
    }
}

impl Answer for PushAnswer {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        for not in self.not_published.iter().filter(|not| !self.is_failure(not)) {
            writeln!(to, "{}: not published: {}", not.module, not.message)?;
        }
        let published = count(self.published.len(), "module");
        writeln!(to, "{published} published, {} already there", self.already_there.len())
    }

    fn troubles(&self) -> Vec<Failure> {
        let failed = self.not_published.iter().filter(|not| self.is_failure(not));
        let failed = failed.map(|not| {
            let message = format!("{}: not published: {}", not.module, not.message);
            Failure::new(Exit::Failed, message).because(not.causes.clone())
        });
        failed.collect()
    }

    fn failure(&self) -> Option<Failure> {
        let failed = self.not_published.iter().filter(|not| self.is_failure(not)).count();
        let message = format!("{} could not be published", count(failed, "module"));
        (failed > 0).then(|| Failure::new(Exit::Failed, message))
    }
}
