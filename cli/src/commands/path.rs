//! `path`: where a module is. Reads links only, so that a host can ask at every start.

use std::{
    io,
    path::{Component, Path as StdPath, PathBuf},
};

use modstore::{
    Exit,
    commit::shown,
    disk::{Layout, has_no_links},
    model::ModuleName,
};
use serde::Serialize;

use crate::{
    args::PathArgs, context::Context, json::Path, output::Answer, page::Page, report::Failure,
};

/// Where a module is; the bytes for people are those of the file system.
#[derive(Debug, Serialize)]
pub(crate) struct Answered {
    #[serde(flatten)]
    json: Path,
    #[serde(skip)]
    path: PathBuf,
}

/// Finds it.
pub(crate) fn run(context: &Context, args: &PathArgs) -> Result<Answered, Failure> {
    let layout = Layout::new(context.home()?);
    has_no_links(&layout).map_err(|error| Failure::of_home(&error))?;
    let target = layout.current().join(args.name.as_str());
    if std::fs::symlink_metadata(&target).is_err() {
        return Err(super::served::unknown(&context.store()?, &args.name, Exit::Failed));
    }
    let path = if args.entry {
        entry(&layout, &args.name).map_err(|error| not_there(&target, &error))?
    } else {
        target
    };
    let json = Path {
        generation: shown(&layout).map(|shown| shown.number()),
        module: args.name.to_string(),
        path: path.display().to_string(),
    };
    Ok(Answered { json, path })
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
