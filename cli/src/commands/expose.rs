//! `expose`: a link at a place of the host's that leads to a module.

use std::{
    io,
    path::{Path, PathBuf},
};

use clap::{Args, ValueHint};
use modstore::{ModuleName, State};
use modstore_core::model::Exposure;
use schemars::JsonSchema;
use serde::Serialize;

use super::{Runnable, names};
use crate::{
    context::Context, exit::Exit, output::Answer, page::Page, report::Failure, table::Table,
};

/// Make a link at a place of the host's that leads to a module
///
/// For hosts that load modules from a directory of their own: the link is made once, and follows every update and
/// rollback. It leads to the module's target. Nothing that is there is ever replaced.
///
/// `modstore status` lists the links, `modstore verify` finds one that is gone or was replaced, `verify --repair` puts
/// it back, and `unexpose`, `remove` and `reset --purge` take it away.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore expose weather ~/.config/my-host/plugins/weather
  modstore expose weather tool-bash --dir ~/.config/my-host/plugins")]
pub(crate) struct ExposeArgs {
    /// The module and the path of the link; with --dir, the modules
    #[arg(required = true, value_name = "NAME|PATH", value_hint = ValueHint::AnyPath)]
    what: Vec<PathBuf>,
    /// Make the links in this directory, each with the name of its module
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    dir: Option<PathBuf>,
}

/// The answer of `expose`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ExposeAnswer {
    generation: Option<u64>,
    /// The links.
    exposed: Vec<ExposedModule>,
}

/// A link at a place of a host's that leads to a module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct ExposedModule {
    /// The module.
    pub(super) module: String,
    /// Where the link is.
    pub(super) place: String,
    /// Whether the link is there and leads to the module's target.
    pub(super) there: bool,
}

impl Runnable for ExposeArgs {
    type Answer = ExposeAnswer;

    fn run(&self, context: &Context) -> Result<ExposeAnswer, Failure> {
        let wanted = self.wanted()?;
        let store = context.store()?;
        let modules: Vec<ModuleName> = wanted.iter().map(|(module, _)| module.clone()).collect();
        names::known(&store, &modules)?;
        let mut exposed = Vec::new();
        for (module, place) in &wanted {
            let place = store.expose(module, place, &context.progress(), context.cancel())?;
            let place = place.display().to_string();
            exposed.push(ExposedModule { module: module.to_string(), place, there: true });
        }
        let generation = store.current().map(|generation| generation.number());
        Ok(ExposeAnswer { generation, exposed })
    }
}

impl ExposeArgs {
    /// The modules and their places.
    fn wanted(&self) -> Result<Vec<(ModuleName, PathBuf)>, Failure> {
        match (&self.dir, self.what.as_slice()) {
            (Some(dir), names) => names
                .iter()
                .map(|name| {
                    let name = module(name)?;
                    let place = dir.join(&name);
                    Ok((name, place))
                })
                .collect(),
            (None, [name, place]) => Ok(vec![(module(name)?, place.clone())]),
            (None, _) => {
                let message = "expected a module and the path of its link";
                let hint = "with --dir DIR, several modules can be named";
                Err(Failure::new(Exit::Usage, message).hint(hint))
            }
        }
    }
}

fn module(name: &Path) -> Result<ModuleName, Failure> {
    let text = name.to_string_lossy();
    text.parse().map_err(|error| {
        Failure::of(Exit::Usage, &error).hint("the module comes first, then the path of its link")
    })
}

/// Every link that the store has made, and whether it is there.
pub(super) fn exposed(state: &State, home: &Path) -> Vec<ExposedModule> {
    let home = home.canonicalize().unwrap_or_else(|_| home.to_owned());
    let exposed = state.exposed().iter().map(|(place, Exposure { module, .. })| {
        let leads = std::fs::read_link(place.as_path());
        let there = leads.is_ok_and(|to| to == home.join("current").join(module));
        ExposedModule { module: module.to_string(), place: place.to_string(), there }
    });
    exposed.collect()
}

impl ExposedModule {
    pub(super) fn summary(&self) -> String {
        let is_there = if self.there { "" } else { "  (not there: see `modstore verify`)" };
        format!("{} at {}{is_there}", self.module, self.place)
    }
}

impl Answer for ExposeAnswer {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        let mut table = Table::default();
        self.exposed.iter().for_each(|it| table.row([it.place.as_str(), "->", &it.module]));
        table.write(to, 0)
    }
}
