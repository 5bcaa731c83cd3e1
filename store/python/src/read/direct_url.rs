//! [`DirectUrl`]: the origin of a distribution that did not come from an index, as its installer recorded it (PEP 610).

use std::{ffi::OsString, os::unix::ffi::OsStringExt as _, path::PathBuf};

use percent_encoding::percent_decode_str;
use serde::Deserialize;

/// The content of `direct_url.json`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectUrl {
    /// The URL as it is written; it may hold a secret.
    pub url: String,
    /// The directory or file on this machine that it names, if it names one.
    pub path: Option<PathBuf>,
    /// Whether it was installed as an editable.
    pub is_editable: bool,
    /// The commit, if it came from a repository.
    pub commit: Option<Commit>,
    /// The project's directory below that.
    pub subdirectory: Option<String>,
}

/// A commit that a distribution was installed from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Commit {
    /// For example `git`.
    pub vcs: String,
    /// Its id.
    #[serde(rename = "commit_id")]
    pub id: String,
    /// The branch or tag that was asked for.
    #[serde(rename = "requested_revision")]
    pub wish: Option<String>,
}

#[derive(Deserialize)]
struct DirectUrlJson {
    url: String,
    dir_info: Option<Directory>,
    vcs_info: Option<Commit>,
    subdirectory: Option<String>,
}

#[derive(Deserialize)]
struct Directory {
    #[serde(default)]
    editable: bool,
}

impl DirectUrl {
    /// Reads the text of a `direct_url.json`.
    pub(super) fn read(text: &[u8]) -> Result<Self, serde_json::Error> {
        let DirectUrlJson { url, dir_info, vcs_info, subdirectory } = serde_json::from_slice(text)?;
        let is_editable = dir_info.is_some_and(|directory| directory.editable);
        Ok(Self { path: path_of(&url), url, is_editable, commit: vcs_info, subdirectory })
    }
}

/// The path of a `file:` URL of this machine.
fn path_of(url: &str) -> Option<PathBuf> {
    let rest = url.strip_prefix("file://")?;
    let path = rest.strip_prefix("localhost").unwrap_or(rest);
    let path = path.split(['?', '#']).next().filter(|path| path.starts_with('/'))?;
    let bytes: Vec<u8> = percent_decode_str(path).collect();
    Some(OsString::from_vec(bytes).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_editable_names_a_directory_of_this_machine() {
        // As uv 0.13 writes it for "/tmp/a b/é%/x".
        let text = br#"{"url":"file:///tmp/a%20b/%C3%A9%25/x","dir_info":{"editable":true}}"#;
        let read = DirectUrl::read(text).unwrap();
        assert!(read.is_editable);
        assert_eq!(read.path, Some("/tmp/a b/é%/x".into()));
    }

    #[test]
    fn a_directory_is_no_editable_unless_it_says_so() {
        // As pip writes it for a directory that is installed as it is now.
        let read = DirectUrl::read(br#"{"dir_info": {}, "url": "file:///tmp/x"}"#).unwrap();
        assert!(!read.is_editable && read.path.is_some());
    }

    #[test]
    fn a_repository_has_its_commit() {
        let text = br#"{"url": "https://example.com/r.git", "vcs_info": {"vcs": "git", "requested_revision": "main", "commit_id": "abc"}, "subdirectory": "modules/x"}"#;
        let read = DirectUrl::read(text).unwrap();
        let commit = read.commit.unwrap();
        assert_eq!((commit.vcs.as_str(), commit.id.as_str()), ("git", "abc"));
        assert_eq!(
            (commit.wish.as_deref(), read.subdirectory.as_deref()),
            (Some("main"), Some("modules/x"))
        );
        assert_eq!(read.path, None);
    }

    #[test]
    fn what_names_no_path_of_this_machine_has_none() {
        for url in ["file://elsewhere/x", "https://h/x", "file:", "/x"] {
            assert_eq!(path_of(url), None, "{url}");
        }
        assert_eq!(path_of("file://localhost/x"), Some("/x".into()));
        assert!(DirectUrl::read(b"{}").is_err() && DirectUrl::read(b"").is_err());
    }
}
