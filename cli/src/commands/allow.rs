//! `allow`: a person's permission for the commands that a build runs.

mod build;

use std::io;

use clap::Args;
use modstore::{ModuleName, Store};
use schemars::JsonSchema;
use serde::Serialize;

pub(super) use self::build::Build;
use super::{Runnable, names};
use crate::{context::Context, json::texts, output::Answer, page::Page, report::Failure};

/// Allow the builds of modules, exactly as they are declared now
///
/// A build runs the commands that modules.toml declares for a module. Until it is allowed here, the module fails
/// and keeps its current version. This command prints what it allows and runs nothing; the next update builds.
///
/// The permission is for this store, this module, its source, and everything in its `build` table. If one of them
/// changes, the build must be allowed again. New commits of the module do not need that.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  modstore allow --list              (every build, its commands, and whether it is allowed)
  modstore allow weather
  modstore allow --revoke weather    (its build does not run any longer; its entry stays)
  MODSTORE_ALLOW_BUILDS=1 modstore update      (for CI: allows every build, and records nothing)")]
pub(crate) struct AllowArgs {
    /// The modules
    #[arg(required_unless_present = "list", value_name = "NAME")]
    names: Vec<ModuleName>,
    /// List the declared builds, and allow nothing
    #[arg(long, conflicts_with_all = ["names", "revoke"])]
    list: bool,
    /// Withdraw the permission instead
    #[arg(long)]
    revoke: bool,
}

/// The answer of `allow`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct AllowAnswer {
    generation: Option<u64>,
    /// The builds that are allowed now; with `--list`, all that are declared.
    builds: Vec<Build>,
    /// With `--revoke`: modules whose builds had a permission, which is withdrawn.
    revoked: Vec<String>,
}

impl Runnable for AllowArgs {
    type Answer = AllowAnswer;

    fn run(&self, context: &Context) -> Result<AllowAnswer, Failure> {
        let store = context.store()?;
        let mut answer = AllowAnswer {
            generation: context.generation(),
            builds: Vec::new(),
            revoked: Vec::new(),
        };
        if self.revoke {
            answer.revoked = texts(&self.revoked(context, &store)?);
            return Ok(answer);
        }
        let builds = if self.list {
            store.builds(&store.declarations()?)
        } else {
            names::known(&store, &self.names)?;
            store.allow(&self.names, &context.progress(), context.cancel())?
        };
        answer.builds = builds.into_iter().map(Build::from).collect();
        Ok(answer)
    }
}

impl AllowArgs {
    /// Withdraws the permissions. Those of modules that are not declared any longer come first, so that a name that was
    /// never one is refused before another permission is withdrawn.
    fn revoked(&self, context: &Context, store: &Store) -> Result<Vec<ModuleName>, Failure> {
        let declared = store.declarations()?;
        let is_declared = |name: &ModuleName| declared.get(name).is_some();
        let (known, gone): (Vec<_>, Vec<_>) = self.names.iter().cloned().partition(is_declared);
        let revoke = |names: &[ModuleName]| -> Result<Vec<ModuleName>, Failure> {
            Ok(store.revoke(names, &context.progress(), context.cancel())?)
        };
        let mut revoked = if gone.is_empty() { Vec::new() } else { revoke(&gone)? };
        if let Some(name) = gone.iter().find(|name| !revoked.contains(name)) {
            return Err(names::unknown(store, name));
        }
        if !known.is_empty() {
            revoked.extend(revoke(&known)?);
        }
        Ok(revoked)
    }
}

impl Answer for AllowAnswer {
    fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        for build in &self.builds {
            writeln!(to, "{}", build.module)?;
            build.write(to)?;
        }
        if !self.revoked.is_empty() {
            writeln!(to, "builds that are not allowed any longer: {}", self.revoked.join(", "))?;
        }
        if self.builds.is_empty() && self.revoked.is_empty() {
            writeln!(to, "no build is declared or allowed")?;
        }
        Ok(())
    }
}
