//! Python environments that follow a store: real Pythons, real uv and pip, real build backends, no network.
//!
//! Each test has a home, repositories and environments of its own. The installers are started through a program that
//! writes down each call ([`world::Calls`]), so that "no installer was started" is something a test can see.
//! `MODSTORE_ROUNDS=50` is the long form of the torture, `MODSTORE_KILLS=all` that of the kills.
//!
//! The numbers in the comments are those of the test cases that `docs/python.md` lists. Looking at environments
//! (`doctor`) and what keeps entries from a sweep are tested elsewhere, and so is a host that pins itself
//! (`pinning.rs`).

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers panic, and that is how a test fails"
)]

#[path = "environments/world.rs"]
mod world;
#[path = "environments/backends.rs"]
mod backends;
#[path = "environments/compiled.rs"]
mod compiled;
#[path = "environments/odd_projects.rs"]
mod odd_projects;
#[path = "environments/changes.rs"]
mod changes;
#[path = "environments/ways_back.rs"]
mod ways_back;
#[path = "environments/membership.rs"]
mod membership;
#[path = "environments/byte_code.rs"]
mod byte_code;
#[path = "environments/lost.rs"]
mod lost;
#[path = "environments/failures.rs"]
mod failures;
#[path = "environments/installers.rs"]
mod installers;
#[path = "environments/needed.rs"]
mod needed;
#[path = "environments/probes.rs"]
mod probes;
#[path = "environments/asked.rs"]
mod asked;
#[path = "environments/places.rs"]
mod places;
#[path = "environments/owners.rs"]
mod owners;
#[path = "environments/torture.rs"]
mod torture;
#[path = "environments/kills.rs"]
mod kills;
