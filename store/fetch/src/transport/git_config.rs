//! What this host's git configuration says about talking to servers: `insteadOf`, who may be asked,
//! proxies and certificates, the ssh program, credential helpers.
//!
//! gix reads git configuration only through a repository, so a minimal bare one is made in a scratch
//! directory: three directories and two files, without objects.
//!
//! Limits: what it does with each key of `http.*` is in `http_settings`. A graphical credential helper may still open a
//! window; what never happens is a question on the terminal.

use std::{
    collections::HashMap,
    env,
    ffi::{OsStr, OsString},
    fs::{DirBuilder, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use gix::{
    bstr::{BString, ByteSlice},
    config::Source,
    url::Scheme,
};
use gix_transport::client::blocking_io::ssh::ProgramKind;
use modstore_core::{
    disk::{is_directory, is_only_ours, names_in, read_own},
    model::{RemoteUrl as Address, causes, printable_login},
};

use super::{
    configuration,
    credential_helpers::CredentialHelpers,
    git_environment::REMOTE_URL,
    helper_logins::HelperLogins,
    http_settings::{
        HttpSettings, Proxy, Redirects, boolean, expand_home, extra_headers, is_false, number,
        redirects,
    },
};
use crate::{
    errors::{ConnectError, NetworkError, RemoteError, RemoteStage, Words},
    limits::LowSpeed,
    submodules::Submodule,
};

/// A user name and a password. Never printed.
pub(crate) use gix::sec::identity::Account;

/// The host's configuration, read once.
pub(crate) struct GitConfig {
    repository: gix::ThreadSafeRepository,
    logins: HelperLogins,
    interactive: bool,
    place: PathBuf,
    /// The directory of a repository that does not stay.
    temporary: Option<Arc<tempfile::TempDir>>,
    /// Whether a part of it is for remotes of some addresses only.
    asks_for_remotes: bool,
    /// The remote that this was read for, redacted; nothing for what is read for all.
    remote: Option<String>,
    /// What was read for single remotes, where the configuration makes a difference between them.
    of_remotes: Mutex<HashMap<String, Arc<GitConfig>>>,
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

impl RemoteUrl {
    /// What is remembered of it is remembered by this: the origin of the address as it was written.
    pub(crate) fn origin(&self) -> String {
        let written = self.redacted.parse::<Address>();
        written.map_or_else(|_| self.redacted.clone(), |url| url.origin().as_str().to_owned())
    }
}

/// What `http.*` and the environment say for one address.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct HttpOptions {
    pub connection: ConnectionOptions,
    pub extra_headers: Vec<(String, String)>,
    pub user_agent: Option<String>,
    pub redirects: Redirects,
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
        let kept = scratch.join(PLACE);
        let (path, temporary) = if is_believed(scratch, &kept) {
            (kept, None)
        } else {
            // A home that is read-only, not there yet, or another user's; or something else lies there.
            let temporary = tempfile::tempdir().map_err(failed)?;
            minimal_repository(temporary.path()).map_err(failed)?;
            (temporary.path().to_owned(), Some(Arc::new(temporary)))
        };
        Self::of(opened(&path, None)?, (path, temporary), None, interactive)
    }

    fn of(
        repository: gix::Repository,
        (place, temporary): (PathBuf, Option<Arc<tempfile::TempDir>>),
        remote: Option<String>,
        interactive: bool,
    ) -> Result<Self, NetworkError> {
        let told = remote.as_deref().map(remote_setting).into_iter().collect();
        let helpers = CredentialHelpers::new(&place, told, interactive);
        let logins = HelperLogins::new(helpers, repository.config_snapshot().plumbing());
        let asks_for_remotes =
            configuration::asks_for_remotes(repository.config_snapshot().plumbing());
        Ok(GitConfig {
            repository: repository.into_sync(),
            logins,
            interactive,
            place,
            temporary,
            asks_for_remotes,
            remote,
            of_remotes: Mutex::default(),
        })
    }

    /// The configuration as git has it in a clone of `written`: this one, unless an `includeIf` asks for the address of a
    /// remote. Remotes for which git reads the same share what was read.
    pub(crate) fn about(self: &Arc<Self>, written: &str) -> Result<Arc<Self>, RemoteError> {
        if !self.asks_for_remotes || self.remote.is_some() {
            return Ok(Arc::clone(self));
        }
        let url = redact(written);
        let mut known = self.of_remotes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.get(&url) {
            return Ok(Arc::clone(known));
        }
        let read = self.read_for(&url).map_err(|error| {
            let source = io::Error::other(Words::of(&causes(&error).join(": ")).to_string());
            let source = ConnectError::Start { program: "git".to_owned(), source }.into();
            RemoteError::Failed { stage: RemoteStage::Connect, url: url.clone(), source }
        })?;
        let says_the_same = |other: &&Arc<Self>| other.text() == read.text();
        let same = std::iter::once(self).chain(known.values()).find(says_the_same).cloned();
        let read = same.unwrap_or_else(|| Arc::new(read));
        known.insert(url, Arc::clone(&read));
        Ok(read)
    }

    fn read_for(&self, url: &str) -> Result<Self, NetworkError> {
        let place = (self.place.clone(), self.temporary.clone());
        let repository = opened(&self.place, Some(url))?;
        Self::of(repository, place, Some(url.to_owned()), self.interactive)
    }

    /// All that the configuration says.
    fn text(&self) -> BString {
        self.repository.to_thread_local().config_snapshot().plumbing().to_bstring()
    }

    /// The setting by which another git program reads the same.
    pub(crate) fn told_of_remote(&self) -> Option<(String, String)> {
        self.remote.as_deref().map(remote_setting)
    }

    /// A directory for what is worth remembering from run to run; nothing where there is none that lasts.
    pub(crate) fn memory(&self) -> Option<&Path> {
        self.temporary.is_none().then_some(&self.place)
    }

    /// A repository without objects, for programs that read their configuration in one.
    pub(crate) fn repository(&self) -> &Path {
        &self.place
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
        let secrets = config.plumbing().string("transfer.credentialsInUrl");
        if remote.login.is_some() && secrets.is_some_and(|value| value == "die") {
            return Err(RemoteError::SecretInAddress { url: redacted.clone() });
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

    /// `written` with what `submodule.<name>.*` says of it.
    pub(crate) fn submodule(&self, written: &Submodule) -> Submodule {
        let repository = self.repository.to_thread_local();
        let config = repository.config_snapshot();
        let value = |key: &str| {
            let key = format!("submodule.{}.{key}", written.name);
            config.plumbing().string(&key).map(|value| value.to_string())
        };
        let update = value("update").map(|update| update == "none");
        let is_left_out = update.unwrap_or(written.is_left_out);
        let is_active = value("active").is_none_or(|active| !is_false(&active));
        let url = value("url").map(BString::from);
        Submodule {
            name: written.name.clone(),
            url: url.or_else(|| written.url.clone()),
            is_left_out: is_left_out || !is_active,
        }
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
        let settings = self.http_settings(url);
        let proxy = Proxy::on_the_way(&settings, url).map(|proxy| self.proxy_login(proxy.address));
        let verify = settings.last("sslVerify").and_then(|value| boolean(&value));
        let redirects = settings.last("followRedirects").and_then(|value| redirects(&value));
        HttpOptions {
            connection: ConnectionOptions {
                proxy,
                no_verify: env::var_os("GIT_SSL_NO_VERIFY").is_some() || verify == Some(false),
                authorities: env::var("GIT_SSL_CAINFO")
                    .ok()
                    .or_else(|| settings.last("sslCAInfo"))
                    .map(expand_home),
            },
            extra_headers: extra_headers(settings.all("extraHeader")),
            user_agent: env::var("GIT_HTTP_USER_AGENT").ok().or_else(|| settings.last("userAgent")),
            redirects: redirects.unwrap_or_default(),
        }
    }

    /// What `http.*` says for `url`.
    fn http_settings(&self, url: &gix::Url) -> HttpSettings {
        let repository = self.repository.to_thread_local();
        let config = repository.config_snapshot();
        HttpSettings::of(config.plumbing(), &url.to_bstring())
    }

    /// The first setting for `url` that only git's own transport can do, by name.
    pub(crate) fn needs_git(&self, url: &gix::Url) -> Option<String> {
        let repository = self.repository.to_thread_local();
        let config = repository.config_snapshot();
        HttpSettings::of(config.plumbing(), &url.to_bstring()).needs_git(config.plumbing(), url)
    }

    /// The first setting for `url` without which the content of large files would be fetched, by name.
    pub(crate) fn needs_more_for_content(&self, url: &gix::Url) -> Option<String> {
        let repository = self.repository.to_thread_local();
        let config = repository.config_snapshot();
        let settings = HttpSettings::of(config.plumbing(), &url.to_bstring());
        settings.needs_more_for_content(config.plumbing(), url)
    }

    /// Whether `url` is reached through a proxy.
    pub(crate) fn has_proxy(&self, url: &gix::Url) -> bool {
        Proxy::on_the_way(&self.http_settings(url), url).is_some()
    }

    /// The program that connects to a `git://` server in our stead, as `core.gitProxy` names it.
    pub(crate) fn git_proxy(&self, host: &str) -> Option<String> {
        if let Some(program) = env::var_os("GIT_PROXY_COMMAND") {
            return program.into_string().ok().filter(|program| !program.is_empty());
        }
        let repository = self.repository.to_thread_local();
        let config = repository.config_snapshot();
        let rules = config.plumbing().strings("core.gitProxy").unwrap_or_default();
        rules.iter().find_map(|rule| git_proxy_for(&rule.to_str_lossy(), host)).flatten()
    }

    /// What git's configuration and environment say about the lowest rate at `url`.
    pub(crate) fn low_speed(&self, url: &gix::Url) -> LowSpeed {
        if !matches!(url.scheme, Scheme::Http | Scheme::Https) {
            return LowSpeed::default();
        }
        let settings = self.http_settings(url);
        let number = |variable: &str, key: &str| {
            number(&env::var(variable).ok().or_else(|| settings.last(key))?)
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
        let Ok(url) = gix::url::parse(with_scheme.as_str()) else { return with_scheme };
        if url.user().is_none() || url.password().is_some() {
            return with_scheme;
        }
        self.logins.with_proxy_login(url)
    }
}

fn parsed(effective: &str, redacted: String) -> Result<RemoteUrl, RemoteError> {
    // git takes a space as it is; the parser wants it as URLs have it.
    let is_url = effective.contains("://");
    let written = if is_url { effective.replace(' ', "%20") } else { effective.to_owned() };
    // The parser's message repeats the address, and with it the password.
    let Ok(mut url) = gix::url::parse(written.as_str()) else {
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

/// The repository that configuration is read through.
pub(crate) const PLACE: &str = "host.git";

/// The file beside it that names what a login has opened.
pub(crate) const LOGINS: &str = "logins";

/// The file beside it that says how many lanes hosts had.
pub(crate) const LANES: &str = "lanes";

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
    let known = ["HEAD", "config", "objects", "refs", LONG_LISTINGS, LOGINS, LANES];
    known.iter().any(|known| name == *known) || name.as_encoded_bytes().starts_with(b".tmp")
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
    match policy.as_ref().map(|policy| policy.as_slice()) {
        Some(b"always") => true,
        Some(b"never") => false,
        None if matches!(scheme, "http" | "https" | "git" | "ssh") => true,
        _ => !env::var("GIT_PROTOCOL_FROM_USER").is_ok_and(|value| is_false(&value)),
    }
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

/// What a value of `core.gitProxy` says about `host`: nothing, that there is no proxy, or the program.
fn git_proxy_for(rule: &str, host: &str) -> Option<Option<String>> {
    let (program, domain) = match rule.split_once(" for ") {
        Some((program, domain)) => (program, domain),
        None => (rule, ""),
    };
    let above = host.strip_suffix(domain)?;
    let whole_name = domain.is_empty() || above.is_empty() || above.ends_with('.');
    whole_name.then(|| (program != "none" && !program.is_empty()).then(|| program.to_owned()))
}

fn remote_setting(url: &str) -> (String, String) {
    (REMOTE_URL.to_owned(), url.to_owned())
}

/// The repository at `path`, with the configuration of this host as git sees it there, in a clone of `remote` where one is
/// named.
fn opened(path: &Path, remote: Option<&str>) -> Result<gix::Repository, NetworkError> {
    let failed = |source: String| NetworkError::Configuration { source: source.into() };
    let mut permissions = gix::open::Permissions::all();
    let open = |permissions| {
        let options = gix::open::Options::default()
            .permissions(permissions)
            .with(gix::sec::Trust::Full)
            .open_path_as_is(true);
        gix::open_opts(path, options).map_err(|error| failed(error.to_string()))
    };
    let read = open(permissions);
    if read.as_ref().is_ok_and(|read| !configuration::is_for_git(read.config_snapshot().plumbing()))
    {
        return read;
    }
    let Some(mut listed) = configuration::listed_by_git(path, remote)? else { return read };
    // Variables outrank the files, and gix has put them behind those.
    let overrides = read.iter().flat_map(|read| {
        let config = read.config_snapshot();
        let sections = config.plumbing().sections();
        let of_variables = sections.filter(|each| each.meta().source == Source::EnvOverride);
        of_variables.map(|section| section.to_owned()).collect::<Vec<_>>()
    });
    for section in overrides {
        listed.push_section(section).map_err(|error| failed(error.to_string()))?;
    }
    permissions.config = gix::open::permissions::Config::isolated();
    let mut repository = open(permissions)?;
    let mut config = repository.config_snapshot_mut();
    config.append(listed).map_err(|error| failed(error.to_string()))?;
    config.commit().map_err(|error| failed(error.to_string()))?;
    Ok(repository)
}

#[cfg(test)]
mod tests {
    use super::{git_proxy_for, redact};

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
    fn a_proxy_of_git_is_for_its_domain_and_the_first_that_fits_counts() {
        for (rule, host, expected) in [
            ("p", "h.example.com", Some(Some("p"))),
            ("p for example.com", "h.example.com", Some(Some("p"))),
            ("p for example.com", "example.com", Some(Some("p"))),
            ("p for example.com", "badexample.com", None),
            ("none for example.com", "h.example.com", Some(None)),
            ("p for other.org", "h.example.com", None),
        ] {
            let expected = expected.map(|program| program.map(str::to_owned));
            assert_eq!(git_proxy_for(rule, host), expected, "{rule} {host}");
        }
    }
}
