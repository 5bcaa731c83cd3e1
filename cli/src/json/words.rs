//! Codes with a fixed meaning that the library chooses.

use modstore_core::model::FailureCode;
use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

/// Why a module failed.
pub(crate) fn failure_code(_: &mut SchemaGenerator) -> Schema {
    let word = |code: &FailureCode| json!({"const": code.as_str(), "description": code.meaning()});
    let words: Vec<Value> = FailureCode::ALL.iter().map(word).collect();
    json_schema!({ "type": "string", "oneOf": words })
}
