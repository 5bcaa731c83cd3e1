//! `unexpose`: the link at a place of the host's is taken away.

use std::{io, path::PathBuf};

use clap::{Args, ValueHint};
use modstore::ModuleName;
use schemars::JsonSchema;
use serde::Serialize;

use super::Runnable;
use crate::{
    context::Context, exit::Exit, json::paths, output::Answer, page::Page, report::Failure,
};

/// Take away the links that `modstore expose` made
///
/// A file, a directory or a link to elsewhere that took the place of such a link stays.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore unexpose weather                            (all links to this module)
  modstore unexpose ~/.config/my-host/plugins/weather
  modstore unexpose --dir ~/.config/my-host/plugins    (all links in this directory)")]
pub(crate) struct UnexposeArgs {
    /// A module, or the path of a link
    #[arg(required_unless_present = "dir", value_name = "NAME|PATH", value_hint = ValueHint::AnyPath)]
    what: Vec<PathBuf>,
    /// All links in this directory
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, conflicts_with = "what")]
    dir: Option<PathBuf>,
}

/// The answer of `unexpose`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct UnexposeAnswer {
    generation: Option<u64>,
    /// Where links were.
    removed: Vec<String>,
}

impl Runnable for UnexposeArgs {
    type Answer = UnexposeAnswer;

    fn run(&self, context: &Context) -> Result<UnexposeAnswer, Failure> {
        let store = context.store()?;
        let state = store.state()?;
        let mut modules = Vec::new();
        let mut places = Vec::new();
        for what in &self.what {
            let text = what.to_string_lossy();
            match text.parse::<ModuleName>() {
                Ok(name) if state.exposed().values().any(|it| it.module == name) => {
                    modules.push(name)
                }
                _ => places.push(what.clone()),
            }
        }
        if let Some(dir) = &self.dir {
            let absolute = std::path::absolute(dir).unwrap_or_else(|_| dir.clone());
            let real = dir.canonicalize().unwrap_or_else(|_| absolute.clone());
            let all = state.exposed().keys().map(|place| place.as_path());
            let within = |place: &&std::path::Path| {
                place.parent().is_some_and(|parent| parent == absolute || parent == real)
            };
            places.extend(all.filter(within).map(std::path::Path::to_owned));
            if places.is_empty() {
                let message = format!("no module is exposed in {}", dir.display());
                let hint = "`modstore status` lists what is exposed";
                return Err(Failure::new(Exit::Usage, message).hint(hint));
            }
        }
        let removed = store.unexpose(&modules, &places, &context.progress(), context.cancel())?;
        let generation = store.current().map(|generation| generation.number());
        Ok(UnexposeAnswer { generation, removed: paths(&removed) })
    }
}

impl Answer for UnexposeAnswer {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        self.removed.iter().try_for_each(|place| writeln!(to, "removed {place}"))
    }
}
