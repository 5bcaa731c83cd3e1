//! `edit`: opens modules.toml in an editor, and checks it afterwards.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs,
    io::{self, Write as _},
    path::Path,
    process::Command,
};

use clap::Args;
use modstore::{Cancel, Store, errors::DeclareError, internals::ops::EditTextError};
use nix::sys::signal::{SigSet, Signal};
use schemars::JsonSchema;
use serde::Serialize;
use tempfile::TempPath;

use super::Runnable;
use crate::{
    context::Context,
    effect::Effect,
    exit::Exit,
    output::Answer,
    page::{Page, own_errors},
    report::Failure,
};

/// What a person finds where there is no modules.toml yet.
const TEMPLATE: &str = "\
# The modules of this store. An example, without its mark:
# [modules.weather]
# source = \"git+https://github.com/me/weather@main\"
";

/// Open modules.toml in an editor, and check it afterwards
///
/// The editor is that of VISUAL or EDITOR, or else vi. It works on a copy, and no lock is held meanwhile. What it leaves
/// replaces modules.toml if it can be understood, and if nothing else has changed modules.toml since. Otherwise
/// modules.toml stays as it is, and the error names the line, and the file that has your text. Nothing is fetched:
/// the next `modstore update` does that.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore edit
  VISUAL='code --wait' modstore edit")]
pub(crate) struct EditArgs {}

/// The answer of `edit`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct EditAnswer {
    generation: Option<u64>,
    /// The file.
    file: String,
    /// Whether it was changed.
    changed: bool,
}

impl Runnable for EditArgs {
    type Answer = EditAnswer;
    const EFFECT: Effect = Effect::Edits;

    fn run(&self, context: &Context) -> Result<EditAnswer, Failure> {
        let store = context.store()?;
        let before = store.declared_text()?;
        let shown = before.clone().unwrap_or_else(|| TEMPLATE.into());
        let copy = copy_of(&shown)?;
        // The editor has the keys of the terminal; whatever they mean to it must not end this process before its text is safe.
        block_keys();
        let edited = edit(&copy, context.global.json);
        let after = fs::read(&copy).map_err(|error| at(&copy, &error))?;
        let is_changed = after != shown;
        if is_changed && let Err(failure) = edited {
            return Err(keep(copy, failure));
        }
        edited?;
        if is_changed
            && let Err(error) = store.replace_declarations(before.as_deref(), after, &Cancel::new())
        {
            return Err(keep(copy, failure_of(&store, error)));
        }
        Ok(EditAnswer {
            generation: context.generation(),
            file: store.layout().modules_toml().display().to_string(),
            changed: is_changed,
        })
    }
}

/// A copy for the editor, which only its owner can read.
fn copy_of(text: &[u8]) -> Result<TempPath, Failure> {
    let mut file = tempfile::Builder::new().prefix("modules-").suffix(".toml").tempfile()?;
    file.write_all(text)?;
    Ok(file.into_temp_path())
}

fn block_keys() {
    let mut keys = SigSet::empty();
    keys.add(Signal::SIGINT);
    keys.add(Signal::SIGQUIT);
    // Without that, a key that the editor takes ends both, and modules.toml stays as it is.
    let _ = keys.thread_block();
}

/// Runs the editor until it ends. `is_json`: standard output is for one JSON object, and nothing else.
fn edit(copy: &Path, is_json: bool) -> Result<(), Failure> {
    let Some(editor) = editor(|name| env::var_os(name)) else {
        let message = "there is no editor for a terminal that cannot move its cursor";
        return Err(Failure::new(Exit::Usage, message).hint("set VISUAL or EDITOR"));
    };
    let mut command = Command::new("sh");
    // As git does it: the variable may hold options too.
    let script: OsString = [editor.as_os_str(), OsStr::new(" \"$@\"")].into_iter().collect();
    command.arg("-c").arg(script).arg(&editor).arg(copy);
    if is_json {
        command.stdout(own_errors()?);
    }
    let shown = editor.display();
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => {
            let failure = Failure::new(Exit::Failed, format!("the editor `{shown}` failed"));
            Err(failure.because(vec![status.to_string()]).hint("modules.toml is as it was"))
        }
        Err(error) => Err(Failure::new(Exit::Failed, format!("could not start `{shown}`"))
            .because(vec![error.to_string()])
            .hint("set VISUAL or EDITOR")),
    }
}

/// The person's editor; none, where only one that needs no cursor would do.
fn editor(variable: impl Fn(&str) -> Option<OsString>) -> Option<OsString> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    let is_dumb = set("TERM").is_none_or(|term| term == "dumb");
    let visual = set("VISUAL").filter(|_| !is_dumb);
    visual.or_else(|| set("EDITOR")).or_else(|| (!is_dumb).then(|| "vi".into()))
}

fn failure_of(store: &Store, error: EditTextError) -> Failure {
    match error {
        EditTextError::Declare(error @ (DeclareError::Toml { .. } | DeclareError::Text { .. })) => {
            let causes = crate::causes::causes(&error);
            Failure::new(Exit::Usage, "the edited text cannot be understood").because(causes)
        }
        EditTextError::Changed => {
            let file = store.layout().modules_toml();
            let message = format!("{} was changed meanwhile, and is left as it is", file.display());
            Failure::new(Exit::Busy, message)
        }
        EditTextError::Access(error) => error.into(),
        EditTextError::Declare(error) => error.into(),
        error => Failure::of(Exit::Failed, &error),
    }
}

/// The failure, with the file in which the person's text stays.
fn keep(copy: TempPath, failure: Failure) -> Failure {
    match copy.keep() {
        Ok(path) => {
            let path = path.display();
            failure.hint(format!("modules.toml is as it was; your text is in {path}"))
        }
        Err(error) => at(&error.path, &error.error),
    }
}

fn at(path: &Path, error: &io::Error) -> Failure {
    Failure::new(Exit::Failed, format!("could not keep {}", path.display()))
        .because(vec![error.to_string()])
}

impl Answer for EditAnswer {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        let Self { file, .. } = self;
        match self.changed {
            true => writeln!(to, "{file} was changed; `modstore update` makes it current"),
            false => writeln!(to, "{file} is as it was"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_editor_is_chosen_as_git_chooses_it() {
        let of = |set: &[(&str, &str)]| {
            let value = |name: &str| set.iter().find(|(it, _)| *it == name).map(|it| it.1.into());
            editor(value).map(|editor| editor.into_string().unwrap())
        };
        let (visual, plain) = (("VISUAL", "code --wait"), ("EDITOR", "ed"));
        assert_eq!(of(&[visual, plain, ("TERM", "xterm")]).as_deref(), Some("code --wait"));
        assert_eq!(of(&[visual, plain, ("TERM", "dumb")]).as_deref(), Some("ed"));
        assert_eq!(of(&[visual, plain]).as_deref(), Some("ed"), "no terminal");
        assert_eq!(of(&[("EDITOR", ""), ("TERM", "xterm")]).as_deref(), Some("vi"));
        assert_eq!(of(&[visual, ("TERM", "dumb")]), None);
    }
}
