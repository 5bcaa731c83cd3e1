//! Words that are commands of other tools, and the command that does the same here.
//!
//! They are no aliases: a person who learns the word once finds the pages and the help for it.

use std::iter;

use clap::error::{ContextKind, ContextValue, ErrorKind};
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

/// Options of other tools, the commands to which people give them (none for all), and what to write in their place.
const OPTIONS: [(&[&str], &[&str], &str); 4] = [
    (
        &["--dry-run", "-n", "--check", "--simulate"],
        &["update", "scan"],
        "`modstore outdated` shows what an update would change, and changes nothing",
    ),
    (
        &["-y", "--yes", "--assume-yes", "-f", "--force"],
        &["add", "update", "scan", "remove", "gc", "reset"],
        "leave it out: nothing is asked unless --interactive is given",
    ),
    (&["--format", "--output-format"], &[], "--json prints one answer for programs"),
    (
        &["--all", "-a"],
        &["list", "update", "scan", "outdated", "path", "verify"],
        "leave it out: without names, the command is about all modules",
    ),
];

/// What to write in place of an option that a command does not have.
pub(crate) fn option_instead(error: &clap::Error) -> Option<&'static str> {
    let Some(ContextValue::String(option)) = error.get(ContextKind::InvalidArg) else {
        return None;
    };
    if error.kind() != ErrorKind::UnknownArgument {
        return None;
    }
    let option = option.split('=').next().unwrap_or(option);
    let usage = error.get(ContextKind::Usage).map(ToString::to_string).unwrap_or_default();
    let is_of = |command: &&str| usage.contains(&format!("modstore {command} "));
    let known = OPTIONS.iter().find(|(options, commands, _)| {
        options.contains(&option) && (commands.is_empty() || commands.iter().any(is_of))
    });
    known.map(|(_, _, hint)| *hint)
}

/// The failure of a first word that is no command; nothing where `error` is another one.
pub(crate) fn failure(error: &clap::Error) -> Option<Failure> {
    // That none was given is another failure, about the name of the program.
    if error.kind() != ErrorKind::InvalidSubcommand {
        return None;
    }
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
    let near_other = || {
        let near = nearest(&word, WORDS.iter().flat_map(|(words, _)| words.iter().copied()))?;
        let (_, hint) = WORDS.iter().find(|(words, _)| words.contains(&near))?;
        // Of a word of a few letters, every other one is near.
        (near.len() > 4).then(|| (*hint).to_owned())
    };
    of_other
        .map(|(_, hint)| (*hint).to_owned())
        .or_else(|| Some(format!("did you mean `modstore {}`?", nearest(&word, commands)?)))
        .or_else(near_other)
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
    fn no_option_of_another_tool_is_one_of_a_command_to_which_its_hint_is_given() {
        let manual = manual();
        for (options, commands, _) in OPTIONS {
            for command in commands {
                let known = manual.find_subcommand(command).unwrap();
                let arguments = known.get_arguments().chain(manual.get_arguments());
                let names: Vec<String> = arguments
                    .flat_map(|it| {
                        let short = it.get_short().map(|short| format!("-{short}"));
                        short.into_iter().chain(it.get_long().map(|long| format!("--{long}")))
                    })
                    .collect();
                let taken = options.iter().find(|option| names.iter().any(|it| it == *option));
                assert_eq!(taken, None, "{command}");
            }
        }
    }

    #[test]
    fn a_slip_of_the_finger_is_known_and_another_word_leads_nowhere() {
        let commands = || ["add", "update", "reset", "scan", "bench"].into_iter();
        assert_eq!(instead("updte", commands()).unwrap(), "did you mean `modstore update`?");
        for (word, command) in [("instal", "add"), ("uninstal", "remove"), ("upgrad", "update")] {
            let hint = instead(word, commands()).unwrap();
            assert!(hint.starts_with(&format!("`modstore {command}")), "{word}: {hint}");
        }
        for word in ["frobnicate", "cache", "config", "search"] {
            assert_eq!(instead(word, commands()), None, "{word}");
        }
    }
}
