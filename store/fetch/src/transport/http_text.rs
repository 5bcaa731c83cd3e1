//! Addresses and logins as HTTP writes them. Pure.

use gix::bstr::ByteSlice as _;
use ureq::http::Uri;

/// Scheme, host and port: what a login is meant for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct HttpOrigin {
    scheme: String,
    host: String,
    port: u16,
}

impl HttpOrigin {
    /// The host, without the brackets of an IPv6 address.
    pub(crate) fn host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    /// Whether what is sent there can be read on the way.
    pub(crate) fn may_be_read_on_the_way(&self) -> bool {
        let host = self.host();
        let is_here = host == "localhost"
            || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        self.scheme == "http" && !is_here
    }
}

/// The place of an address; `None` where it is none for HTTP.
pub(crate) fn http_origin(url: &str) -> Option<HttpOrigin> {
    let uri: Uri = without_user(url).parse().ok()?;
    let scheme = uri.scheme_str()?.to_ascii_lowercase();
    let usual = match scheme.as_str() {
        "http" => 80,
        "https" => 443,
        _ => return None,
    };
    let port = uri.port_u16().unwrap_or(usual);
    Some(HttpOrigin { scheme, host: uri.host()?.to_ascii_lowercase(), port })
}

/// Where the `Location` `to` of an answer from `from` leads, by the rules of RFC 3986, section 5.2. What no address may
/// have is escaped; a fragment is for the client only, and goes.
pub(crate) fn resolved(from: &str, to: &[u8]) -> Option<String> {
    let to = escaped(to.trim());
    let to = to.split('#').next().unwrap_or_default();
    if let Some((scheme, rest)) = with_scheme(to) {
        return rest.starts_with("//").then(|| format!("{}:{rest}", scheme.to_ascii_lowercase()));
    }
    let (scheme, rest) = from.split_once("://")?;
    let (authority, path) = split_authority(rest);
    if to.starts_with("//") {
        return Some(format!("{scheme}:{to}"));
    }
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let joined = if to.starts_with('/') {
        to.to_owned()
    } else if to.starts_with('?') {
        format!("{path}{to}")
    } else if to.is_empty() {
        return Some(format!("{scheme}://{authority}{path}?{query}"));
    } else {
        format!("{}/{to}", path.rsplit_once('/').map_or("", |(above, _)| above))
    };
    Some(format!("{scheme}://{authority}{}", without_dots(&joined)))
}

fn with_scheme(to: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = to.split_once(':')?;
    let letters = scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    (letters && scheme.starts_with(|c: char| c.is_ascii_alphabetic())).then_some((scheme, rest))
}

fn escaped(text: &[u8]) -> String {
    let mut out = String::new();
    for byte in text {
        match byte {
            0x21..0x7f => out.push((*byte).into()),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

/// The path without its `.` and `..`, none of which leads above the root.
fn without_dots(joined: &str) -> String {
    let (path, query) = joined.split_at(joined.find('?').unwrap_or(joined.len()));
    let mut kept: Vec<&str> = Vec::new();
    let mut parts = path.split('/').skip(1).peekable();
    while let Some(part) = parts.next() {
        let is_last = parts.peek().is_none();
        match part {
            "." | ".." => {
                if part == ".." {
                    kept.pop();
                }
                if is_last {
                    kept.push("");
                }
            }
            part => kept.push(part),
        }
    }
    format!("/{}{query}", kept.join("/"))
}

/// The authority of what follows `://`, and the rest.
fn split_authority(rest: &str) -> (&str, &str) {
    rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()))
}

/// The address without user and password, which go into a header.
fn without_user(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, path) = split_authority(rest);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

/// The address as it is asked for, by curl too: without user and password, and without `.` and `..` in its path.
pub(crate) fn as_sent(url: &str) -> String {
    let url = without_user(url);
    let Some((scheme, rest)) = url.split_once("://") else { return url };
    let (authority, path) = split_authority(rest);
    let has_dots = path.split(['?', '#']).next().is_some_and(|path| path.contains("/."));
    if has_dots { format!("{scheme}://{authority}{}", without_dots(path)) } else { url }
}

/// The address as it is kept and given to helpers: the user may stay.
pub(crate) fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, path) = split_authority(rest);
    match authority.rsplit_once('@') {
        Some((login, host)) => {
            let user = login.split(':').next().unwrap_or_default();
            let at = if user.is_empty() { "" } else { "@" };
            format!("{scheme}://{user}{at}{host}{path}")
        }
        None => url.to_owned(),
    }
}

/// The kinds of login that a server offers, by the values of its `WWW-Authenticate`. Fit to be printed.
pub(crate) fn kinds_of_login(challenges: &[impl AsRef<[u8]>]) -> Vec<String> {
    let mut kinds = Vec::new();
    for part in challenges.iter().flat_map(|value| value.as_ref().split(|byte| *byte == b',')) {
        let word = part.trim().split(|byte| *byte == b' ').next().unwrap_or_default();
        let is_kind = word.len() <= 32 && word.first().is_some_and(u8::is_ascii_alphabetic);
        // What has a `=` is a parameter of the kind before it.
        if is_kind && word.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-') {
            kinds.push(String::from_utf8_lossy(word).into_owned());
        }
    }
    kinds
}

pub(crate) fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0_u32, |group, byte| group << 8 | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let letter =
                LETTERS.get((group >> (18 - 6 * place)) as usize & 63).copied().unwrap_or(b'=');
            text.push(if place > chunk.len() { '=' } else { letter.into() });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_the_standard_one() {
        for (plain, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("user:p\u{e4}ss", "dXNlcjpww6Rzcw=="),
        ] {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }

    #[test]
    fn plain_http_can_be_read_on_the_way_but_not_on_this_machine() {
        for (url, expected) in [
            ("http://127.0.0.1:80/x", false),
            ("http://[::1]:80/x", false),
            ("http://localhost/x", false),
            ("https://example.com/x", false),
            ("http://127.0.0.1.example.com/x", true),
            ("http://127.0.0.1@example.com/x", true),
            ("http://example.com?@127.0.0.1/x", true),
        ] {
            assert_eq!(http_origin(url).unwrap().may_be_read_on_the_way(), expected, "{url}");
        }
    }

    #[test]
    fn another_scheme_host_or_port_is_another_origin() {
        let here = http_origin("http://h/a");
        for same in ["http://user@H/b", "http://h:80/", "HTTP://h", "http://u:p@h?x"] {
            assert_eq!(http_origin(same), here, "{same}");
        }
        for other in [
            "http://h:81/a",
            "https://h/a",
            "https://h:80/a",
            "http://g/a",
            "http://g?@h/",
            "http://h@g/",
        ] {
            let there = http_origin(other);
            assert!(there.is_some() && there != here, "{other}");
        }
        for none in ["ftp://h/", "http://", "http:///x", "h/a", ""] {
            assert_eq!(http_origin(none), None, "{none}");
        }
    }

    #[test]
    fn a_location_is_resolved_as_rfc_3986_says() {
        let from = "http://u@h:1/a/b/c?q=1";
        for (to, expected) in [
            ("HTTPS://other/x", "https://other/x"),
            ("//other/x", "http://other/x"),
            ("/x/y?z", "http://u@h:1/x/y?z"),
            ("x", "http://u@h:1/a/b/x"),
            ("../x/./y/..", "http://u@h:1/a/x/"),
            ("../../../../x", "http://u@h:1/x"),
            ("?z", "http://u@h:1/a/b/c?z"),
            ("", "http://u@h:1/a/b/c?q=1"),
            ("a:b", ""),
            ("./a:b", "http://u@h:1/a/b/a:b"),
            ("/x#part", "http://u@h:1/x"),
            ("/a b\u{e9}", "http://u@h:1/a%20b%C3%A9"),
        ] {
            assert_eq!(resolved(from, to.as_bytes()).unwrap_or_default(), expected, "{to}");
        }
        assert_eq!(resolved("http://h", b"x").as_deref(), Some("http://h/x"));
    }

    #[test]
    fn a_password_is_kept_in_no_address() {
        for (url, kept) in [
            ("http://u:p@h/x", "http://u@h/x"),
            ("http://u:p:@@h/x", "http://u@h/x"),
            ("http://:p@h", "http://h"),
            ("http://u@h?a:b@c", "http://u@h?a:b@c"),
        ] {
            assert_eq!(without_password(url), kept, "{url}");
        }
    }

    #[test]
    fn kinds_of_login_are_distinguished_from_their_parameters() {
        let kinds = kinds_of_login(&["Digest realm=\"a, b\", qop=\"auth\", Basic realm=x", "NTLM"]);
        assert_eq!(kinds, ["Digest", "Basic", "NTLM"]);
        assert_eq!(kinds_of_login(&["Basic"]), ["Basic"]);
        assert!(kinds_of_login(&["\u{1b}[31mX realm=1", ""]).is_empty());
    }
}
