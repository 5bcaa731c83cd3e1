//! What this host's git configuration says about talking to servers: `insteadOf`, who may be asked,
//! proxies and certificates, the ssh program, credential helpers.
//!
//! gix reads git configuration only through a repository, so a minimal bare one is made in a scratch
//! directory: three directories and two files, without objects.
//!
//! Limits: of `http.*` it reads `proxy`, `sslVerify`, `sslCAInfo`, `extraHeader`, `userAgent`,
//! `followRedirects`, `lowSpeedLimit` and `lowSpeedTime`, each also per URL. A graphical credential helper may still open a window; what
//! never happens is a question on the terminal.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs::{DirBuilder, OpenOptions},
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use gix::{
    bstr::{BString, ByteSlice},
    url::Scheme,
};
use gix_transport::client::blocking_io::ssh::ProgramKind;
use modstore_core::{
    disk::{is_directory, is_only_ours, names_in, read_own},
    model::printable_login,
};

use super::{credential_helpers::CredentialHelpers, helper_logins::HelperLogins};
use crate::{
    errors::{NetworkError, RemoteError},
    limits::LowSpeed,
};

/// A user name and a password. Never printed.
pub(crate) use gix::sec::identity::Account;

/// The host's configuration, read once.
pub(crate) struct GitConfig {
    repository: gix::ThreadSafeRepository,
    logins: HelperLogins,
    interactive: bool,
    /// Where the repository is, if it stays there.
    kept: Option<PathBuf>,
}

/// The address of a remote repository or file, and its login.
#[derive(Clone)]
pub(crate) struct RemoteUrl {
    /// The address after `insteadOf`, without a password.
    pub url: gix::Url,
    /// The login that was written in the address.
    pub login: Option<Account>,
    /// The address as it was written, fit to be printed.
    pub redacted: String,
}

/// What `http.*` and the environment say for one address.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct HttpOptions {
    pub connection: ConnectionOptions,
    pub extra_headers: Vec<(String, String)>,
    pub user_agent: Option<String>,
    pub redirects: Redirects,
}

/// Which redirects are followed, as `http.followRedirects` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Redirects {
    Never,
    /// That of the first request of a connection.
    #[default]
    Initial,
    /// Also those of the requests that follow it.
    Always,
}

/// The part of [`HttpOptions`] that a connection is made with; equal ones can share connections.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ConnectionOptions {
    pub proxy: Option<String>,
    pub no_verify: bool,
    pub authorities: Option<PathBuf>,
}

/// How to start ssh.
pub(crate) struct SshProgram {
    pub command: OsString,
    /// Whether `command` is a line for the shell, as in `GIT_SSH_COMMAND`.
    pub shell: bool,
    pub kind: Option<ProgramKind>,
}

impl GitConfig {
    pub(crate) fn read(scratch: &Path, interactive: bool) -> Result<Self, NetworkError> {
        let failed = |source| NetworkError::Scratch { path: scratch.to_owned(), source };
        let kept = scratch.join("host.git");
        let (path, temporary) = if is_believed(scratch, &kept) {
            (kept, None)
        } else {
            // A home that is read-only, not there yet, or another user's; or something else lies there.
            let temporary = tempfile::tempdir().map_err(failed)?;
            minimal_repository(temporary.path()).map_err(failed)?;
            (temporary.path().to_owned(), Some(temporary))
        };
        let options = gix::open::Options::default()
            .permissions(gix::open::Permissions::all())
            .with(gix::sec::Trust::Full)
            .open_path_as_is(true);
        let repository = gix::open_opts(path.clone(), options)
            .map_err(|source| NetworkError::Configuration { source: source.to_string().into() })?;
        let helpers = CredentialHelpers::new(&path, interactive);
        let logins = HelperLogins::new(helpers, repository.config_snapshot().plumbing());
        let kept = temporary.is_none().then_some(path);
        Ok(GitConfig { repository: repository.into_sync(), logins, interactive, kept })
    }

    /// A directory for what is worth remembering from run to run; nothing where there is none that lasts.
    pub(crate) fn memory(&self) -> Option<&Path> {
        self.kept.as_deref()
    }

    pub(crate) fn interactive(&self) -> bool {
        self.interactive
    }

    /// Rewrites `written` as the host wants it, and take the login out of it.
    pub(crate) fn remote_url(&self, written: &str) -> Result<RemoteUrl, RemoteError> {
        let repository = self.repository.to_thread_local();
        let config = repository.config_snapshot();
        let remote = parsed(&instead_of(config.plumbing(), written), redact(written))?;
        let RemoteUrl { url, redacted, .. } = &remote;
        let scheme = url.scheme.as_str().to_owned();
        if !matches!(
            url.scheme,
            Scheme::Http | Scheme::Https | Scheme::Git | Scheme::Ssh | Scheme::File
        ) {
            let source = Some(format!("the scheme {scheme} is not known").into());
            return Err(RemoteError::Address { url: redacted.clone(), source });
        }
        if !allowed(config.plumbing(), &scheme) {
            return Err(RemoteError::Forbidden { url: redacted.clone(), scheme });
        }
        Ok(remote)
    }

    /// The scheme of `written`, if that is one that a person may ask for and no repository may for its submodules.
    pub(crate) fn forbidden_to_repositories(&self, written: &str) -> Option<String> {
        let repository = self.repository.to_thread_local();
        let config = repository.config_snapshot();
        let scheme = scheme_of(&instead_of(config.plumbing(), written));
        (!allowed_to_repositories(config.plumbing(), &scheme)).then_some(scheme)
    }

    /// `written` as `insteadOf` has it.
    pub(crate) fn rewritten(&self, written: &str) -> String {
        let repository = self.repository.to_thread_local();
        instead_of(repository.config_snapshot().plumbing(), written)
    }

    /// Takes the login out of the address of something that is no repository: what the configuration
    /// says about repositories (`insteadOf`, `protocol.*`) is not about it.
    pub(crate) fn plain_url(&self, written: &str) -> Result<RemoteUrl, RemoteError> {
        parsed(written, redact(written))
    }

    /// The last value of a key, such as `lfs.url`.
    pub(crate) fn value(&self, key: &str) -> Option<String> {
        let repository = self.repository.to_thread_local();
        repository.config_snapshot().string(key).map(|value| value.to_string())
    }

    /// What `http.*` and the environment say for `url`.
    pub(crate) fn http(&self, url: &gix::Url) -> HttpOptions {
        let repository = self.repository.to_thread_local();
        let config = repository.config_snapshot();
        let values = |key: &str| http_values(config.plumbing(), url, key);
        let last = |key: &str| values(key).pop().map(|value| value.to_string());
        let proxy = last("proxy").or_else(|| proxy_from_environment(&url.scheme));
        let proxy = proxy
            .filter(|proxy| !proxy.is_empty() && !bypassed(url))
            .map(|proxy| self.proxy_login(proxy));
        HttpOptions {
            connection: ConnectionOptions {
                proxy,
                no_verify: env::var_os("GIT_SSL_NO_VERIFY").is_some()
                    || last("sslVerify").is_some_and(|value| is_false(&value)),
                authorities: env::var("GIT_SSL_CAINFO")
                    .ok()
                    .or_else(|| last("sslCAInfo"))
                    .map(expand_home),
            },
            extra_headers: extra_headers(values("extraHeader")),
            user_agent: env::var("GIT_HTTP_USER_AGENT").ok().or_else(|| last("userAgent")),
            redirects: redirects(last("followRedirects").as_deref()),
        }
    }

    /// What git's configuration and environment say about the lowest rate at `url`.
    pub(crate) fn low_speed(&self, url: &gix::Url) -> LowSpeed {
        if !matches!(url.scheme, Scheme::Http | Scheme::Https) {
            return LowSpeed::default();
        }
        let repository = self.repository.to_thread_local();
        let config = repository.config_snapshot();
        let number = |variable: &str, key: &str| {
            let configured = || Some(http_values(config.plumbing(), url, key).pop()?.to_string());
            number(&env::var(variable).ok().or_else(configured)?)
        };
        LowSpeed {
            limit: number("GIT_HTTP_LOW_SPEED_LIMIT", "lowSpeedLimit"),
            time: number("GIT_HTTP_LOW_SPEED_TIME", "lowSpeedTime"),
        }
    }

    /// The ssh program as git would choose it.
    pub(crate) fn ssh(&self) -> SshProgram {
        let options = self.repository.to_thread_local().ssh_connect_options().unwrap_or_default();
        SshProgram {
            command: options.ssh_command().to_owned(),
            shell: !options.disallow_shell && options.command.is_some(),
            kind: options.kind,
        }
    }

    /// The credential helpers that are configured, and what they have said.
    pub(crate) fn logins(&self) -> &HelperLogins {
        &self.logins
    }

    fn proxy_login(&self, proxy: String) -> String {
        let with_scheme = if proxy.contains("://") { proxy } else { format!("http://{proxy}") };
        let Ok(mut url) = gix::url::parse(with_scheme.as_str()) else { return with_scheme };
        if url.user().is_none() || url.password().is_some() {
            return with_scheme;
        }
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if let Ok(Ok(login)) = self.logins.helpers().fill(&url.to_bstring().to_string(), &[]) {
            url.set_user(Some(text(&login.username)));
            url.set_password(Some(text(&login.password)));
        }
        url.to_bstring().to_string()
    }
}

fn parsed(effective: &str, redacted: String) -> Result<RemoteUrl, RemoteError> {
    // The parser's message repeats the address, and with it the password.
    let Ok(mut url) = gix::url::parse(effective) else {
        return Err(RemoteError::Address { url: redacted, source: None });
    };
    let password = url.set_password(None);
    let login = url.user().zip(password).map(|(user, password)| Account {
        username: user.to_owned(),
        password,
        oauth_refresh_token: None,
    });
    Ok(RemoteUrl { url, login, redacted })
}

const MINIMAL_CONFIG: &str = "[core]\n\trepositoryformatversion = 0\n\tbare = true\n";
const MINIMAL_HEAD: &str = "ref: refs/heads/none\n";

/// What is remembered of servers, beside the repository.
pub(crate) const LONG_LISTINGS: &str = "long-listings";

/// Whether the repository in `mirrors/` is ours, with nothing in it that we did not write, making it if it is not there:
/// a configuration, or what leads to one, that another program put there would be carried out.
fn is_believed(mirrors: &Path, kept: &Path) -> bool {
    let home = mirrors.parent().unwrap_or(mirrors);
    let is_ours = |path: &Path| path.is_dir() && is_only_ours(path);
    // Of the home's own path, the last part may be a link.
    is_ours(&home.canonicalize().unwrap_or_default())
        && is_ours(mirrors)
        && (is_minimal_repository(kept)
            || minimal_repository(kept).is_ok() && is_minimal_repository(kept))
        && is_ours(kept)
}

/// Whether a repository is what [`minimal_repository`] makes, and no more than that.
fn is_minimal_repository(path: &Path) -> bool {
    is_plain_repository(path)
        && names_in(path).is_ok_and(|names| names.iter().all(|name| is_known(name)))
}

/// Whether a name in the repository is one that we give. What a process that was killed had begun is among them.
fn is_known(name: &OsStr) -> bool {
    ["HEAD", "config", "objects", "refs", LONG_LISTINGS].iter().any(|known| name == *known)
        || name.as_encoded_bytes().starts_with(b".tmp")
}

/// Whether a repository has the configuration that [`minimal_repository`] writes, and directories that are no links.
pub(crate) fn is_plain_repository(path: &Path) -> bool {
    is_directory(path)
        && is_directory(&path.join("objects"))
        && is_directory(&path.join("refs"))
        && says(&path.join("HEAD"), MINIMAL_HEAD)
        && says(&path.join("config"), MINIMAL_CONFIG)
}

/// Makes it in a directory whose parent is there already. What else lies there stays, and is neither followed nor
/// written to; [`is_plain_repository`] tells afterwards whether it will do.
pub(crate) fn minimal_repository(path: &Path) -> std::io::Result<()> {
    for directory in [path, &path.join("objects"), &path.join("refs")] {
        if !is_directory(directory) {
            DirBuilder::new().mode(0o755).create(directory)?;
        }
    }
    // The last file: a process that sees it sees a whole repository.
    put(&path.join("config"), MINIMAL_CONFIG)?;
    put(&path.join("HEAD"), MINIMAL_HEAD)
}

/// Makes a file that says this, in the place of any other file or link.
fn put(path: &Path, text: &str) -> std::io::Result<()> {
    if says(path, text) {
        return Ok(());
    }
    match fs_err::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut new = OpenOptions::new().write(true).create_new(true).mode(0o644).open(path)?;
    new.write_all(text.as_bytes())
}

fn says(path: &Path, text: &str) -> bool {
    read_own(path).is_ok_and(|bytes| bytes == text.as_bytes())
}

/// `written`, fit to be printed: without passwords, and for HTTP without anything that may be a token.
pub(crate) fn redact(written: &str) -> String {
    let Some((scheme, rest)) = written.split_once("://") else {
        return match written.split_once('@') {
            Some((user, rest)) if user.contains(':') => rest.to_owned(),
            _ => written.to_owned(),
        };
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let is_http = scheme.ends_with("http") || scheme.ends_with("https");
    let (login, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let user = printable_login(login, scheme.ends_with("ssh"));
    let at = if user.is_empty() { "" } else { "@" };
    let path = if is_http { path.split('?').next().unwrap_or_default() } else { path };
    format!("{scheme}://{user}{at}{host}{path}")
}

/// The longest `url.<base>.insteadOf` that `written` begins with, replaced by its base.
fn instead_of(config: &gix::config::File, written: &str) -> String {
    let best = config
        .sections_by_name("url")
        .into_iter()
        .flatten()
        .filter_map(|section| {
            Some((section.header().subsection_name()?.to_string(), section.values("insteadOf")))
        })
        .flat_map(|(base, prefixes)| {
            prefixes.into_iter().map(move |prefix| (base.clone(), prefix.to_string()))
        })
        .filter(|(_, prefix)| written.starts_with(prefix.as_str()))
        .max_by_key(|(_, prefix)| prefix.len());
    match best {
        Some((base, prefix)) => {
            format!("{base}{}", written.strip_prefix(&prefix).unwrap_or_default())
        }
        None => written.to_owned(),
    }
}

fn allowed(config: &gix::config::File, scheme: &str) -> bool {
    if let Ok(list) = env::var("GIT_ALLOW_PROTOCOL") {
        return list.split(':').any(|allowed| allowed == scheme);
    }
    let policy = config
        .string(&format!("protocol.{scheme}.allow"))
        .or_else(|| config.string("protocol.allow"));
    policy.is_none_or(|policy| policy != "never")
}

/// Whether repositories, and not only people, may ask for this scheme: git's `protocol.<scheme>.allow` is `always`.
fn allowed_to_repositories(config: &gix::config::File, scheme: &str) -> bool {
    if let Ok(list) = env::var("GIT_ALLOW_PROTOCOL") {
        return list.split(':').any(|allowed| allowed == scheme);
    }
    let policy = config
        .string(&format!("protocol.{scheme}.allow"))
        .or_else(|| config.string("protocol.allow"));
    match policy {
        Some(policy) => policy == "always",
        None => matches!(scheme, "http" | "https" | "git" | "ssh"),
    }
}

/// What git would reach an address by: the helper that it names, its scheme, ssh for `host:path`, or a file.
fn scheme_of(address: &str) -> String {
    let is_word = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric());
    if let Some((helper, _)) = address.split_once("::").filter(|(helper, _)| is_word(helper)) {
        return helper.to_owned();
    }
    match gix::url::parse(address) {
        Ok(url) => url.scheme.as_str().to_owned(),
        Err(_) => "file".to_owned(),
    }
}

/// All values of `http.<key>` as git collects them: in their order, but for those of a section that matches `url` worse
/// than one before it. The general section matches worst. Of a key with one value the last one counts.
fn http_values(config: &gix::config::File, url: &gix::Url, key: &str) -> Vec<BString> {
    let mut best = 0;
    let mut all = Vec::new();
    for section in config.sections_by_name("http").into_iter().flatten() {
        let weight = match section.header().subsection_name() {
            None => 0,
            Some(pattern) => match matching_weight(pattern.to_str_lossy().as_ref(), url) {
                Some(weight) => weight,
                None => continue,
            },
        };
        let values: Vec<BString> =
            section.values(key).into_iter().map(|value| value.to_owned()).collect();
        if !values.is_empty() && weight >= best {
            best = weight;
            all.extend(values);
        }
    }
    all
}

/// How much of `url` the pattern of an `http.<pattern>.*` section names, if it matches.
fn matching_weight(pattern: &str, url: &gix::Url) -> Option<usize> {
    let pattern = gix::url::parse(pattern).ok()?;
    let same_place = pattern.scheme == url.scheme
        && pattern.host() == url.host()
        && pattern.port_or_default() == url.port_or_default()
        && (pattern.user().is_none() || pattern.user() == url.user());
    let wanted = pattern.path.trim_end_with(|c| c == '/');
    let below = url.path.strip_prefix(wanted)?;
    let whole_name = below.is_empty() || below.starts_with(b"/");
    (same_place && whole_name)
        .then_some(1 + wanted.len() * 2 + usize::from(pattern.user().is_some()))
}

fn extra_headers(values: Vec<BString>) -> Vec<(String, String)> {
    let mut headers = Vec::new();
    for value in values {
        match value.to_str_lossy().split_once(':') {
            Some((name, value)) => headers.push((name.trim().to_owned(), value.trim().to_owned())),
            // An empty value takes back what came before; a header without a value is none.
            None if value.trim().is_empty() => headers.clear(),
            None => {}
        }
    }
    headers
}

fn proxy_from_environment(scheme: &Scheme) -> Option<String> {
    // Upper-case HTTP_PROXY can be set by a request's header in CGI programs, so no git client reads it.
    let names: &[&str] = match scheme {
        Scheme::Https => &["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"],
        _ => &["http_proxy", "all_proxy", "ALL_PROXY"],
    };
    names.iter().find_map(|name| env::var(name).ok())
}

/// Whether `no_proxy` names the host of `url`.
fn bypassed(url: &gix::Url) -> bool {
    let Some(host) = url.host() else { return false };
    let list = env::var("no_proxy").or_else(|_| env::var("NO_PROXY")).unwrap_or_default();
    names_host(&list, host, url.port_or_default())
}

fn names_host(list: &str, host: &str, port: Option<u16>) -> bool {
    list.split([',', ' ']).filter(|entry| !entry.is_empty()).any(|entry| {
        let (name, wanted) = match entry.rsplit_once(':') {
            Some((name, digits)) if !name.contains(':') => (name, digits.parse().ok()),
            _ => (entry, None),
        };
        let name = name.trim_start_matches("*.").trim_start_matches('.').to_ascii_lowercase();
        let host = host.to_ascii_lowercase();
        let below =
            host.strip_suffix(&name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
        entry == "*" || (below && (wanted.is_none() || wanted == port))
    })
}

/// As git writes numbers; what is below 0 counts as 0.
fn number(text: &str) -> Option<u64> {
    let number = gix::config::Integer::try_from(BString::from(text.trim())).ok()?;
    Some(u64::try_from(number.to_decimal()?).unwrap_or(0))
}

fn redirects(value: Option<&str>) -> Redirects {
    match value {
        None | Some("initial") => Redirects::Initial,
        Some(value) if is_false(value) => Redirects::Never,
        Some(_) => Redirects::Always,
    }
}

fn is_false(value: &str) -> bool {
    matches!(value.to_ascii_lowercase().as_str(), "false" | "no" | "off" | "0")
}

fn expand_home(path: String) -> PathBuf {
    match (path.strip_prefix("~/"), env::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(path),
    }
}

#[cfg(test)]
mod tests {
    use super::{matching_weight, names_host, redact};

    #[test]
    fn a_redacted_address_has_no_secret() {
        for (written, shown) in [
            ("https://user:t0ken@host/a/b.git", "https://user@host/a/b.git"),
            ("https://ghp_t0ken@host/a?access_token=t0ken", "https://host/a"),
            ("https://t0ken:@host/a", "https://host/a"),
            ("https://user@host/a", "https://user@host/a"),
            ("https://user:t0ken@ken@host", "https://user@host"),
            ("ssh://git:t0ken@host:22/a", "ssh://git@host:22/a"),
            ("git@host:a/b", "git@host:a/b"),
            ("https://host/a@b", "https://host/a@b"),
        ] {
            assert_eq!(redact(written), shown);
        }
    }

    #[test]
    fn a_proxy_is_passed_by_for_the_named_hosts_and_what_is_below_them() {
        for (list, host, expected) in [
            ("localhost,.example.com", "git.example.com", true),
            ("example.com", "badexample.com", false),
            ("*", "any", true),
            ("example.com:8443", "example.com", false),
            ("", "any", false),
        ] {
            assert_eq!(names_host(list, host, Some(443)), expected, "{list} {host}");
        }
    }

    #[test]
    fn an_http_section_matches_whole_path_names_only() {
        let url = gix::url::parse("https://host/owner/name").unwrap();
        assert!(
            matching_weight("https://host/", &url) < matching_weight("https://host/owner", &url)
        );
        assert_eq!(matching_weight("https://host/own", &url), None);
        assert_eq!(matching_weight("https://other/", &url), None);
    }
}
