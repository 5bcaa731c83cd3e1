//! The messages of an error and of all its sources.

use std::error::Error;

/// An error and its causes, outermost first.
pub fn causes(error: &dyn Error) -> Vec<String> {
    let chain = std::iter::successors(Some(error), |error| (*error).source());
    chain.map(ToString::to_string).collect()
}
