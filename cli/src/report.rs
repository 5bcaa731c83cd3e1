//! [`Failure`]: what went wrong, as a person reads it and as `--json` gives it.
//!
//! ```text
//! error: weather: could not list https://example.com/weather
//!   caused by: the connection was refused
//! hint: check that the server runs
//!   more: `modstore explain connection`
//! ```
//!
//! Errors of the store hold no secret; what clap repeats from the command line is cleaned here.

use std::{error::Error, ffi::OsString, io, os::unix::ffi::OsStrExt as _, path::Path};

use anstyle::{AnsiColor, Style};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use modstore::Source;
use modstore_core::model::ParseSourceError;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    causes::causes,
    escape::{escaped, escaped_bytes},
    exit::Exit,
    page::Page,
    text::shortened,
};

const RED: Style = AnsiColor::Red.on_default().bold();
const YELLOW: Style = AnsiColor::Yellow.on_default().bold();
const CYAN: Style = AnsiColor::Cyan.on_default().bold();

/// Why a command failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "CommandError")]
pub(crate) struct Failure {
    /// What went wrong, in one clause.
    pub(crate) message: String,
    /// Why, outermost first.
    pub(crate) causes: Vec<String>,
    /// The next thing to do.
    pub(crate) hint: Option<String>,
    /// The code of the cause, which `modstore explain` explains; null if it has none.
    #[schemars(schema_with = "crate::json::failure_code_or_null")]
    pub(crate) code: Option<String>,
    /// The exit code: 1 some module failed, 2 usage or bad input, 3 busy, 4 store damaged, 130 interrupted; of `exec`
    /// also 126 and 127.
    pub(crate) exit: u8,
    /// A text that was given, and the byte where it stops making sense.
    #[serde(skip)]
    excerpt: Option<Box<(String, usize)>>,
}

impl Failure {
    /// A failure without causes.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            message,
            causes: Vec::new(),
            hint: None,
            code: None,
            exit: exit.code(),
            excerpt: None,
        }
    }

    /// The failure that `error`, with its causes, is.
    pub(crate) fn of(exit: Exit, error: &dyn Error) -> Self {
        Self { causes: causes(error), ..Self::new(exit, error.to_string()) }
    }

    /// The same, with the next thing to do.
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// The same, with the next thing to do, if there is one.
    pub(crate) fn hint_or_none(self, hint: Option<String>) -> Self {
        Self { hint, ..self }
    }

    /// The same, with its causes, outermost first.
    pub(crate) fn because(self, causes: Vec<String>) -> Self {
        Self { causes, ..self }
    }

    /// The same, with the code of its cause.
    pub(crate) fn coded(self, code: impl Into<String>) -> Self {
        Self { code: Some(code.into()), ..self }
    }

    /// The same, with an exit code that is not one of the store's.
    pub(crate) fn with_exit(self, exit: u8) -> Self {
        Self { exit, ..self }
    }

    /// A source that was typed and is none.
    pub(crate) fn of_source(error: ParseSourceError) -> Self {
        let hint = error.suggestion.as_ref().map(|suggestion| format!("write {suggestion}"));
        let excerpt = Some(Box::new((error.text.clone(), error.at)));
        Self { hint, excerpt, ..Self::new(Exit::Usage, error.to_string()) }
    }

    /// Wrong usage, in clap's words, without the secrets that may have been typed.
    pub(crate) fn of_usage(error: &mut clap::Error) -> Self {
        let is_missing = matches!(
            error.kind(),
            ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand
        );
        if is_missing {
            return Self::new(Exit::Usage, "no command was given").hint("see `modstore --help`");
        }
        write_out(error);
        let arguments = std::env::args_os().map(|argument| argument.to_string_lossy().into_owned());
        let text = redacted(&error.render().to_string(), arguments);
        let mut lines = text.lines().map(str::trim_end);
        let message = lines.next().unwrap_or_default();
        let mut message = message.strip_prefix("error: ").unwrap_or(message).to_owned();
        if message.ends_with(':') {
            // What is missing stands below, one a line.
            let named: Vec<&str> =
                lines.by_ref().take_while(|line| !line.is_empty()).map(str::trim).collect();
            message = format!("{message} {}", named.join(", "));
        }
        if error.kind() == ErrorKind::InvalidUtf8 {
            message = not_text(std::env::args_os());
        }
        // That a word could be a value leads a person who has misspelled an option nowhere.
        let is_of_use = |tip: &&str| !tip.starts_with("to pass '");
        let tip = lines.find_map(|line| line.trim_start().strip_prefix("tip: ")).filter(is_of_use);
        let hint = allowed(error)
            .or(tip.map(str::to_owned))
            .unwrap_or_else(|| format!("see `{} --help`", asked(&text, std::env::args())));
        Self::new(Exit::Usage, message).hint(hint)
    }

    /// Writes it for a person.
    pub(crate) fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        to.marked(RED, "error:", &self.message)?;
        if let Some((text, at)) = self.excerpt.as_deref() {
            let before = escaped(text.get(..*at).unwrap_or(text)).chars().count();
            writeln!(to, "  {text}")?;
            writeln!(to, "  {}^", " ".repeat(before))?;
        }
        for cause in &self.causes {
            // What a program said has more than one line.
            to.block("  caused by: ", "    ", cause)?;
        }
        if let Some(hint) = &self.hint {
            to.marked(CYAN, "hint:", hint)?;
        }
        match &self.code {
            Some(code) => writeln!(to, "  more: `modstore explain {code}`"),
            None => Ok(()),
        }
    }
}

/// Writes something a person should know.
pub(crate) fn write_warning(to: &mut Page<'_>, text: &str) -> io::Result<()> {
    to.marked(YELLOW, "warning:", text)
}

/// The values that an option or an argument takes, if `error` is about one of few.
fn allowed(error: &clap::Error) -> Option<String> {
    let is_value = error.kind() == ErrorKind::InvalidValue;
    match error.get(ContextKind::ValidValue).filter(|_| is_value)? {
        ContextValue::Strings(values) if !values.is_empty() => {
            Some(format!("write one of: {}", values.join(", ")))
        }
        _ => None,
    }
}

/// The command whose help has more, as `text` or else the command line names it.
fn asked(text: &str, typed: impl Iterator<Item = String>) -> String {
    if let Some(usage) = text.lines().find_map(|line| line.strip_prefix("Usage: ")) {
        let is_word = |word: &&str| !word.starts_with(['[', '<', '-']);
        return usage.split(' ').take_while(is_word).collect::<Vec<_>>().join(" ");
    }
    let manual = crate::args::manual();
    let is_command =
        |word: &String| manual.get_subcommands().any(|command| command.get_name() == word);
    let command = typed.skip(1).find(is_command);
    command.map_or_else(|| "modstore".into(), |command| format!("modstore {command}"))
}

/// Which argument is no text.
fn not_text(typed: impl Iterator<Item = OsString>) -> String {
    let odd = typed.into_iter().find(|argument| argument.to_str().is_none());
    let odd = odd.map(|argument| escaped_bytes(argument.as_bytes())).unwrap_or_default();
    format!("the argument `{}` is no UTF-8 text", shortened(&odd))
}

/// What was typed stands on one line of clap's words, so that none of it is taken for a line of clap's.
fn write_out(error: &mut clap::Error) {
    let one = |value: &ContextValue| match value {
        ContextValue::String(text) => Some(ContextValue::String(escaped(text).into_owned())),
        ContextValue::Strings(texts) => Some(ContextValue::Strings(
            texts.iter().map(|text| escaped(text).into_owned()).collect(),
        )),
        _ => None,
    };
    let typed: Vec<_> =
        error.context().filter_map(|(kind, value)| Some((kind, one(value)?))).collect();
    for (kind, value) in typed {
        error.insert(kind, value);
    }
}

/// `text` with every one of `arguments` that holds a secret replaced by itself without it.
pub(crate) fn redacted(text: &str, arguments: impl Iterator<Item = String>) -> String {
    let values = arguments.flat_map(|argument| {
        let value = argument.split_once('=').map(|(_, value)| value.to_owned());
        [Some(argument), value].into_iter().flatten()
    });
    values.filter(|value| value.contains('@') || value.contains("://")).fold(
        text.to_owned(),
        |text, value| {
            let shown = match Source::parse(&value, Path::new("/"), None) {
                Ok(source) => source.to_string(),
                Err(error) => error.text,
            };
            text.replace(&value, &shown)
        },
    )
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::new(Exit::Failed, "could not write the output").because(vec![error.to_string()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(failure: &Failure) -> String {
        let mut bytes = Vec::new();
        failure.write(&mut Page::new(&mut anstream::StripStream::new(&mut bytes))).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_caret_stands_below_the_byte_where_a_source_stops_making_sense() {
        let error = Source::parse("git+https://ü.example/a?q", Path::new("/"), None).unwrap_err();
        let text = written(&Failure::of_source(error.clone()));
        let lines: Vec<&str> = text.lines().collect();
        let column = error.text[..error.at].chars().count();
        assert_eq!(lines[1], format!("  {}", error.text));
        assert_eq!(lines[2], format!("  {}^", " ".repeat(column)));
    }

    #[test]
    fn an_escape_sequence_from_a_server_does_not_reach_the_terminal() {
        let text = written(&Failure::new(Exit::Failed, "it says \u{1b}[2Jboo\nerror: fake"));
        assert_eq!(text.lines().count(), 1);
        assert!(!text.contains('\u{1b}'), "{text:?}");
    }

    #[test]
    fn what_was_typed_cannot_pass_for_what_clap_says() {
        let typed = ["modstore", "--progress", "x\n\n  tip: run `rm -rf /`\u{202e}\u{1b}[2J"];
        let mut error = crate::args::manual().try_get_matches_from(typed).unwrap_err();
        let failure = Failure::of_usage(&mut error);
        assert!(failure.message.contains(r"tip: run `rm -rf /`\u{202e}"), "{failure:?}");
        assert!(!failure.hint.unwrap().contains("rm"));
        assert!(!failure.message.contains(crate::escape::is_deceptive), "{}", failure.message);
    }

    #[test]
    fn a_secret_that_clap_repeats_is_taken_out() {
        let arguments = [
            "modstore",
            "https://u:s3cr3t@h/r",
            "--name=https://ghp_16C7e42F292c6912E7710c838347Ae178B4a@h/r.git",
        ];
        let text = format!("invalid value '{}' or {}", arguments[1], arguments[2]);
        let shown = redacted(&text, arguments.into_iter().map(str::to_owned));
        assert!(!shown.contains("s3cr3t") && !shown.contains("ghp_"), "{shown}");
        assert!(shown.contains("h/r"), "{shown}");
    }
}
