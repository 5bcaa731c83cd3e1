//! What a host's settings say of where a module is to come from: `sources.modules` of Amplifier's `settings.yaml`.
//!
//! Only lines `NAME: SOURCE` below these two keys are read. Whatever else YAML may say there is passed over, and nothing
//! is claimed of it.

use std::path::{Path, PathBuf};

use modstore_core::disk::read_regular_text;

use crate::cache::hash_of;

/// Each module whose source is set, and the directory that its host would use for it.
pub(crate) fn wishes(home: &Path) -> Vec<(String, PathBuf)> {
    let text = read_regular_text(&home.join("settings.yaml")).unwrap_or_default();
    let sources = modules(&text).into_iter();
    sources.filter_map(|(name, source)| Some((name, directory_of(home, &source)?))).collect()
}

/// The lines below `sources:` and `modules:`.
fn modules(text: &str) -> Vec<(String, String)> {
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

/// The directory in which a host keeps this source.
fn directory_of(home: &Path, source: &str) -> Option<PathBuf> {
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
    let hash = hash_of(&format!("{scheme}://{host}/{path}"), reference);
    let directory = home.join("cache").join(format!("{repository}-{hash}"));
    let below = fragment.split('&').find_map(|part| part.strip_prefix("subdirectory="));
    Some(below.map_or_else(|| directory.clone(), |below| directory.join(below)))
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
        let found = wishes(home.path());
        let cache = home.path().join("cache");
        let hash = hash_of("ssh://git@h/o/r.git", "v1");
        let expected = [
            ("provider-openai", cache.join("amplifier-module-provider-openai-e2c4b8c10222ed8c")),
            ("tool-x", cache.join(format!("r-{hash}/modules/x"))),
            ("local", "/home/me/src".into()),
        ];
        let expected = expected.map(|(name, path)| (name.to_owned(), path));
        assert_eq!(found, expected);
        assert_eq!(wishes(Path::new("/none")), []);
    }
}
