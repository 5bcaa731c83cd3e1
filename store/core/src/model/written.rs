//! What people write: hiding the secrets in it, and percent-coding.
//!
//! [`redact`] works on text that does not parse, so it goes by shape alone and would rather hide too
//! much. It knows URLs and the scp form. Not recognised are a secret in a local path or in a ref, and a
//! password of digits up to its first `/`: what precedes that reads as host and port.

use std::ops::Range;

use super::archive_address::may_be_written;
use super::login_text::{is_ssh, secret_in_login};

/// Stands for a secret in every printed text.
pub(super) const STARS: &str = "***";

/// A text with its secrets replaced, and how to find a byte of the original in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Redacted {
    pub(super) text: String,
    cuts: Vec<Range<usize>>,
}

impl Redacted {
    /// What was replaced in `text`, the original.
    pub(super) fn secrets<'t>(&self, text: &'t str) -> impl Iterator<Item = &'t str> {
        self.cuts.iter().filter_map(|cut| text.get(cut.clone()))
    }

    /// Where byte `at` of the original text stands in the redacted one.
    pub(super) fn offset(&self, at: usize) -> usize {
        let mut moved = at;
        for cut in &self.cuts {
            if at >= cut.end {
                moved = (moved + STARS.len()).saturating_sub(cut.len());
            } else if at > cut.start {
                moved = moved.saturating_sub(at - cut.start);
            }
        }
        moved.min(self.text.len())
    }
}

/// Replaces everything in `text` that could be a password or a token by `***`.
pub(super) fn redact(text: &str) -> Redacted {
    let cuts = match text.split_once("://") {
        Some((scheme, rest)) => secrets_in_url(scheme, rest),
        None => secret_in_scp(text).into_iter().collect(),
    };
    let mut shown = String::with_capacity(text.len());
    let mut from = 0;
    for cut in &cuts {
        shown.push_str(text.get(from..cut.start).unwrap_or_default());
        shown.push_str(STARS);
        from = cut.end;
    }
    shown.push_str(text.get(from..).unwrap_or_default());
    Redacted { text: shown, cuts }
}

fn secrets_in_url(scheme: &str, rest: &str) -> Vec<Range<usize>> {
    let base = scheme.len() + "://".len();
    let ssh = is_ssh(scheme);
    let (login_end, mut cuts) = match login_end(rest, ssh) {
        Some(end) => {
            let login = rest.get(..end).unwrap_or_default();
            let cut = secret_in_login(login, ssh).map(|cut| cut.start + base..cut.end + base);
            (end, cut.into_iter().collect())
        }
        None => (0, Vec::new()),
    };
    let after = rest.get(login_end..).unwrap_or_default();
    let hash = after.find('#').unwrap_or(after.len());
    let main = after.get(..hash).unwrap_or_default();
    if let Some(query) = main.find('?')
        && !may_be_written(main.get(query + 1..).unwrap_or_default())
    {
        cuts.push(base + login_end + query + 1..base + login_end + hash);
    }
    cuts.extend(secrets_in_fragment(after, hash, base + login_end));
    cuts.retain(|cut| !cut.is_empty());
    cuts
}

/// Where the login of a URL ends: its last `@` before the path; or, where a password holds a `/`, `?`
/// or `#` of its own (seen by a port that is no number), the last `@` of all.
fn login_end(rest: &str, ssh: bool) -> Option<usize> {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let end = authority.rfind('@');
    let host = authority.get(end.map_or(0, |at| at + 1)..).unwrap_or_default();
    let cut_short = !rest.get(authority.len()..).unwrap_or_default().starts_with('/');
    let odd_port = !host.starts_with('[')
        && host
            .split_once(':')
            .is_some_and(|(_, port)| cut_short || port.bytes().any(|b| !b.is_ascii_digit()));
    if odd_port && !ssh {
        return rest.rfind('@').or(end);
    }
    end
}

fn secrets_in_fragment(after: &str, hash: usize, base: usize) -> Vec<Range<usize>> {
    let harmless = [
        "subdirectory",
        "submodules",
        "lfs",
        "sha256",
        "egg",
        "branch",
        "tag",
        "rev",
        "ref",
        "commit",
        "head",
    ];
    let mut from = hash + 1;
    let mut cuts = Vec::new();
    for part in after.get(from..).unwrap_or_default().split('&') {
        if let Some((key, value)) = part.split_once('=')
            && !harmless.contains(&key)
        {
            let start = base + from + key.len() + 1;
            cuts.push(start..start + value.len());
        }
        from += part.len() + 1;
    }
    cuts
}

/// `user:secret@host:path`, which no git accepts, and URLs that lost a slash.
fn secret_in_scp(text: &str) -> Option<Range<usize>> {
    let colon = text.find(':')?;
    let (head, tail) = text.split_at_checked(colon)?;
    let lost_slash = ["http", "https", "ssh", "git"].iter().any(|scheme| head.ends_with(scheme));
    let at = tail.rfind('@')? + colon;
    let host_path = text.get(at..).is_some_and(|host| host.contains(':'));
    let looks_local = text.starts_with(['/', '.', '~']);
    (!looks_local && !head.contains('@') && (host_path || lost_slash)).then_some(colon + 1..at)
}

/// Replaces control characters, `%` and the bytes in `also` by `%XX`.
pub(super) fn percent_encode(text: &str, also: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        let ascii = u8::try_from(character).ok().filter(u8::is_ascii);
        match ascii {
            Some(byte) if byte.is_ascii_control() || byte == b'%' || also.contains(&byte) => {
                out.push_str(&format!("%{byte:02X}"));
            }
            _ => out.push(character),
        }
    }
    out
}

/// Reads every `%XX`; anything else stays as it is. `None` if the result is not UTF-8.
pub(super) fn percent_decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        match hex_pair(rest) {
            Some((value, after)) => {
                out.push(value);
                rest = after;
            }
            None => {
                out.push(byte);
                rest = tail;
            }
        }
    }
    String::from_utf8(out).ok()
}

/// The byte written as `%XX` at the start of `bytes`, and what follows it.
pub(super) fn hex_pair(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let [b'%', high, low, after @ ..] = bytes else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
    Some((digit(*high)? * 16 + digit(*low)?, after))
}

/// The 1-based line and column (in characters) of byte `at` of `text`.
pub(super) fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let mut end = at.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let before = text.get(..end).unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
    (before.matches('\n').count() + 1, column)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_could_be_a_secret_is_hidden_even_in_text_that_does_not_parse() {
        let table = [
            ("https://user:tok@h/o/r", "https://user:***@h/o/r"),
            ("git+https://ghp_tok@h/o/r@main", "git+https://***@h/o/r@main"),
            ("https://tok:@h/o/r", "https://***@h/o/r"),
            ("https://tok:x-oauth-basic@h/o/r", "https://***@h/o/r"),
            ("https://ghp_abc:x@h/o/r", "https://***@h/o/r"),
            ("https://me@corp.com:to/k@h/o/r", "https://me@corp.com:***@h/o/r"),
            ("https://user:pa/s?s#w@h/o/r", "https://user:***@h/o/r"),
            ("https://user:12#34@h/o/r", "https://user:***@h/o/r"),
            ("https://h/o/r?access_token=abc#egg=x", "https://h/o/r?***#egg=x"),
            ("https://h/o/r#token=abc&subdirectory=a", "https://h/o/r#token=***&subdirectory=a"),
            ("git+ssh://git:pw@h/o/r", "git+ssh://git:***@h/o/r"),
            ("user:pw@host:o/r", "user:***@host:o/r"),
            ("https:/user:tok@h/o/r", "https:***@h/o/r"),
            ("ftp://u:tok@h/x", "ftp://u:***@h/x"),
        ];
        for (written, shown) in table {
            assert_eq!(redact(written).text, shown);
        }
    }

    #[test]
    fn text_without_a_secret_stays_as_it_is() {
        for text in [
            "git+ssh://git@github.com:o/r@main",
            "git@github.com:o/r@main",
            "https://h:8080/o/r@v1",
            "ssh://git@h/o/r",
            "https://me@h/o/r@v1",
            "foundation:behaviors/x",
            "https://h/o/r?archive=tar.gz#sha256=00",
            "/a/b:c@d",
            "",
        ] {
            assert_eq!(redact(text).text, text);
        }
    }

    #[test]
    fn an_offset_names_the_same_byte_before_and_after_hiding() {
        let text = "https://user:a-long-token@h/o/r?q=1#x";
        let redacted = redact(text);
        for mark in ['h', 'o', '?', '#'] {
            let at = text.rfind(mark).unwrap();
            assert!(redacted.text[redacted.offset(at)..].starts_with(mark), "{mark}");
        }
        assert_eq!(redacted.offset(15), 13, "inside the secret is where the stars begin");
        assert_eq!(redacted.offset(text.len()), redacted.text.len());
    }

    #[test]
    fn percent_decoding_undoes_percent_encoding() {
        for text in ["", "a b", "100%25", "%zz", "ü&#/", "\n"] {
            assert_eq!(percent_decode(&percent_encode(text, b"&#")).as_deref(), Some(text));
        }
    }

    #[test]
    fn lines_and_columns_begin_at_one_and_count_characters() {
        assert_eq!(line_and_column("", 0), (1, 1));
        assert_eq!(line_and_column("a\nüb", 4), (2, 2));
        assert_eq!(line_and_column("a\n", 99), (2, 1));
    }
}
