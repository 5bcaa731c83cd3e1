//! Ctrl-C, SIGTERM and SIGHUP: the first asks the command to stop and ends it in time, the second ends it at once.
//!
//! A command that checks the [`Cancel`] undoes its work, or is so near its end that it completes. It has [`GRACE`] for
//! that. After that the process ends, and its programs with it, whatever it waits for: a disk that does not answer, a
//! system call that cannot be interrupted, a terminal that takes no output. That is as safe as a power cut, at any point;
//! the next command removes the remains. Only a switch that has begun gets more time, so that the report of it is true.
//!
//! Other commands have changed nothing yet and end at once.

use std::{
    fs::File,
    process,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use modstore::Cancel;
use modstore_core::program;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::exit::Exit;

/// How long a command has to end by itself.
const GRACE: Duration = Duration::from_millis(1500);
/// How long a switch that has begun may take to end.
const SWITCHING: Duration = Duration::from_secs(10);
/// How long the last output may take: there may be no reader.
const LAST_WORDS: Duration = Duration::from_millis(300);

/// The request to stop, and whether the work checks it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interrupt {
    cancel: Cancel,
    heeded: Arc<AtomicBool>,
    switching: Switching,
}

/// Whether a switch has begun and not ended yet.
#[derive(Debug, Clone, Default)]
pub(crate) struct Switching(Arc<AtomicBool>);

impl Switching {
    pub(crate) fn set(&self, is_switching: bool) {
        self.0.store(is_switching, Ordering::SeqCst);
    }

    fn is_on(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

impl Interrupt {
    /// Handles signals from now on. `last_words` prints the end of a command that is ended from outside. With
    /// `interactive`, programs may ask on the terminal, whose settings are then restored.
    pub(crate) fn listen(interactive: bool, last_words: impl Fn() + Send + Sync + 'static) -> Self {
        let interrupt = Self::default();
        let mine = interrupt.clone();
        let terminal = interactive.then(Terminal::remember).flatten();
        let last_words = Arc::new(move || {
            terminal.iter().for_each(Terminal::restore);
            last_words();
        });
        let handler = move || {
            let second = mine.cancel.is_cancelled();
            mine.cancel.cancel();
            if second || !mine.heeded.load(Ordering::SeqCst) {
                stop(&last_words);
            }
            let switching = mine.switching.clone();
            let words = Arc::clone(&last_words);
            let wait = move || stop_in_time(&switching, &words);
            // Without a thread, the handler itself waits, and a second signal has no effect.
            if thread::Builder::new().spawn(wait).is_err() {
                stop_in_time(&mine.switching, &last_words);
            }
        };
        // If no handler can be set, the signals end the process at once, which is safe at any point.
        let _ = ctrlc::set_handler(handler);
        interrupt
    }

    /// The request to stop, for the store.
    pub(crate) const fn cancel(&self) -> &Cancel {
        &self.cancel
    }

    /// The flag that is set during a switch.
    pub(crate) const fn switching(&self) -> &Switching {
        &self.switching
    }

    /// From now on, the work checks the [`Cancel`].
    pub(crate) fn set_heeded(&self) {
        self.heeded.store(true, Ordering::SeqCst);
    }
}

/// The settings of the terminal. A program that asks for a password turns the echo off; without restoring, it stays off.
struct Terminal(File, Termios);

impl Terminal {
    fn remember() -> Option<Self> {
        let terminal = File::open("/dev/tty").ok()?;
        let state = tcgetattr(&terminal).ok()?;
        Some(Self(terminal, state))
    }

    fn restore(&self) {
        // A terminal that is gone needs no settings.
        let _ = tcsetattr(&self.0, OptionalActions::Now, &self.1);
    }
}

/// Ends the process when the work has had its time; a switch that is under way has more.
fn stop_in_time<F: Fn() + Send + Sync + 'static>(switching: &Switching, last_words: &Arc<F>) -> ! {
    let asked = Instant::now();
    thread::sleep(GRACE);
    while switching.is_on() && asked.elapsed() < SWITCHING {
        thread::sleep(Duration::from_millis(20));
    }
    stop(last_words)
}

/// Ends the process and the programs that it runs, whatever its threads do.
fn stop<F: Fn() + Send + Sync + 'static>(last_words: &Arc<F>) -> ! {
    program::end_all();
    let (said, heard) = mpsc::channel::<()>();
    let last_words = Arc::clone(last_words);
    let speak = move || {
        last_words();
        drop(said);
    };
    // The sender is dropped when the output is written, and also if no thread can be started.
    let _ = thread::Builder::new().spawn(speak);
    let _ = heard.recv_timeout(LAST_WORDS);
    process::exit(Exit::Interrupted.code().into())
}
