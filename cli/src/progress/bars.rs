//! On a terminal: a bar for each module at work, and one for all of them.
//!
//! The bars disappear when the work is over; the answer is printed after that.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, OnceLock, PoisonError,
        mpsc::{self, RecvTimeoutError, Sender},
    },
    thread,
    time::Duration,
};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use modstore::{Event, ModuleName, Step};

use super::lines::{WITH_HISTORY, doing_text};
use crate::{
    escape::escaped,
    text::{shortened, size},
};

/// Between two drawings of a bar that does not change.
const TICK: Duration = Duration::from_millis(200);

/// The bars.
#[derive(Debug, Default)]
pub(super) struct Bars {
    all: MultiProgress,
    total: OnceLock<ProgressBar>,
    modules: Mutex<BTreeMap<ModuleName, ProgressBar>>,
    /// Dropped with the bars, which stops their drawing.
    drawing: OnceLock<Sender<()>>,
}

impl Bars {
    pub(super) fn happened(&self, event: Event<'_>) {
        match event {
            Event::Began { modules } => {
                self.total(modules);
            }
            Event::Module { module, step } => self.step(module, step),
            Event::Waiting { holder } => {
                let who = holder.map_or_else(|| "another process".into(), ToString::to_string);
                say(self.total(0), &format!("waiting: {who}"));
            }
            Event::Hashing { bytes, of } => {
                let bar = self.total(0);
                if bar.length() != Some(of) {
                    bar.set_style(style(
                        "{bar:30.green} {bytes}/{total_bytes}  {bytes_per_sec}  {wide_msg}",
                    ));
                    bar.set_length(of);
                }
                bar.set_position(bytes);
            }
            Event::Environment { doing, .. } => {
                if let Some(text) = doing_text(doing, true) {
                    say(self.total(0), &text);
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

    fn total(&self, modules: usize) -> &ProgressBar {
        self.total.get_or_init(|| {
            let bar = self.all.add(ProgressBar::new(modules as u64));
            bar.set_style(style("{bar:30.green} {pos}/{len} modules  {elapsed}  {wide_msg}"));
            self.keep_drawing(bar.clone());
            bar
        })
    }

    /// Draws a bar again and again, so that its clock goes on. indicatif's own ticker panics if no thread can be
    /// started; here the bar stands still then.
    fn keep_drawing(&self, bar: ProgressBar) {
        let (stop, stopped) = mpsc::channel();
        let draw = move || {
            while stopped.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) && !bar.is_finished()
            {
                bar.tick();
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
            Step::Receiving { bytes, objects, of } => {
                let bar = self.bar(module);
                if let Some(of) = of {
                    bar.set_style(style(
                        "{prefix:30!} {bar:20.cyan} {pos}/{len} objects  {wide_msg}",
                    ));
                    bar.set_length(of);
                }
                bar.set_position(objects);
                say(&bar, &size(bytes));
            }
            Step::Submodule(path) => say(&self.bar(module), &format!("submodule {path}")),
            Step::History => say(&self.bar(module), WITH_HISTORY),
            Step::Remote(text) => say(&self.bar(module), text.trim()),
            Step::Unchanged | Step::Fetched | Step::Held | Step::Waiting | Step::Failed(_) => {
                if let Some(bar) = self.lock().remove(module) {
                    bar.finish_and_clear();
                    self.all.remove(&bar);
                }
                self.total(0).inc(1);
            }
            _ => {}
        }
    }

    fn bar(&self, module: &ModuleName) -> ProgressBar {
        let mut modules = self.lock();
        let new = || {
            let bar = self.all.insert_before(self.total(0), ProgressBar::no_length());
            bar.set_style(style("{prefix:30!} {spinner} {wide_msg}"));
            bar.set_prefix(module.to_string());
            bar
        };
        modules.entry(module.clone()).or_insert_with(new).clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<ModuleName, ProgressBar>> {
        // A bar is still usable if a thread panicked while it held the lock.
        self.modules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        for bar in self.lock().values().chain(self.total.get()) {
            bar.finish_and_clear();
        }
        // A terminal that is gone needs no clearing.
        let _ = self.all.clear();
    }
}

/// The only way to put a text into a bar: escaped.
fn say(bar: &ProgressBar, text: &str) {
    bar.set_message(escaped(&shortened(text)).into_owned());
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates here are well-formed")
}
