//! Parts that the answers of several commands share. The answer of a command is in the command's own file.
//!
//! The doc comments of all answers are the descriptions in `docs/json.schema.json`, which `make schema` writes.

mod scalar;
mod words;
mod contents;
mod binding;
mod attempt;
mod failed;
mod hold;
mod cooling;
mod environment;
mod lease;
mod log;
mod newer;
mod pointers_left;

pub(crate) use self::{
    attempt::Attempt,
    binding::{Binding, Change},
    contents::{Submodules, unusual},
    cooling::{Cooldown, Cooled},
    environment::{EnvironmentChanges, EnvironmentFailure},
    failed::{Deferred, DeferredReason, Failed},
    hold::{Held, Hold, held_of},
    lease::LeaseHolder,
    log::{Commit, Log},
    newer::{NewerVersion, comparison},
    pointers_left::PointersLeft,
    scalar::{Digest, Revision, Time, numbers, paths, texts},
    words::{failure_code, failure_code_or_null},
};
