//! `allow`: a person's permission for the commands that a build runs.

mod build;

use std::io;

use clap::Args;
use modstore::ModuleName;
use schemars::JsonSchema;
use serde::Serialize;

pub(super) use self::build::Build;
use super::Runnable;
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
            let revoked = store.revoke(&self.names, &context.progress(), context.cancel())?;
            answer.revoked = texts(&revoked);
            return Ok(answer);
        }
        let builds = if self.list {
            store.builds(&store.declarations()?)
        } else {
            store.allow(&self.names, &context.progress(), context.cancel())?
        };
        answer.builds = builds.into_iter().map(Build::from).collect();
        Ok(answer)
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
