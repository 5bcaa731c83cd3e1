//! Logins that a program prints, kept until they expire.

use std::{
    fmt,
    process::Command,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use modstore_core::program::{Input, Running};
use object_store::CredentialProvider;

use super::exchange::{Exchange, Fault};

/// How long the program may take. Some of them ask a server.
const LIMIT: Duration = Duration::from_secs(60);
/// A login that says when it expires is asked for again this long before.
const EARLY: Duration = Duration::from_secs(5 * 60);
/// One that does not say it is kept this long.
const KEPT: Duration = Duration::from_secs(10 * 60);

/// A login, and when it expires.
pub(super) type Expiring<T> = (T, Option<SystemTime>);

/// A login that a program prints.
pub(super) struct Printed<T> {
    command: Vec<String>,
    read: fn(&str) -> Option<Expiring<T>>,
    held: Mutex<Option<(Arc<T>, SystemTime)>>,
}

/// Why there is no login. What it was is noted in the call that it belongs to.
#[derive(Debug, thiserror::Error)]
#[error("no login")]
pub(super) struct NoLogin;

impl<T> fmt::Debug for Printed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Printed").field(&self.program()).finish()
    }
}

impl<T> Printed<T> {
    /// What `command` prints, read by `read`. It is run when a login is needed.
    pub(super) fn by(command: Vec<String>, read: fn(&str) -> Option<Expiring<T>>) -> Self {
        Self { command, read, held: Mutex::default() }
    }

    fn program(&self) -> &str {
        self.command.first().map(String::as_str).unwrap_or_default()
    }

    /// The login. Threads that need it at once wait for one run of the program.
    pub(super) fn login(&self) -> Result<Arc<T>, NoLogin> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((login, until)) = &*held
            && *until > SystemTime::now()
        {
            return Ok(Arc::clone(login));
        }
        let (login, expires) = self.ask()?;
        let now = SystemTime::now();
        let until = expires.map_or(now + KEPT, |expires| expires.checked_sub(EARLY).unwrap_or(now));
        let login = Arc::new(login);
        *held = Some((Arc::clone(&login), until));
        Ok(login)
    }

    /// Forgets a login that was refused.
    pub(super) fn forget(&self) {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn ask(&self) -> Result<Expiring<T>, NoLogin> {
        let exchange = Exchange::current();
        let mut command = Command::new(self.program());
        command.args(self.command.iter().skip(1));
        let running = Running {
            input: Input::Nothing,
            limit: LIMIT,
            cancel: exchange.cancel(),
            told: &|_| {},
            ends_with_us: true,
        };
        // What it says may have a secret in it, so an error has only how it ended.
        let printed = running.succeed(command).map_err(|error| error.to_string());
        let printed = printed.and_then(|ran| {
            let read = std::str::from_utf8(&ran.stdout).ok().and_then(self.read);
            read.ok_or_else(|| format!("{} printed no login", self.program()))
        });
        printed.map_err(|cause| {
            exchange.fail(Fault::NoLogin(cause));
            NoLogin
        })
    }
}

#[async_trait]
impl<T: Send + Sync + 'static> CredentialProvider for Printed<T> {
    type Credential = T;

    async fn get_credential(&self) -> object_store::Result<Arc<T>> {
        let failed = |error: NoLogin| object_store::Error::Generic {
            store: "login",
            source: Box::new(error),
        };
        self.login().map_err(failed)
    }
}
