//! `outdated`: what an update would change, without changing anything.

use std::io;

use clap::Args;
use modstore::{Cooling, Decision, Outdated, internals::update::CommitRange};
use modstore_core::model::{Binding as StoreBinding, Fetched};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Runnable, logs::logs, selected::Selected};
use crate::{
    context::Context,
    exit::Exit,
    json::{Binding, Cooldown, Failed, Hold, Log, NewerVersion, Revision, comparison},
    output::Answer,
    page::Page,
    report::Failure,
    table::Table,
    text::{count, short},
};

/// Show what an update would change, and change nothing
///
/// Asks each repository for its references. Fetches nothing and writes nothing. Of a module that is held it shows
/// what `modstore update NAME` would bring. Of a module that follows the tag of a version it also shows the newest
/// version after that, which no update takes: `modstore set NAME --ref TAG` does. Of a commit that is younger than the
/// cooldown it shows until when.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore outdated
  modstore outdated --log            (and what the commits say that an update would bring)
  modstore outdated weather --json")]
pub(crate) struct OutdatedArgs {
    #[command(flatten)]
    selected: Selected,
    /// List the commits that an update would bring, at most 20 of each module; their repositories are asked once more
    #[arg(long)]
    log: bool,
}

/// The answer of `outdated`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct OutdatedAnswer {
    generation: Option<u64>,
    /// Whether an update would change anything.
    outdated: bool,
    /// The modules, and what an update would do to each.
    modules: Vec<OutdatedModule>,
}

/// What an update would do to a module.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct OutdatedModule {
    /// The module.
    module: String,
    /// What an update would do.
    change: PlannedChange,
    /// The module's current version; null if it has none.
    current: Option<Binding>,
    /// The git commit that the module would be at; null if it would not change, or does not come from git.
    revision: Option<Revision>,
    /// The full name of the reference that would be followed; null as for `revision`.
    reference: Option<String>,
    /// The tag that it follows, if the tag was moved to another commit; null otherwise.
    moved_tag: Option<String>,
    /// The page of the forge that compares the two commits; null if no such page is known.
    compare: Option<String>,
    /// The newest version after that of the tag that it follows; null if it follows no such tag, or the newest.
    newer: Option<NewerVersion>,
    /// Why an update would fail, for `failed`.
    failure: Option<Failed>,
    /// Why updates leave it as it is, for `held`; null otherwise.
    hold: Option<Hold>,
    /// How long the commit is too young to be taken; null if it is not.
    cooldown: Option<Cooldown>,
    /// The commits from the current one to the one it would be at, with `--log`; null if these are not two commits of one
    /// repository.
    log: Option<Log>,
}

/// What an update would do to a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum PlannedChange {
    /// Nothing.
    None,
    /// Fetch another version of it, or switch to another one that the store has.
    Updated,
    /// Build it again from the same source.
    Built,
    /// Remove it: modules.toml does not declare it.
    Removed,
    /// Nothing now: it failed earlier, and is not due for another try.
    Deferred,
    /// Fail.
    Failed,
    /// Nothing yet: the new commit is too young.
    Cooling,
    /// Nothing: it is held. The other fields say what `modstore update NAME` would do.
    Held,
}

impl Runnable for OutdatedArgs {
    type Answer = OutdatedAnswer;

    fn run(&self, context: &Context) -> Result<OutdatedAnswer, Failure> {
        let store = self.selected.store(context)?;
        let names = self.selected.names(&store)?;
        let found = store.outdated(&names, &context.progress(), context.cancel())?;
        let mut modules: Vec<OutdatedModule> = found.iter().map(OutdatedModule::from).collect();
        if self.log {
            let ranges: Vec<Option<CommitRange>> = found.iter().map(range).collect();
            for (module, log) in modules.iter_mut().zip(logs(context, &store, &ranges)?) {
                module.log = log;
            }
        }
        let changes = |it: &OutdatedModule| {
            use PlannedChange::{Built, Removed, Updated};
            matches!(it.change, Updated | Built | Removed)
        };
        Ok(OutdatedAnswer {
            generation: store.current().map(|current| current.number()),
            outdated: modules.iter().any(changes),
            modules,
        })
    }
}

impl From<&Outdated> for OutdatedModule {
    fn from(found: &Outdated) -> Self {
        let change = match &found.decision {
            Decision::Keep => PlannedChange::None,
            Decision::Fetch(..) | Decision::Switch(_) => PlannedChange::Updated,
            Decision::Build(_) => PlannedChange::Built,
            Decision::Remove => PlannedChange::Removed,
            Decision::Fail(_) => PlannedChange::Failed,
            Decision::Cool(_) => PlannedChange::Cooling,
            _ => PlannedChange::Deferred,
        };
        let cooling = match &found.decision {
            Decision::Cool(cooling) => Some(cooling),
            _ => None,
        };
        let change = if found.hold.is_some() { PlannedChange::Held } else { change };
        let commit = planned_commit(found);
        let commit = commit.as_ref();
        Self {
            module: found.module.to_string(),
            change,
            current: found.current.as_ref().map(Binding::from),
            revision: commit.map(|to| Revision::new(to.revision)),
            reference: commit.and_then(|to| to.reference.as_ref()).map(ToString::to_string),
            moved_tag: found.moved_tag().map(str::to_owned),
            compare: comparison(found.current.as_ref(), commit),
            newer: found.newer.as_ref().map(|it| NewerVersion::new(it, found.current.as_ref())),
            failure: found.failed().as_ref().map(Failed::from),
            hold: found.hold.as_ref().map(Hold::from),
            cooldown: cooling.map(Cooldown::from),
            log: None,
        }
    }
}

/// The commit that a module would be at, or that is too young.
fn planned_commit(found: &Outdated) -> Option<Fetched> {
    match &found.decision {
        Decision::Fetch(resolution, _) => resolution.commit().cloned(),
        Decision::Cool(cooling) => cooling_commit(found.current.as_ref(), cooling),
        _ => None,
    }
}

/// The commits between the current one and that.
fn range(found: &Outdated) -> Option<CommitRange> {
    CommitRange::up_to(&found.module, found.current.as_ref()?, &planned_commit(found)?)
}

/// The commit that is too young, in the repository that the module comes from.
fn cooling_commit(current: Option<&StoreBinding>, cooling: &Cooling) -> Option<Fetched> {
    let origin = current?.bound.fetched()?.origin.clone();
    let (reference, revision) = (cooling.reference.clone(), cooling.sighting.revision);
    Some(Fetched { origin, reference, revision })
}

impl OutdatedModule {
    /// Why the next update would fail.
    fn trouble(&self) -> Option<&Failed> {
        self.failure.as_ref().filter(|_| self.change == PlannedChange::Failed)
    }

    /// Whether an update would change it, or fail to, or a newer version is available.
    pub(super) const fn is_outdated(&self) -> bool {
        self.newer.is_some() || !matches!(self.change, PlannedChange::None)
    }

    /// The module.
    pub(super) fn module(&self) -> &str {
        &self.module
    }

    /// What is available, in words.
    pub(super) fn available(&self) -> String {
        let newer = self.newer.as_ref().map(NewerVersion::step);
        let other = match self.change {
            PlannedChange::Deferred => Some("not tried now".into()),
            PlannedChange::Failed => Some("cannot be updated".into()),
            _ => self.step(),
        };
        other.into_iter().chain(newer).collect::<Vec<_>>().join("; ")
    }

    /// What an update would do.
    pub(super) const fn planned(&self) -> PlannedChange {
        self.change
    }

    /// Why an update would fail, if it would.
    pub(super) const fn failed(&self) -> Option<&Failed> {
        self.failure.as_ref()
    }

    /// What would change, in words; nothing if nothing would.
    pub(super) fn step(&self) -> Option<String> {
        let from = self.current.as_ref().map_or_else(|| "(none)".into(), Binding::brief);
        match (self.change, &self.revision) {
            (PlannedChange::None | PlannedChange::Deferred | PlannedChange::Failed, _) => None,
            (PlannedChange::Cooling, to) => {
                let to = to.as_deref().map(short).unwrap_or_default();
                let until = self.cooldown.as_ref().map(Cooldown::until).unwrap_or_default();
                Some(format!("{from} (cooldown; {to} not {until})"))
            }
            (PlannedChange::Held, None) => Some(format!("{from} (held)")),
            (PlannedChange::Held, Some(to)) => Some(format!("{from} (held; not {})", short(to))),
            (PlannedChange::Built, _) => Some(format!("{from} → built again")),
            (PlannedChange::Removed, _) => Some("would be removed".into()),
            (PlannedChange::Updated, Some(to)) if from == short(to) => {
                Some(format!("{from} (same commit)"))
            }
            (PlannedChange::Updated, Some(to)) => Some(format!("{from} → {}", short(to))),
            (PlannedChange::Updated, None) => Some(format!("{from} → another source")),
        }
    }
}

impl Answer for OutdatedAnswer {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        let mut table = Table::default();
        for it in &self.modules {
            if let Some(step) = it.step() {
                let moved = it.moved_tag.as_ref().map_or("", |_| " (the tag was moved)");
                let reference = it.reference.as_deref().unwrap_or_default();
                table.row([&it.module, &step, &format!("{reference}{moved}")]);
                it.log.iter().flat_map(Log::lines).for_each(|line| table.below(Some(&line)));
                table.below(it.compare.as_deref());
            }
            if let Some(newer) = &it.newer {
                table.row([&it.module, &newer.step(), ""]);
                table.below(newer.compare.as_deref());
            }
        }
        table.write(to, 0)?;
        for (what, change) in
            [("up to date", PlannedChange::None), ("not tried now", PlannedChange::Deferred)]
        {
            let such = self.modules.iter().filter(|it| it.change == change).count();
            if such > 0 {
                writeln!(to, "{} {what}", count(such, "module"))?;
            }
        }
        if self.modules.iter().any(|it| it.newer.is_some()) {
            writeln!(to, "`modstore set NAME --ref TAG` follows another version")?;
        }
        if self.modules.is_empty() {
            writeln!(to, "No modules are declared. Add one with `modstore add SOURCE`.")?;
        }
        Ok(())
    }

    fn troubles(&self) -> Vec<Failure> {
        let failed = self.modules.iter().filter_map(OutdatedModule::trouble);
        failed.map(|failed| failed.trouble("")).collect()
    }

    fn failure(&self) -> Option<Failure> {
        let failed = self.modules.iter().filter(|it| it.trouble().is_some()).count();
        let of = count(self.modules.len(), "module");
        (failed > 0).then(|| Failure::new(Exit::Failed, format!("{failed} of {of} failed")))
    }
}
