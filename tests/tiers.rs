//! Shared tiers: modules from a place that nobody has to trust. git and the server are the oracle: what comes from a tier is
//! what came from git, or it does not come.
//!
//! Limits: places in directories. What is spoken to servers is another test's.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers panic, and that is how a test fails"
)]

#[path = "tiers/world.rs"]
mod world;
#[path = "tiers/fleet.rs"]
mod fleet;
#[path = "tiers/packs.rs"]
mod packs;
#[path = "tiers/thin.rs"]
mod thin;
#[path = "tiers/renewal.rs"]
mod renewal;
#[path = "tiers/parts.rs"]
mod parts;
#[path = "tiers/built.rs"]
mod built;
#[path = "tiers/lying.rs"]
mod lying;
#[path = "tiers/ill.rs"]
mod ill;
#[path = "tiers/private.rs"]
mod private;
#[path = "tiers/export.rs"]
mod export;
#[path = "tiers/ahead.rs"]
mod ahead;
#[path = "tiers/publishers.rs"]
mod publishers;
