//! Whose login goes where, over HTTP: each login belongs to the origin that it was written or configured for, and an
//! origin gets its own only.
//!
//! The questions and their order are git's, which are partly libcurl's: a login in the address; a user alone in the
//! address, with the password that `~/.netrc` has for it or with none, as many hosts write tokens; a login in the address
//! that a redirect led to; the login of `~/.netrc`; the credential helpers, once. Helpers keep or forget a login as git
//! lets them: one that they gave, or that was written in the address.
//!
//! A login that its place accepted for one repository is sent along for the next ones at once. Where it is refused there, the
//! request is sent again without it, and then everything is as for the first.
//!
//! Where git is less strict, this is not: git sends a login that was written for one origin to another when the listing was
//! redirected there without a question and the pack is refused without one. It lets helpers forget a login that another
//! origin refused, and keep one that a server wrote into a `Location`.
//!
//! Limits: basic authentication, and what helpers make themselves (`authtype`).

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use gix::bstr::BString;
use modstore_core::model::printable_login;

use super::{
    credential_helpers::{HelperLogin, Verdict},
    git_config::{Account, GitConfig, RemoteUrl},
    http_text::{HttpOrigin, base64, http_origin},
    netrc::Netrc,
};
use crate::errors::{LoginError, TransportError, Words};

/// The logins of one connection.
pub(crate) struct Logins {
    config: Arc<GitConfig>,
    /// The address, without its password, as helpers know it.
    address: String,
    /// Whose login the address asks for: the user in it, or the user and the password.
    user: Option<String>,
    state: Mutex<LoginState>,
}

#[derive(Default)]
struct LoginState {
    /// What is sent to its origin. With a whole login at hand nothing else is asked for, whichever origin asks.
    known: Option<KnownLogin>,
    /// The login in the address, where it is sent only when it is asked for: anyone on the way can read it.
    written: Option<KnownLogin>,
    /// The user that is alone in the address as it was written.
    user: Option<(HttpOrigin, String)>,
    /// The login, or the user alone, in the address that the last redirect led to.
    redirected: Option<(HttpOrigin, String, Option<String>)>,
    /// The origins for which `~/.netrc` was looked at.
    looked_up: Vec<HttpOrigin>,
    /// What helpers said who gave no login.
    said: Words,
}

struct KnownLogin {
    origin: HttpOrigin,
    /// The value of its header.
    authorization: String,
    source: LoginSource,
}

enum LoginSource {
    /// The address, whole.
    Address(Account),
    /// The address had the name of a user alone. It is sent as many hosts take tokens, and helpers may know better.
    UserAlone,
    /// A token stood alone in the address, or it is from `~/.netrc`: helpers may know better.
    Tentative,
    /// Helpers, who were asked for this address and want to know how it went.
    Helpers(String, Arc<HelperLogin>),
    /// Helpers receive nothing about it, or have received it.
    Settled,
    /// Another repository of the place was given out for it. It was not asked for here.
    Ahead,
}

impl KnownLogin {
    fn basic(origin: HttpOrigin, user: &[u8], password: &[u8], source: LoginSource) -> Self {
        let pair = [user, b":", password].concat();
        Self { origin, authorization: format!("Basic {}", base64(&pair)), source }
    }
}

impl Logins {
    /// The login in the address of `remote`, for its origin.
    pub(crate) fn new(config: &Arc<GitConfig>, remote: &RemoteUrl) -> Self {
        let address = remote.url.to_bstring().to_string();
        let here = http_origin(&address);
        // What an address has with a password is for addresses that have the same.
        let user = remote.url.user().map(|user| match &remote.login {
            Some(login) => format!("{user}:{}", login.password),
            None => user.to_owned(),
        });
        let ahead = here.clone().and_then(|origin| {
            let authorization = config.logins().accepted(&origin, user.as_deref())?;
            Some(KnownLogin { origin, authorization, source: LoginSource::Ahead })
        });
        let whole = remote.login.clone().zip(here.clone()).map(|(account, origin)| {
            let Account { username, password, .. } = account.clone();
            let source = LoginSource::Address(account);
            KnownLogin::basic(origin, username.as_bytes(), password.as_bytes(), source)
        });
        let alone = remote.url.user().filter(|_| whole.is_none());
        let alone = here.zip(alone.map(str::to_owned));
        let (known, written) = match whole {
            Some(whole) if whole.origin.may_be_read_on_the_way() => (ahead, Some(whole)),
            Some(whole) => (Some(whole), None),
            None => (ahead, None),
        };
        let state = LoginState { known, written, user: alone, ..LoginState::default() };
        Logins { config: Arc::clone(config), address, user, state: Mutex::new(state) }
    }

    /// The `Authorization` that a request for `url` is to have.
    pub(crate) fn for_url(&self, url: &str) -> Option<String> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let here = http_origin(url)?;
        let known = state.known.as_ref().filter(|known| known.origin == here);
        known.map(|known| known.authorization.clone())
    }

    /// Forgets a login for `url` that was not asked for. Whether there was one.
    pub(crate) fn take_back(&self, url: &str) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let here = http_origin(url);
        let is_ahead = |known: &mut KnownLogin| {
            matches!(known.source, LoginSource::Ahead) && Some(&known.origin) == here.as_ref()
        };
        state.known.take_if(is_ahead).is_some()
    }

    /// A connection came through the proxy of this address.
    pub(crate) fn proxy_let_through(&self, proxy: Option<&str>) {
        if let Some(proxy) = proxy {
            self.config.logins().proxy_let_through(proxy);
        }
    }

    /// A redirect leads to `url`, which may have a login for that origin in it.
    pub(crate) fn redirected(&self, url: &str) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.redirected = http_origin(url).and_then(|origin| {
            let url = gix::url::parse(url).ok()?;
            Some((origin, url.user()?.to_owned(), url.password().map(str::to_owned)))
        });
    }

    /// `url` wants a login, in answer to a request that `had_login`, the one that [`Logins::for_url`] gave then. Whether there
    /// is another to try. Helpers are asked for `base`, which is on the same origin. An error ends the fetch.
    pub(crate) fn try_another(
        &self,
        url: &str,
        base: &str,
        challenges: &[BString],
        (takes_passwords, had_login): (bool, bool),
    ) -> io::Result<bool> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(here) = http_origin(url) else { return Ok(false) };
        if let Some(known) = &mut state.known
            && !matches!(
                known.source,
                LoginSource::Tentative | LoginSource::UserAlone | LoginSource::Ahead
            )
        {
            // Another request of the same client has found it meanwhile.
            if !had_login && known.origin == here {
                return Ok(true);
            }
            if known.origin == here {
                self.report(known, Verdict::Reject);
            }
            return Ok(false);
        }
        let next = match state.next_written(&here).filter(|_| takes_passwords) {
            Some(next) => Some(next),
            None => self.ask(&mut state, here, base, challenges, takes_passwords)?,
        };
        let found = next.is_some();
        state.known = next.or(state.known.take());
        Ok(found)
    }

    /// `url` answered a request that had what [`Logins::for_url`] gives.
    pub(crate) fn accepted(&self, url: &str) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let here = http_origin(url);
        if let Some(known) = &mut state.known
            && Some(&known.origin) == here.as_ref()
        {
            if self.is_for_all_of(known) {
                let user = self.user.as_deref();
                self.config.logins().remember(&known.origin, user, &known.authorization);
            }
            self.report(known, Verdict::Approve);
        }
    }

    /// Whether a login is good for each repository of its place: it is from where all of them have theirs.
    fn is_for_all_of(&self, known: &KnownLogin) -> bool {
        let is_home = http_origin(&self.address).as_ref() == Some(&known.origin);
        is_home
            && match &known.source {
                LoginSource::Address(_) | LoginSource::UserAlone | LoginSource::Tentative => true,
                LoginSource::Helpers(_, login) => !login.is_of_path(),
                LoginSource::Settled | LoginSource::Ahead => false,
            }
    }

    /// The error of a place that wants a login, with what is known of the logins: what helpers said who gave none, and
    /// whether there was more than the name of a user.
    pub(crate) fn explain(&self, error: TransportError) -> TransportError {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let is_bare =
            matches!(&state.known, Some(known) if matches!(known.source, LoginSource::UserAlone));
        match error {
            TransportError::Login(LoginError::Refused(_) | LoginError::Missing(_))
                if (is_bare || state.known.is_none()) && !state.said.is_empty() =>
            {
                LoginError::NoneGiven(state.said.clone()).into()
            }
            TransportError::Login(LoginError::Refused(said)) if is_bare => {
                LoginError::Missing(said).into()
            }
            error => error,
        }
    }

    fn ask(
        &self,
        state: &mut LoginState,
        origin: HttpOrigin,
        base: &str,
        challenges: &[BString],
        takes_passwords: bool,
    ) -> io::Result<Option<KnownLogin>> {
        let login = match self.config.logins().ask(base, challenges)? {
            Ok(login) => login,
            Err(said) => {
                state.said = said;
                return Ok(None);
            }
        };
        Ok(match &login.authorization {
            Some(authorization) => {
                let authorization = authorization.clone();
                let source = LoginSource::Helpers(base.to_owned(), login);
                Some(KnownLogin { origin, authorization, source })
            }
            None if takes_passwords => {
                let source = LoginSource::Helpers(base.to_owned(), Arc::clone(&login));
                Some(KnownLogin::basic(origin, &login.username, &login.password, source))
            }
            None => None,
        })
    }

    /// Tells the helpers, once, how it went with a login that they gave or may keep.
    fn report(&self, known: &mut KnownLogin, verdict: Verdict) {
        let logins = self.config.logins();
        match std::mem::replace(&mut known.source, LoginSource::Settled) {
            LoginSource::Helpers(base, login) => logins.tell(&base, &login, verdict),
            LoginSource::Address(Account { username, password, .. }) => {
                logins.helpers().tell_of(&self.address, &username, &password, verdict);
            }
            source @ (LoginSource::Tentative | LoginSource::UserAlone) => known.source = source,
            source @ LoginSource::Ahead => known.source = source,
            LoginSource::Settled => {}
        }
    }
}

impl LoginState {
    /// The next login for this origin that stands in an address or in `~/.netrc`.
    fn next_written(&mut self, here: &HttpOrigin) -> Option<KnownLogin> {
        let of_here = |login: &mut KnownLogin| login.origin == *here;
        if let Some(written) = self.written.take_if(of_here) {
            return Some(written);
        }
        let user = self.user.take_if(|(origin, _)| origin == here).map(|(_, user)| user);
        if let Some(user) = user {
            return Some(self.user_alone(here, &user));
        }
        if let Some((_, user, password)) = self.redirected.take_if(|(origin, ..)| origin == here) {
            return Some(match password {
                Some(password) => {
                    let (user, password) = (user.as_bytes(), password.as_bytes());
                    KnownLogin::basic(here.clone(), user, password, LoginSource::Settled)
                }
                None => self.user_alone(here, &user),
            });
        }
        if self.looked_up.contains(here) {
            return None;
        }
        self.looked_up.push(here.clone());
        let known = Netrc::of_home().login(here.host(), None)?;
        let (user, password) = (known.username.as_bytes(), known.password.as_bytes());
        Some(KnownLogin::basic(here.clone(), user, password, LoginSource::Tentative))
    }

    /// The login of a user who stands in an address without a password.
    fn user_alone(&mut self, here: &HttpOrigin, user: &str) -> KnownLogin {
        self.looked_up.push(here.clone());
        let known = Netrc::of_home().login(here.host(), Some(user));
        let is_name = known.is_none() && !printable_login(user, false).is_empty();
        let source = if is_name { LoginSource::UserAlone } else { LoginSource::Tentative };
        let password = known.map(|known| known.password).unwrap_or_default();
        KnownLogin::basic(here.clone(), user.as_bytes(), password.as_bytes(), source)
    }
}
