//! [`Exception`]: what a Python raised.

use std::error::Error;

use modstore_python::Exception as StoreException;
use schemars::JsonSchema;
use serde::Serialize;

/// What a Python raised when it imported a module.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Exception {
    /// Its type; empty if the process ended without an exception.
    pub(crate) r#type: String,
    /// Its message.
    pub(crate) message: String,
    /// The name that was not found, of an `ImportError`.
    pub(crate) name: Option<String>,
    /// The module that was being imported.
    pub(crate) importing: Option<String>,
    /// The traceback.
    pub(crate) traceback: String,
}

impl From<&StoreException> for Exception {
    fn from(exception: &StoreException) -> Self {
        Self {
            r#type: exception.kind.clone(),
            message: exception.message.clone(),
            name: exception.name.clone(),
            importing: exception.importing.clone(),
            traceback: exception.traceback.clone(),
        }
    }
}

impl Exception {
    /// The exception that an error is or came from.
    pub(crate) fn within(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut chain = std::iter::successors(Some(error), |error| (*error).source());
        chain.find_map(|error| error.downcast_ref::<StoreException>()).map(Self::from)
    }
}
