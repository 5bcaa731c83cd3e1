//! The main job: what is declared becomes what is shown, in one transaction.

use std::time::Instant;

use super::{
    answer::{Answer, Outcome, Why},
    events::{Event, Events},
    gather::gather,
    lock::lock_of,
    options::{Options, UpdateRequest},
    plan::{plan, select},
    report::{Cost, Failed, Unchanged, UpdateReport, Updated, Warning},
    site::Site,
};
use crate::{
    acquire::{Cancel, NetworkError},
    commit::{
        BeginError, Beginning, Binding, CommitError, Journal, JournalError, Staging, StagingError,
        State, Transaction, shown,
    },
    declare,
    disk::{Disk, DiskError, Layout},
    model::{Declarations, Generation, Lockfile, ModuleName, nearest},
};

/// An update came to no report. Unless a variant says otherwise, nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpdateError {
    /// A module was named that is not declared.
    #[error("there is no module `{name}`{}", did_you_mean(.near.as_deref()))]
    Unknown {
        /// The name.
        name: ModuleName,
        /// The nearest one that is declared.
        near: Option<String>,
    },
    /// The journal cannot be read.
    #[error("the store cannot be read")]
    Journal(#[from] JournalError),
    /// The host's git configuration cannot be read.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The home cannot be written to.
    #[error(transparent)]
    Staging(#[from] StagingError),
    /// What an earlier process left cannot be removed.
    #[error("cannot remove what an earlier process left")]
    Leftovers(#[source] DiskError),
    /// No transaction could be begun.
    #[error(transparent)]
    Begin(#[from] BeginError),
    /// The transaction failed; its error says whether it has happened.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// Somebody asked to stop.
    #[error("interrupted; nothing was changed")]
    Cancelled,
}

fn did_you_mean(near: Option<&str>) -> String {
    near.map_or_else(String::new, |near| format!(" (did you mean `{near}`?)"))
}

/// What an update works on.
#[derive(Clone, Copy)]
pub(crate) struct Ground<'a> {
    pub(crate) disk: &'a Disk,
    pub(crate) layout: &'a Layout,
    pub(crate) options: &'a Options,
    pub(crate) events: &'a dyn Events,
    pub(crate) cancel: &'a Cancel,
}

/// Makes what `declared` says the thing that is shown, as far as it can be had.
///
/// # Errors
/// See [`UpdateError`]. Modules that fail are no error; they are in the report.
pub(crate) fn update(
    ground: Ground<'_>,
    declared: &Declarations,
    lock: Option<&Lockfile>,
    request: &UpdateRequest,
) -> Result<UpdateReport, UpdateError> {
    Staging::remove_dead(ground.disk, ground.layout).map_err(UpdateError::Leftovers)?;
    let selected = select(declared, &request.names).map_err(|name| unknown(declared, name))?;
    let state = Journal::state(&ground.layout.journal())?;
    ground.events.happened(Event::Began { modules: selected.len() });

    let start = Instant::now();
    let jobs = plan(selected.iter().copied(), lock);
    let Ground { disk, layout, options, events, cancel } = ground;
    let site = Site::new(disk, layout, options, events, cancel, state)?;
    let answers = gather(&site, &jobs);
    if cancel.is_cancelled() {
        return Err(UpdateError::Cancelled);
    }
    let removed =
        if request.names.is_empty() { undeclared(&site.state, declared) } else { Vec::new() };
    let mut report = report(&site, answers, removed);
    report.cost.acquiring = start.elapsed();

    let wanted = !report.updated.is_empty() || !report.removed.is_empty();
    let allowed = report.failed.is_empty() || !request.all_or_nothing;
    let behind = shown(layout) != site.state.head().map(|head| head.number);
    if (wanted && allowed) || behind {
        let start = Instant::now();
        let generation = commit(ground, site, &report, wanted && allowed)?;
        report.committed = wanted && allowed;
        report.generation = generation;
        report.cost.committing = start.elapsed();
    }
    Ok(report)
}

/// Names a module that is not declared, and the nearest that is.
pub(super) fn unknown(declared: &Declarations, name: &ModuleName) -> UpdateError {
    let declared = declared.modules.iter().map(|(module, _)| module.as_str());
    let near = nearest(name.as_str(), declared).map(str::to_owned);
    UpdateError::Unknown { name: name.clone(), near }
}

/// Modules that are shown and declared no more.
pub(super) fn undeclared(state: &State, declared: &Declarations) -> Vec<ModuleName> {
    let gone = state
        .modules()
        .keys()
        .filter(|module| declared.modules.iter().all(|(name, _)| name.as_str() != module.as_str()));
    gone.map(|module| module.parse().expect("the journal holds only module names")).collect()
}

/// Sorts the answers into a report, by module.
fn report(site: &Site<'_>, mut answers: Vec<Answer>, removed: Vec<ModuleName>) -> UpdateReport {
    answers.sort_by(|a, b| a.module.cmp(&b.module));
    let counts = site.network.counts();
    let mut report = UpdateReport {
        generation: shown(site.layout),
        committed: false,
        updated: Vec::new(),
        unchanged: Vec::new(),
        removed,
        failed: Vec::new(),
        warnings: Vec::new(),
        cost: Cost {
            requests: counts.requests,
            connections: counts.connections,
            ..Cost::default()
        },
    };
    for Answer { module, outcome } in answers {
        let now = site.state.modules().get(module.as_str()).cloned();
        match outcome {
            Outcome::Unchanged(binding) => report.unchanged.push(Unchanged { module, binding }),
            Outcome::Failed(why) => report.failed.push(failed(module, &why, now)),
            Outcome::Bound { binding, warnings, got } => {
                report.cost.written += got.written;
                report.cost.linked += got.linked;
                report.cost.received += got.received;
                let warning = |text| Warning { module: module.clone(), text };
                report.warnings.extend(warnings.into_iter().map(warning));
                let path = site.layout.current().join(module.as_str());
                report.updated.push(Updated { module, from: now, to: binding, path });
            }
        }
    }
    report
}

pub(super) fn failed(module: ModuleName, why: &Why, serving: Option<Binding>) -> Failed {
    let (class, stage, hint) = (why.class(), why.stage(), why.hint());
    let error: Box<dyn std::error::Error + Send + Sync> = match why {
        Why::Acquire(error) => Box::new(std::sync::Arc::clone(error)),
        Why::Impossible(why) => Box::new(*why),
    };
    Failed { module, class, stage, error, hint, serving }
}

/// The transaction. With `change` false, it only finishes what a crash left.
fn commit(
    ground: Ground<'_>,
    site: Site<'_>,
    report: &UpdateReport,
    change: bool,
) -> Result<Option<Generation>, UpdateError> {
    let (staging, staged) = site.into_staging()?;
    let mut transaction = begin(ground, staging)?;
    if change {
        staged.into_iter().for_each(|staged| {
            transaction.enter(staged);
        });
        for Updated { module, to, .. } in &report.updated {
            transaction.bind(module.clone(), to.clone());
        }
        report.removed.iter().cloned().for_each(|module| transaction.unbind(module));
    }
    commit_if_changed(ground, transaction)
}

/// Begins a transaction, telling whoever listens when it has to wait.
pub(crate) fn begin(ground: Ground<'_>, staging: Staging) -> Result<Transaction, BeginError> {
    let Options { lock_limit, barrier, ref command, .. } = *ground.options;
    let how = Beginning { command, lock_limit, barrier };
    let waiting = |holder: Option<&_>| ground.events.happened(Event::Waiting { holder });
    Transaction::begin(ground.disk, ground.layout, staging, how, &waiting)
}

/// Commits, unless that would show nothing else than what is shown. `modules.lock` goes along.
pub(crate) fn commit_if_changed(
    ground: Ground<'_>,
    mut transaction: Transaction,
) -> Result<Option<Generation>, UpdateError> {
    let lock = lock_of(&transaction.modules_after()).print();
    if !transaction.changes_anything() {
        if transaction.finished_another() {
            declare::write_lock(ground.disk, ground.layout, &lock)
                .map_err(UpdateError::Leftovers)?;
        }
        return Ok(transaction.state().head().map(|head| head.number));
    }
    transaction.accompany(ground.layout.modules_lock(), lock);
    ground.events.happened(Event::Committing);
    let generation = transaction.commit(&ground.options.command)?;
    ground.events.happened(Event::Shown { generation });
    Ok(Some(generation))
}
