//! `add`: declares modules by their sources, and fetches them.

use std::{collections::BTreeSet, io, path::Path};

use clap::Args;
use modstore::{Addition, ModuleName, Source, Store, errors::AddError};
use modstore_core::model::{Subdirectory, Submodules};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Runnable, changes::Update};
use crate::{
    context::Context, exit::Exit, json::texts, output::Answer, page::Page, report::Failure,
};

/// Add modules by their sources, fetch them and make them available
///
/// A source is a git repository (git+https://host/path, git+ssh://…, git+file://…, user@host:path), with
/// @REF for a branch, tag or commit and #subdirectory=DIR for a part of it; an archive
/// (archive+https://…#sha256=…); or a local directory, which is linked: used in place, never copied.
///
/// The module's name is the last part of the subdirectory or repository, unless --name gives another.
/// A module that cannot be fetched is not added; the others are, and the exit code is 1. A user in a URL is kept and chooses the account. A password
/// is used now and not stored; a git credential helper keeps it for updates, if one is configured.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore add git+https://github.com/me/weather
  modstore add git+https://github.com/me/tools@v2 --subdirectory modules/bash --name tool-bash
  modstore add git+https://github.com/me/game --no-submodules
  modstore add ./src/my-fork         (linked: your own directory, live)")]
pub(crate) struct AddArgs {
    /// Where the modules come from
    #[arg(required = true, value_name = "SOURCE")]
    sources: Vec<String>,
    /// The module's name, for a single source
    #[arg(long, value_name = "NAME")]
    name: Option<ModuleName>,
    /// The part of the source that is the module, for a single source
    #[arg(long, value_name = "DIR")]
    subdirectory: Option<Subdirectory>,
    /// Do not fetch the repository's submodules
    #[arg(long, conflicts_with = "submodules")]
    no_submodules: bool,
    /// Fetch only the submodules at or below PATH; may be given several times
    #[arg(long = "submodule", value_name = "PATH")]
    submodules: Vec<Subdirectory>,
    /// Fetch the content of files that the repository keeps with Git LFS, not only the pointers to it
    #[arg(long)]
    lfs: bool,
    /// Only write modules.toml; the next update fetches
    #[arg(long)]
    no_update: bool,
    /// Allow the builds that modules.toml already declares for these modules, as `modstore allow` does
    #[arg(long)]
    allow_build: bool,
}

/// The answer of `add`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct AddAnswer {
    generation: Option<u64>,
    /// The modules that were added, in the order of their sources. What failed is in `update` and is not declared.
    added: Vec<String>,
    /// The update that followed; null with `--no-update`.
    update: Option<Update>,
}

impl Runnable for AddArgs {
    type Answer = AddAnswer;

    fn run(&self, context: &Context) -> Result<AddAnswer, Failure> {
        let additions = self.additions()?;
        let store = context.store()?;
        warn_of_secrets(context, &additions);
        if self.allow_build {
            allow(context, &store, &additions)?;
        }
        let done = store.add(&additions, !self.no_update, &context.progress(), context.cancel());
        let answer = match done {
            Ok(added) => AddAnswer {
                generation: store.current().map(|generation| generation.number()),
                added: texts(&added.modules),
                update: added.report.map(|report| Update::new(&store, &report)),
            },
            Err(AddError::NotFetched(report)) => AddAnswer {
                generation: report.generation.map(|generation| generation.number()),
                added: Vec::new(),
                update: Some(Update::new(&store, &report)),
            },
            Err(error) => return Err(error.into()),
        };
        answer.update.iter().for_each(|update| update.warn(&context.output));
        Ok(answer)
    }
}

impl AddArgs {
    /// The modules to be declared.
    fn additions(&self) -> Result<Vec<Addition>, Failure> {
        let is_single = self.sources.len() == 1;
        if !is_single && (self.name.is_some() || self.subdirectory.is_some()) {
            let message = "--name and --subdirectory are for a single source";
            return Err(Failure::new(Exit::Usage, message).hint("add one source at a time"));
        }
        let additions = self.sources.iter().map(|text| {
            let source = self.with_contents(source(text, self.subdirectory.as_ref())?)?;
            let name = self.name.clone().or_else(|| ModuleName::guess_from(&source));
            Ok(Addition { name, source })
        });
        let additions: Vec<Addition> = additions.collect::<Result<_, Failure>>()?;
        refuse_twins(&additions)?;
        Ok(additions)
    }

    /// The source with what the options say of its contents.
    fn with_contents(&self, mut source: Source) -> Result<Source, Failure> {
        let submodules = match self.submodules.as_slice() {
            [] if self.no_submodules => Some(Submodules::None),
            [] => None,
            paths => Some(Submodules::at(paths.iter().cloned().collect())),
        };
        match &mut source {
            Source::Git(git) => {
                git.contents.submodules =
                    submodules.unwrap_or_else(|| git.contents.submodules.clone());
                git.contents.lfs |= self.lfs;
                Ok(source)
            }
            _ if submodules.is_none() && !self.lfs => Ok(source),
            _ => {
                let message = format!("{source} is no git repository");
                let hint = "--no-submodules, --submodule and --lfs are for git repositories";
                Err(Failure::new(Exit::Usage, message).hint(hint))
            }
        }
    }
}

/// Allows the builds that modules.toml declares for these modules.
fn allow(context: &Context, store: &Store, additions: &[Addition]) -> Result<(), Failure> {
    let declared = store.declarations()?;
    let is_added =
        |name: &&ModuleName| additions.iter().any(|addition| addition.name.as_ref() == Some(*name));
    let built = declared.modules.iter().filter(|(_, declared)| declared.build.is_some());
    let names: Vec<ModuleName> = built.map(|(name, _)| name).filter(is_added).cloned().collect();
    if !names.is_empty() {
        store.allow(&names, &context.progress(), context.cancel())?;
    }
    Ok(())
}

pub(super) fn source(text: &str, subdirectory: Option<&Subdirectory>) -> Result<Source, Failure> {
    let here = std::env::current_dir().map_err(|error| {
        Failure::of(Exit::Failed, &error).hint("change to a directory that exists")
    })?;
    let source = Source::parse(text, &here, std::env::home_dir().as_deref()).map_err(|error| {
        let failure = Failure::of_source(error);
        match directory_meant(text, &here) {
            Some(meant) => failure.hint(format!("write {meant}")),
            None => failure,
        }
    })?;
    let Some(below) = subdirectory else { return Ok(source) };
    source.part(below).map_err(|written| {
        let message = format!("the source says `{written}` and --subdirectory says `{below}`");
        Failure::new(Exit::Usage, message).hint("leave one of them out")
    })
}

/// What to write for a directory that was named without `./`.
fn directory_meant(text: &str, here: &Path) -> Option<String> {
    let end = text.find(['@', '#']).unwrap_or(text.len());
    let (directory, rest) = text.split_at_checked(end)?;
    let path = here.join(directory);
    if directory.is_empty() || !path.is_dir() {
        return None;
    }
    // Only a repository has references; a directory is linked as it is.
    let is_repository = path.join(".git").exists() || path.join("HEAD").is_file();
    let followed = format!("git+file://{}{rest}", path.display());
    if is_repository && rest.starts_with('@') && Source::parse(&followed, here, None).is_ok() {
        Some(followed)
    } else {
        Some(format!("./{directory}"))
    }
}

/// Two sources with one name in one command would become one module.
fn refuse_twins(additions: &[Addition]) -> Result<(), Failure> {
    let mut seen = BTreeSet::new();
    let mut names = additions.iter().filter_map(|addition| addition.name.as_ref());
    match names.find(|name| !seen.insert(*name)) {
        None => Ok(()),
        Some(name) => {
            let message = format!("two of the sources would be module `{name}`");
            Err(Failure::new(Exit::Usage, message).hint("add them one at a time, with --name"))
        }
    }
}

fn warn_of_secrets(context: &Context, additions: &[Addition]) {
    for addition in additions.iter().filter(|addition| addition.source.has_secret()) {
        context.output.warn(&format!(
            "the secret in {} is used now and not stored; later updates need a git credential helper that knows it",
            addition.source
        ));
    }
}

impl Answer for AddAnswer {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        match &self.update {
            Some(update) => {
                if self.added.is_empty() {
                    writeln!(to, "nothing was added")?;
                } else if !update.failed.is_empty() || !update.deferred.is_empty() {
                    writeln!(to, "added {}; what failed is not declared", self.added.join(", "))?;
                }
                update.write(to)
            }
            None => {
                writeln!(to, "declared {}", self.added.join(", "))?;
                writeln!(to, "`modstore update` fetches what is declared")
            }
        }
    }

    fn troubles(&self) -> Vec<Failure> {
        self.update.as_ref().map(Update::troubles).unwrap_or_default()
    }

    fn failure(&self) -> Option<Failure> {
        self.update.as_ref().and_then(Update::failure)
    }
}
