//! Addresses and logins as HTTP writes them. Pure.
//!
//! Limits: a redirect's address is absolute, or absolute on the same server.

use ureq::http::Uri;

pub(crate) fn absolute(from: &str, to: &str) -> Option<String> {
    if to.contains("://") {
        return Some(to.to_owned());
    }
    let (scheme, rest) = from.split_once("://")?;
    let authority = rest.split('/').next()?;
    to.starts_with('/').then(|| format!("{scheme}://{authority}{to}"))
}

/// Scheme, host and port: what a login is meant for.
pub(crate) fn place(url: &str) -> Option<(String, String, Option<u16>)> {
    let uri: Uri = without_user(url).parse().ok()?;
    Some((uri.scheme_str()?.to_owned(), uri.host()?.to_ascii_lowercase(), uri.port_u16()))
}

pub(crate) fn is_loopback(url: &str) -> bool {
    let host = place(url).map(|(_, host, _)| host).unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

pub(crate) fn without_user(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{path}")
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
    use super::{absolute, base64, is_loopback, place};

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
    fn only_this_machine_is_loopback() {
        for (url, expected) in [
            ("http://127.0.0.1:80/x", true),
            ("http://[::1]:80/x", true),
            ("http://localhost/x", true),
            ("http://127.0.0.1.example.com/x", false),
            ("http://127.0.0.1@example.com/x", false),
        ] {
            assert_eq!(is_loopback(url), expected, "{url}");
        }
    }

    #[test]
    fn another_port_is_another_place() {
        assert_ne!(place("http://h/a"), place("http://h:81/a"));
        assert_eq!(place("http://user@H/a"), place("http://h/b"));
        assert_eq!(absolute("http://h:1/a", "/b").as_deref(), Some("http://h:1/b"));
    }
}
