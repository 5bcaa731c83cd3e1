//! The second half of a module that is built: its source is there, and what it is made into is found or made.
//!
//! Decide first: what was built from exactly this is shown as it is, whoever asks and however often; what failed for
//! exactly this is left alone; only the rest is built, several at once. A name says what "exactly this" is, and it was
//! made when the build ran: nothing that was built is ever given another.

use std::{
    collections::BTreeMap,
    num::NonZeroUsize,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
};

use super::{
    answer::{self, Answer, Got, Outcome, Why},
    attempts::{Verdict, before_building},
    options::Trying,
    report::PutOff,
    site::Site,
};
use crate::{
    build::{
        self, Build, BuildError, Material, Recipe, conditions, failing_at, key_but_for_source,
        key_of,
    },
    commit::{Binding, Bound, Built, MadeFrom, is_right, is_whole, read_manifest},
    disk::{DiskError, Verb},
    events::{Event, Step},
    model::{BuildSpec, Declarations, Declared, Digest, Manifest, ModuleName, Stage},
};

/// So many builds that found no network put the others off.
const FEW: u32 = 3;

/// What all builds of one update share.
#[derive(Debug, Default)]
pub(super) struct Builds {
    /// How many have failed for a reason of the moment.
    failures: AtomicU32,
    /// Whether one has worked that had failed before for such a reason.
    recovered: AtomicU32,
}

/// A module whose source is there.
struct Work<'a> {
    module: ModuleName,
    spec: &'a BuildSpec,
    /// What it would be without a build.
    source: Binding,
    warnings: Vec<String>,
    got: Got,
}

/// Turns the answers for sources into those for what is built from them, and leaves the others as they are.
pub(super) fn run(site: &Site<'_>, declared: &Declarations, answers: Vec<Answer>) -> Vec<Answer> {
    let (mut done, mut work) = (Vec::new(), Vec::new());
    for answer in answers {
        match declared.get(&answer.module) {
            Some(Declared { build: Some(spec), .. }) => match as_work(answer, spec) {
                Ok(one) => work.push(one),
                Err(answer) => done.push(*answer),
            },
            _ => done.push(as_it_is(site, answer)),
        }
    }
    // Those that failed before come last, so that they never keep the others from being built.
    work.sort_by_key(|work| site.attempt(&work.module).map(|attempt| attempt.last));
    let builds = Builds::default();
    let mut built = in_parallel(site, &work, |work| work.answer(site, &builds));
    if builds.recovered.load(Ordering::Relaxed) > 0 {
        again(site, &builds, &work, &mut built);
    }
    done.extend(built);
    done
}

/// What waits for its time is built now: another build has shown that the network is back.
fn again(site: &Site<'_>, builds: &Builds, work: &[Work<'_>], built: &mut Vec<Answer>) {
    let waiting = answer::waiting(built);
    let waiting: Vec<&Work<'_>> =
        work.iter().filter(|work| waiting.contains(&work.module)).collect();
    answer::replace(built, in_parallel(site, &waiting, |work| work.answer_now(site, builds)));
}

/// As many at once as there are processors: a build is not a wait for the network.
fn in_parallel<T: Sync>(
    site: &Site<'_>,
    work: &[T],
    run: impl Fn(&T) -> Answer + Sync,
) -> Vec<Answer> {
    let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let (next, answers) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let go_on = || {
        while let Some(one) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
            let answer = run(one);
            super::gather::tell(site, &answer);
            answers.lock().unwrap_or_else(PoisonError::into_inner).push(answer);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..site.options.jobs.min(processors).clamp(1, work.len().max(1)) {
            // Where no thread can be started, those that run do all of it.
            if std::thread::Builder::new().spawn_scoped(scope, go_on).is_err() {
                break;
            }
        }
        go_on();
    });
    answers.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// The work that a source makes; what is no source is given back.
fn as_work<'a>(answer: Answer, spec: &'a BuildSpec) -> Result<Work<'a>, Box<Answer>> {
    let Answer { module, outcome } = answer;
    match outcome {
        Outcome::Unchanged(source) => {
            Ok(Work { module, spec, source, warnings: Vec::new(), got: Got::default() })
        }
        Outcome::Bound { binding: source, warnings, got } => {
            Ok(Work { module, spec, source, warnings, got })
        }
        outcome => Err(Box::new(Answer { module, outcome })),
    }
}

/// A module that is not built, and may have been until now.
fn as_it_is(site: &Site<'_>, answer: Answer) -> Answer {
    let Answer { module, outcome } = answer;
    match outcome {
        Outcome::Unchanged(binding)
            if site.state.modules().get(module.as_str()) != Some(&binding) =>
        {
            Answer::bound(&module, binding, Vec::new(), Got::default())
        }
        outcome => Answer { module, outcome },
    }
}

/// The files that a module is built from, wherever they are by now.
enum Files {
    Tree { at: std::path::PathBuf, manifest: Manifest, part: String },
    Directory(std::path::PathBuf),
}

impl Files {
    fn material(&self) -> Material<'_> {
        match self {
            Self::Tree { at, manifest, part } => Material::Tree { at, manifest, part },
            Self::Directory(at) => Material::Directory { at },
        }
    }
}

/// What is decided before anything is built.
enum Decided<'a> {
    /// Something was built from exactly this, and is there.
    Had(Built),
    /// It is not built now.
    PutOff(PutOff),
    Build(Recipe<'a>, Files, Digest),
}

impl Work<'_> {
    /// The answer, as whoever asks wishes.
    fn answer(&self, site: &Site<'_>, builds: &Builds) -> Answer {
        self.answer_as(site, builds, site.trying)
    }

    /// The same, whether it is time or not.
    fn answer_now(&self, site: &Site<'_>, builds: &Builds) -> Answer {
        self.answer_as(site, builds, Trying::Asked)
    }

    fn answer_as(&self, site: &Site<'_>, builds: &Builds, trying: Trying) -> Answer {
        let decided = self.decide(site, builds, trying);
        let (recipe, files, key) = match decided {
            Ok(Decided::Had(built)) => return self.bound(site, built),
            Ok(Decided::PutOff(put_off)) => return Answer::waiting(&self.module, put_off),
            Ok(Decided::Build(recipe, files, key)) => (recipe, files, key),
            Err(error) => return self.failed(error, None),
        };
        if site.cancel.is_cancelled() {
            return self.failed(BuildError::cancelled(), None);
        }
        site.events.happened(Event::Module { module: &self.module, step: Step::Building });
        match self.build(site, &recipe, &files) {
            Ok(built) => {
                let failed = site.attempt(&self.module);
                if failed.is_some_and(|attempt| attempt.next_scan().is_some()) {
                    builds.recovered.fetch_add(1, Ordering::Relaxed);
                }
                self.bound(site, built)
            }
            Err(error) => {
                if error.is_of_the_moment() {
                    builds.failures.fetch_add(1, Ordering::Relaxed);
                }
                let name = |name| failing_at(error.stage(), name, self.spec);
                let recipe = key_but_for_source(&recipe, site.last_read(&self.module));
                let conditions = conditions(name(recipe), name(key));
                self.failed(error, Some(conditions))
            }
        }
    }

    fn decide(
        &self,
        site: &Site<'_>,
        builds: &Builds,
        trying: Trying,
    ) -> Result<Decided<'_>, BuildError> {
        let recipe = site.toolchains.recipe(self.spec, site.cancel);
        let recipe = recipe.map_err(BuildError::Toolchain)?;
        let files = self.files(site).map_err(BuildError::Inputs)?;
        let key =
            |read: &[String]| key_of(&recipe, files.material(), read).map_err(BuildError::Inputs);
        let mut keys: BTreeMap<Vec<String>, Digest> = BTreeMap::new();
        for known in site.built(&self.module) {
            let now = match keys.get(&known.read) {
                Some(now) => *now,
                None => *keys.entry(known.read.clone()).or_insert(key(&known.read)?),
            };
            if now == known.key && self.is_there(site, known.digest, trying) {
                return Ok(Decided::Had(known.clone()));
            }
        }
        let read = site.last_read(&self.module);
        let key = key(read)?;
        let attempt = site.attempt(&self.module);
        let failed_at = attempt.map_or(Stage::Build, |attempt| attempt.stage);
        let depends_on = failing_at(failed_at, key, self.spec);
        Ok(match before_building(attempt, depends_on, (trying, site.now)) {
            Verdict::Later(until) => Decided::PutOff(PutOff::Until(until)),
            Verdict::Pinned => Decided::PutOff(PutOff::Pinned),
            Verdict::Now if builds.failures.load(Ordering::Relaxed) >= FEW => {
                Decided::PutOff(PutOff::Builds)
            }
            Verdict::Now => Decided::Build(recipe, files, key),
        })
    }

    /// Whether what was built is there: by size and time of each file, or, when a person wants everything tried,
    /// read to the last byte.
    fn is_there(&self, site: &Site<'_>, digest: Digest, trying: Trying) -> bool {
        site.state.entry(digest).is_some()
            && match trying {
                Trying::All => is_right(site.layout, digest),
                Trying::Asked | Trying::Scan => is_whole(site.layout, digest),
            }
    }

    fn files(&self, site: &Site<'_>) -> Result<Files, DiskError> {
        let (digest, subdirectory) = match &self.source.bound {
            Bound::Linked { path } => return Ok(Files::Directory(path.as_path().to_owned())),
            Bound::Entry { digest, subdirectory, .. } => (*digest, subdirectory),
            Bound::Built(built) => (built.digest, &None),
        };
        let part = subdirectory.as_ref().map_or_else(String::new, ToString::to_string);
        let staged = site.with_staged(|staged| {
            let tree = staged.iter().find(|staged| staged.digest() == digest)?;
            Some((tree.tree().to_owned(), tree.manifest()?))
        });
        let entry = site.layout.entry(digest);
        let found = staged.or_else(|| Some((entry.clone(), read_manifest(site.layout, digest)?)));
        let lost = || std::io::Error::from(std::io::ErrorKind::NotFound);
        let (at, manifest) = found
            .ok_or_else(|| DiskError::new(Verb::Read, site.layout.manifest(digest), lost()))?;
        Ok(Files::Tree { at, manifest, part })
    }

    fn build(
        &self,
        site: &Site<'_>,
        recipe: &Recipe<'_>,
        files: &Files,
    ) -> Result<Built, BuildError> {
        let staging = site.staging().map_err(BuildError::Staging)?;
        let told = |line: &str| {
            site.events.happened(Event::Module { module: &self.module, step: Step::Says(line) });
        };
        let build = Build {
            disk: site.disk,
            staging: &staging,
            recipe,
            material: files.material(),
            cancel: site.cancel,
            told: &told,
        };
        let build::Built { staged, key, read } = build.run()?;
        let from = MadeFrom::of(&self.source.bound);
        let built = Built { digest: staged.digest(), from, key, read };
        site.keep(staged);
        Ok(built)
    }

    /// The module as it was built, now or before, from what it comes from now.
    fn bound(&self, site: &Site<'_>, built: Built) -> Answer {
        let from = MadeFrom::of(&self.source.bound);
        let now = site.state.modules().get(self.module.as_str());
        // Where a directory lies says nothing of what is in it: a home that was moved is shown as it is.
        let is_same = |now: &&Binding| match &now.bound {
            Bound::Built(shown) => {
                let is_directory = |from: &MadeFrom| matches!(from, MadeFrom::Directory { .. });
                let same_place = shown.from == from && now.source == self.source.source;
                let moved = is_directory(&shown.from) && is_directory(&from);
                shown.digest == built.digest && shown.key == built.key && (same_place || moved)
            }
            _ => false,
        };
        let is_staged =
            site.with_staged(|staged| staged.iter().any(|one| one.digest() == built.digest));
        if let Some(now) = now.filter(is_same).filter(|_| !is_staged) {
            return Answer::unchanged(&self.module, now.clone());
        }
        let bound = Bound::Built(Box::new(Built { from, ..built }));
        let binding = Binding { source: self.source.source.clone(), bound };
        Answer::bound(&self.module, binding, self.warnings.clone(), self.got)
    }

    fn failed(&self, error: BuildError, conditions: Option<Digest>) -> Answer {
        let revision = match &self.source.bound {
            Bound::Entry { fetched, .. } => fetched.as_ref().map(|from| from.revision),
            Bound::Linked { .. } | Bound::Built(_) => None,
        };
        let outcome = Outcome::Failed(Why::Build(Arc::new(error), conditions), revision);
        Answer { module: self.module.clone(), outcome }
    }
}
