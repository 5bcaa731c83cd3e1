//! The messages of the batch protocol: which contents are wanted, and where each of them can be fetched. Pure.
//!
//! Limits: the transfer `basic` and SHA-256 only, which is all that servers may take for granted.

use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use super::pointer::Oid;
use crate::transport::Headers;

/// The kind of the messages.
pub(super) const MEDIA_TYPE: &str = "application/vnd.git-lfs+json";

/// Contents asked for at once.
pub(super) const BATCH: usize = 100;

/// Bytes of an answer: for each content an address and headers of some 80 KiB.
pub(super) const LONGEST_ANSWER: usize = 8 << 20;

/// Headers that say how a message is sent, which is not for its sender to choose.
const OF_THE_CONNECTION: [&str; 11] = [
    "accept-encoding",
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "range",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Where a content can be fetched.
#[derive(Debug, Clone)]
pub(super) struct Offer {
    pub(super) href: String,
    pub(super) headers: Headers,
    /// When it is no longer good.
    pub(super) until: Option<Instant>,
}

/// What the server says of one content.
#[derive(Debug, Clone)]
pub(super) enum Said {
    Offered(Offer),
    Refused { status: u16, said: String },
}

#[derive(Serialize)]
struct BatchQuestion<'q> {
    operation: &'static str,
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    branch: Option<Branch<'q>>,
    transfers: [&'static str; 1],
    objects: Vec<Asked>,
    hash_algo: &'static str,
}

#[derive(Serialize)]
struct Branch<'q> {
    name: &'q str,
}

#[derive(Serialize)]
struct Asked {
    oid: String,
    size: u64,
}

#[derive(Deserialize)]
struct BatchAnswer {
    hash_algo: Option<String>,
    objects: Vec<Answered>,
}

#[derive(Deserialize)]
struct Answered {
    oid: String,
    actions: Option<Actions>,
    /// What servers of before the batch API call it, which git-lfs still reads.
    #[serde(rename = "_links")]
    links: Option<Actions>,
    error: Option<ObjectError>,
}

#[derive(Deserialize)]
struct Actions {
    download: Option<Action>,
}

#[derive(Deserialize)]
struct ObjectError {
    code: Option<u16>,
    message: Option<String>,
}

/// Where to go, and what to say there: a server's `download` action, and what `git-lfs-authenticate` prints.
#[derive(Deserialize)]
pub(super) struct Action {
    href: Option<String>,
    header: Option<BTreeMap<String, String>>,
    expires_in: Option<i64>,
    expires_at: Option<String>,
}

#[derive(Deserialize)]
struct Complaint {
    message: Option<String>,
}

/// The question for these contents and sizes, of the commit that a branch led to if one did.
pub(super) fn question(wanted: &[(Oid, u64)], branch: Option<&str>) -> Vec<u8> {
    let asked = wanted.iter().map(|(oid, size)| Asked { oid: oid.to_string(), size: *size });
    let question = BatchQuestion {
        operation: "download",
        branch: branch.map(|name| Branch { name }),
        transfers: ["basic"],
        objects: asked.collect(),
        hash_algo: "sha256",
    };
    serde_json::to_vec(&question).expect("text and numbers are JSON")
}

/// Reads the answer; the error says what was expected.
pub(super) fn answer(bytes: &[u8], now: Instant) -> Result<HashMap<Oid, Said>, String> {
    let answer: BatchAnswer = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if answer.hash_algo.as_deref().is_some_and(|name| name != "sha256") {
        return Err("the server names contents by another hash than SHA-256".into());
    }
    let said = answer.objects.into_iter().filter_map(|object| {
        // What was not asked for is nothing to us.
        let oid = Oid::parse(&object.oid)?;
        Some((oid, said(object, now)))
    });
    Ok(said.collect())
}

fn said(object: Answered, now: Instant) -> Said {
    if let Some(error) = object.error {
        let said = error.message.map(|said| words(&said)).unwrap_or_default();
        return Said::Refused { status: error.code.unwrap_or(500), said };
    }
    let action = object.actions.or(object.links).and_then(|actions| actions.download);
    match action.and_then(|action| action.offer(now)) {
        Some(offer) => Said::Offered(offer),
        None => Said::Refused { status: 404, said: "the server names no address for it".into() },
    }
}

impl Action {
    /// Reads what a program printed.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(bytes).map_err(|error| error.to_string())
    }

    /// The offer in it, where it has an address.
    pub(super) fn offer(self, now: Instant) -> Option<Offer> {
        let (href, until) = (self.href()?.to_owned(), self.until(now));
        Some(Offer { href, headers: self.headers(), until })
    }

    /// Its address, where it has one.
    pub(super) fn href(&self) -> Option<&str> {
        self.href.as_deref().filter(|href| !href.is_empty())
    }

    /// Its headers, but for those that are the connection's.
    pub(super) fn headers(self) -> Headers {
        let is_fit = |(name, value): &(String, String)| {
            !OF_THE_CONNECTION.iter().any(|other| name.eq_ignore_ascii_case(other))
                && is_token(name)
                && value.bytes().all(|byte| byte == b'\t' || (0x20..0x7f).contains(&byte))
        };
        self.header.unwrap_or_default().into_iter().filter(is_fit).collect()
    }

    /// Until when it is good; what says nothing that can be read is good for as long as it works.
    pub(super) fn until(&self, now: Instant) -> Option<Instant> {
        let seconds = match (self.expires_in, &self.expires_at) {
            (Some(seconds), _) if seconds != 0 => seconds,
            (_, Some(at)) => {
                let at: jiff::Timestamp = at.parse().ok()?;
                // A time of the year 1 is how some programs write none.
                (at.as_second() > 0).then(|| at.as_second() - jiff::Timestamp::now().as_second())?
            }
            _ => return None,
        };
        now.checked_add(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
    }
}

impl Offer {
    /// Whether it is no longer good, or about to be.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        const MARGIN: Duration = Duration::from_secs(5);
        self.until.is_some_and(|until| until.saturating_duration_since(now) < MARGIN)
    }
}

/// What a server says in the body of a refusal; its status line is all there is where that is no JSON.
pub(super) fn complaint(body: &[u8], status: u16) -> String {
    let read: Option<Complaint> = serde_json::from_slice(body).ok();
    let said = read.and_then(|complaint| complaint.message).map(|said| words(&said));
    said.filter(|said| !said.is_empty())
        .unwrap_or_else(|| format!("the server answered with HTTP status {status}"))
}

/// The words of a server: not endless, and without lines that say nothing.
fn words(said: &str) -> String {
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.join("\n").chars().take(1000).collect()
}

fn is_token(name: &str) -> bool {
    let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_fit)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OID: &str = "4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393";

    fn of(object: &str) -> Said {
        let text = format!("{{\"objects\":[{{\"oid\":\"{OID}\",\"size\":1,{object}}}]}}");
        answer(text.as_bytes(), Instant::now()).unwrap().into_values().next().unwrap()
    }

    #[test]
    fn an_offer_has_the_headers_that_are_its_own_to_choose() {
        let header = r#"{"Authorization":"RemoteAuth x","Host":"h","content-length":"9","a b":"1","x":"1\r\ny: 2"}"#;
        let said =
            of(&format!(r#""actions":{{"download":{{"href":"https://h/x","header":{header}}}}}"#));
        let Said::Offered(offer) = said else { panic!("{said:?}") };
        assert_eq!(offer.href, "https://h/x");
        assert_eq!(offer.headers, [("Authorization".into(), "RemoteAuth x".into())]);
        assert!(!offer.is_over(Instant::now()));
    }

    #[test]
    fn an_offer_has_one_of_two_names() {
        for name in ["actions", "_links"] {
            let said = of(&format!(r#""{name}":{{"download":{{"href":"https://h/x"}}}}"#));
            assert!(matches!(said, Said::Offered(offer) if offer.href == "https://h/x"), "{name}");
        }
    }

    #[test]
    fn an_offer_is_over_when_it_says_so() {
        let is_over = |text: &str| {
            let action = format!(r#""actions":{{"download":{{"href":"https://h/x",{text}}}}}"#);
            let Said::Offered(offer) = of(&action) else { panic!("no offer") };
            offer.is_over(Instant::now())
        };
        for (text, expected) in [
            (r#""expires_in":900"#, false),
            (r#""expires_in":1"#, true),
            (r#""expires_in":-9"#, true),
            (r#""expires_at":"2016-11-10T15:29:07Z""#, true),
            (r#""expires_at":"2999-11-10T15:29:07Z""#, false),
            (r#""expires_at":"0001-01-01T00:00:00Z""#, false),
            (r#""expires_at":"some day""#, false),
            (r#""expires_at":"2016-11-10T15:29:07Z","expires_in":900"#, false),
        ] {
            assert_eq!(is_over(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_refused_is_refused_by_what_the_server_says() {
        let refused = |text: &str| {
            let Said::Refused { status, said } = of(text) else { panic!("not refused") };
            (status, said)
        };
        let missing = refused(r#""error":{"code":404,"message":"\n\nObject does not exist\n"}"#);
        assert_eq!(missing, (404, "Object does not exist".into()));
        assert_eq!(refused(r#""actions":{}"#).0, 404);
        assert_eq!(refused(r#""error":{}"#).0, 500);
    }

    #[test]
    fn an_answer_that_is_not_understood_is_refused() {
        for text in [
            "",
            "null",
            "[]",
            "{}",
            "{\"objects\":{}}",
            "{\"objects\":[],\"hash_algo\":\"sha512\"}",
            "{\"objects\":[{\"oid\":1}]}",
        ] {
            assert!(answer(text.as_bytes(), Instant::now()).is_err(), "{text}");
        }
        // Only `basic` was offered, and what else a server calls it is that, as for git-lfs.
        assert!(answer(b"{\"objects\":[],\"transfer\":\"tus\"}", Instant::now()).is_ok());
        let other = format!("{{\"objects\":[{{\"oid\":\"x{OID}\",\"size\":1}}]}}");
        assert!(answer(other.as_bytes(), Instant::now()).unwrap().is_empty());
    }

    #[test]
    fn the_words_of_a_server_have_an_end() {
        let body = format!("{{\"message\":\"{}\"}}", "long ".repeat(10_000));
        assert!(complaint(body.as_bytes(), 403).len() <= 1000);
        assert_eq!(complaint(b"<html>", 403), "the server answered with HTTP status 403");
    }
}
