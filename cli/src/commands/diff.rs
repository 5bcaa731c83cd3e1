//! `diff`: what differs between two generations, down to the files.

use std::io;

use clap::Args;
use modstore::{model::Generation, update::Difference};

use super::{Effect, Run, served::change};
use crate::{
    context::Context,
    exit::Exit,
    json::{Change, Diff, Differing, Files, Served},
    output::Answer,
    page::Page,
    report::Failure,
};

/// Tell what differs between two generations
///
/// Modules, and the files in them. A generation is the number that `modstore history` shows.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore diff 16                   (from generation 16 to the one that is shown)
  modstore diff 12 16")]
pub(crate) struct DiffArgs {
    /// The first generation
    #[arg(value_name = "G1")]
    from: Generation,
    /// The second; when left out, the one that is shown
    #[arg(value_name = "G2")]
    to: Option<Generation>,
}

impl Run for DiffArgs {
    type Answer = Diff;
    const EFFECT: Effect = Effect::Reads;

    fn run(&self, context: &Context) -> Result<Diff, Failure> {
        let store = context.store()?;
        let shown = store.current();
        let none = || {
            Failure::new(Exit::Usage, "nothing is shown yet")
                .hint("`modstore history` lists the generations")
        };
        let to = self.to.or(shown).ok_or_else(none)?;
        let modules = store.difference(self.from, to)?.into_iter().map(differing).collect();
        let generation = shown.map(|shown| shown.number());
        Ok(Diff { generation, from: self.from.number(), to: to.number(), modules })
    }
}

/// A difference, as values.
pub(super) fn differing(difference: Difference) -> Differing {
    let Difference { module, from, to, files } = difference;
    let change =
        Change { module, from: from.as_ref().map(Served::from), to: to.as_ref().map(Served::from) };
    let files = files.map(|files| Files {
        added: files.added,
        changed: files.changed,
        removed: files.removed,
    });
    Differing { change, files }
}

impl Answer for Diff {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        if self.modules.is_empty() {
            return writeln!(to, "generations {} and {} show the same", self.from, self.to);
        }
        for Differing { change: Change { module, from, to: now }, files } in &self.modules {
            writeln!(to, "{module}  {}", change(from.as_ref(), now.as_ref()))?;
            let Some(Files { added, changed, removed }) = files else { continue };
            for (mark, paths) in [("+", added), ("~", changed), ("-", removed)] {
                for path in paths {
                    writeln!(to, "  {mark} {}", path)?;
                }
            }
        }
        Ok(())
    }
}
