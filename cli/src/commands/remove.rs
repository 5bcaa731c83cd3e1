//! `remove`: declares modules no more, and shows a generation without them.

use std::io;

use crate::{
    args::RemoveArgs, context::Context, json::Remove, output::Answer, page::Page, report::Failure,
};

/// Removes.
pub(crate) fn run(context: &Context, args: &RemoveArgs) -> Result<Remove, Failure> {
    let store = context.store()?;
    super::served::known(&store, &args.names)?;
    let mut names = args.names.clone();
    names.sort();
    names.dedup();
    let generation = store.remove(&names, &context.progress(), context.cancel())?;
    let removed = names.iter().map(ToString::to_string).collect();
    Ok(Remove { generation: generation.map(|generation| generation.number()), removed })
}

impl Answer for Remove {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        writeln!(to, "removed {}", self.removed.join(", "))?;
        match self.generation {
            Some(generation) => writeln!(to, "generation {generation} is shown"),
            None => Ok(()),
        }
    }
}
