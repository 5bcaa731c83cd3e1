//! `update`: the main job. Also how the update that follows an edit is told.

use std::{io, num::NonZeroU16};

use clap::Args;
use modstore::{
    Store, Trying, UpdateReport, UpdateRequest,
    commit::{Binding, Bound},
    model::{Manifest, ModuleName, TreeFile},
    update::Updated as StoreUpdated,
};
use serde::Serialize;

use super::Run;
use crate::{
    amounts,
    context::Context,
    exit::Exit,
    json::{
        Environment, Failed, Served, Serving, Unchanged, Unfollowed, Update, Updated, Waiting,
        Warning,
    },
    output::{Answer, Output},
    page::Page,
    report::Failure,
    text::{Table, count, short},
    time,
};

/// What an update did, and how much of it had to work.
#[derive(Debug, Serialize)]
pub(crate) struct Answered {
    #[serde(flatten)]
    update: Update,
    #[serde(skip)]
    allow_partial: bool,
    #[serde(skip)]
    verbose: bool,
}

/// Fetch what changed and switch all modules at once
///
/// Asks each repository once what it has, fetches what is new, in parallel, and then shows all of it in
/// one switch, as a new generation. A module that cannot be had keeps what it has; the exit code is then
/// 1. Modules that are declared no more are shown no more.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore update
  modstore update weather tool-bash
  modstore update --locked           (exactly what modules.lock says, for CI)
  modstore update --retry            (also what failed and would fail again)")]
pub(crate) struct UpdateArgs {
    /// Only these modules; all when none is named
    #[arg(value_name = "NAME")]
    pub(super) names: Vec<ModuleName>,
    /// How many repositories are asked at once
    #[arg(long, short, value_name = "J", value_parser = amounts::number)]
    pub(super) jobs: Option<NonZeroU16>,
    /// Switch nothing unless every module could be had
    #[arg(long, conflicts_with = "allow_partial")]
    pub(super) all_or_nothing: bool,
    /// Exit with 0 even if some module failed
    #[arg(long)]
    pub(super) allow_partial: bool,
    /// Take exactly the revisions of modules.lock
    #[arg(long)]
    pub(super) locked: bool,
    /// Skip modules that failed before and are not due for another try; `modstore scan` is short for this
    #[arg(long, alias = "scan", conflicts_with = "retry")]
    pub(super) due: bool,
    /// Try everything that failed before, also what would fail again
    #[arg(long)]
    pub(super) retry: bool,
}

impl Run for UpdateArgs {
    type Answer = Answered;

    fn run(&self, context: &Context) -> Result<Answered, Failure> {
        let store = context.store_with_jobs(self.jobs.map(|jobs| jobs.get().into()))?;
        let request = UpdateRequest {
            names: self.names.clone(),
            all_or_nothing: self.all_or_nothing,
            locked: self.locked,
            fresh: false,
            tentative: false,
            trying: match (self.due, self.retry) {
                (_, true) => Trying::All,
                (true, false) => Trying::Scan,
                (false, false) => Trying::Asked,
            },
        };
        let report = store.update(&request, &context.progress(), context.cancel())?;
        let update = told(&store, &report);
        warn(&context.output, &update);
        Ok(Answered { update, allow_partial: self.allow_partial, verbose: context.global.verbose })
    }
}

/// What the store did, as values.
pub(super) fn told(store: &Store, report: &UpdateReport) -> Update {
    let environments = &report.environments;
    let unchanged = report.unchanged.iter().map(|unchanged| {
        let Served { digest, revision, .. } = Served::from(&unchanged.binding);
        Unchanged { module: unchanged.module.to_string(), digest, revision }
    });
    let warning = |warning: &modstore::update::Warning| Warning {
        module: warning.module.to_string(),
        text: warning.text.clone(),
    };
    Update {
        generation: report.generation.map(|generation| generation.number()),
        committed: report.committed,
        updated: report
            .updated
            .iter()
            .map(|updated| Updated {
                reinstalled: environments
                    .iter()
                    .any(|settled| settled.installed.contains(&updated.module)),
                ..Updated::new(updated, differing(store, updated))
            })
            .collect(),
        unchanged: unchanged.collect(),
        removed: report.removed.iter().map(ToString::to_string).collect(),
        failed: report.failed.iter().map(Failed::from).collect(),
        waiting: report.waiting.iter().map(Waiting::from).collect(),
        warnings: report.warnings.iter().map(warning).collect(),
        environments: environments.iter().map(Environment::from).collect(),
        cost: report.cost.into(),
    }
}

/// Tells the warnings of an update.
pub(super) fn warn(output: &Output, update: &Update) {
    for Warning { module, text } in &update.warnings {
        output.warn(&format!("{module}: {text}"));
    }
}

/// How many of the module's files differ from before.
fn differing(store: &Store, updated: &StoreUpdated) -> Option<usize> {
    let (before, after) = (updated.from.as_ref(), Some(&updated.to));
    let (before_part, after_part) = (part(before), part(after));
    let (before, after) = (manifest(store, before)?, manifest(store, after)?);
    let (before, after) = (files(&before, before_part), files(&after, after_part));
    let strip = |part: &str, file: &TreeFile| -> Vec<u8> {
        let skip = if part.is_empty() { 0 } else { part.len() + 1 };
        file.path.iter().skip(skip).copied().collect()
    };
    let old: std::collections::HashMap<_, _> =
        before.iter().map(|file| (strip(before_part, file), (file.kind, file.content))).collect();
    let same = after
        .iter()
        .filter(|file| old.get(&strip(after_part, file)) == Some(&(file.kind, file.content)))
        .count();
    let common = after.iter().filter(|file| old.contains_key(&strip(after_part, file))).count();
    Some(before.len() + after.len() - common - same)
}

fn part(binding: Option<&Binding>) -> &str {
    match binding {
        Some(Binding { bound: Bound::Entry { subdirectory: Some(part), .. }, .. }) => part,
        _ => "",
    }
}

fn files<'m>(manifest: &'m Manifest, part: &str) -> &'m [TreeFile] {
    manifest.below(part.into())
}

fn manifest(store: &Store, binding: Option<&Binding>) -> Option<Manifest> {
    match binding {
        None => Some(Manifest::default()),
        Some(binding) => store.manifest(binding.digest()?),
    }
}

impl Answer for Answered {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        let Update { updated, unchanged, removed, .. } = &self.update;
        let nothing = updated.is_empty() && unchanged.is_empty() && removed.is_empty();
        if nothing && self.update.failed.is_empty() && self.update.waiting.is_empty() {
            writeln!(to, "No modules are declared. Declare one with `modstore add SOURCE`.")?;
            return writeln!(to, "`modstore help add` shows what a source can be.");
        }
        write_update(to, &self.update)?;
        if self.verbose {
            write_cost(to, &self.update)?;
        }
        Ok(())
    }

    fn troubles(&self) -> Vec<Failure> {
        troubles(&self.update)
    }

    fn failure(&self) -> Option<Failure> {
        failure(&self.update).filter(|_| !self.allow_partial)
    }
}

/// Why an update as a whole has not succeeded.
pub(super) fn failure(update: &Update) -> Option<Failure> {
    let wanting = update.failed.len() + update.waiting.len();
    let all = wanting + update.updated.len() + update.unchanged.len();
    let of = count(all, "module");
    let which = match (update.failed.len(), update.waiting.len()) {
        (0, 0) => return None,
        (failed, 0) => format!("{failed} of {of} could not be had"),
        (0, waiting) => format!("{waiting} of {of} could not be had before, and waits"),
        (failed, waiting) => format!("{failed} of {of} could not be had, and {waiting} waits"),
    };
    Some(Failure::new(Exit::Failed, which))
}

/// Each module that failed, with what it still leads to.
pub(super) fn troubles(update: &Update) -> Vec<Failure> {
    let trouble = |failed: &Failed| {
        let serving = stays(failed.serving.as_ref());
        let message = format!("{}: {} ({}; {serving})", failed.module, failed.error, failed.class);
        let failure = Failure::new(Exit::Failed, message).because(failed.causes.clone());
        match &failed.hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    };
    let environments = update.environments.iter().flat_map(unfollowed);
    let waiting = update.waiting.iter().map(waits);
    update.failed.iter().map(trouble).chain(waiting).chain(environments).collect()
}

/// What is shown of a module that could not be had.
pub(super) fn stays(serving: Option<&Serving>) -> String {
    let Some(serving) = serving else { return "nothing is shown for it yet".to_owned() };
    let id = serving.revision.as_deref().or(serving.digest.as_deref()).map(short);
    format!("it stays at {}", serving.linked.as_deref().or(id).unwrap_or("what it was"))
}

/// A module that is not as it is wanted, and was not tried now.
fn waits(waiting: &Waiting) -> Failure {
    let left = |until: &String| time::read(until).map(|until| time::left(until, time::now()));
    let (why, hint) = match (waiting.why, &waiting.host) {
        ("until", _) => {
            let left = waiting.until.as_ref().and_then(left).unwrap_or_default();
            (format!("failed before, and is tried again {left}"), "`modstore update` tries now")
        }
        ("host", Some(host)) => (
            format!("was put off: {host} has failed several times"),
            "see whether the network and the host work, and run it again",
        ),
        ("builds", _) => (
            "was put off: several builds have found no network".to_owned(),
            "see whether the network works, and run it again",
        ),
        _ => (
            "failed before, and nothing that it depends on has changed".to_owned(),
            "change what is wrong, or try again with --retry",
        ),
    };
    let message = format!("{}: {why} ({})", waiting.module, stays(waiting.serving.as_ref()));
    let attempt = waiting.attempt.iter();
    let causes = attempt.flat_map(|last| [&last.error].into_iter().chain(&last.causes)).cloned();
    Failure::new(Exit::Failed, message).because(causes.collect()).hint(hint)
}

/// Tells an update: a line for each change, the number of modules that are as they were, the generation.
pub(super) fn write_update(to: &mut Page<'_>, update: &Update) -> io::Result<()> {
    let mut table = Table::default();
    for updated in &update.updated {
        let files =
            updated.files.map_or_else(String::new, |files| format!("({})", count(files, "file")));
        table.row([updated.module.as_str(), &step(updated), &files]);
    }
    for module in &update.removed {
        table.row([module.as_str(), "removed", ""]);
    }
    table.write(to, 0)?;
    write_environments(to, &update.environments)?;
    if !update.unchanged.is_empty() {
        writeln!(to, "{} unchanged", count(update.unchanged.len(), "module"))?;
    }
    if !update.failed.is_empty() {
        writeln!(to, "{} failed", count(update.failed.len(), "module"))?;
    }
    if !update.waiting.is_empty() {
        writeln!(to, "{} waiting", count(update.waiting.len(), "module"))?;
    }
    let changed = !update.updated.is_empty() || !update.removed.is_empty();
    match update.generation {
        Some(generation) if update.committed => writeln!(to, "generation {generation} is shown"),
        Some(generation) if changed => {
            writeln!(to, "nothing was switched; generation {generation} is still shown")
        }
        Some(generation) => writeln!(to, "generation {generation} is still shown"),
        None => writeln!(to, "nothing is shown yet"),
    }
}

/// Tells what was done in environments, a line for each thing.
pub(super) fn write_environments(
    to: &mut Page<'_>,
    environments: &[Environment],
) -> io::Result<()> {
    for Environment { environment, installed, healed, removed, .. } in environments {
        for (what, modules) in
            [("installed", installed), ("put back", healed), ("uninstalled", removed)]
        {
            if !modules.is_empty() {
                writeln!(to, "{what} in {environment}: {}", modules.join(", "))?;
            }
        }
    }
    Ok(())
}

/// What an environment does not have as it is shown, one by one.
pub(super) fn unfollowed(environment: &Environment) -> Vec<Failure> {
    let trouble = |failed: &Unfollowed| {
        let message = format!("{} in {}: {}", failed.module, environment.environment, failed.error);
        Failure::new(Exit::Failed, message).because(failed.causes.clone())
    };
    environment.failed.iter().map(trouble).collect()
}

fn step(updated: &Updated) -> String {
    let id = |revision: &Option<String>, digest: &Option<String>| {
        revision.as_deref().or(digest.as_deref()).map(|id| short(id).to_owned())
    };
    let (from, to) =
        (id(&updated.from_revision, &updated.from), id(&updated.revision, &updated.to));
    match (from, to, &updated.linked) {
        (_, _, Some(path)) => format!("-> {path}"),
        (None, Some(to), None) if updated.from_linked.is_some() => format!("linked → {to}"),
        (Some(from), Some(to), None) if from == to => format!("{to} (same commit)"),
        (Some(from), to, None) => format!("{from} → {}", to.unwrap_or_default()),
        (None, to, None) => format!("new {}", to.unwrap_or_default()),
    }
}

fn write_cost(to: &mut Page<'_>, update: &Update) -> io::Result<()> {
    let cost = update.cost;
    writeln!(
        to,
        "requests: {}, connections: {}, received: {}, files written: {}, linked: {}; {} ms to fetch, {} ms to switch",
        cost.requests,
        cost.connections,
        crate::text::size(cost.received_bytes),
        cost.files_written,
        cost.files_linked,
        cost.acquire_ms,
        cost.commit_ms,
    )
}
