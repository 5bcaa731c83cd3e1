//! `diff`: what differs between two generations, down to the files.

use std::io;

use modstore::{Exit, update::Difference};

use super::served::change;
use crate::{
    args::DiffArgs,
    context::Context,
    json::{Change, Diff, Differing, Files, Served},
    output::Answer,
    page::Page,
    report::Failure,
};

/// Compares.
pub(crate) fn run(context: &Context, args: &DiffArgs) -> Result<Diff, Failure> {
    let store = context.store()?;
    let shown = store.shown();
    let none = || {
        Failure::new(Exit::Usage, "nothing is shown yet")
            .hint("`modstore history` lists the generations")
    };
    let to = args.to.or(shown).ok_or_else(none)?;
    let modules = store.difference(args.from, to)?.into_iter().map(differing).collect();
    let generation = shown.map(|shown| shown.number());
    Ok(Diff { generation, from: args.from.number(), to: to.number(), modules })
}

/// A difference, as values.
pub(super) fn differing(difference: Difference) -> Differing {
    let Difference { module, from, to, files } = difference;
    let module = module.to_string();
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
