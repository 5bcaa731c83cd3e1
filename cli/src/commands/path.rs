//! `path`: where a module is. Reads links only, so that a host can ask at every start.

use std::{
    io,
    path::{Component, Path as StdPath, PathBuf},
};

use clap::Args;
use modstore::{
    commit::shown,
    disk::{Layout, has_no_links},
    model::ModuleName,
};
use serde::Serialize;

use super::{Effect, Run};
use crate::{
    context::Context, exit::Exit, json::Path, output::Answer, page::Page, report::Failure,
};

/// Where a module is; the bytes for people are those of the file system.
#[derive(Debug, Serialize)]
pub(crate) struct Answered {
    #[serde(flatten)]
    json: Path,
    #[serde(skip)]
    path: PathBuf,
}

/// Print where a module is
///
/// Prints its target: a path that stays the same through every update, for a host that loads modules from
/// directories. With --entry it prints the directory that the target leads to right now, whose content
/// never changes.
///
/// Do not give either path to an installer: it would record the directory of today's version, which the next
/// update leaves behind and `gc` deletes. `modstore bind` installs modules so that they follow updates.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore path weather
  modstore path weather --entry           (the directory it leads to right now)
  modstore bind --python .venv weather    (to import the module in Python)")]
pub(crate) struct PathArgs {
    /// The module
    #[arg(value_name = "NAME")]
    name: ModuleName,
    /// Where the target leads right now
    #[arg(long)]
    entry: bool,
}

impl Run for PathArgs {
    type Answer = Answered;
    const EFFECT: Effect = Effect::Reads;

    fn run(&self, context: &Context) -> Result<Answered, Failure> {
        let layout = Layout::new(context.home()?);
        has_no_links(&layout)?;
        let target = layout.current().join(self.name.as_str());
        if std::fs::symlink_metadata(&target).is_err() {
            return Err(super::served::unknown(&context.store()?, &self.name, Exit::Failed));
        }
        let path = if self.entry {
            entry(&layout, &self.name).map_err(|error| not_there(&target, &error))?
        } else {
            target
        };
        let json = Path {
            generation: shown(&layout).map(|shown| shown.number()),
            module: self.name.to_string(),
            path: path.display().to_string(),
        };
        Ok(Answered { json, path })
    }
}

/// Where the target leads right now: an entry, a part of one, or the user's own directory.
pub(super) fn entry(layout: &Layout, name: &ModuleName) -> io::Result<PathBuf> {
    // The generation is resolved once, so that a switch in between cannot mix two of them.
    let generation = layout.home().join(std::fs::read_link(layout.current())?);
    let entry = plain(&generation.join(std::fs::read_link(generation.join(name.as_str()))?));
    std::fs::metadata(&entry)?;
    Ok(entry)
}

/// The path without `..`, which in links of the store never follow another link.
fn plain(path: &StdPath) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain
}

fn not_there(target: &StdPath, error: &io::Error) -> Failure {
    let message = format!("{} leads nowhere", target.display());
    Failure::new(Exit::Failed, message)
        .because(vec![error.to_string()])
        .hint("`modstore show` tells where it should lead")
}

impl Answer for Answered {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        to.path(&self.path)
    }
}
