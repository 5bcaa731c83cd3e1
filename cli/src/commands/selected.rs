//! [`Selected`]: the modules that a command is about, and how many repositories it asks at once.

use std::{num::NonZeroU16, time::Duration};

use clap::Args;
use modstore::{ModuleName, Store};

use crate::{amounts, context::Context, report::Failure};

/// The modules that a command is about, and how many repositories it asks at once.
#[derive(Debug, Args)]
pub(crate) struct Selected {
    /// Only these modules [default: all]
    #[arg(value_name = "NAME")]
    pub(super) names: Vec<ModuleName>,
    /// At most this many repositories are asked at once [default: 64, and 8 of a near host]
    #[arg(long, short, value_name = "J", value_parser = amounts::number)]
    jobs: Option<NonZeroU16>,
    /// Take a new commit only when this store has known it for so long, for example 7d; instead of `cooldown` in
    /// modules.toml
    #[arg(long, value_name = "TIME", value_parser = amounts::time)]
    cooldown: Option<Duration>,
}

impl Selected {
    /// The store, with as many jobs at once.
    pub(super) fn store(&self, context: &Context) -> Result<Store, Failure> {
        context.store_with(|options| {
            options.jobs = self.jobs.map_or(options.jobs, |jobs| jobs.get().into());
            options.cooldown = self.cooldown;
        })
    }
}
