//! What git meant that gave up an exchange over HTTP, by its last words.
//!
//! git's messages are asked for in English. Those of libcurl, which git passes on, differ from version to version and
//! from one TLS library to another, so they are recognised by what all of them say.
//!
//! Limits: a message that is not recognised is reported as it was printed.

use super::refusal::{Moment, judge, recognised};
use crate::errors::{ConnectError, LoginError, ServerError, TransferError, TransportError, Words};

/// The error that a git that hung up has printed.
pub(crate) fn fault_from_git(said: &str, dropped: TransferError, moment: Moment) -> TransportError {
    let said = without_logins(said);
    // A host or a repository may be called anything.
    let unnamed = without_names(&said);
    let has = |texts: &[&str]| texts.iter().any(|text| unnamed.contains(text));
    let last = || last_words(&said);
    let cause = || last().into();
    if said.is_empty() {
        return dropped.into();
    }
    let status = status(&said);
    let words = words_of_server(&said);
    if has(&["config value", "config line", "config file", "CURLOPT_"]) {
        let source = std::io::Error::other(last());
        ConnectError::Start { program: "git".to_owned(), source }.into()
    } else if has(&["Authentication failed for"]) {
        LoginError::Refused(words).into()
    } else if has(&[
        "could not read Username",
        "could not read Password",
        "terminal prompts disabled",
    ]) || status == Some(401)
    {
        LoginError::Missing(words).into()
    } else if status == Some(407) || has(&["proxy", "Proxy", "SOCKS", "CONNECT tunnel"]) {
        ConnectError::Proxy(last()).into()
    } else if let Some(status) = status {
        recognised(words.text()).unwrap_or_else(|| {
            ServerError::Status { status, retry_after: None, said: words }.into()
        })
    } else if has(&["' not found"]) {
        ServerError::Status { status: 404, retry_after: None, said: words }.into()
    } else if has(&["ould not resolve host", "ouldn't resolve host"]) {
        ConnectError::UnknownHost { source: Some(cause()) }.into()
    } else if has(&DROPPED_BELOW_TLS) {
        TransferError::Dropped { source: Some(cause()) }.into()
    } else if has(&["SSL", "TLS", "ssl", "tls", "certificate", "CAfile", "cipher"]) {
        ConnectError::Tls { source: cause() }.into()
    } else if has(&[
        "Failed to connect",
        "ould not connect",
        "ouldn't connect",
        "Connection refused",
    ]) {
        ConnectError::Refused { source: Some(cause()) }.into()
    } else if has(&[
        "base from redirection",
        "not supported or disabled",
        "Protocol \"http\" disabled",
        "Maximum (20) redirects",
    ]) {
        ServerError::Redirect(last()).into()
    } else if has(&[
        "timed out",
        "hung up",
        "Empty reply",
        "transfer closed",
        "reset",
        "closed",
        "too slow",
        "RPC failed",
        NO_PACK,
        "Connection died",
        "curl_result = ",
    ]) {
        TransferError::Dropped { source: Some(cause()) }.into()
    } else if has(&NO_PROTOCOL) {
        ServerError::Protocol { source: cause() }.into()
    } else {
        judge(&last(), moment)
    }
}

/// What git and libcurl say of an answer that is not theirs.
const NO_PROTOCOL: [&str; 8] = [
    "is this a git repository",
    "protocol error",
    "bad line length",
    "expected",
    "HTTP/0.9",
    "Content-Length",
    "Unsupported HTTP",
    "ls-refs response",
];

/// What libraries say of a connection that ended without a word about TLS itself.
const DROPPED_BELOW_TLS: [&str; 9] = [
    "non-properly terminated",
    "SSL_ERROR_SYSCALL",
    "unexpected eof",
    "error in the pull function",
    "Error in the push function",
    "getpeername() failed",
    "Send failure",
    "Recv failure",
    "Broken pipe",
];

/// What git says of a pack of a server of plain files that did not come, although the server's own list has it.
const NO_PACK: &str = "Unable to get pack ";

/// The status of HTTP in libcurl's words.
fn status(said: &str) -> Option<u16> {
    let after = |text: &str| {
        let (_, rest) = said.rsplit_once(text)?;
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        rest.get(..end)?.parse().ok()
    };
    ["returned error: ", "RPC failed; HTTP ", "Received HTTP code ", "HTTP code = ", "http_code = "]
        .into_iter()
        .find_map(after)
        // So git writes that there was no answer.
        .filter(|status| *status != 0)
}

/// What the server said, which git puts behind a word of its own.
fn words_of_server(said: &str) -> Words {
    let lines = said.lines().filter_map(|line| line.trim().strip_prefix("remote: "));
    Words::of(&lines.collect::<Vec<_>>().join("\n"))
}

/// The line that says why, without the address, which is known.
fn last_words(said: &str) -> String {
    let lines = || said.lines().map(str::trim).filter(|line| !line.is_empty());
    let fatal = lines().find(|line| line.starts_with("fatal: "));
    let line = fatal.or_else(|| lines().find(|line| line.starts_with("error: ")));
    let line = line.or_else(|| lines().next_back()).unwrap_or_default();
    let text = line.trim_start_matches("fatal: ").trim_start_matches("error: ");
    if text.starts_with(NO_PACK) {
        // git names the file, and puts libcurl's words on a line of their own below it.
        let why = lines().skip_while(|it| *it != line).nth(1);
        return why.filter(|it| !it.starts_with("error: ")).unwrap_or(text).to_owned();
    }
    match text.strip_prefix("unable to access ").and_then(|text| text.split_once("': ")) {
        Some((_, why)) => why.to_owned(),
        None => text.to_owned(),
    }
}

/// The text without the addresses that git quotes.
fn without_names(said: &str) -> String {
    let parts = said.split('\'').enumerate();
    let kept = parts.map(|(number, part)| {
        let is_address = number % 2 == 1 && part.contains("://");
        if is_address { "" } else { part }
    });
    kept.collect::<Vec<_>>().join("'")
}

/// The text without what stands before an `@` in an address.
fn without_logins(said: &str) -> String {
    let mut out = String::new();
    let mut rest = said;
    while let Some((before, after)) = rest.split_once("://") {
        out.push_str(before);
        out.push_str("://");
        let end = after.find(|c: char| c == '/' || c.is_whitespace() || c == '\'');
        let (authority, path) = after.split_at(end.unwrap_or(after.len()));
        out.push_str(authority.rsplit_once('@').map_or(authority, |(_, host)| host));
        rest = path;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use modstore_core::model::FailureCode;

    use super::{Moment, fault_from_git, without_logins};
    use crate::errors::TransferError;

    #[test]
    fn what_git_says_has_the_code_of_what_happened() {
        for (said, code) in [
            ("fatal: Authentication failed for 'https://h/r.git/'", FailureCode::Authentication),
            (
                "fatal: could not read Username for 'https://h': terminal prompts disabled",
                FailureCode::Authentication,
            ),
            ("fatal: repository 'https://h/r.git/' not found", FailureCode::NoSuchRepository),
            (
                "fatal: unable to access 'https://h/': The requested URL returned error: 503",
                FailureCode::RateLimited,
            ),
            (
                "error: RPC failed; HTTP 500 curl 22 The requested URL returned error: 500\nfatal: x",
                FailureCode::Server,
            ),
            (
                "fatal: unable to access 'https://h/': Could not resolve host: h",
                FailureCode::NameResolution,
            ),
            (
                "fatal: unable to access 'https://h/': Could not resolve proxy: p",
                FailureCode::Proxy,
            ),
            (
                "fatal: unable to access 'https://h/': Received HTTP code 407 from proxy after CONNECT",
                FailureCode::Proxy,
            ),
            (
                "fatal: unable to access 'https://h/': CONNECT tunnel failed, response 407",
                FailureCode::Proxy,
            ),
            (
                "fatal: unable to access 'https://h/': GnuTLS recv error (-12): A TLS fatal alert has been received.",
                FailureCode::Untrusted,
            ),
            (
                "fatal: unable to access 'https://h/': GnuTLS recv error (-110): The TLS connection was non-properly terminated.",
                FailureCode::Connection,
            ),
            (
                "fatal: unable to access 'https://h/': OpenSSL SSL_connect: SSL_ERROR_SYSCALL in connection to h:443",
                FailureCode::Connection,
            ),
            (
                "fatal: unable to access 'https://h/': Send failure: Broken pipe",
                FailureCode::Connection,
            ),
            (
                "error: Connection died, tried 5 times before giving up (curl_result = 55, http_code = 0, sha1 = 1)",
                FailureCode::Connection,
            ),
            (
                "error: The requested URL returned error: 500 (curl_result = 22, http_code = 500, sha1 = 1)",
                FailureCode::Server,
            ),
            (
                "error: Unable to get pack file http://h/r.git/objects/pack/pack-1.pack\nCouldn't connect to server\nerror: Unable to find 1 under http://h/r.git",
                FailureCode::Connection,
            ),
            (
                "fatal: unable to access 'https://proxy.tls/': The requested URL returned error: 404",
                FailureCode::NoSuchRepository,
            ),
            ("fatal: repository 'https://proxy/ssl.git/' not found", FailureCode::NoSuchRepository),
            (
                "fatal: unable to access 'https://h/': server certificate verification failed. CAfile: none CRLfile: none",
                FailureCode::Untrusted,
            ),
            (
                "fatal: unable to access 'https://h/': SSL certificate problem: self-signed certificate",
                FailureCode::Untrusted,
            ),
            (
                "fatal: unable to access 'https://h/': Failed to connect to h port 443 after 0 ms: Couldn't connect to server",
                FailureCode::Connection,
            ),
            (
                "fatal: https://h/r.git/info/refs not valid: is this a git repository?",
                FailureCode::Protocol,
            ),
            (
                "fatal: unable to access 'https://h/': Empty reply from server",
                FailureCode::Connection,
            ),
            (
                "fatal: unable to access 'https://h/': Received HTTP/0.9 when not allowed",
                FailureCode::Protocol,
            ),
            (
                "fatal: unable to access 'https://h/': Protocol \"http\" disabled",
                FailureCode::Protocol,
            ),
            ("fatal: something new", FailureCode::Server),
            ("", FailureCode::Connection),
        ] {
            let fault =
                fault_from_git(said, TransferError::Dropped { source: None }, Moment::Asked);
            assert_eq!(fault.code(), code, "{said}: {fault:?}");
        }
    }

    #[test]
    fn no_login_is_reported() {
        let said =
            "unable to access 'https://u:s3cret@h/r': via http://p:s3cret@x:1 and https://h/a@b";
        assert_eq!(
            without_logins(said),
            "unable to access 'https://h/r': via http://x:1 and https://h/a@b"
        );
    }
}
