//! `verify`: whether everything in the store is as it was written.

mod text;

use std::path::Path;

use clap::Args;
use modstore::{
    Depth, Finding, Generation, ModuleName, RepairReport, Verification,
    errors::VerifyError,
    internals::check::{self, Checked, Repaired},
};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Runnable, names};
use crate::{causes::causes, context::Context, json::numbers, report::Failure};

/// Check that everything in the store is as it was written
///
/// Reads the journal, compares it with the links on disk, checks every link, and hashes every file of every entry.
/// Changes nothing, and can run while others work. Every finding has a code that never changes its meaning;
/// `modstore explain CODE` describes a code.
///
/// With --repair, what is damaged is repaired in the cheapest way that works: corrected in place, rebuilt from other
/// parts of the store, or fetched again. Nothing is deleted: the damaged copy is moved to `quarantine/` in the home,
/// and programs can go on using the store meanwhile.
///
/// Exits with 0 if the store is sound; warnings and crash leftovers do not affect the exit code. Exits with 4 if
/// something is damaged, or could not be repaired.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore verify
  modstore verify weather --quick    (names, sizes, times and links; reads no file)
  modstore verify --repair           (repairs what is damaged)
  modstore --offline verify --repair (only from what is in the store)
  modstore verify --json")]
pub(crate) struct VerifyArgs {
    /// Only the entries of these modules, in every kept generation [default: all]
    #[arg(value_name = "NAME")]
    names: Vec<ModuleName>,
    /// Check names, kinds, sizes, times, permissions and links, and read no file
    #[arg(long)]
    quick: bool,
    /// Repair what is damaged
    #[arg(long, conflicts_with_all = ["names", "quick"])]
    repair: bool,
}

/// The answer of `verify`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct VerifyAnswer {
    generation: Option<u64>,
    /// The store's directory.
    home: String,
    /// Whether there is no damage; warnings, leftovers and notes do not count.
    sound: bool,
    /// How thoroughly the store was checked.
    depth: Depth,
    /// What was found; with `--repair`, what is left afterwards.
    findings: Vec<VerifyFinding>,
    /// How much was checked; with `--repair`, afterwards.
    checked: Checked,
    /// What `--repair` did; null without it.
    repair: Option<Repair>,
}

/// A finding, and what a repair does about it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct VerifyFinding {
    #[serde(flatten)]
    finding: Finding,
    /// What `--repair` does about it, for people; `nothing` for what is the user's.
    remedy: &'static str,
}

/// What `--repair` did.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Repair {
    /// What was repaired.
    repaired: Vec<Repaired>,
    /// What could not be repaired.
    not_repaired: Vec<NotRepaired>,
    /// What the journal says now, if it was damaged and had to be rebuilt; otherwise null.
    journal: Option<RebuiltJournal>,
}

/// Something that could not be repaired. It is as it was.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct NotRepaired {
    /// Where it is.
    path: String,
    /// What went wrong, in one clause.
    message: String,
    /// Why, outermost first.
    causes: Vec<String>,
    /// The next thing to do.
    hint: Option<String>,
    /// The modules that lead to it.
    modules: Vec<String>,
}

/// A journal that was rebuilt.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct RebuiltJournal {
    /// How many frames of the damaged journal could be read.
    frames: usize,
    /// The generations that the journal has now.
    generations: Vec<u64>,
    /// Generations whose modules are not known any longer.
    lost: Vec<u64>,
    /// Modules whose source or commit is not known any longer.
    source_unknown: Vec<UnknownSource>,
}

/// A module of which only the tree is known.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct UnknownSource {
    /// The generation.
    generation: u64,
    /// The module in it.
    module: String,
}

impl Runnable for VerifyArgs {
    type Answer = VerifyAnswer;

    fn run(&self, context: &Context) -> Result<VerifyAnswer, Failure> {
        let store = context.store_to_inspect()?;
        let home = store.layout().home();
        if self.repair {
            let report = store.repair(&context.progress(), context.cancel())?;
            let answer = VerifyAnswer::new(home, store.current(), Depth::Full, &report.after);
            return Ok(VerifyAnswer { repair: Some(Repair::from(&report)), ..answer });
        }
        let depth = if self.quick { Depth::Quick } else { Depth::Full };
        let verified = store.verify(depth, &self.names, &context.progress(), context.cancel());
        let verification = verified.map_err(|error| match error {
            VerifyError::Unknown { name } => names::unknown(&store, &name),
            error => error.into(),
        })?;
        Ok(VerifyAnswer::new(home, store.current(), depth, &verification))
    }
}

impl VerifyAnswer {
    fn new(
        home: &Path,
        generation: Option<Generation>,
        depth: Depth,
        verification: &Verification,
    ) -> Self {
        Self {
            generation: generation.map(|generation| generation.number()),
            home: home.display().to_string(),
            sound: verification.is_sound(),
            depth,
            findings: verification.findings.iter().map(VerifyFinding::from).collect(),
            checked: verification.checked,
            repair: None,
        }
    }
}

impl From<&Finding> for VerifyFinding {
    fn from(finding: &Finding) -> Self {
        Self { finding: finding.clone(), remedy: finding.code.repair().as_str() }
    }
}

impl From<&RepairReport> for Repair {
    fn from(report: &RepairReport) -> Self {
        Self {
            repaired: report.repaired.clone(),
            not_repaired: report.not_repaired.iter().map(NotRepaired::from).collect(),
            journal: report.journal.as_ref().map(RebuiltJournal::from),
        }
    }
}

impl From<&check::NotRepaired> for NotRepaired {
    fn from(not_repaired: &check::NotRepaired) -> Self {
        Self {
            path: not_repaired.path.display().to_string(),
            message: not_repaired.error.to_string(),
            causes: causes(&*not_repaired.error),
            hint: not_repaired.hint.clone(),
            modules: not_repaired.modules.clone(),
        }
    }
}

impl From<&check::RebuiltJournal> for RebuiltJournal {
    fn from(rebuilt: &check::RebuiltJournal) -> Self {
        let unknown = rebuilt.unclear.iter().map(|(generation, module)| UnknownSource {
            generation: generation.number(),
            module: module.to_string(),
        });
        Self {
            frames: rebuilt.frames,
            generations: numbers(&rebuilt.generations),
            lost: numbers(&rebuilt.lost),
            source_unknown: unknown.collect(),
        }
    }
}
