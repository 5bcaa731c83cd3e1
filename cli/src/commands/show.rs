//! `show`: all about one module.

use std::io;

use clap::Args;
use modstore::{
    Store,
    commit::State,
    model::{Declarations, ModuleName},
};

use super::{Effect, Run, list, served::brief};
use crate::{
    context::Context,
    exit::Exit,
    json::{Attempt, Build, Listed, ModuleChange, Served, Show},
    output::Answer,
    page::Page,
    report::Failure,
    text::{Table, count, shortened, size},
    time,
};

/// Tell all about one module
///
/// Its source, target, entry, revision, size, and the generations that changed it.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  modstore show weather")]
pub(crate) struct ShowArgs {
    /// The module
    #[arg(value_name = "NAME")]
    name: ModuleName,
}

impl Run for ShowArgs {
    type Answer = Show;
    const EFFECT: Effect = Effect::Reads;

    fn run(&self, context: &Context) -> Result<Show, Failure> {
        let store = context.store()?;
        let (declared, state, shown) = (store.declarations()?, store.state()?, store.current());
        let since = list::last_changes(&state, shown).get(self.name.as_str()).copied();
        let mut listed = list::listed(&store, self.name.as_str(), declared.get(&self.name), since);
        listed.attempt = state.attempts().get(self.name.as_str()).map(Attempt::from);
        if listed.declared.is_none() && listed.served.is_none() {
            return Err(super::served::unknown(&store, &self.name, Exit::Failed));
        }
        let known = listed.served.as_ref().and_then(|served| served.digest.as_deref());
        let known =
            known.and_then(|digest| digest.parse().ok()).and_then(|digest| state.entry(digest));
        Ok(Show {
            generation: shown.map(|shown| shown.number()),
            entry: entry(&store, &self.name, &listed),
            files: known.map(|entry| entry.files),
            bytes: known.map(|entry| entry.bytes),
            build: build(&store, &declared, &self.name),
            history: history(&state, &self.name),
            listed,
        })
    }
}

fn entry(store: &Store, name: &ModuleName, listed: &Listed) -> Option<String> {
    listed.served.as_ref()?;
    super::path::entry(store.layout(), name).ok().map(|path| path.display().to_string())
}

fn build(store: &Store, declared: &Declarations, name: &ModuleName) -> Option<Build> {
    let build = store.builds(declared).into_iter().find(|build| build.module == *name);
    build.map(Build::from)
}

fn history(state: &State, name: &ModuleName) -> Vec<ModuleChange> {
    let changes = state.generations().iter().rev().filter_map(|info| {
        let (_, binding) = info.changes.iter().rev().find(|(module, _)| module == name.as_str())?;
        let served = binding.as_ref().map(Served::from);
        Some(ModuleChange { generation: info.number.number(), at: time::stamp(info.at), served })
    });
    changes.collect()
}

impl Answer for Show {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        let Listed { module, target, declared, served, .. } = &self.listed;
        let mut table = Table::default();
        let mut row = |what: &str, text: Option<&str>| {
            if let Some(text) = text {
                table.row([what, text]);
            }
        };
        row("module", Some(module));
        row("target", Some(target));
        row("source", Some(declared.as_deref().unwrap_or("(declared no more)")));
        if let Some(served) = served {
            row(
                "shown from",
                Some(&served.source)
                    .filter(|source| Some(*source) != declared.as_ref())
                    .map(String::as_str),
            );
            row("linked to", served.linked.as_deref());
            let built = served.built.as_ref();
            row(
                "built from",
                built.and_then(|built| built.directory.as_deref().or(built.entry.as_deref())),
            );
            row("build key", built.map(|built| built.key.as_str()));
            row("origin", served.origin.as_deref());
            row("reference", served.reference.as_deref());
            row("revision", served.revision.as_deref());
            row("subdirectory", served.subdirectory.as_deref());
        } else {
            row("shown", Some("nothing yet; `modstore update` fetches it"));
        }
        row("entry", self.entry.as_deref());
        let files = self.files.and_then(|files| usize::try_from(files).ok());
        let content = files
            .zip(self.bytes)
            .map(|(files, bytes)| format!("{}, {}", count(files, "file"), size(bytes)));
        row("content", content.as_deref());
        table.write(to, 0)?;
        self.build.iter().try_for_each(|build| build.write(to))?;
        self.write_attempt(to)?;
        self.write_history(to)
    }
}

impl Show {
    fn write_attempt(&self, to: &mut Page<'_>) -> io::Result<()> {
        let Some(attempt) = &self.listed.attempt else { return Ok(()) };
        let Attempt { class, stage, error, causes, count, first, last, next, .. } = attempt;
        writeln!(to, "not as it is wanted ({stage}, {class})")?;
        writeln!(to, "  {}", shortened(error))?;
        for cause in causes {
            to.block("    ", "    ", cause)?;
        }
        let local = |stamp: &String| time::read(stamp).map(time::local).unwrap_or_default();
        let mut table = Table::default();
        table.row(["tried", &format!("{count} times, {} to {}", local(first), local(last))]);
        let next = next.as_ref().map(local);
        let never = "when something changes, or with --retry";
        table.row(["next", next.as_deref().unwrap_or(never)]);
        table.write(to, 2)
    }

    fn write_history(&self, to: &mut Page<'_>) -> io::Result<()> {
        let mut table = Table::default();
        for change in &self.history {
            let at = time::read(&change.at).map(time::local).unwrap_or_default();
            let what = change
                .served
                .as_ref()
                .map_or_else(|| "removed".into(), |served| brief(Some(served)));
            table.row([format!("generation {}", change.generation), at, what]);
        }
        if !self.history.is_empty() {
            writeln!(to, "changed in")?;
        }
        table.write(to, 2)
    }
}
