//! Ctrl-C, SIGTERM and SIGHUP: the first asks to stop and sees to it, the second stops.
//!
//! A command that looks at the [`Cancel`] ends in good order, or is so near its end that it is done first. It has
//! [`GRACE`] for that. Whatever it waits for then (a disk that does not answer, a system call that nobody can interrupt,
//! a terminal that takes no more) is not waited for: the process ends, its programs with it. That is as safe as a power
//! cut, at any point; what it leaves behind, the next command removes. Only a switch that has begun may end, so that what
//! is said of it is true.
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

use modstore::{Cancel, program};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

/// The exit code of an interrupted command.
pub(crate) const INTERRUPTED: u8 = 130;

/// How long a command has to end in good order.
const GRACE: Duration = Duration::from_millis(1500);
/// How long a switch that has begun may take to end.
const SWITCHING: Duration = Duration::from_secs(10);
/// How long the last words may take, which nobody may be there to read.
const LAST_WORDS: Duration = Duration::from_millis(300);

/// The wish to stop, and whether whoever is at work looks at it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interrupt {
    cancel: Cancel,
    heeded: Arc<AtomicBool>,
    switching: Switching,
}

/// Whether a switch has begun and not ended.
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
    /// Listens from now on. `last_words` is called before the process ends without anybody else
    /// having a say. What may ask on the terminal is `interactive`.
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
            let (switching, words) = (mine.switching.clone(), Arc::clone(&last_words));
            let wait = move || stop_in_time(&switching, &words);
            // Without a thread for it a second signal is not heard.
            if thread::Builder::new().spawn(wait).is_err() {
                stop_in_time(&mine.switching, &last_words);
            }
        };
        // Where no handler can be set, the signals end the process at once, which is safe at any point.
        let _ = ctrlc::set_handler(handler);
        interrupt
    }

    /// What the store is given.
    pub(crate) const fn cancel(&self) -> &Cancel {
        &self.cancel
    }

    /// Who is to know of a switch.
    pub(crate) const fn switching(&self) -> &Switching {
        &self.switching
    }

    /// From now on whoever is at work looks at the [`Cancel`].
    pub(crate) fn set_heeded(&self) {
        self.heeded.store(true, Ordering::SeqCst);
    }
}

/// The terminal as it was found. Who is asked for a password does not see what is typed, and would not afterwards either.
struct Terminal(File, Termios);

impl Terminal {
    fn remember() -> Option<Self> {
        let terminal = File::open("/dev/tty").ok()?;
        let state = tcgetattr(&terminal).ok()?;
        Some(Self(terminal, state))
    }

    fn restore(&self) {
        // A terminal that is gone has nothing to restore.
        let _ = tcsetattr(&self.0, OptionalActions::Now, &self.1);
    }
}

/// Ends the process when who is at work has had time to, and more of it while a switch is under way.
fn stop_in_time<F: Fn() + Send + Sync + 'static>(switching: &Switching, last_words: &Arc<F>) -> ! {
    let asked = Instant::now();
    thread::sleep(GRACE);
    while switching.is_on() && asked.elapsed() < SWITCHING {
        thread::sleep(Duration::from_millis(20));
    }
    stop(last_words)
}

/// Ends the process and the programs that it runs, whatever its threads are at.
fn stop<F: Fn() + Send + Sync + 'static>(last_words: &Arc<F>) -> ! {
    program::end_all();
    let (said, heard) = mpsc::channel::<()>();
    let last_words = Arc::clone(last_words);
    let speak = move || {
        last_words();
        drop(said);
    };
    // It says nothing, and is gone when it is done; also when no thread can be started.
    let _ = thread::Builder::new().spawn(speak);
    let _ = heard.recv_timeout(LAST_WORDS);
    process::exit(i32::from(INTERRUPTED))
}
