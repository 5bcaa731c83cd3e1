//! [`BuildSpec`]: how a module is built, as `modules.toml` declares it.
//!
//! Only read here. The build finds out whether the command exists and which files the globs match.

use std::time::Duration;

use super::Subdirectory;
use super::toml_fields::{Fields, Placed, TomlFault};

/// A `[modules.NAME.build]` table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildSpec {
    /// The program and its arguments; never empty, and not a line for a shell.
    pub command: Vec<String>,
    /// The part of the scratch copy that becomes the entry; `None`, written `.`, is all of it.
    pub output: Option<Subdirectory>,
    /// Globs of the files that the command runs once for each of; empty if it runs once for all.
    pub each: Vec<String>,
    /// Globs of the files the result depends on; `**` by default.
    pub inputs: Vec<String>,
    /// The names of the environment variables that are passed on.
    pub env: Vec<String>,
    /// A command whose output names the version of the tools.
    pub toolchain: Option<Vec<String>>,
    /// How long the build may take.
    pub timeout: Duration,
    /// A file the build writes, that lists what it has read.
    pub depfile: Option<Subdirectory>,
    /// A command that must succeed on the result.
    pub validate: Option<Vec<String>>,
}

impl BuildSpec {
    /// How long a build may take if its table does not say.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(120);

    /// Every command that a build runs, by the key that names it.
    #[must_use]
    pub fn commands(&self) -> Vec<(&'static str, &[String])> {
        let Self { command, toolchain, validate, .. } = self;
        let others = [("toolchain", toolchain), ("validate", validate)];
        let others = others.into_iter().filter_map(|(key, words)| Some((key, words.as_deref()?)));
        std::iter::once(("command", command.as_slice())).chain(others).collect()
    }

    const KEYS: [&'static str; 9] = [
        "command",
        "output",
        "each",
        "inputs",
        "env",
        "toolchain",
        "timeout",
        "depfile",
        "validate",
    ];

    pub(super) fn read(fields: Fields<'_>) -> Result<Self, Placed<TomlFault>> {
        fields.only(&Self::KEYS)?;
        let command = command(&fields, "command")?;
        Ok(Self {
            command: fields.required("command", command)?,
            output: output(&fields)?,
            each: each(&fields)?,
            inputs: fields.texts("inputs")?.unwrap_or_else(|| vec!["**".to_owned()]),
            env: env(&fields)?,
            toolchain: command_or_none(&fields, "toolchain")?,
            timeout: timeout(&fields)?,
            depfile: path(&fields, "depfile")?,
            validate: command_or_none(&fields, "validate")?,
        })
    }
}

/// A command in one line: what a person reads is what would run. Nothing in it can move a cursor or turn the text round.
#[must_use]
pub fn command_line(words: &[String]) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:@%+,".contains(c);
    let shown = |word: &String| match !word.is_empty() && word.chars().all(is_plain) {
        true => word.clone(),
        false => format!("{word:?}"),
    };
    words.iter().map(shown).collect::<Vec<_>>().join(" ")
}

fn command(fields: &Fields<'_>, key: &str) -> Result<Option<Vec<String>>, Placed<TomlFault>> {
    let words = fields.texts(key)?;
    match words.as_deref().map(<[String]>::first) {
        Some(None) => Err(fields.wrong(key, "a program and its arguments")),
        Some(Some(program)) if program.is_empty() => {
            Err(fields.wrong(key, "a program and its arguments"))
        }
        _ => Ok(words),
    }
}

fn command_or_none(
    fields: &Fields<'_>,
    key: &str,
) -> Result<Option<Vec<String>>, Placed<TomlFault>> {
    // An empty list switches a command off.
    if fields.texts(key)?.is_some_and(|words| words.is_empty()) {
        return Ok(None);
    }
    command(fields, key)
}

fn path(fields: &Fields<'_>, key: &str) -> Result<Option<Subdirectory>, Placed<TomlFault>> {
    match fields.text(key)? {
        None | Some("." | "./") => Ok(None),
        Some(text) => {
            text.parse().map(Some).map_err(|_| fields.wrong(key, "a relative path without `..`"))
        }
    }
}

/// What is built for each of several files has a place of its own: all of the copy would be the sources once for each.
fn output(fields: &Fields<'_>) -> Result<Option<Subdirectory>, Placed<TomlFault>> {
    match path(fields, "output")? {
        None if !each(fields)?.is_empty() => {
            Err(fields.wrong("each", "together with an `output` other than `.`"))
        }
        output => Ok(output),
    }
}

/// One glob, or a list of them.
fn each(fields: &Fields<'_>) -> Result<Vec<String>, Placed<TomlFault>> {
    let globs = match fields.text("each") {
        Ok(one) => one.map(|glob| vec![glob.to_owned()]),
        Err(_) => fields.texts("each")?,
    };
    match globs {
        None => Ok(Vec::new()),
        Some(globs) if globs.iter().any(|glob| !glob.is_empty() && !glob.starts_with('!')) => {
            Ok(globs)
        }
        Some(_) => Err(fields.wrong("each", "a glob, or a list with one that chooses files")),
    }
}

fn env(fields: &Fields<'_>) -> Result<Vec<String>, Placed<TomlFault>> {
    let names = fields.texts("env")?.unwrap_or_default();
    let is_name = |name: &String| !name.is_empty() && !name.contains(['=', '\0']);
    if names.iter().all(is_name) {
        Ok(names)
    } else {
        Err(fields.wrong("env", "a list of the names of environment variables"))
    }
}

fn timeout(fields: &Fields<'_>) -> Result<Duration, Placed<TomlFault>> {
    match fields.text("timeout")? {
        None => Ok(BuildSpec::DEFAULT_TIMEOUT),
        Some(text) => duration(text)
            .ok_or_else(|| fields.wrong("timeout", "a time such as \"120s\" or \"2m\"")),
    }
}

/// Reads a whole number above zero with its unit: `ms`, `s`, `m` or `h`.
fn duration(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.find(|c: char| !c.is_ascii_digit())?)?;
    let number: u64 = digits.parse().ok().filter(|&number| number > 0)?;
    let seconds = |each: u64| number.checked_mul(each).map(Duration::from_secs);
    match unit.trim_start() {
        "ms" => Some(Duration::from_millis(number)),
        "s" => seconds(1),
        "m" => seconds(60),
        "h" => seconds(3600),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_printed_so_that_each_word_stands_apart_and_none_can_hide() {
        let words = ["sh", "-c", "a \"b\"", "", "x\u{1b}[2K\ny", "\u{202e}fdp", "\u{200b}"];
        let words = words.map(str::to_owned);
        let expected = r#"sh -c "a \"b\"" "" "x\u{1b}[2K\ny" "\u{202e}fdp" "\u{200b}""#;
        assert_eq!(command_line(&words), expected);
    }

    #[test]
    fn a_time_is_a_whole_number_with_its_unit() {
        let table = [
            ("120s", Some(120_000)),
            ("2m", Some(120_000)),
            ("1h", Some(3_600_000)),
            ("250 ms", Some(250)),
            ("0s", None),
            ("120", None),
            ("-1s", None),
            ("1d", None),
            ("99999999999999999999s", None),
            ("18446744073709551615h", None),
            ("", None),
        ];
        for (text, millis) in table {
            assert_eq!(duration(text), millis.map(Duration::from_millis), "{text}");
        }
    }
}
