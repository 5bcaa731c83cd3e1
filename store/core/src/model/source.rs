//! [`Source`]: where a module comes from, as its user wrote it.
//!
//! How a text becomes one is in `source_grammar`. Nothing here looks at the disk or the network.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use super::archive_address::{kind_of, repository};
use super::source_error::Refusal;
use super::written::percent_encode;
use super::{
    ArchiveKind, Contents, Expected, ModuleName, Origin, Reference, RemoteUrl, Scheme, Subdirectory,
};

/// Where a module comes from.
///
/// `Display` writes it in its canonical form with secrets replaced by `***`; a source that has no secret
/// reads back from that as itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Source {
    /// A git repository.
    Git(GitSource),
    /// A live local directory: never copied, updated or swept.
    Linked(PathBuf),
    /// An archive, named together with its checksum.
    Archive(ArchiveSource),
}

/// What `modules.lock` says of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Locking {
    /// The commit that it stood for, and the tree of that commit.
    Commit,
    /// The tree. What the source means does not change: it names a checksum.
    Checksum,
    /// Nothing: it is used as it is.
    Never,
}

/// A commit of a git repository, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GitSource {
    /// The repository, in the spelling that transport uses.
    pub url: RemoteUrl,
    /// What to take of it; `None` is the remote's `HEAD`.
    pub reference: Option<Reference>,
    /// The part that is the module; `None` is the whole tree.
    pub subdirectory: Option<Subdirectory>,
    /// What is wanted beyond the repository's own tree.
    pub contents: Contents,
}

/// An archive that is only taken if it has the checksum that was written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ArchiveSource {
    /// Where it is.
    pub url: ArchiveUrl,
    /// The SHA-256 of the archive file.
    pub sha256: [u8; 32],
    /// The part that is the module; `None` is the whole tree.
    pub subdirectory: Option<Subdirectory>,
}

/// The `https://`, `http://` or `file://` address of an archive. It hides secrets as [`RemoteUrl`] does.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ArchiveUrl {
    url: RemoteUrl,
    kind: ArchiveKind,
}

impl ArchiveUrl {
    /// How the archive is packed.
    #[must_use]
    pub const fn kind(&self) -> ArchiveKind {
        self.kind
    }

    /// Whether a forge packed it, which puts everything into one directory, named after the commit.
    #[must_use]
    pub fn is_of_forge(&self) -> bool {
        repository(self.url.host(), self.url.path()).is_some()
    }

    /// The address, with scheme, host, path and (hidden) secret.
    #[must_use]
    pub const fn address(&self) -> &RemoteUrl {
        &self.url
    }

    pub(super) fn read(text: &str) -> Result<Self, Refusal> {
        let url = RemoteUrl::read_archive(text)?;
        if matches!(url.scheme(), Scheme::Ssh | Scheme::Git) {
            return Err(Refusal::new(0, Expected::Scheme));
        }
        match kind_of(url.host(), url.path(), url.query()) {
            Some(kind) => Ok(Self { url, kind }),
            None => Err(Refusal::new(text.len(), Expected::ArchiveName)),
        }
    }
}

impl fmt::Display for ArchiveUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.url.fmt(f)
    }
}

impl Source {
    /// The address that it is fetched from; `None` for a directory of this machine, which is used in place.
    #[must_use]
    pub const fn address(&self) -> Option<&RemoteUrl> {
        match self {
            Self::Git(git) => Some(&git.url),
            Self::Archive(archive) => Some(&archive.url.url),
            Self::Linked(_) => None,
        }
    }

    const fn address_mut(&mut self) -> Option<&mut RemoteUrl> {
        match self {
            Self::Git(git) => Some(&mut git.url),
            Self::Archive(archive) => Some(&mut archive.url.url),
            Self::Linked(_) => None,
        }
    }

    /// The address of the git repository, which lists what its branches and tags mean; `None` for other kinds.
    #[must_use]
    pub const fn repository(&self) -> Option<&RemoteUrl> {
        match self {
            Self::Git(git) => Some(&git.url),
            Self::Archive(_) | Self::Linked(_) => None,
        }
    }

    /// What `modules.lock` says of a source of this kind. Writer and reader of the lock both ask here.
    #[must_use]
    pub const fn locking(&self) -> Locking {
        match self {
            Self::Git(_) => Locking::Commit,
            Self::Archive(_) => Locking::Checksum,
            Self::Linked(_) => Locking::Never,
        }
    }

    /// The part of the repository or archive that is the module.
    #[must_use]
    pub const fn subdirectory(&self) -> Option<&Subdirectory> {
        match self {
            Self::Git(git) => git.subdirectory.as_ref(),
            Self::Archive(archive) => archive.subdirectory.as_ref(),
            Self::Linked(_) => None,
        }
    }

    /// The part `below` of it.
    ///
    /// # Errors
    /// It names another part itself, which is this.
    pub fn part(mut self, below: &Subdirectory) -> Result<Self, Subdirectory> {
        let named = match &mut self {
            Self::Git(git) => &mut git.subdirectory,
            Self::Archive(archive) => &mut archive.subdirectory,
            Self::Linked(path) => return Ok(Self::linked(&path.join(below.as_str()))),
        };
        if let Some(other) = named.take_if(|named| named != below) {
            return Err(other);
        }
        *named = Some(below.clone());
        Ok(self)
    }

    /// Whether a password or token was written in it.
    #[must_use]
    pub fn has_secret(&self) -> bool {
        self.address().is_some_and(RemoteUrl::has_secret)
    }

    /// The same source without its password or token.
    #[must_use]
    pub fn without_secret(&self) -> Self {
        let mut source = self.clone();
        if let Some(address) = source.address_mut() {
            *address = address.without_secret();
        }
        source
    }

    /// The same source for whichever account.
    #[must_use]
    pub fn without_account(&self) -> Self {
        let mut source = self.clone();
        if let Some(address) = source.address_mut() {
            *address = address.without_account();
        }
        source
    }

    /// What may be written into `modules.toml` and `modules.lock`: the canonical form, secret removed.
    #[must_use]
    pub fn to_toml_text(&self) -> String {
        self.without_secret().to_string()
    }

    /// The repository's identity; `None` if there is no repository.
    #[must_use]
    pub fn origin(&self) -> Option<Origin> {
        self.repository().map(RemoteUrl::origin)
    }

    /// The host that it is fetched from, unless that is this machine.
    #[must_use]
    pub fn host(&self) -> Option<String> {
        self.address()?.origin().host().map(str::to_owned)
    }

    /// What is wanted beyond the repository's own tree.
    #[must_use]
    pub const fn contents(&self) -> Option<&Contents> {
        match self {
            Self::Git(git) => Some(&git.contents),
            Self::Linked(_) | Self::Archive(_) => None,
        }
    }

    /// The same source with nothing said of what is wanted beyond its tree, which `modules.toml` has in keys of its
    /// own.
    #[must_use]
    pub fn without_contents(&self) -> Self {
        let mut source = self.clone();
        if let Self::Git(git) = &mut source {
            git.contents = Contents::default();
        }
        source
    }

    /// The last part of the subdirectory, or else of the repository, archive or directory.
    pub(super) fn last_part(&self) -> Option<&str> {
        if let Some(subdirectory) = self.subdirectory() {
            return Some(subdirectory.file_name());
        }
        match self {
            Self::Git(git) => {
                let path = git.url.path();
                let path = path.strip_suffix(".git").unwrap_or(path).trim_end_matches('/');
                path.rsplit(['/', ':']).next()
            }
            Self::Linked(path) => path.file_name().and_then(|name| name.to_str()),
            Self::Archive(archive) => {
                let url = &archive.url.url;
                let name = url.path().rsplit('/').next()?;
                let stem = ArchiveKind::split_name(name).map_or(name, |(stem, _)| stem);
                repository(url.host(), url.path()).or(Some(stem))
            }
        }
    }

    /// A directory as a source, in normal form: without `.`, doubled and trailing slashes.
    ///
    /// `..` stays: behind a symbolic link it leads somewhere else than its text says.
    #[must_use]
    pub fn linked(path: &Path) -> Self {
        Self::Linked(path.components().collect())
    }
}

impl ModuleName {
    /// The name a module from `source` gets if its user gives none: the last part of the subdirectory or of
    /// the repository, without `.git`, with `-` for what may not be in a name. `None` if nothing is left.
    #[must_use]
    pub fn guess_from(source: &Source) -> Option<Self> {
        source.last_part().and_then(Self::made_from)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Git(git) => git.fmt(f),
            Self::Linked(path) => f.write_str(&written_path(&path.to_string_lossy())),
            Self::Archive(archive) => archive.fmt(f),
        }
    }
}

impl fmt::Display for GitSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.url.to_string();
        // The scp form needs no `git+`, but for a login that begins like one, or like a path.
        let is_odd = url.starts_with("git+") || url.starts_with('~');
        let is_plain = self.url.is_scp() && !is_odd;
        write!(f, "{}{url}", if is_plain { "" } else { "git+" })?;
        if let Some(reference) = &self.reference {
            write!(f, "@{}", percent_encode(&reference.to_string(), b"#"))?;
        }
        let subdirectory = self.subdirectory.as_ref().map(in_fragment);
        let fields = Contents::KEYS.into_iter().zip(self.contents.fields());
        let fields = [("subdirectory", subdirectory)].into_iter().chain(fields);
        let written = fields.filter_map(|(key, value)| Some((key, value?)));
        for (number, (key, value)) in written.enumerate() {
            write!(f, "{}{key}={value}", if number == 0 { '#' } else { '&' })?;
        }
        Ok(())
    }
}

impl fmt::Display for ArchiveSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sha256 = blake3::Hash::from_bytes(self.sha256).to_hex();
        write!(f, "archive+{}#sha256={sha256}", self.url)?;
        match &self.subdirectory {
            Some(subdirectory) => write!(f, "&subdirectory={}", in_fragment(subdirectory)),
            None => Ok(()),
        }
    }
}

/// The marks behind which a path has ended. Another `#` is a part of it: directories may be called so.
pub(super) const PATH_ENDS: [&str; 2] = ["#subdirectory=", "#egg="];

/// A path as it is read back: one that itself holds a mark ends with another, which says nothing.
pub(super) fn written_path(path: &str) -> String {
    let is_marked = PATH_ENDS.iter().any(|mark| path.contains(mark));
    format!("{path}{}", if is_marked { "#egg=" } else { "" })
}

fn in_fragment(subdirectory: &Subdirectory) -> String {
    percent_encode(subdirectory.as_str(), b"&#")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linked_directory_is_kept_without_the_parts_that_say_nothing() {
        let source = Source::linked(Path::new("/a/./b//c/../d/"));
        assert_eq!(source, Source::Linked(PathBuf::from("/a/b/c/../d")));
    }
}
