//! The headers that a static server is asked with.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ureq::http::{HeaderName, HeaderValue, header::AUTHORIZATION};
use url::Url;

use super::{
    netrc,
    printed::{Expiring, NoLogin, Printed},
};

/// Headers of a request.
pub(super) type Headers = Vec<(HeaderName, HeaderValue)>;

/// Where the login for a static server comes from.
pub(super) enum Login {
    /// It needs none, or there is none.
    None,
    /// The address, or `~/.netrc`.
    Known(Headers),
    /// A command that prints it.
    Command(Printed<Headers>),
}

impl Login {
    /// The login for an address: of its own, of the command, or of `~/.netrc`. Takes it out of the address.
    pub(super) fn taken_from(url: &mut Url, command: &[String]) -> Result<Self, String> {
        let decoded = |text: &str| {
            percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
        };
        let own = (!url.username().is_empty() || url.password().is_some())
            .then(|| (decoded(url.username()), decoded(url.password().unwrap_or_default())));
        if url.set_username("").and_then(|()| url.set_password(None)).is_err() {
            return Err("an address of this kind has no host".to_owned());
        }
        if own.is_none() && !command.is_empty() {
            return Ok(Self::Command(Printed::by(command.to_vec(), read)));
        }
        let found = own.or_else(|| netrc::find(url.host_str().unwrap_or_default()));
        Ok(found.map_or(Self::None, |(user, password)| {
            let value = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
            Self::Known(secret(AUTHORIZATION, &value).into_iter().collect())
        }))
    }

    /// The headers with it.
    pub(super) fn headers(&self) -> Result<Arc<Headers>, NoLogin> {
        match self {
            Self::None => Ok(Arc::default()),
            Self::Known(headers) => Ok(Arc::new(headers.clone())),
            Self::Command(printed) => printed.login(),
        }
    }

    /// Whether another may be found, after this one was refused.
    pub(super) fn renew(&self) -> bool {
        if let Self::Command(printed) = self {
            printed.forget();
        }
        matches!(self, Self::Command(_))
    }
}

fn secret(name: HeaderName, value: &str) -> Option<(HeaderName, HeaderValue)> {
    let mut value = HeaderValue::from_str(value).ok()?;
    value.set_sensitive(true);
    Some((name, value))
}

/// What a command printed: headers, one on each line, or a token alone.
fn read(text: &str) -> Option<Expiring<Headers>> {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let header = |line: &&str| {
        let (name, value) = line.split_once(':')?;
        secret(HeaderName::from_bytes(name.as_bytes()).ok()?, value.trim())
    };
    let headers: Option<Headers> = match lines.as_slice() {
        [] => None,
        [token] if !token.contains([':', ' ']) => {
            secret(AUTHORIZATION, &format!("Bearer {token}")).map(|header| vec![header])
        }
        lines => lines.iter().map(header).collect(),
    };
    headers.map(|headers| (headers, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Option<String> {
        let (headers, _) = read(text)?;
        let shown =
            headers.iter().map(|(name, value)| format!("{name}={}", value.to_str().unwrap()));
        Some(shown.collect::<Vec<_>>().join(","))
    }

    #[test]
    fn a_command_prints_a_token_or_headers() {
        assert_eq!(shown("ya29.token\n").unwrap(), "authorization=Bearer ya29.token");
        let headers = "Authorization: Basic bWU=\nX-Team: a b\n";
        assert_eq!(shown(headers).unwrap(), "authorization=Basic bWU=,x-team=a b");
        for text in ["", "\n", "no header\n", "please log in first", "a\nb\n"] {
            assert_eq!(shown(text), None, "{text}");
        }
    }

    #[test]
    fn the_login_is_taken_out_of_the_address() {
        let mut url = Url::parse("https://me:pass%20word@host.example/p").unwrap();
        let Login::Known(headers) = Login::taken_from(&mut url, &[]).unwrap() else { panic!() };
        assert_eq!(url.as_str(), "https://host.example/p");
        let (_, value) = &headers[0];
        assert_eq!(STANDARD.encode("me:pass word"), &value.to_str().unwrap()["Basic ".len()..]);
        assert!(!format!("{headers:?}").contains("Basic"));
    }
}
