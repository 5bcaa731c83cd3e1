//! The main job: what is declared becomes what is shown, in one transaction.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use super::{
    answer::{self, Answer, Outcome, Why},
    attempts::Tried,
    builds,
    environments::{Environments, TakenBack},
    gather::{gather, tell},
    ground::Ground,
    memory::{self, Notes},
    options::{Options, Trying, UpdateRequest},
    plan::{Job, plan, select},
    report::{Cost, Failed, Unchanged, UpdateReport, Updated, Waiting, Warning},
    site::Site,
};
use crate::{
    access::AccessError,
    acquire::NetworkError,
    commit::{
        Attempt, BeginError, Beginning, Binding, CommitError, Journal, JournalError, Staged,
        Staging, StagingError, State, Transaction, companion_of, is_right, is_unfinished, lock_of,
        now, shown,
    },
    declare::{self, DeclareError},
    disk::{DiskError, LockError, LockWait, use_reserve},
    environment::EnvironmentLockError,
    events::Event,
    model::{
        Class, Declarations, Declared, Digest, Generation, Lockfile, ModuleName, RecordedSource,
        Stage, causes, nearest,
    },
};

/// So long somebody else who is writing is waited for when there is nothing but tries to remember.
const BRIEF: Duration = Duration::from_millis(500);

/// An update came to no report. Unless a variant says otherwise, nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpdateError {
    /// The store cannot be changed.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// `modules.toml` or `modules.lock` cannot be used.
    #[error(transparent)]
    Declare(#[from] DeclareError),
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
    /// The tries of this update are not remembered. Nothing else was to be changed.
    #[error("what failed cannot be remembered")]
    Remember(#[source] JournalError),
    /// An environment that follows the store cannot be worked on.
    #[error(transparent)]
    Hold(#[from] EnvironmentLockError),
    /// An environment does not have what is shown, and there is nothing to go back to.
    #[error("the environment {} does not have what is shown", .0.prefix.display())]
    Environment(#[source] TakenBack),
    /// Somebody asked to stop.
    #[error("interrupted; nothing was changed")]
    Cancelled,
}

impl UpdateError {
    /// Whether the update has happened, or may have, although there is an error.
    #[must_use]
    pub const fn has_happened(&self) -> bool {
        match self {
            Self::Commit(error) => error.has_happened(),
            Self::Environment(_) => true,
            _ => false,
        }
    }
}

fn did_you_mean(near: Option<&str>) -> String {
    near.map_or_else(String::new, |near| format!(" (did you mean `{near}`?)"))
}

/// Makes what `declared` says the thing that is shown, as far as it can be had.
///
/// # Errors
/// See [`UpdateError`]. Modules that fail are no error; they are in the report.
pub(crate) fn update(
    ground: Ground<'_>,
    state: State,
    declared: &Declarations,
    lock: Option<&Lockfile>,
    request: &UpdateRequest,
) -> Result<Done, UpdateError> {
    Staging::remove_dead(ground.disk, ground.layout).map_err(UpdateError::Leftovers)?;
    let selected = select(declared, &request.names).map_err(|name| unknown(declared, name))?;
    ground.events.happened(Event::Began { modules: selected.len() });

    let start = Instant::now();
    let (allowed, refused) = by_consent(ground, declared, selected);
    let jobs = plan(allowed.iter().copied(), lock);
    let mut site = Site::new(ground, state, request.fresh, request.trying)?;
    let mut answers = gather(&site, &jobs);
    try_again(&mut site, &jobs, &mut answers);
    site.trying = request.trying;
    let mut answers = builds::run(&site, declared, answers);
    refused.iter().for_each(|answer| tell(&site, answer));
    answers.extend(refused);
    if ground.cancel.is_cancelled() {
        return Err(UpdateError::Cancelled);
    }
    let removed =
        if request.names.is_empty() { undeclared(&site.state, declared) } else { Vec::new() };
    let mut report = report(&site, declared, answers, removed);
    report.cost.acquiring = start.elapsed();
    let changes = !report.updated.is_empty() || !report.removed.is_empty();
    let mut environments = Environments::hold_if_needed(ground, &site.state, changes)?;
    // Whoever has switched while this one waited for the environments has settled them for that.
    let before = match environments.is_empty() {
        true => site.state.clone(),
        false => Journal::state(&ground.layout.journal())?,
    };
    prepare(ground, &site, &environments, &mut report)?;

    let changed = !report.updated.is_empty() || !report.removed.is_empty();
    let wanted = changed || (request.fresh && report.has_all());
    let allowed = report.has_all() || !request.all_or_nothing;
    let change = wanted && allowed;
    let clock = (ground.options.retry, now());
    let mut notes = memory::notes(&mut report, &before, declared, change, clock);
    notes.retain(|_, attempt| !request.tentative || attempt.is_none());
    let mut after = None;
    if change || is_unfinished(ground.layout, &site.state) {
        let start = Instant::now();
        after = commit(ground, site, &mut report, change, notes)?;
        report.cost.committing = start.elapsed();
    } else if !notes.is_empty() {
        // What was staged may be what has filled the disk, and the journal needs room.
        drop(site);
        remember(ground, notes)?;
    }
    let after = settle(ground, &mut environments, before, after, &mut report)?;
    Ok(Done { report, after })
}

/// The modules that may be built, or are not, and an answer for each of the others: nothing is asked for those, and
/// nothing of their builds is run, not even what names their tools.
pub(super) fn by_consent<'a>(
    ground: Ground<'_>,
    declared: &Declarations,
    selected: Vec<(&'a ModuleName, &'a Declared)>,
) -> (Vec<(&'a ModuleName, &'a Declared)>, Vec<Answer>) {
    let consents = ground.consents(declared);
    let (allowed, refused): (Vec<_>, Vec<_>) =
        selected.into_iter().partition(|(module, declared)| consents.permit(module, declared));
    let refused = refused.into_iter().filter_map(|(module, declared)| {
        Some(Answer::not_allowed(module, declared.build.as_ref()?))
    });
    (allowed, refused.collect())
}

/// Once more what waits for its time because the network had failed it, where its host has answered somebody meanwhile.
fn try_again(site: &mut Site<'_>, jobs: &[Job], answers: &mut Vec<Answer>) {
    let answering = site.breaker.answering();
    let waiting = answer::waiting(answers);
    let again: Vec<Job> = jobs
        .iter()
        .filter(|job| job.host().is_some_and(|host| answering.contains(&host)))
        .filter_map(|job| job.only(|module| waiting.contains(module) && of_network(site, module)))
        .collect();
    if again.is_empty() || site.cancel.is_cancelled() {
        return;
    }
    site.trying = Trying::All;
    answer::replace(answers, gather(site, &again));
}

fn of_network(site: &Site<'_>, module: &ModuleName) -> bool {
    site.attempt(module).is_some_and(Attempt::may_end_with_an_answer)
}

/// Remembers how tries ended, when there is nothing else to write. What somebody else who is writing keeps it from
/// is lost, and so is what cannot be written: a failure is not made worse by not being remembered. Only a sync that
/// failed is an error here as everywhere.
fn remember(ground: Ground<'_>, notes: Notes) -> Result<(), UpdateError> {
    let options = Options { lock_limit: BRIEF, ..ground.options.clone() };
    let ground = Ground { options: &options, ..ground };
    let write = || -> Result<(), UpdateError> {
        use_reserve(ground.disk, ground.layout);
        let staging = Staging::claim(ground.disk, ground.layout, &options.command)?;
        let mut transaction = begin(ground, staging)?;
        notes.into_iter().for_each(|(module, attempt)| transaction.note(module, attempt));
        if transaction.notes_anything() {
            transaction.commit_notes().map_err(UpdateError::Remember)?;
        }
        Ok(())
    };
    match write() {
        Ok(()) | Err(UpdateError::Begin(BeginError::Lock(LockError::Busy { .. }))) => {}
        Err(error) if ground.disk.has_failed_to_sync() => return Err(error),
        Err(error) => {
            let why = causes(&error).join(": ");
            let text = format!("what failed could not be remembered: {why}");
            ground.events.happened(Event::Notice { text: &text });
        }
    }
    Ok(())
}

/// Makes the environments ready, and drops what they are not ready for.
fn prepare(
    ground: Ground<'_>,
    site: &Site<'_>,
    environments: &Environments,
    report: &mut UpdateReport,
) -> Result<(), UpdateError> {
    if environments.is_empty() || report.updated.is_empty() {
        return Ok(());
    }
    let staging = site.staging()?;
    site.with_staged(|staged| environments.prepare(ground, &staging, staged, report));
    if ground.cancel.is_cancelled() { Err(UpdateError::Cancelled) } else { Ok(()) }
}

/// Gives the environments the stand-ins of what is shown. If one cannot follow, what was shown `before` is shown
/// again. Gives what the store adds up to then, if that has changed.
fn settle(
    ground: Ground<'_>,
    environments: &mut Environments,
    before: State,
    after: Option<State>,
    report: &mut UpdateReport,
) -> Result<Option<State>, UpdateError> {
    let taken_back = match environments.settle(ground, after.as_ref().unwrap_or(&before)) {
        Ok(settled) => {
            report.environments = settled;
            return Ok(after);
        }
        Err(error) => error,
    };
    let (Some(_), Some(head)) = (&after, before.head()) else {
        // There is nothing to go back to, or nothing was changed: what is off is told, and the next one tries again.
        return Err(UpdateError::Environment(taken_back));
    };
    let staging = Staging::claim(ground.disk, ground.layout, &ground.options.command)?;
    let mut transaction = begin(ground, staging)?;
    transaction.restore(head.number)?;
    let Committed { generation, after } = commit_if_changed(ground, transaction)?;
    (report.generation, report.committed) = (generation, false);
    for Updated { module, from, to, .. } in std::mem::take(&mut report.updated) {
        let error = Box::new(taken_back.clone());
        let (class, stage, hint) = (Class::Transient, Stage::Install, None);
        let tried = Some(Tried::of(&to));
        let (serving, attempt, code) = (from, None, None);
        let failed = Failed { module, class, stage, code, error, hint, serving, attempt, tried };
        report.failed.push(failed);
    }
    let clock = (ground.options.retry, now());
    remember(ground, memory::failures(&mut report.failed, &before, clock))?;
    // As far as it goes: what cannot be put back now is put back by the next update.
    if let Ok(settled) = environments.settle(ground, after.as_ref().unwrap_or(&before)) {
        report.environments = settled;
    }
    Ok(after)
}

/// What an update came to.
pub(crate) struct Done {
    /// For whoever asked.
    pub(crate) report: UpdateReport,
    /// What the store adds up to, if this update changed that.
    pub(crate) after: Option<State>,
}

/// Names a module that is not declared, and the nearest that is.
pub(super) fn unknown(declared: &Declarations, name: &ModuleName) -> UpdateError {
    let declared = declared.modules.keys().map(ModuleName::as_str);
    let near = nearest(name.as_str(), declared).map(str::to_owned);
    UpdateError::Unknown { name: name.clone(), near }
}

/// Modules that are shown and declared no more.
pub(super) fn undeclared(state: &State, declared: &Declarations) -> Vec<ModuleName> {
    let gone = state.modules().keys().filter(|module| declared.get(module).is_none());
    gone.cloned().collect()
}

/// Sorts the answers into a report, by module.
fn report(
    site: &Site<'_>,
    declared: &Declarations,
    mut answers: Vec<Answer>,
    removed: Vec<ModuleName>,
) -> UpdateReport {
    answers.sort_by(|a, b| a.module.cmp(&b.module));
    let counts = site.network.counts();
    let mut report = UpdateReport {
        generation: shown(site.layout),
        committed: false,
        updated: Vec::new(),
        unchanged: Vec::new(),
        removed,
        failed: Vec::new(),
        waiting: Vec::new(),
        warnings: Vec::new(),
        environments: Vec::new(),
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
            Outcome::Failed(why, revision) => {
                let tried =
                    declared.get(&module).filter(|_| why.is_telling()).map(|declared| Tried {
                        source: RecordedSource::from(&declared.effective_source()),
                        revision,
                        conditions: why.conditions(),
                        retry_after: why.retry_after(),
                    });
                report.failed.push(failed(module, &why, now, tried));
            }
            Outcome::Waiting(put_off) => {
                let attempt = site.attempt(&module).cloned();
                report.waiting.push(Waiting { module, put_off, attempt, serving: now });
            }
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

pub(super) fn failed(
    module: ModuleName,
    why: &Why,
    serving: Option<Binding>,
    tried: Option<Tried>,
) -> Failed {
    let (class, stage, code, hint) = (why.class(), why.stage(), why.code(), why.hint());
    let error: Box<dyn std::error::Error + Send + Sync> = match why {
        Why::Acquire(error) => Box::new(std::sync::Arc::clone(error)),
        Why::Impossible(why) => Box::new(*why),
        Why::Build(error, _) => Box::new(std::sync::Arc::clone(error)),
    };
    Failed { module, class, stage, code, error, hint, serving, attempt: None, tried }
}

/// Which of the trees that came are in the store already and not what they should be. Every byte is read, and
/// no lock is held.
fn corrupt(ground: Ground<'_>, staged: &[Staged]) -> BTreeSet<Digest> {
    let there = staged.iter().map(Staged::digest).collect::<BTreeSet<_>>().into_iter();
    there.filter(|digest| !is_right(ground.layout, *digest)).collect()
}

/// The transaction. With `change` false, it only finishes what a crash left.
fn commit(
    ground: Ground<'_>,
    site: Site<'_>,
    report: &mut UpdateReport,
    change: bool,
    notes: Notes,
) -> Result<Option<State>, UpdateError> {
    let before = site.state.modules().clone();
    let fresh = site.fresh && change;
    // Somebody who wants everything tried does not believe sizes and times either.
    let all = fresh || site.trying == Trying::All;
    let (staging, staged) = site.into_staging()?;
    let corrupt = if all { corrupt(ground, &staged) } else { BTreeSet::new() };
    let mut transaction = begin(ground, staging)?;
    transaction.replace(corrupt);
    notes.into_iter().for_each(|(module, attempt)| transaction.note(module, attempt));
    if fresh {
        transaction.show_anew();
    }
    if change {
        give_way(ground, &transaction, &before, report);
        let wanted = report.updated.iter().map(|updated| &updated.to);
        let wanted: BTreeSet<Digest> =
            wanted.flat_map(|to| [to.digest(), to.material()]).flatten().collect();
        staged.into_iter().filter(|staged| wanted.contains(&staged.digest())).for_each(|staged| {
            transaction.enter(staged);
        });
        for Updated { module, to, .. } in &report.updated {
            transaction.bind(module.clone(), to.clone());
        }
        report.removed.iter().cloned().for_each(|module| transaction.unbind(module));
    }
    let Committed { generation, after } = commit_if_changed(ground, transaction)?;
    (report.generation, report.committed) = (generation, after.is_some());
    Ok(after)
}

/// Leaves alone what another process has changed since this update looked: what it did counts as done
/// after this one. And what is declared no more is not shown again.
fn give_way(
    ground: Ground<'_>,
    transaction: &Transaction,
    before: &BTreeMap<ModuleName, Binding>,
    report: &mut UpdateReport,
) {
    let now = transaction.state().modules();
    let is_ours = |module: &ModuleName| now.get(module.as_str()) == before.get(module.as_str());
    let declared = declare::read(ground.layout).ok().map(|(_, declared)| declared);
    let is_declared = |module: &ModuleName| {
        declared.as_ref().is_none_or(|declared| declared.get(module).is_some())
    };
    let (ours, theirs) = std::mem::take(&mut report.updated)
        .into_iter()
        .partition(|updated| is_ours(&updated.module) && is_declared(&updated.module));
    report.updated = ours;
    let kept = Vec::into_iter(theirs).filter_map(|Updated { module, .. }| {
        let binding = now.get(module.as_str())?.clone();
        Some(Unchanged { module, binding })
    });
    report.unchanged.extend(kept);
    report.removed.retain(is_ours);
}

/// Begins a transaction, telling whoever listens when it has to wait.
pub(crate) fn begin(ground: Ground<'_>, staging: Staging) -> Result<Transaction, UpdateError> {
    let Options { lock_limit, barrier, ref command, .. } = *ground.options;
    let patience = LockWait {
        limit: lock_limit,
        stop: &|| ground.cancel.is_cancelled(),
        on_wait: &|holder| ground.events.happened(Event::Waiting { holder }),
    };
    let companion = |state: &State| companion_of(ground.layout, state);
    let how = Beginning { command, patience, barrier, companion: &companion };
    Transaction::begin(ground.disk, ground.layout, staging, how).map_err(|error| match error {
        BeginError::Lock(LockError::Stopped) => UpdateError::Cancelled,
        error => UpdateError::Begin(error),
    })
}

/// What a transaction came to.
pub(crate) struct Committed {
    /// What is shown now.
    pub(crate) generation: Option<Generation>,
    /// What the store adds up to, if this transaction changed that.
    pub(crate) after: Option<State>,
}

/// Commits, unless that would show nothing else than what is shown. `modules.lock` goes along.
pub(crate) fn commit_if_changed(
    ground: Ground<'_>,
    mut transaction: Transaction,
) -> Result<Committed, UpdateError> {
    if !transaction.changes_anything() {
        let generation = transaction.state().head().map(|head| head.number);
        if transaction.notes_anything() {
            transaction.commit_notes().map_err(UpdateError::Remember)?;
        }
        return Ok(Committed { generation, after: None });
    }
    let lock = lock_of(transaction.modules_after()).print();
    transaction.also_write(ground.layout.modules_lock(), lock);
    ground.events.happened(Event::Committing);
    let after = transaction.commit(&ground.options.command)?;
    let generation = after.head().map(|head| head.number);
    if let Some(generation) = generation {
        ground.events.happened(Event::Shown { generation });
    }
    Ok(Committed { generation, after: Some(after) })
}
