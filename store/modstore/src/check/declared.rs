//! The files that people keep in a store: `modules.toml`, which is theirs, and `modules.lock`, which is derived.

use std::os::unix::fs::PermissionsExt as _;

use modstore_core::findings::codes;

use super::{
    code::{Code, Repair},
    finding::Finding,
    home::must_allow,
    report::{How, RepairError},
    view::View,
    work::{Check, RepairStep, Work},
};
use crate::{
    commit::{State, companion_of, lock_of, lock_there, project_lock},
    disk::{Layout, read_linked_if_there},
    model::{Declarations, causes},
};

codes! { pub(super) CODES of Code:
    /// `modules.lock` does not match the current generation.
    LOCK_STALE = "lock-stale", Warning, Repair::Rewrite;
    /// `modules.toml` cannot be read or parsed.
    DECLARATIONS_UNREADABLE = "declarations-unreadable", Warning, Repair::Nothing;
    /// There is no `modules.toml` although the current generation has modules.
    DECLARATIONS_MISSING = "declarations-missing", Warning, Repair::Nothing;
}

pub(super) const CHECK: Check =
    Check { codes: CODES, find, repair: RepairStep::LooksItself(repair) };

fn find(view: &mut View<'_>, found: &mut Vec<Finding>) {
    let layout = view.context.layout;
    found.extend(declarations(layout, view.state()));
    found.extend(view.state().and_then(|state| lock(layout, state)));
}

fn declarations(layout: &Layout, state: Option<&State>) -> Option<Finding> {
    let path = layout.modules_toml();
    let unreadable = |what: String| Finding::new(DECLARATIONS_UNREADABLE, &path, what);
    let is_readable = path.metadata().is_ok_and(|meta| meta.permissions().mode() & 0o400 != 0);
    match read_linked_if_there(&path) {
        Err(error) => Some(unreadable(format!("it cannot be read: {}", error.source))),
        Ok(None) if state.is_some_and(|state| !state.modules().is_empty()) => {
            let what = "the current generation has modules, and no module is declared";
            Some(Finding::new(DECLARATIONS_MISSING, &path, what))
        }
        Ok(None) => None,
        Ok(Some(_)) if !is_readable => Some(unreadable("its owner may not read it".into())),
        Ok(Some(bytes)) => match String::from_utf8(bytes) {
            Err(_) => Some(unreadable("it is not text in UTF-8".into())),
            Ok(text) => {
                let base = std::path::absolute(layout.declared_in()).ok()?;
                let read = Declarations::parse(&text, &base, std::env::home_dir().as_deref());
                read.err().map(|error| unreadable(error.to_string()))
            }
        },
    }
}

/// Derived from the current generation and written with it. It is not for editing, so its bytes must be the same.
fn lock(layout: &Layout, state: &State) -> Option<Finding> {
    let path = layout.modules_lock();
    let stale = |what: &str| Finding::new(LOCK_STALE, &path, what);
    state.head()?;
    match read_linked_if_there(&path) {
        Ok(None) => Some(stale("it is not there")),
        Err(error) => Some(stale(&format!("it cannot be read: {}", error.source))),
        // A project's is its people's: it may be newer than what this store has.
        Ok(Some(_)) if layout.project().is_some() => {
            let unusable = project_lock(layout).err();
            unusable.map(|error| stale(&causes(&error).join(": ")))
        }
        Ok(Some(bytes)) if bytes != derived(layout, state).as_bytes() => {
            Some(stale("it does not match the current generation"))
        }
        Ok(Some(_)) => must_allow(&path, 0o400),
    }
}

/// The lock of the current generation. What the file says of what was built elsewhere is only there.
fn derived(layout: &Layout, state: &State) -> String {
    lock_of(state.modules(), state.built_on(), || lock_there(layout)).print()
}

/// Writes `modules.lock` as the current generation has it.
fn repair(work: &mut Work<'_>) -> Result<(), RepairError> {
    let layout = work.context.layout;
    let locked = work.lock_sound()?;
    let (path, text) = companion_of(layout, locked.state());
    let before = read_linked_if_there(&path);
    let is_right = before.as_ref().is_ok_and(|before| before.as_deref() == Some(text.as_bytes()));
    if is_right || (locked.state().head().is_none() && matches!(before, Ok(None))) {
        return Ok(());
    }
    let is_in_the_way = path.symlink_metadata().is_ok_and(|meta| !meta.is_file());
    let aside = is_in_the_way.then(|| work.put_away(&path)).transpose()?;
    work.context.disk.replace_file(&path, &work.staging()?.fresh(), text.as_bytes())?;
    work.repaired(path, How::Rewritten, aside);
    Ok(())
}
