//! The address of a tier, as a person writes it.

use std::{fmt, path::PathBuf, str::FromStr};

use percent_encoding::percent_decode_str;

/// Where a tier is: `file:///srv/tier`, `/srv/tier`, or a place that is reached over the network.
#[derive(Clone, PartialEq, Eq)]
pub enum TierAddress {
    /// A directory.
    Directory(PathBuf),
    /// Another place: what the address says beyond its scheme is read by the code that speaks to such places.
    Remote {
        /// What is before `://`, in lower case.
        scheme: String,
        /// The whole address. It may have a secret in it.
        url: String,
    },
}

/// Text that is no address of a tier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// Neither an address nor an absolute path.
    #[error("`{text}` is no tier: expected file:///directory, an absolute path{}", others())]
    Form {
        /// The text, without a secret.
        text: String,
    },
    /// A `file://` address of another machine, or of a path that is not absolute.
    #[error(
        "`{text}` is no tier: file:// takes an absolute path of this machine, as in file:///srv/tier"
    )]
    File {
        /// The text.
        text: String,
    },
}

/// The schemes of places over the network that this build can speak to.
pub(crate) const REMOTE: &[&str] =
    if cfg!(feature = "remote") { &["https", "http", "s3", "gs"] } else { &[] };

fn others() -> String {
    REMOTE.iter().map(|scheme| format!(", {scheme}://…")).collect()
}

impl TierAddress {
    /// Whether asking it needs a network.
    #[must_use]
    pub const fn is_remote(&self) -> bool {
        matches!(self, Self::Remote { .. })
    }
}

impl FromStr for TierAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let form = || AddressError::Form { text: without_secret(text) };
        if text.starts_with('/') {
            return Ok(Self::Directory(PathBuf::from(text)));
        }
        let (scheme, rest) = text.split_once("://").ok_or_else(form)?;
        let is_letter = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
        if scheme.is_empty() || rest.is_empty() || !scheme.chars().all(is_letter) {
            return Err(form());
        }
        match scheme.to_ascii_lowercase().as_str() {
            "file" => directory(rest).ok_or_else(|| AddressError::File { text: text.to_owned() }),
            scheme => Ok(Self::Remote { scheme: scheme.to_owned(), url: text.to_owned() }),
        }
    }
}

fn directory(rest: &str) -> Option<TierAddress> {
    let path = rest.strip_prefix("localhost").unwrap_or(rest);
    let path = percent_decode_str(path).decode_utf8().ok()?;
    let is_path = path.starts_with('/') && !path.contains('\0');
    is_path.then(|| TierAddress::Directory(PathBuf::from(path.as_ref())))
}

/// An address without user, password, query and fragment: each of them may be, or hold, a secret.
fn without_secret(text: &str) -> String {
    let text = text.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = host.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}{path}")
}

impl fmt::Display for TierAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(path) => write!(f, "file://{}", path.display()),
            Self::Remote { url, .. } => f.write_str(&without_secret(url)),
        }
    }
}

impl fmt::Debug for TierAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<TierAddress, AddressError> {
        text.parse()
    }

    #[test]
    fn a_directory_is_named_by_its_path_or_by_an_address() {
        for (text, path) in [
            ("/srv/tier", "/srv/tier"),
            ("file:///srv/tier", "/srv/tier"),
            ("FILE:///srv/tier", "/srv/tier"),
            ("file://localhost/srv/tier", "/srv/tier"),
            ("file:///srv/my%20tier", "/srv/my tier"),
        ] {
            assert_eq!(read(text), Ok(TierAddress::Directory(PathBuf::from(path))), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_named_in_the_error() {
        for text in
            ["", "srv/tier", "./tier", "://x", "s3://", "a b://c", "file://host/srv", "file://x"]
        {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(&format!("`{text}`")), "{text}: {error}");
        }
    }

    #[test]
    fn an_address_is_printed_without_its_secret() {
        let tier = read("https://me:secret@tier.example/prefix?token=secret#secret").unwrap();
        assert_eq!(tier.to_string(), "https://tier.example/prefix");
        assert_eq!(format!("{tier:?}"), "https://tier.example/prefix");
    }
}
