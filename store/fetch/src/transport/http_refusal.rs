//! What an HTTP answer that is no success means: by its status, by what it says about waiting, and by its words.
//!
//! Limits: words are taken from plain text only, as by git, and only as much of them as an error repeats.

use std::{
    io::Read as _,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use ureq::http::{
    HeaderMap,
    header::{CONTENT_ENCODING, CONTENT_TYPE, DATE, RETRY_AFTER},
};

use super::{http_request::Response, refusal::recognised, watch::Watch};
use crate::errors::{LoginError, ServerError, TransportError, Words};

/// The most bytes of an answer that are read for its words, and the longest time.
const MOST: u64 = 16 * 1024;
const SOON: Duration = Duration::from_secs(2);

/// Why this answer, to a request that had a `login` or not, is no success.
pub(crate) fn refused(response: Response, login: bool, watch: &Arc<Watch>) -> TransportError {
    let status = response.status().as_u16();
    let wait = wait(response.headers(), SystemTime::now());
    let is_limited = is_limited(response.headers(), status);
    let text = plain_text(response, watch);
    let said = Words::of(&text);
    match status {
        401 if login => LoginError::Refused(said).into(),
        401 => LoginError::Missing(said).into(),
        _ if is_limited => ServerError::RateLimited { status: Some(status), wait, said }.into(),
        400..=499 => recognised(&text)
            .unwrap_or_else(|| ServerError::Status { status, retry_after: wait, said }.into()),
        _ => ServerError::Status { status, retry_after: wait, said }.into(),
    }
}

/// How long to wait as a server asks that refuses because of too many requests, which may be no time; nothing, where it
/// does not.
pub(crate) fn pause_asked(response: &Response) -> Option<Duration> {
    let headers = response.headers();
    is_limited(headers, response.status().as_u16())
        .then(|| wait(headers, SystemTime::now()).unwrap_or_default())
}

/// How long an answer asks us to stay away.
pub(crate) fn asked_wait(response: &Response) -> Option<Duration> {
    wait(response.headers(), SystemTime::now())
}

/// Whether the server has refused because of too many requests, whatever the status.
fn is_limited(headers: &HeaderMap, status: u16) -> bool {
    let may_be = matches!(status, 403 | 503);
    status == 429
        || may_be && headers.contains_key(RETRY_AFTER)
        || may_be && number(headers, &REMAINING) == Some(0)
}

/// What forges call the number of requests that are left, and the time at which there are more.
const REMAINING: [&str; 2] = ["x-ratelimit-remaining", "ratelimit-remaining"];
const RESET: [&str; 2] = ["x-ratelimit-reset", "ratelimit-reset"];

/// How long the server asks us to stay away: a number of seconds or a date, which is compared with the server's own clock
/// where it tells the time.
fn wait(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let date = |text| httpdate::parse_http_date(text).ok();
    let until = |then: SystemTime| {
        let now = text(DATE).and_then(date).unwrap_or(now);
        then.duration_since(now).ok()
    };
    match text(RETRY_AFTER) {
        Some(asked) => asked.parse().map(Duration::from_secs).ok().or_else(|| until(date(asked)?)),
        None if number(headers, &REMAINING) == Some(0) => {
            let reset = Duration::from_secs(number(headers, &RESET)?);
            // Some send the time, in seconds since 1970, and some how long it is until then.
            if reset > YEARS { until(UNIX_EPOCH + reset) } else { Some(reset) }
        }
        None => None,
    }
    .filter(|wait| !wait.is_zero())
}

/// More than any server asks to wait, and less than has passed since 1970.
const YEARS: Duration = Duration::from_secs(1_000_000_000);

fn number(headers: &HeaderMap, names: &[&str]) -> Option<u64> {
    names.iter().find_map(|name| headers.get(*name)?.to_str().ok()?.trim().parse().ok())
}

/// The answer's text, if it is plain.
fn plain_text(response: Response, watch: &Arc<Watch>) -> String {
    let kind = response.headers().get(CONTENT_TYPE).map(|kind| kind.as_bytes());
    let kind = kind.and_then(|kind| kind.split(|byte| *byte == b';').next()).unwrap_or_default();
    let is_plain = kind.trim_ascii().eq_ignore_ascii_case(b"text/plain");
    if !is_plain || response.headers().contains_key(CONTENT_ENCODING) {
        return String::new();
    }
    let mut text = Vec::new();
    watch.set_deadline(SOON);
    // What came so far is worth showing, whatever happened to the rest.
    let _ = watch.during(|| response.into_body().into_reader().take(MOST).read_to_end(&mut text));
    watch.clear_deadline();
    watch.take_error();
    String::from_utf8_lossy(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use ureq::http::HeaderValue;

    use super::*;

    fn headers(of: &[(&'static str, &'static str)]) -> HeaderMap {
        of.iter()
            .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)))
            .collect()
    }

    fn seconds(of: &[(&'static str, &'static str)]) -> Option<u64> {
        // Sun, 06 Nov 1994 08:49:37 GMT
        let now = UNIX_EPOCH + Duration::from_secs(784_111_777);
        wait(&headers(of), now).map(|wait| wait.as_secs())
    }

    #[test]
    fn the_time_to_wait_is_a_number_or_a_date_of_each_form() {
        for (value, expected) in [
            ("900", Some(900)),
            (" 5 ", Some(5)),
            ("Sun, 06 Nov 1994 08:54:37 GMT", Some(300)),
            ("Sunday, 06-Nov-94 08:54:37 GMT", Some(300)),
            ("Sun Nov  6 08:54:37 1994", Some(300)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", None),
            ("0", None),
            ("-5", None),
            ("soon", None),
            ("99999999999999999999999", None),
        ] {
            assert_eq!(seconds(&[("retry-after", value)]), expected, "{value}");
        }
    }

    #[test]
    fn a_date_is_compared_with_the_server_s_own_clock() {
        let then = ("retry-after", "Sun, 06 Nov 1994 10:05:00 GMT");
        assert_eq!(seconds(&[then, ("date", "Sun, 06 Nov 1994 10:00:00 GMT")]), Some(300));
    }

    #[test]
    fn the_time_of_more_requests_is_a_time_or_a_duration() {
        for (reset, expected) in [("784111877", Some(784_111_877)), ("60", Some(60))] {
            let of = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", reset)];
            assert_eq!(seconds(&of), expected, "{reset}");
        }
        let of = [("ratelimit-remaining", "0"), ("ratelimit-reset", "2000000000")];
        assert_eq!(seconds(&of), Some(2_000_000_000 - 784_111_777));
        assert_eq!(seconds(&[("x-ratelimit-remaining", "1"), ("x-ratelimit-reset", "60")]), None);
    }

    #[test]
    fn a_refusal_is_a_limit_by_its_status_or_its_headers() {
        let wait = [("retry-after", "1")];
        let none_left = [("x-ratelimit-remaining", "0")];
        for (of, status, expected) in [
            (&wait[..], 429, true),
            (&[], 429, true),
            (&wait, 403, true),
            (&none_left, 403, true),
            (&wait, 503, true),
            (&[], 403, false),
            (&[], 503, false),
            (&wait, 404, false),
        ] {
            assert_eq!(is_limited(&headers(of), status), expected, "{status} {of:?}");
        }
    }
}
