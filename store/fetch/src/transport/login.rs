//! Whose login goes where, over HTTP: each login belongs to the origin that it was written or configured for, and a
//! origin gets its own only.
//!
//! The questions and their order are git's: a login in the address; a user alone in the address, without a password, as
//! many hosts write tokens; a login in the address that a redirect led to; the credential helpers, once. Where git is less
//! strict, this is not: git sends a login that was written for one origin to another when the listing was redirected there
//! without a question and the pack is refused without one. It also lets helpers forget a login that another origin refused.
//!
//! Limits: basic authentication only.

use std::sync::{Arc, Mutex, PoisonError};

use gix::{
    bstr::BString,
    credentials::{
        helper::{Action, NextAction},
        protocol::Context,
    },
};

use super::{
    git_config::{Account, GitConfig, RemoteUrl},
    http_text::{HttpOrigin, http_origin},
};

/// The logins of one connection.
pub(crate) struct Logins {
    config: Arc<GitConfig>,
    state: Mutex<LoginState>,
}

#[derive(Default)]
struct LoginState {
    /// What is sent to its origin. With a whole login at hand nothing else is asked for, whichever origin asks.
    known: Option<KnownLogin>,
    /// The user that is alone in the address as it was written.
    user: Option<KnownLogin>,
    /// The login in the address that the last redirect led to.
    redirected: Option<KnownLogin>,
}

struct KnownLogin {
    origin: HttpOrigin,
    account: Account,
    source: LoginSource,
}

enum LoginSource {
    /// The address, whole.
    Address,
    /// The address had the user alone; the password is empty.
    User,
    /// Helpers, who were asked for this address and want to know how it went.
    Helpers(gix::Url, NextAction),
}

impl Logins {
    /// The login in the address of `remote`, for its origin.
    pub(crate) fn new(config: &Arc<GitConfig>, remote: &RemoteUrl) -> Self {
        let here = http_origin(&remote.url.to_bstring().to_string());
        let known = |account: Account, source| {
            here.clone().map(|origin| KnownLogin { origin, account, source })
        };
        let whole = remote.login.clone().and_then(|account| known(account, LoginSource::Address));
        let user = remote.url.user().filter(|_| whole.is_none());
        let user = user.and_then(|user| known(account(user, ""), LoginSource::User));
        let state = LoginState { known: whole, user, redirected: None };
        Logins { config: Arc::clone(config), state: Mutex::new(state) }
    }

    /// What a request for `url` is to have.
    pub(crate) fn for_url(&self, url: &str) -> Option<Account> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let here = http_origin(url)?;
        state.known.as_ref().filter(|known| known.origin == here).map(|known| known.account.clone())
    }

    /// A redirect leads to `url`, which may have a login for that origin in it.
    pub(crate) fn redirected(&self, url: &str) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.redirected = http_origin(url).and_then(|origin| {
            let url = gix::url::parse(url).ok()?;
            let account = account(url.user()?, url.password()?);
            Some(KnownLogin { origin, account, source: LoginSource::Address })
        });
    }

    /// `url` wants a login, in answer to a request that had what [`Logins::for_url`] gives. Whether there is another to try.
    /// Helpers are asked for `base`, which is on the same origin.
    pub(crate) fn try_another(&self, url: &str, base: &str, challenges: Vec<BString>) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(here) = http_origin(url) else { return false };
        if let Some(known) = &mut state.known
            && !matches!(known.source, LoginSource::User)
        {
            if known.origin == here {
                self.report(known, NextAction::erase);
            }
            return false;
        }
        let LoginState { user, redirected, .. } = &mut *state;
        let next = user
            .take_if(|user| user.origin == here)
            .or_else(|| redirected.take_if(|redirected| redirected.origin == here))
            .or_else(|| self.ask(here, base, challenges));
        let found = next.is_some();
        state.known = next.or(state.known.take());
        found
    }

    /// `url` answered a request that had what [`Logins::for_url`] gives.
    pub(crate) fn accepted(&self, url: &str) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let here = http_origin(url);
        if let Some(known) = &mut state.known
            && Some(&known.origin) == here.as_ref()
        {
            self.report(known, NextAction::store);
        }
    }

    fn ask(
        &self,
        origin: HttpOrigin,
        base: &str,
        www_authenticate: Vec<BString>,
    ) -> Option<KnownLogin> {
        let url = gix::url::parse(base).ok()?;
        let question = Context { www_authenticate, ..Context::default() };
        let answer = self.config.credentials(&url, Action::Get(question)).ok()??;
        let source = LoginSource::Helpers(url, answer.next);
        Some(KnownLogin { origin, account: answer.identity, source })
    }

    /// Tells the helpers that gave this login, once, how it went.
    fn report(&self, known: &mut KnownLogin, how: fn(NextAction) -> Action) {
        if let LoginSource::Helpers(url, next) =
            std::mem::replace(&mut known.source, LoginSource::Address)
        {
            // A helper that cannot remember or forget a login is no reason to fail.
            let _ = self.config.credentials(&url, how(next));
        }
    }
}

fn account(user: &str, password: &str) -> Account {
    Account { username: user.to_owned(), password: password.to_owned(), oauth_refresh_token: None }
}
