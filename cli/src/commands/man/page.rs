//! One manual page as text: what `--help` prints, in the sections that readers of `man` expect.
//!
//! `clap_mangen` makes the sections about options. Examples and tables of `--help` keep their lines: it would join them.

use std::io;

use clap::Command as Manual;
use clap_mangen::{
    Man,
    roff::{Roff, roman},
};

/// The name of the page of a command, such as `modstore-add`.
pub(super) fn name_of(command: &Manual) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}

/// The page of a command whose manual was built.
pub(super) fn of(command: &Manual) -> String {
    let mut bytes = Vec::new();
    // Nothing fails to be written to memory.
    let _ = write(command, &mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

fn write(command: &Manual, to: &mut Vec<u8>) -> io::Result<()> {
    let man = Man::new(command.clone());
    to.extend_from_slice(title(command).as_bytes());
    man.render_name_section(to)?;
    man.render_synopsis_section(to)?;
    man.render_description_section(to)?;
    if command.get_arguments().any(|argument| !argument.is_hide_set()) {
        man.render_options_section(to)?;
    }
    let is_whole = command.has_subcommands();
    if is_whole {
        man.render_subcommands_section(to)?;
    }
    let extra = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    for section in sections(&extra) {
        section.write(to)?;
    }
    see_also(is_whole).to_writer(to)
}

/// The first line: title, section, date, program, book. It has no date, so that the same program makes the same page.
fn title(command: &Manual) -> String {
    let title = name_of(command).to_uppercase().replace('-', "\\-");
    format!(".TH {title} 1 \"\" \"modstore {}\" \"modstore manual\"\n", env!("CARGO_PKG_VERSION"))
}

fn see_also(is_whole: bool) -> Roff {
    let text = if is_whole {
        "The project's docs/ directory has a page for each subject, and a page for each host."
    } else {
        "modstore(1) describes the global options, the environment and the exit codes."
    };
    let mut roff = Roff::new();
    roff.control("SH", ["SEE ALSO"]).text([roman(text)]);
    roff
}

/// A paragraph below the options of `--help` that begins with a heading.
struct Section<'a> {
    heading: &'a str,
    /// Lines that keep their ends.
    lines: Vec<&'a str>,
}

/// The sections of the text below the options: a paragraph without a heading belongs to the section above it.
fn sections(text: &str) -> Vec<Section<'_>> {
    let mut sections: Vec<Section<'_>> = Vec::new();
    for line in text.lines() {
        match (heading(line), sections.last_mut()) {
            (Some((heading, "")), _) => sections.push(Section { heading, lines: Vec::new() }),
            (Some((heading, rest)), _) => sections.push(Section { heading, lines: vec![rest] }),
            (None, Some(section)) => section.lines.push(line),
            (None, None) => sections.push(Section { heading: "Notes", lines: vec![line] }),
        }
    }
    sections
}

/// `Examples:` or `Exit codes: 0 done` as the heading and the text behind it.
fn heading(line: &str) -> Option<(&str, &str)> {
    let (heading, rest) = line.split_once(':')?;
    let is_heading = heading.starts_with(char::is_uppercase) && heading.split(' ').count() <= 2;
    is_heading.then_some((heading, rest.trim_start()))
}

impl Section<'_> {
    fn write(&self, to: &mut Vec<u8>) -> io::Result<()> {
        let last = self.lines.iter().rposition(|line| !line.trim().is_empty()).unwrap_or(0);
        let mut roff = Roff::new();
        roff.control("SH", [self.heading.to_uppercase().as_str()]).control("nf", []);
        for line in self.lines.iter().take(last + 1) {
            match line.trim_end() {
                "" => roff.control("sp", []),
                line => roff.text([roman(line)]),
            };
        }
        roff.control("fi", []);
        roff.to_writer(to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_examples_are_kept_and_each_heading_is_a_section() {
        let found =
            sections("Examples:\n  a b\n  c\n\nEnvironment:\n  X   y\nalso: z\n\nExit codes: 0\n1");
        let headings: Vec<&str> = found.iter().map(|section| section.heading).collect();
        assert_eq!(headings, ["Examples", "Environment", "Exit codes"]);
        assert_eq!(found[1].lines, ["  X   y", "also: z", ""]);
        let mut bytes = Vec::new();
        found[0].write(&mut bytes).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.contains(".SH EXAMPLES\n.nf\n  a b\n  c\n.fi"), "{text}");
    }
}
