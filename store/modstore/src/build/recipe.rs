//! [`Recipe`]: how a module is built on this machine: its commands, what they see of the environment, and what the
//! tools call themselves.
//!
//! Programs see `PATH`, a `HOME` and a `TMPDIR` of their own that are gone afterwards, one locale, and the variables
//! that the module names. These count as inputs, and `PATH` does not: where the tools lie says nothing of what they
//! make; what they call themselves does.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    path::Path,
    process::Command,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use super::platform::this_platform;
use crate::{
    Cancel,
    model::{BuildSpec, Digest, Platform, Stage},
    program::{Input, ProgramError, Running, Said, in_path, own_directory},
};

/// So long the command that names the tools may take.
const NAMING: Duration = Duration::from_secs(60);

/// Bytes of the half of a name: no less than what chains frames.
const HALF: usize = 16;

/// Parts of the names of variables whose values are never printed.
const SECRET: [&str; 5] = ["TOKEN", "SECRET", "PASSWORD", "PASSWD", "KEY"];

/// The variables that a build sees: those it names, as they are or are not.
pub(crate) type Variables = Vec<(String, Option<OsString>)>;

/// The variable that tells a build which input it runs for.
const INPUT: &str = "MODSTORE_INPUT";

/// How a module is built on this machine.
#[derive(Debug, Clone)]
pub(crate) struct Recipe<'a> {
    pub(crate) spec: &'a BuildSpec,
    pub(crate) variables: Variables,
    /// What the tools call themselves, if the module says how to ask them.
    pub(crate) toolchain: Option<[u8; 32]>,
}

/// What tools call themselves, asked once in a scan.
#[derive(Debug, Default)]
pub(crate) struct Toolchains {
    known: Mutex<BTreeMap<Question, Arc<Answer>>>,
}

/// A command, and what it sees.
type Question = (Vec<String>, Variables);

type Answer = OnceLock<Result<[u8; 32], Arc<ProgramError>>>;

impl Toolchains {
    /// The recipe of this build.
    ///
    /// # Errors
    /// The tools do not tell what they are.
    pub(crate) fn recipe<'a>(
        &self,
        spec: &'a BuildSpec,
        cancel: &Cancel,
    ) -> Result<Recipe<'a>, Arc<ProgramError>> {
        let variables: Variables =
            spec.env.iter().map(|name| (name.clone(), std::env::var_os(name))).collect();
        let Some(words) = &spec.toolchain else {
            return Ok(Recipe { spec, variables, toolchain: None });
        };
        let answer = {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(known.entry((words.clone(), variables.clone())).or_default())
        };
        let name = || name_of(words, &variables, cancel).map_err(Arc::new);
        let toolchain = Some(answer.get_or_init(name).clone()?);
        Ok(Recipe { spec, variables, toolchain })
    }
}

fn name_of(
    words: &[String],
    variables: &Variables,
    cancel: &Cancel,
) -> Result<[u8; 32], ProgramError> {
    // Where others may write, they could put what a program looks for: a module, a setting, the program itself.
    let start = |source| ProgramError::Start {
        program: words.first().cloned().unwrap_or_default(),
        source,
    };
    let own = own_directory().map_err(start)?;
    let mut command = program(words, Path::new("/"), own.path(), own.path());
    set(&mut command, variables);
    let running = Running {
        input: Input::Nothing,
        limit: NAMING,
        cancel,
        told: &|_| {},
        ends_with_us: false,
    };
    let ran = running.succeed(command)?;
    let mut hasher = blake3::Hasher::new();
    hasher.update(&ran.stdout).update(b"\0").update(ran.stderr.as_bytes());
    Ok(hasher.finalize().into())
}

/// A program that sees a clean environment, in the directory `at`.
fn program(words: &[String], at: &Path, home: &Path, temporary: &Path) -> Command {
    let mut words = words.iter();
    let name = words.next().expect("a command is never empty");
    // A path is one in the module; a name is looked for in `PATH`.
    let mut command = if name.contains('/') {
        Command::new(at.join(name))
    } else {
        Command::new(in_path(name).unwrap_or_else(|| name.into()))
    };
    command.args(words).current_dir(at).env_clear();
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    command.env("HOME", home).env("TMPDIR", temporary).env("LC_ALL", "C.UTF-8");
    command
}

fn set(command: &mut Command, variables: &Variables) {
    for (name, value) in variables {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
}

impl Recipe<'_> {
    /// One of the commands, in the directory `at`; for the `input`, if it runs for one.
    pub(super) fn command(
        &self,
        (words, input): (&[String], Option<&str>),
        at: &Path,
        home: &Path,
        temporary: &Path,
    ) -> Command {
        let words: Vec<String> = match input {
            Some(input) => words.iter().map(|word| filled(word, input)).collect(),
            None => words.to_vec(),
        };
        let mut command = program(&words, at, home, temporary);
        // What a builder says is read in answers and logs.
        command.env("NO_COLOR", "1").env("TERM", "dumb");
        set(&mut command, &self.variables);
        command.envs(input.map(|input| (INPUT, input)));
        command
    }

    /// Adds all that is not a file to the name of what a build depends on.
    pub(super) fn note(&self, hasher: &mut blake3::Hasher) {
        let BuildSpec { command, output, depfile, .. } = self.spec;
        let path = |path: &Option<crate::model::Subdirectory>| {
            path.as_ref().map_or_else(String::new, ToString::to_string)
        };
        number(hasher, command.len());
        command.iter().for_each(|word| text(hasher, word.as_bytes()));
        text(hasher, path(output).as_bytes());
        text(hasher, path(depfile).as_bytes());
        number(hasher, self.variables.len());
        for (name, value) in &self.variables {
            text(hasher, name.as_bytes());
            number(hasher, usize::from(value.is_some()));
            text(hasher, value.as_deref().unwrap_or_default().as_bytes());
        }
        number(hasher, usize::from(self.toolchain.is_some()));
        hasher.update(&self.toolchain.unwrap_or_default());
    }

    /// The platform to name in a lock for what was built: another machine of that platform, on which all is the same that the
    /// build depended on, may take it. None for a build that has read files of this machine, or that is given a secret: the name of all that it depends
    /// on would let others try out which one.
    pub(crate) fn lockable_on(&self, read: &[String]) -> Option<Platform> {
        let has_secret =
            self.variables.iter().any(|(name, value)| value.is_some() && sounds_secret(name));
        let reads_here = read.iter().any(|path| path.starts_with('/'));
        this_platform().filter(|_| !has_secret && !reads_here).cloned()
    }

    /// What a program said, without the values of variables that sound like secrets.
    pub(super) fn hushed(&self, said: Option<Said>) -> Option<Said> {
        let said = said?;
        let secrets = self.variables.iter().filter(|(name, _)| sounds_secret(name));
        let secrets = secrets.filter_map(|(_, value)| value.as_ref()?.to_str());
        let hide = |said: String, secret: &str| said.replace(secret, "***");
        Said::of(secrets.filter(|secret| secret.len() > 3).fold(said.text().to_owned(), hide))
    }
}

fn sounds_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    SECRET.iter().any(|part| name.contains(part))
}

/// A word of a command that runs for `input`: `{input}` is its path, and `{stem}` its path without the extension.
fn filled(word: &str, input: &str) -> String {
    let name = input.rfind('/').map_or(0, |at| at + 1);
    let dot = input.get(name..).and_then(|name| name.rfind('.')).filter(|at| *at > 0);
    let stem = dot.and_then(|at| input.get(..name + at)).unwrap_or(input);
    // In one pass, so that nothing in a name is taken for a word to fill in.
    let mut parts = word.split("{input}").map(|part| part.replace("{stem}", stem));
    let first = parts.next().unwrap_or_default();
    parts.fold(first, |filled, part| filled + input + &part)
}

/// What a failure at this stage depended on: a trial of what was built also depends on how that is tried.
pub(crate) fn failing_at(stage: Stage, name: Digest, spec: &BuildSpec) -> Digest {
    if stage == Stage::Validate { trial(name, spec) } else { name }
}

/// The name of a trial of what was built under `key`: other words, or another program, try it again.
fn trial(key: Digest, spec: &BuildSpec) -> Digest {
    let mut hasher = blake3::Hasher::new_derive_key("modstore 2026 build trial v1");
    hasher.update(key.as_bytes());
    for word in spec.validate.iter().flatten() {
        text(&mut hasher, word.as_bytes());
    }
    let program = spec.validate.iter().flatten().next();
    let program =
        program.and_then(|name| if name.contains('/') { Some(name.into()) } else { in_path(name) });
    if let Some(meta) = program.and_then(|program| program.metadata().ok()) {
        let time = i128::from(meta.mtime()) * 1_000_000_000 + i128::from(meta.mtime_nsec());
        hasher.update(&meta.size().to_le_bytes()).update(&time.to_le_bytes());
    }
    Digest::from_bytes(hasher.finalize().into())
}

/// One name of two: how it is built, and all that it depends on.
pub(crate) fn conditions(recipe: Digest, all: Digest) -> Digest {
    let mut both = *all.as_bytes();
    both.iter_mut().zip(recipe.as_bytes()).take(HALF).for_each(|(byte, named)| *byte = *named);
    Digest::from_bytes(both)
}

/// Whether these conditions are of something that was built so.
pub(crate) fn is_built_so(conditions: Digest, recipe: Digest) -> bool {
    conditions.as_bytes().iter().zip(recipe.as_bytes()).take(HALF).all(|(a, b)| a == b)
}

/// Whether these conditions, or that name, are of something that depended on all this.
pub(crate) fn is_built_of(conditions: Digest, all: Digest) -> bool {
    conditions.as_bytes().iter().zip(all.as_bytes()).skip(HALF).all(|(a, b)| a == b)
}

/// Adds a text to a name, so that no two lists of texts have the same.
pub(super) fn text(hasher: &mut blake3::Hasher, text: &[u8]) {
    number(hasher, text.len());
    hasher.update(text);
}

/// Adds a number to a name.
pub(super) fn number(hasher: &mut blake3::Hasher, number: usize) {
    hasher.update(&(number as u64).to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_an_input_stands_where_a_command_asks_for_it() {
        let table = [
            ("{input}", "models/a.ts", "models/a.ts"),
            ("out/{stem}.js", "models/a.b.ts", "out/models/a.b.js"),
            ("--x={input}:{stem}", "a", "--x=a:a"),
            ("{stem}", "a.d/b", "a.d/b"),
            ("{stem}", "m/.hidden", "m/.hidden"),
            ("{input}", "{stem}.ts", "{stem}.ts"),
            ("{other}", "a.ts", "{other}"),
        ];
        for (word, input, expected) in table {
            assert_eq!(filled(word, input), expected, "{word} {input}");
        }
    }

    #[test]
    fn what_names_the_tools_finds_nothing_that_others_could_have_put_there() {
        let look = r#"[ "$(pwd)" = / ] && [ "$TMPDIR" = "$HOME" ] && [ -z "$(ls -A "$HOME")" ] &&
            case "$(ls -ld "$HOME")" in drwx------*) ;; *) exit 1 ;; esac"#;
        let words = ["sh", "-c", look].map(str::to_owned);
        let named = name_of(&words, &Variables::new(), &Cancel::new());
        assert!(named.is_ok(), "{named:?}");
    }
}
