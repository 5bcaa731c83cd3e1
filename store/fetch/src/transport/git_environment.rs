//! Which part of this process's environment git children get.
//!
//! Limits: knows nothing of which child it is.

use std::{env, process::Command};

/// The key of the address that a clone has.
pub(crate) const REMOTE_URL: &str = "remote.origin.url";

/// What git itself takes out of the environment before it enters another repository, but for its configuration.
const REPOSITORY: [&str; 13] = [
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
];

/// The configuration that is given by the environment, which git takes out as well.
const CONFIGURATION: [&str; 3] = ["GIT_CONFIG", "GIT_CONFIG_COUNT", "GIT_CONFIG_PARAMETERS"];

/// Takes out what is about the repository that this process may have been started in.
pub(crate) fn leave_repository(command: &mut Command) {
    for name in REPOSITORY {
        command.env_remove(name);
    }
    // It names a tree of that repository. git leaves it in, and then fails in any other.
    command.env_remove("GIT_ATTR_SOURCE");
}

/// Takes out the configuration too, as git does for a program that serves another repository.
pub(crate) fn leave_configuration(command: &mut Command) {
    for name in CONFIGURATION {
        command.env_remove(name);
    }
}

/// Lets a program whose words are read speak English, whatever the person's language.
pub(crate) fn speak_english(command: &mut Command) {
    command.env("LANG", "C").env("LC_ALL", "C").env_remove("LANGUAGE");
}

/// Adds settings to those that the environment has.
pub(crate) fn add_settings(command: &mut Command, settings: &[(String, String)]) {
    const COUNT: &str = "GIT_CONFIG_COUNT";
    let before = env::var(COUNT).ok().filter(|count| !count.is_empty());
    // Where this is no number, git says so.
    let Ok(before) = before.as_deref().unwrap_or("0").parse::<usize>() else { return };
    for (number, (key, value)) in settings.iter().enumerate() {
        let number = before + number;
        command.env(format!("GIT_CONFIG_KEY_{number}"), key);
        command.env(format!("GIT_CONFIG_VALUE_{number}"), value);
    }
    if !settings.is_empty() {
        command.env(COUNT, (before + settings.len()).to_string());
    }
}
