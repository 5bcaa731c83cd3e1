//! `allow`: a person's consent to what a build runs.

use std::io;

use clap::Args;
use modstore::model::{ModuleName, command_line};

use super::Run;
use crate::{
    context::Context,
    json::{Allow, Build},
    output::Answer,
    page::Page,
    report::Failure,
    text::Table,
};

/// Allow the builds of modules, exactly as they are declared now
///
/// A build runs the commands that modules.toml declares for a module. It runs only after this: the module fails before,
/// and keeps its current version. What is allowed is printed, and nothing is run; the next update or scan builds.
///
/// The permission is for this store, this module, where it comes from, and everything in its `build` table. When one of
/// these changes, the build has to be allowed again. New commits of the module do not need that.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore allow --list              (every build, its commands, and whether it is allowed)
  modstore allow weather
  modstore allow --revoke weather    (its build is not run any more; its entry stays)
  MODSTORE_ALLOW_BUILDS=1 modstore update      (for CI: allows every build, and records nothing)")]
pub(crate) struct AllowArgs {
    /// The modules
    #[arg(required_unless_present = "list", value_name = "NAME")]
    names: Vec<ModuleName>,
    /// List the builds that are declared, and allow nothing
    #[arg(long, conflicts_with_all = ["names", "revoke"])]
    list: bool,
    /// Withdraw the permission instead
    #[arg(long)]
    revoke: bool,
}

impl Run for AllowArgs {
    type Answer = Allow;

    fn run(&self, context: &Context) -> Result<Allow, Failure> {
        let store = context.store()?;
        let (mut builds, mut revoked) = (Vec::new(), Vec::new());
        if self.list {
            builds = store.builds(&store.declarations()?);
        } else if self.revoke {
            revoked = store.revoke(&self.names, &context.progress(), context.cancel())?;
        } else {
            builds = store.allow(&self.names, &context.progress(), context.cancel())?;
        }
        Ok(Allow {
            generation: context.generation(),
            builds: builds.into_iter().map(Build::from).collect(),
            revoked: revoked.iter().map(ToString::to_string).collect(),
        })
    }
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
