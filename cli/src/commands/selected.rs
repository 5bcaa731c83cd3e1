//! [`Selected`]: the modules that a command is about, and how many repositories it asks at once.

use std::{collections::BTreeSet, num::NonZeroU16, time::Duration};

use clap::Args;
use modstore::{ModuleName, Store, UpdateRequest};

use super::names;
use crate::{amounts, context::Context, report::Failure};

/// The modules that a command is about, and how many repositories it asks at once.
#[derive(Debug, Args)]
pub(crate) struct Selected {
    /// Only these modules [default: all]
    #[arg(value_name = "NAME")]
    names: Vec<ModuleName>,
    /// The modules of this group in modules.toml; may be given several times
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
    /// At most this many repositories are asked at once [default: 64, and 8 of a near host]
    #[arg(long, short, value_name = "J", value_parser = amounts::number)]
    jobs: Option<NonZeroU16>,
    /// Take a new commit only when this store has known it for so long, for example 7d; instead of `cooldown` in
    /// modules.toml
    #[arg(long, value_name = "TIME", value_parser = amounts::time)]
    cooldown: Option<Duration>,
}

impl Selected {
    /// `request`, for these modules.
    pub(super) fn only(
        &self,
        store: &Store,
        request: UpdateRequest,
    ) -> Result<UpdateRequest, Failure> {
        let group = names::members(store, &self.groups)?;
        Ok(UpdateRequest { names: self.names.clone(), group, ..request })
    }

    /// These modules, each once; none, when all are meant.
    pub(super) fn names(&self, store: &Store) -> Result<Vec<ModuleName>, Failure> {
        let members = names::members(store, &self.groups)?;
        let all: BTreeSet<&ModuleName> = self.names.iter().chain(&members).collect();
        Ok(all.into_iter().cloned().collect())
    }

    /// The store, with as many jobs at once.
    pub(super) fn store(&self, context: &Context) -> Result<Store, Failure> {
        context.store_with(|options| {
            options.jobs = self.jobs.map_or(options.jobs, |jobs| jobs.get().into());
            options.cooldown = self.cooldown;
        })
    }
}
