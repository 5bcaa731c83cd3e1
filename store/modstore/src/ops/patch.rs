//! What differs in the content of two entries, as `git diff` prints it: git compares, nothing is written.
//!
//! Limits: needs a git program. Linked directories change under the reader, so they are not compared.

use std::{
    io,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde::Serialize;

use crate::{
    Cancel, Store,
    disk::is_directory,
    model::{Binding, ModuleName},
    ops::Difference,
    program::{Input, Manner, ProgramError, Running, Said, own_directory},
};

/// The longest time that git may take for one module.
const LIMIT: Duration = Duration::from_secs(60);
/// The most bytes that are read of what it prints.
const MOST: usize = 16 << 20;

/// How many lines of a file differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FileLines {
    /// Its path in the module.
    pub path: String,
    /// Lines that came; null if it is not text.
    pub added: Option<u64>,
    /// Lines that went; null if it is not text.
    pub removed: Option<u64>,
}

/// The content of two versions of a module cannot be compared. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PatchError {
    /// One of them is not in the store any more.
    #[error("a version of module `{module}` was deleted: {} is not there", path.display())]
    Gone {
        /// The module.
        module: ModuleName,
        /// Where it was.
        path: PathBuf,
    },
    /// No temporary directory can be made.
    #[error("could not make a temporary directory")]
    Temporary(#[source] io::Error),
    /// git did not compare them.
    #[error("module `{module}` could not be compared")]
    Git {
        /// The module.
        module: ModuleName,
        /// Why.
        source: ProgramError,
    },
}

impl Store {
    /// What differs in the content of a module, line by line; nothing where a side is the user's own directory.
    ///
    /// # Errors
    /// See [`PatchError`].
    pub fn patch(
        &self,
        difference: &Difference,
        cancel: &Cancel,
    ) -> Result<Option<String>, PatchError> {
        self.compare(difference, &[], cancel, |printed, sides| {
            with_names(&printed, &difference.module, sides)
        })
    }

    /// How many lines differ in each file of a module; nothing where a side is the user's own directory.
    ///
    /// # Errors
    /// See [`PatchError`].
    pub fn lines(
        &self,
        difference: &Difference,
        cancel: &Cancel,
    ) -> Result<Option<Vec<FileLines>>, PatchError> {
        self.compare(difference, &["--numstat", "-z"], cancel, |printed, sides| {
            counted(&printed, sides)
        })
    }

    fn compare<T>(
        &self,
        difference: &Difference,
        options: &[&str],
        cancel: &Cancel,
        read: impl FnOnce(String, [&Path; 2]) -> T,
    ) -> Result<Option<T>, PatchError> {
        let empty = own_directory().map_err(PatchError::Temporary)?;
        let side = |binding: Option<&Binding>| match binding {
            None => Some(empty.path().to_owned()),
            Some(binding) => binding.digest().map(|_| self.layout().place(&binding.bound)),
        };
        let sides = (side(difference.from.as_ref()), side(difference.to.as_ref()));
        let (Some(from), Some(to)) = sides else { return Ok(None) };
        let module = &difference.module;
        if let Some(path) = [&from, &to].into_iter().find(|path| !is_directory(path)) {
            return Err(PatchError::Gone { module: module.clone(), path: path.clone() });
        }
        let printed = compared([&from, &to], options, cancel)
            .map_err(|source| PatchError::Git { module: module.clone(), source })?;
        Ok(Some(read(printed, [&from, &to])))
    }
}

/// What git prints; whether they differ is its exit code.
fn compared(sides: [&Path; 2], options: &[&str], cancel: &Cancel) -> Result<String, ProgramError> {
    let mut git = Command::new("git");
    git.args(["diff", "--no-index", "--no-color", "--no-ext-diff", "--no-textconv", "--no-prefix"]);
    git.args(options).arg("--").args(sides).current_dir("/");
    // Settings of the user would change the form.
    git.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null").env("LC_ALL", "C");
    git.env_remove("GIT_DIR").env_remove("GIT_CONFIG_COUNT").env_remove("GIT_EXTERNAL_DIFF");
    let running =
        Running { input: Input::Nothing, limit: LIMIT, cancel, told: &|_| {}, ends_with_us: true };
    let ran = running.run_as(git, Manner { most: MOST, ..Manner::default() })?;
    match ran.status.code() {
        Some(0 | 1) => Ok(String::from_utf8_lossy(&ran.stdout).into_owned()),
        _ => Err(ProgramError::Failed {
            program: "git".into(),
            status: ran.status,
            said: Said::of(ran.stderr),
        }),
    }
}

/// The lines that name files, with the module's name in place of the directories that were compared.
fn with_names(printed: &str, module: &ModuleName, sides: [&Path; 2]) -> String {
    const NAMING: [&str; 6] = ["diff --git ", "--- ", "+++ ", "rename ", "copy ", "Binary files "];
    let named = |line: &str| {
        let mut line = line.to_owned();
        for (side, mark) in sides.into_iter().zip(["a", "b"]) {
            // git leaves out the slash that an absolute path begins with.
            let side = side.as_os_str().to_string_lossy();
            let side = side.trim_start_matches('/');
            for written in [format!("/{side}/"), format!("{side}/")] {
                line = line.replace(&written, &format!("{mark}/{module}/"));
            }
        }
        line
    };
    let mut is_content = false;
    let lines = printed.split_inclusive('\n').map(|line| {
        is_content = !line.starts_with("diff --git ") && (is_content || line.starts_with("@@ "));
        match !is_content && NAMING.iter().any(|begin| line.starts_with(begin)) {
            true => named(line),
            false => line.to_owned(),
        }
    });
    lines.collect()
}

/// The counts of `--numstat -z`: for each file its counts, and the two paths that were compared.
fn counted(printed: &str, sides: [&Path; 2]) -> Vec<FileLines> {
    let mut parts = printed.split('\0');
    let mut files = Vec::new();
    while let Some((added, rest)) = parts.next().and_then(|part| part.split_once('\t')) {
        let Some((removed, path)) = rest.split_once('\t') else { break };
        let named = match path {
            "" => [parts.next().unwrap_or_default(), parts.next().unwrap_or_default()],
            path => [path, path],
        };
        let within = sides.iter().zip(named).find_map(|(side, path)| {
            Path::new("/").join(path).strip_prefix(side).ok().map(|path| path.display().to_string())
        });
        let Some(path) = within else { continue };
        files.push(FileLines { path, added: added.parse().ok(), removed: removed.parse().ok() });
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `read` makes of two directories with these files.
    fn of<T>(
        files: [&[(&str, &str)]; 2],
        options: &[&str],
        read: impl FnOnce(&str, [&Path; 2]) -> T,
    ) -> T {
        let place = tempfile::tempdir().unwrap();
        let sides = ["one", "two"].map(|name| place.path().join(name));
        for (side, files) in sides.iter().zip(files) {
            std::fs::create_dir(side).unwrap();
            for (path, text) in files {
                let path = side.join(path);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, text).unwrap();
            }
        }
        let sides = [sides[0].as_path(), sides[1].as_path()];
        read(&compared(sides, options, &Cancel::new()).unwrap(), sides)
    }

    fn patch(from: &[(&str, &str)], to: &[(&str, &str)]) -> String {
        let name = "weather".parse().unwrap();
        of([from, to], &[], |printed, sides| with_names(printed, &name, sides))
    }

    #[test]
    fn a_patch_names_the_module_and_not_the_directories_of_the_store() {
        let text = patch(&[("a/x", "1\n"), ("gone", "x\n")], &[("a/x", "2\n"), ("new", "y\n")]);
        for line in ["--- a/weather/a/x", "+++ b/weather/a/x", "-1", "+2", "+++ /dev/null"] {
            assert!(text.lines().any(|other| other == line), "{line}\n{text}");
        }
        assert!(!text.contains("/one/") && !text.contains("/two/"), "{text}");
        assert_eq!(patch(&[("a", "1\n")], &[("a", "1\n")]), "");
    }

    #[test]
    fn content_that_looks_like_a_line_of_git_stays() {
        let text = patch(&[("a", "\n")], &[("a", "--- a\n+++ b\ndiff --git x\n")]);
        assert!(text.contains("\n+--- a\n++++ b\n+diff --git x\n"), "{text}");
    }

    #[test]
    fn each_file_that_differs_has_its_counts_whatever_its_name_is() {
        let from: &[(&str, &str)] = &[("a b/ü\n", "1\n2\n"), ("gone", "x\n"), ("same", "s")];
        let to: &[(&str, &str)] = &[("a b/ü\n", "1\n3\n4\n"), ("new", "a\0b"), ("same", "s")];
        let mut files = of([from, to], &["--numstat", "-z"], counted);
        files.sort_by(|one, other| one.path.cmp(&other.path));
        let seen: Vec<_> =
            files.iter().map(|file| (file.path.as_str(), file.added, file.removed)).collect();
        assert_eq!(
            seen,
            [("a b/ü\n", Some(2), Some(1)), ("gone", Some(0), Some(1)), ("new", None, None)]
        );
    }
}
