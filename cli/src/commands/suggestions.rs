//! Suggestions: what a shell offers for the word that is being typed. Commands and options come from the manual, names
//! of modules and numbers of generations from the store.
//!
//! The shell runs modstore with [`VARIABLE`] for each press of a key, so this reads only names: `modules.toml` and two
//! directories. It takes no lock, reads no journal, writes nothing and reports nothing: whatever fails suggests nothing.
//! A name that is no name of a module is left out, so that no file in a foreign home can control a terminal.

use std::{collections::BTreeSet, env, ffi::OsString, path::PathBuf};

use clap::{Arg, Command as Manual, ValueHint};
use clap_complete::{ArgValueCandidates, CompleteEnv, CompletionCandidate, env::Shells};
use modstore::{ModuleName, Options, Store};
use modstore_core::disk::Layout;

use super::{explain, names};
use crate::home::store_place;

/// The variable by which a shell asks, with its own name as the value.
const VARIABLE: &str = "MODSTORE_COMPLETE";

/// The most names that are looked at: more than a person reads, and quick to list.
const MOST: usize = 10_000;

/// Answers a shell that asks what to suggest. False if none asks.
pub(crate) fn answer(manual: fn() -> Manual) -> Result<bool, clap::Error> {
    let here = env::current_dir().ok();
    CompleteEnv::with_factory(manual).var(VARIABLE).try_complete(env::args_os(), here.as_deref())
}

/// zsh reads a file of its `fpath` when it is first needed, and calls what it has then read.
const CALLED_BY_ZSH: &str = r#"
[ "$funcstack[1]" = _modstore ] && _clap_dynamic_completer_modstore "$@"
"#;

/// The script by which a shell comes to ask, if the shell is known.
pub(super) fn script(shell: &str) -> Option<String> {
    let shells = Shells::builtins();
    let mut script = Vec::new();
    let name = "modstore";
    shells.completer(shell)?.write_registration(VARIABLE, name, name, name, &mut script).ok()?;
    if shell == "zsh" {
        script.extend_from_slice(CALLED_BY_ZSH.as_bytes());
    }
    String::from_utf8(script).ok()
}

/// An argument that suggests its values, as its value's name in the manual says.
pub(crate) fn suggesting(argument: Arg) -> Arg {
    let is_positional = argument.is_positional();
    let name = argument.get_value_names().and_then(|names| names.first()).map(ToString::to_string);
    match name.as_deref() {
        Some("NAME") if is_positional => argument.add(ArgValueCandidates::new(modules)),
        Some("GENERATION|NAME" | "G|NAME") => {
            argument.add(ArgValueCandidates::new(modules_and_generations))
        }
        Some("GROUP") => argument.add(ArgValueCandidates::new(groups)),
        Some("G") => argument.add(ArgValueCandidates::new(generations)),
        Some("CODE") => argument.add(ArgValueCandidates::new(codes)),
        Some("PY" | "DIR") => argument.value_hint(ValueHint::DirPath),
        Some("PATH") if is_positional => argument.value_hint(ValueHint::AnyPath),
        Some("SOURCE" | "FILE") => argument.value_hint(ValueHint::AnyPath),
        _ => argument,
    }
}

/// The modules that are declared or current.
fn modules() -> Vec<CompletionCandidate> {
    let store = home().and_then(|home| Store::open(&home, Options::default()).ok());
    let names = store.map(|store| names::known_to(&store)).unwrap_or_default();
    let names: BTreeSet<String> =
        names.into_iter().take(MOST).filter(|name| name.parse::<ModuleName>().is_ok()).collect();
    names.into_iter().map(CompletionCandidate::new).collect()
}

/// The groups in modules.toml.
fn groups() -> Vec<CompletionCandidate> {
    let store = home().and_then(|home| Store::open(&home, Options::default()).ok());
    let declared = store.and_then(|store| store.declarations().ok()).unwrap_or_default();
    declared.groups.into_keys().take(MOST).map(CompletionCandidate::new).collect()
}

/// The codes of failures and findings.
fn codes() -> Vec<CompletionCandidate> {
    let codes = explain::all().into_iter();
    codes.map(|it| CompletionCandidate::new(it.code).help(Some(it.meaning.into()))).collect()
}

/// The generations that are kept, the last one first.
fn generations() -> Vec<CompletionCandidate> {
    let directory = home().map(|home| Layout::new(&home).home().join("generations"));
    let entries = directory.and_then(|directory| directory.read_dir().ok());
    let mut numbers: Vec<u64> = entries
        .into_iter()
        .flatten()
        .flatten()
        .take(MOST)
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    numbers.sort_unstable_by_key(|number| std::cmp::Reverse(*number));
    let candidate = |(place, number): (usize, u64)| {
        CompletionCandidate::new(number.to_string()).display_order(Some(place))
    };
    numbers.into_iter().enumerate().map(candidate).collect()
}

fn modules_and_generations() -> Vec<CompletionCandidate> {
    modules().into_iter().chain(generations()).collect()
}

fn home() -> Option<PathBuf> {
    let [home, project] = ["--home", "--project"].map(|option| typed(option, env::args_os()));
    store_place(home.as_ref(), project.as_ref()).ok().map(|place| place.home().to_owned())
}

/// The value of an option on the line that is being typed, which stands behind `--`.
fn typed(option: &str, words: impl Iterator<Item = OsString>) -> Option<OsString> {
    let mut typed = words.skip_while(|word| word != "--").skip(1);
    let first = typed.by_ref().find(|word| word.to_string_lossy().starts_with(option))?;
    match first.to_str()?.strip_prefix(option)?.strip_prefix('=') {
        Some(value) if !value.is_empty() => Some(value.into()),
        // bash gives the equals sign as a word of its own.
        _ => typed.find(|word| word != "="),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_home_that_is_being_typed_is_used() {
        let typed = |line: &str| {
            let words = line.split(' ').map(OsString::from);
            typed("--home", words).map(|home| home.into_string().unwrap())
        };
        assert_eq!(typed("modstore -- modstore --home /a show x").as_deref(), Some("/a"));
        assert_eq!(typed("modstore -- modstore --home=/a show x").as_deref(), Some("/a"));
        assert_eq!(typed("modstore -- modstore --home = /a show").as_deref(), Some("/a"));
        assert_eq!(typed("modstore --home /a -- modstore show"), None);
        assert_eq!(typed("modstore -- modstore --home"), None);
    }

    #[test]
    fn every_shell_that_completions_takes_has_a_script() {
        use clap::ValueEnum as _;
        for shell in clap_complete::Shell::value_variants() {
            let script = script(&shell.to_string()).unwrap();
            assert!(script.contains(VARIABLE), "{shell}: {script}");
        }
    }
}
