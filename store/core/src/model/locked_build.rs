//! [`LockedBuild`]: what a lock says was built of a module on one platform.
//!
//! It is taken for what this machine would build only where everything is the same that the build depended on: the name of all
//! that is compared. Nothing here is believed of a module that is built from anything else.

use super::{
    Digest,
    toml_fields::{Fields, Placed, TomlFault, parsed, to_toml},
};

/// What was built of a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedBuild {
    /// The tree.
    pub digest: Digest,
    /// The name of all that the build depended on.
    pub inputs: Digest,
    /// The files of the module's tree that the build said it has read.
    pub read: Vec<String>,
}

impl LockedBuild {
    const KEYS: [&'static str; 3] = ["digest", "inputs", "read"];

    /// Its lines.
    pub(super) fn print(&self) -> String {
        let read: Vec<String> = self.read.iter().cloned().map(to_toml).collect();
        let read = match read.is_empty() {
            true => String::new(),
            false => format!("read = [{}]\n", read.join(", ")),
        };
        let (digest, inputs) = (to_toml(self.digest.to_string()), to_toml(self.inputs.to_string()));
        format!("digest = {digest}\ninputs = {inputs}\n{read}")
    }

    pub(super) fn read(fields: &Fields<'_>) -> Result<Self, Placed<TomlFault>> {
        fields.only(&Self::KEYS)?;
        let digest = |key| parsed(fields, key, "64 hex digits", |text| text.parse().ok());
        let read = fields.texts("read")?.unwrap_or_default();
        // What lies outside of the module is never read for what a lock says.
        if read.iter().any(|path| path.starts_with('/')) {
            return Err(fields.wrong("read", "a list of paths in the module"));
        }
        Ok(Self {
            digest: fields.required("digest", digest("digest")?)?,
            inputs: fields.required("inputs", digest("inputs")?)?,
            read,
        })
    }
}
