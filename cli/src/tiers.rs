//! Which shared tiers a command has: those of `config.toml`, or of MODSTORE_TIER instead, or of `--tier` instead.

use std::env;

use modstore::internals::tier::{TierConfigError, configured_tiers};
use modstore_core::{
    disk::Layout,
    model::{TierMode, TierSettings},
};
use modstore_tier::{AddressError, TierAddress};

use crate::options::Global;

const TIER: &str = "MODSTORE_TIER";
const MODE: &str = "MODSTORE_TIER_MODE";

/// The tiers that were asked for cannot be used. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TiersError {
    /// A `config.toml` cannot be used.
    #[error(transparent)]
    Config(#[from] TierConfigError),
    /// What is configured or given is no address.
    #[error("{from}: {source}")]
    Address {
        /// Where it stands.
        from: &'static str,
        /// What is wrong.
        source: AddressError,
    },
    /// `--tier only` without a tier.
    #[error("`--tier only` and no shared tier is configured")]
    None,
    /// The mode is no mode.
    #[error("{MODE} is neither `read` nor `write`")]
    Mode,
}

impl TiersError {
    /// The next thing to do.
    pub(crate) const fn hint(&self) -> &'static str {
        match self {
            Self::Config(_) => "the keys of [[tier]] are in docs/format.md",
            Self::Address { .. } => "a tier is a directory, file:///DIR, or an address",
            Self::None => "name it: `--tier URL --tier only`",
            Self::Mode => "unset it, or set it to `read` or `write`",
        }
    }
}

/// The tiers of this command, in the order in which they are asked.
pub(crate) fn tiers_of(global: &Global, layout: &Layout) -> Result<Vec<TierSettings>, TiersError> {
    let variable = |name| env::var(name).ok().filter(|text| !text.is_empty());
    let configured = configured_tiers(layout)?;
    let by_variable = variable(TIER);
    let by_variable: Option<Vec<String>> =
        by_variable.map(|text| text.split(',').map(str::to_owned).collect());
    let named = |urls: &[String], from| named(urls, &configured, from);
    let mut tiers = match &by_variable {
        Some(urls) => named(urls, TIER)?,
        None => configured.clone(),
    };
    let is_only = |text: &&String| *text == "only";
    let given: Vec<String> = global.tiers.iter().filter(|it| !is_only(it)).cloned().collect();
    if !given.is_empty() {
        tiers = named(&given, "--tier")?;
    }
    if global.tiers.iter().any(|text| is_only(&text)) {
        if tiers.is_empty() {
            return Err(TiersError::None);
        }
        tiers.iter_mut().for_each(|tier| tier.fallback = false);
    }
    match variable(MODE).as_deref() {
        None => {}
        Some("read") => tiers.iter_mut().for_each(|tier| tier.mode = TierMode::Read),
        Some("write") => tiers.iter_mut().for_each(|tier| tier.mode = TierMode::Write),
        Some(_) => return Err(TiersError::Mode),
    }
    if global.publish {
        tiers.iter_mut().for_each(|tier| tier.mode = TierMode::Write);
    }
    Ok(tiers)
}

/// The tier at an address, as it is configured, where it is.
pub(crate) fn tier_at(url: &str, layout: Option<&Layout>) -> Result<TierSettings, TiersError> {
    let configured = layout.map(configured_tiers).transpose()?.unwrap_or_default();
    let known = configured.into_iter().find(|known| known.url == url);
    Ok(known.unwrap_or_else(|| TierSettings::at(url)))
}

/// The tiers with these addresses, each as it is configured, where it is.
fn named(
    urls: &[String],
    configured: &[TierSettings],
    from: &'static str,
) -> Result<Vec<TierSettings>, TiersError> {
    let mut tiers = Vec::new();
    for url in urls.iter().map(|url| url.trim()).filter(|url| !url.is_empty() && *url != "off") {
        let _: TierAddress = url.parse().map_err(|source| TiersError::Address { from, source })?;
        let known = configured.iter().find(|known| known.url == url);
        tiers.push(known.cloned().unwrap_or_else(|| TierSettings::at(url)));
    }
    Ok(tiers)
}
