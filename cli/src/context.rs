//! [`Context`]: the store, the output and the cancellation, for every command.
//!
//! The store is opened only when a command asks for it: some commands need none.

use std::path::Path;

use modstore::{Cancel, Options, Store};
use modstore_core::{
    disk::{Layout, start_workers},
    model::TierSettings,
};

use crate::{
    effect::Effect,
    exit::Exit,
    home::{self, HomeError},
    interrupt::Interrupt,
    limits,
    options::Global,
    output::{Answer, Output},
    progress::Progress,
    report::Failure,
    tiers::tiers_of,
};

/// The store, the output and the cancellation, for every command.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) global: Global,
    pub(crate) output: Output,
    interrupt: Interrupt,
    place: Result<Layout, HomeError>,
    command: &'static str,
    manual: fn() -> clap::Command,
}

impl Context {
    /// The context of `command`, one of those in `manual`. Signals have their usual effect.
    pub(crate) fn new(
        global: Global,
        command: &'static str,
        manual: fn() -> clap::Command,
    ) -> Self {
        let output = Output::new(&global, command);
        let place = home::store_place(global.home.as_ref(), global.project.as_ref());
        Self { global, output, interrupt: Interrupt::default(), place, command, manual }
    }

    /// The same, with handlers for the signals that end a command.
    pub(crate) fn listening(self) -> Self {
        let last_words = self.output.clone();
        let place = self.place.as_ref().ok().map(|place| place.home().to_owned());
        let interrupt = Interrupt::listen(self.global.interactive, move || {
            last_words.interrupted(place.as_deref());
        });
        let output = self.output.interruptible(interrupt.cancel());
        Self { interrupt, output, ..self }
    }

    /// Starts the threads that the command needs.
    pub(crate) fn ready_for(&self, effect: Effect) -> Result<(), Failure> {
        if effect != Effect::Changes {
            return Ok(());
        }
        start_workers().map_err(|error| {
            Failure::new(Exit::Failed, "cannot start the threads that work in parallel")
                .because(vec![error.to_string()])
                .hint("raise the limit of processes (`ulimit -u`) or of memory (`ulimit -v`)")
        })
    }

    /// Prints the answer of the command, or why it failed, and gives the exit code.
    pub(crate) fn finish<A: Answer>(&self, result: Result<A, Failure>) -> u8 {
        self.output.end(|| self.generation(), result)
    }

    /// All commands and options.
    pub(crate) fn manual(&self) -> clap::Command {
        (self.manual)()
    }

    /// The store's directory.
    pub(crate) fn home(&self) -> Result<&Path, Failure> {
        self.layout().map(Layout::home)
    }

    /// Every path of the store.
    pub(crate) fn layout(&self) -> Result<&Layout, Failure> {
        self.place.as_ref().map_err(|error| Failure::of(Exit::Usage, error).hint(error.hint()))
    }

    /// The number of the current generation, if there is one.
    pub(crate) fn generation(&self) -> Option<u64> {
        crate::output::shown(self.place.as_ref().ok()?.home())
    }

    /// The store, with options that `change` changes.
    pub(crate) fn store_with(&self, change: impl FnOnce(&mut Options)) -> Result<Store, Failure> {
        let mut options = self.options()?;
        change(&mut options);
        self.open(options)
    }

    fn open(&self, options: Options) -> Result<Store, Failure> {
        match self.layout()?.project() {
            Some(project) => Ok(Store::open_project(project, options)?),
            None => Ok(Store::open(self.home()?, options)?),
        }
    }

    /// The store for a command that fetches and publishes nothing: no configuration of tiers is read.
    pub(crate) fn store_without_tiers(&self) -> Result<Store, Failure> {
        self.open(self.options_with(Vec::new())?)
    }

    /// The store, however damaged it is.
    pub(crate) fn store_to_inspect(&self) -> Result<Store, Failure> {
        let options = self.options()?;
        match self.layout()?.project() {
            Some(project) => Ok(Store::open_project_to_inspect(project, options)?),
            None => Ok(Store::open_to_inspect(self.home()?, options)?),
        }
    }

    /// The options for the store, from the command line and the environment.
    pub(crate) fn options(&self) -> Result<Options, Failure> {
        let tiers = match &self.place {
            Ok(layout) => tiers_of(&self.global, layout)
                .map_err(|error| Failure::of(Exit::Usage, &error).hint(error.hint()))?,
            Err(_) => Vec::new(),
        };
        self.options_with(tiers)
    }

    fn options_with(&self, tiers: Vec<TierSettings>) -> Result<Options, Failure> {
        limits::limited(Options {
            tiers,
            lock_limit: self.global.lock_timeout,
            offline: self.global.offline,
            trust_home: self.home().is_ok_and(home::is_trusted),
            interactive: self.global.interactive,
            command: format!("modstore {}", self.command),
            ..Options::default()
        })
        .map_err(|error| Failure::of(Exit::Usage, &error).hint(error.hint()))
    }

    /// The store.
    pub(crate) fn store(&self) -> Result<Store, Failure> {
        self.store_with(|_| {})
    }

    /// Shows the progress of work that checks [`cancel`](Self::cancel).
    pub(crate) fn progress(&self) -> Progress {
        self.heed();
        Progress::new(&self.global, self.interrupt.switching(), self.output.clone())
    }

    /// From now on, the work checks [`cancel`](Self::cancel) often enough to end by itself.
    pub(crate) fn heed(&self) {
        self.interrupt.set_heeded();
    }

    /// Whether the command is to stop.
    pub(crate) const fn cancel(&self) -> &Cancel {
        self.interrupt.cancel()
    }
}
