//! What `config.toml` says of shared tiers. The file is the user's own; no project brings one.

use std::{fmt, time::Duration};

use super::{
    amounts,
    toml_fields::{self, Fields, Placed, TomlFault},
};

/// A shared tier, as it is configured.
#[derive(Clone, PartialEq, Eq)]
pub struct TierSettings {
    /// Where it is. It may have a secret in it.
    pub url: String,
    /// The server of an `s3://` place that is not AWS's.
    pub endpoint: Option<String>,
    /// A command that prints a login.
    pub credentials: Vec<String>,
    /// Whether updates publish to it.
    pub mode: TierMode,
    /// Only modules whose origin matches one of these; all, if there are none.
    pub only: Vec<OriginPattern>,
    /// No modules whose origin matches one of these.
    pub except: Vec<OriginPattern>,
    /// Whether git is asked for what no tier has.
    pub fallback: bool,
    /// The age at which an object is published again.
    pub renew: Option<Duration>,
    /// The longest object that is read or published, in bytes.
    pub max_object: u64,
    /// The longest wait for a connection.
    pub connect_timeout: Duration,
    /// The longest wait for the next byte.
    pub stall_timeout: Duration,
}

/// Whether updates publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TierMode {
    /// Updates read.
    #[default]
    Read,
    /// Updates read, and publish what they fetched.
    Write,
}

/// Text for origins, in which `*` stands for any text: `github.com/acme/*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginPattern(String);

/// Why a `config.toml` cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {fault}")]
pub struct TierSettingsError {
    /// From 1.
    pub line: usize,
    /// From 1.
    pub column: usize,
    /// What is wrong.
    pub fault: TomlFault,
}

impl TierSettings {
    /// A tier at this address, with what is usual.
    #[must_use]
    pub fn at(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            endpoint: None,
            credentials: Vec::new(),
            mode: TierMode::Read,
            only: Vec::new(),
            except: Vec::new(),
            fallback: true,
            renew: None,
            max_object: 1 << 30,
            connect_timeout: Duration::from_secs(2),
            stall_timeout: Duration::from_secs(10),
        }
    }

    /// Whether a module of this origin may be asked of it, or published to it.
    #[must_use]
    pub fn is_for(&self, origin: &str) -> bool {
        let matches = |patterns: &[OriginPattern]| patterns.iter().any(|it| it.matches(origin));
        (self.only.is_empty() || matches(&self.only)) && !matches(&self.except)
    }

    /// Whether its patterns name this origin.
    #[must_use]
    pub fn names(&self, origin: &str) -> bool {
        self.only.iter().any(|pattern| pattern.matches(origin)) && self.is_for(origin)
    }
}

impl fmt::Debug for TierSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mode, fallback, .. } = self;
        f.debug_struct("TierSettings").field("mode", mode).field("fallback", fallback).finish()
    }
}

impl OriginPattern {
    /// The pattern of this text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Whether it stands for this origin.
    #[must_use]
    pub fn matches(&self, origin: &str) -> bool {
        let mut parts = self.0.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = origin.strip_prefix(first) else { return false };
        let Some(last) = parts.next_back() else { return rest.is_empty() };
        for part in parts {
            let Some(at) = rest.find(part) else { return false };
            rest = rest.get(at + part.len()..).unwrap_or_default();
        }
        rest.ends_with(last)
    }
}

/// The tiers that the text of a `config.toml` names, in their order.
///
/// # Errors
/// The first thing that is wrong, with its line and column; never a value, which may be a secret.
pub fn read_tiers(text: &str) -> Result<Vec<TierSettings>, TierSettingsError> {
    read(text).map_err(|placed| {
        let (line, column, fault) = toml_fields::located(text, placed);
        TierSettingsError { line, column, fault }
    })
}

fn read(text: &str) -> Result<Vec<TierSettings>, Placed<TomlFault>> {
    let document = toml_fields::document(text)?;
    let root = Fields::root(&document);
    root.only(&["tier"])?;
    root.tables("tier")?.iter().map(read_tier).collect()
}

const KEYS: [&str; 11] = [
    "url",
    "endpoint",
    "credentials",
    "mode",
    "only",
    "except",
    "fallback",
    "renew",
    "max-object",
    "connect-timeout",
    "stall-timeout",
];

fn read_tier(fields: &Fields<'_>) -> Result<TierSettings, Placed<TomlFault>> {
    fields.only(&KEYS)?;
    let usual = TierSettings::at(fields.required("url", fields.text("url")?)?);
    let patterns = |key| -> Result<Vec<OriginPattern>, Placed<TomlFault>> {
        let texts = fields.texts(key)?.unwrap_or_default();
        Ok(texts.into_iter().map(OriginPattern).collect())
    };
    let time = |key| -> Result<Option<Duration>, Placed<TomlFault>> {
        let Some(text) = fields.text(key)? else { return Ok(None) };
        let read = amounts::time(text).filter(|time| !time.is_zero());
        read.map(Some).ok_or_else(|| fields.wrong(key, "a time, as in \"10s\" or \"15d\""))
    };
    let mode = match fields.text("mode")? {
        None | Some("read") => TierMode::Read,
        Some("write") => TierMode::Write,
        Some(_) => return Err(fields.wrong("mode", "\"read\" or \"write\"")),
    };
    let max_object = match fields.text("max-object")? {
        None => usual.max_object,
        Some(text) => amounts::size(text)
            .ok_or_else(|| fields.wrong("max-object", "a size, as in \"500M\" or \"1GiB\""))?,
    };
    Ok(TierSettings {
        endpoint: fields.text("endpoint")?.map(str::to_owned),
        credentials: fields.texts("credentials")?.unwrap_or_default(),
        mode,
        only: patterns("only")?,
        except: patterns("except")?,
        fallback: fields.boolean("fallback")?.unwrap_or(true),
        renew: time("renew")?,
        max_object,
        connect_timeout: time("connect-timeout")?.unwrap_or(usual.connect_timeout),
        stall_timeout: time("stall-timeout")?.unwrap_or(usual.stall_timeout),
        ..usual
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, origin, is_match) in [
            ("github.com/acme/*", "github.com/acme/tool", true),
            ("github.com/acme/*", "github.com/acme/group/tool", true),
            ("github.com/acme/*", "github.com/acme", false),
            ("github.com/acme/*", "evil.com/github.com/acme/x", false),
            ("github.com/acme/tool", "github.com/acme/tool", true),
            ("github.com/acme/tool", "github.com/acme/tool2", false),
            ("*/acme/*-x", "h/acme/a-x", true),
            ("*/acme/*-x", "h/acme/-x", true),
            ("*/acme/*-x", "h/acme/a-xx", false),
            ("a*a", "a", false),
            ("*", "anything", true),
            ("", "anything", false),
        ] {
            assert_eq!(OriginPattern::new(pattern).matches(origin), is_match, "{pattern} {origin}");
        }
    }

    #[test]
    fn every_key_is_read() {
        let tiers = read_tiers(
            "[[tier]]\nurl = \"/a\"\n\n[[tier]]\nurl = \"s3://b/c\"\nendpoint = \"https://e\"\n\
             credentials = [\"cmd\", \"x\"]\nmode = \"write\"\nonly = [\"h/*\"]\nexcept = [\"h/secret\"]\n\
             fallback = false\nrenew = \"15d\"\nmax-object = \"2MiB\"\nconnect-timeout = \"1s\"\n\
             stall-timeout = \"1m\"\n",
        );
        let full = TierSettings {
            endpoint: Some("https://e".into()),
            credentials: vec!["cmd".into(), "x".into()],
            mode: TierMode::Write,
            only: vec![OriginPattern::new("h/*")],
            except: vec![OriginPattern::new("h/secret")],
            fallback: false,
            renew: Some(Duration::from_hours(15 * 24)),
            max_object: 2 << 20,
            connect_timeout: Duration::from_secs(1),
            stall_timeout: Duration::from_secs(60),
            ..TierSettings::at("s3://b/c")
        };
        assert!(full.is_for("h/r") && !full.is_for("h/secret") && !full.is_for("other/r"));
        assert!(full.names("h/r") && !TierSettings::at("/a").names("h/r"));
        assert_eq!(tiers.unwrap(), [TierSettings::at("/a"), full]);
        assert_eq!(read_tiers("").unwrap(), []);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place_and_never_with_its_value() {
        for (text, said) in [
            (
                "[[tier]]\nurl = \"/a\"\nmod = \"x\"\n",
                "line 3, column 1: unknown key `mod`, did you mean `mode`?",
            ),
            ("tiers = 1\n", "line 1, column 1: unknown key `tiers`, did you mean `tier`?"),
            ("[[tier]]\nmode = \"read\"\n", "line 1, column 1: expected a `url`"),
            (
                "[tier]\nurl = \"secret\"\n",
                "line 1, column 2: expected `tier` to be written [[tier]]",
            ),
            (
                "[[tier]]\nurl = \"secret\"\nmode = \"secret\"\n",
                "line 3, column 8: expected `mode` to be \"read\" or \"write\"",
            ),
            (
                "[[tier]]\nurl = \"/a\"\nrenew = \"0s\"\n",
                "line 3, column 9: expected `renew` to be a time, as in \"10s\" or \"15d\"",
            ),
        ] {
            assert_eq!(read_tiers(text).unwrap_err().to_string(), said);
        }
    }
}
