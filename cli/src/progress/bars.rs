//! On a terminal: a bar for each module at work, and one for all of them.
//!
//! The bars disappear when the work is over; the answer is printed after that. On a narrow terminal a line has less on it,
//! and none is ever wrapped.
//!
//! Limits: a terminal that is made narrower meanwhile is not noticed.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        mpsc::{self, RecvTimeoutError, Sender},
    },
    thread,
    time::{Duration, Instant},
};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use modstore::{Event, ModuleName, Step};

use super::{
    lines::{WITH_HISTORY, doing_text},
    transfer::Transfer,
};
use crate::{escape::escaped, page::terminal_columns, text::shortened};

/// Between two drawings of a bar that does not change.
const TICK: Duration = Duration::from_millis(200);

/// A module at work.
#[derive(Debug, Clone)]
struct AtWork {
    bar: ProgressBar,
    transfer: Option<Transfer>,
}

/// With fewer columns than this, lines have less on them.
const NARROW: u16 = 70;

/// The bars.
#[derive(Debug, Default)]
pub(super) struct Bars {
    all: MultiProgress,
    total: OnceLock<ProgressBar>,
    modules: Arc<Mutex<BTreeMap<ModuleName, AtWork>>>,
    /// Dropped with the bars, which stops their drawing.
    drawing: OnceLock<Sender<()>>,
}

impl Bars {
    pub(super) fn happened(&self, event: Event<'_>) {
        match event {
            // A command may begin more than once, and may have waited for a lock before.
            Event::Began { modules } => self.total().inc_length(modules as u64),
            Event::Looking { done, of } => say(self.total(), &looking(done, of)),
            Event::Module { module, step } => self.step(module, step),
            Event::Waiting { holder } => {
                let who = holder.map_or_else(|| "another process".into(), ToString::to_string);
                say(self.total(), &format!("waiting: {who}"));
            }
            Event::Hashing { bytes, of } => {
                let bar = self.total();
                if bar.length() != Some(of) {
                    bar.set_style(styled(
                        "{bar:30.green} {bytes}/{total_bytes}  {bytes_per_sec}  {wide_msg}",
                        "{bytes}/{total_bytes} {wide_msg}",
                    ));
                    bar.set_length(of);
                }
                bar.set_position(bytes);
            }
            Event::Environment { doing, .. } => {
                if let Some(text) = doing_text(doing, true) {
                    say(self.total(), &text);
                }
            }
            Event::Committing => {
                self.total.get().into_iter().for_each(|total| say(total, "switching"))
            }
            _ => {}
        }
    }

    /// Writes to standard error while the bars are hidden.
    pub(super) fn aside(&self, say: impl FnOnce()) {
        self.all.suspend(say);
    }

    /// The bar of all modules, of which there are none until some have begun.
    fn total(&self) -> &ProgressBar {
        self.total.get_or_init(|| {
            let bar = self.all.add(ProgressBar::new(0));
            bar.set_style(styled(
                "{bar:30.green} {pos}/{len} modules  {elapsed}  {wide_msg}",
                "{pos}/{len} {elapsed} {wide_msg}",
            ));
            self.keep_drawing(bar.clone());
            bar
        })
    }

    /// Draws a bar again and again, so that its clock goes on, and the rates of what is being received. indicatif's own ticker panics if no thread can be
    /// started; here the bar stands still then.
    fn keep_drawing(&self, bar: ProgressBar) {
        let (stop, stopped) = mpsc::channel();
        let modules = Arc::clone(&self.modules);
        let draw = move || {
            while stopped.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) && !bar.is_finished()
            {
                bar.tick();
                lock(&modules).values().for_each(AtWork::show);
            }
        };
        if thread::Builder::new().spawn(draw).is_ok() {
            let _ = self.drawing.set(stop); // Once: the bar is made once.
        }
    }

    fn step(&self, module: &ModuleName, step: Step<'_>) {
        match step {
            Step::Building => say(&self.bar(module), "building"),
            Step::Says(text) => say(&self.bar(module), text.trim()),
            Step::Listing => say(&self.bar(module), "asking"),
            Step::History => say(&self.bar(module), WITH_HISTORY),
            Step::Receiving { bytes, objects, of } => {
                self.bar(module);
                if let Some(at_work) = self.lock().get_mut(module) {
                    at_work.receive(bytes, objects, of);
                }
            }
            Step::Submodule(path) => {
                say(&self.bar(module), &format!("submodule {path}"));
                // What is received next is another pack.
                self.lock().entry(module.clone()).and_modify(|it| it.transfer = None);
            }
            Step::Remote(text) => {
                let bar = self.bar(module);
                // What a server says while its pack arrives is less than how the pack arrives.
                if self.lock().get(module).is_some_and(|it| it.transfer.is_none()) {
                    say(&bar, text.trim());
                }
            }
            Step::Unchanged
            | Step::Fetched
            | Step::Held
            | Step::Cooling
            | Step::Waiting
            | Step::Failed(_) => {
                if let Some(AtWork { bar, .. }) = self.lock().remove(module) {
                    bar.finish_and_clear();
                    self.all.remove(&bar);
                }
                self.total().inc(1);
            }
            _ => {}
        }
    }

    fn bar(&self, module: &ModuleName) -> ProgressBar {
        let mut modules = self.lock();
        let new = || {
            let bar = self.all.insert_before(self.total(), ProgressBar::no_length());
            bar.set_style(styled("{prefix:24!} {spinner} {wide_msg}", "{prefix:12!} {wide_msg}"));
            bar.set_prefix(module.to_string());
            AtWork { bar, transfer: None }
        };
        modules.entry(module.clone()).or_insert_with(new).bar.clone()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ModuleName, AtWork>> {
        lock(&self.modules)
    }
}

/// A bar is still usable if a thread panicked while it held the lock.
fn lock(
    modules: &Mutex<BTreeMap<ModuleName, AtWork>>,
) -> MutexGuard<'_, BTreeMap<ModuleName, AtWork>> {
    modules.lock().unwrap_or_else(PoisonError::into_inner)
}

impl AtWork {
    /// Notes and shows what has arrived. The clock begins with the first byte: until then the server packs.
    fn receive(&mut self, bytes: u64, objects: u64, of: Option<u64>) {
        if bytes == 0 {
            return;
        }
        let transfer = self.transfer.get_or_insert_with(|| Transfer::begun(Instant::now()));
        transfer.received(bytes, objects, of);
        if let Some((objects, of)) = transfer.objects() {
            if self.bar.length() != Some(of) {
                self.bar.set_style(styled(
                    "{prefix:24!} {bar:12.cyan} {wide_msg}",
                    "{prefix:12!} {wide_msg}",
                ));
                self.bar.set_length(of);
            }
            self.bar.set_position(objects);
        }
        self.show();
    }

    /// Shows how much has arrived until now, and how fast.
    fn show(&self) {
        if let Some(transfer) = &self.transfer {
            say(&self.bar, &transfer.text(Instant::now()));
        }
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        for bar in self.lock().values().map(|it| &it.bar).chain(self.total.get()) {
            bar.finish_and_clear();
        }
        // A terminal that is gone needs no clearing.
        let _ = self.all.clear();
    }
}

/// How far the looking at clones is; nothing when it is over.
fn looking(done: usize, of: usize) -> String {
    if done < of { format!("looking at clones, {done} of {of}") } else { String::new() }
}

/// The only way to put a text into a bar: escaped.
fn say(bar: &ProgressBar, text: &str) {
    bar.set_message(escaped(&shortened(text)).into_owned());
}

/// One of two templates, as the terminal is wide or narrow.
fn styled(wide: &str, narrow: &str) -> ProgressStyle {
    let is_narrow = terminal_columns().is_some_and(|columns| columns < NARROW);
    let template = if is_narrow { narrow } else { wide };
    ProgressStyle::with_template(template).expect("the templates here are well-formed")
}
