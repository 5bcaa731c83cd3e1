//! One file per command: its arguments, whose doc comments are its help, its code and its answer. None prints by itself.
//!
//! A new command is a file here, its `mod` line, and its line in `args`.

mod runnable;
mod laboratory;
mod names;
mod ask;
pub(crate) mod explain;
pub(crate) mod suggestions;
mod selected;
mod logs;
mod changes;
mod required;
pub(crate) mod update;
pub(crate) mod scan;
pub(crate) mod add;
pub(crate) mod allow;
pub(crate) mod link;
pub(crate) mod unlink;
pub(crate) mod import;
pub(crate) mod push;
pub(crate) mod export;
pub(crate) mod outdated;
pub(crate) mod list;
pub(crate) mod path;
pub(crate) mod expose;
pub(crate) mod unexpose;
pub(crate) mod remove;
pub(crate) mod show;
pub(crate) mod status;
pub(crate) mod history;
pub(crate) mod events;
pub(crate) mod diff;
pub(crate) mod rollback;
pub(crate) mod hold;
pub(crate) mod unhold;
pub(crate) mod set;
pub(crate) mod edit;
pub(crate) mod gc;
pub(crate) mod exec;
pub(crate) mod verify;
pub(crate) mod bind;
pub(crate) mod unbind;
pub(crate) mod ensure;
pub(crate) mod activate;
pub(crate) mod doctor;
pub(crate) mod tier;
pub(crate) mod reset;
pub(crate) mod print_shim;
pub(crate) mod completions;
pub(crate) mod man;
pub(crate) mod bench;
pub(crate) mod demo;
pub(crate) mod selftest;

pub(crate) use self::runnable::Runnable;
