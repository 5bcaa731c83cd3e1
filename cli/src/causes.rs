//! The errors that an error came from.

use std::error::Error;

/// Its causes, outermost first, without the error itself.
pub(crate) fn causes(error: &dyn Error) -> Vec<String> {
    let first = error.source();
    std::iter::successors(first, |error| (*error).source()).map(ToString::to_string).collect()
}
