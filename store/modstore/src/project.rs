//! A project's `modules.lock`: what its people committed, kept true.
//!
//! The lock of an ordinary store is derived and says what the store has. A project's comes with its repository, and may be
//! newer than this store, or of another branch. So a transaction changes in it only what the transaction is about, and an
//! update that was not bound to it makes it say what the update found.
//!
//! Limits: what the lock says is taken by `update --locked`, as it is for every store.

use crate::{
    Context,
    commit::{Journal, project_lock, relock},
    declare,
    events::Event,
    model::{Declarations, Lockfile, ModuleName},
    update::{UpdateError, UpdateReport},
};

/// Makes a project's lock say of the modules of an update what they are, and nothing of those that are not declared.
pub(crate) fn settle_lock(
    context: Context<'_>,
    declared: &Declarations,
    report: &UpdateReport,
) -> Result<(), UpdateError> {
    let updated = report.updated.iter().filter(|_| report.committed);
    let settled = updated.map(|updated| &updated.module);
    let settled: Vec<&ModuleName> =
        settled.chain(report.unchanged.iter().map(|unchanged| &unchanged.module)).collect();
    // What has changed was written with the switch.
    relock_all(context, declared, &settled)
}

/// Makes a project's lock say of these modules what they are, and nothing of those that are not declared.
pub(crate) fn relock_all(
    context: Context<'_>,
    declared: &Declarations,
    settled: &[&ModuleName],
) -> Result<(), UpdateError> {
    let layout = context.layout;
    if layout.project().is_none() {
        return Ok(());
    }
    let wanted = || -> Result<Option<Lockfile>, UpdateError> {
        let Some(before) = project_lock(layout)? else { return Ok(None) };
        let state = Journal::state(&layout.journal())?;
        let mut lock = before.clone();
        lock.modules.retain(|module, _| declared.get(module).is_some());
        for module in settled {
            let to = (state.modules().get(*module), state.built_on());
            relock(&mut lock, module, to, false);
        }
        Ok((lock != before).then_some(lock))
    };
    if wanted()?.is_none() {
        return Ok(());
    }
    let _lock = context.lock("store").map_err(crate::commit::BeginError::from)?;
    match wanted()? {
        Some(lock) => Ok(declare::replace(context, &layout.modules_lock(), &lock.print())?),
        None => Ok(()),
    }
}

/// Names what a project's lock has and its `modules.toml` does not declare.
pub(crate) fn report_strangers(context: Context<'_>, declared: &Declarations, lock: &Lockfile) {
    let stranger = |module: &&ModuleName| declared.get(module).is_none();
    for module in lock.modules.keys().filter(stranger) {
        let text = format!("modules.lock has `{module}`, which modules.toml does not declare");
        context.events.happened(Event::Notice { text: &text });
    }
}
