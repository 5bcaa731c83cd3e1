//! git's own reading of its configuration, where another reader would not see all of it.
//!
//! gix reads the usual files and `GIT_CONFIG_COUNT`, without a program. It does not know `GIT_CONFIG_PARAMETERS`, has its
//! own idea of some includes, and looks for the system's file in one place only. Where anything of that kind is there, or
//! a section that decides about connections, `git config --list` is asked once, and its answer is used instead.
//!
//! Limits: without a git program, what gix reads has to do, but for `GIT_CONFIG_PARAMETERS`, which nothing else reads.

use std::{
    env,
    ffi::OsStr,
    io,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use gix::{
    bstr::{BStr, ByteSlice as _},
    config::{File, Source, file::Metadata},
};
use modstore_core::{
    Cancel,
    program::{Input, Manner, ProgramError, Running},
};

use super::git_environment::{REMOTE_URL, add_settings};
use crate::errors::NetworkError;

/// Set by git for what it starts, from `git -c`.
const PARAMETERS: &str = "GIT_CONFIG_PARAMETERS";
/// To read a few files takes less.
const LIMIT: Duration = Duration::from_secs(5);
/// No configuration is longer than this.
const MOST: usize = 8 << 20;
/// Sections that decide which way a connection takes, or that lead to more configuration.
const DECISIVE: [&str; 6] = ["http", "url", "protocol", "remote", "include", "includeif"];
/// Where a git lives that has its system configuration in `/etc`.
const USUAL: [&str; 2] = ["/usr/bin", "/bin"];

/// Whether git itself is to be asked, after `read` was read by gix.
pub(super) fn is_for_git(read: &File) -> bool {
    env::var_os(PARAMETERS).is_some()
        || DECISIVE.iter().any(|name| {
            let mut sections = read.sections_by_name(name).into_iter().flatten();
            sections.any(|section| section.meta().source != Source::EnvOverride)
        })
        || git_program()
            .is_some_and(|git| !USUAL.iter().any(|usual| git.parent() == Some(Path::new(usual))))
}

/// Whether a part of the configuration is for remotes of some addresses only, which gix looks for in files alone.
pub(super) fn asks_for_remotes(read: &File) -> bool {
    read.sections_by_name("includeif").into_iter().flatten().any(|section| {
        let condition = section.header().subsection_name();
        condition.is_some_and(|condition| condition.starts_with(b"hasconfig:"))
    })
}

/// The configuration as git lists it in `repository`, in a clone of `remote` where one is named; nothing where there is no
/// git program, or one that does not answer.
pub(super) fn listed_by_git(
    repository: &Path,
    remote: Option<&str>,
) -> Result<Option<File>, NetworkError> {
    let mut command = Command::new("git");
    command.args(["config", "--list", "-z"]).env("GIT_DIR", repository);
    let told = remote.map(|url| (REMOTE_URL.to_owned(), url.to_owned()));
    add_settings(&mut command, told.as_slice());
    command
        .env("LC_ALL", "C")
        .env_remove("LANGUAGE")
        .env_remove("GIT_CONFIG")
        .env_remove("GIT_WORK_TREE");
    let cancel = Cancel::new();
    let running = Running {
        input: Input::Nothing,
        limit: LIMIT,
        cancel: &cancel,
        told: &|_| {},
        ends_with_us: false,
    };
    let failed = |source: String| NetworkError::Configuration { source: source.into() };
    match running.run_as(command, Manner { most: MOST, ..Manner::default() }) {
        Ok(ran) if ran.status.success() => {
            let told = remote.map(|url| format!("{REMOTE_URL}\n{url}").into_bytes());
            let entries = ran.stdout.split(|byte| *byte == 0);
            let entries = entries.filter(|entry| told.as_deref() != Some(*entry));
            parsed(entries).map(Some).map_err(|error| failed(error.to_string()))
        }
        Ok(ran) => Err(failed(ran.stderr)),
        // A git that does not answer is as good as none: what needs it says so by itself.
        Err(ProgramError::TimedOut { .. }) if env::var_os(PARAMETERS).is_none() => Ok(None),
        Err(ProgramError::Start { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            match env::var_os(PARAMETERS) {
                None => Ok(None),
                Some(_) => Err(failed(format!(
                    "{PARAMETERS} is set, which only git reads, and there is no git program"
                ))),
            }
        }
        Err(error) => Err(NetworkError::Configuration { source: error.into() }),
    }
}

/// The entries of `git config --list -z`: `section.subsection.key`, a line end and the value, which a key alone lacks.
fn parsed<'e>(entries: impl Iterator<Item = &'e [u8]>) -> gix::Result<File> {
    // A section for each run of keys: the order decides which of two values counts.
    let mut file = File::new(Metadata::from(Source::User).with(gix::sec::Trust::Full));
    let mut before = None;
    let mut id = None;
    for entry in entries.filter(|entry| !entry.is_empty()) {
        let (name, value) = match entry.split_once_str("\n") {
            Some((name, value)) => (name, BStr::new(value)),
            // A key alone is a yes.
            None => (entry, BStr::new("true")),
        };
        let Some((place, key)) = name.rsplit_once_str(".") else { continue };
        if before != Some(place) {
            before = Some(place);
            let (section, below) = match place.split_once_str(".") {
                Some((section, below)) => (section, Some(BStr::new(below).to_owned())),
                None => (place, None),
            };
            id = Some(file.new_section(section.to_str_lossy(), below)?.id());
        }
        if let Some(mut section) = id.and_then(|id| file.section_mut_by_id(id)) {
            section.push(key.to_str_lossy(), Some(value))?;
        }
    }
    Ok(file)
}

/// The git program that a child would be.
pub(super) fn git_program() -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let found = env::split_paths(&path).map(|place| place.join(OsStr::new("git")));
    found.into_iter().find(|git| git.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_values_and_keys_without_one_survive() {
        let list = b"http.extraheader\nX: 1\0http.https://h.x:8/.extraheader\nX: 2\0http.extraheader\nX: 3\nmore\0\
                     http.emptyauth\0url.file:///a=b/.insteadof\nhttps://h/\0user.name\n\0";
        let file = parsed(list.split(|byte| *byte == 0)).unwrap();
        let seen: Vec<(String, Vec<String>)> = file
            .sections()
            .map(|section| {
                let below = section.header().subsection_name().map(ToString::to_string);
                let names = section.value_names();
                let values =
                    names.flat_map(|name| section.values(&name)).map(|value| value.to_string());
                (below.unwrap_or_default(), values.collect())
            })
            .collect();
        let expected = [
            ("", vec!["X: 1"]),
            ("https://h.x:8/", vec!["X: 2"]),
            ("", vec!["X: 3\nmore", "true"]),
            ("file:///a=b/", vec!["https://h/"]),
            ("", vec![""]),
        ];
        let expected = expected.map(|(below, values)| {
            (below.to_owned(), values.into_iter().map(str::to_owned).collect::<Vec<_>>())
        });
        assert_eq!(seen, expected);
    }
}
