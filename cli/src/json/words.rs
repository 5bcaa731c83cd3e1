//! Codes with a fixed meaning that the library chooses.

use modstore::internals::check;
use modstore_core::model::FailureCode;
use modstore_doctor as doctor;
use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

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
