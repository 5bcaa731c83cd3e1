//! Words that are commands of other tools, and the command that does the same here.
//!
//! They are no aliases: a person who learns the word once finds the pages and the help for it.

use std::iter;

use clap::error::{ContextKind, ContextValue};
use modstore_core::model::nearest;

use crate::{
    args::manual,
    exit::Exit,
    report::{Failure, redacted},
};

/// The words, and what to write in their place.
const WORDS: [(&[&str], &str); 15] = [
    (&["install", "get", "clone"], "`modstore add SOURCE` adds a module"),
    (&["uninstall", "rm", "delete", "del", "erase"], "`modstore remove NAME` removes a module"),
    (
        &["sync", "upgrade", "pull", "fetch", "refresh", "up"],
        "`modstore update` fetches what changed",
    ),
    (
        &["lock", "freeze"],
        "`modstore update` writes modules.lock; `modstore update --locked` follows it",
    ),
    (&["info", "inspect", "describe", "view", "cat"], "`modstore show NAME` shows a module"),
    (
        &["which", "where", "whereis", "dir", "prefix"],
        "`modstore path NAME` prints where a module is",
    ),
    (&["ls", "ps", "modules", "tree"], "`modstore list` lists the modules"),
    (
        &["prune", "clean", "purge", "autoremove", "collect"],
        "`modstore gc` deletes what is no longer needed",
    ),
    (&["log", "generations", "list-generations"], "`modstore history` lists the generations"),
    (
        &["undo", "revert", "restore", "downgrade"],
        "`modstore rollback` returns to the previous generation",
    ),
    (
        &["check", "fsck", "audit"],
        "`modstore verify` checks the store, `modstore doctor` the environments that use it",
    ),
    (
        &["fix", "repair", "heal"],
        "`modstore doctor --fix` repairs environments, `modstore verify --repair` the store",
    ),
    (&["run", "shell"], "`modstore exec -- COMMAND` runs a program that keeps its generation"),
    (
        &["pin", "checkout", "switch"],
        "`modstore hold NAME` leaves a module as it is, `modstore set` pins it for all",
    ),
    (&["version"], "`modstore --version` prints the version"),
];

/// The failure of a first word that is no command; nothing where `error` is another one.
pub(crate) fn failure(error: &clap::Error) -> Option<Failure> {
    let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidSubcommand) else {
        return None;
    };
    let manual = manual();
    let is_below_a_command = manual.get_subcommands().any(|command| {
        let text = error.get(ContextKind::Usage).map(ToString::to_string).unwrap_or_default();
        text.contains(&format!("modstore {} ", command.get_name()))
    });
    if is_below_a_command {
        return None;
    }
    let hint = instead(word, manual.get_subcommands().map(clap::Command::get_name))
        .unwrap_or_else(|| "`modstore --help` lists the commands".into());
    let word = redacted(word, iter::once(word.clone()));
    Some(Failure::new(Exit::Usage, format!("`{word}` is not a command")).hint(hint))
}

/// What to write in place of `word`, which is no command.
pub(crate) fn instead<'a>(word: &str, commands: impl Iterator<Item = &'a str>) -> Option<String> {
    let word = word.to_lowercase();
    let of_other = WORDS.iter().find(|(words, _)| words.contains(&word.as_str()));
    of_other.map(|(_, hint)| (*hint).to_owned()).or_else(|| {
        let near = nearest(&word, commands)?;
        Some(format!("did you mean `modstore {near}`?"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_of_another_tool_is_a_command_here_and_each_hint_names_one_that_is() {
        let manual = manual();
        let is_command =
            |word: &str| manual.get_subcommands().any(|known| known.get_name() == word);
        for (words, hint) in WORDS {
            assert!(!words.iter().any(|word| is_command(word)), "{words:?}");
            let mut named = hint.split('`').skip(1).step_by(2);
            assert!(
                named.all(|line| line
                    .split(' ')
                    .nth(1)
                    .is_some_and(|word| word.starts_with("--") || is_command(word))),
                "{hint}"
            );
            assert!(hint.chars().count() <= 90, "{hint}");
        }
    }

    #[test]
    fn a_slip_of_the_finger_is_known_and_another_word_leads_nowhere() {
        let commands = || ["add", "update", "reset", "scan", "bench"].into_iter();
        assert_eq!(instead("updte", commands()).unwrap(), "did you mean `modstore update`?");
        for word in ["frobnicate", "cache", "config", "search"] {
            assert_eq!(instead(word, commands()), None, "{word}");
        }
    }
}
