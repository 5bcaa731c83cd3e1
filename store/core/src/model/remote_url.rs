//! [`RemoteUrl`]: a git remote as it was written, with its secret kept apart.
//!
//! The spelling is kept, because transport uses it; only case of the scheme and trailing slashes are
//! not. Two spellings of one repository are compared by their `Origin`. A repository path that holds
//! an `@` needs care in a source, where `@` begins a ref.

use std::{fmt, path::PathBuf, str::FromStr};

use super::archive_address::may_be_written;
use super::login_text::{account, secret_in_login};
use super::source_error::Refusal;
use super::written::{STARS, percent_decode};
use super::{Expected, ParseSourceError};

/// How a remote is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// `https://`
    Https,
    /// `http://`
    Http,
    /// `ssh://` and the scp form `user@host:path`
    Ssh,
    /// `git://`
    Git,
    /// `file://`
    File,
}

/// The address of a git repository, or of an archive.
///
/// `Display` and `Debug` show `***` for a password or token; only [`RemoteUrl::expose`] gives it away.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RemoteUrl {
    scheme: Scheme,
    spelling: Spelling,
    login: Login,
    host: String,
    port: Option<u16>,
    path: String,
    /// What follows the path of an archive, with its `?`; it holds no secret.
    query: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Spelling {
    Url,
    Scp,
}

/// What stands before `@`; the strings of a secret never reach `Display` or `Debug`.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Login {
    Nobody,
    User(String),
    UserAndSecret(String, String),
    /// A lone token, or a token with a placeholder for a password.
    Secret(String),
}

impl Scheme {
    /// The scheme's name in a URL, without `://`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Https => "https",
            Self::Http => "http",
            Self::Ssh => "ssh",
            Self::Git => "git",
            Self::File => "file",
        }
    }

    /// The port that need not be written.
    #[must_use]
    pub const fn default_port(self) -> Option<u16> {
        match self {
            Self::Https => Some(443),
            Self::Http => Some(80),
            Self::Ssh => Some(22),
            Self::Git => Some(9418),
            Self::File => None,
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        [Self::Https, Self::Http, Self::Ssh, Self::Git, Self::File]
            .into_iter()
            .find(|scheme| scheme.as_str().eq_ignore_ascii_case(name))
    }
}

impl RemoteUrl {
    /// How it is reached. The scp form is [`Scheme::Ssh`].
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host as written, with the brackets of an IPv6 address; `None` for `file://`.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        (self.scheme != Scheme::File).then_some(self.host.as_str())
    }

    /// The port, if one was written.
    #[must_use]
    pub const fn port(&self) -> Option<u16> {
        self.port
    }

    /// The user, where it is no secret.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        match &self.login {
            Login::User(user) | Login::UserAndSecret(user, _) => Some(user),
            Login::Nobody | Login::Secret(_) => None,
        }
    }

    /// The query of an archive's address, without its `?`.
    pub(super) fn query(&self) -> &str {
        self.query.trim_start_matches('?')
    }

    /// The path as written, without trailing slashes. Only in the scp form it may lack the leading `/`
    /// (it is relative to the user's home then) and is not percent-encoded.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether it was written as `user@host:path`.
    #[must_use]
    pub fn is_scp(&self) -> bool {
        self.spelling == Spelling::Scp
    }

    /// Whether a password or token was written in it.
    #[must_use]
    pub const fn has_secret(&self) -> bool {
        matches!(self.login, Login::UserAndSecret(..) | Login::Secret(_))
    }

    /// The same address without its password or token. The user stays, if it names an account.
    #[must_use]
    pub fn without_secret(&self) -> Self {
        let login = match &self.login {
            Login::User(user) => Login::User(user.clone()),
            Login::UserAndSecret(user, _) => {
                // A second `@` would be read as the end of the login by some.
                account(user).map_or(Login::Nobody, |user| Login::User(user.replace('@', "%40")))
            }
            Login::Nobody | Login::Secret(_) => Login::Nobody,
        };
        Self { login, ..self.clone() }
    }

    /// The same address for whichever account: over HTTP all accounts see one repository.
    #[must_use]
    pub fn without_account(&self) -> Self {
        match self.scheme {
            Scheme::Http | Scheme::Https => Self { login: Login::Nobody, ..self.clone() },
            Scheme::Ssh | Scheme::Git | Scheme::File => self.without_secret(),
        }
    }

    /// Whether a repository is asked for with the same login by both addresses. Over ssh the login is the key's.
    pub fn has_login_of(&self, other: &Self) -> bool {
        let is_http = |scheme| matches!(scheme, Scheme::Http | Scheme::Https);
        self.login == other.login || !(is_http(self.scheme) || is_http(other.scheme))
    }

    /// The full address **with its secret**, for the transport and for nothing else: never store,
    /// log or print it, or put it on a command line or into an error.
    #[must_use]
    pub fn expose(&self) -> String {
        let login = match &self.login {
            Login::Nobody => String::new(),
            Login::User(user) => format!("{user}@"),
            Login::UserAndSecret(user, secret) => format!("{user}:{secret}@"),
            Login::Secret(secret) => format!("{secret}@"),
        };
        self.with_login(&login)
    }

    /// The file that a `file://` address names; `None` for the other schemes.
    #[must_use]
    pub fn local_path(&self) -> Option<PathBuf> {
        if self.scheme != Scheme::File {
            return None;
        }
        // What is not percent-encoded text is taken as it is written.
        Some(percent_decode(&self.path).unwrap_or_else(|| self.path.clone()).into())
    }

    fn with_login(&self, login: &str) -> String {
        let Self { scheme, spelling, host, port, path, query, .. } = self;
        match (spelling, port) {
            (Spelling::Scp, _) => format!("{login}{host}:{path}"),
            (Spelling::Url, None) => format!("{}://{login}{host}{path}{query}", scheme.as_str()),
            (Spelling::Url, Some(port)) => {
                format!("{}://{login}{host}:{port}{path}{query}", scheme.as_str())
            }
        }
    }

    /// Reads the URL of an archive, whose query must hold no secret.
    pub(super) fn read_archive(text: &str) -> Result<Self, Refusal> {
        let Some((address, query)) = text.split_once('?') else { return Self::read(text) };
        let url = Self::read(address)?;
        if !may_be_written(query) {
            return Err(Refusal::new(address.len(), Expected::NoQuery));
        }
        let query = if query.is_empty() { String::new() } else { format!("?{query}") };
        Ok(Self { query, ..url })
    }

    /// Reads a URL, or the scp form; without `git+`, ref and fragment.
    pub(super) fn read(text: &str) -> Result<Self, Refusal> {
        if let Some(at) = text.bytes().position(|byte| byte.is_ascii_control() || byte == b'\\') {
            let bad = text.get(at..).and_then(|rest| rest.chars().next()).unwrap_or('\\');
            return Err(Refusal::new(at, Expected::NoCharacter(bad)));
        }
        let mut url = match text.split_once("://") {
            Some((scheme, rest)) => {
                let scheme = Scheme::named(scheme).ok_or(Refusal::new(0, Expected::Scheme))?;
                let start = text.len() - rest.len();
                let read =
                    if scheme == Scheme::File { read_file(rest) } else { read_url(scheme, rest) };
                read.map_err(|refusal| refusal.shifted(start))?
            }
            None => read_scp(text)?,
        };
        let path_at = text.len() - url.path.len();
        check_path(&url).map_err(|refusal| refusal.shifted(path_at))?;
        url.path.truncate(url.path.trim_end_matches('/').len());
        Ok(url)
    }
}

fn read_url(scheme: Scheme, rest: &str) -> Result<RemoteUrl, Refusal> {
    let path_at = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(path_at);
    let (login, address) = authority.rsplit_once('@').unwrap_or(("", authority));
    let address_at = authority.len() - address.len();
    let login = read_login(scheme, login)?;
    let (host, port) = split_port(address);
    check_host(host).map_err(|refusal| refusal.shifted(address_at))?;
    let port = match port {
        None | Some("") => None,
        Some(digits) => Some(read_port(digits).ok_or_else(|| {
            // `ssh://git@host:owner/repo` is the scp form with a scheme before it.
            let refusal = Refusal::new(address_at + host.len() + 1, Expected::Port);
            let meant = format!("git+{}://{login}{host}/{digits}{path}", scheme.as_str());
            if digits.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme == Scheme::Ssh {
                refusal.suggest(meant)
            } else {
                refusal
            }
        })?),
    };
    let (host, path) = (host.to_owned(), path.to_owned());
    let query = String::new();
    Ok(RemoteUrl { scheme, spelling: Spelling::Url, login, host, port, path, query })
}

fn read_file(rest: &str) -> Result<RemoteUrl, Refusal> {
    let path = rest.strip_prefix("localhost").unwrap_or(rest);
    if !path.starts_with('/') {
        return Err(Refusal::new(0, Expected::FilePath));
    }
    if let [b'/', drive, b':', ..] = path.as_bytes()
        && drive.is_ascii_alphabetic()
    {
        return Err(Refusal::new(0, Expected::UnixPath));
    }
    Ok(RemoteUrl {
        scheme: Scheme::File,
        spelling: Spelling::Url,
        login: Login::Nobody,
        host: String::new(),
        port: None,
        path: path.to_owned(),
        query: String::new(),
    })
}

fn read_scp(text: &str) -> Result<RemoteUrl, Refusal> {
    let Some((user, rest)) = text.split_once('@') else {
        return Err(Refusal::new(0, Expected::User));
    };
    let login = match read_login(Scheme::Ssh, user)? {
        login @ Login::User(_) => login,
        _ => return Err(Refusal::new(0, Expected::User)),
    };
    let address_at = user.len() + 1;
    let colon = rest.find(']').unwrap_or(0);
    let colon = rest.get(colon..).and_then(|tail| tail.find(':')).map(|at| at + colon);
    let Some((host, path)) = colon.and_then(|at| rest.split_at_checked(at)) else {
        return Err(Refusal::new(text.len(), Expected::Path));
    };
    check_host(host).map_err(|refusal| refusal.shifted(address_at))?;
    let path = path.strip_prefix(':').unwrap_or(path);
    if path.starts_with('-') {
        return Err(Refusal::new(text.len() - path.len(), Expected::Path));
    }
    Ok(RemoteUrl {
        scheme: Scheme::Ssh,
        spelling: Spelling::Scp,
        login,
        host: host.to_owned(),
        port: None,
        path: path.to_owned(),
        query: String::new(),
    })
}

fn read_login(scheme: Scheme, login: &str) -> Result<Login, Refusal> {
    if login.contains(STARS) {
        return Err(Refusal::new(0, Expected::UnhiddenSecret));
    }
    let ssh = scheme == Scheme::Ssh;
    match secret_in_login(login, ssh) {
        None if login.is_empty() => Ok(Login::Nobody),
        // ssh would take it for an option.
        _ if ssh && login.starts_with('-') => Err(Refusal::new(0, Expected::User)),
        _ if login.contains([' ', '/']) => Err(Refusal::new(0, Expected::User)),
        None => Ok(Login::User(login.to_owned())),
        Some(secret) if secret.start == 0 => Ok(Login::Secret(login.to_owned())),
        Some(secret) => {
            let (user, rest) = login.split_at(secret.start - 1);
            let secret = rest.get(1..).unwrap_or_default();
            Ok(Login::UserAndSecret(user.to_owned(), secret.to_owned()))
        }
    }
}

/// Splits `host:port`; the colons of an IPv6 address in brackets are the host's.
fn split_port(address: &str) -> (&str, Option<&str>) {
    let bracket = address.rfind(']').unwrap_or(0);
    let colon = address.get(bracket..).and_then(|tail| tail.find(':')).map(|at| at + bracket);
    match colon.and_then(|at| address.split_at_checked(at)) {
        Some((host, port)) => (host, port.strip_prefix(':')),
        None => (address, None),
    }
}

fn read_port(digits: &str) -> Option<u16> {
    let only_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|&port| only_digits && port > 0)
}

fn check_host(host: &str) -> Result<(), Refusal> {
    let inner = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let valid = match inner {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            let allowed = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
            !host.is_empty() && !host.starts_with(['-', '.']) && host.chars().all(allowed)
        }
    };
    if valid { Ok(()) } else { Err(Refusal::new(0, Expected::Host)) }
}

fn check_path(url: &RemoteUrl) -> Result<(), Refusal> {
    let path = url.path.as_str();
    if path.trim_matches('/').is_empty() {
        return Err(Refusal::new(0, Expected::Path));
    }
    let is_url = url.spelling == Spelling::Url;
    // In a request of HTTP a space would end the address; elsewhere git takes it as it stands.
    let is_http = matches!(url.scheme, Scheme::Http | Scheme::Https);
    if let Some(at) = path.find(' ').filter(|_| is_http) {
        let meant = format!("git+{}{}", url.login_free_address(), path.replace(' ', "%20"));
        return Err(Refusal::new(at, Expected::NoCharacter(' ')).suggest(meant));
    }
    if let Some(at) = path.find('?').filter(|_| is_url) {
        let meant = format!("{}{}", url.login_free_address(), path.get(..at).unwrap_or_default());
        return Err(Refusal::new(at, Expected::NoQuery).suggest(format!("git+{meant}")));
    }
    let mut at = 0;
    for part in path.split('/') {
        let leads_out = |part: &str| part == ".." || part.contains('\0');
        let is_bad = match is_url && part.contains('%') {
            true => percent_decode(part).is_none_or(|decoded| leads_out(&decoded)),
            false => leads_out(part),
        };
        if is_bad {
            return Err(Refusal::new(at, Expected::NoParent));
        }
        at += part.len() + 1;
    }
    Ok(())
}

impl RemoteUrl {
    fn login_free_address(&self) -> String {
        Self { path: String::new(), ..self.without_secret() }.to_string()
    }
}

impl FromStr for RemoteUrl {
    type Err = ParseSourceError;

    /// Reads `https://…`, `http://…`, `ssh://…`, `git://…`, `file://…` or `user@host:path`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::read(text).map_err(|refusal| refusal.in_text(text))
    }
}

impl fmt::Display for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nobody => Ok(()),
            Self::User(user) => write!(f, "{user}@"),
            Self::UserAndSecret(user, _) => write!(f, "{user}:{STARS}@"),
            Self::Secret(_) => write!(f, "{STARS}@"),
        }
    }
}

impl fmt::Display for RemoteUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.with_login(&self.login.to_string()))
    }
}

impl fmt::Debug for RemoteUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RemoteUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> RemoteUrl {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn a_secret_is_exposed_to_the_transport_and_printed_nowhere() {
        let table = [
            ("https://user:tok-en@h/o/r", "https://user:***@h/o/r", "https://user@h/o/r"),
            ("https://oauth2:tok-en@h/o/r", "https://oauth2:***@h/o/r", "https://h/o/r"),
            ("https://glpat-tok-en@h/o/r", "https://***@h/o/r", "https://h/o/r"),
            ("https://tok-en:@h/o/r", "https://***@h/o/r", "https://h/o/r"),
            ("https://:tok-en@h/o/r", "https://***@h/o/r", "https://h/o/r"),
            ("https://tok-en:x-oauth-basic@h/o", "https://***@h/o", "https://h/o"),
            ("https://a@b.c:tok-en@h/o/r", "https://a@b.c:***@h/o/r", "https://a%40b.c@h/o/r"),
            ("http://user:tok-en@h:8080/o", "http://user:***@h:8080/o", "http://user@h:8080/o"),
            ("ssh://git:tok-en@h/o/r", "ssh://git:***@h/o/r", "ssh://git@h/o/r"),
            ("git://glpat-tok-en@h/o", "git://***@h/o", "git://h/o"),
        ];
        for (written, shown, without) in table {
            let url = url(written);
            assert!(url.has_secret(), "{written}");
            assert_eq!(url.expose(), written);
            assert_eq!(url.to_string(), shown);
            assert_eq!(format!("{url:?}"), format!("RemoteUrl({shown})"));
            assert!(!url.has_secret() || !format!("{url:#?} {url:>80}").contains("tok-en"));
            assert_eq!(url.without_secret().expose(), without);
            assert!(!url.without_secret().has_secret());
        }
    }

    #[test]
    fn an_address_without_a_secret_keeps_its_spelling() {
        for text in [
            "https://github.com/O/R.git",
            "https://h:8443/o//r",
            "http://h/r",
            "ssh://git@h:2222/~me/r",
            "ssh://h/r",
            "git://h/r",
            "file:///srv/my%20repo.git",
            "git@github.com:o/r.git",
            "me@h:~/r",
            "me@[::1]:r",
            "https://[::1]:8080/r",
            "https://h/@scope/r",
            "https://me@h/r",
            "http://me%40corp.example@h:8080/r",
        ] {
            assert_eq!(url(text).expose(), text);
            assert_eq!(url(text).to_string(), text);
            assert!(!url(text).has_secret());
        }
    }

    #[test]
    fn the_parts_of_an_address_are_separated() {
        let ssh = url("ssh://git@h:2222/o/r/");
        assert_eq!((ssh.scheme(), ssh.user(), ssh.host()), (Scheme::Ssh, Some("git"), Some("h")));
        assert_eq!((ssh.port(), ssh.path(), ssh.is_scp()), (Some(2222), "/o/r", false));
        let scp = url("git@h:o/r");
        assert_eq!((scp.scheme(), scp.path(), scp.is_scp()), (Scheme::Ssh, "o/r", true));
        let file = url("FILE://localhost/srv/r");
        assert_eq!((file.host(), file.to_string()), (None, "file:///srv/r".to_owned()));
    }

    #[test]
    fn an_address_that_is_none_is_refused_where_it_goes_wrong() {
        let table = [
            ("ftp://h/r", 0),
            ("https://", 8),
            ("https://h", 9),
            ("https://h/", 9),
            ("https:///r", 8),
            ("https://h:0/r", 10),
            ("https://h:70000/r", 10),
            ("https://h:+80/r", 10),
            ("https://-h/r", 8),
            ("ssh://-oProxyCommand=x@h/r", 6),
            ("ssh://git@-h/r", 10),
            ("https://h/a/../b", 12),
            ("https://h/%2e%2E/b", 10),
            ("https://h/r?x=1", 11),
            ("https://h/a b", 11),
            ("https://h/a\\b", 11),
            ("https://h/a\nb", 11),
            ("git@h:", 6),
            ("git@h:-x", 6),
            ("git@h", 5),
            ("h:o/r", 0),
            ("-x@h:o/r", 0),
            ("file://h/r", 7),
            ("file://./r", 7),
            ("file:///C:/r", 7),
            ("https://***@h/r", 8),
        ];
        for (text, at) in table {
            let error = text.parse::<RemoteUrl>().expect_err(text);
            assert_eq!(error.at, at, "{error}");
        }
    }
}
