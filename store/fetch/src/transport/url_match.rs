//! Which section `http.<url>.*` or `credential.<url>.*` is about an address, by git's rules (`urlmatch.c`). Pure.
//!
//! An address is normalised first: scheme and host in lower case, no default port, no dot segments, one way to escape.
//! A pattern may have `*` for a whole name in its host. Of several that match, the longest host counts, then the longest
//! path, then the one that names the user.
//!
//! Limits: bytes are compared as they are; international names are not translated.

/// Always escaped.
const UNSAFE: &[u8] = b" <>\"%{}|\\^`";
/// Left escaped where they came escaped: they would mean something else.
const RESERVED: &[u8] = b":/?#[]@!$&'()*+,;=";

/// An address in its one normal form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NormalUrl {
    scheme: Vec<u8>,
    user: Option<Vec<u8>>,
    host: Vec<u8>,
    port: Vec<u8>,
    /// The path, which begins with a slash, and the query.
    path: Vec<u8>,
}

/// How well a pattern fits: the greater the better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Fit {
    host: usize,
    path: usize,
    user: bool,
}

impl NormalUrl {
    /// An address of a server.
    pub(crate) fn of_url(text: &[u8]) -> Option<Self> {
        normalised(text, false)
    }

    /// The address in the name of a section.
    pub(crate) fn of_pattern(text: &[u8]) -> Option<Self> {
        normalised(text, true)
    }

    /// How well `pattern` fits; nothing where it is about other addresses.
    pub(crate) fn fit(&self, pattern: &Self) -> Option<Fit> {
        let user = pattern.user.is_some();
        let same_place = (!user || pattern.user == self.user)
            && pattern.scheme == self.scheme
            && host_fits(&self.host, &pattern.host)
            && pattern.port == self.port;
        let path = path_fit(&self.path, &pattern.path).filter(|_| same_place)?;
        Some(Fit { host: pattern.host.len(), path, user })
    }
}

/// Name by name; `*` stands for any one name.
fn host_fits(host: &[u8], pattern: &[u8]) -> bool {
    let dot = |byte: &u8| *byte == b'.';
    let (mut names, mut patterns) = (host.split(dot), pattern.split(dot));
    loop {
        match (names.next(), patterns.next()) {
            (None, None) => return true,
            (Some(name), Some(pattern)) if pattern == b"*" || pattern == name => {}
            _ => return false,
        }
    }
}

/// How much of `path` is named, where whole names are.
fn path_fit(path: &[u8], prefix: &[u8]) -> Option<usize> {
    let prefix = prefix.strip_suffix(b"/").unwrap_or(prefix);
    match path.strip_prefix(prefix)? {
        [] | [b'/', ..] => Some(prefix.len() + 1),
        _ => None,
    }
}

fn normalised(text: &[u8], is_pattern: bool) -> Option<NormalUrl> {
    let colon = text.iter().position(|byte| *byte == b':')?;
    let (scheme, rest) = text.split_at(colon);
    let rest = rest.strip_prefix(b"://")?;
    let letters = scheme.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+.-".contains(byte));
    if !letters || !scheme.first().is_some_and(u8::is_ascii_alphabetic) {
        return None;
    }
    let scheme = scheme.to_ascii_lowercase();
    let (authority, path) = rest.split_at(end_of(rest, b"/?#"));
    let (user, place) = match authority.iter().position(|byte| *byte == b'@') {
        Some(at) => {
            let login = escaped(authority.get(..at)?)?;
            let user = login.get(..end_of(&login, b":"))?.to_vec();
            (Some(user), authority.get(at + 1..)?)
        }
        None => (None, authority),
    };
    let (host, port) = host_and_port(place, &scheme, is_pattern)?;
    Some(NormalUrl { scheme, user, host, port, path: normal_path(path)? })
}

fn host_and_port(place: &[u8], scheme: &[u8], is_pattern: bool) -> Option<(Vec<u8>, Vec<u8>)> {
    // A colon within brackets is part of an address of IPv6.
    let before_port = place.iter().rposition(|byte| b":]".contains(byte));
    let before_port = before_port.filter(|at| place.get(*at) == Some(&b':'));
    let (host, port) = place.split_at(before_port.unwrap_or(place.len()));
    let is_known = |byte: &u8| {
        byte.is_ascii_alphanumeric() || b".-_[:]".contains(byte) || (is_pattern && *byte == b'*')
    };
    if host.is_empty() && scheme != b"file" || !host.iter().all(is_known) {
        return None;
    }
    Some((host.to_ascii_lowercase(), normal_port(port.get(1..).unwrap_or_default(), scheme)?))
}

/// Empty where it is the usual one.
fn normal_port(port: &[u8], scheme: &[u8]) -> Option<Vec<u8>> {
    if port.is_empty() {
        return Some(Vec::new());
    }
    let digits = port.iter().all(u8::is_ascii_digit);
    let number: u16 = str::from_utf8(port).ok().filter(|_| digits)?.parse().ok()?;
    match (scheme, number) {
        (_, 0) => None,
        (b"http", 80) | (b"https", 443) => Some(Vec::new()),
        (_, number) => Some(number.to_string().into_bytes()),
    }
}

/// The path without `.` and `..`, and the query behind it.
fn normal_path(rest: &[u8]) -> Option<Vec<u8>> {
    let (path, query) = rest.split_at(end_of(rest, b"?#"));
    let mut kept: Vec<Vec<u8>> = Vec::new();
    for segment in path.strip_prefix(b"/").unwrap_or(path).split(|byte| *byte == b'/') {
        let segment = escaped(segment)?;
        match segment.as_slice() {
            b"." => {}
            b".." => {
                kept.pop()?;
            }
            _ => kept.push(segment),
        }
    }
    let mut normal = vec![b'/'];
    normal.extend(kept.join(&b'/'));
    normal.extend(escaped(query)?);
    Some(normal)
}

/// The place of the first of these bytes, or the end.
fn end_of(text: &[u8], stops: &[u8]) -> usize {
    text.iter().position(|byte| stops.contains(byte)).unwrap_or(text.len())
}

/// Each byte escaped that has to be, and no other but those that came escaped and are reserved.
fn escaped(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut rest = text.iter().copied();
    while let Some(byte) = rest.next() {
        let was_escaped = byte == b'%';
        let byte = if was_escaped {
            let digits = [rest.next()?, rest.next()?];
            u8::from_str_radix(str::from_utf8(&digits).ok()?, 16).ok()?
        } else {
            byte
        };
        let must = !(0x20..0x7f).contains(&byte) || UNSAFE.contains(&byte);
        if must || (was_escaped && RESERVED.contains(&byte)) {
            out.extend_from_slice(format!("%{byte:02X}").as_bytes());
        } else {
            out.push(byte);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::NormalUrl;

    const PATTERNS: [&str; 34] = [
        "https://h.example.com",
        "https://H.Example.com/",
        "https://h.example.com:443/a",
        "https://h.example.com:0443/a",
        "https://h.example.com:8443/",
        "https://*.example.com",
        "https://*.example.com/a/b",
        "https://*.*.com",
        "https://*",
        "https://h*.example.com",
        "https://example.com",
        "http://h.example.com",
        "HTTPS://h.example.com/a",
        "https://h.example.com/a/",
        "https://h.example.com/a/b.git",
        "https://h.example.com/a/b",
        "https://h.example.com/A",
        "https://h.example.com/%61",
        "https://h.example.com/a%2Fb.git",
        "https://h.example.com/x/../a",
        "https://h.example.com/./a/",
        "https://h.example.com/..",
        "https://u@h.example.com",
        "https://u@h.example.com/a",
        "https://v@h.example.com/a/b.git",
        "https://u:p@h.example.com/a",
        "https://@h.example.com/a",
        "https://h.example.com:99999/",
        "https://h.example.com:/a",
        "https://[::1]:8443/",
        "https://[::1]",
        "h.example.com",
        "https:///a",
        "https://h.example.com/a?q=1",
    ];

    const URLS: [&str; 14] = [
        "https://h.example.com/a/b.git",
        "https://H.EXAMPLE.com:443/a/b.git",
        "https://h.example.com/a",
        "https://h.example.com/",
        "https://h.example.com",
        "https://u@h.example.com/a/b.git",
        "https://u:secret@h.example.com/a/b.git",
        "https://h.example.com:8443/a/b.git",
        "https://other.example.com/a/b",
        "https://h.example.com/%61/%62.git",
        "https://h.example.com/a?q=1",
        "https://h.example.com/a/./c/../b.git/",
        "https://[::1]:8443/a",
        "http://h.example.com/a/b.git",
    ];

    /// The patterns for which `git config --get-urlmatch` takes a section of that name alone.
    fn taken_by_git(url: &str) -> Vec<&'static str> {
        let taken = |pattern: &&&str| {
            let mut git = Command::new("git");
            git.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
            git.env("GIT_CONFIG_COUNT", "1").env("GIT_CONFIG_KEY_0", format!("http.{pattern}.x"));
            git.env("GIT_CONFIG_VALUE_0", "1").current_dir("/");
            git.args(["config", "--get-urlmatch", "http.x", url]);
            git.output().is_ok_and(|ran| ran.stdout == b"1\n")
        };
        PATTERNS.iter().filter(taken).copied().collect()
    }

    #[test]
    fn a_section_is_about_an_address_exactly_where_it_is_for_git() {
        for url in URLS {
            let normal = NormalUrl::of_url(url.as_bytes());
            let fits = |pattern: &&&str| {
                let pattern = NormalUrl::of_pattern(pattern.as_bytes());
                normal
                    .as_ref()
                    .zip(pattern)
                    .is_some_and(|(url, pattern)| url.fit(&pattern).is_some())
            };
            let ours: Vec<_> = PATTERNS.iter().filter(fits).copied().collect();
            assert_eq!(ours, taken_by_git(url), "{url}");
        }
    }

    #[test]
    fn of_two_sections_the_one_counts_that_counts_for_git() {
        let url = "https://u@h.example.com/a/b.git";
        let normal = NormalUrl::of_url(url.as_bytes()).unwrap();
        let fit = |text: &str| normal.fit(&NormalUrl::of_pattern(text.as_bytes())?);
        let known: Vec<_> = PATTERNS.iter().filter(|text| fit(text).is_some()).collect();
        for (number, first) in known.iter().enumerate() {
            for second in known.iter().skip(number + 1) {
                let mut git = Command::new("git");
                git.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
                git.env("GIT_CONFIG_COUNT", "2").current_dir("/");
                git.env("GIT_CONFIG_KEY_0", format!("http.{first}.x"))
                    .env("GIT_CONFIG_VALUE_0", "1");
                git.env("GIT_CONFIG_KEY_1", format!("http.{second}.x"))
                    .env("GIT_CONFIG_VALUE_1", "2");
                let ran = git.args(["config", "--get-urlmatch", "http.x", url]).output().unwrap();
                let expected = if fit(second) >= fit(first) { b"2\n" } else { b"1\n" };
                assert_eq!(ran.stdout, expected, "{first} and {second}");
            }
        }
    }
}
