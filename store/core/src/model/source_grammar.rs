//! How a text becomes a [`Source`].
//!
//! ```text
//! source  = [ "git+" ] url [ "@" ref ] [ "#" fields ]     url: https http ssh git file
//!         | [ "git+" ] user "@" host ":" path [ "@" ref ] [ "#" fields ]
//!         | "archive+" url "#" fields                     url: https http file
//!         | "/" path | "./" path | "../" path | "~/" path [ "#subdirectory=" path ]
//! fields  = field *( "&" field )                          subdirectory= submodules= lfs= sha256= egg=
//! ```
//!
//! Without `git+`, an `https`, `http` or `file` URL must end in `.git` or be a repository of a known forge.
//! A ref begins at the first `@` of the path, after its `.git` if it has one, and may hold `/` and `@`; an `@` that
//! begins a part of the path which is not the last belongs to the path, as in `/@scope/name`. In
//! refs and subdirectories `%XX` is read. A local path ends at the last `#subdirectory=` or `#egg=`.
//! How an archive is packed is said by the end of its name, or by the form of its address at a forge; its query may have
//! fields that are known to hold no secret.
//! Windows paths, registry names and `namespace:path` are not sources; spellings of other tools are refused with what to
//! write instead (`foreign`), and so are the addresses of pages (`page`).

mod page;
mod foreign;

use std::path::Path;

use super::archive_address::kind_of;
use super::source::PATH_ENDS;
use super::source_error::Refusal;
use super::written::percent_decode;
use super::{
    ArchiveKind, ArchiveSource, ArchiveUrl, Contents, Expected, GitSource, ParseSourceError,
    Reference, RemoteUrl, Scheme, Source, Subdirectory, Submodules,
};

impl Source {
    /// Reads what a user wrote. `base` is the absolute directory that `./` and `../` begin at, `home` what
    /// `~/` stands for; paths are only joined, never looked up.
    ///
    /// # Errors
    /// The position, what was expected there, and often what to write instead; without secrets.
    pub fn parse(text: &str, base: &Path, home: Option<&Path>) -> Result<Self, ParseSourceError> {
        let refused = |refusal: Refusal| {
            let is_source = |meant: &String| meant.contains('<') || read(meant, base, home).is_ok();
            let is_known = is_local(text) || refusal.suggests("archive+");
            match foreign::meant(text).filter(|meant| !is_known && is_source(meant)) {
                Some(meant) => refusal.suggest(meant),
                None => refusal,
            }
        };
        read(text, base, home).map_err(|refusal| refused(refusal).in_text(text))
    }
}

fn is_local(text: &str) -> bool {
    text.starts_with(['/', '~']) || matches!(text.split('/').next(), Some("." | ".."))
}

fn read(text: &str, base: &Path, home: Option<&Path>) -> Result<Source, Refusal> {
    if let Some(at) = text.find('\0') {
        return Err(Refusal::new(at, Expected::NoCharacter('\0')));
    }
    if is_windows_path(text) {
        return Err(Refusal::new(0, Expected::UnixPath).suggest(text.replace('\\', "/")));
    }
    if is_local(text) {
        return read_local(text, base, home);
    }
    if foreign::is_page(text) {
        let at = if text.starts_with("git+") { 4 } else { 0 };
        return Err(Refusal::new(at, Expected::Repository));
    }
    match text.split_once("://") {
        Some((scheme, _)) if scheme.bytes().all(is_scheme_byte) => read_with_scheme(text, scheme),
        _ => read_without_scheme(text),
    }
}

fn is_windows_path(text: &str) -> bool {
    let drive =
        matches!(text.as_bytes(), [letter, b':', b'\\' | b'/', ..] if letter.is_ascii_alphabetic());
    text.starts_with("\\\\") || (drive && !text.contains("://"))
}

fn is_scheme_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')
}

fn read_local(text: &str, base: &Path, home: Option<&Path>) -> Result<Source, Refusal> {
    let end = PATH_ENDS.iter().filter_map(|mark| text.rfind(mark)).max();
    let (path, fragment) = match end.and_then(|at| text.split_at_checked(at)) {
        Some((path, fragment)) => (path, fragment.get(1..)),
        None => (text, None),
    };
    let start = match path.strip_prefix('~') {
        None => base.join(path),
        Some(rest) if rest.is_empty() || rest.starts_with('/') => {
            home.ok_or(Refusal::new(0, Expected::KnownHome))?.join(rest.trim_start_matches('/'))
        }
        Some(_) => return Err(Refusal::new(0, Expected::OwnHome)),
    };
    let fields = FragmentFields::read(fragment, path.len() + 1, &["subdirectory"])?;
    Ok(match fields.subdirectory {
        Some(subdirectory) => Source::linked(&start.join(subdirectory)),
        None => Source::linked(&start),
    })
}

fn read_with_scheme(text: &str, scheme: &str) -> Result<Source, Refusal> {
    let (kind, name) = scheme.split_once('+').unwrap_or(("", scheme));
    let url_at = scheme.len() - name.len();
    let url = text.get(url_at..).unwrap_or_default();
    // A `+` with nothing before it is no kind.
    let known = Scheme::named(name).filter(|_| !scheme.starts_with('+'));
    let from_url = |refusal: Refusal| refusal.shifted(url_at);
    match kind.to_ascii_lowercase().as_str() {
        "git" if known.is_some() => {
            read_git(url).map_err(from_url).and_then(|git| not_a_page(git, url_at))
        }
        "archive" if known.is_some() => read_archive(url).map_err(from_url),
        "zip" if known.is_some() => {
            Err(Refusal::new(0, Expected::Scheme)
                .suggest(format!("archive+{}", with_checksum(url))))
        }
        "" if matches!(known, Some(Scheme::Ssh | Scheme::Git)) => {
            read_git(url).and_then(|git| not_a_page(git, 0))
        }
        "" if known.is_some() => read_bare(url),
        _ => Err(Refusal::new(0, Expected::Scheme)),
    }
}

fn read_without_scheme(text: &str) -> Result<Source, Refusal> {
    let address = text.strip_prefix("git+").unwrap_or(text);
    if let Some(meant) = foreign::scp_address_in_brackets(address) {
        return Err(Refusal::new(text.len() - address.len(), Expected::Source).suggest(meant));
    }
    let (head, tail) = address.split_once(':').unwrap_or((address, ""));
    let is_scp = address.contains(':') && head.contains('@') && !head.contains(['/', '#']);
    if is_scp {
        let from_address = |refusal: Refusal| refusal.shifted(text.len() - address.len());
        if let Some(at) = foreign::query_of_an_scp_address(address) {
            return Err(from_address(Refusal::new(at, Expected::NoQuery)));
        }
        return read_git(address).map(Source::Git).map_err(from_address);
    }
    let refusal = Refusal::new(0, Expected::Source);
    if text.trim() != text {
        return Err(refusal.suggest(text.trim()));
    }
    if address != text && address.starts_with('/') {
        return Err(refusal.suggest(format!("git+file://{address}")));
    }
    let lost_slash = Scheme::named(head).filter(|_| tail.starts_with('/'));
    if let Some(scheme) = lost_slash {
        let rest = tail.trim_start_matches('/');
        return Err(refusal.suggest(format!("git+{}://{rest}", scheme.as_str())));
    }
    if address.contains(':') {
        let refusal = Refusal::new(text.len() - tail.len() - 1, Expected::Source);
        return Err(match what_a_colon_means(address, head, tail) {
            Some(meant) => refusal.suggest(meant),
            None => refusal,
        });
    }
    Err(match address.split('/').filter(|part| !part.is_empty()).count() {
        0 => refusal,
        1 => refusal.suggest(format!("./{address}")),
        _ if head.split('/').next().is_some_and(|host| host.contains('.')) => {
            refusal.suggest(format!("git+https://{address}"))
        }
        2 => refusal.suggest(format!("git+https://github.com/{address}")),
        _ => refusal.suggest(format!("./{address}")),
    })
}

/// The source that `head:tail`, which is none, may mean.
fn what_a_colon_means(address: &str, head: &str, tail: &str) -> Option<String> {
    if let Some(bare) = foreign::without_brackets(address) {
        return Some(bare.to_owned());
    }
    let is_plain = !tail.is_empty() && !tail.contains(['@', '?', ':', '#', '*']);
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if !head.chars().all(is_name) || tail.starts_with("//") {
        return None;
    }
    if foreign::is_directory(head) && tail.starts_with(['/', '.', '~']) {
        return Some(tail.to_owned());
    }
    if tail.starts_with(['/', '~']) {
        let slash = if tail.starts_with('/') { "" } else { "/" };
        return Some(format!("git+ssh://{head}{slash}{tail}"));
    }
    if head.contains('.') || tail.ends_with(".git") {
        return Some(format!("git@{address}"));
    }
    (is_plain && !foreign::is_elsewhere(head))
        .then(|| format!("git+https://host/owner/{head}#subdirectory={tail}"))
}

/// Reads a URL that could be a repository, a page or a file.
fn read_bare(url: &str) -> Result<Source, Refusal> {
    let main = url.split('#').next().unwrap_or(url);
    if main.contains('?') && ArchiveUrl::read(main).is_ok() {
        let meant = format!("archive+{}", with_checksum(url));
        return Err(Refusal::new(0, Expected::Kind).suggest(meant));
    }
    let git = read_git(url)?;
    if git.url.path().to_ascii_lowercase().ends_with(".git") {
        return not_a_page(git, 0);
    }
    let is_archive = kind_of(git.url.host(), git.url.path(), "").is_some();
    if git.url.is_at_forge() && !is_archive {
        return not_a_page(git, 0);
    }
    let refusal = Refusal::new(0, Expected::Kind);
    Err(if git.url.scheme() == Scheme::File {
        let path = main.split_once("://").map_or("", |(_, path)| path);
        refusal.suggest(format!("git+{url} for a repository or {path} for a directory"))
    } else if is_archive || ArchiveKind::split_name(main).is_some() {
        refusal.suggest(format!("archive+{}", with_checksum(url)))
    } else {
        refusal.suggest(format!("git+{url}"))
    })
}

fn with_checksum(url: &str) -> String {
    match url.split_once('#') {
        Some((_, fragment)) if fragment.contains("sha256=") => url.to_owned(),
        Some((main, fragment)) => format!("{main}#sha256=<64 hex digits>&{fragment}"),
        None => format!("{url}#sha256=<64 hex digits>"),
    }
}

/// Refuses the address of a page at a forge, such as a directory in the browser.
fn not_a_page(git: GitSource, path_at: usize) -> Result<Source, Refusal> {
    let Some(forge) = git.url.forge() else { return Ok(Source::Git(git)) };
    let parts: Vec<&str> = git.url.path().split('/').filter(|part| !part.is_empty()).collect();
    let is_repository = match forge {
        "gitlab.com" => parts.len() >= 2 && !parts.contains(&"-"),
        _ => parts.len() == 2,
    };
    if is_repository {
        return Ok(Source::Git(git));
    }
    if kind_of(git.url.host(), git.url.path(), "").is_some() {
        let address = git.url.without_secret();
        let meant = format!("archive+{address}#sha256=<64 hex digits>");
        return Err(Refusal::new(path_at, Expected::Repository).suggest(meant));
    }
    let refusal = Refusal::new(path_at, Expected::Repository);
    let address = format!("git+https://{forge}");
    Err(match parts.as_slice() {
        [owner, repository, ..] => refusal.suggest(format!("{address}/{owner}/{repository}")),
        _ => refusal.suggest(format!("{address}/<owner>/<repository>")),
    })
}

fn read_git(text: &str) -> Result<GitSource, Refusal> {
    let (main, fragment) = split_fragment(text);
    let path_at = path_start(main);
    let (before, path) = main.split_at(path_at);
    let (path, reference) = split_reference(path);
    let url = RemoteUrl::read(&format!("{before}{path}"))?;
    let reference_at = before.len() + path.len() + 1;
    let reference = reference.map(|text| read_reference(text, reference_at)).transpose()?;
    let fields = FragmentFields::read(fragment, main.len() + 1, &GIT_FIELDS)?;
    let FragmentFields { subdirectory, contents, .. } = fields;
    Ok(GitSource { url, reference, subdirectory, contents })
}

fn read_archive(text: &str) -> Result<Source, Refusal> {
    let (main, fragment) = split_fragment(text);
    let url = ArchiveUrl::read(main)?;
    let fields = FragmentFields::read(fragment, main.len() + 1, &["subdirectory", "sha256"])?;
    let missing = || {
        Refusal::new(text.len(), Expected::Sha256)
            .suggest(format!("archive+{}", with_checksum(text)))
    };
    let sha256 = fields.sha256.ok_or_else(missing)?;
    Ok(Source::Archive(ArchiveSource { url, sha256, subdirectory: fields.subdirectory }))
}

fn split_fragment(text: &str) -> (&str, Option<&str>) {
    text.split_once('#').map_or((text, None), |(main, fragment)| (main, Some(fragment)))
}

/// Where the path begins, before which an `@` is a login's.
fn path_start(main: &str) -> usize {
    let after = |from: usize, mark: char| {
        main.get(from..).and_then(|rest| rest.find(mark)).map(|at| from + at)
    };
    let start = match main.split_once("://") {
        Some((scheme, _)) => after(scheme.len() + 3, '/'),
        None => {
            let host = main.find('@').unwrap_or(0);
            let bracket = after(host, ']').unwrap_or(host);
            after(bracket, ':').map(|colon| colon + 1)
        }
    };
    start.unwrap_or(main.len())
}

/// Splits `path@ref`: after the first `.git` that has an `@` behind it; nowhere if the whole ends in
/// `.git`; else at the first `@` that has a path before it, and does not begin a part with others behind it.
fn split_reference(path: &str) -> (&str, Option<&str>) {
    let after_git =
        [".git@", ".git/@"].iter().filter_map(|mark| Some(path.find(mark)? + mark.len() - 1)).min();
    let first = || {
        let begin = path.find(|c| c != '/').map_or(path.len(), |at| at + 1);
        let ends_in_git = path.trim_end_matches('/').ends_with(".git");
        let is_scope = |at: usize| {
            let (before, behind) = path.split_at_checked(at).unwrap_or_default();
            before.ends_with('/') && behind.trim_end_matches('/').contains('/')
        };
        let marks = path.match_indices('@').map(|(at, _)| at).filter(|at| *at >= begin);
        marks.filter(|_| !ends_in_git).find(|at| !is_scope(*at))
    };
    match after_git.or_else(first).and_then(|at| path.split_at_checked(at)) {
        Some((path, reference)) => (path, reference.strip_prefix('@')),
        None => (path, None),
    }
}

fn read_reference(text: &str, at: usize) -> Result<Reference, Refusal> {
    let decoded = percent_decode(text).unwrap_or_else(|| text.to_owned());
    decoded.parse().map_err(|error: super::ParseReferenceError| Refusal::new(at, error))
}

/// The fields that a repository may have.
const GIT_FIELDS: [&str; 3] = ["subdirectory", "submodules", "lfs"];

/// What is written behind `#`.
#[derive(Default)]
struct FragmentFields {
    subdirectory: Option<Subdirectory>,
    contents: Contents,
    sha256: Option<[u8; 32]>,
}

impl FragmentFields {
    fn read(fragment: Option<&str>, start: usize, keys: &[&str]) -> Result<Self, Refusal> {
        let mut fields = Self::default();
        let mut seen = Vec::new();
        let mut at = start;
        for part in fragment.unwrap_or_default().split('&').filter(|_| fragment.is_some()) {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            if seen.contains(&key) {
                return Err(Refusal::new(at, Expected::Once(key.to_owned())));
            }
            let value_at = at + key.len() + 1;
            match key {
                "" if part.is_empty() => {}
                "egg" => {}
                "subdirectory" if keys.contains(&key) => {
                    fields.subdirectory = read_subdirectory(value, value_at)?;
                }
                "submodules" if keys.contains(&key) => {
                    let wanted = Submodules::read(value);
                    fields.contents.submodules =
                        wanted.ok_or(Refusal::new(value_at, Expected::Submodules))?;
                }
                "lfs" if keys.contains(&key) => {
                    let wanted = value.parse().ok();
                    fields.contents.lfs = wanted.ok_or(Refusal::new(value_at, Expected::Flag))?;
                }
                "sha256" if keys.contains(&key) => {
                    let hash = blake3::Hash::from_hex(value).ok();
                    fields.sha256 =
                        Some(hash.ok_or(Refusal::new(value_at, Expected::Sha256))?.into());
                }
                _ => return Err(Refusal::new(at, Expected::FragmentKey(key.to_owned()))),
            }
            if !key.is_empty() {
                seen.push(key);
            }
            at += part.len() + 1;
        }
        Ok(fields)
    }
}

fn read_subdirectory(value: &str, at: usize) -> Result<Option<Subdirectory>, Refusal> {
    let decoded = percent_decode(value).unwrap_or_else(|| value.to_owned());
    // Written by tools that always name one: the whole tree is meant.
    if matches!(decoded.as_str(), "" | "." | "./") {
        return Ok(None);
    }
    decoded
        .parse()
        .map(Some)
        .map_err(|error: super::ParseSubdirectoryError| Refusal::new(at, error))
}

#[cfg(test)]
mod tests;
