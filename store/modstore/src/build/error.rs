//! [`BuildError`]: why a module was not built, and when it is worth trying again.
//!
//! What the operating system says comes first, then the exit code, and only then the words of a program: these
//! change with its version and its language. What is not known to pass by itself counts as the fault of what was
//! given: it is tried again when that changes, and not before. `docs/failures.md` has each rule with its reason.

use std::{io, os::unix::process::ExitStatusExt as _, process::ExitStatus};

use gix::bstr::BString;
use modstore_fetch::RefusedTree;

use crate::{
    disk::{DiskError, StagingError},
    model::{BuildSpec, Class, FailureCode, ModuleName, Stage, command_line},
    program::ProgramError,
};

/// A module was not built. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The home cannot be written to.
    #[error(transparent)]
    Staging(#[from] StagingError),
    /// No user has allowed it. Nothing of it was run.
    #[error("its build is not allowed in this store")]
    NotAllowed {
        /// The module.
        module: ModuleName,
        /// What it would run, for a person.
        runs: String,
    },
    /// What it is built from cannot be read.
    #[error("what it is built from cannot be read")]
    Inputs(#[source] DiskError),
    /// The command that names the version of the tools did not do so.
    #[error("the version of the tools that build it is not known")]
    Toolchain(#[source] std::sync::Arc<ProgramError>),
    /// There is no place to build in.
    #[error("there is no place to build it in")]
    Scratch(#[source] DiskError),
    /// The build itself.
    #[error("its build failed")]
    Run(#[source] ProgramError),
    /// The build ended well, and what should be there is not.
    #[error("its build has not made `{output}`")]
    NoOutput {
        /// What was to be made.
        output: String,
    },
    /// The depfile is none.
    #[error("its build has not written the depfile `{path}` as it should")]
    Depfile {
        /// The path, in the module.
        path: String,
        /// What is wrong.
        source: io::Error,
    },
    /// What was built holds what no entry may.
    #[error("what its build has made is not accepted")]
    Refused(#[source] RefusedTree),
    /// What was built cannot be written.
    #[error("what its build has made cannot be kept")]
    Keep(#[source] DiskError),
    /// No file is one that the command runs for.
    #[error("no file in the module matches `{each}`")]
    NoInput {
        /// The globs.
        each: String,
    },
    /// More files than the command is run for.
    #[error("{found} files in the module match `{each}`")]
    TooManyInputs {
        /// The globs.
        each: String,
        /// How many.
        found: usize,
    },
    /// A file that the command would run for has a name that is no text.
    #[error("the path {path:?} is not UTF-8, so that the build cannot run for it")]
    InputName {
        /// The path.
        path: BString,
    },
    /// Two inputs have made other things at one path.
    #[error("the builds of `{}` and `{}` have made different things at `{path}`", inputs[0], inputs[1])]
    SameOutput {
        /// The path.
        path: BString,
        /// The two.
        inputs: [String; 2],
    },
    /// Nothing was made of any input, now or before.
    #[error("the build of every input failed")]
    NoOutputs {
        /// When it is worth trying one of them again.
        class: Class,
    },
    /// What was built was tried, and did not pass.
    #[error("what was built does not pass its validation")]
    Validate(#[source] ProgramError),
}

impl BuildError {
    /// No user has allowed the build of this module.
    pub(crate) fn not_allowed(module: &ModuleName, spec: &BuildSpec) -> Self {
        let commands = spec.commands().into_iter();
        let each = commands.map(|(key, words)| match key {
            "command" => format!("`{}`", command_line(words)),
            key => format!("`{}` ({key})", command_line(words)),
        });
        let mut runs = each.collect::<Vec<_>>().join(", ");
        if let Some((at, _)) = runs.char_indices().nth(MOST_SHOWN) {
            runs.truncate(at);
            runs.push_str("… (`modstore show` lists all of it)");
        }
        Self::NotAllowed { module: module.clone(), runs }
    }

    /// Nothing was begun, because of a wish to stop.
    pub(crate) fn cancelled() -> Self {
        Self::Run(ProgramError::Cancelled { program: "it".into() })
    }

    /// When it is worth trying again.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Staging(_)
            | Self::Inputs(_)
            | Self::Scratch(_)
            | Self::Keep(_)
            | Self::Toolchain(_) => Class::Transient,
            Self::Run(error) | Self::Validate(error) => judge(error).0,
            Self::NoOutputs { class } => *class,
            Self::NoOutput { .. }
            | Self::Depfile { .. }
            | Self::Refused(_)
            | Self::NoInput { .. }
            | Self::TooManyInputs { .. }
            | Self::InputName { .. }
            | Self::SameOutput { .. } => Class::Deterministic,
            Self::NotAllowed { .. } => Class::Permanent,
        }
    }

    /// How far it had come.
    #[must_use]
    pub const fn stage(&self) -> Stage {
        match self {
            Self::Validate(_) => Stage::Validate,
            _ => Stage::Build,
        }
    }

    /// Whether other builds may well fail in the same way now: there is no network, or the time is over, or the build
    /// itself said that it cannot be done now.
    #[must_use]
    pub fn is_of_the_moment(&self) -> bool {
        match self {
            Self::Run(error) | Self::Validate(error) => judge(error).1,
            _ => false,
        }
    }

    /// Whether it ended because of a wish to stop.
    #[must_use]
    pub const fn is_cancelled(&self) -> bool {
        matches!(
            self,
            Self::Run(ProgramError::Cancelled { .. })
                | Self::Validate(ProgramError::Cancelled { .. })
        )
    }

    /// Whether something was tried, so that it says anything of the next time.
    pub(crate) const fn is_telling(&self) -> bool {
        !self.is_cancelled() && !matches!(self, Self::NotAllowed { .. })
    }

    /// A name for the cause that never changes.
    #[must_use]
    pub const fn code(&self) -> FailureCode {
        match self {
            Self::NotAllowed { .. } => FailureCode::BuildNotAllowed,
            Self::Staging(_) | Self::Inputs(_) | Self::Scratch(_) | Self::Keep(_) => {
                FailureCode::Store
            }
            Self::Toolchain(_) | Self::Run(ProgramError::Start { .. }) => FailureCode::Program,
            Self::Run(ProgramError::Cancelled { .. })
            | Self::Validate(ProgramError::Cancelled { .. }) => FailureCode::Cancelled,
            Self::Run(ProgramError::TimedOut { .. }) => FailureCode::Timeout,
            Self::Refused(_) => FailureCode::RefusedTree,
            Self::Validate(_) => FailureCode::Validation,
            Self::Run(_)
            | Self::NoOutput { .. }
            | Self::Depfile { .. }
            | Self::NoInput { .. }
            | Self::TooManyInputs { .. }
            | Self::InputName { .. }
            | Self::SameOutput { .. }
            | Self::NoOutputs { .. } => FailureCode::Build,
        }
    }

    /// The next thing to do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::NotAllowed { module, runs } => {
                return Some(format!("`modstore allow {module}` lets it run {runs}"));
            }
            Self::Toolchain(_) | Self::Run(ProgramError::Start { .. }) => {
                "install it, or correct the module's `build` in modules.toml"
            }
            Self::Run(ProgramError::TimedOut { .. }) => {
                "see whether the network works, or give it more time with `timeout` in its `build`"
            }
            Self::NoOutput { .. } => "correct `output` in the module's `build`",
            Self::NoInput { .. } | Self::TooManyInputs { .. } => {
                "correct `each` in the module's `build`"
            }
            Self::SameOutput { .. } => {
                "let each write to a path of its own: `{stem}` in a word of the command is the input's path without its \
                 extension"
            }
            Self::Depfile { .. } => "correct `depfile` in the module's `build`",
            Self::Run(_) if self.class() == Class::Deterministic => {
                "it is built again when its inputs or its toolchain change, or with --retry"
            }
            _ => return None,
        };
        Some(text.to_owned())
    }
}

/// The most characters of a build's commands that a hint shows.
const MOST_SHOWN: usize = 1000;

/// The exit code by which a build says that it may work at another time; `EX_TEMPFAIL` of sysexits.h.
const LATER: i32 = 75;
/// The exit code by which a build says that what it was given is wrong; `EX_DATAERR`.
const WRONG: i32 = 65;

/// The class of a program's failure, and whether it is of the moment.
fn judge(error: &ProgramError) -> (Class, bool) {
    match error {
        // A tool that is missing may be there tomorrow.
        ProgramError::Start { .. } | ProgramError::Cancelled { .. } => (Class::Transient, false),
        // A network that swallows everything looks like this.
        ProgramError::TimedOut { .. } => (Class::Transient, true),
        ProgramError::Failed { status, said, .. } => {
            let said = said.as_ref().map(|said| said.text().to_lowercase()).unwrap_or_default();
            by_status(*status).unwrap_or_else(|| by_words(&said))
        }
        ProgramError::Answer { .. } | ProgramError::TooMuch { .. } => (Class::Deterministic, false),
    }
}

fn by_status(status: ExitStatus) -> Option<(Class, bool)> {
    match (status.code(), status.signal()) {
        (Some(LATER), _) => Some((Class::Transient, true)),
        (Some(WRONG), _) => Some((Class::Deterministic, false)),
        // A shell tells with 128 and its number that a signal has ended what it ran: killed, or terminated.
        (_, Some(_)) | (Some(137 | 143), _) => Some((Class::Transient, false)),
        _ => None,
    }
}

/// Words for a missing network, as libc, OpenSSL, rustls, Node, npm, Deno, pip, uv, cargo and git write them.
const NETWORK: [&str; 34] = [
    "could not resolve",
    "couldn't resolve",
    "name resolution",
    "name or service not known",
    "failed to lookup address",
    "getaddrinfo",
    "enotfound",
    "eai_again",
    "dns error",
    "network is unreachable",
    "enetunreach",
    "no route to host",
    "ehostunreach",
    "connection refused",
    "econnrefused",
    "connection reset",
    "econnreset",
    "connection closed before",
    "connection aborted",
    "socket hang up",
    "timed out",
    "etimedout",
    "timeout was reached",
    "error sending request",
    "client error (connect)",
    "unable to connect",
    "failed to connect",
    "network error",
    "network timeout",
    "network request failed",
    "502 bad gateway",
    "503 service unavailable",
    "504 gateway",
    "429 too many requests",
];

/// Words for a machine that has no room just now.
const ROOM: [&str; 7] = [
    "no space left on device",
    "enospc",
    "disk quota exceeded",
    "too many open files",
    "emfile",
    "cannot allocate memory",
    "resource temporarily unavailable",
];

/// Words for a server that answered and said no: it depends on an account, not on the inputs.
const REFUSED: [&str; 9] = [
    "401 unauthorized",
    "403 forbidden",
    "404 not found",
    "authentication failed",
    "authentication required",
    "npm error code e401",
    "npm error code e403",
    "npm error code e404",
    "eneedauth",
];

fn by_words(said: &str) -> (Class, bool) {
    let tells = |words: &[&str]| words.iter().any(|word| said.contains(word));
    match () {
        () if tells(&NETWORK) => (Class::Transient, true),
        () if tells(&ROOM) => (Class::Transient, false),
        () if tells(&REFUSED) => (Class::Permanent, false),
        () => (Class::Deterministic, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::Said;

    fn failed(raw: i32, said: &str) -> BuildError {
        BuildError::Run(ProgramError::Failed {
            program: "build".into(),
            status: ExitStatus::from_raw(raw),
            said: Said::of(said.into()),
        })
    }

    fn exit(code: i32, said: &str) -> (Class, bool) {
        let error = failed(code << 8, said);
        (error.class(), error.is_of_the_moment())
    }

    const PASSES: (Class, bool) = (Class::Transient, true);
    const WAITS: (Class, bool) = (Class::Transient, false);
    const STAYS: (Class, bool) = (Class::Deterministic, false);

    #[test]
    fn an_exit_code_of_the_contract_counts_more_than_any_words() {
        assert_eq!(exit(75, "syntax error"), PASSES);
        assert_eq!(exit(65, "connection refused"), STAYS);
    }

    #[test]
    fn a_build_that_was_killed_says_nothing_of_its_inputs() {
        let killed = failed(9, "syntax error");
        assert_eq!((killed.class(), killed.is_of_the_moment()), WAITS);
        assert_eq!((exit(137, ""), exit(143, "")), (WAITS, WAITS));
    }

    #[test]
    fn the_words_of_real_tools_for_a_missing_network_are_known() {
        for said in [
            "error: Import 'https://deno.land/x.ts' failed.\n  error sending request for url: client error (Connect): dns error: failed to lookup address information: Temporary failure in name resolution",
            "npm error code EAI_AGAIN\nnpm error syscall getaddrinfo",
            "npm error code ECONNREFUSED",
            "npm error network timeout at: http://10.0.0.1/is-number",
            "error: Failed loading http://r/@esbuild%2flinux-x64 for package \"@esbuild/linux-x64\"\n\nCaused by:\n    error sending request for url",
            "npm error network request to https://registry.npmjs.org/x failed, reason: connect ENETUNREACH",
            "fatal: unable to access 'https://h/r/': Could not resolve host: h",
            "pip._vendor.urllib3: Failed to establish a new connection: [Errno 101] Network is unreachable",
            "error: Failed to fetch: `https://pypi.org/simple/x/`\n  Caused by: operation timed out",
            "curl: (7) Failed to connect to h port 443",
            "HTTP 503 Service Unavailable",
        ] {
            assert_eq!(exit(1, said), PASSES, "{said}");
        }
    }

    #[test]
    fn a_full_machine_passes_and_a_refusal_is_for_a_person() {
        assert_eq!(exit(1, "write: No space left on device"), WAITS);
        assert_eq!(exit(1, "npm error code E404\n404 Not Found - GET"), (Class::Permanent, false));
    }

    #[test]
    fn all_else_is_the_fault_of_what_was_given() {
        for said in ["error: Expected ';' at main.ts:1:2", "", "panic: index out of range"] {
            assert_eq!(exit(1, said), STAYS, "{said}");
        }
    }

    #[test]
    fn a_time_limit_and_a_missing_tool_pass() {
        let (program, limit, said) = ("build".to_owned(), std::time::Duration::from_secs(1), None);
        let over =
            BuildError::Run(ProgramError::TimedOut { program: program.clone(), limit, said });
        assert_eq!((over.class(), over.is_of_the_moment()), PASSES);
        let source = io::ErrorKind::NotFound.into();
        let missing = BuildError::Run(ProgramError::Start { program, source });
        assert_eq!((missing.class(), missing.is_of_the_moment()), WAITS);
    }
}
