//! Words with a fixed meaning that the library chooses: classes, stages and codes.

use modstore::{check, doctor, model::FailureCode};
use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

/// When another try can succeed.
pub(crate) fn failure_class(_: &mut SchemaGenerator) -> Schema {
    words([
        ("transient", "Another try can succeed at any time: the network, a server, a full disk."),
        ("permanent", "Another try can succeed once the source or the server changes."),
        ("deterministic", "Another try can succeed once one of its inputs changes."),
    ])
}

/// How far a module came before it failed.
pub(crate) fn failure_stage(_: &mut SchemaGenerator) -> Schema {
    words([
        ("resolve", "Finding the commit that the source names."),
        ("fetch", "Receiving the commit or the archive."),
        ("place", "Writing the tree to staging."),
        ("build", "Building the module, or asking its build backend for its metadata."),
        ("validate", "Running the validation command on the result of the build."),
        ("import", "Importing the module in a Python environment."),
        ("install", "Installing the module, or what it requires, in a Python environment."),
    ])
}

/// Why a module failed.
pub(crate) fn failure_code(_: &mut SchemaGenerator) -> Schema {
    words(FailureCode::ALL.iter().map(|code| (code.as_str(), code.meaning())))
}

/// What `verify` found.
pub(crate) fn verify_code(_: &mut SchemaGenerator) -> Schema {
    words(check::codes().map(|code| (code.as_str(), code.meaning())))
}

/// What `doctor` found.
pub(crate) fn doctor_code(_: &mut SchemaGenerator) -> Schema {
    let codes = doctor::codes();
    words(codes.iter().map(|code| (code.as_str(), code.meaning())))
}

/// A schema of these words, each with its meaning.
pub(crate) fn words<'w>(words: impl IntoIterator<Item = (&'w str, &'w str)>) -> Schema {
    let words =
        words.into_iter().map(|(word, meaning)| json!({"const": word, "description": meaning}));
    json_schema!({ "type": "string", "oneOf": words.collect::<Vec<Value>>() })
}
