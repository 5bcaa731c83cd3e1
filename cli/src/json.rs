//! The fields of what `--json` prints: one type per command, documented in `docs/json.md`.
//!
//! Around each come `schema`, `command`, `ok` and, on failure, `error` (see `output`). Paths that are no
//! text have the odd bytes replaced; times are in UTC.

use std::error::Error;

use modstore::{
    DeclaredBuild, Leased,
    commit::{Attempt as StoreAttempt, Binding, Bound, Built, MadeFrom},
    environment::{Exception as StoreException, SyncReport},
    model::{ModuleName, Subdirectory},
    update::{
        Cost as StoreCost, Failed as StoreFailed, PutOff, Updated as StoreUpdated,
        Waiting as StoreWaiting,
    },
};
use serde::Serialize;

use crate::{causes::causes, time};

/// What a module is in some generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Served {
    /// Where it comes from, without secrets.
    pub(crate) source: String,
    /// The user's own directory, if it is linked.
    pub(crate) linked: Option<String>,
    /// The entry's digest, if it is not.
    pub(crate) digest: Option<String>,
    /// The part of the entry that is the module.
    pub(crate) subdirectory: Option<String>,
    /// The git commit.
    pub(crate) revision: Option<String>,
    /// The full name of the reference that was followed.
    pub(crate) reference: Option<String>,
    /// The repository's canonical identity.
    pub(crate) origin: Option<String>,
    /// How it was built, if it was.
    pub(crate) built: Option<BuiltFrom>,
}

/// How an entry was built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct BuiltFrom {
    /// The name of all that the build depended on.
    pub(crate) key: String,
    /// The entry it was built from, if that was one.
    pub(crate) entry: Option<String>,
    /// The part of that which is the module.
    pub(crate) subdirectory: Option<String>,
    /// The directory of the user's it was built from, if that was one.
    pub(crate) directory: Option<String>,
    /// The files that the build said it has read.
    pub(crate) read: Vec<String>,
}

impl From<&Built> for BuiltFrom {
    fn from(built: &Built) -> Self {
        let (entry, subdirectory, directory) = match &built.from {
            MadeFrom::Entry { digest, subdirectory, .. } => {
                (Some(digest.to_string()), subdirectory.clone(), None)
            }
            MadeFrom::Directory { path } => (None, None, Some(path.clone())),
        };
        let (key, read) = (built.key.to_string(), built.read.clone());
        Self { key, entry, subdirectory, directory, read }
    }
}

impl From<&Binding> for Served {
    fn from(binding: &Binding) -> Self {
        let source = binding.source.clone();
        let none = || None;
        match &binding.bound {
            Bound::Linked { path } => Self {
                source,
                linked: Some(path.clone()),
                built: None,
                digest: none(),
                subdirectory: none(),
                revision: none(),
                reference: none(),
                origin: none(),
            },
            Bound::Built(built) => Self {
                digest: Some(built.digest.to_string()),
                linked: None,
                subdirectory: None,
                built: Some(BuiltFrom::from(&**built)),
                ..Self::from(&Binding { source, bound: binding.bound.unbuilt() })
            },
            Bound::Entry { digest, subdirectory, fetched } => Self {
                source,
                linked: None,
                built: None,
                digest: Some(digest.to_string()),
                subdirectory: subdirectory.clone(),
                revision: fetched.as_ref().map(|fetched| fetched.revision.clone()),
                reference: fetched.as_ref().and_then(|fetched| fetched.reference.clone()),
                origin: fetched.as_ref().map(|fetched| fetched.origin.clone()),
            },
        }
    }
}

/// `add`, `link`, `unlink` and `update`: what an update did.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Update {
    pub(crate) generation: Option<u64>,
    /// Whether this made the generation.
    pub(crate) committed: bool,
    pub(crate) updated: Vec<Updated>,
    pub(crate) unchanged: Vec<Unchanged>,
    pub(crate) removed: Vec<String>,
    pub(crate) failed: Vec<Failed>,
    /// Not as they are wanted, and not tried now.
    pub(crate) waiting: Vec<Waiting>,
    pub(crate) warnings: Vec<Warning>,
    pub(crate) environments: Vec<Environment>,
    pub(crate) cost: Cost,
}

/// What was done in an environment that follows the store.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Environment {
    /// Its directory.
    pub(crate) environment: String,
    /// Modules that were installed, for the first time or again.
    pub(crate) installed: Vec<String>,
    /// Modules that somebody had uninstalled or replaced, and that are there again.
    pub(crate) healed: Vec<String>,
    /// Modules that are shown no more.
    pub(crate) removed: Vec<String>,
    pub(crate) failed: Vec<Unfollowed>,
}

/// A module that an environment does not have as it is shown.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Unfollowed {
    pub(crate) module: String,
    pub(crate) error: String,
    pub(crate) causes: Vec<String>,
    pub(crate) exception: Option<Exception>,
}

impl Unfollowed {
    /// Of this module, why.
    pub(crate) fn new(module: &ModuleName, error: &(dyn Error + 'static)) -> Self {
        Self {
            module: module.to_string(),
            error: error.to_string(),
            causes: causes(error),
            exception: exception(error).or_else(|| error.downcast_ref().map(Exception::from)),
        }
    }
}

impl From<&SyncReport> for Environment {
    fn from(settled: &SyncReport) -> Self {
        let names = |names: &[ModuleName]| names.iter().map(ToString::to_string).collect();
        let failed = settled.failed.iter().map(|(module, error)| Unfollowed::new(module, error));
        Self {
            environment: settled.prefix.display().to_string(),
            installed: names(&settled.installed),
            healed: names(&settled.reinstalled),
            removed: names(&settled.removed),
            failed: failed.collect(),
        }
    }
}

/// `bind`.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Bind {
    pub(crate) generation: Option<u64>,
    #[serde(flatten)]
    pub(crate) environment: Environment,
    pub(crate) python: String,
    /// What compiled files are made for.
    pub(crate) tag: String,
    pub(crate) installer: Option<String>,
    /// All modules that are bound now.
    pub(crate) bound: Vec<BoundModule>,
    /// Modules that are no Python project.
    pub(crate) skipped: Vec<String>,
    /// A command line that makes an upgrade of the tool in this environment keep the modules.
    pub(crate) upgrade: Option<String>,
    pub(crate) warnings: Vec<String>,
}

/// A module that is bound.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct BoundModule {
    pub(crate) module: String,
    pub(crate) distribution: String,
    /// What it puts on the import path.
    pub(crate) paths: Vec<String>,
}

/// `doctor`.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Doctor {
    pub(crate) generation: Option<u64>,
    pub(crate) quick: bool,
    /// Whether mending was wanted.
    pub(crate) fix: bool,
    pub(crate) environments: Vec<Examined>,
    /// The roots of the caches that were looked at.
    pub(crate) caches: Vec<String>,
    /// What is wrong now.
    pub(crate) findings: Vec<Ailment>,
    /// What was wrong and is not any more.
    pub(crate) mended: Vec<Cured>,
    /// What was tried and did not work.
    pub(crate) trials: Vec<Trial>,
    /// Files that were not understood.
    pub(crate) unclear: Vec<NotUnderstood>,
    /// Why the store cannot be read, if it cannot.
    pub(crate) store_error: Option<String>,
}

/// An environment that a doctor looked at.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Examined {
    /// Its directory.
    pub(crate) environment: String,
    pub(crate) python: String,
    /// The tool that `uv tool` has installed in it.
    pub(crate) tool: Option<String>,
    pub(crate) installer: Option<String>,
    pub(crate) distributions: usize,
    /// How many of them lie elsewhere.
    pub(crate) editables: usize,
    /// Why nothing was imported, if it should have been.
    pub(crate) untried: Option<String>,
}

/// Something that a doctor finds wrong.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Ailment {
    pub(crate) code: &'static str,
    pub(crate) severity: &'static str,
    pub(crate) environment: Option<String>,
    pub(crate) distribution: Option<String>,
    pub(crate) module: Option<String>,
    pub(crate) path: String,
    /// Where it leads.
    pub(crate) target: Option<String>,
    pub(crate) what: String,
    pub(crate) exception: Option<Exception>,
    /// Where it is to lead.
    pub(crate) candidate: Option<Candidate>,
    /// Why it is not mended, if it is not.
    pub(crate) unmended: Option<String>,
    /// What a person types to mend it.
    pub(crate) fix: Option<String>,
}

/// A directory that holds a distribution.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Candidate {
    pub(crate) directory: String,
    /// How it was chosen.
    pub(crate) why: String,
    /// The directories that were not chosen.
    pub(crate) others: Vec<String>,
}

/// Something that was mended.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Cured {
    #[serde(flatten)]
    pub(crate) finding: Ailment,
    /// By what: `uv`, `pip` or `hand`.
    pub(crate) how: String,
}

/// Something that was tried and did not work.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Trial {
    pub(crate) environment: String,
    pub(crate) distributions: Vec<String>,
    pub(crate) how: String,
    pub(crate) causes: Vec<String>,
    /// Whether somebody else was at work.
    pub(crate) busy: bool,
}

/// A file that was not understood.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct NotUnderstood {
    pub(crate) path: String,
    pub(crate) why: String,
}

/// `unbind`.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Unbind {
    pub(crate) generation: Option<u64>,
    pub(crate) environment: String,
    pub(crate) removed: Vec<String>,
}

/// A module that leads to something else now.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Updated {
    pub(crate) module: String,
    /// The digest before.
    pub(crate) from: Option<String>,
    /// The revision before.
    pub(crate) from_revision: Option<String>,
    /// The directory it was linked to before.
    pub(crate) from_linked: Option<String>,
    /// The digest now.
    pub(crate) to: Option<String>,
    pub(crate) revision: Option<String>,
    pub(crate) reference: Option<String>,
    pub(crate) source: String,
    /// The target.
    pub(crate) path: String,
    pub(crate) linked: Option<String>,
    /// How many of the module's files differ, where that can be told.
    pub(crate) files: Option<usize>,
    /// Whether an environment had to install it again.
    pub(crate) reinstalled: bool,
}

impl Updated {
    /// What the store says, and how many files differ.
    pub(crate) fn new(updated: &StoreUpdated, files: Option<usize>) -> Self {
        let (from, to) = (updated.from.as_ref().map(Served::from), Served::from(&updated.to));
        Self {
            module: updated.module.to_string(),
            from: from.as_ref().and_then(|from| from.digest.clone()),
            from_linked: from.as_ref().and_then(|from| from.linked.clone()),
            from_revision: from.and_then(|from| from.revision),
            to: to.digest,
            revision: to.revision,
            reference: to.reference,
            source: to.source,
            path: updated.path.display().to_string(),
            linked: to.linked,
            files,
            reinstalled: false,
        }
    }
}

/// A module that is as it was.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Unchanged {
    pub(crate) module: String,
    pub(crate) digest: Option<String>,
    pub(crate) revision: Option<String>,
}

/// A module that could not be had.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Failed {
    pub(crate) module: String,
    pub(crate) class: String,
    pub(crate) stage: String,
    /// A name for the cause that never changes, where there is one yet.
    pub(crate) code: Option<&'static str>,
    pub(crate) error: String,
    pub(crate) causes: Vec<String>,
    pub(crate) hint: Option<String>,
    /// What importing it raised, if that is why.
    pub(crate) exception: Option<Exception>,
    /// What the module still leads to.
    pub(crate) serving: Option<Serving>,
    /// What is remembered of it, unless it was not really tried.
    pub(crate) attempt: Option<Attempt>,
}

/// The last try of a module that is not as it is wanted.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Attempt {
    pub(crate) class: String,
    pub(crate) stage: String,
    pub(crate) error: String,
    pub(crate) causes: Vec<String>,
    /// The source that was wanted.
    pub(crate) source: String,
    /// The commit that was wanted, if that was found out.
    pub(crate) revision: Option<String>,
    /// How many tries of the same thing have failed.
    pub(crate) count: u64,
    pub(crate) first: String,
    pub(crate) last: String,
    /// From when on a scan tries again; none when only a change or `--retry` brings that about.
    pub(crate) next: Option<String>,
}

impl From<&StoreAttempt> for Attempt {
    fn from(attempt: &StoreAttempt) -> Self {
        Self {
            class: attempt.class.to_string(),
            stage: attempt.stage.to_string(),
            error: attempt.error.clone(),
            causes: attempt.causes.clone(),
            source: attempt.source.clone(),
            revision: attempt.revision.clone(),
            count: attempt.count,
            first: time::stamp(attempt.first),
            last: time::stamp(attempt.last),
            next: attempt.next_scan().map(time::stamp),
        }
    }
}

/// A module that was not tried now.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Waiting {
    pub(crate) module: String,
    /// `until`, `pinned`, `host` or `builds`.
    pub(crate) why: &'static str,
    /// Until when, for `until`.
    pub(crate) until: Option<String>,
    /// Which, for `host`.
    pub(crate) host: Option<String>,
    pub(crate) attempt: Option<Attempt>,
    /// What the module still leads to.
    pub(crate) serving: Option<Serving>,
}

impl From<&StoreWaiting> for Waiting {
    fn from(waiting: &StoreWaiting) -> Self {
        let (why, until, host) = match &waiting.put_off {
            PutOff::Until(until) => ("until", Some(time::stamp(*until)), None),
            PutOff::Host(host) => ("host", None, Some(host.clone())),
            PutOff::Builds => ("builds", None, None),
            _ => ("pinned", None, None),
        };
        Self {
            module: waiting.module.to_string(),
            why,
            until,
            host,
            attempt: waiting.attempt.as_ref().map(Attempt::from),
            serving: waiting.serving.as_ref().map(Serving::from),
        }
    }
}

/// A module that is not as it is wanted, and what it is meanwhile.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Wanting {
    pub(crate) module: String,
    #[serde(flatten)]
    pub(crate) attempt: Attempt,
    pub(crate) serving: Option<Serving>,
    /// When what it still leads to was first shown.
    pub(crate) serving_since: Option<String>,
}

/// What a Python said when it imported a module.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Exception {
    /// Its type; empty, when the process ended without one.
    pub(crate) r#type: String,
    pub(crate) message: String,
    /// The name that was not found, of an `ImportError`.
    pub(crate) name: Option<String>,
    /// What was being imported.
    pub(crate) importing: Option<String>,
    pub(crate) traceback: String,
}

impl From<&StoreException> for Exception {
    fn from(exception: &StoreException) -> Self {
        Self {
            r#type: exception.kind.clone(),
            message: exception.message.clone(),
            name: exception.name.clone(),
            importing: exception.importing.clone(),
            traceback: exception.traceback.clone(),
        }
    }
}

/// What a module that failed still leads to.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Serving {
    pub(crate) digest: Option<String>,
    pub(crate) revision: Option<String>,
    pub(crate) linked: Option<String>,
}

impl From<&StoreFailed> for Failed {
    fn from(failed: &StoreFailed) -> Self {
        let causes = causes(&*failed.error);
        Self {
            module: failed.module.to_string(),
            class: failed.class.to_string(),
            stage: failed.stage.to_string(),
            code: failed.code,
            error: failed.error.to_string(),
            causes,
            hint: failed.hint.clone(),
            exception: exception(&*failed.error),
            serving: failed.serving.as_ref().map(Serving::from),
            attempt: failed.attempt.as_ref().map(Attempt::from),
        }
    }
}

impl From<&Binding> for Serving {
    fn from(binding: &Binding) -> Self {
        let Served { digest, revision, linked, .. } = Served::from(binding);
        Self { digest, revision, linked }
    }
}

/// The exception of a Python among the causes of an error.
fn exception(error: &(dyn Error + 'static)) -> Option<Exception> {
    let mut chain = std::iter::successors(Some(error), |error| (*error).source());
    chain.find_map(|error| error.downcast_ref::<StoreException>()).map(Exception::from)
}

/// Something a person should know.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Warning {
    pub(crate) module: String,
    pub(crate) text: String,
}

/// What an update cost.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Cost {
    pub(crate) requests: u64,
    pub(crate) connections: u64,
    pub(crate) received_bytes: u64,
    pub(crate) files_written: u64,
    pub(crate) files_linked: u64,
    pub(crate) acquire_ms: u64,
    pub(crate) commit_ms: u64,
}

impl From<StoreCost> for Cost {
    fn from(cost: StoreCost) -> Self {
        let milliseconds =
            |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self {
            requests: cost.requests,
            connections: cost.connections,
            received_bytes: cost.received,
            files_written: cost.written,
            files_linked: cost.linked,
            acquire_ms: milliseconds(cost.acquiring),
            commit_ms: milliseconds(cost.committing),
        }
    }
}

/// `add`.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Add {
    pub(crate) generation: Option<u64>,
    /// The names declared, in the order of the sources; none when it failed.
    pub(crate) added: Vec<String>,
    /// The update that followed, unless `--no-update` was given.
    pub(crate) update: Option<Update>,
}

/// `link` and `unlink`.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Link {
    pub(crate) generation: Option<u64>,
    pub(crate) module: String,
    pub(crate) update: Update,
}

/// `remove`.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Remove {
    pub(crate) generation: Option<u64>,
    pub(crate) removed: Vec<String>,
}

/// `outdated`.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Outdated {
    pub(crate) generation: Option<u64>,
    /// Whether an update would change anything.
    pub(crate) outdated: bool,
    pub(crate) modules: Vec<OutdatedModule>,
}

/// What an update would do to a module.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct OutdatedModule {
    pub(crate) module: String,
    /// `stay`, `move`, `go` or `fail`.
    pub(crate) would: &'static str,
    pub(crate) now: Option<Served>,
    /// The commit it would move to, if that is git.
    pub(crate) revision: Option<String>,
    pub(crate) reference: Option<String>,
    pub(crate) failure: Option<Failed>,
}

/// `list`.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct List {
    pub(crate) generation: Option<u64>,
    pub(crate) modules: Vec<Listed>,
}

/// A module that is declared, shown, or both.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Listed {
    pub(crate) module: String,
    /// The path that stays.
    pub(crate) target: String,
    /// The source in modules.toml, without secrets.
    pub(crate) declared: Option<String>,
    /// What is shown.
    pub(crate) served: Option<Served>,
    /// The generation that made it so.
    pub(crate) since_generation: Option<u64>,
    /// When that was.
    pub(crate) since: Option<String>,
    /// The last try, if it is not as it is wanted.
    pub(crate) attempt: Option<Attempt>,
}

/// A build that modules.toml declares, and whether it may run.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Build {
    pub(crate) module: String,
    pub(crate) allowed: bool,
    pub(crate) command: Vec<String>,
    /// Names the version of the tools.
    pub(crate) toolchain: Option<Vec<String>>,
    /// Is run on the result.
    pub(crate) validate: Option<Vec<String>>,
    /// What of the module's directory becomes the entry; all of it, if this is null.
    pub(crate) output: Option<String>,
    pub(crate) depfile: Option<String>,
    pub(crate) inputs: Vec<String>,
    /// The variables that are passed on.
    pub(crate) env: Vec<String>,
    pub(crate) timeout_ms: u64,
}

impl From<DeclaredBuild> for Build {
    fn from(build: DeclaredBuild) -> Self {
        let DeclaredBuild { module, spec, is_allowed: allowed, .. } = build;
        let path = |path: Option<Subdirectory>| path.map(|path| path.to_string());
        Self {
            module: module.to_string(),
            allowed,
            command: spec.command,
            toolchain: spec.toolchain,
            validate: spec.validate,
            output: path(spec.output),
            depfile: path(spec.depfile),
            inputs: spec.inputs,
            env: spec.env,
            timeout_ms: u64::try_from(spec.timeout.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// `allow`.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Allow {
    pub(crate) generation: Option<u64>,
    /// Those that are allowed now, or all, if that was asked for.
    pub(crate) builds: Vec<Build>,
    /// Modules of which nothing is allowed any more.
    pub(crate) revoked: Vec<String>,
}

/// `show`.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Show {
    pub(crate) generation: Option<u64>,
    #[serde(flatten)]
    pub(crate) listed: Listed,
    /// Where the target leads right now.
    pub(crate) entry: Option<String>,
    /// Of the whole entry.
    pub(crate) files: Option<u64>,
    /// Of the whole entry.
    pub(crate) bytes: Option<u64>,
    /// How it is built, if it is.
    pub(crate) build: Option<Build>,
    /// The generations that changed it, the newest first.
    pub(crate) history: Vec<ModuleChange>,
}

/// A generation that changed a module.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ModuleChange {
    pub(crate) generation: u64,
    pub(crate) at: String,
    pub(crate) served: Option<Served>,
}

/// `path`.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Path {
    pub(crate) generation: Option<u64>,
    pub(crate) module: String,
    pub(crate) path: String,
}

/// `status`.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Status {
    pub(crate) generation: Option<u64>,
    pub(crate) home: String,
    /// When the generation was made.
    pub(crate) at: Option<String>,
    /// The command that made it.
    pub(crate) reason: Option<String>,
    /// How many modules are shown.
    pub(crate) modules: usize,
    pub(crate) linked: Vec<String>,
    /// Declared, but not shown.
    pub(crate) missing: Vec<String>,
    /// Shown, but not declared any more.
    pub(crate) undeclared: Vec<String>,
    /// Not as they are wanted, and why.
    pub(crate) attempts: Vec<Wanting>,
    /// Modules whose build is not allowed.
    pub(crate) to_allow: Vec<String>,
    /// How many generations the store knows.
    pub(crate) generations: usize,
    /// How many entries.
    pub(crate) entries: usize,
    /// The files of all entries, as if none were shared.
    pub(crate) bytes: u64,
    /// The environments that follow the store.
    pub(crate) environments: Vec<Following>,
    /// By generation.
    pub(crate) leases: Vec<Lease>,
    /// What a crash left, or could not be cleaned up; it does no harm.
    pub(crate) leftovers: Vec<Leftover>,
}

/// A name that nothing needs any more.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Leftover {
    pub(crate) path: String,
    /// What kind of thing it is, as `verify` calls it.
    pub(crate) code: &'static str,
    /// In words.
    pub(crate) what: String,
}

/// A lease that somebody holds.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Lease {
    /// The generation it keeps.
    pub(crate) generation: u64,
    /// The process that took it.
    pub(crate) pid: Option<u32>,
    /// What that process was.
    pub(crate) command: Option<String>,
    /// When it took it.
    pub(crate) since: Option<String>,
}

/// An environment that follows the store.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Following {
    /// Its directory.
    pub(crate) environment: String,
    pub(crate) python: String,
    /// The modules that are bound.
    pub(crate) modules: Vec<String>,
    /// Whether its directory is not there.
    pub(crate) missing: bool,
    /// Whether it has what is shown, as far as a quick look tells.
    pub(crate) follows: bool,
}

impl From<Leased> for Lease {
    fn from(Leased { generation, holder }: Leased) -> Self {
        Self {
            generation: generation.number(),
            pid: holder.as_ref().map(|holder| holder.pid),
            since: holder.as_ref().map(|holder| time::stamp(holder.since.saturating_mul(1000))),
            command: holder.map(|holder| holder.command),
        }
    }
}

/// `events`.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Events {
    pub(crate) generation: Option<u64>,
    /// In the order in which they happened.
    pub(crate) events: Vec<serde_json::Value>,
}

/// `history`.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct History {
    pub(crate) generation: Option<u64>,
    /// The newest first.
    pub(crate) generations: Vec<Past>,
}

/// A generation.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Past {
    pub(crate) number: u64,
    pub(crate) at: String,
    /// The command that made it.
    pub(crate) reason: String,
    /// The generation it went back to.
    pub(crate) restores: Option<u64>,
    pub(crate) shown: bool,
    /// Whether it is kept no longer, so that nobody can go back to it.
    pub(crate) retired: bool,
    pub(crate) changes: Vec<Change>,
}

/// How a module differs between two generations.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Change {
    pub(crate) module: String,
    pub(crate) from: Option<Served>,
    pub(crate) to: Option<Served>,
}

/// `diff`.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Diff {
    pub(crate) generation: Option<u64>,
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) modules: Vec<Differing>,
}

/// A module that differs, down to its files.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Differing {
    #[serde(flatten)]
    pub(crate) change: Change,
    /// None when one side is linked or its list of files is gone.
    pub(crate) files: Option<Files>,
}

/// Paths that differ between two entries.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Files {
    pub(crate) added: Vec<String>,
    pub(crate) changed: Vec<String>,
    pub(crate) removed: Vec<String>,
}

/// `verify`.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Verify {
    pub(crate) generation: Option<u64>,
    pub(crate) home: String,
    /// Whether there is no damage.
    pub(crate) sound: bool,
    /// `quick` or `full`.
    pub(crate) depth: &'static str,
    /// After the repair, if there was one.
    pub(crate) findings: Vec<Finding>,
    pub(crate) checked: Checked,
    /// What `--repair` did.
    pub(crate) repair: Option<Repair>,
}

/// What a repair did.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Repair {
    pub(crate) mended: Vec<Mended>,
    pub(crate) unmended: Vec<Unmended>,
    /// What became of the history, when the journal was made anew.
    pub(crate) journal: Option<NewJournal>,
}

/// Something that is damaged no longer.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Mended {
    pub(crate) path: String,
    pub(crate) how: &'static str,
    /// Where the damaged thing is now.
    pub(crate) aside: Option<String>,
    pub(crate) modules: Vec<String>,
}

/// Something that could not be mended.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Unmended {
    pub(crate) path: String,
    pub(crate) error: String,
    pub(crate) causes: Vec<String>,
    pub(crate) hint: Option<String>,
    pub(crate) modules: Vec<String>,
}

/// A journal that was made anew.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct NewJournal {
    /// How many frames could still be read.
    pub(crate) frames: usize,
    pub(crate) generations: Vec<u64>,
    /// Generations of which nobody can say what they were.
    pub(crate) lost: Vec<u64>,
    /// Modules whose source or commit is known no more, with the generation.
    pub(crate) unclear: Vec<Unclear>,
}

/// A module of which only the tree is known.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Unclear {
    pub(crate) generation: u64,
    pub(crate) module: String,
}

/// One thing that is wrong.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Finding {
    /// See `docs/verify.md`.
    pub(crate) code: &'static str,
    /// `damage`, `warning`, `leftover` or `note`.
    pub(crate) severity: &'static str,
    pub(crate) path: String,
    /// The digest of the entry it is about.
    pub(crate) entry: Option<String>,
    /// The modules concerned.
    pub(crate) modules: Vec<String>,
    /// The kept generations concerned.
    pub(crate) generations: Vec<u64>,
    pub(crate) what: String,
    /// What a repair does about it.
    pub(crate) mend: &'static str,
}

/// How much was looked at.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Checked {
    /// Of the journal.
    pub(crate) frames: u64,
    pub(crate) generations: u64,
    pub(crate) links: u64,
    pub(crate) entries: u64,
    /// Files and links in the entries.
    pub(crate) files: u64,
    /// Read and hashed.
    pub(crate) bytes: u64,
}

/// `rollback`.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Rollback {
    pub(crate) generation: Option<u64>,
    /// The generation shown before.
    pub(crate) from: Option<u64>,
    /// The generation whose modules are shown again.
    pub(crate) restores: Option<u64>,
    pub(crate) changes: Vec<Change>,
}

/// `gc`.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Gc {
    pub(crate) generation: Option<u64>,
    /// Whether nothing was changed, and all of it only would be.
    pub(crate) dry_run: bool,
    /// Generations that are kept no longer.
    pub(crate) retired: Vec<u64>,
    /// Directories of generations that a crash left.
    pub(crate) leftovers: Vec<u64>,
    pub(crate) removed: Vec<GcEntry>,
    pub(crate) kept: Vec<GcKept>,
    /// By the hash of their origin.
    pub(crate) mirrors: Vec<String>,
    /// Names in the store's directories that are not modstore's.
    pub(crate) unknown: Vec<String>,
    /// How many generations and entries came into use after the plan was made, and stay.
    pub(crate) spared: usize,
    /// On the disk, hard links counted once.
    pub(crate) kept_disk_bytes: u64,
    /// On the disk, hard links counted once.
    pub(crate) freed_disk_bytes: u64,
    /// How many trees and files were deleted.
    pub(crate) deleted: usize,
    /// How many are still to be deleted.
    pub(crate) trash: usize,
    pub(crate) compacted: bool,
    /// Environments that are gone, and looked after no longer.
    pub(crate) forgotten: Vec<String>,
    #[serde(skip)]
    pub(crate) interrupted: bool,
    /// So many entries are listed for people, or none.
    #[serde(skip)]
    pub(crate) listed: usize,
}

/// An entry, what it costs, and why it goes or stays.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct GcEntry {
    pub(crate) digest: String,
    pub(crate) bytes: u64,
    /// On the disk, not shared with anything.
    pub(crate) disk_bytes: u64,
    pub(crate) why: String,
}

/// An entry that stays.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct GcKept {
    #[serde(flatten)]
    pub(crate) entry: GcEntry,
    /// The kept generations that the journal counts it in.
    pub(crate) generations: Vec<u64>,
    /// What on the disk leads to it.
    pub(crate) roots: Vec<String>,
    /// `only_disk` or `only_journal`.
    pub(crate) disagreement: Option<&'static str>,
}

/// `reset`.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Reset {
    pub(crate) generation: Option<u64>,
    /// Whether nothing was changed, and all of it only would be.
    pub(crate) dry_run: bool,
    /// Whether the store was taken away.
    pub(crate) purge: bool,
    /// What was had anew.
    pub(crate) update: Option<Update>,
    /// What was dropped, or would be.
    pub(crate) dropped: Option<Gc>,
    /// What a purge took away, or would.
    pub(crate) removed: Vec<String>,
    /// What it left, or would.
    pub(crate) stay: Vec<Stay>,
    /// The environments it took modules out of, or would.
    pub(crate) unbound: Vec<String>,
    /// Who keeps it from being done.
    pub(crate) leases: Vec<Lease>,
}

/// Something that stays.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Stay {
    pub(crate) path: String,
    pub(crate) why: String,
}

/// `helper`.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Helper {
    pub(crate) generation: Option<u64>,
    pub(crate) language: &'static str,
    pub(crate) text: &'static str,
}

/// `completions`.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Completions {
    pub(crate) generation: Option<u64>,
    pub(crate) shell: String,
    pub(crate) script: String,
}

/// `demo`.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Demo {
    /// Of the demo's own store.
    pub(crate) generation: Option<u64>,
    pub(crate) directory: String,
    /// Whether the directory is still there.
    pub(crate) kept: bool,
    pub(crate) steps: Vec<DemoStep>,
}

/// A step of the demo.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct DemoStep {
    pub(crate) title: String,
    pub(crate) commands: Vec<String>,
    /// What was checked, and found true.
    pub(crate) checked: Vec<String>,
}
