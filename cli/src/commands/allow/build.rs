//! [`Build`]: a declared build, and whether it may run.

use std::io;

use modstore::DeclaredBuild;
use modstore_core::model::{Subdirectory, command_line};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{page::Page, table::Table};

/// A build that modules.toml declares, with its defaults filled in.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Build {
    /// The module.
    pub(super) module: String,
    /// Whether the build may run.
    allowed: bool,
    /// The command that builds.
    command: Vec<String>,
    /// The command whose output names the version of the tools; null if none is declared.
    toolchain: Option<Vec<String>>,
    /// The command that checks the result; null if none is declared.
    validate: Option<Vec<String>>,
    /// The part of the module's directory that becomes the entry; null for all of it.
    output: Option<String>,
    /// The file in which the build reports what it has read; null if none is declared.
    depfile: Option<String>,
    /// Patterns of the files for each of which the build runs once; empty if it runs once for the module.
    each: Vec<String>,
    /// Patterns of the files that the build depends on.
    inputs: Vec<String>,
    /// The environment variables that the build gets.
    env: Vec<String>,
    /// How many milliseconds the build may take.
    timeout_ms: u64,
}

impl From<DeclaredBuild> for Build {
    fn from(build: DeclaredBuild) -> Self {
        let path = |path: Option<Subdirectory>| path.map(|path| path.to_string());
        Self {
            module: build.module.to_string(),
            allowed: build.is_allowed,
            command: build.spec.command,
            toolchain: build.spec.toolchain,
            validate: build.spec.validate,
            output: path(build.spec.output),
            depfile: path(build.spec.depfile),
            each: build.spec.each,
            inputs: build.spec.inputs,
            env: build.spec.env,
            timeout_ms: u64::try_from(build.spec.timeout.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

impl Build {
    /// Writes everything that a permission covers, and whether there is one.
    pub(in crate::commands) fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        let mut table = Table::default();
        let mut row = |what: &str, text: &str| table.row([what, text]);
        row("build", if self.allowed { "allowed" } else { "not allowed" });
        row("command", &command_line(&self.command));
        for (what, words) in [("toolchain", &self.toolchain), ("validate", &self.validate)] {
            words.iter().for_each(|words| row(what, &command_line(words)));
        }
        if !self.each.is_empty() {
            row("for each", &command_line(&self.each));
        }
        row("output", self.output.as_deref().unwrap_or("."));
        row("inputs", &command_line(&self.inputs));
        if !self.env.is_empty() {
            row("variables", &command_line(&self.env));
        }
        self.depfile.iter().for_each(|path| row("depfile", path));
        row("timeout", &format!("{}s", self.timeout_ms as f64 / 1000.0));
        table.write(to, 2)
    }
}
