//! Credential helpers and askpass, which are programs: git itself asks them, by `git credential`.
//!
//! So which programs are asked, in which order, with which words, and what is kept or forgotten, is git's to decide, as
//! the configuration of this host says. git runs in a session of its own, without a terminal, unless a person may be
//! asked: nothing that it starts can ask a question there. An askpass that opens a window, or answers by itself, works.
//!
//! git and what it starts are ended when the time of the fetch is used up, when they print too much, or when the user asks
//! to stop. What a helper leaves running when it ended well goes on: that is how `git credential-cache` works.
//!
//! Limits: without a git program there are no helpers. A login that is made in several steps (Negotiate, NTLM) is none here.

use std::{
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use gix::bstr::BString;
use modstore_core::{
    Cancel,
    program::{Input, Manner, ProgramError, Running, Stderr},
};

use super::{
    git_environment::{add_settings, leave_repository},
    pace::Pace,
    watch::Watch,
};
use crate::{
    errors::{LoginError, TransportError, Words},
    limits::{Limits, LowSpeed},
};

/// No login is longer than this.
const MOST: usize = 64 * 1024;

/// The credential helpers of this host.
pub(crate) struct CredentialHelpers {
    /// The repository whose configuration is read besides that of the user and the system.
    repository: PathBuf,
    /// Settings that git is given.
    settings: Vec<(String, String)>,
    interactive: bool,
    /// Held while a person may be asked: one question at a time.
    asking: Mutex<()>,
}

/// A login that helpers gave.
pub(crate) struct HelperLogin {
    pub username: Vec<u8>,
    pub password: Vec<u8>,
    /// The value of an `Authorization` header that is not made of a user and a password: a token.
    pub authorization: Option<String>,
    /// All that was said, which is said again when it was right or wrong.
    answer: Vec<u8>,
    /// Whether that was said already.
    is_kept: AtomicBool,
    is_forgotten: AtomicBool,
}

/// What the helpers do with a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Approve,
    Reject,
}

impl CredentialHelpers {
    pub(crate) fn new(
        repository: &Path,
        settings: Vec<(String, String)>,
        interactive: bool,
    ) -> Self {
        let repository = repository.to_owned();
        Self { repository, settings, interactive, asking: Mutex::new(()) }
    }

    /// Asks for a login for `url`, which may name the user. What they printed instead is the error inside; the error outside
    /// ends the fetch.
    pub(crate) fn fill(
        &self,
        url: &str,
        challenges: &[BString],
    ) -> io::Result<Result<HelperLogin, Words>> {
        let mut question = question(url);
        for challenge in challenges.iter().filter(|challenge| !challenge.contains(&b'\n')) {
            question.extend_from_slice(b"wwwauth[]=");
            question.extend_from_slice(challenge);
            question.push(b'\n');
        }
        let alone = self.interactive.then(|| self.asking.lock());
        let asked = self.run("fill", &question)?;
        drop(alone);
        Ok(asked.and_then(|answer| HelperLogin::read(answer).ok_or_else(Words::default)))
    }

    /// Lets the helpers keep or forget a login that they gave.
    pub(crate) fn tell(&self, login: &HelperLogin, verdict: Verdict) {
        self.report(&login.answer, verdict);
    }

    /// Lets the helpers keep or forget a login that was written in the address `url`.
    pub(crate) fn tell_of(&self, url: &str, user: &str, password: &str, verdict: Verdict) {
        if [user, password].iter().any(|text| text.contains(['\n', '\r', '\0'])) {
            return;
        }
        let mut login = question(url);
        login.extend_from_slice(format!("username={user}\npassword={password}\n").as_bytes());
        self.report(&login, verdict);
    }

    fn report(&self, login: &[u8], verdict: Verdict) {
        let verb = match verdict {
            Verdict::Approve => "approve",
            Verdict::Reject => "reject",
        };
        // A login that cannot be kept, or forgotten, is no reason to fail.
        let _ = self.run(verb, login);
    }

    /// What `git credential` printed, if it ended well, or else its words; an error is one that ends the fetch.
    fn run(&self, verb: &str, input: &[u8]) -> io::Result<Result<Vec<u8>, Words>> {
        let watch = watch();
        let begun = Instant::now();
        let (cancel, limit) = (watch.cancel(), watch.time_left()?);
        let running = Running {
            input: Input::Bytes(input),
            limit,
            cancel,
            told: &|_| {},
            ends_with_us: false,
        };
        let ran = running.run_as(self.command(verb), self.manner());
        watch.spend(begun.elapsed());
        let error: TransportError = match ran {
            Ok(ran) if ran.status.success() => return Ok(Ok(ran.stdout)),
            Ok(ran) => return Ok(Err(own_words(&ran.stderr))),
            Err(ProgramError::Start { source, .. }) if source.kind() == ErrorKind::NotFound => {
                return Ok(Err(Words::of("git, which asks them, is not installed")));
            }
            Err(ProgramError::Cancelled { .. }) => TransportError::Cancelled,
            Err(ProgramError::TimedOut { limit, .. }) => {
                let seconds = limit.as_secs_f64().ceil();
                LoginError::Helper(format!("there was no answer within {seconds} s")).into()
            }
            Err(error @ ProgramError::TooMuch { .. }) => {
                LoginError::Helper(error.to_string()).into()
            }
            Err(error) => LoginError::Helper(error.to_string()).into(),
        };
        // The error kept so far says that the server wants a login; this one says why there is none.
        watch.take_error();
        Err(watch.fail(error))
    }

    /// Why the helpers could not be used, by an error of [`fill`](Self::fill); nothing, when the user asked to stop.
    pub(crate) fn why(&self, error: &io::Error) -> Option<String> {
        let text = error.to_string();
        let prefix = LoginError::Helper(String::new()).to_string();
        text.strip_prefix(&prefix).map(str::to_owned)
    }

    /// An error that ends the fetch: the helpers were asked before, in vain.
    pub(crate) fn fail(&self, why: String) -> io::Error {
        let watch = watch();
        watch.take_error();
        watch.fail(LoginError::Helper(why))
    }

    fn command(&self, verb: &str) -> Command {
        let mut command = Command::new("git");
        command.args(["credential", verb]);
        leave_repository(&mut command);
        // As for the helpers of `git clone`.
        command.env("GIT_DIR", &self.repository);
        add_settings(&mut command, &self.settings);
        if !self.interactive {
            // An agent would ask for a passphrase on the terminal that this names.
            command.env("GIT_TERMINAL_PROMPT", "0").env_remove("GPG_TTY");
        }
        command
    }

    fn manner(&self) -> Manner {
        let stderr = if self.interactive { Stderr::Ours } else { Stderr::Heard };
        Manner {
            shares_our_group: self.interactive,
            has_no_terminal: !self.interactive,
            may_leave_others: true,
            stderr,
            most: MOST,
        }
    }
}

/// The watch of the connection that asks. Outside of a connection the usual limits apply.
fn watch() -> Arc<Watch> {
    Watch::current().unwrap_or_else(|| {
        let limits = Limits::default();
        let pace = Pace::new(&limits, LowSpeed::default()).into();
        Watch::new(Cancel::new(), &limits, Default::default(), pace)
    })
}

/// The question of `git credential` about an address; the address comes first, because git forgets what stood before it.
fn question(url: &str) -> Vec<u8> {
    let line = url.replace(['\n', '\0'], "");
    format!("url={line}\ncapability[]=authtype\ncapability[]=state\n").into_bytes()
}

/// What helpers said, without git's own last words, which say only that no person was asked.
fn own_words(said: &str) -> Words {
    let lines = said.lines().filter(|line| {
        !line.starts_with("fatal: could not read Username")
            && !line.starts_with("fatal: could not read Password")
    });
    Words::of(&lines.collect::<Vec<_>>().join("\n"))
}

impl HelperLogin {
    /// Whether the login is for one path of its place, as git says where `useHttpPath` is set.
    pub(crate) fn is_of_path(&self) -> bool {
        self.answer.split(|byte| *byte == b'\n').any(|line| line.starts_with(b"path="))
    }

    /// Whether the helpers did not receive this before.
    pub(crate) fn is_news(&self, verdict: Verdict) -> bool {
        let told = match verdict {
            Verdict::Approve => &self.is_kept,
            Verdict::Reject => &self.is_forgotten,
        };
        !told.swap(true, Ordering::Relaxed)
    }

    fn read(answer: Vec<u8>) -> Option<Self> {
        let value = |key: &str| {
            let mut lines = answer.split(|byte| *byte == b'\n');
            lines.find_map(|line| line.strip_prefix(key.as_bytes())?.strip_prefix(b"="))
        };
        let text = |key| value(key).and_then(|value| std::str::from_utf8(value).ok());
        let authorization = text("authtype").zip(text("credential"));
        let authorization = authorization.map(|(kind, token)| format!("{kind} {token}"));
        // One of several steps.
        if text("continue").is_some_and(|value| value == "1" || value == "true") {
            return None;
        }
        let (username, password) = (value("username"), value("password"));
        if authorization.is_none() && (username.is_none() || password.is_none()) {
            return None;
        }
        Some(Self {
            username: username.unwrap_or_default().to_vec(),
            password: password.unwrap_or_default().to_vec(),
            authorization,
            answer,
            is_kept: AtomicBool::new(false),
            is_forgotten: AtomicBool::new(false),
        })
    }
}
