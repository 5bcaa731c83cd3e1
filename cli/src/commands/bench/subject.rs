//! [`Measured`]: a scratch store that is updated and swept by a churn, and tells its meter what it does.

use std::{collections::BTreeSet, io, path::Path, sync::Arc, time::Duration};

use modstore::{Digest, Event, Events, ModuleName, Options, Policy, Step, Store, UpdateRequest};
use modstore_core::{
    disk::{self, Disk, Observer, Verb},
    model::causes,
};
use modstore_testbed::{Act, Fetched, LiveEntries, Meter, Phase, Subject};

use super::args::ChurnArgs;
use crate::{context::Context, exit::Exit, report::Failure};

/// The store.
pub(super) struct Measured<'a> {
    context: &'a Context,
    store: Store,
    observer: Arc<MeterReader>,
    policy: Policy,
    /// Whether every module must be fetched: they were made for this.
    strict: bool,
}

/// Passes on what the store does.
#[derive(Debug, Default)]
struct MeterReader(Meter);

impl<'a> Measured<'a> {
    /// A new store in `home`.
    pub(super) fn open(
        context: &'a Context,
        args: &ChurnArgs,
        home: &Path,
    ) -> Result<Self, Failure> {
        let observer = Arc::new(MeterReader::default());
        let disk = Disk::observed(Arc::<MeterReader>::clone(&observer));
        let options = Options { jobs: args.jobs.get().into(), sweep: None, ..context.options()? };
        Ok(Self {
            context,
            store: Store::open_on(disk, home, options)?,
            observer,
            policy: Policy { keep: args.keep.into(), grace: Duration::ZERO, max_bytes: None },
            strict: !args.real,
        })
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    pub(super) fn meter(&self) -> &Meter {
        &self.observer.0
    }

    fn fetch(&self, request: &UpdateRequest) -> Result<Fetched, Failure> {
        let report = self.store.update(request, &*self.observer, self.context.cancel())?;
        if let Some(failed) = report.failed.first().filter(|_| self.strict) {
            let message = format!("{} could not be fetched", failed.module);
            return Err(Failure::new(Exit::Failed, message).because(causes(&*failed.error)));
        }
        Ok(Fetched {
            failed: report.failed.len(),
            requests: report.cost.requests,
            connections: report.cost.connections,
            received: report.cost.received,
        })
    }
}

impl Subject for Measured<'_> {
    type Failure = Failure;

    fn update(&self) -> Result<Fetched, Failure> {
        self.fetch(&UpdateRequest::default())
    }

    fn fetch_again(&self, modules: &[String]) -> Result<Fetched, Failure> {
        let names = modules.iter().filter_map(|name| name.parse::<ModuleName>().ok()).collect();
        self.fetch(&UpdateRequest { names, refetch: true, ..UpdateRequest::default() })
    }

    fn sweep(&self) -> Result<(), Failure> {
        let plan = self.store.plan_sweep(&self.policy)?;
        self.store.sweep(plan, &*self.observer, self.context.cancel())?;
        Ok(())
    }

    fn live(&self) -> Result<LiveEntries, Failure> {
        let state = self.store.state()?;
        let layout = self.store.layout();
        let mut live = LiveEntries { home: layout.home().to_owned(), ..LiveEntries::default() };
        let mut digests: BTreeSet<Digest> = BTreeSet::new();
        for (module, binding) in state.modules() {
            // A linked module is the user's own directory.
            let Some(digest) = binding.digest() else { continue };
            live.targets.push(self.store.target(module));
            if digests.insert(digest) {
                live.bytes += state.entry(digest).map_or(0, |entry| entry.bytes);
                live.entries.push(layout.entry(digest));
            }
        }
        Ok(live)
    }
}

impl Events for MeterReader {
    fn happened(&self, event: Event<'_>) {
        match event {
            Event::Module { module, step } => {
                let phase = match step {
                    Step::Listing => Some(Phase::Check),
                    Step::Receiving { .. } | Step::Remote(_) => Some(Phase::Fetch),
                    _ => None,
                };
                self.0.module(module.as_str(), phase);
            }
            Event::Committing => self.0.commit(),
            _ => {}
        }
    }
}

impl Observer for MeterReader {
    fn before(&self, act: disk::Act<'_>) -> io::Result<()> {
        self.0.act(match act.verb {
            Verb::CreateFile | Verb::Symlink => Act::Create,
            Verb::HardLink => Act::HardLink,
            Verb::SyncFileSystem | Verb::SyncFile | Verb::SyncDir => Act::Sync,
            Verb::Append => Act::Record,
            _ => Act::Other,
        });
        Ok(())
    }

    fn wrote(&self, bytes: u64) {
        self.0.wrote(bytes);
    }
}
