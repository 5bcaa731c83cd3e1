//! [`DeclaredProbe`]: what is imported of a module to see that it works, where `modules.toml` says so.
//!
//! Limits: what is imported where nothing is declared follows from the module's own distribution, and is not known here.

use std::collections::BTreeSet;

use super::toml_fields::{Fields, Placed, TomlFault};

/// What is imported of a module before it becomes current, in place of what its distribution promises.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeclaredProbe {
    /// Nothing: `probe = false`.
    Nothing,
    /// These, one after the other: `probe = ["import a.b"]`.
    Imports(BTreeSet<String>),
}

impl DeclaredProbe {
    pub(super) const KEY: &'static str = "probe";

    /// Reads the key `probe`; nothing where it is not there, or `true`.
    pub(super) fn read(fields: Fields<'_>) -> Result<Option<Self>, Placed<TomlFault>> {
        if let Ok(wanted) = fields.boolean(Self::KEY) {
            return Ok(wanted.and_then(|wanted| (!wanted).then_some(Self::Nothing)));
        }
        let wrong = || fields.wrong(Self::KEY, "false, or a list like [\"import package.module\"]");
        let lines = fields.texts(Self::KEY).map_err(|_| wrong())?.unwrap_or_default();
        let names: Option<BTreeSet<String>> = lines.iter().map(|line| imported(line)).collect();
        names
            .filter(|names| !names.is_empty())
            .map(|names| Some(Self::Imports(names)))
            .ok_or_else(wrong)
    }
}

/// The module that a line imports: `import a.b` and nothing else.
fn imported(line: &str) -> Option<String> {
    let name = line.trim().strip_prefix("import ")?.trim();
    let is_name = |part: &str| {
        let mut letters = part.chars();
        letters.next().is_some_and(|c| c.is_alphabetic() || c == '_')
            && letters.all(|c| c.is_alphanumeric() || c == '_')
    };
    name.split('.').all(is_name).then(|| name.to_owned())
}
