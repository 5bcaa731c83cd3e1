//! Bad days on the network, each a law: whatever a server does, one clear error says it, the module keeps what it has,
//! the others are switched, nothing is left behind, and the next run after the fault is gone succeeds.
//!
//! Every fault is a real one, made by a real server or by a wire in front of it; the command line is run as a person
//! runs it. Limits: TLS and proxies are tested in the library; servers without shallow in the mirror's tests.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers panic, and that is how a test fails"
)]

#[path = "bad_network/day.rs"]
mod day;
#[path = "bad_network/reaching.rs"]
mod reaching;
#[path = "bad_network/answers.rs"]
mod answers;
#[path = "bad_network/wishes.rs"]
mod wishes;
#[path = "bad_network/endless.rs"]
mod endless;
#[path = "bad_network/through_git.rs"]
mod through_git;
#[path = "bad_network/packs.rs"]
mod packs;
#[path = "bad_network/spoilt_staging.rs"]
mod spoilt_staging;
#[path = "bad_network/bases.rs"]
mod bases;
#[path = "bad_network/trees.rs"]
mod trees;
#[path = "bad_network/secrets.rs"]
mod secrets;
#[path = "bad_network/cut.rs"]
mod cut;
