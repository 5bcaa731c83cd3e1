//! The files people keep in a store: `modules.toml`, which is theirs, and `modules.lock`, which is derived.

use std::os::unix::fs::PermissionsExt as _;

use super::{code::Code, finding::Finding, home::must_allow};
use crate::{
    commit::{State, lock_of},
    disk::{Layout, read_linked_if_there},
    model::Declarations,
};

/// Looks at both.
pub(super) fn look(layout: &Layout, state: Option<&State>, findings: &mut Vec<Finding>) {
    findings.extend(declarations(layout, state));
    findings.extend(state.and_then(|state| lock(layout, state)));
}

fn declarations(layout: &Layout, state: Option<&State>) -> Option<Finding> {
    let path = layout.modules_toml();
    let unreadable = |what: String| Finding::new(Code::DeclarationsUnreadable, &path, what);
    let is_readable = path.metadata().is_ok_and(|meta| meta.permissions().mode() & 0o400 != 0);
    match read_linked_if_there(&path) {
        Err(error) => Some(unreadable(format!("it cannot be read: {}", error.source))),
        Ok(None) if state.is_some_and(|state| !state.modules().is_empty()) => {
            let what = "modules are shown, and nothing is declared";
            Some(Finding::new(Code::DeclarationsMissing, &path, what))
        }
        Ok(None) => None,
        Ok(Some(_)) if !is_readable => Some(unreadable("its owner may not read it".into())),
        Ok(Some(bytes)) => match String::from_utf8(bytes) {
            Err(_) => Some(unreadable("it is not text in UTF-8".into())),
            Ok(text) => {
                let base = std::path::absolute(layout.home()).ok()?;
                let read = Declarations::parse(&text, &base, std::env::home_dir().as_deref());
                read.err().map(|error| unreadable(error.to_string()))
            }
        },
    }
}

/// Derived from what is shown, and written with it. Nobody edits it, so its bytes must be the same.
fn lock(layout: &Layout, state: &State) -> Option<Finding> {
    let path = layout.modules_lock();
    let stale = |what: &str| Finding::new(Code::LockStale, &path, what);
    state.head()?;
    match read_linked_if_there(&path) {
        Ok(None) => Some(stale("it is not there")),
        Err(error) => Some(stale(&format!("it cannot be read: {}", error.source))),
        Ok(Some(bytes)) if bytes != lock_of(state.modules()).print().as_bytes() => {
            Some(stale("it does not say what is shown"))
        }
        Ok(Some(_)) => must_allow(&path, 0o400),
    }
}
