//! [`Origin`]: which repository it is, however it was spelled.
//!
//! Lexical: redirects, `insteadOf`, ssh host aliases and symbolic links are not followed, so one
//! repository may still have two Origins. Two repositories never share one, with the exceptions that
//! are named at [`RemoteUrl::origin`].

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::written::hex_pair;
use super::{RemoteUrl, Scheme};

/// The canonical identity of a repository: `host[:port]/path`, or `file:///absolute/path`.
///
/// One that is read from a record is taken at its word. Which spellings are one repository may change with a version,
/// and a journal must not become unreadable by that: an origin of old rules is another repository than that of new
/// ones, which costs one whole fetch.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Origin(String);

/// The text is not an origin in its canonical form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an origin is `host/path` or `file:///path` in canonical form")]
pub struct ParseOriginError;

/// The hosts known to fold the case of paths, which are also those where every user sees one tree.
const FORGES: [&str; 4] = ["github.com", "gitlab.com", "bitbucket.org", "codeberg.org"];

impl RemoteUrl {
    /// The identity of the repository at this address.
    ///
    /// Scheme, user, default port, a trailing `/` and `.git` are dropped, the host is lower case. So
    /// `https://h/r` and `http://h/r.git` are one repository here; a server where they are two
    /// cannot be used for both. Kept apart are, because they often differ: `x` and `x.git` in the local file
    /// system, and the homes of different ssh users (`me@h:r` is `h/~me/r`), except that `git@h:r` is
    /// `h/r`, as on every forge.
    #[must_use]
    pub fn origin(&self) -> Origin {
        let Some(written_host) = self.host() else {
            let path = canonical_path(self.path(), true);
            return Origin(format!("file://{}", path.strip_suffix("/.git").unwrap_or(&path)));
        };
        let (host, port) = canonical_host(written_host, self.port(), self.scheme());
        let mut path = canonical_path(&self.path_from_root(), !self.is_scp());
        if FORGES.contains(&host.as_str()) {
            path = canonical_path(&path.to_ascii_lowercase(), true);
        }
        path.truncate(path.strip_suffix(".git").unwrap_or(&path).trim_end_matches('/').len());
        Origin(match port {
            Some(port) => format!("{host}:{port}{path}"),
            None => format!("{host}{path}"),
        })
    }

    /// The path with the home directory of an ssh user made explicit.
    fn path_from_root(&self) -> String {
        let path = self.path();
        // Only ssh has homes of users; over HTTP a user is an account, and all accounts see one tree.
        let is_ssh = self.scheme() == Scheme::Ssh;
        let home = self.user().filter(|user| is_ssh && *user != "git" && !self.is_at_forge());
        let below_home = match path.strip_prefix("/~/").or_else(|| path.strip_prefix("~/")) {
            Some(below) => Some(below),
            None => (self.is_scp() && !path.starts_with(['/', '~'])).then_some(path),
        };
        match (below_home, home) {
            (Some(below), Some(user)) => format!("/~{user}/{below}"),
            _ => format!("/{path}"),
        }
    }

    /// Whether the host is one of the known public forges.
    pub(super) fn is_at_forge(&self) -> bool {
        self.forge().is_some()
    }

    /// The canonical name of the known public forge this is at.
    pub(super) fn forge(&self) -> Option<&'static str> {
        let (host, _) = canonical_host(self.host()?, self.port(), self.scheme());
        FORGES.into_iter().find(|forge| *forge == host)
    }
}

fn canonical_host(host: &str, port: Option<u16>, scheme: Scheme) -> (String, Option<u16>) {
    let host = host.to_lowercase();
    let host = host.strip_suffix('.').unwrap_or(&host);
    let port = port.filter(|_| port != scheme.default_port());
    // The forges' second doors, for networks that let only port 443 out.
    let (host, port) = match (host, port) {
        ("www.github.com", port) => ("github.com", port),
        ("ssh.github.com", None | Some(443)) => ("github.com", None),
        ("altssh.gitlab.com", None | Some(443)) => ("gitlab.com", None),
        ("altssh.bitbucket.org", None | Some(443)) => ("bitbucket.org", None),
        other => other,
    };
    (host.to_owned(), port)
}

/// Folds slashes and `.`; writes each byte in the one form it has in a canonical path.
fn canonical_path(path: &str, is_encoded: bool) -> String {
    let parts =
        path.split('/').filter(|part| !part.is_empty()).map(|part| canonical(part, is_encoded));
    parts.filter(|part| part != ".").fold(String::new(), |path, part| path + "/" + &part)
}

fn canonical(part: &str, is_encoded: bool) -> String {
    let mut out = String::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let (byte, escaped) = match hex_pair(rest).filter(|_| is_encoded) {
            Some((value, after)) => {
                rest = after;
                (value, !is_unreserved(value))
            }
            None => {
                rest = tail;
                // In a URL a stray `%` stands for itself, as `%25` does.
                (byte, byte == b'%' || byte == b'?' || !byte.is_ascii_graphic())
            }
        };
        if escaped {
            out.push_str(&format!("%{byte:02X}"));
        } else {
            out.push(char::from(byte));
        }
    }
    out
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

impl Origin {
    /// The host and port it is at; none, when it is in the local file system.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        self.0.split('/').next().filter(|host| !host.is_empty() && *host != "file:")
    }

    /// The canonical text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// 32 hex digits of BLAKE3, fit for the name of a directory.
    #[must_use]
    pub fn hash(&self) -> String {
        blake3::hash(self.0.as_bytes()).to_hex().chars().take(32).collect()
    }
}

impl FromStr for Origin {
    type Err = ParseOriginError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // Two schemes, because the default port of one may stand in a URL of the other.
        let spellings = [text.to_owned(), format!("git://{text}"), format!("https://{text}")];
        spellings
            .iter()
            .filter_map(|spelling| spelling.parse::<RemoteUrl>().ok())
            .map(|url| url.origin())
            .find(|origin| origin.0 == text)
            .ok_or(ParseOriginError)
    }
}

impl From<Origin> for String {
    fn from(origin: Origin) -> Self {
        origin.0
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str) -> String {
        let url: RemoteUrl = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
        url.origin().to_string()
    }

    #[test]
    fn every_spelling_of_one_repository_has_one_origin() {
        let table = [
            ("https://h/o/r", "h/o/r"),
            ("https://h/o/r.git", "h/o/r"),
            ("https://h/o/r/", "h/o/r"),
            ("https://h/o/r.git/", "h/o/r"),
            ("https://h//o///r", "h/o/r"),
            ("https://h/./o/r", "h/o/r"),
            ("https://H/o/r", "h/o/r"),
            ("https://h./o/r", "h/o/r"),
            ("HTTPS://h/o/r", "h/o/r"),
            ("https://h:443/o/r", "h/o/r"),
            ("https://h:/o/r", "h/o/r"),
            ("http://h/o/r", "h/o/r"),
            ("http://h:80/o/r", "h/o/r"),
            ("ssh://git@h/o/r", "h/o/r"),
            ("ssh://h:22/o/r", "h/o/r"),
            ("git://h/o/r", "h/o/r"),
            ("git://h:9418/o/r", "h/o/r"),
            ("git@h:o/r", "h/o/r"),
            ("git@h:/o/r.git", "h/o/r"),
            ("https://user:tok@h/o/r", "h/o/r"),
            ("https://tok@h/o/r", "h/o/r"),
            ("https://me@h/~/r", "h/~/r"),
            ("https://me:pw@h/~you/r", "h/~you/r"),
            ("https://h/%6f/r", "h/o/r"),
            ("https://h/o/r%2egit", "h/o/r"),
            ("https://github.com/Org/Repo", "github.com/org/repo"),
            ("https://www.github.com/org/repo", "github.com/org/repo"),
            ("ssh://git@ssh.github.com:443/org/repo.git", "github.com/org/repo"),
            ("git@GitHub.com:Org/Repo.git", "github.com/org/repo"),
            ("git@github.com:Org/Repo.GIT", "github.com/org/repo"),
            ("org-1@github.com:Org/Repo", "github.com/org/repo"),
            ("https://gitlab.com/G/Sub/R", "gitlab.com/g/sub/r"),
            ("ssh://git@altssh.gitlab.com:443/G/Sub/R", "gitlab.com/g/sub/r"),
            ("https://bitbucket.org/O/R", "bitbucket.org/o/r"),
            ("https://codeberg.org/O/R", "codeberg.org/o/r"),
            ("https://h/a%2fb%20c", "h/a%2Fb%20c"),
            ("https://h/%c3%bc", "h/%C3%BC"),
            ("https://h/ü", "h/%C3%BC"),
            ("git@h:ü", "h/%C3%BC"),
            ("https://[::1]:8080/r", "[::1]:8080/r"),
            ("ssh://me@h/~/r", "h/~me/r"),
            ("ssh://me@h/~me/r", "h/~me/r"),
            ("me@h:r", "h/~me/r"),
            ("me@h:~/r", "h/~me/r"),
            ("me@h:~me/r", "h/~me/r"),
            ("me@h:/r", "h/r"),
            ("ssh://h/%7Eme/r", "h/~me/r"),
            ("file:///srv/r", "file:///srv/r"),
            ("file://localhost/srv//r/", "file:///srv/r"),
            ("file:///srv/r/.git", "file:///srv/r"),
            ("file:///srv/r.git", "file:///srv/r.git"),
        ];
        for (text, canonical) in table {
            assert_eq!(origin(text), canonical, "{text}");
        }
    }

    #[test]
    fn different_repositories_have_different_origins() {
        let table = [
            ("https://h/o/r", "https://h/o/R"),
            ("https://h/o/r", "https://h:8443/o/r"),
            ("https://h/o/r", "http://h:443/o/r"),
            ("https://h/o/r", "https://g/o/r"),
            ("https://h/o/r", "https://h/~o/r"),
            ("https://h/a%2Fb", "https://h/a/b"),
            ("git@h:a%2Fb", "https://h/a%2Fb"),
            ("me@h:r", "you@h:r"),
            ("me@h:r", "me@h:/r"),
            ("file:///srv/r", "file:///srv/r.git"),
            ("file:///srv/r", "https://srv/r"),
        ];
        for (one, other) in table {
            assert_ne!(origin(one), origin(other), "{one} and {other}");
        }
    }

    #[test]
    fn an_origin_reads_back_from_what_it_prints_and_only_from_that() {
        for text in [
            "h/o/r",
            "h:8443/o/r",
            "[::1]:8080/r",
            "file:///srv/r.git",
            "h/~me/r",
            "h/%25",
            "h:9418/r",
        ] {
            assert_eq!(text.parse::<Origin>().map(String::from).as_deref(), Ok(text));
        }
        for text in ["", "h", "H/r", "h/r.git", "h/r/", "u@h/r", "github.com/O/r"] {
            assert_eq!(text.parse::<Origin>(), Err(ParseOriginError), "{text}");
        }
    }

    #[test]
    fn the_hash_of_an_origin_is_a_file_name_of_32_hex_digits() {
        let hash = "h/o/r".parse::<Origin>().unwrap().hash();
        assert_eq!(hash.len(), 32);
        assert!(hash.bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_ne!(hash, "h/o/R".parse::<Origin>().unwrap().hash());
    }
}
