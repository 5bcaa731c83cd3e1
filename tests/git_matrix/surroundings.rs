//! What a cell means: an address, a configuration, variables and files of a home.
//!
//! Limits: written again before each program, since helpers and programs change their files.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use modstore_testbed::TestHome;

use crate::{
    axes::{Login, Reference, Server, Setting, Trust, Way},
    cell::Cell,
    world::{PASSWORD, USER, World},
};

/// The host that only the proxy knows.
const FAR: &str = "far.invalid";

/// All that is set for one cell.
#[derive(Debug, Default)]
pub(crate) struct Surroundings {
    /// The repository's address, as a person writes it.
    pub(crate) url: String,
    /// The reference; empty for the default branch.
    pub(crate) reference: String,
    pub(crate) config: String,
    pub(crate) variables: Vec<(String, String)>,
    /// Files of the home, by name.
    files: Vec<(String, String)>,
    /// Scheme, address without login, and path, while the parts are being put together.
    scheme: String,
    user: String,
    authority: String,
    path: String,
}

impl Surroundings {
    pub(crate) fn of(cell: Cell, world: &World, home: &TestHome) -> Self {
        let mut all = Self::default();
        all.address(cell, world);
        all.login(cell, home);
        all.way(cell, world);
        all.trust(cell, world);
        let Self { scheme, user, authority, path, .. } = &all;
        all.url = match cell.server {
            Server::SshShort => {
                world.ssh.as_ref().map(|ssh| ssh.scp_url("open")).unwrap_or_default()
            }
            _ => format!("{scheme}://{user}{authority}{path}"),
        };
        all.setting(cell, world, home);
        all.reference = reference(cell.reference, world);
        all
    }

    /// Puts the home in the state that this says, whatever it was.
    pub(crate) fn write(&self, home: &TestHome) {
        let user_home = home.user_home();
        for name in [".netrc", ".git-credentials", ".config", "included"] {
            let place = user_home.join(name);
            let _ = fs::remove_file(&place).or_else(|_| fs::remove_dir_all(&place));
        }
        home.git_config(&self.config);
        for (name, text) in &self.files {
            let place = user_home.join(name);
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::write(&place, text).unwrap();
            let mode = if name.starts_with("bin/") { 0o755 } else { 0o600 };
            fs::set_permissions(&place, fs::Permissions::from_mode(mode)).unwrap();
        }
    }

    fn config(&mut self, section: &str, lines: &[&str]) {
        self.config.push_str(&format!("[{section}]\n"));
        lines.iter().for_each(|line| self.config.push_str(&format!("  {line}\n")));
    }

    fn variable(&mut self, name: &str, value: impl Into<String>) {
        self.variables.push((name.to_owned(), value.into()));
    }

    fn file(&mut self, name: &str, text: impl Into<String>) {
        self.files.push((name.to_owned(), text.into()));
    }

    /// `http "…"` with the place of the server.
    fn here(&self, section: &str) -> String {
        format!("{section} \"{}://{}\"", self.scheme, self.authority)
    }

    /// The same for a server at another port.
    fn elsewhere(&self, section: &str) -> String {
        let host = self.authority.split(':').next().unwrap_or_default();
        format!("{section} \"{}://{host}:1\"", self.scheme)
    }

    /// The same with a wildcard for the first part of the host's name.
    fn wild(&self, section: &str) -> String {
        let (_, rest) = self.authority.split_once('.').unwrap_or_default();
        format!("{section} \"{}://*.{rest}\"", self.scheme)
    }

    fn address(&mut self, cell: Cell, world: &World) {
        use Server::*;
        let gate = gate(cell.login);
        let carries = [
            "Proxy",
            "ProxyForUrl",
            "ProxyForWildcard",
            "ProxyVariable",
            "ProxyAll",
            "ProxyLogin",
            "ProxyLoginVariable",
        ];
        let host =
            if carries.contains(&format!("{:?}", cell.way).as_str()) { FAR } else { "127.0.0.1" };
        let (scheme, port) = match cell.server {
            HttpBackend | HttpMoved | HttpMissing => ("http", world.backend.port()),
            HttpUploadPack => ("http", world.upload_pack.port()),
            HttpFiles => ("http", world.files.port()),
            HttpDead => ("http", world.dead.port()),
            Https => ("https", world.signed.port()),
            HttpsSelfSigned => ("https", world.self_signed.port()),
            HttpsOtherName => ("https", world.other_name.port()),
            HttpsKnownClients => ("https", world.known_clients.port()),
            Daemon | DaemonMissing => ("git", world.daemon.port()),
            DaemonDead => ("git", world.dead.port()),
            Ssh | SshShort | SshMissing => ("ssh", world.ssh.as_ref().map_or(0, |ssh| ssh.port())),
            _ => ("file", 0),
        };
        self.scheme = scheme.to_owned();
        let at = |name: &str| world.place(name).display().to_string();
        self.path = match cell.server {
            HttpMoved => format!("/moved-{gate}.git"),
            HttpMissing | DaemonMissing => "/missing.git".to_owned(),
            Ssh | SshShort | File => at("open.git"),
            SshMissing | FileMissing => at("missing.git"),
            FileWorktree => at("tree"),
            FileLinkedWorktree => at("linked"),
            FileShallow => at("shallow.git"),
            FileAlternates => at("alternates.git"),
            _ => format!("/{gate}.git"),
        };
        if scheme != "file" {
            self.authority = format!("{host}:{port}");
        }
        if let Some(ssh) = world.ssh.as_ref().filter(|_| cell.is_ssh()) {
            self.variable(
                "GIT_SSH_COMMAND",
                match cell.login {
                    Login::SshWrongKey => ssh.wrong_key_command(),
                    Login::SshUnknownHost => ssh.wrong_host_command(),
                    _ => ssh.ssh_command(),
                },
            );
        }
    }

    fn login(&mut self, cell: Cell, home: &TestHome) {
        use Login::*;
        let (here, elsewhere) = (self.here("credential"), self.elsewhere("credential"));
        let (http, http_elsewhere) = (self.here("http"), self.elsewhere("http"));
        let host = self.authority.split(':').next().unwrap_or_default().to_owned();
        let helper = |password: &str| {
            format!(
                "helper = \"!f() {{ test $1 = get && echo username={USER} && echo password={password}; }}; f\""
            )
        };
        let (right, wrong) = (helper(PASSWORD), helper("no"));
        let dots = [right.as_str()];
        match cell.login {
            Nothing | Missing | HeaderMissing | CookieMissing | SshWrongKey | SshUnknownHost => {}
            UrlPassword | UrlPasswordUnneeded => self.user = format!("{USER}:{PASSWORD}@"),
            UrlWrong => self.user = format!("{USER}:no@"),
            Netrc => self.file(".netrc", format!("machine {host} login {USER} password {PASSWORD}\n")),
            NetrcDefault => self.file(".netrc", format!(
                "machine elsewhere login x password y\ndefault login {USER} password {PASSWORD}\n"
            )),
            NetrcByUser => {
                self.user = format!("{USER}@");
                self.file(".netrc", format!(
                    "machine {host}\n  login other\n  password no\nmachine {host}\n  login {USER}\n  password {PASSWORD}\n"
                ));
            }
            NetrcWrong => self.file(".netrc", format!("machine {host} login {USER} password no\n")),
            Helper => self.config("credential", &dots),
            HelperSecond => self.config("credential", &["helper = \"!true\"", &right]),
            HelperReset => self.config("credential", &[&right, "helper ="]),
            HelperWrong => self.config("credential", &[&wrong]),
            HelperForUrl => self.config(&here, &dots),
            HelperForOtherPort => self.config(&elsewhere, &dots),
            HelperForWildcard => {
                let wild = self.wild("credential");
                self.config(&wild, &dots);
            }
            HelperForUser => {
                self.user = format!("{USER}@");
                self.config("credential", &[&format!(
                    "helper = \"!f() {{ test $1 = get && grep -q username={USER} && echo password={PASSWORD}; }}; f\""
                )]);
            }
            UserConfigured => self.config(&here, &[
                &format!("username = {USER}"),
                &format!("helper = \"!f() {{ test $1 = get && grep -q username={USER} && echo password={PASSWORD}; }}; f\""),
            ]),
            HelperStore => {
                self.config("credential", &["helper = store"]);
                let scheme = &self.scheme;
                let colon = self.authority.replace(':', "%3a");
                self.file(".git-credentials", format!("{scheme}://{USER}:{PASSWORD}@{colon}\n"));
            }
            HelperWithPath => {
                self.config("credential", &["useHttpPath = true", &format!(
                    "helper = \"!f() {{ test $1 = get && grep -q path=.*basic.git && echo username={USER} && echo \
                     password={PASSWORD}; }}; f\""
                )]);
            }
            Askpass | AskpassConfigured | AskpassOfSsh | AskpassWrong | UrlUserAndAskpass => {
                self.askpass(cell.login, home);
            }
            // The user and the password above, in base64.
            Authorization => {
                self.config("http", &["extraHeader = Authorization: Basic bWU6czNjcjN0"]);
            }
            Header => self.config("http", &["extraHeader = X-Other: 1", "extraHeader = X-Pass: let-me"]),
            HeaderForUrl => self.config(&http, &["extraHeader = X-Pass: let-me"]),
            HeaderForOtherPort => self.config(&http_elsewhere, &["extraHeader = X-Pass: let-me"]),
            HeaderInEnvironment => {
                self.variable("GIT_CONFIG_COUNT", "1");
                self.variable("GIT_CONFIG_KEY_0", "http.extraHeader");
                self.variable("GIT_CONFIG_VALUE_0", "X-Pass: let-me");
            }
            Cookie | CookieForUrl => {
                self.file("cookies", format!("{host}\tFALSE\t/\tFALSE\t2147483647\to\tgit-me\n"));
                let section = if cell.login == Cookie { "http" } else { &http };
                let line = format!("cookieFile = {}/cookies", home.user_home().display());
                self.config(section, &[&line]);
            }
        }
    }

    fn askpass(&mut self, login: Login, home: &TestHome) {
        let password = if login == Login::AskpassWrong { "no" } else { PASSWORD };
        self.file(
            "bin/askpass",
            format!("#!/bin/sh\ncase $1 in Username*) echo {USER};; *) echo {password};; esac\n"),
        );
        let program = home.user_home().join("bin/askpass").display().to_string();
        match login {
            Login::AskpassConfigured => self.config("core", &[&format!("askPass = {program}")]),
            Login::AskpassOfSsh => self.variable("SSH_ASKPASS", program),
            _ => self.variable("GIT_ASKPASS", program),
        }
        if login == Login::UrlUserAndAskpass {
            self.user = format!("{USER}@");
        }
    }

    fn way(&mut self, cell: Cell, world: &World) {
        use Way::*;
        let good = format!("http://127.0.0.1:{}", world.proxy.port());
        let dead = format!("http://127.0.0.1:{}", world.dead.port());
        let guarded =
            |login: &str| format!("http://{login}127.0.0.1:{}", world.guarded_proxy.port());
        let variable = format!("{}_proxy", self.scheme);
        let line = |proxy: &str| format!("proxy = {proxy}");
        let (good_line, dead_line) = (line(&good), line(&dead));
        match cell.way {
            Direct => {}
            Proxy => self.config("http", &[&good_line]),
            ProxyForUrl | ProxyForWildcard => {
                let section =
                    if cell.way == ProxyForUrl { self.here("http") } else { self.wild("http") };
                self.config(&section, &[&good_line]);
                self.config("http", &[&dead_line]);
            }
            ProxyVariable => self.variable(&variable, good),
            ProxyAll => self.variable("ALL_PROXY", good),
            ProxyLogin => self.config("http", &[&line(&guarded("pu:pp@"))]),
            ProxyLoginVariable => self.variable(&variable, guarded("pu:pp@")),
            ProxyLoginMissing => self.config("http", &[&line(&guarded(""))]),
            ProxyLoginWrong => self.config("http", &[&line(&guarded("pu:no@"))]),
            ProxyDead => self.config("http", &[&dead_line]),
            ProxyDeadVariable => self.variable(&variable, dead),
            ProxyReset => {
                self.config("http", &["proxy = "]);
                self.variable(&variable, dead);
            }
            UpperHttpProxy => self.variable("HTTP_PROXY", dead),
            NoProxyHost | NoProxyUpper | NoProxyNetwork | NoProxyAll | NoProxyElsewhere => {
                self.config("http", &[&dead_line]);
                let (name, value) = match cell.way {
                    NoProxyHost => ("no_proxy", "elsewhere.invalid,127.0.0.1"),
                    NoProxyUpper => ("NO_PROXY", "127.0.0.1"),
                    NoProxyNetwork => ("no_proxy", "127.0.0.0/8"),
                    NoProxyAll => ("no_proxy", "*"),
                    _ => ("no_proxy", "elsewhere.invalid"),
                };
                self.variable(name, value);
            }
        }
    }

    fn trust(&mut self, cell: Cell, world: &World) {
        use Trust::*;
        let (front, other) = match cell.server {
            Server::HttpsSelfSigned => (&world.self_signed, &world.signed),
            Server::HttpsOtherName => (&world.other_name, &world.signed),
            Server::HttpsKnownClients => (&world.known_clients, &world.signed),
            _ => (&world.signed, &world.other_name),
        };
        let shown = |path: &Path| path.display().to_string();
        let (authority, authorities) = (shown(&front.authority()), shown(&front.authorities()));
        let authority_line = format!("sslCAInfo = {authority}");
        let (here, elsewhere, wild) =
            (self.here("http"), self.elsewhere("http"), self.wild("http"));
        let other_user = here.replacen("://", "://other@", 1);
        let own = if cell.trust == OtherClient { other } else { front };
        let (certificate, key) = own.client();
        let lines =
            [format!("sslCert = {}", shown(&certificate)), format!("sslKey = {}", shown(&key))];
        let lines = lines.each_ref().map(String::as_str);
        match cell.trust {
            Nothing => {}
            Authority => self.config("http", &[&authority_line]),
            AuthorityForUrl => self.config(&here, &[&authority_line]),
            AuthorityVariable => self.variable("GIT_SSL_CAINFO", authority),
            Authorities => self.config("http", &[&format!("sslCAPath = {authorities}")]),
            AuthoritiesVariable => self.variable("GIT_SSL_CAPATH", authorities),
            NoVerify => self.config("http", &["sslVerify = false"]),
            NoVerifyForUrl => self.config(&here, &["sslVerify = false"]),
            NoVerifyForWildcard => self.config(&wild, &["sslVerify = false"]),
            NoVerifyVariable => self.variable("GIT_SSL_NO_VERIFY", "1"),
            NoVerifyForOtherPort => self.config(&elsewhere, &["sslVerify = false"]),
            NoVerifyForOtherUser => self.config(&other_user, &["sslVerify = false"]),
            OtherAuthority => {
                self.config("http", &[&format!("sslCAInfo = {}", shown(&other.authority()))]);
            }
            Client | OtherClient => {
                self.config("http", &[&authority_line]);
                self.config("http", &lines);
            }
            ClientForUrl => {
                self.config("http", &[&authority_line]);
                self.config(&here, &lines);
            }
            ClientVariable => {
                self.config("http", &[&authority_line]);
                self.variable("GIT_SSL_CERT", shown(&certificate));
                self.variable("GIT_SSL_KEY", shown(&key));
            }
            ClientUnverified => {
                self.config("http", &["sslVerify = false"]);
                self.config("http", &lines);
            }
        }
    }

    fn setting(&mut self, cell: Cell, world: &World, home: &TestHome) {
        use Setting::*;
        let dead = format!("proxy = http://127.0.0.1:{}", world.dead.port());
        let scheme = self.scheme.clone();
        let protocol = format!("protocol \"{scheme}\"");
        match cell.setting {
            Nothing => {}
            InsteadOf
            | InsteadOfLongest
            | InsteadOfInclude
            | InsteadOfCount
            | InsteadOfParameters
            | InsteadOfXdg
            | InsteadOfGlobalVariable => self.rewritten(cell.setting, home),
            PushInsteadOf => self.config(
                "url \"http://push.invalid/\"",
                &[&format!("pushInsteadOf = {}", base(&self.url).0)],
            ),
            Version0 => self.config("protocol", &["version = 0"]),
            Version1 => self.config("protocol", &["version = 1"]),
            Version2 => self.config("protocol", &["version = 2"]),
            OnlyThis => {
                self.config("protocol", &["allow = never"]);
                self.config(&protocol, &["allow = always"]);
            }
            OnlyThisVariable => self.variable("GIT_ALLOW_PROTOCOL", format!("ext:{scheme}")),
            Never => self.config(&protocol, &["allow = never"]),
            OnlyOtherVariable => self.variable("GIT_ALLOW_PROTOCOL", "ext"),
            OtherSections => {
                let sections =
                    [self.elsewhere("http"), self.here("http").replacen("://", "://other@", 1)];
                for section in sections {
                    self.config(&section, &[&dead, "extraHeader = Authorization: Basic bm86bm8="]);
                }
                let deeper = format!("{}/deeper\"", self.here("http").trim_end_matches('"'));
                self.config(&deeper, &[&dead]);
            }
            Agent => self.config(
                "http",
                &["userAgent = tests/1", "lowSpeedLimit = 1", "lowSpeedTime = 600"],
            ),
            NoRedirects => self.config("http", &["followRedirects = false"]),
        }
    }

    /// Writes the address another way, which the configuration leads back.
    fn rewritten(&mut self, setting: Setting, home: &TestHome) {
        let (before, name) = base(&self.url);
        let (before, name) = (before.to_owned(), name.to_owned());
        let written = "https://forge.invalid/x/";
        let section = format!("url \"{before}\"");
        let line = format!("insteadOf = {written}");
        let text = format!("[{section}]\n  {line}\n");
        match setting {
            Setting::InsteadOfLongest => {
                self.config(
                    "url \"https://wrong.invalid/\"",
                    &["insteadOf = https://forge.invalid/"],
                );
                self.config(&section, &[&line]);
            }
            Setting::InsteadOfInclude => {
                self.config("include", &["path = included"]);
                self.file("included", text);
            }
            Setting::InsteadOfXdg => self.file(".config/git/config", text),
            Setting::InsteadOfGlobalVariable => {
                let all = format!("{}{text}", self.config);
                self.config.clear();
                self.file("global", all);
                self.variable(
                    "GIT_CONFIG_GLOBAL",
                    home.user_home().join("global").display().to_string(),
                );
            }
            Setting::InsteadOfCount => {
                let count = self
                    .variables
                    .iter()
                    .filter(|(name, _)| name.starts_with("GIT_CONFIG_KEY"))
                    .count();
                self.variables.retain(|(name, _)| name != "GIT_CONFIG_COUNT");
                self.variable("GIT_CONFIG_COUNT", (count + 1).to_string());
                self.variable(
                    &format!("GIT_CONFIG_KEY_{count}"),
                    format!("url.{before}.insteadOf"),
                );
                self.variable(&format!("GIT_CONFIG_VALUE_{count}"), written);
            }
            Setting::InsteadOfParameters => {
                self.variable(
                    "GIT_CONFIG_PARAMETERS",
                    format!("'url.{before}.insteadOf'='{written}'"),
                );
            }
            _ => self.config(&section, &[&line]),
        }
        self.url = format!("{written}{name}");
    }
}

/// An address up to its last name, and that name.
fn base(url: &str) -> (&str, &str) {
    url.rfind('/').map(|at| url.split_at(at + 1)).unwrap_or_default()
}

/// Which gate a login is for.
fn gate(login: Login) -> &'static str {
    use Login::*;
    match login {
        Nothing | UrlPasswordUnneeded | SshWrongKey | SshUnknownHost => "open",
        Header | HeaderForUrl | HeaderInEnvironment | HeaderMissing | HeaderForOtherPort => {
            "header"
        }
        Cookie | CookieForUrl | CookieMissing => "cookie",
        _ => "basic",
    }
}

fn reference(reference: Reference, world: &World) -> String {
    use Reference::*;
    match reference {
        Default => "",
        Branch => "dev",
        BranchWithSlash => "feature/one",
        Light => "light",
        Annotated => "v1",
        AnnotatedAlone => "alone",
        TagOfTag => "nested",
        Tip => &world.ids.tip,
        Old => &world.ids.old,
        Alone => &world.ids.alone,
        NoBranch => "none",
        NoCommit => "0123456789012345678901234567890123456789",
        TagOfTree => "a-tree",
        TagOfBlob => "a-blob",
    }
    .to_owned()
}
