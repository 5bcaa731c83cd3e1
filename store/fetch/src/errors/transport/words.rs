//! [`Words`]: a server's own words, as far as an error repeats them.
//!
//! They begin with the first line that says something. Lines without a letter or digit, and what ssh and git print of
//! themselves around the words of a server, are left out.
//!
//! Limits: [`MOST`] bytes. Characters that control a terminal stay: who prints an error escapes them.

use std::fmt;

/// The most bytes of a message that are kept: as many as the journal remembers of an error, with something before them.
const MOST: usize = 1500;

/// How lines begin that ssh and git print of themselves: warnings, traces, and the last words of a client.
const NOISE: [&str; 23] = [
    "warning:",
    "** ",
    "debug1:",
    "debug2:",
    "debug3:",
    "fatal: could not read from remote repository",
    "please make sure you have the correct access rights",
    "and the repository exists.",
    "fatal: the remote end hung up unexpectedly",
    "pseudo-terminal will not be allocated",
    "x11 forwarding request failed",
    "bash: warning:",
    "/bin/bash: warning:",
    "/bin/sh: warning:",
    "perl: warning:",
    "controlsocket ",
    "mux_client_",
    "connection to ",
    "shared connection to ",
    "disconnected from ",
    "transferred: ",
    "openssh_",
    "authenticated to ",
];

/// What a server said; it may be nothing. `Display` puts `: ` before it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Words(String);

impl Words {
    /// The words in what a server, or the program that talks to it, printed.
    #[must_use]
    pub fn of(said: &str) -> Self {
        let lines = said.split(['\n', '\r']).map(bare);
        let words: Vec<&str> = lines.filter(|line| says_something(line)).collect();
        Self(shortened(words.join("\n")))
    }

    /// The words alone.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Whether nothing was said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The line without what git and hooks put before it.
fn bare(line: &str) -> &str {
    let mut line = line.trim();
    while let Some(rest) = line.strip_prefix("remote:") {
        line = rest.trim_start();
    }
    line
}

fn says_something(line: &str) -> bool {
    let lower = line.to_lowercase();
    line.contains(char::is_alphanumeric) && !NOISE.iter().any(|noise| lower.starts_with(noise))
}

fn shortened(mut text: String) -> String {
    if text.len() > MOST {
        let whole = text.len();
        text.truncate(text.floor_char_boundary(MOST));
        text.push_str(&format!("… ({whole} bytes)"));
    }
    text
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, ": {}", self.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_begin_with_the_first_line_that_says_something() {
        for (said, words) in [
            ("\n  Use https.\nSee the manual.\n", "Use https.\nSee the manual."),
            ("remote: \nremote: ====\nremote: ERROR: no\nremote: ====\n", "ERROR: no"),
            ("one\r\ntwo", "one\ntwo"),
            ("…\n---\n", ""),
            ("", ""),
        ] {
            assert_eq!(Words::of(said).text(), words, "{said}");
        }
    }

    #[test]
    fn what_ssh_and_git_print_of_themselves_is_left_out() {
        let said = "Warning: Permanently added 'h' (ED25519) to the list of known hosts.\r\n\
            ** WARNING: connection is not using a post-quantum key exchange algorithm.\r\n\
            ** The server may need to be upgraded. See https://openssh.com/pq.html\r\n\
            ERROR: Repository not found.\n\
            fatal: Could not read from remote repository.\n\n\
            Please make sure you have the correct access rights\nand the repository exists.\n";
        assert_eq!(Words::of(said).text(), "ERROR: Repository not found.");
        let lost = "Warning: Permanently added 'h' to the list of known hosts.\nConnection to h closed by remote host.";
        assert!(Words::of(lost).is_empty());
    }

    #[test]
    fn a_message_without_end_is_cut_between_two_characters() {
        let words = Words::of(&"ü".repeat(MOST));
        assert_eq!(words.text().find('…'), Some(MOST));
        assert!(words.text().ends_with(&format!("ü… ({} bytes)", 2 * MOST)), "{}", words.text());
        assert_eq!(Words::of(&"u".repeat(MOST)).text().len(), MOST);
    }
}
