//! All jobs, in parallel, without any lock: nothing is visible until the transaction.
//!
//! Threads of their own wait for the network; the work on what comes is rayon's.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use super::{
    answer::{Answer, Got, Outcome, Why},
    plan::{ArchiveJob, Job},
    report::PutOff,
    repository,
    site::Site,
};
use crate::{
    acquire::{AcquireError, fetch_archive},
    commit::{Binding, Bound},
    disk::is_directory,
    events::{Event, Step},
    model::{LinkedPath, ModuleName},
};

/// Does all jobs and gives one answer for each module, in no order.
pub(super) fn gather(site: &Site<'_>, jobs: &[Job]) -> Vec<Answer> {
    in_parallel(site, jobs, |job| {
        let answers = run_job(site, job);
        answers.iter().for_each(|answer| tell(site, answer));
        answers
    })
}

/// Does all jobs, as many at once as the options say, and collects what they give.
pub(super) fn in_parallel<T: Send>(
    site: &Site<'_>,
    jobs: &[Job],
    run: impl Fn(&Job) -> Vec<T> + Sync,
) -> Vec<T> {
    let (next, answers) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            let done = run(job);
            answers.lock().expect("no thread panics while it holds this").extend(done);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..site.options.jobs.clamp(1, jobs.len().max(1)) {
            // Where no thread can be started, those that run do all of it.
            if std::thread::Builder::new().spawn_scoped(scope, work).is_err() {
                break;
            }
        }
        work();
    });
    answers.into_inner().expect("no thread panics while it holds this")
}

fn run_job(site: &Site<'_>, job: &Job) -> Vec<Answer> {
    match job {
        Job::Repository(job) if site.cancel.is_cancelled() => {
            let cancelled = Arc::new(AcquireError::Cancelled);
            job.members
                .iter()
                .map(|member| Answer::failed(&member.module, Arc::clone(&cancelled)))
                .collect()
        }
        Job::Repository(job) => repository::run(site, job),
        Job::Archive(job) => vec![archive(site, job)],
        Job::Linked { module, path, text } => {
            let bound =
                LinkedPath::of(path).filter(|_| path.is_dir()).map(|path| Bound::Linked { path });
            vec![match bound {
                Some(bound) => stand(
                    site,
                    module,
                    Binding { source: text.clone(), bound },
                    Vec::new(),
                    Got::default(),
                ),
                None => Answer::failed(
                    module,
                    Arc::new(AcquireError::NoDirectory { path: path.clone() }),
                ),
            }]
        }
        Job::Impossible { module, why } => {
            let outcome = Outcome::Failed(Why::Impossible(*why), None);
            vec![Answer { module: module.clone(), outcome }]
        }
    }
}

/// An archive is named by its checksum, so one that was had is never asked for again.
fn archive(site: &Site<'_>, job: &ArchiveJob) -> Answer {
    let ArchiveJob { module, source, text, build } = job;
    if let Some(now) = site.source(module)
        && !site.fresh
        && now.source == *text
        && now.digest().is_some_and(|digest| is_directory(&site.layout.entry(digest)))
    {
        return Answer::unchanged(module, now.clone());
    }
    let origin = source.url.address().origin();
    if let Some(put_off) = site.put_off(module, text, origin.host()) {
        return Answer::waiting(module, put_off);
    }
    if site.is_pinned(module, (text, None), build.as_ref()) {
        return Answer::waiting(module, PutOff::Pinned);
    }
    let acquired = site.staging().map_err(AcquireError::from).and_then(|staging| {
        let (network, memory, limits) = (&site.network, &site.memory, site.options.archives);
        fetch_archive(network, source, site.disk, &staging, site.cancel, limits, memory)
    });
    match acquired {
        Err(error) => {
            if let Some(host) = origin.host() {
                match error.is_network() {
                    true => site.breaker.failed(host),
                    false => site.breaker.answered(host),
                }
            }
            Answer::failed(module, Arc::new(error))
        }
        Ok(acquired) => {
            origin.host().iter().for_each(|host| site.breaker.answered(host));
            let bound = Bound::Entry {
                digest: acquired.staged.digest(),
                subdirectory: source.subdirectory.clone(),
                fetched: None,
            };
            let got =
                Got { written: acquired.staged.files(), linked: 0, received: acquired.received };
            site.keep(acquired.staged);
            let binding = Binding { source: text.clone(), bound };
            Answer::bound(module, binding, acquired.warnings, got)
        }
    }
}

fn stand(
    site: &Site<'_>,
    module: &ModuleName,
    binding: Binding,
    warnings: Vec<String>,
    got: Got,
) -> Answer {
    match site.source(module) == Some(&binding) {
        true => Answer::unchanged(module, binding),
        false => Answer::bound(module, binding, warnings, got),
    }
}

pub(super) fn tell(site: &Site<'_>, answer: &Answer) {
    let module = &answer.module;
    match &answer.outcome {
        Outcome::Unchanged(_) => {
            site.events.happened(Event::Module { module, step: Step::Unchanged })
        }
        Outcome::Bound { warnings, .. } => {
            site.events.happened(Event::Module { module, step: Step::Fetched });
            warnings.iter().for_each(|text| site.events.happened(Event::Warning { module, text }));
        }
        Outcome::Waiting(_) => site.events.happened(Event::Module { module, step: Step::Waiting }),
        Outcome::Failed(why, _) => {
            let text = match why {
                Why::Acquire(error) => error.to_string(),
                Why::Impossible(why) => why.to_string(),
                Why::Build(error, _) => error.to_string(),
            };
            site.events.happened(Event::Module { module, step: Step::Failed(&text) });
        }
    }
}
