//! What an update would change, found out without fetching or writing anything.

use std::sync::Arc;

use super::{
    answer::Why,
    gather::in_parallel,
    ground::Ground,
    options::Trying,
    plan::{Job, Member, RepositoryJob, plan, select},
    report::{Outdated, Would},
    repository::connect,
    run::{UpdateError, by_consent, failed, undeclared, unknown},
    site::Site,
};
use crate::{
    acquire::Resolved,
    commit::{Binding, Fetched, Journal},
    events::Event,
    model::{Declarations, ModuleName, RecordedSource, RefName, Revision},
};

/// For each module of these names, or all: what an update would do.
///
/// # Errors
/// As for an update; nothing is ever changed.
pub(crate) fn outdated(
    ground: Ground<'_>,
    declared: &Declarations,
    names: &[ModuleName],
) -> Result<Vec<Outdated>, UpdateError> {
    let selected = select(declared, names).map_err(|name| unknown(declared, name))?;
    let state = Journal::state(&ground.layout.journal())?;
    ground.events.happened(Event::Began { modules: selected.len() });
    let site = Site::new(ground, state, false, Trying::Asked)?;
    let (allowed, refused) = by_consent(ground, declared, selected);
    let jobs = plan(allowed.iter().copied(), None);
    let mut outdated = in_parallel(&site, &jobs, |job| look(&site, job));
    let refused = refused.iter();
    outdated.extend(refused.filter_map(|answer| Some(fail(&site, &answer.module, answer.why()?))));
    if names.is_empty() {
        let gone = undeclared(&site.state, declared).into_iter();
        outdated.extend(gone.map(|module| answer(&site, module, Would::Go)));
    }
    outdated.sort_by(|a, b| a.module.cmp(&b.module));
    if ground.cancel.is_cancelled() { Err(UpdateError::Cancelled) } else { Ok(outdated) }
}

fn answer(site: &Site<'_>, module: ModuleName, would: Would) -> Outdated {
    let now = site.state.modules().get(module.as_str()).cloned();
    Outdated { module, now, would }
}

fn fail(site: &Site<'_>, module: &ModuleName, why: &Why) -> Outdated {
    let serving = site.state.modules().get(module.as_str()).cloned();
    answer(site, module.clone(), Would::Fail(Box::new(failed(module.clone(), why, serving, None))))
}

fn look(site: &Site<'_>, job: &Job) -> Vec<Outdated> {
    match job {
        Job::Repository(job) => look_at_repository(site, job),
        Job::Archive(job) => vec![look_at_text(site, &job.module, &job.text)],
        Job::Linked { module, text, .. } => vec![look_at_text(site, module, text)],
        Job::Impossible { module, why } => vec![fail(site, module, &Why::Impossible(*why))],
    }
}

/// What is known by its source alone.
fn look_at_text(site: &Site<'_>, module: &ModuleName, text: &RecordedSource) -> Outdated {
    let would = match site.state.modules().get(module.as_str()) {
        Some(now) if now.source == *text => Would::Stay,
        _ => Would::Move { revision: None, reference: None },
    };
    answer(site, module.clone(), would)
}

fn look_at_repository(site: &Site<'_>, job: &RepositoryJob) -> Vec<Outdated> {
    let members: Vec<&Member> = job.members.iter().collect();
    match connect(site, &members) {
        Ok((_, meant, failed)) => {
            let meant = meant.iter().map(|(member, resolved)| {
                let now = site.state.modules().get(member.module.as_str());
                answer(site, member.module.clone(), would(now, member, resolved))
            });
            let failed =
                failed.iter().filter_map(|failed| Some(fail(site, &failed.module, failed.why()?)));
            meant.chain(failed).collect()
        }
        Err(error) => {
            let why = Why::Acquire(Arc::new(error.into()));
            members.iter().map(|member| fail(site, &member.module, &why)).collect()
        }
    }
}

fn would(now: Option<&Binding>, member: &Member, resolved: &Resolved) -> Would {
    let revision = Revision::from(resolved.commit);
    let stays = now.is_some_and(|now| {
        let is_same = |from: &Fetched| from.revision == revision && now.source == member.text;
        now.bound.fetched().is_some_and(is_same)
    });
    match stays {
        true => Would::Stay,
        false => Would::Move {
            revision: Some(revision),
            reference: resolved.name.clone().map(RefName::from),
        },
    }
}
