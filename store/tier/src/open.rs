//! From the address of a tier to the tier.

use crate::{Objects, TierAddress, TierOptions, address::REMOTE, directory::Directory};

/// Why a place cannot be used at all. Nothing was asked of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// This build cannot speak to such places.
    #[error("{place}: no tiers of {scheme}:// in this build, which has file://{}", others())]
    Scheme {
        /// Its address, without a secret.
        place: String,
        /// What its address begins with.
        scheme: String,
    },
    /// The address, or what goes with it, does not make sense.
    #[error("{place}: {cause}")]
    Invalid {
        /// Its address, without a secret.
        place: String,
        /// What is wrong, and what was expected.
        cause: String,
    },
}

fn others() -> String {
    REMOTE.iter().map(|scheme| format!(", {scheme}://")).collect()
}

/// The place at an address. No request is made, and a directory need not be there yet.
///
/// # Errors
/// See [`OpenError`].
pub fn open(address: &TierAddress, options: &TierOptions) -> Result<Box<dyn Objects>, OpenError> {
    match address {
        TierAddress::Directory(path) => Ok(Box::new(Directory::new(path.clone(), options))),
        TierAddress::Remote { scheme, .. } if !REMOTE.contains(&scheme.as_str()) => {
            Err(OpenError::Scheme { place: address.to_string(), scheme: scheme.clone() })
        }
        TierAddress::Remote { scheme, url } => open_remote(address, scheme, url, options),
    }
}

#[cfg(feature = "remote")]
fn open_remote(
    address: &TierAddress,
    scheme: &str,
    url: &str,
    options: &TierOptions,
) -> Result<Box<dyn Objects>, OpenError> {
    let place = address.to_string();
    crate::remote::open(place.clone(), scheme, url, options)
        .map_err(|cause| OpenError::Invalid { place, cause })
}

#[cfg(not(feature = "remote"))]
fn open_remote(
    address: &TierAddress,
    scheme: &str,
    _: &str,
    _: &TierOptions,
) -> Result<Box<dyn Objects>, OpenError> {
    Err(OpenError::Scheme { place: address.to_string(), scheme: scheme.to_owned() })
}
