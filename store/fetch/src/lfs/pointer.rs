//! [`Pointer`]: which content a Git LFS file stands for. Pure.
//!
//! What git-lfs takes for a pointer is one here: lines of a key and a value, `version`, `oid` and `size` in this order,
//! extensions anywhere, empty lines nowhere counted. Only a sign before the size is not taken.
//!
//! Limits: whether the file is one of Git LFS at all, its attributes say.

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::tree::lfs::{VERSIONS, is_pointer};

/// The name of a content: its SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Oid([u8; 32]);

/// A pointer that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pointer {
    pub(crate) oid: Oid,
    /// The size of the content.
    pub(crate) size: u64,
    /// The name of the first extension, which is a program that makes the content of what the server has.
    pub(crate) extension: Option<String>,
}

impl Oid {
    /// 64 lower-case digits.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        let value = |digit: &u8| match digit {
            b'0'..=b'9' => Some(digit - b'0'),
            b'a'..=b'f' => Some(digit - b'a' + 10),
            _ => None,
        };
        let mut oid = [0; 32];
        if digits.len() != 2 * oid.len() {
            return None;
        }
        for (byte, pair) in oid.iter_mut().zip(digits.chunks(2)) {
            *byte = pair.iter().try_fold(0_u8, |byte, digit| Some(byte << 4 | value(digit)?))?;
        }
        Some(Self(oid))
    }

    /// The name of what was hashed.
    pub(crate) fn of(hasher: Sha256) -> Self {
        Self(hasher.finalize().into())
    }

    /// The name of no bytes at all.
    pub(crate) fn empty() -> Self {
        Self::of(Sha256::new())
    }
}

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Pointer {
    /// Reads the text of a pointer; `None` where it is none.
    pub(crate) fn parse(contents: &[u8]) -> Option<Self> {
        if !is_pointer(contents) {
            return None;
        }
        let text = std::str::from_utf8(contents).ok()?.trim();
        let mut wanted = ["version", "oid", "size"].into_iter().peekable();
        let (mut oid, mut size, mut extensions) = (None, None, Vec::new());
        for line in text.lines().filter(|line| !line.is_empty()) {
            let (key, value) = line.split_once(' ')?;
            if wanted.peek() != Some(&key) {
                extensions.push(extension(key, value)?);
                // Nothing follows the size.
                wanted.peek()?;
                continue;
            }
            match wanted.next()? {
                "version" => VERSIONS.contains(&value).then_some(())?,
                "oid" => oid = Some(Oid::parse(value.strip_prefix("sha256:")?)?),
                _ => size = Some(number(value)?),
            }
        }
        extensions.sort_unstable();
        let is_double = extensions.windows(2).any(|pair| matches!(pair, [a, b] if a.0 == b.0));
        let extension = extensions.into_iter().next().map(|(_, name)| name);
        (!is_double).then_some(Self { oid: oid?, size: size?, extension })
    }
}

/// The priority and the name in `ext-<digit>-<name> sha256:<oid>`.
fn extension(key: &str, value: &str) -> Option<(u8, String)> {
    let (priority, name) = key.strip_prefix("ext-")?.split_once('-')?;
    Oid::parse(value.strip_prefix("sha256:")?)?;
    let is_name = name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    let priority = priority.parse().ok().filter(|priority| *priority < 10)?;
    (is_name).then(|| (priority, name.to_owned()))
}

fn number(digits: &str) -> Option<u64> {
    let size: i64 = digits.parse().ok().filter(|_| !digits.starts_with('+'))?;
    u64::try_from(size).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OID: &str = "4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393";

    #[test]
    fn a_pointer_names_its_content_and_nothing_else_is_one() {
        let of = |lines: &str| Pointer::parse(lines.replace("OID", OID).as_bytes());
        let first = "version https://git-lfs.github.com/spec/v1\n";
        let plain = of(&format!("{first}oid sha256:OID\nsize 12345\n")).unwrap();
        assert_eq!((plain.oid.to_string(), plain.size), (OID.to_owned(), 12345));
        for same in [
            format!("{first}oid sha256:OID\nsize 12345"),
            format!("{first}\n\noid sha256:OID\r\nsize 12345\n\n"),
            "version https://hawser.github.com/spec/v1\noid sha256:OID\nsize 12345\n".into(),
            "version http://git-media.io/v/2\noid sha256:OID\nsize 12345\n".into(),
        ] {
            assert_eq!(of(&same).as_ref(), Some(&plain), "{same}");
        }
        let more =
            format!("{first}ext-1-b sha256:OID\next-0-a sha256:OID\noid sha256:OID\nsize 1\n");
        assert_eq!(of(&more).unwrap().extension.as_deref(), Some("a"));
        for none in [
            String::new(),
            first.into(),
            format!("{first}oid sha256:OID\n"),
            format!("{first}oid sha256:OID\nsize -1\n"),
            format!("{first}oid sha256:OID\nsize 1 2\n"),
            format!("{first}oid sha256:OID\nsize 99999999999999999999\n"),
            format!("{first}oid md5:OID\nsize 1\n"),
            format!("{first}oid sha256:OIDa\nsize 1\n"),
            format!("{first}size 1\noid sha256:OID\n"),
            format!("{first}oid sha256:OID\nsize 1\nmore 1\n"),
            format!("{first}ext-0-a sha256:OID\next-0-b sha256:OID\noid sha256:OID\nsize 1\n"),
            format!("{first}oid sha256:OID\nsize 1\n{}", " ".repeat(1024)),
            format!("version https://git-lfs.github.com/spec/v1x\noid sha256:OID\nsize 1\n"),
        ] {
            assert_eq!(of(&none), None, "{none}");
        }
    }

    #[test]
    fn the_name_of_nothing_is_known() {
        let expected = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Oid::empty().to_string(), expected);
    }
}
