//! [`Failure`]: what went wrong, as a person reads it and as `--json` gives it.
//!
//! ```text
//! error: weather: could not list https://example.com/weather
//!   caused by: the connection was refused
//! hint: check that the server runs
//! ```
//!
//! Errors of the store hold no secret; what clap repeats from the command line is cleaned here.

use std::{error::Error, io, path::Path};

use anstyle::{AnsiColor, Style};
use clap::error::ContextValue;
use modstore::Source;
use modstore_core::model::ParseSourceError;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{causes::causes, escape::escaped, exit::Exit, page::Page};

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
    /// The exit code: 1 some module failed, 2 usage or bad input, 3 busy, 4 store damaged, 130 interrupted; of `exec`
    /// also 126 and 127.
    pub(crate) exit: u8,
    /// A text that was given, and the byte where it stops making sense.
    #[serde(skip)]
    excerpt: Option<(String, usize)>,
}

impl Failure {
    /// A failure without causes.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { message, causes: Vec::new(), hint: None, exit: exit.code(), excerpt: None }
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

    /// The same, with an exit code that is not one of the store's.
    pub(crate) fn with_exit(self, exit: u8) -> Self {
        Self { exit, ..self }
    }

    /// A source that was typed and is none.
    pub(crate) fn of_source(error: ParseSourceError) -> Self {
        let hint = error.suggestion.as_ref().map(|suggestion| format!("write {suggestion}"));
        let excerpt = Some((error.text.clone(), error.at));
        Self { hint, excerpt, ..Self::new(Exit::Usage, error.to_string()) }
    }

    /// Wrong usage, in clap's words, without the secrets that may have been typed.
    pub(crate) fn of_usage(error: &mut clap::Error) -> Self {
        if error.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
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
        let tip = lines.find_map(|line| line.trim_start().strip_prefix("tip: "));
        let usage =
            text.lines().find_map(|line| line.strip_prefix("Usage: ")).unwrap_or("modstore");
        let words: Vec<&str> =
            usage.split(' ').take_while(|word| !word.starts_with(['[', '<', '-'])).collect();
        let hint = tip.map_or_else(|| format!("see `{} --help`", words.join(" ")), str::to_owned);
        Self::new(Exit::Usage, message).hint(hint)
    }

    /// Writes it for a person.
    pub(crate) fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        to.marked(RED, "error:", &self.message)?;
        if let Some((text, at)) = &self.excerpt {
            let before = escaped(text.get(..*at).unwrap_or(text)).chars().count();
            writeln!(to, "  {text}")?;
            writeln!(to, "  {}^", " ".repeat(before))?;
        }
        for cause in &self.causes {
            // What a program said has more than one line.
            to.block("  caused by: ", "    ", cause)?;
        }
        match &self.hint {
            Some(hint) => to.marked(CYAN, "hint:", hint),
            None => Ok(()),
        }
    }
}

/// Writes something a person should know.
pub(crate) fn write_warning(to: &mut Page<'_>, text: &str) -> io::Result<()> {
    to.marked(YELLOW, "warning:", text)
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
