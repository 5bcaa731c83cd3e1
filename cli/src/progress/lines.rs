//! Without a terminal: a line when a module is fetched, and one every few seconds while that takes long.
//!
//! Without `--verbose`, unchanged modules are not mentioned.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use modstore::{Event, ModuleName, Step};
use modstore_core::events::Doing;

use super::{pace::Pace, transfer::Transfer};
use crate::{
    page::on_stderr,
    text::{count, shortened, size},
};

/// How often a module that is being received is mentioned.
const PAUSE: Duration = Duration::from_secs(5);

/// The lines.
#[derive(Debug)]
pub(super) struct Lines {
    verbose: bool,
    pace: Pace,
    transfers: Mutex<BTreeMap<ModuleName, Transfer>>,
}

impl Lines {
    pub(super) fn new(verbose: bool) -> Self {
        Self { verbose, pace: Pace::after(PAUSE), transfers: Mutex::default() }
    }

    pub(super) fn happened(&self, event: Event<'_>) {
        match event {
            Event::Began { modules } if self.verbose => {
                say(&format!("looking at {}", count(modules, "module")))
            }
            Event::Looking { done, of } if done < of && self.pace.is_time(None) => {
                say(&format!("looking at clones, {done} of {of}"))
            }
            Event::Module { module, step } => self.step(module, step),
            Event::Waiting { holder: Some(holder) } => say(&format!("waiting: {holder}")),
            Event::Waiting { holder: None } => say("waiting: another process holds the lock"),
            Event::Deleting { done, of } if self.verbose && done == of => {
                say(&format!("deleted {} from the trash", count(of, "name")))
            }
            Event::Hashing { bytes, of } if self.pace.is_time(None) => {
                say(&format!("hashing, {} of {}", size(bytes), size(of)))
            }
            Event::Environment { prefix, doing } => self.environment(prefix, doing),
            Event::Committing if self.verbose => say("switching"),
            _ => {}
        }
    }

    fn step(&self, module: &ModuleName, step: Step<'_>) {
        match step {
            Step::Fetched => say(&format!("{module}: fetched")),
            Step::Receiving { bytes, objects, of } => self.receive(module, (bytes, objects, of)),
            Step::Listing if self.verbose => say(&format!("{module}: asking its repository")),
            Step::Unchanged if self.verbose => say(&format!("{module}: unchanged")),
            Step::Building => say(&format!("{module}: building")),
            Step::History => say(&format!("{module}: {WITH_HISTORY}")),
            Step::Says(text) if self.verbose => say(&format!("{module}: {}", text.trim_end())),
            Step::Cooling if self.verbose => say(&format!("{module}: its new commit is too young")),
            Step::Held if self.verbose => say(&format!("{module}: held")),
            Step::Waiting if self.verbose => say(&format!("{module}: not tried now")),
            Step::Submodule(path) if self.verbose => {
                say(&format!("{module}: fetching its submodule {path}"))
            }
            Step::Remote(text) if self.verbose => {
                say(&format!("{module}: server: {}", text.trim()))
            }
            _ => {}
        }
    }

    fn receive(&self, module: &ModuleName, (bytes, objects, of): (u64, u64, Option<u64>)) {
        if bytes == 0 {
            return;
        }
        let now = Instant::now();
        let mut transfers = self.transfers.lock().unwrap_or_else(PoisonError::into_inner);
        let transfer = transfers.entry(module.clone()).or_insert_with(|| Transfer::begun(now));
        transfer.received(bytes, objects, of);
        if self.pace.is_time(Some(module)) {
            let known = transfer.objects();
            let known =
                known.map_or_else(String::new, |(it, of)| format!(" {it} of {of} objects,"));
            say(&format!("{module}: receiving,{known} {}", transfer.text(now)));
        }
    }

    fn environment(&self, prefix: &Path, doing: Doing<'_>) {
        // Many at once, and over in a moment: a few lines of them say as much.
        if matches!(doing, Doing::Importing { done: 1.., .. })
            && !self.verbose
            && !self.pace.is_time(None)
        {
            return;
        }
        if let Some(text) = doing_text(doing, self.verbose) {
            say(&format!("{}: {text}", prefix.display()));
        }
    }
}

/// What a step means that may take long.
pub(super) const WITH_HISTORY: &str = "the server does not give this commit by its id; fetching all branches and tags with their history";

/// What is done in an environment, in words. The output of an installer only if `verbose`.
pub(super) fn doing_text(doing: Doing<'_>, verbose: bool) -> Option<String> {
    match doing {
        Doing::Probing { module, number, of } => {
            Some(format!("asking the build backend of {module} ({number} of {of})"))
        }
        Doing::Adding { requirements } => Some(format!(
            "adding what new versions require: {}",
            count(requirements, "requirement")
        )),
        Doing::Importing { done: 0, of } => Some(format!("importing {}", count(of, "module"))),
        Doing::Importing { done, of } => {
            Some(format!("imported {done} of {}", count(of, "module")))
        }
        Doing::Installing { modules } => Some(format!("installing {}", count(modules, "module"))),
        Doing::Said(text) if verbose => Some(text.trim().to_owned()),
        _ => None,
    }
}

fn say(text: &str) {
    on_stderr(|to| writeln!(to, "{}", shortened(text)));
}
