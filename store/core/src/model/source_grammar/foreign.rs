//! Spellings of other tools: what to write instead.
//!
//! ```text
//! git::https://h/o/r.git//sub?ref=v1        Terraform         github.com/o/r/sub@v1.2.3     Go
//! github:o/r  github:o/r#v1  gh:o/r         npm, degit        o/r@v1  o/r/sub@v1            GitHub Actions
//! github:o/r/v1?dir=sub  git+https://…?ref= Nix               pkg:github/o/r@v1#sub         package URL
//! git+https://h/r#main  #commit=… #path:/x  npm, yarn, pnpm   name @ git+https://h/r@v1     pip
//! https://h/r.git#main:sub                  Docker            https://…/tree/main/sub       a browser
//! ```
//!
//! Nothing of this is ever taken as it stands: the person sees what would be fetched, and writes that.
//!
//! Limits: ranges of versions (`#semver:^1.2`) mean no one commit, and only their place is printed.

use super::super::{Contents, GitSource, Reference, RemoteUrl, Scheme, Subdirectory};
use super::page::{Meant, PageUrl};

/// The forges that have a short name before a colon.
const SHORT_NAMES: [(&str, &str); 9] = [
    ("github", "github.com"),
    ("gh", "github.com"),
    ("gitlab", "gitlab.com"),
    ("gl", "gitlab.com"),
    ("bitbucket", "bitbucket.org"),
    ("bb", "bitbucket.org"),
    ("codeberg", "codeberg.org"),
    ("sourcehut", "git.sr.ht"),
    ("gist", "gist.github.com"),
];

/// What stands before the colon where other tools name packages, files and repositories of other kinds.
const ELSEWHERE: [&str; 20] = [
    "pkg", "npm", "pypi", "pip", "cargo", "crates", "gem", "docker", "oci", "nuget", "maven",
    "golang", "conda", "hex", "composer", "hg", "svn", "bzr", "s3", "gcs",
];

/// The forges whose repositories have two names, as in a path of Go.
const TWO_NAMES: [&str; 4] = ["github.com", "gitlab.com", "bitbucket.org", "codeberg.org"];

/// What to write instead of `text`; nothing, where no other spelling is recognised.
pub(super) fn meant(text: &str) -> Option<String> {
    if let Some(pasted) = pasted(text) {
        let is_bare = pasted.contains("://") && !pasted.starts_with("git+");
        let pasted = format!("{}{pasted}", if is_bare { "git+" } else { "" });
        return meant(&pasted).or(Some(pasted));
    }
    let getter = text.strip_prefix("git::").map(|rest| rest.strip_prefix("git+").unwrap_or(rest));
    let text = getter.unwrap_or(text);
    if let Some(meant) = PageUrl::read(text).and_then(|url| url.meant()) {
        return written(&meant);
    }
    let found = short_name(text)
        .or_else(|| package_url(text))
        .or_else(|| path_of_names(text))
        .or_else(|| address(text, getter.is_some()))?;
    written(&found)
}

/// What `[user@host:port]:path`, git's own form of an address with a port, and `[host]:path` mean as a URL.
pub(super) fn scp_address_in_brackets(address: &str) -> Option<String> {
    let (host, path) = address.strip_prefix('[')?.split_once("]:")?;
    let slash = if path.starts_with('/') { "" } else { "/" };
    let is_one_address = host.matches(':').count() > 1;
    let host = if is_one_address { format!("[{host}]") } else { host.to_owned() };
    Some(format!("git+ssh://{host}{slash}{path}")).filter(|_| !path.is_empty())
}

/// What stands in the quotes or angle brackets that people copy with an address.
pub(super) fn without_brackets(text: &str) -> Option<&str> {
    [('<', '>'), ('"', '"'), ('\'', '\''), ('`', '`')]
        .into_iter()
        .find_map(|(open, close)| text.strip_prefix(open)?.strip_suffix(close))
}

/// Whether other tools write this before the path of a directory.
pub(super) fn is_directory(kind: &str) -> bool {
    matches!(kind, "path" | "file" | "link" | "portal")
}

/// Where the query of Terraform's begins in `user@host:path?ref=v1`, which reads as a part of the path.
pub(super) fn query_of_an_scp_address(address: &str) -> Option<usize> {
    let at = address.find('?').filter(|_| !address.contains("://"))?;
    let query = address.get(at + 1..)?.split('#').next()?;
    let meant = with_query(Meant::all_of(String::new()), query)?;
    (meant.reference.is_some() || meant.subdirectory.is_some()).then_some(at)
}

/// Whether this word before a colon names a place of packages that are in no repository of git's.
pub(super) fn is_elsewhere(word: &str) -> bool {
    ELSEWHERE.contains(&word.to_ascii_lowercase().as_str())
}

/// How many parts an address has before those that make it a page, if no query does: the scheme, nothing, the host, the owner
/// and the repository.
const LEAST_PARTS: usize = 5;

/// Whether the text is certainly the address of a page, although it reads as that of a repository.
pub(super) fn is_page(text: &str) -> bool {
    (text.split('/').nth(LEAST_PARTS).is_some() || text.contains('?'))
        && PageUrl::read(text).is_some_and(|url| url.shaped().is_some())
}

/// The source, if it is one.
fn written(meant: &Meant) -> Option<String> {
    let url = RemoteUrl::read(&meant.repository).ok()?.without_secret();
    let placeholder = meant.reference.as_deref().filter(|name| name.starts_with('<'));
    let reference = meant.reference.as_deref().filter(|_| placeholder.is_none());
    let reference = reference.map(str::parse::<Reference>).transpose().ok()?;
    let subdirectory =
        meant.subdirectory.as_deref().map(str::parse::<Subdirectory>).transpose().ok()?;
    let source =
        GitSource { url, reference, subdirectory, contents: Contents::default() }.to_string();
    Some(match (placeholder, source.split_once('#')) {
        (None, _) => source,
        (Some(place), Some((main, fragment))) => format!("{main}@{place}#{fragment}"),
        (Some(place), None) => format!("{source}@{place}"),
    })
}

/// The address in a command or a requirement: `git clone URL`, `-e URL`, `name @ URL`, `name@git+URL`.
fn pasted(text: &str) -> Option<&str> {
    let is_address =
        |word: &&str| word.contains("://") || (word.contains('@') && word.contains(':'));
    if let Some(rest) = text.strip_prefix("git clone ").or_else(|| text.strip_prefix("-e ")) {
        return rest.split_whitespace().find(is_address);
    }
    let (name, rest) = match text.split_once(" @ ") {
        Some(parts) => parts,
        None => text.find("@git+").and_then(|at| Some((text.get(..at)?, text.get(at + 1..)?)))?,
    };
    let is_name = !name.is_empty() && !name.contains(['/', ':', ' ']);
    rest.split_whitespace().next().filter(|word| is_name && is_address(word))
}

/// `github:owner/name`, and what npm, degit and Nix write behind it.
fn short_name(text: &str) -> Option<Meant> {
    let (short, rest) = text.split_once(':')?;
    let (_, host) = SHORT_NAMES.into_iter().find(|(name, _)| *name == short)?;
    let (main, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (path, query) = main.split_once('?').unwrap_or((main, ""));
    let (path, version) = path.split_once('@').unwrap_or((path, ""));
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let (repository, rest) = match parts.as_slice() {
        [id] if host == "gist.github.com" => (format!("https://{host}/{id}.git"), &[][..]),
        [_, id] if host == "gist.github.com" => (format!("https://{host}/{id}.git"), &[][..]),
        [owner, name, rest @ ..] => (format!("https://{host}/{owner}/{name}"), rest),
        _ => return None,
    };
    let meant = with_query(Meant::all_of(repository).at(version), query)?;
    match rest {
        // With a fragment it is a directory, as in degit; without one a ref, as in Nix.
        [at] if fragment.is_empty() && meant.reference.is_none() => Some(meant.at(at)),
        [] => with_fragment(meant, fragment),
        below => with_fragment(meant.below(below), fragment),
    }
}

/// `pkg:github/owner/name@version#directory`.
fn package_url(text: &str) -> Option<Meant> {
    let (kind, rest) = text.strip_prefix("pkg:")?.split_once('/')?;
    let (_, host) = SHORT_NAMES.into_iter().find(|(name, _)| *name == kind)?;
    let (main, below) = rest.split_once('#').unwrap_or((rest, ""));
    let main = main.split('?').next().unwrap_or_default();
    let (path, version) = main.split_once('@').unwrap_or((main, ""));
    Some(Meant::all_of(format!("https://{host}/{path}")).at(version).below(&[below]))
}

/// `github.com/owner/name/directory@version` and `owner/name/directory@version`.
fn path_of_names(text: &str) -> Option<Meant> {
    if text.contains(':') {
        return None;
    }
    let (main, fragment) = text.split_once('#').unwrap_or((text, ""));
    let (main, query) = main.split_once('?').unwrap_or((main, ""));
    let (path, version) = main.split_once('@').unwrap_or((main, ""));
    let is_plain = |part: &&str| {
        part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~+".contains(&byte))
    };
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let says_more = !version.is_empty() || !query.is_empty() || !fragment.is_empty();
    let (host, names) = match parts.as_slice() {
        [host, names @ ..] if TWO_NAMES.contains(host) => (*host, names),
        [host, ..] if host.contains('.') => return None,
        names if says_more => ("github.com", names),
        _ => return None,
    };
    let [owner, name, below @ ..] = names else { return None };
    if !parts.iter().all(is_plain) {
        return None;
    }
    // A major version at the end of a path of Go is no directory, and a commit is hidden in some versions.
    let below = match below {
        [below @ .., major] if is_major(major) && version.starts_with(*major) => below,
        below => below,
    };
    let version = match version.rsplit('-').next() {
        Some(digits)
            if version.starts_with('v')
                && version.matches('-').count() >= 2
                && is_twelve_digits(digits) =>
        {
            digits
        }
        _ if version == "latest" => "",
        _ => version,
    };
    let meant = Meant::all_of(format!("https://{host}/{owner}/{name}")).at(version).below(below);
    with_fragment(with_query(meant, query)?, fragment)
}

fn is_major(part: &str) -> bool {
    part.strip_prefix('v').is_some_and(|number| number.parse::<u16>().is_ok())
}

fn is_twelve_digits(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|digit| digit.is_ascii_hexdigit())
}

/// An address of git with a directory behind `//`, a query, or a fragment of another tool.
fn address(text: &str, is_getter: bool) -> Option<Meant> {
    let bare = text.strip_prefix("git+").unwrap_or(text);
    let (main, fragment) = bare.split_once('#').unwrap_or((bare, ""));
    let (main, query) = main.split_once('?').unwrap_or((main, ""));
    let (start, path) = match main.split_once("://") {
        Some((scheme, rest)) => {
            Scheme::named(scheme)?;
            let slash = rest.find('/')?;
            main.split_at_checked(scheme.len() + 3 + slash)?
        }
        None => {
            let colon = main.find(':').filter(|_| main.contains('@'))?;
            main.split_at_checked(colon + 1)?
        }
    };
    let has_directory = is_getter || !query.is_empty() || path.contains(".git//");
    let (path, below) = path
        .trim_start_matches('/')
        .split_once("//")
        .filter(|_| has_directory)
        .map_or((path, ""), |(before, below)| {
            let lead = path.len() - path.trim_start_matches('/').len();
            (path.get(..lead + before.len()).unwrap_or(path), below)
        });
    if below.is_empty() && query.is_empty() && !is_getter && !is_foreign(fragment) {
        return None;
    }
    let (path, reference) = super::split_reference(path);
    let meant =
        Meant::all_of(format!("{start}{path}")).at(reference.unwrap_or_default()).below(&[below]);
    with_fragment(with_query(meant, query)?, fragment)
}

/// Whether a fragment is one that no source has.
fn is_foreign(fragment: &str) -> bool {
    let is_own = |part: &str| {
        let (key, _) = part.split_once('=').unwrap_or((part, ""));
        part.is_empty() || ["egg", "subdirectory", "submodules", "lfs", "sha256"].contains(&key)
    };
    !fragment.split('&').all(is_own)
}

/// With what a query of Terraform, Nix or cargo says. Another query may be part of the address, or a secret.
fn with_query(meant: Meant, query: &str) -> Option<Meant> {
    let mut meant = meant;
    let mut best = 0;
    for field in query.split('&').filter(|field| !field.is_empty()) {
        let (key, value) = field.split_once('=')?;
        // A commit says more than a tag, and that more than a branch.
        let rank = match key {
            "rev" | "commit" => 4,
            "tag" => 3,
            "branch" => 2,
            "ref" => 1,
            "dir" | "subdirectory" => {
                meant = meant.below(&[value]);
                continue;
            }
            "host" => {
                let path = meant.repository.strip_prefix("https://")?.split_once('/')?.1;
                meant.repository = format!("https://{value}/{path}");
                continue;
            }
            "depth" | "shallow" | "submodules" | "allRefs" | "narHash" | "lastModified"
            | "revCount" => continue,
            _ => return None,
        };
        if rank > best {
            meant = meant.at(value);
            best = rank;
        }
    }
    Some(meant)
}

/// With what a fragment of npm, yarn, pnpm, cargo, Docker or Ansible says; several refs mean no one commit.
fn with_fragment(meant: Meant, fragment: &str) -> Option<Meant> {
    let mut meant = meant;
    if let Some((below, reference)) =
        fragment.strip_prefix('/').and_then(|rest| rest.split_once(','))
    {
        return Some(meant.at(reference).below(&[below.trim_end_matches('/')]));
    }
    for part in fragment.split('&').filter(|part| !part.is_empty()) {
        match part.split_once(['=', ':']) {
            Some(("egg", _)) => {}
            Some(("subdirectory" | "path" | "cwd", below)) => {
                meant = meant.below(&[below.trim_start_matches('/')]);
            }
            Some(("semver", _)) => meant.reference = Some("<tag>".to_owned()),
            Some(("branch" | "head" | "tag" | "commit" | "rev" | "ref", name)) => {
                meant = meant.at(name)
            }
            Some(_) if part.contains('=') => return None,
            Some((name, below)) => meant = meant.at(name).below(&[below]),
            // A locked source of cargo has its commit here.
            None if meant.reference.is_some() && part.len() != 40 => return None,
            None => meant = meant.at(part),
        }
    }
    Some(meant)
}
