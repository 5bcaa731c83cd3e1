//! Submodules against real servers: git is the oracle of what is fetched, of what is left out, and of what is refused.
//!
//! Each law compares a module with what `git clone --recurse-submodules --depth 1` gives from the same server with the same
//! configuration. What a hostile repository may try is in `hostile`.

#![expect(clippy::indexing_slicing, reason = "helpers panic, and that is how a test fails")]

#[path = "submodules/world.rs"]
mod world;
#[path = "submodules/as_git.rs"]
mod as_git;
#[path = "submodules/updates.rs"]
mod updates;
#[path = "submodules/wanted.rs"]
mod wanted;
#[path = "submodules/failures.rs"]
mod failures;
#[path = "submodules/hostile.rs"]
mod hostile;
