//! `set`: a declared module gets another source, or another reference or part of the same.

use std::io;

use clap::Args;
use modstore::{ModuleName, Source, Store, errors::SetError};
use modstore_core::model::{Declared, KeptPattern, Reference, Subdirectory};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    Runnable,
    add::source,
    names,
    outdated::{OutdatedModule, PlannedChange},
};
use crate::{
    context::Context,
    exit::Exit,
    json::{Failed, Hold, texts},
    output::Answer,
    page::Page,
    report::Failure,
};

/// Change where a declared module comes from, or which of its paths survive updates
///
/// Edits modules.toml and keeps comments and everything else in it. Fetches nothing: it asks the repository what the
/// new source stands for, says what the next update will do, and refuses a branch or tag that does not exist.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore set weather --ref v2
  modstore set weather --ref HEAD                    (the repository's default branch)
  modstore set weather --subdirectory modules/weather
  modstore set weather --source git+https://example.com/me/fork@main
  modstore set weather --keep 'user/**' --keep settings.json
  modstore set weather --no-keep settings.json")]
pub(crate) struct SetArgs {
    /// The module
    #[arg(value_name = "NAME")]
    name: ModuleName,
    /// Another source
    #[arg(long, value_name = "SOURCE")]
    source: Option<String>,
    /// The branch, tag or commit; HEAD for the default branch
    #[arg(long = "ref", value_name = "REF")]
    reference: Option<String>,
    /// The part of the source that is the module; `.` for all of it
    #[arg(long, value_name = "DIR")]
    subdirectory: Option<String>,
    /// A path that the module may write to and that survives updates: `user/**`, `settings.json`, `data/*.db`
    #[arg(long, value_name = "PATTERN", conflicts_with_all = ["source", "reference", "subdirectory"])]
    keep: Vec<String>,
    /// A path that is not to survive updates any longer; what the module wrote there stays in the store's `state/`
    #[arg(long, value_name = "PATTERN", conflicts_with_all = ["source", "reference", "subdirectory"])]
    no_keep: Vec<String>,
}

/// The answer of `set`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct SetAnswer {
    generation: Option<u64>,
    /// The module.
    module: String,
    /// The source in modules.toml before, without secrets.
    from: String,
    /// The source in modules.toml now, without secrets.
    to: String,
    /// The paths that the module keeps now.
    keep: Vec<String>,
    /// The directory that stands in for the source; null if the module is not linked.
    linked: Option<String>,
    /// Why the next update leaves the module as it is; null if it is not held.
    hold: Option<Hold>,
    /// What the next update would do; with a hold, what `modstore update NAME` would do.
    next: OutdatedModule,
}

impl Runnable for SetArgs {
    type Answer = SetAnswer;

    fn run(&self, context: &Context) -> Result<SetAnswer, Failure> {
        self.must_change_something()?;
        let store = context.store()?;
        names::known(&store, std::slice::from_ref(&self.name))?;
        let declared = store.declarations()?;
        let declared =
            declared.get(&self.name).ok_or_else(|| names::unknown(&store, &self.name))?;
        let wanted = self.wanted(declared)?;
        if wanted.has_secret() || declared.source.has_secret() {
            context
                .output
                .warn("the secret in the source is not kept; use a git credential helper");
        }
        let (kept, not_kept) = (patterns(&self.keep)?, patterns(&self.no_keep)?);
        let (events, cancel) = (context.progress(), context.cancel());
        let set = if kept.is_empty() && not_kept.is_empty() {
            store.set(&self.name, &wanted, &events, cancel)
        } else {
            store.set_kept(&self.name, (&kept, &not_kept), &events, cancel)
        };
        let set = match set {
            Ok(set) => set,
            Err(SetError::Refused(failed)) => {
                let trouble = Failed::from(&*failed).trouble("modules.toml is as it was");
                return Err(trouble);
            }
            Err(error) => return Err(error.into()),
        };
        Ok(SetAnswer {
            generation: store.current().map(|generation| generation.number()),
            module: self.name.to_string(),
            from: set.before,
            to: set.after,
            keep: self.kept_now(&store)?,
            linked: declared.linked.as_ref().map(|path| path.display().to_string()),
            hold: set.next.hold.as_ref().map(Hold::from),
            next: OutdatedModule::from(&set.next),
        })
    }
}

/// The patterns of paths to keep, as they were typed.
fn patterns(texts: &[String]) -> Result<Vec<KeptPattern>, Failure> {
    let read = |text: &String| {
        text.parse::<KeptPattern>().map_err(|error| {
            let message = format!("`{text}` is not a path that a module can keep");
            Failure::new(Exit::Usage, message).because(vec![error.to_string()])
        })
    };
    texts.iter().map(read).collect()
}

impl SetArgs {
    /// Refuses to do nothing.
    fn must_change_something(&self) -> Result<(), Failure> {
        let is_asked = self.source.is_some()
            || self.reference.is_some()
            || self.subdirectory.is_some()
            || !self.keep.is_empty()
            || !self.no_keep.is_empty();
        let nothing = || {
            let message = format!("nothing to change about `{}`", self.name);
            Failure::new(Exit::Usage, message)
                .hint("give --ref, --source, --subdirectory, --keep or --no-keep")
        };
        is_asked.then_some(()).ok_or_else(nothing)
    }

    fn kept_now(&self, store: &Store) -> Result<Vec<String>, Failure> {
        let declared = store.declarations()?;
        let keep = declared.get(&self.name).map(|declared| texts(declared.keep.patterns()));
        Ok(keep.unwrap_or_default())
    }

    /// The source that the options ask for.
    fn wanted(&self, declared: &Declared) -> Result<Source, Failure> {
        let mut wanted = match &self.source {
            None => declared.source.clone(),
            Some(text) => with_contents(source(text, None)?, &declared.source),
        };
        if let Some(text) = &self.reference {
            let Source::Git(git) = &mut wanted else {
                let message = format!("{wanted} is no git repository");
                return Err(
                    Failure::new(Exit::Usage, message).hint("--ref is for git repositories")
                );
            };
            git.reference = reference(text)?;
        }
        if let Some(text) = &self.subdirectory {
            let part = part(text)?;
            match &mut wanted {
                Source::Git(git) => git.subdirectory = part,
                Source::Archive(archive) => archive.subdirectory = part,
                Source::Linked(_) => {
                    let message = "a linked directory has no parts";
                    return Err(Failure::new(Exit::Usage, message)
                        .hint("give the whole path with --source"));
                }
            }
        }
        Ok(wanted)
    }
}

/// What is wanted beyond the tree of the repository stays as it is declared, unless the new source says it.
fn with_contents(mut wanted: Source, declared: &Source) -> Source {
    if let (Source::Git(git), Some(contents)) = (&mut wanted, declared.contents())
        && git.contents == Default::default()
    {
        git.contents = contents.clone();
    }
    wanted
}

/// The branch, tag or commit; nothing for the default branch.
fn reference(text: &str) -> Result<Option<Reference>, Failure> {
    if text == "HEAD" {
        return Ok(None);
    }
    let refused = |error| {
        Failure::of(Exit::Usage, &error).hint("--ref takes a branch, a tag, a commit or HEAD")
    };
    text.parse().map(Some).map_err(refused)
}

/// The part; nothing for all of it.
fn part(text: &str) -> Result<Option<Subdirectory>, Failure> {
    if text == "." {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|error| {
        Failure::of(Exit::Usage, &error)
            .hint("--subdirectory takes a path in the repository, or `.`")
    })
}

impl Answer for SetAnswer {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        match (self.from == self.to, self.keep.is_empty()) {
            (false, _) => writeln!(to, "{}: {} → {}", self.module, self.from, self.to)?,
            (true, true) => writeln!(to, "{}: {}, which keeps nothing", self.module, self.to)?,
            (true, false) => writeln!(to, "{} keeps {}", self.module, self.keep.join(", "))?,
        }
        let name = &self.module;
        if let Some(linked) = &self.linked {
            return writeln!(to, "it stays linked to {linked} until `modstore unlink {name}`");
        }
        if let Some(hold) = &self.hold {
            let since = hold.at.local();
            writeln!(to, "it is held since {since}: `modstore update {name}` ends that")?;
        }
        match (self.next.planned(), &self.next.failed()) {
            (_, Some(failed)) => writeln!(to, "the next update would fail: {}", failed.message),
            (PlannedChange::None, _) => writeln!(to, "the next update changes nothing"),
            _ => match self.next.step() {
                Some(step) => writeln!(to, "the next update: {step}"),
                None => writeln!(to, "the next update does not try it yet"),
            },
        }
    }
}
