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

/// The same, or null if nothing failed.
pub(crate) fn failure_code_or_null(generator: &mut SchemaGenerator) -> Schema {
    let code = failure_code(generator);
    let nothing = json!({ "type": "null", "description": "Nothing went wrong." });
    json_schema!({ "anyOf": [code, nothing] })
}
