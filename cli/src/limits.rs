//! The limits that the environment may set: how long a server may keep us waiting, how long what failed is left
//! alone, how much memory a pack may take.
//!
//! They are variables and no options, since they belong to a machine and its network, not to a command.

use std::{
    env, ffi::OsString, num::NonZeroUsize, panic::resume_unwind, process::ExitCode, thread,
    time::Duration,
};

use modstore::Options;
use nix::sys::signal::{SigSet, Signal};
use rustix::process::{Resource, getrlimit};

const CONNECT: &str = "MODSTORE_CONNECT_TIMEOUT";
const IDLE: &str = "MODSTORE_IDLE_TIMEOUT";
const RETRY: &str = "MODSTORE_RETRY_AFTER";
const PACK_MEMORY: &str = "MODSTORE_PACK_MEMORY";

/// A file that grows beyond `ulimit -f` is then an error of the write, which is undone and told, and no signal that ends
/// the process. To be called while there is one thread; programs that are started have it as usual.
pub(crate) fn outlive_file_sizes() {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGXFSZ);
    // Where it cannot be blocked, the process ends by it, which is safe at any point.
    let _ = signals.thread_block();
}

/// The stack that a command runs on.
const STACK: usize = 4 << 20;

/// Runs it on a stack that is large enough, whatever `ulimit -s` says.
pub(crate) fn with_room(run: fn() -> ExitCode) -> ExitCode {
    let limit = getrlimit(Resource::Stack).current;
    if limit.is_none_or(|limit| limit >= STACK as u64) {
        return run();
    }
    thread::scope(|scope| {
        match thread::Builder::new().stack_size(STACK).spawn_scoped(scope, run) {
            Ok(running) => running.join().unwrap_or_else(|panic| resume_unwind(panic)),
            // Some commands need little.
            Err(_) => run(),
        }
    })
}

/// A variable that makes no sense. Nothing was changed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name} is {}, which is no {wanted}", value.display())]
pub(crate) struct LimitError {
    name: &'static str,
    value: OsString,
    wanted: &'static str,
}

impl LimitError {
    /// The next thing to do.
    pub(crate) fn hint(&self) -> String {
        format!("unset {}, or set it to a {}", self.name, self.wanted)
    }
}

/// `options` with the limits that the environment sets.
pub(crate) fn limited(options: Options) -> Result<Options, LimitError> {
    limited_by(options, |name| env::var_os(name))
}

fn limited_by(
    mut options: Options,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Options, LimitError> {
    let look = |name| variable(name).filter(|value| !value.is_empty()).map(|value| (name, value));
    if let Some(time) = look(CONNECT).map(seconds).transpose()? {
        options.limits.connect = time;
    }
    if let Some(time) = look(IDLE).map(seconds).transpose()? {
        options.limits.idle = time;
    }
    if let Some(time) = look(RETRY).map(seconds).transpose()? {
        options.retry.first = time;
        options.retry.most = options.retry.most.max(time);
    }
    if let Some(bytes) = look(PACK_MEMORY).map(bytes).transpose()? {
        options.packs.memory = bytes;
    }
    Ok(options)
}

fn seconds((name, value): (&'static str, OsString)) -> Result<Duration, LimitError> {
    let number: Option<f64> = value.to_str().and_then(|text| text.parse().ok());
    let time = number.and_then(|number| Duration::try_from_secs_f64(number).ok());
    time.filter(|time| !time.is_zero()).ok_or(LimitError {
        name,
        value,
        wanted: "number of seconds above 0",
    })
}

fn bytes((name, value): (&'static str, OsString)) -> Result<usize, LimitError> {
    let number: Option<NonZeroUsize> = value.to_str().and_then(|text| text.parse().ok());
    number.map(NonZeroUsize::get).ok_or(LimitError {
        name,
        value,
        wanted: "number of bytes above 0",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &'static str, value: &str) -> Result<Options, LimitError> {
        limited_by(Options::default(), |asked| (asked == name).then(|| value.into()))
    }

    #[test]
    fn a_limit_is_what_its_variable_says_and_the_others_stay() {
        let limits = with(IDLE, "0.25").unwrap().limits;
        assert_eq!(
            (limits.idle, limits.connect),
            (Duration::from_millis(250), Options::default().limits.connect)
        );
        assert_eq!(with(CONNECT, "7").unwrap().limits.connect, Duration::from_secs(7));
        assert_eq!(with(RETRY, "0.5").unwrap().retry.first, Duration::from_millis(500));
        assert_eq!(with(RETRY, "9000").unwrap().retry.wait(3), Duration::from_secs(9000));
        assert_eq!(with(PACK_MEMORY, "4096").unwrap().packs.memory, 4096);
        assert_eq!(with(IDLE, "").unwrap().limits, Options::default().limits);
    }

    #[test]
    fn a_limit_that_is_no_number_above_zero_is_refused_by_name() {
        for (name, value) in
            [(IDLE, "soon"), (IDLE, "-1"), (IDLE, "0"), (CONNECT, "NaN"), (PACK_MEMORY, "1.5")]
        {
            let error = with(name, value).unwrap_err();
            assert!(
                error.to_string().contains(name) && error.to_string().contains(value),
                "{error}"
            );
        }
    }
}
