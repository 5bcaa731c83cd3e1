//! [`Page`]: the only writer of standard output and standard error.
//!
//! A page is written line by line. A text within a line cannot end the line, begin another, or control the terminal: no
//! command can forget to escape it. Colours surround our own words only.
//!
//! clap prints its help itself; no text from outside is in it.

use std::{
    fmt,
    io::{self, IsTerminal as _, Write},
    os::{fd::AsFd as _, unix::ffi::OsStrExt as _},
    path::Path,
    process::Stdio,
};

use anstream::AutoStream;
use anstyle::Style;
use serde::Serialize;

use crate::{
    escape::{escaped, escaped_bytes, json_line},
    text::{cut, shortened},
};

/// The longest line, in characters: longer than any command that is printed, shorter than a text that a server can send.
const LONGEST_LINE: usize = 64 << 10;
/// The most lines of a text from outside.
const MOST_LINES: usize = 200;

/// Lines for a reader. `writeln!` works on it, and every call writes exactly one line.
pub(crate) struct Page<'a> {
    to: &'a mut dyn Write,
    is_terminal: bool,
}

impl<'a> Page<'a> {
    /// A page that is not a terminal, for a test to read.
    #[cfg(test)]
    pub(crate) fn new(to: &'a mut dyn Write) -> Self {
        Self { to, is_terminal: false }
    }

    /// Writes one line, with or without the line end that `writeln!` adds.
    pub(crate) fn write_fmt(&mut self, text: fmt::Arguments<'_>) -> io::Result<()> {
        let text = text.to_string();
        self.line(text.strip_suffix('\n').unwrap_or(&text))
    }

    /// Writes a line that begins with a coloured word of ours.
    pub(crate) fn marked(
        &mut self,
        style: Style,
        mark: &'static str,
        text: &str,
    ) -> io::Result<()> {
        write!(self.to, "{style}{mark}{style:#} ")?;
        self.line(&shortened(text))
    }

    /// Writes a text from outside that may have several lines: the first behind `first`, the others behind `indent`.
    pub(crate) fn block(&mut self, first: &str, indent: &str, text: &str) -> io::Result<()> {
        let mut lines = text.lines();
        writeln!(self, "{first}{}", shortened(lines.next().unwrap_or_default()))?;
        for line in lines.by_ref().take(MOST_LINES) {
            writeln!(self, "{indent}{}", shortened(line))?;
        }
        match lines.count() {
            0 => Ok(()),
            more => writeln!(self, "{indent}… ({more} more lines)"),
        }
    }

    /// Writes a path on a line of its own: its exact bytes for a program, escaped on a terminal.
    pub(crate) fn path(&mut self, path: &Path) -> io::Result<()> {
        let bytes = path.as_os_str().as_bytes();
        if self.is_terminal {
            writeln!(self, "{}", escaped_bytes(bytes))
        } else {
            self.verbatim(&[bytes, b"\n"].concat())
        }
    }

    /// Writes a value on a line of its own, as JSON.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> io::Result<()> {
        let line = json_line(value)?;
        self.verbatim(&line)
    }

    /// Writes a text that is entirely ours, such as a script.
    pub(crate) fn ours(&mut self, text: &str) -> io::Result<()> {
        self.verbatim(text.as_bytes())
    }

    fn line(&mut self, text: &str) -> io::Result<()> {
        let text = cut(text, LONGEST_LINE);
        self.verbatim(format!("{}\n", escaped(&text)).as_bytes())
    }

    fn verbatim(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.to.write_all(bytes)
    }
}

/// Writes to standard output.
pub(crate) fn on_stdout(write: impl FnOnce(&mut Page<'_>) -> io::Result<()>) -> io::Result<()> {
    let stdout = io::stdout().lock();
    let is_terminal = stdout.is_terminal();
    let mut to = io::BufWriter::new(stdout);
    write(&mut Page { to: &mut to, is_terminal })?;
    to.flush()
}

/// Writes to standard error, at once, so that the lines of several threads and processes are not mixed.
pub(crate) fn on_stderr(write: impl FnOnce(&mut Page<'_>) -> io::Result<()>) {
    let mut text = Vec::new();
    let mut page = Page { to: &mut text, is_terminal: io::stderr().is_terminal() };
    // There is no way to report that standard error is gone.
    let _ = write(&mut page).and_then(|()| AutoStream::auto(io::stderr().lock()).write_all(&text));
}

/// Standard error, for a program whose standard output is not for the reader of ours.
pub(crate) fn own_errors() -> io::Result<Stdio> {
    io::stderr().as_fd().try_clone_to_owned().map(Stdio::from)
}

/// How wide the terminal is that standard error is; none, if it is none or does not say.
pub(crate) fn terminal_columns() -> Option<u16> {
    let size = rustix::termios::tcgetwinsize(io::stderr()).ok()?;
    Some(size.ws_col).filter(|columns| *columns > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Page<'_>) -> io::Result<()>) -> String {
        let mut bytes = Vec::new();
        write(&mut Page::new(&mut bytes)).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_value_within_a_line_cannot_begin_another() {
        let name = "a\nerror: fake\r\nhint: \u{1b}[2J\n";
        let text = written(|to| {
            writeln!(to, "found {name}")?;
            write!(to, "{name}")?;
            writeln!(to)?;
            writeln!(to, "end")
        });
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], r"found a\nerror: fake\r\nhint: \u{1b}[2J\n");
        assert_eq!(lines[1..], [r"a\nerror: fake\r\nhint: \u{1b}[2J", "", "end"]);
    }

    #[test]
    fn each_line_of_a_text_from_outside_is_indented() {
        let text = written(|to| to.block("  caused by: ", "    ", "one\nhint: two\r\n\u{202e}x"));
        assert_eq!(text, "  caused by: one\n    hint: two\n    \\u{202e}x\n");
        assert_eq!(written(|to| to.block("a: ", "  ", "")), "a: \n");
    }

    #[test]
    fn a_long_text_is_cut_and_says_how_long_it_is() {
        let lines = "x\n".repeat(MOST_LINES + 11);
        let text = written(|to| to.block("", "  ", &lines));
        assert!(text.ends_with("  x\n  … (10 more lines)\n"), "{text}");
        let text = written(|to| writeln!(to, "{}", "ü".repeat(LONGEST_LINE + 1)));
        assert!(text.ends_with("ü… (65537 characters)\n"));
        let text = written(|to| to.marked(Style::new(), "error:", &"y".repeat(100_000)));
        assert!(text.len() < 5000 && text.ends_with("y… (100000 characters)\n"), "{text}");
    }

    #[test]
    fn a_path_is_its_bytes_for_a_program_and_harmless_on_a_terminal() {
        let path = Path::new(std::ffi::OsStr::from_bytes(b"/a\x1b\xff\n"));
        let mut bytes = Vec::new();
        Page::new(&mut bytes).path(path).unwrap();
        assert_eq!(bytes, b"/a\x1b\xff\n\n");
        bytes.clear();
        Page { to: &mut bytes, is_terminal: true }.path(path).unwrap();
        assert_eq!(bytes, b"/a\\u{1b}\\xff\\n\n");
    }
}
