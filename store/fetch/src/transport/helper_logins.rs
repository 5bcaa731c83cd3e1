//! [`HelperLogins`]: the logins that helpers gave, shared by all connections of a run.
//!
//! A hundred private modules of one host are a hundred questions to git and to its helpers, and a hundred windows where one
//! asks a person. Here the first question about a place is asked, and the others wait for its answer; so they do not wait
//! for a helper that never answers, one after the other, either.
//!
//! So are the logins that a place has accepted: the next repository of that place is asked for with them at once, which saves
//! it the question.
//!
//! Limits: only where no path decides which helper answers, or what. A login that was refused is asked for again.

use std::{
    collections::{HashMap, HashSet},
    env, io,
    sync::{Arc, Mutex, PoisonError},
};

use gix::{bstr::BString, config::File};

use super::{
    credential_helpers::{CredentialHelpers, HelperLogin, Verdict},
    http_text::{HttpOrigin, http_origin},
};
use crate::errors::Words;

/// The helpers, and what they have said.
pub(crate) struct HelperLogins {
    helpers: CredentialHelpers,
    /// Whether an answer for one repository is good for all of its place.
    is_by_place: bool,
    said: Mutex<HashMap<Question, Arc<Mutex<Option<Answer>>>>>,
    /// The `Authorization` that a place has accepted, for the user that an address names or for none.
    accepted: Mutex<HashMap<(HttpOrigin, Option<String>), String>>,
    /// The logins that helpers gave for proxies, by the address with the login in it.
    of_proxies: Mutex<HashMap<String, Arc<HelperLogin>>>,
    /// The proxies that have let a connection through.
    proxies: Mutex<HashSet<String>>,
}

/// What a question is about: a place, the user that its address names, and the rest of the address where that matters.
type Question = (HttpOrigin, Option<String>, Option<String>);

#[derive(Clone)]
enum Answer {
    Login(Arc<HelperLogin>),
    None(Words),
    /// No helper answered in time, or one did what ends a fetch.
    Failed(String),
}

impl HelperLogins {
    pub(crate) fn new(helpers: CredentialHelpers, config: &File) -> Self {
        let is_by_place = !has_paths(config) && env::var_os("GIT_CONFIG_PARAMETERS").is_none();
        Self {
            helpers,
            is_by_place,
            said: Mutex::default(),
            accepted: Mutex::default(),
            of_proxies: Mutex::default(),
            proxies: Mutex::default(),
        }
    }

    /// The `Authorization` that `origin` has accepted for another repository, whose address names the same user, or none.
    pub(crate) fn accepted(&self, origin: &HttpOrigin, user: Option<&str>) -> Option<String> {
        let accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        accepted.get(&(origin.clone(), user.map(str::to_owned))).cloned()
    }

    /// Remembers that `origin` has accepted a login that is good for all of it, as far as the configuration says.
    pub(crate) fn remember(&self, origin: &HttpOrigin, user: Option<&str>, authorization: &str) {
        if self.is_by_place {
            let mut accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
            accepted
                .entry((origin.clone(), user.map(str::to_owned)))
                .or_insert_with(|| authorization.to_owned());
        }
    }

    /// The address of a proxy with the login that helpers have for the user in it.
    pub(crate) fn with_proxy_login(&self, mut url: gix::Url) -> String {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let Ok(Ok(login)) = self.ask(&url.to_bstring().to_string(), &[]) else {
            return url.to_bstring().to_string();
        };
        url.set_user(Some(text(&login.username)));
        url.set_password(Some(text(&login.password)));
        let whole = url.to_bstring().to_string();
        let mut known = self.of_proxies.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(whole.clone(), login);
        whole
    }

    /// A connection came through the proxy of this address: helpers may keep its login, once. What a proxy refuses, git asks for
    /// again, and takes back.
    pub(crate) fn proxy_let_through(&self, proxy: &str) {
        let is_new = {
            let mut proxies = self.proxies.lock().unwrap_or_else(PoisonError::into_inner);
            proxies.insert(proxy.to_owned())
        };
        let Some(mut url) = gix::url::parse(proxy).ok().filter(|_| is_new) else { return };
        let of_helpers = {
            let known = self.of_proxies.lock().unwrap_or_else(PoisonError::into_inner);
            known.get(proxy).cloned()
        };
        let password = url.set_password(None);
        match (of_helpers, url.user().map(str::to_owned), password) {
            (Some(login), ..) => self.helpers.tell(&login, Verdict::Approve),
            (None, Some(user), Some(password)) => {
                let address = url.to_bstring().to_string();
                self.helpers.tell_of(&address, &user, &password, Verdict::Approve);
            }
            _ => {}
        }
    }

    /// The helpers themselves.
    pub(crate) fn helpers(&self) -> &CredentialHelpers {
        &self.helpers
    }

    /// Asks for a login for `url`, as [`CredentialHelpers::fill`] does, unless that was answered already.
    pub(crate) fn ask(
        &self,
        url: &str,
        challenges: &[BString],
    ) -> io::Result<Result<Arc<HelperLogin>, Words>> {
        let Some(question) = self.question(url) else {
            return Ok(self.helpers.fill(url, challenges)?.map(Arc::new));
        };
        let slot = {
            let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(said.entry(question).or_default())
        };
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        match slot.clone() {
            Some(Answer::Login(login)) => return Ok(Ok(login)),
            Some(Answer::None(words)) => return Ok(Err(words)),
            Some(Answer::Failed(why)) => return Err(self.helpers.fail(why)),
            None => {}
        }
        match self.helpers.fill(url, challenges) {
            Ok(Ok(login)) => {
                let login = Arc::new(login);
                *slot = (!login.is_of_path()).then(|| Answer::Login(Arc::clone(&login)));
                Ok(Ok(login))
            }
            Ok(Err(words)) => {
                *slot = Some(Answer::None(words.clone()));
                Ok(Err(words))
            }
            Err(error) => {
                *slot = self.helpers.why(&error).map(Answer::Failed);
                Err(error)
            }
        }
    }

    /// Lets the helpers keep or forget a login that they gave for `url`. What is refused is not given again.
    pub(crate) fn tell(&self, url: &str, login: &Arc<HelperLogin>, verdict: Verdict) {
        if verdict == Verdict::Reject
            && let Some(question) = self.question(url)
        {
            let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
            said.remove(&question);
        }
        if login.is_news(verdict) {
            self.helpers.tell(login, verdict);
        }
    }

    fn question(&self, url: &str) -> Option<Question> {
        let origin = http_origin(url)?;
        let user = gix::url::parse(url).ok()?.user().map(str::to_owned);
        let rest = (!self.is_by_place).then(|| url.to_owned());
        Some((origin, user, rest))
    }
}

/// Whether a section about credentials is for a part of a place.
fn has_paths(config: &File) -> bool {
    config.sections_by_name("credential").into_iter().flatten().any(|section| {
        let Some(pattern) = section.header().subsection_name().map(ToString::to_string) else {
            return false;
        };
        let rest = pattern.split_once("://").map_or(pattern.as_str(), |(_, rest)| rest);
        rest.split_once('/').is_some_and(|(_, path)| !path.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_good_for_a_place_only_where_no_section_has_a_path() {
        for (text, expected) in [
            ("[credential]\n\thelper = x\n", false),
            ("[credential \"https://h\"]\n\thelper = x\n", false),
            ("[credential \"https://h/\"]\n\thelper = x\n", false),
            ("[credential \"https://h/owner\"]\n\thelper = x\n", true),
            ("[http \"https://h/owner\"]\n\tproxy = x\n", false),
        ] {
            let config = File::try_from(text).unwrap();
            assert_eq!(has_paths(&config), expected, "{text}");
        }
    }
}
