//! The threads that write, hash and delete in parallel: one pool for the process.
//!
//! rayon starts its pool when it is first used, and panics where no thread can be started (`ulimit -u`, a full control
//! group). Whoever may run under such a limit starts the pool here first, and gets an error.

use std::{error::Error as _, io, sync::OnceLock};

use rayon::ThreadPoolBuilder;

/// Starts the pool, unless it runs already.
///
/// # Errors
/// The threads cannot be started. Nothing was changed, and nothing that works in parallel may be called.
pub fn start_workers() -> io::Result<()> {
    // rayon tries once in the life of a process, and says afterwards that there is a pool, whatever came of it.
    static REFUSED: OnceLock<Option<String>> = OnceLock::new();
    let refused = REFUSED.get_or_init(|| {
        let started = ThreadPoolBuilder::new().build_global();
        // Without a cause, there is a pool already: the host's own.
        started.err().filter(|error| error.source().is_some()).map(|error| error.to_string())
    });
    refused.as_ref().map_or(Ok(()), |why| Err(io::Error::other(why.as_str())))
}
