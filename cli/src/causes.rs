//! The errors that an error came from.

use std::{error::Error, iter::successors};

use modstore_python::Exception;

/// Its causes, outermost first, without the error itself.
pub(crate) fn causes(error: &dyn Error) -> Vec<String> {
    successors(error.source(), |error| (*error).source()).map(ToString::to_string).collect()
}

/// The exception of a Python that it is or came from.
pub(crate) fn exception(error: &(dyn Error + 'static)) -> Option<Exception> {
    let mut chain = successors(Some(error), |error| (*error).source());
    chain.find_map(|error| error.downcast_ref::<Exception>()).cloned()
}
