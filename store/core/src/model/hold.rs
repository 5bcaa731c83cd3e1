//! [`Hold`]: a module that updates leave as it is.
//!
//! Knows neither the module nor what it is held at: that is what the current generation says.

use serde::{Deserialize, Serialize};

/// Since when, and by which command, updates leave a module as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Milliseconds since 1970.
    pub at: u64,
    /// The command that did it.
    pub reason: String,
}
