//! One file per command: asks the store, gives what it says as a value of `json`, and writes that for
//! people. None prints by itself.

mod scratch;
pub(crate) mod served;
pub(crate) mod update;
pub(crate) mod add;
pub(crate) mod allow;
pub(crate) mod remove;
pub(crate) mod link;
pub(crate) mod unlink;
pub(crate) mod outdated;
pub(crate) mod list;
pub(crate) mod show;
pub(crate) mod path;
pub(crate) mod status;
pub(crate) mod history;
pub(crate) mod events;
pub(crate) mod diff;
pub(crate) mod rollback;
pub(crate) mod gc;
pub(crate) mod exec;
pub(crate) mod verify;
pub(crate) mod bind;
pub(crate) mod doctor;
pub(crate) mod reset;
pub(crate) mod helper;
pub(crate) mod completions;
pub(crate) mod bench;
pub(crate) mod demo;
