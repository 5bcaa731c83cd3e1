//! A place on a server that gives out files over HTTP. It is only read.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use modstore_core::Cancel;
use ureq::{
    Body,
    http::{HeaderMap, Method, Request, Response, header},
};
use url::Url;

use super::{
    body::Arriving, client::Client, exchange::Exchange, explain::explain, headers::Login,
    refusals::Refusals, service::is_safe,
};
use crate::{Content, Found, Key, Objects, Observed, Published, TierError, TierOptions};

/// A directory on a static server.
pub(super) struct StaticServer {
    place: String,
    /// The address, without a login, and without a slash at its end.
    base: String,
    /// What follows the `?` of every address.
    query: String,
    login: Login,
    client: Client,
    most: u64,
    stall: Duration,
    refusals: Refusals,
    observed: Mutex<Observed>,
}

impl StaticServer {
    pub(super) fn new(
        place: String,
        url: &str,
        options: &TierOptions,
        client: Client,
    ) -> Result<Self, String> {
        let mut url = Url::parse(url).map_err(|error| error.to_string())?;
        let login = Login::taken_from(&mut url, &options.credentials)?;
        url.set_fragment(None);
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        url.set_query(None);
        let base = url.as_str().trim_end_matches('/').to_owned();
        if !base.parse().is_ok_and(|uri| is_safe(&uri)) {
            return Err("http:// is for servers of this machine: expected https://".to_owned());
        }
        let (most, stall) = (options.max_object, options.stall_timeout);
        let (refusals, observed) = (Refusals::default(), Mutex::default());
        Ok(Self { place, base, query, login, client, most, stall, refusals, observed })
    }

    /// Asks for an object; none if it is not there.
    fn ask(
        &self,
        method: &Method,
        key: &Key,
        exchange: &Arc<Exchange>,
    ) -> Result<Option<Response<Body>>, TierError> {
        let mut answer = exchange.during(|| self.send(method, key, exchange))?;
        if answer.status().as_u16() == 401 && self.login.renew() {
            answer = exchange.during(|| self.send(method, key, exchange))?;
        }
        if let Some(ahead) = exchange.seen().ahead {
            self.observed.lock().unwrap_or_else(PoisonError::into_inner).clock_ahead = Some(ahead);
        }
        if answer.status().as_u16() == 200 {
            self.refusals.was_read();
            return Ok(Some(answer));
        }
        self.refusals.is_missing(&self.place, exchange).map(|()| None)
    }

    fn send(
        &self,
        method: &Method,
        key: &Key,
        exchange: &Exchange,
    ) -> Result<Response<Body>, TierError> {
        let failed = || explain(&self.place, exchange);
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}/{key}{}", self.base, self.query))
            .body(())
            .map_err(|_| failed())?;
        for (name, value) in self.login.headers().map_err(|_| failed())?.iter() {
            request.headers_mut().insert(name, value.clone());
        }
        self.client.send(&request, &[]).map_err(|_| failed())
    }

    fn refuse_to_write(&self) -> TierError {
        let cause = "a server at http(s):// is only read; publish to s3://, gs:// or a directory";
        TierError::Refused { place: self.place.clone(), cause: cause.to_owned() }
    }
}

fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn written(headers: &HeaderMap) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(header::LAST_MODIFIED)?.to_str().ok()?).ok()
}

impl Objects for StaticServer {
    fn get(&self, key: &Key, cancel: &Cancel) -> Result<Option<Found>, TierError> {
        let exchange = Exchange::new(cancel);
        let Some(answer) = self.ask(&Method::GET, key, &exchange)? else { return Ok(None) };
        let (length, written) = (length(answer.headers()), written(answer.headers()));
        TierError::unless_within(self.most, length, &self.place, key)?;
        let bytes = Box::new(answer.into_body().into_with_config().limit(u64::MAX).reader());
        let bytes = Arriving::new(bytes, exchange, self.stall, self.most, length);
        Ok(Some(Found { bytes, length, written }))
    }

    fn head(
        &self,
        key: &Key,
        cancel: &Cancel,
    ) -> Result<Option<(u64, Option<SystemTime>)>, TierError> {
        let exchange = Exchange::new(cancel);
        let answer = self.ask(&Method::HEAD, key, &exchange)?;
        Ok(answer.map(|answer| {
            (length(answer.headers()).unwrap_or_default(), written(answer.headers()))
        }))
    }

    fn put(&self, _: &Key, _: Content<'_>, _: bool, _: &Cancel) -> Result<Published, TierError> {
        Err(self.refuse_to_write())
    }

    fn delete(&self, _: &Key, _: &Cancel) -> Result<(), TierError> {
        Err(self.refuse_to_write())
    }

    fn observed(&self) -> Observed {
        self.observed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
