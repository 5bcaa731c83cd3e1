//! Limits from environment variables: the patience with servers, the delay before a retry, the cost of a pack.
//!
//! They are variables and not options: they belong to a machine and its network, not to a command.

use std::{env, ffi::OsString, panic::resume_unwind, process::ExitCode, thread, time::Duration};

use modstore::Options;
use modstore_core::{disk::user_cache, model::Transport};
use modstore_fetch::{ArchiveLimit, LfsLimit, PackLimit};
use nix::sys::signal::{SigSet, Signal};
use rustix::process::{Resource, getrlimit};

const CONNECT: &str = "MODSTORE_CONNECT_TIMEOUT";
const IDLE: &str = "MODSTORE_IDLE_TIMEOUT";
const PROGRESS: &str = "MODSTORE_PROGRESS_TIMEOUT";
const RATE: &str = "MODSTORE_LOWEST_RATE";
const FETCH: &str = "MODSTORE_FETCH_TIMEOUT";
const RETRY: &str = "MODSTORE_RETRY_AFTER";
const COPY: &str = "MODSTORE_COPY_BYTES";
const GIT_MEMORY: &str = "MODSTORE_GIT_MEMORY";
const TRANSPORT: &str = "MODSTORE_TRANSPORT";
const SHARE: &str = "MODSTORE_SHARE";
const ALLOW_BUILDS: &str = "MODSTORE_ALLOW_BUILDS";

/// Makes a write beyond `ulimit -f` an error, which is undone and reported, instead of a signal that ends the process.
/// Must be called while there is one thread. Programs that modstore starts get the signal as usual.
pub(crate) fn outlive_file_sizes() {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGXFSZ);
    // If the signal cannot be blocked, it ends the process, which is safe at any point.
    let _ = signals.thread_block();
}

/// The size of the stack that a command runs on.
const STACK: usize = 4 << 20;

/// Runs `run` on a stack that is large enough, whatever `ulimit -s` says.
pub(crate) fn with_room(run: fn() -> ExitCode) -> ExitCode {
    let limit = getrlimit(Resource::Stack).current;
    if limit.is_none_or(|limit| limit >= STACK as u64) {
        return run();
    }
    thread::scope(|scope| {
        match thread::Builder::new().stack_size(STACK).spawn_scoped(scope, run) {
            Ok(running) => running.join().unwrap_or_else(|panic| resume_unwind(panic)),
            // Many commands need less.
            Err(_) => run(),
        }
    })
}

/// A variable with a value that makes no sense. Nothing was changed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name} is {}, which is not {wanted}", value.display())]
pub(crate) struct LimitError {
    name: &'static str,
    value: OsString,
    wanted: &'static str,
}

impl LimitError {
    /// The next thing to do.
    pub(crate) fn hint(&self) -> String {
        format!("unset {}, or set it to {}", self.name, self.wanted)
    }
}

/// `options` with the limits that the environment sets.
pub(crate) fn limited(options: Options) -> Result<Options, LimitError> {
    let shared = user_cache().map(|cache| cache.join("modstore/trees"));
    limited_by(Options { shared, ..options }, |name| env::var_os(name))
}

fn limited_by(
    mut options: Options,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Options, LimitError> {
    let limits = &mut options.limits;
    limits.connect = SECONDS.of(CONNECT, &variable)?.unwrap_or(limits.connect);
    limits.idle = SECONDS.of(IDLE, &variable)?.unwrap_or(limits.idle);
    limits.progress = SECONDS.of(PROGRESS, &variable)?.or(limits.progress);
    limits.rate = RATES.of(RATE, &variable)?.or(limits.rate);
    limits.fetch = SECONDS.of(FETCH, &variable)?.unwrap_or(limits.fetch);
    limits.copy = COUNTS.of(COPY, &variable)?.unwrap_or(limits.copy);
    limits.git_memory = COUNTS.of(GIT_MEMORY, &variable)?.unwrap_or(limits.git_memory);
    let retry = &mut options.retry;
    retry.first = SECONDS.of(RETRY, &variable)?.unwrap_or(retry.first);
    retry.most = retry.most.max(retry.first);
    for limit in PackLimit::ALL {
        if let Some(most) = COUNTS.of(limit.variable(), &variable)? {
            options.packs.set(limit, most);
        }
    }
    for limit in ArchiveLimit::ALL {
        if let Some(most) = COUNTS.of(limit.variable(), &variable)? {
            options.archives.set(limit, most);
        }
    }
    options.transport = TRANSPORTS.of(TRANSPORT, &variable)?;
    for limit in LfsLimit::ALL {
        if let Some(most) = COUNTS.of(limit.variable(), &variable)? {
            options.lfs.set(limit, most);
        }
    }
    if SWITCHES.of(SHARE, &variable)? == Some(false) {
        options.shared = None;
    }
    options.allow_builds = SWITCHES.of(ALLOW_BUILDS, &variable)?.unwrap_or(options.allow_builds);
    Ok(options)
}

/// What may be the value of a variable.
struct Values<T> {
    wanted: &'static str,
    read: fn(&str) -> Option<T>,
}

const SECONDS: Values<Duration> = Values {
    wanted: "a number of seconds above 0",
    read: |text| {
        let time = Duration::try_from_secs_f64(text.parse().ok()?).ok()?;
        Some(time).filter(|time| !time.is_zero())
    },
};
const RATES: Values<u64> =
    Values { wanted: "a number of bytes a second", read: |text| text.parse().ok() };
const COUNTS: Values<u64> = Values {
    wanted: "a whole number above 0",
    read: |text| text.parse().ok().filter(|count| *count > 0),
};
const TRANSPORTS: Values<Transport> =
    Values { wanted: "auto or git", read: |text| text.parse().ok() };
const SWITCHES: Values<bool> = Values {
    wanted: "1 or 0",
    read: |text| match text {
        "1" => Some(true),
        "0" => Some(false),
        _ => None,
    },
};

impl<T> Values<T> {
    /// The value of a variable; none if it is not set, or empty.
    fn of(
        &self,
        name: &'static str,
        variable: &impl Fn(&str) -> Option<OsString>,
    ) -> Result<Option<T>, LimitError> {
        let Some(value) = variable(name).filter(|value| !value.is_empty()) else { return Ok(None) };
        match value.to_str().and_then(self.read) {
            None => Err(LimitError { name, value, wanted: self.wanted }),
            read => Ok(read),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACK_MEMORY: &str = "MODSTORE_PACK_MEMORY";

    fn with(name: &'static str, value: &str) -> Result<Options, LimitError> {
        limited_by(Options::default(), |asked| (asked == name).then(|| value.into()))
    }

    #[test]
    fn a_variable_sets_its_limit_and_no_other() {
        let limits = with(IDLE, "0.25").unwrap().limits;
        assert_eq!(
            (limits.idle, limits.connect),
            (Duration::from_millis(250), Options::default().limits.connect)
        );
        assert_eq!(with(CONNECT, "7").unwrap().limits.connect, Duration::from_secs(7));
        assert_eq!(with(PROGRESS, "9").unwrap().limits.progress, Some(Duration::from_secs(9)));
        assert_eq!(with(RATE, "0").unwrap().limits.rate, Some(0));
        assert_eq!(with(FETCH, "90").unwrap().limits.fetch, Duration::from_secs(90));
        assert_eq!(with(RETRY, "0.5").unwrap().retry.first, Duration::from_millis(500));
        assert_eq!(with(RETRY, "9000").unwrap().retry.wait(3), Duration::from_secs(9000));
        assert_eq!(with(PACK_MEMORY, "4096").unwrap().packs.memory, 4096);
        for limit in PackLimit::ALL {
            let name = limit.variable();
            let mut wanted = Options::default().packs;
            wanted.set(limit, 4321);
            assert_ne!(wanted, Options::default().packs, "{name}");
            assert_eq!(with(name, "4321").unwrap().packs, wanted, "{name}");
        }
        assert_eq!(with(COPY, "4321").unwrap().limits.copy, 4321);
        assert_eq!(with(GIT_MEMORY, "4321").unwrap().limits.git_memory, 4321);
        assert_eq!(with(TRANSPORT, "git").unwrap().transport, Some(Transport::Git));
        assert_eq!(with(TRANSPORT, "").unwrap().transport, None);
        assert!(with(ALLOW_BUILDS, "1").unwrap().allow_builds);
        assert!(!with(ALLOW_BUILDS, "0").unwrap().allow_builds);
        for limit in ArchiveLimit::ALL {
            let name = limit.variable();
            let mut wanted = Options::default().archives;
            wanted.set(limit, 4321);
            assert_ne!(wanted, Options::default().archives, "{name}");
            assert_eq!(with(name, "4321").unwrap().archives, wanted, "{name}");
        }
        for limit in LfsLimit::ALL {
            let name = limit.variable();
            let mut wanted = Options::default().lfs;
            wanted.set(limit, 4321);
            assert_ne!(wanted, Options::default().lfs, "{name}");
            assert_eq!(with(name, "4321").unwrap().lfs, wanted, "{name}");
        }
        assert_eq!(with(IDLE, "").unwrap().limits, Options::default().limits);
    }

    #[test]
    fn a_limit_that_is_not_a_number_above_zero_is_refused_by_name() {
        for (name, value) in [
            (IDLE, "soon"),
            (IDLE, "-1"),
            (IDLE, "0"),
            (CONNECT, "NaN"),
            (RATE, "-1"),
            (FETCH, "0"),
            (PACK_MEMORY, "1.5"),
            (ALLOW_BUILDS, "yes"),
            (TRANSPORT, "curl"),
        ] {
            let error = with(name, value).unwrap_err();
            assert!(
                error.to_string().contains(name) && error.to_string().contains(value),
                "{error}"
            );
        }
    }
}
