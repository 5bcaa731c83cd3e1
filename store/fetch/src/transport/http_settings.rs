//! [`HttpSettings`]: what git's configuration says about HTTP at one address, and **the list** of what the in-process way
//! does with it.
//!
//! [`SETTINGS`] and [`VARIABLES`] name all that the in-process way understands, with the values that it can do. A setting
//! that is not on the list, a value that it cannot do, and a variable of [`FOREIGN_VARIABLES`] are reasons to go through
//! git's own transport: nothing that is set is ignored.
//!
//! Limits: settings that concern only servers, pushes, FTP or Windows are on the list with nothing to do.

use std::{collections::BTreeMap, env, ffi::OsString, net::IpAddr, path::PathBuf};

use gix::{
    bstr::{BString, ByteSlice as _},
    config::{File, Source},
};

use super::url_match::{Fit, NormalUrl};

/// A key of `http.*`, or a variable, and the values of it that the in-process way can do. A key alone, without `=`, has the value `true`.
struct Setting {
    key: &'static str,
    can: fn(&str) -> bool,
}

/// The keys of `http.*` that the in-process way understands.
const SETTINGS: &[Setting] = &[
    // Done.
    Setting { key: "proxy", can: is_plain_proxy },
    Setting { key: "sslverify", can: |value| boolean(value).is_some() },
    Setting { key: "sslcainfo", can: is_plain_path },
    Setting { key: "extraheader", can: is_plain_header },
    Setting { key: "useragent", can: is_printable },
    Setting { key: "followredirects", can: |value| redirects(value).is_some() },
    Setting { key: "lowspeedlimit", can: |value| number(value).is_some() },
    Setting { key: "lowspeedtime", can: |value| number(value).is_some() },
    // What is done in any case.
    Setting { key: "version", can: |value| value == "HTTP/1.1" },
    Setting { key: "proxyauthmethod", can: |value| value == "basic" || value == "anyauth" },
    Setting { key: "emptyauth", can: |value| value == "auto" || is_false(value) },
    Setting { key: "delegation", can: |value| value == "none" },
    Setting { key: "proactiveauth", can: |value| value == "none" },
    Setting { key: "savecookies", can: is_false },
    Setting { key: "sslcertpasswordprotected", can: is_false },
    Setting { key: "proxysslcertpasswordprotected", can: is_false },
    // Nothing to do: about parallel requests, large pushes, FTP, Windows, and git as a server.
    Setting { key: "maxrequests", can: any },
    Setting { key: "minsessions", can: any },
    Setting { key: "postbuffer", can: any },
    Setting { key: "noepsv", can: any },
    Setting { key: "ssltry", can: any },
    Setting { key: "schannelcheckrevoke", can: any },
    Setting { key: "schannelusesslcainfo", can: any },
    Setting { key: "getanyfile", can: any },
    Setting { key: "uploadpack", can: any },
    Setting { key: "uploadarchive", can: any },
    Setting { key: "receivepack", can: any },
];

/// The variables that the in-process way understands, with the values that it can do.
const VARIABLES: &[Setting] = &[
    Setting { key: "GIT_SSL_NO_VERIFY", can: any },
    Setting { key: "GIT_SSL_CAINFO", can: is_plain_path },
    Setting { key: "GIT_HTTP_USER_AGENT", can: is_printable },
    Setting { key: "GIT_HTTP_LOW_SPEED_LIMIT", can: |value| number(value).is_some() },
    Setting { key: "GIT_HTTP_LOW_SPEED_TIME", can: |value| number(value).is_some() },
    Setting {
        key: "GIT_HTTP_PROXY_AUTHMETHOD",
        can: |value| value == "basic" || value == "anyauth",
    },
];

/// The variables of git that are a reason to go through git when they are set.
const FOREIGN_VARIABLES: &[&str] = &[
    "GIT_SSL_CERT",
    "GIT_SSL_CERT_TYPE",
    "GIT_SSL_KEY",
    "GIT_SSL_KEY_TYPE",
    "GIT_SSL_CERT_PASSWORD_PROTECTED",
    "GIT_SSL_CAPATH",
    "GIT_SSL_VERSION",
    "GIT_SSL_CIPHER_LIST",
    "GIT_PROXY_SSL_CERT",
    "GIT_PROXY_SSL_KEY",
    "GIT_PROXY_SSL_CERT_PASSWORD_PROTECTED",
    "GIT_PROXY_SSL_CAINFO",
];

/// The other keys that git has, as its manual spells them: its own list of a configuration has small letters only.
const SPELLED: &[&str] = &[
    "cookieFile",
    "curloptResolve",
    "pinnedPubkey",
    "proxySSLCAInfo",
    "proxySSLCert",
    "proxySSLKey",
    "sslBackend",
    "sslCAPath",
    "sslCert",
    "sslCertType",
    "sslCipherList",
    "sslKey",
    "sslKeyType",
    "sslVersion",
    "emptyAuth",
    "extraHeader",
    "followRedirects",
    "lowSpeedLimit",
    "lowSpeedTime",
    "proactiveAuth",
    "proxyAuthMethod",
    "saveCookies",
    "sslCAInfo",
    "sslVerify",
    "userAgent",
];

/// Reasons to go through git that change nothing about the content of large files.
const WITHOUT_EFFECT: &[&str] = &[
    // Read in full here.
    "no_proxy",
    "http.version",
    "http.emptyAuth",
    "http.delegation",
    "http.proactiveAuth",
    "http.saveCookies",
    "http.sslBackend",
    "http.sslCertType",
    "http.sslKeyType",
    "http.sslCertPasswordProtected",
    "http.proxySSLCertPasswordProtected",
    "GIT_SSL_CERT_TYPE",
    "GIT_SSL_KEY_TYPE",
    "GIT_SSL_CERT_PASSWORD_PROTECTED",
    "GIT_PROXY_SSL_CERT_PASSWORD_PROTECTED",
];

/// Keys of `remote.origin.*` that a clone obeys: its remote has this name.
const REMOTE: [(&str, &str); 2] = [("proxy", "proxy"), ("proxyauthmethod", "proxyAuthMethod")];

/// All values of each key of `http.*` for one address, in git's order. Of a key with one value the last one counts.
#[derive(Debug, Default)]
pub(crate) struct HttpSettings(BTreeMap<String, Values>);

/// The values of a key, as the configuration spells its name.
#[derive(Debug)]
struct Values {
    name: String,
    best: Fit,
    values: Vec<BString>,
}

impl HttpSettings {
    /// The settings for `url`: those of a section that fits worse than one before it do not count. The general section
    /// fits worst.
    pub(crate) fn of(config: &File, url: &[u8]) -> Self {
        let url = NormalUrl::of_url(url);
        let mut settings = Self::default();
        for section in config.sections_by_name("http").into_iter().flatten() {
            if section.meta().source == Source::EnvOverride {
                // gix puts some variables there; they are read where they are needed.
                continue;
            }
            let fit = match section.header().subsection_name() {
                None => Some(Fit::default()),
                Some(pattern) => {
                    let pattern = NormalUrl::of_pattern(pattern.as_bytes());
                    pattern.and_then(|pattern| url.as_ref()?.fit(&pattern))
                }
            };
            let Some(fit) = fit else { continue };
            let mut names: Vec<String> = section.value_names().collect();
            names.sort_unstable_by_key(|name| name.to_ascii_lowercase());
            names.dedup_by(|one, other| one.eq_ignore_ascii_case(other));
            for name in names {
                let mut values = section.values(&name);
                if section.value_implicit(&name) == Some(None) {
                    // A key alone is a yes, where an empty value is a no.
                    values.pop();
                    values.push("true".into());
                }
                settings.add(&name, fit, values);
            }
        }
        settings
    }

    fn add(&mut self, name: &str, fit: Fit, values: Vec<BString>) {
        let key = name.to_ascii_lowercase();
        let manual = SPELLED.iter().find(|known| known.eq_ignore_ascii_case(name));
        let spelled = manual.map_or(name, |known| known).to_owned();
        let new = || Values { name: spelled, best: fit, values: Vec::new() };
        let known = self.0.entry(key).or_insert_with(new);
        if fit < known.best {
            return;
        }
        known.best = fit;
        known.values.extend(values);
    }

    /// All values of a key.
    pub(crate) fn all(&self, key: &str) -> Vec<String> {
        let found = self.0.get(&key.to_ascii_lowercase()).into_iter();
        found.flat_map(|found| &found.values).map(ToString::to_string).collect()
    }

    /// The value of a key that has one.
    pub(crate) fn last(&self, key: &str) -> Option<String> {
        self.all(key).pop()
    }

    /// The first setting that the in-process way cannot do at `url`, by name.
    pub(crate) fn needs_git(&self, config: &File, url: &gix::Url) -> Option<String> {
        self.needs_git_with(config, url, &|name| env::var_os(name))
    }

    /// The first setting at `url` without which the content of large files would be fetched, by name. A setting of which
    /// git-lfs knows nothing either is none, if it is about speed or form.
    pub(crate) fn needs_more_for_content(&self, config: &File, url: &gix::Url) -> Option<String> {
        let variable = |name: &str| env::var_os(name);
        let mut reasons = self.reasons(config, url, &variable).into_iter();
        reasons.find(|reason| !WITHOUT_EFFECT.contains(&reason.as_str()))
    }

    fn needs_git_with(
        &self,
        config: &File,
        url: &gix::Url,
        variable: Variable<'_>,
    ) -> Option<String> {
        self.reasons(config, url, variable).into_iter().next()
    }

    /// All that the in-process way cannot do, by name.
    fn reasons(&self, config: &File, url: &gix::Url, variable: Variable<'_>) -> Vec<String> {
        let foreign = FOREIGN_VARIABLES.iter().filter(|name| variable(name).is_some());
        let limited = VARIABLES.iter().filter(|known| !can_do(variable(known.key), known.can));
        let origin = REMOTE.iter().filter_map(|(key, name)| {
            let is_set = config.string(&format!("remote.origin.{key}")).is_some();
            is_set.then(|| format!("remote.origin.{name}"))
        });
        let proxy = Proxy::of(self, url, variable).and_then(|proxy| {
            let list = no_proxy(variable);
            let reason = (!is_plain_proxy(&proxy.address)).then_some(proxy.name);
            reason.or_else(|| has_odd_names(&list).then(|| "no_proxy".to_owned()))
        });
        foreign
            .map(|name| (*name).to_owned())
            .chain(limited.map(|known| known.key.to_owned()))
            .chain(self.unknown_settings())
            .chain(origin)
            .chain(proxy)
            .collect()
    }

    fn unknown_settings(&self) -> impl Iterator<Item = String> {
        let found = self.0.iter().filter(|(key, found)| {
            let known = SETTINGS.iter().find(|known| known.key == key.as_str());
            let can = |value: &BString| {
                known.is_some_and(|known| str::from_utf8(value).is_ok_and(known.can))
            };
            // Headers are a list; of every other key the last value counts.
            let skipped = if *key == "extraheader" { 0 } else { found.values.len() - 1 };
            !found.values.iter().skip(skipped).all(can)
        });
        found.map(|(_, found)| format!("http.{}", found.name))
    }
}

/// Looks a variable up.
type Variable<'v> = &'v dyn Fn(&str) -> Option<OsString>;

/// A proxy, and the setting that names it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Proxy {
    pub address: String,
    pub name: String,
}

impl Proxy {
    /// The proxy on the way to `url`, if one is set and the host is not excluded.
    pub(crate) fn on_the_way(settings: &HttpSettings, url: &gix::Url) -> Option<Self> {
        let variable = |name: &str| env::var_os(name);
        let port = url.port_or_default();
        let excluded = url.host().is_some_and(|host| names_host(&no_proxy(&variable), host, port));
        Self::of(settings, url, &variable).filter(|_| !excluded)
    }

    /// The proxy that is set, which may exclude this host.
    fn of(settings: &HttpSettings, url: &gix::Url, variable: Variable<'_>) -> Option<Self> {
        // Upper-case HTTP_PROXY can be set by a request's header in CGI programs, so no git client reads it.
        let names: &[&str] = match url.scheme {
            gix::url::Scheme::Https => &["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"],
            _ => &["http_proxy", "all_proxy", "ALL_PROXY"],
        };
        let configured =
            settings.last("proxy").map(|address| Proxy { address, name: "http.proxy".into() });
        let from = |name: &&str| {
            let address = variable(name)?.into_string().ok()?;
            Some(Proxy { address, name: (*name).to_owned() })
        };
        let proxy = configured.or_else(|| names.iter().find_map(from))?;
        (!proxy.address.is_empty()).then_some(proxy)
    }
}

fn no_proxy(variable: Variable<'_>) -> String {
    let list = variable("no_proxy").or_else(|| variable("NO_PROXY")).unwrap_or_default();
    list.to_string_lossy().into_owned()
}

/// Whether a list of hosts without a proxy has a form that curl knows and we do not: networks, ports, patterns.
fn has_odd_names(list: &str) -> bool {
    list != "*" && list.contains(['/', ':', '*', '['])
}

/// Whether the list names `host`, as curl reads it: an address as a whole, a name also with what stands below it. Networks,
/// patterns and ports, by which git's own transport is asked, count as for git-lfs.
fn names_host(list: &str, host: &str, port: Option<u16>) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>().ok();
    let names = list.split([',', ' ', '\t']).map(str::to_ascii_lowercase);
    list == "*"
        || names.filter(|name| !name.is_empty()).any(|name| {
            if let (Some(address), Some((network, bits))) = (address, name.split_once('/')) {
                return is_in_network(address, network, bits);
            }
            let name = name.strip_prefix('*').unwrap_or(&name).trim_matches(['.', '[', ']']);
            let (name, of_port) = match name.rsplit_once(':') {
                Some((name, of_port)) if !name.contains(':') || name.ends_with(']') => {
                    (name.trim_matches(['[', ']']), of_port.parse().ok())
                }
                _ => (name, None),
            };
            let bare = host.trim_matches(['[', ']']);
            let above = if name.is_empty() { None } else { bare.strip_suffix(name) };
            (of_port.is_none() || of_port == port)
                && above.is_some_and(|rest| {
                    rest.is_empty() || (address.is_none() && rest.ends_with('.'))
                })
        })
}

/// Whether an address is in a network, as in `10.0.0.0/8`.
fn is_in_network(address: IpAddr, network: &str, bits: &str) -> bool {
    let Ok(bits) = bits.parse::<u32>() else { return false };
    let same = |one: u128, other: u128, of: u32| {
        bits <= of && (bits == 0 || (one ^ other) >> (of - bits) == 0)
    };
    match (address, network.trim_matches(['[', ']']).parse()) {
        (IpAddr::V4(one), Ok(IpAddr::V4(other))) => {
            same(one.to_bits().into(), other.to_bits().into(), 32)
        }
        (IpAddr::V6(one), Ok(IpAddr::V6(other))) => same(one.to_bits(), other.to_bits(), 128),
        _ => false,
    }
}

fn can_do(value: Option<OsString>, can: fn(&str) -> bool) -> bool {
    value.is_none_or(|value| value.to_str().is_some_and(can))
}

const fn any(_: &str) -> bool {
    true
}

fn is_printable(value: &str) -> bool {
    value.bytes().all(|byte| (0x20..0x7f).contains(&byte))
}

/// A proxy that is spoken to in plain HTTP, or none.
fn is_plain_proxy(value: &str) -> bool {
    match value.split_once("://") {
        Some((scheme, rest)) => scheme.eq_ignore_ascii_case("http") && !rest.is_empty(),
        None => true,
    }
}

/// A path that means the same to every program, but for `~/`.
fn is_plain_path(value: &str) -> bool {
    let is_ours = value.starts_with("~/") || !value.starts_with(['~', '%', ':']);
    is_ours && !value.is_empty()
}

/// A header with a value; curl has other meanings for `Name:` and `Name;`.
fn is_plain_header(value: &str) -> bool {
    let is_token = |name: &str| {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        !name.is_empty() && name.bytes().all(known)
    };
    let whole = value.split_once(':').is_some_and(|(name, value)| {
        is_token(name) && !value.trim().is_empty() && is_printable(value)
    });
    value.is_empty() || whole
}

/// Where redirects are followed, as `http.followRedirects` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Redirects {
    Never,
    /// That of the first request of a connection.
    #[default]
    Initial,
    /// Also those of the requests that follow it.
    Always,
}

pub(crate) fn redirects(value: &str) -> Option<Redirects> {
    match (value, boolean(value)) {
        ("initial", _) => Some(Redirects::Initial),
        (_, Some(true)) => Some(Redirects::Always),
        (_, Some(false)) => Some(Redirects::Never),
        (_, None) => None,
    }
}

/// As git reads yes and no.
pub(crate) fn boolean(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" => Some(true),
        "false" | "no" | "off" | "" => Some(false),
        other => number(other).map(|number| number != 0),
    }
}

pub(crate) fn is_false(value: &str) -> bool {
    boolean(value) == Some(false)
}

/// As git writes numbers; what is below 0 counts as 0.
pub(crate) fn number(text: &str) -> Option<u64> {
    let number = gix::config::Integer::try_from(BString::from(text.trim())).ok()?;
    Some(u64::try_from(number.to_decimal()?).unwrap_or(0))
}

/// The headers that are to be added: an empty value takes back what came before.
pub(crate) fn extra_headers(values: Vec<String>) -> Vec<(String, String)> {
    let mut headers = Vec::new();
    for value in values {
        match value.split_once(':') {
            Some((name, value)) => headers.push((name.trim().to_owned(), value.trim().to_owned())),
            None if value.trim().is_empty() => headers.clear(),
            // A header without a value is none.
            None => {}
        }
    }
    headers
}

/// `~/` stands for the home of the user.
pub(crate) fn expand_home(path: String) -> PathBuf {
    match (path.strip_prefix("~/"), env::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://h.example.com/a/b.git";

    fn reason(config: &str, variables: &[(&str, &str)]) -> Option<String> {
        let mut bytes = config.as_bytes().to_vec();
        let meta = gix::config::file::Metadata::api();
        let file = File::from_bytes_owned(&mut bytes, meta, Default::default()).unwrap();
        let url = gix::url::parse(URL).unwrap();
        let variable = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into())
        };
        HttpSettings::of(&file, URL.as_bytes()).needs_git_with(&file, &url, &variable)
    }

    #[test]
    fn a_setting_that_is_not_on_the_list_is_a_reason_to_go_through_git() {
        for (config, expected) in [
            ("[http]\n sslCert = /c", "http.sslCert"),
            ("[http \"https://h.example.com\"]\n cookieFile = /c", "http.cookieFile"),
            (
                "[http \"https://*.example.com\"]\n curloptResolve = h:443:127.0.0.1",
                "http.curloptResolve",
            ),
            ("[http]\n version = HTTP/2", "http.version"),
            ("[http]\n proxy = socks5h://p", "http.proxy"),
            ("[http]\n proxy = https://p", "http.proxy"),
            ("[http]\n emptyAuth", "http.emptyAuth"),
            ("[http]\n emptyAuth = true", "http.emptyAuth"),
            ("[http]\n sslVerify = perhaps", "http.sslVerify"),
            ("[http]\n extraHeader = \"X-A;\"", "http.extraHeader"),
            ("[http]\n extraHeader = \"X-A:\"\n extraHeader = \"X-B: 1\"", "http.extraHeader"),
            ("[http]\n sslCAInfo = ~other/ca.pem", "http.sslCAInfo"),
            ("[http]\n somethingNew = 1", "http.somethingNew"),
            ("[remote \"origin\"]\n proxy = http://p", "remote.origin.proxy"),
        ] {
            assert_eq!(reason(config, &[]).as_deref(), Some(expected), "{config}");
        }
    }

    #[test]
    fn a_variable_of_git_that_we_cannot_do_is_a_reason_too() {
        for (name, value, expected) in [
            ("GIT_SSL_CERT", "/c", "GIT_SSL_CERT"),
            ("GIT_SSL_CAPATH", "/c", "GIT_SSL_CAPATH"),
            ("GIT_PROXY_SSL_CAINFO", "/c", "GIT_PROXY_SSL_CAINFO"),
            ("GIT_HTTP_PROXY_AUTHMETHOD", "ntlm", "GIT_HTTP_PROXY_AUTHMETHOD"),
            ("https_proxy", "socks4a://p:1", "https_proxy"),
            ("ALL_PROXY", "socks5://p:1", "ALL_PROXY"),
        ] {
            assert_eq!(reason("", &[(name, value)]).as_deref(), Some(expected), "{name}");
        }
        let proxied = |list| reason("[http]\n proxy = p:3128", &[("no_proxy", list)]);
        for odd in ["10.0.0.0/8", "h:443", "*.example.com", "[::1]"] {
            assert_eq!(proxied(odd).as_deref(), Some("no_proxy"), "{odd}");
            assert_eq!(
                reason("", &[("no_proxy", odd)]),
                None,
                "without a proxy {odd} says nothing"
            );
        }
        assert_eq!(proxied("example.com,.corp"), None);
        assert_eq!(proxied("*"), None);
    }

    #[test]
    fn what_is_on_the_list_is_none() {
        for config in [
            "",
            "[http]\n sslVerify = no\n sslCAInfo = ~/ca.pem\n proxy = http://u@p:3128\n userAgent = x/1",
            "[http]\n extraHeader = \"X-A: 1\"\n extraHeader =\n followRedirects = initial",
            "[http]\n version = HTTP/1.1\n postBuffer = 1m\n maxRequests = 3\n sslVerify",
            "[http \"https://other.example.com\"]\n sslCert = /c",
            "[http \"https://h.example.com/a/b\"]\n sslCert = /c",
        ] {
            assert_eq!(reason(config, &[]), None, "{config}");
        }
    }

    #[test]
    fn a_proxy_is_passed_by_for_the_named_hosts_and_what_is_below_them() {
        for (list, host, expected) in [
            ("localhost,.example.com", "git.example.com", true),
            ("example.com", "badexample.com", false),
            ("EXAMPLE.com", "example.com.", true),
            ("*", "any", true),
            ("a b,c", "c", true),
            ("0.0.1", "127.0.0.1", false),
            ("127.0.0.1", "127.0.0.1", true),
            ("", "any", false),
            ("10.0.0.0/8", "10.1.2.3", true),
            ("10.0.0.0/8,x", "11.1.2.3", false),
            ("0.0.0.0/0", "11.1.2.3", true),
            ("fd00::/8", "[fd12::1]", true),
            ("10.0.0.0/33", "10.0.0.0", false),
            ("*.example.com", "git.example.com", true),
            ("*.example.com", "git.example.org", false),
            ("h:443", "h", true),
            ("h:8443", "h", false),
            ("[::1]", "[::1]", true),
            ("::1", "[::1]", true),
            ("[::1]:443", "[::1]", true),
            ("[::1]:80", "[::1]", false),
        ] {
            assert_eq!(names_host(list, host, Some(443)), expected, "{list} {host}");
        }
    }

    #[test]
    fn yes_and_no_are_read_as_git_reads_them() {
        for (text, expected) in [
            ("true", Some(true)),
            ("On", Some(true)),
            ("2", Some(true)),
            ("0", Some(false)),
            ("", Some(false)),
            ("off", Some(false)),
            ("perhaps", None),
        ] {
            assert_eq!(boolean(text), expected, "{text}");
        }
    }
}
