//! One build, from the scratch copy to the staged tree.
//!
//! What is recorded is what was really built from: the inputs are hashed in the scratch copy, before the command runs,
//! so that an edit made meanwhile belongs to the next build.

use std::{
    collections::BTreeMap,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::SystemTime,
};

use gix::bstr::BString;

use super::{
    built::stage,
    depfile,
    error::BuildError,
    inputs::{Files, Material, Seen, is_left_out, is_one_of_each, key, key_of_input, walk},
    recipe::Recipe,
};
use crate::{
    Cancel,
    disk::{
        Disk, DiskError, Staged, Staging, Verb, content_of, copy_to_scratch, make_scratch,
        read_regular_text, remove_from_scratch, remove_scratch, replace_in_scratch,
    },
    model::{ContentHash, Digest, FileKind, Subdirectory},
    program::{Input, ProgramError, Ran, Running, Said},
};

/// The most bytes of a build's standard output that are part of an error.
const TAIL: usize = 16 << 10;

/// A build that is about to be run.
pub(crate) struct Build<'a> {
    pub(crate) disk: &'a Disk,
    pub(crate) staging: &'a Staging,
    pub(crate) recipe: &'a Recipe<'a>,
    pub(crate) material: Material<'a>,
    /// The path of the input that it runs for, if it runs for each.
    pub(crate) input: Option<&'a str>,
    pub(crate) cancel: &'a Cancel,
    /// Is called with each line that the build prints.
    pub(crate) on_line: &'a (dyn Fn(&str) + Sync),
}

/// What came of a build.
#[derive(Debug)]
pub(crate) struct Built {
    pub(crate) staged: Staged,
    /// The name of all that it was made from.
    pub(crate) key: Digest,
    /// The files that it said it has read.
    pub(crate) read: Vec<String>,
}

/// Where it is built.
struct Scratch {
    all: PathBuf,
    tree: PathBuf,
    /// The module's directory.
    at: PathBuf,
    home: PathBuf,
    temporary: PathBuf,
}

impl Scratch {
    /// When it was made, by the clock of files, which lags behind the other one.
    fn made(&self) -> Result<SystemTime, DiskError> {
        let made = self.temporary.metadata().and_then(|meta| meta.modified());
        made.map_err(|error| DiskError::new(Verb::Read, &self.temporary, error))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        remove_scratch(&self.all);
    }
}

impl Build<'_> {
    /// Builds it, and tries what was built if the module says how.
    ///
    /// # Errors
    /// See [`BuildError`].
    pub(crate) fn run(&self) -> Result<Built, BuildError> {
        let scratch = self.prepare().map_err(BuildError::Scratch)?;
        let begun = scratch.made().map_err(BuildError::Scratch)?;
        let before = self.before(&scratch).map_err(BuildError::Inputs)?;
        let spec = self.recipe.spec;
        self.program(&spec.command, &scratch.at, &scratch).map_err(BuildError::Run)?;
        let read = self.read(&scratch, &before, begun)?;
        let name = spec.output.as_ref().map_or(".", Subdirectory::as_str);
        let output = scratch.at.join(name);
        let staged = stage(self.disk, self.staging, &output, name)?;
        if let Some(words) = &spec.validate {
            let at = if output.is_dir() { &output } else { &scratch.at };
            self.program(words, at, &scratch).map_err(BuildError::Validate)?;
        }
        let mut key = key(self.recipe, &before.inputs, &read);
        if let (Some(input), Some(own)) = (self.input, before.own) {
            key = key_of_input(key, input, own);
        }
        Ok(Built { staged, key, read: read.into_keys().collect() })
    }

    /// Tries a tree that was built elsewhere in the place of what would be built here.
    ///
    /// # Errors
    /// It is not to be used.
    pub(crate) fn try_out(&self, built: &Staged) -> Result<(), BuildError> {
        let spec = self.recipe.spec;
        let Some(words) = &spec.validate else { return Ok(()) };
        let scratch = self.prepare().map_err(BuildError::Scratch)?;
        let output = match &spec.output {
            Some(output) => scratch.at.join(output.as_path()),
            None => scratch.at.clone(),
        };
        // A single file with the name of the output is the output itself.
        let single = spec.output.as_ref().map(|output| built.tree().join(output.file_name()));
        let single = single.filter(|file| built.files() == 1 && file.is_file());
        let from = single.as_deref().unwrap_or(built.tree());
        replace_in_scratch(from, &output).map_err(BuildError::Scratch)?;
        let at = if output.is_dir() { &output } else { &scratch.at };
        self.program(words, at, &scratch).map_err(BuildError::Validate)
    }

    fn prepare(&self) -> Result<Scratch, DiskError> {
        let all = self.staging.fresh();
        make_scratch(&all)?;
        // Programs resolve their working directory, so what they write is below this path.
        let all = all.canonicalize().unwrap_or(all);
        let (from, part) = self.material.place();
        let tree = all.join("tree");
        let at = if part.is_empty() { tree.clone() } else { tree.join(part) };
        let scratch = Scratch { home: all.join("home"), temporary: all.join("tmp"), tree, at, all };
        make_scratch(&scratch.home)?;
        make_scratch(&scratch.temporary)?;
        copy_to_scratch(from, &scratch.tree, &is_left_out)?;
        if let Some(input) = self.input {
            self.remove_others(input, &scratch.at)?;
        }
        Ok(scratch)
    }

    /// Takes away the files that the command runs for at another time: what it cannot read it cannot depend on.
    fn remove_others(&self, input: &str, at: &Path) -> Result<(), DiskError> {
        let mut others = Vec::new();
        walk(at, &BString::default(), &mut |path, from, _| {
            if path != input && is_one_of_each(path, self.recipe.spec) {
                others.push(from.to_owned());
            }
            Ok(())
        })?;
        others.iter().try_for_each(|other| remove_from_scratch(other))
    }

    /// What it is made from, as it is in the scratch now.
    fn before(&self, scratch: &Scratch) -> Result<Before, DiskError> {
        let spec = self.recipe.spec;
        let copied = Material::Directory { at: &scratch.tree };
        let all = match (self.material, &self.recipe.spec.depfile) {
            // Only a depfile asks for files that no glob names.
            (Material::Directory { .. }, Some(_)) => Some(copied.files(&|_| true)?),
            _ => None,
        };
        let inputs = match self.material {
            Material::Tree { .. } => self.material.inputs(spec)?,
            Material::Directory { .. } => copied.inputs(spec)?,
        };
        let own = self.input.map(|input| {
            let at = scratch.at.join(input);
            let is_executable =
                at.metadata().is_ok_and(|meta| meta.permissions().mode() & 0o100 != 0);
            let kind = if is_executable { FileKind::Executable } else { FileKind::File };
            let content = content_of(&at, kind);
            let (content, _) = content.map_err(|error| DiskError::new(Verb::Read, &at, error))?;
            Ok::<_, DiskError>((kind, content))
        });
        Ok(Before { inputs, own: own.transpose()?, all })
    }

    /// The files that it says it has read, as they were before it ran.
    fn read(
        &self,
        scratch: &Scratch,
        before: &Before,
        begun: SystemTime,
    ) -> Result<BTreeMap<String, Seen>, BuildError> {
        let Some(path) = &self.recipe.spec.depfile else { return Ok(BTreeMap::new()) };
        let at = scratch.at.join(path.as_path());
        let text = read_regular_text(&at)
            .map_err(|source| BuildError::Depfile { path: path.to_string(), source })?;
        // It names paths of the scratch, which are others each time.
        remove_from_scratch(&at).map_err(BuildError::Keep)?;
        let named = depfile::paths(&text).into_iter();
        let placed = named
            .filter_map(|path| depfile::placed(&path, &scratch.at, &scratch.tree, &scratch.all));
        let seen = placed.filter(|path| !self.is_of_another(path)).filter_map(|path| {
            let seen = self.seen(&path, before, begun);
            // What is there now and was not before has been made by the build.
            let is_made = seen == Seen::Absent && scratch.tree.join(&path).exists();
            (!is_made).then_some((path, seen))
        });
        Ok(seen.collect())
    }

    /// Whether a path in the tree is a file that the command runs for at another time, so that it was not there.
    fn is_of_another(&self, path: &str) -> bool {
        let (_, part) = self.material.place();
        let below = path.strip_prefix(part).map(|path| path.trim_start_matches('/'));
        self.input.zip(below).is_some_and(|(input, below)| {
            below != input && is_one_of_each(below.into(), self.recipe.spec)
        })
    }

    fn seen(&self, path: &str, before: &Before, begun: SystemTime) -> Seen {
        if path.starts_with('/') {
            let changed = Path::new(path).metadata().and_then(|meta| meta.modified());
            return match changed {
                Ok(changed) if changed >= begun => Seen::Unsteady,
                _ => self.material.seen(path),
            };
        }
        match &before.all {
            Some(all) => all
                .get(gix::bstr::BStr::new(path))
                .map_or(Seen::Absent, |(_, content)| Seen::Content(*content)),
            None => self.material.seen(path),
        }
    }

    fn program(&self, words: &[String], at: &Path, scratch: &Scratch) -> Result<(), ProgramError> {
        let words = (words, self.input);
        let command = self.recipe.command(words, at, &scratch.home, &scratch.temporary);
        let name = Path::new(command.get_program()).file_name().unwrap_or_default();
        let program = name.to_string_lossy().into_owned();
        let limit = self.recipe.spec.timeout;
        let running = Running {
            input: Input::Nothing,
            limit,
            cancel: self.cancel,
            told: self.on_line,
            ends_with_us: true,
        };
        match running.run(command) {
            Ok(ran) if ran.status.success() => Ok(()),
            Ok(Ran { status, stdout, stderr }) => {
                let said = self.recipe.hushed(last_words(stderr, &stdout));
                Err(ProgramError::Failed { program, status, said })
            }
            Err(ProgramError::TimedOut { program, limit, said }) => {
                let said = self.recipe.hushed(said);
                Err(ProgramError::TimedOut { program, limit, said })
            }
            Err(error) => Err(error),
        }
    }
}

/// What a build is made from, as it was before it ran.
struct Before {
    inputs: Files,
    /// The input that it runs for, if it runs for one.
    own: Option<(FileKind, ContentHash)>,
    /// Every file, where a depfile may name more than the inputs.
    all: Option<Files>,
}

/// What a program said last; on standard output, if it said nothing on the other.
fn last_words(stderr: String, stdout: &[u8]) -> Option<Said> {
    if !stderr.is_empty() {
        return Said::of(stderr);
    }
    let end = stdout.len().saturating_sub(TAIL);
    let tail = stdout.get(end..).unwrap_or_default();
    Said::of(String::from_utf8_lossy(tail).trim().to_owned())
}
