//! Which part of this process's environment git children get.
//!
//! Limits: knows nothing of which child it is.

use std::process::Command;

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
