//! Amplifier: `~/.amplifier`, or `AMPLIFIER_HOME`.
//!
//! ```text
//! settings.yaml                      `sources.modules`: another source for a module
//! registry.json                      bundles and their directories
//! cache/install-state.json           the interpreter of the last installation
//! cache/NAME-<16 hex digits>/        a repository
//!   .amplifier_cache_meta.json       its address, ref and commit
//! cache/<12 hex digits>/<ref>/       the same, from older versions
//! cache/skills/                      repositories once more, for skills
//! ```
//!
//! The 16 digits are the first of the SHA-256 of the repository's address and ref *as they are spelled*, so that two
//! spellings of one repository are two directories: that is how environments come to be left behind.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use modstore_core::disk::read_regular_text;
use modstore_python::{quoted, small_bytes};
use serde::{Deserialize, de::DeserializeOwned};
use sha2::{Digest as _, Sha256};

use super::{CacheRecord, HostCache, InstallState, OtherCache, Registered};
use crate::finding::name_of;

#[derive(Debug)]
pub(super) struct Amplifier;

#[derive(Deserialize)]
struct Meta {
    #[serde(default)]
    git_url: Option<String>,
    #[serde(default, rename = "ref")]
    reference: Option<String>,
    #[serde(default)]
    commit: Option<String>,
}

#[derive(Deserialize)]
struct Registry {
    #[serde(default)]
    bundles: BTreeMap<String, Bundle>,
}

#[derive(Deserialize)]
struct Bundle {
    local_path: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Installs {
    python: PathBuf,
    python_mtime: f64,
}

impl HostCache for Amplifier {
    fn home(&self) -> Option<PathBuf> {
        let named = std::env::var_os("AMPLIFIER_HOME").map(PathBuf::from);
        let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".amplifier"));
        let home = named.filter(|path| path.is_absolute()).or(home)?;
        self.cache_in(&home).is_dir().then_some(home)
    }

    fn cache_in(&self, home: &Path) -> PathBuf {
        home.join("cache")
    }

    fn root_of<'p>(&self, cached: &'p Path) -> Option<&'p Path> {
        let root = cached.parent()?;
        let cache = root.parent().filter(|above| above.ends_with("cache"));
        Some(cache.filter(|_| root.ends_with("skills")).unwrap_or(root))
    }

    fn other_caches(&self, root: &Path) -> Vec<OtherCache> {
        vec![OtherCache { root: root.join("skills"), purpose: "skills" }]
    }

    fn key_in<'n>(&self, name: &'n str) -> Option<&'n str> {
        let (repository, key) = name.rsplit_once('-')?;
        let is_digit = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
        let is_key = key.len() == 16 && key.bytes().all(is_digit);
        (is_key && !repository.is_empty()).then_some(key)
    }

    fn key_of(&self, address: &str, reference: &str) -> String {
        let digest = Sha256::digest(format!("{address}@{reference}"));
        digest.iter().take(8).fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    fn record_name(&self) -> &'static str {
        ".amplifier_cache_meta.json"
    }

    fn record_in(&self, directory: &Path) -> Option<CacheRecord> {
        let Meta { git_url, reference, commit } = json(&directory.join(self.record_name()))?;
        Some(CacheRecord { address: git_url, reference, commit })
    }

    fn is_obsolete(&self, directory: &Path) -> bool {
        let name = name_of(directory);
        let is_hash = name.len() == 12 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        let mut refs = std::fs::read_dir(directory).into_iter().flatten().flatten();
        is_hash && refs.any(|it| it.path().join(".amplifier_cache_metadata.json").is_file())
    }

    fn registered(&self, root: &Path) -> Vec<Registered> {
        let file = root.parent().unwrap_or(root).join("registry.json");
        let registry: Option<Registry> = root.parent().and_then(|_| json(&file));
        let bundles = registry.into_iter().flat_map(|registry| registry.bundles);
        let registered = bundles.filter_map(|(name, bundle)| {
            Some(Registered {
                file: file.clone(),
                directory: bundle.local_path?,
                command: format!("amplifier bundle update {}", quoted(name.as_ref())),
                name,
            })
        });
        registered.collect()
    }

    fn install_state(&self, root: &Path) -> Option<InstallState> {
        let file = root.join("install-state.json");
        let Installs { python, python_mtime } = json(&file)?;
        let modified = python.symlink_metadata().and_then(|meta| meta.modified()).ok();
        let now = modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        // The file has seconds as a fraction, which keeps about a microsecond.
        let is_same = now.is_some_and(|now| (now.as_secs_f64() - python_mtime).abs() < 0.001);
        Some(InstallState { file, python, is_outdated: !is_same })
    }

    fn sources(&self, home: &Path) -> Vec<(String, PathBuf)> {
        let text = read_regular_text(&home.join("settings.yaml")).unwrap_or_default();
        let sources = module_lines(&text).into_iter();
        sources
            .filter_map(|(name, source)| Some((name, self.directory_of(home, &source)?)))
            .collect()
    }
}

impl Amplifier {
    /// The directory that holds this source.
    fn directory_of(&self, home: &Path, source: &str) -> Option<PathBuf> {
        let (address, fragment) = source.split_once('#').unwrap_or((source, ""));
        let Some(address) = address.strip_prefix("git+") else {
            let path = Path::new(address.strip_prefix("file://").unwrap_or(address));
            return path.is_absolute().then(|| path.to_owned());
        };
        let (scheme, rest) = address.split_once("://")?;
        let (host, path) = rest.split_once('/')?;
        let (path, reference) = path.split_once('@').unwrap_or((path, "main"));
        let repository = path.trim_end_matches('/').rsplit('/').next()?;
        let repository = repository.strip_suffix(".git").unwrap_or(repository);
        let key = self.key_of(&format!("{scheme}://{host}/{path}"), reference);
        let directory = self.cache_in(home).join(format!("{repository}-{key}"));
        let below = fragment.split('&').find_map(|part| part.strip_prefix("subdirectory="));
        Some(below.map_or_else(|| directory.clone(), |below| directory.join(below)))
    }
}

/// The lines `NAME: SOURCE` below `sources:` and `modules:`. Any other YAML there is skipped.
fn module_lines(text: &str) -> Vec<(String, String)> {
    let mut path: Vec<(usize, String)> = Vec::new();
    let mut found = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let indent = line.len() - line.trim_start_matches(' ').len();
        path.retain(|(above, _)| *above < indent);
        let Some((key, value)) = line.trim().split_once(':') else { continue };
        let key = key.trim_matches(['"', '\'']).to_owned();
        let value = value.split(" #").next().unwrap_or_default().trim();
        let is_below =
            matches!(path.as_slice(), [(0, a), (_, b)] if a == "sources" && b == "modules");
        if value.is_empty() {
            path.push((indent, key));
        } else if is_below && !key.starts_with(['#', '-']) {
            found.push((key, value.trim_matches(['"', '\'']).to_owned()));
        }
    }
    found
}

fn json<T: DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&small_bytes(path)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_that_is_set_leads_to_the_directory_its_host_uses() {
        let home = tempfile::tempdir().unwrap();
        let settings = "\
config:
  modules:
    not-this: git+https://h/x
sources:
  # a remark: here
  bundles:
    nor: git+https://h/this
  modules:
    provider-openai: git+https://github.com/microsoft/amplifier-module-provider-openai@main  # mine
    'tool-x': \"git+ssh://git@h/o/r.git@v1#egg=a&subdirectory=modules/x\"
    local: /home/me/src
    odd: {type: git, url: x}
modules:
  other: git+https://h/y
";
        std::fs::write(home.path().join("settings.yaml"), settings).unwrap();
        let found = Amplifier.sources(home.path());
        let cache = home.path().join("cache");
        let hash = Amplifier.key_of("ssh://git@h/o/r.git", "v1");
        let expected = [
            ("provider-openai", cache.join("amplifier-module-provider-openai-e2c4b8c10222ed8c")),
            ("tool-x", cache.join(format!("r-{hash}/modules/x"))),
            ("local", "/home/me/src".into()),
        ];
        let expected = expected.map(|(name, path)| (name.to_owned(), path));
        assert_eq!(found, expected);
        assert_eq!(Amplifier.sources(Path::new("/none")), []);
    }

    #[test]
    fn the_digits_of_both_reports_are_those_of_two_spellings() {
        let address = "github.com/microsoft/amplifier-module-provider-openai";
        let key = |scheme: &str| Amplifier.key_of(&format!("{scheme}{address}"), "main");
        assert_eq!(key("https://"), "e2c4b8c10222ed8c");
        assert_eq!(key("ssh://git@"), "f62df101b02f7b3e");
    }

    #[test]
    fn the_directory_of_a_cache_is_known_by_its_name() {
        assert_eq!(Amplifier.key_in("a-b-e2c4b8c10222ed8c"), Some("e2c4b8c10222ed8c"));
        for name in
            ["e2c4b8c10222ed8c", "-e2c4b8c10222ed8c", "a-e2c4b8c10222ed8", "a-E2c4b8c10222ed8c"]
        {
            assert_eq!(Amplifier.key_in(name), None, "{name}");
        }
    }
}
