//! Whose login goes where, over HTTP: each login belongs to the place that it was written or configured for, and a
//! place gets its own only.
//!
//! The questions and their order are git's: a login in the address; a user alone in the address, without a password, as
//! many hosts write tokens; a login in the address that a redirect led to; the credential helpers, once. Where git is less
//! strict, this is not: git sends a login that was written for one place to another when the listing was redirected there
//! without a question and the pack is refused without one. It also lets helpers forget a login that another place refused.
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
    git_config::{Account, Host, Route},
    http_text::{Place, place},
};

/// The logins of one conversation.
pub(crate) struct Logins {
    host: Arc<Host>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What is sent to its place. With a whole login at hand nothing else is asked for, whichever place asks.
    held: Option<Held>,
    /// The user that is alone in the address as it was written.
    user: Option<Held>,
    /// The login in the address that the last redirect led to.
    offered: Option<Held>,
}

struct Held {
    place: Place,
    account: Account,
    source: Source,
}

enum Source {
    /// The address, whole.
    Address,
    /// The address had the user alone; the password is empty.
    User,
    /// Helpers, who were asked for this address and want to know how it went.
    Helpers(gix::Url, NextAction),
}

impl Logins {
    /// The login in the address of `route`, for its place.
    pub(crate) fn new(host: &Arc<Host>, route: &Route) -> Self {
        let here = place(&route.url.to_bstring().to_string());
        let held =
            |account: Account, source| here.clone().map(|place| Held { place, account, source });
        let whole = route.login.clone().and_then(|account| held(account, Source::Address));
        let user = route.url.user().filter(|_| whole.is_none());
        let user = user.and_then(|user| held(account(user, ""), Source::User));
        let state = State { held: whole, user, offered: None };
        Logins { host: Arc::clone(host), state: Mutex::new(state) }
    }

    /// What a request for `url` is to have.
    pub(crate) fn of(&self, url: &str) -> Option<Account> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let here = place(url)?;
        state.held.as_ref().filter(|held| held.place == here).map(|held| held.account.clone())
    }

    /// A redirect leads to `url`, which may have a login for that place in it.
    pub(crate) fn redirected(&self, url: &str) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.offered = place(url).and_then(|place| {
            let url = gix::url::parse(url).ok()?;
            let account = account(url.user()?, url.password()?);
            Some(Held { place, account, source: Source::Address })
        });
    }

    /// `url` wants a login, in answer to a request that had what [`Logins::of`] gives. Whether there is another to try.
    /// Helpers are asked for `base`, which is on the same place.
    pub(crate) fn another(&self, url: &str, base: &str, challenges: Vec<BString>) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(here) = place(url) else { return false };
        if let Some(held) = &mut state.held
            && !matches!(held.source, Source::User)
        {
            if held.place == here {
                self.tell(held, NextAction::erase);
            }
            return false;
        }
        let State { user, offered, .. } = &mut *state;
        let next = user
            .take_if(|user| user.place == here)
            .or_else(|| offered.take_if(|offered| offered.place == here))
            .or_else(|| self.ask(here, base, challenges));
        let found = next.is_some();
        state.held = next.or(state.held.take());
        found
    }

    /// `url` answered a request that had what [`Logins::of`] gives.
    pub(crate) fn accepted(&self, url: &str) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let here = place(url);
        if let Some(held) = &mut state.held
            && Some(&held.place) == here.as_ref()
        {
            self.tell(held, NextAction::store);
        }
    }

    fn ask(&self, place: Place, base: &str, www_authenticate: Vec<BString>) -> Option<Held> {
        let url = gix::url::parse(base).ok()?;
        let question = Context { www_authenticate, ..Context::default() };
        let answer = self.host.credentials(&url, Action::Get(question)).ok()??;
        let source = Source::Helpers(url, answer.next);
        Some(Held { place, account: answer.identity, source })
    }

    /// Tells the helpers that gave this login, once, how it went.
    fn tell(&self, held: &mut Held, how: fn(NextAction) -> Action) {
        if let Source::Helpers(url, next) = std::mem::replace(&mut held.source, Source::Address) {
            // A helper that cannot remember or forget a login is no reason to fail.
            let _ = self.host.credentials(&url, how(next));
        }
    }
}

fn account(user: &str, password: &str) -> Account {
    Account { username: user.to_owned(), password: password.to_owned(), oauth_refresh_token: None }
}
