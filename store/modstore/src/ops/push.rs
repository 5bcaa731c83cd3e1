//! `push`: what is current is published to shared tiers.

use crate::{
    Cancel, Store,
    access::AccessError,
    commit::{JournalError, lock_there},
    declare::DeclareError,
    disk::StagingError,
    events::Events,
    model::{Binding, ModuleName},
    tier::{Renewals, TierCounts, TierSetupError, Tiers},
    update::{NotPublished, Publication, Publisher, UpdateError, unknown},
};

/// What a push came to.
#[derive(Debug, Default)]
pub struct PushReport {
    /// Modules that a tier took.
    pub published: Vec<ModuleName>,
    /// Modules that every tier has that they belong to.
    pub already_there: Vec<ModuleName>,
    /// Modules that are not published, and why.
    pub not_published: Vec<(ModuleName, NotPublished)>,
    /// What the tiers came to.
    pub tier: TierCounts,
}

/// Nothing was published.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PushError {
    /// The store cannot be written to, and packs are written there first.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// There is no place to write packs.
    #[error(transparent)]
    Staging(#[from] StagingError),
    /// The journal cannot be read.
    #[error("the store cannot be read")]
    Journal(#[from] JournalError),
    /// `modules.toml` cannot be read.
    #[error(transparent)]
    Declare(#[from] DeclareError),
    /// A tier cannot be used.
    #[error(transparent)]
    Tier(#[from] TierSetupError),
    /// A module was named that the store does not have.
    #[error(transparent)]
    Unknown(Box<UpdateError>),
    /// No tier is configured.
    #[error("no shared tier is configured")]
    NoTier,
}

impl Store {
    /// Publishes these modules, or all, as they are now, to each tier that they belong to. What is there is left, unless it
    /// is old enough to be renewed.
    ///
    /// # Errors
    /// Nothing was published. Modules that are not published are no error; they are in the report.
    pub fn push(
        &self,
        names: &[ModuleName],
        events: &dyn Events,
        cancel: &Cancel,
    ) -> Result<PushReport, PushError> {
        let _leftovers = self.report_leftovers(events);
        let context = self.context(events, cancel);
        let tiers = Tiers::open(context, &self.options().tiers)?;
        if tiers.is_empty() {
            return Err(PushError::NoTier);
        }
        let (state, declared) = (self.state()?, self.declarations()?);
        let mut modules: Vec<(&ModuleName, &Binding)> = state.modules().iter().collect();
        if let Some(stranger) = names.iter().find(|name| !state.modules().contains_key(*name)) {
            return Err(PushError::Unknown(Box::new(unknown(&declared, stranger))));
        }
        modules.retain(|(module, _)| names.is_empty() || names.contains(module));
        if modules.is_empty() {
            return Ok(PushReport::default());
        }
        self.ensure_writable(context)?;
        let lock = lock_there(self.layout());
        let publisher = Publisher {
            context,
            tiers: &tiers,
            declared: &declared,
            options: self.options(),
            lock: lock.as_ref(),
            after_update: false,
        };
        let mut report = PushReport::default();
        for (module, publication) in publisher.publish(&modules)? {
            let module = module.clone();
            match publication {
                Publication::Published => report.published.push(module),
                Publication::AlreadyThere => report.already_there.push(module),
                Publication::Not(why) => report.not_published.push((module, why)),
            }
        }
        publisher.publish_thin(&modules, &state)?;
        publisher.remember_renewals(Renewals::read(self.layout()));
        report.tier = tiers.counts();
        Ok(report)
    }
}
