//! modstore: a transactional, content-addressed store for the modules a host program installs from git.
//!
//! The folders are the data flow: `acquire` turns a Source into a Staged tree, `commit` makes it an
//! Entry and shows it, on `disk` and `model`. Imports only go down.

pub mod model;
pub mod disk;
pub mod commit;
pub mod acquire;
