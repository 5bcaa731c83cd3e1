//! The address of a page about a repository, read as the repository, ref and file that the page shows.
//!
//! Some forges are known by their host, and the pages of GitLab, Gitea, Azure DevOps and Bitbucket Data Center by the
//! shape of their paths, wherever they run.
//!
//! Limits: the first part behind `tree` is taken for the whole ref, which may have a `/` of its own. Archives are not
//! pages.

use super::super::{archive_address::kind_of, written::percent_decode};

/// What is meant by a text that is no source as it stands.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Meant {
    /// The address of the repository.
    pub(super) repository: String,
    /// The branch, tag or commit.
    pub(super) reference: Option<String>,
    /// The part of it.
    pub(super) subdirectory: Option<String>,
}

impl Meant {
    pub(super) fn all_of(repository: impl Into<String>) -> Self {
        Self { repository: repository.into(), ..Self::default() }
    }

    /// At a ref, where it is not empty.
    pub(super) fn at(mut self, reference: &str) -> Self {
        self.reference = Some(decoded(reference)).filter(|name| !name.is_empty());
        self
    }

    /// A part of it, unless that is empty.
    pub(super) fn below(mut self, parts: &[&str]) -> Self {
        self.subdirectory = Some(decoded(&parts.join("/"))).filter(|path| !path.is_empty());
        self
    }
}

fn decoded(text: &str) -> String {
    percent_decode(text).unwrap_or_else(|| text.to_owned())
}

/// An `http` or `https` address, in parts.
pub(super) struct PageUrl<'t> {
    /// In lower case, with its port.
    host: String,
    parts: Vec<&'t str>,
    query: &'t str,
}

impl<'t> PageUrl<'t> {
    /// Reads the text, with or without `git+`. A login says nothing about a page.
    pub(super) fn read(text: &'t str) -> Option<Self> {
        let text = text.strip_prefix("git+").unwrap_or(text);
        let (scheme, rest) = text.split_once("://")?;
        if !["http", "https"].contains(&scheme.to_ascii_lowercase().as_str()) {
            return None;
        }
        let main = rest.split('#').next().unwrap_or_default();
        let (main, query) = main.split_once('?').unwrap_or((main, ""));
        let (authority, path) = main.split_once('/')?;
        // The address of a repository, with a directory behind it as Terraform writes it.
        if path.contains("//") || path.split('/').any(|part| part.ends_with(".git")) {
            return None;
        }
        let host = authority.rsplit('@').next().unwrap_or_default().to_ascii_lowercase();
        let host = host.strip_prefix("www.").unwrap_or(&host).to_owned();
        let parts = path.split('/').filter(|part| !part.is_empty()).collect();
        Some(Self { host, parts, query })
    }

    /// What the page shows; nothing, when the address may be that of a repository or of an archive.
    pub(super) fn meant(&self) -> Option<Meant> {
        self.shaped().or_else(|| self.at_known_host().filter(|_| !self.is_archive()))
    }

    /// A page that is known by its shape alone: no repository is called like this.
    pub(super) fn shaped(&self) -> Option<Meant> {
        if self.is_archive() {
            return None;
        }
        let shapes = [Self::at_gitlab, Self::at_gitea, Self::at_azure, Self::at_bitbucket_server];
        shapes.iter().find_map(|shape| shape(self))
    }

    fn is_archive(&self) -> bool {
        let path = format!("/{}", self.parts.join("/"));
        kind_of(Some(&self.host), &path, self.query).is_some()
    }

    fn repository(&self, parts: &[&str]) -> Meant {
        Meant::all_of(format!("https://{}/{}", self.host, parts.join("/")))
    }

    /// The values of a key in the query, decoded.
    fn asked(&self, key: &str) -> Option<String> {
        let mut fields = self.query.split('&').filter_map(|field| field.split_once('='));
        fields.find(|(name, _)| *name == key).map(|(_, value)| decoded(value))
    }

    /// `…/-/tree/REF/PATH`; on gitlab.com also without the `-`, as it was once.
    fn at_gitlab(&self) -> Option<Meant> {
        let words = ["tree", "blob", "raw", "blame", "commits", "commit"];
        let is_gitlab = self.host == "gitlab.com";
        let mark = self.parts.iter().position(|part| *part == "-");
        let old = || self.parts.iter().position(|part| words.contains(part)).filter(|_| is_gitlab);
        let (repository, page) = match mark {
            Some(mark) => (self.parts.get(..mark)?, self.parts.get(mark + 1..)?),
            None => old().and_then(|at| self.parts.split_at_checked(at))?,
        };
        if repository.len() < 2 || page.is_empty() {
            return None;
        }
        let meant = self.repository(repository);
        Some(match page {
            [word, rest @ ..] if words.contains(word) => shown_at(meant, rest),
            ["tags" | "releases", tag] => meant.at(tag),
            ["merge_requests", number, ..] => {
                meant.at(&format!("refs/merge-requests/{number}/head"))
            }
            _ => meant,
        })
    }

    /// `OWNER/REPOSITORY/src/branch/REF/PATH`.
    fn at_gitea(&self) -> Option<Meant> {
        match self.parts.as_slice() {
            [owner, name, "src" | "raw" | "media", "branch" | "tag" | "commit", at, below @ ..] => {
                Some(self.repository(&[owner, name]).at(at).below(below))
            }
            _ => None,
        }
    }

    /// `…/_git/REPOSITORY?path=/PATH&version=GBREF`.
    fn at_azure(&self) -> Option<Meant> {
        let mark = self.parts.iter().position(|part| *part == "_git")?;
        let repository = self.parts.get(..mark + 2).filter(|_| !self.query.is_empty())?;
        let path = self.asked("path").unwrap_or_default();
        let version = self.asked("version").unwrap_or_default();
        let reference = match version.split_at_checked(2) {
            Some(("GB", name)) => format!("refs/heads/{name}"),
            Some(("GT", name)) => format!("refs/tags/{name}"),
            Some(("GC", commit)) => commit.to_owned(),
            _ => String::new(),
        };
        Some(self.repository(repository).at(&reference).below(&[path.trim_matches('/')]))
    }

    /// `projects/PROJECT/repos/REPOSITORY/browse/PATH?at=REF`.
    fn at_bitbucket_server(&self) -> Option<Meant> {
        let mark = self.parts.iter().position(|part| *part == "repos")?;
        let (before, [_, name, page @ ..]) = self.parts.split_at_checked(mark)? else {
            return None;
        };
        let [context @ .., kind @ ("projects" | "users"), owner] = before else { return None };
        let owner = if *kind == "users" { format!("~{owner}") } else { owner.to_lowercase() };
        let name = format!("{name}.git");
        let path = [context, &["scm", owner.as_str(), name.as_str()]].concat();
        let below = match page {
            ["browse" | "raw", below @ ..] => below,
            _ => &[],
        };
        Some(self.repository(&path).at(&self.asked("at").unwrap_or_default()).below(below))
    }

    fn at_known_host(&self) -> Option<Meant> {
        let parts = self.parts.as_slice();
        match (self.host.as_str(), parts) {
            ("raw.githubusercontent.com", [owner, name, rest @ ..]) => {
                Some(shown_at(Meant::all_of(format!("https://github.com/{owner}/{name}")), rest))
            }
            ("github.com" | "codeberg.org", [owner, name, page @ ..]) if !page.is_empty() => {
                Some(on_forge(self.repository(&[owner, name]), page))
            }
            ("bitbucket.org", [owner, name, page @ ..]) if !page.is_empty() => {
                let meant = self.repository(&[owner, name]);
                Some(match page {
                    ["src" | "raw", rest @ ..] => shown_at(meant, rest),
                    ["branch", name @ ..] => meant.at(&name.join("/")),
                    ["commits", "tag", name] => meant.at(name),
                    ["commits", commit] => meant.at(commit),
                    _ => meant,
                })
            }
            ("git.sr.ht", [owner, name, page @ ..]) if !page.is_empty() => {
                let meant = self.repository(&[owner, name]);
                Some(match page {
                    ["tree", at, "item", below @ ..] => meant.at(at).below(below),
                    ["tree" | "log" | "commit" | "refs", at, ..] => meant.at(at),
                    _ => meant,
                })
            }
            ("huggingface.co", ["datasets" | "spaces", owner, name, page @ ..])
                if !page.is_empty() =>
            {
                Some(on_forge(self.repository(&[parts.first()?, owner, name]), page))
            }
            (
                "huggingface.co",
                [owner, name, page @ ("tree" | "blob" | "resolve" | "raw" | "commit"), rest @ ..],
            ) => Some(on_forge(self.repository(&[owner, name]), &[&[*page][..], rest].concat())),
            _ => None,
        }
    }
}

/// The pages of GitHub, and of forges that have the same ones.
fn on_forge(meant: Meant, page: &[&str]) -> Meant {
    match page {
        ["tree" | "blob" | "raw" | "resolve" | "blame" | "edit" | "commits", rest @ ..] => {
            shown_at(meant, rest)
        }
        ["commit", commit, ..] => meant.at(commit),
        ["releases", "tag", tag @ ..] => meant.at(&tag.join("/")),
        ["pull", number, ..] if number.bytes().all(|digit| digit.is_ascii_digit()) => {
            meant.at(&format!("refs/pull/{number}/head"))
        }
        _ => meant,
    }
}

/// `REF/PATH`, where the ref may be written in full.
fn shown_at(meant: Meant, rest: &[&str]) -> Meant {
    match rest {
        ["refs", kind @ ("heads" | "tags"), name, below @ ..] => {
            meant.at(&format!("refs/{kind}/{name}")).below(below)
        }
        [at, below @ ..] => meant.at(at).below(below),
        [] => meant,
    }
}
