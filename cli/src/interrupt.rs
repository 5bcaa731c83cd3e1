//! Ctrl-C, SIGTERM and SIGHUP: the first asks to stop, the second stops.
//!
//! A command that looks at the [`Cancel`] ends in good order, or is so near its end that it is done first.
//! Others have changed nothing yet and end at once. The second signal may leave something behind, which
//! the next command removes.

use std::{
    process,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use modstore::Cancel;

/// The exit code of an interrupted command.
pub(crate) const INTERRUPTED: u8 = 130;

/// The wish to stop, and whether whoever is at work looks at it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interrupt {
    cancel: Cancel,
    heeded: Arc<AtomicBool>,
}

impl Interrupt {
    /// Listens from now on. `last_words` is called before the process ends without anybody else
    /// having a say.
    pub(crate) fn listen(last_words: impl Fn() + Send + 'static) -> Self {
        let interrupt = Self::default();
        let mine = interrupt.clone();
        let handler = move || {
            let second = mine.cancel.is_cancelled();
            mine.cancel.cancel();
            if second || !mine.heeded.load(Ordering::SeqCst) {
                last_words();
                process::exit(i32::from(INTERRUPTED));
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

    /// From now on whoever is at work looks at the [`Cancel`].
    pub(crate) fn set_heeded(&self) {
        self.heeded.store(true, Ordering::SeqCst);
    }
}
