//! `allow`: a person's consent to what a build runs.

use std::io;

use modstore::model::command_line;

use crate::{
    args::AllowArgs,
    context::Context,
    json::{Allow, Build},
    output::Answer,
    page::Page,
    report::Failure,
    text::Table,
};

/// Allows, or withdraws, or lists.
pub(crate) fn run(context: &Context, args: &AllowArgs) -> Result<Allow, Failure> {
    let store = context.store()?;
    let (mut builds, mut revoked) = (Vec::new(), Vec::new());
    if args.list {
        builds = store.builds(&store.declarations()?);
    } else if args.revoke {
        revoked = store.revoke(&args.names, &context.progress(), context.cancel())?;
    } else {
        builds = store.allow(&args.names, &context.progress(), context.cancel())?;
    }
    Ok(Allow {
        generation: context.generation(),
        builds: builds.into_iter().map(Build::from).collect(),
        revoked: revoked.iter().map(ToString::to_string).collect(),
    })
}

impl Answer for Allow {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        for build in &self.builds {
            writeln!(to, "{}", build.module)?;
            build.write(to)?;
        }
        if !self.revoked.is_empty() {
            writeln!(to, "nothing is allowed any more of {}", self.revoked.join(", "))?;
        }
        if self.builds.is_empty() && self.revoked.is_empty() {
            writeln!(to, "no build is declared or allowed")?;
        }
        Ok(())
    }
}

impl Build {
    /// Writes all that is allowed with it, and whether it is.
    pub(crate) fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        let mut table = Table::default();
        let mut row = |what: &str, text: &str| table.row([what, text]);
        row("build", if self.allowed { "allowed" } else { "not allowed" });
        row("command", &command_line(&self.command));
        for (what, words) in [("toolchain", &self.toolchain), ("validate", &self.validate)] {
            words.iter().for_each(|words| row(what, &command_line(words)));
        }
        row("output", self.output.as_deref().unwrap_or("."));
        row("inputs", &command_line(&self.inputs));
        if !self.env.is_empty() {
            row("variables", &command_line(&self.env));
        }
        self.depfile.iter().for_each(|path| row("depfile", path));
        row("timeout", &format!("{}s", self.timeout_ms as f64 / 1000.0));
        table.write(to, 2)
    }
}
