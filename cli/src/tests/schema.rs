//! `docs/json.schema.json`, made of the answers' types and their doc comments. `make schema` writes it.

use std::{env, fs, path::PathBuf};

use schemars::{
    JsonSchema as _, Schema, SchemaGenerator, generate::SchemaSettings, json_schema,
    transform::transform_subschemas,
};
use serde_json::{Map, Value, json};

use crate::{
    args::Command,
    output::{NoAnswer, SCHEMA},
    progress::ProgressEvent,
    report::Failure,
};

/// What every object has besides the answer of its command.
fn envelope(command: Value, ok: Value, generator: &mut SchemaGenerator) -> Value {
    let error = generator.subschema_for::<Failure>();
    json!({
        "schema": {
            "const": SCHEMA,
            "description": "The version of this schema. Names are added, but not renamed or removed, while it is the same.",
        },
        "command": command,
        "ok": ok,
        "generation": {
            "type": ["integer", "null"],
            "minimum": 0,
            "description": "The current generation when the command ended; null if there is none yet.",
        },
        "error": error,
        "notices": {
            "type": "array",
            "items": { "type": "string" },
            "description": "What a person should know and what prevented nothing, such as what could not be deleted. \
                Absent if there is none.",
        },
    })
}

/// The answer of a command within its envelope.
fn object(
    mut answer: Schema,
    command: Value,
    ok: Value,
    generator: &mut SchemaGenerator,
) -> Schema {
    let Value::Object(mut properties) = envelope(command, ok, generator) else { unreachable!() };
    let mut required = vec![json!("schema"), json!("command"), json!("ok"), json!("generation")];
    let own = answer.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    let needed = answer.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    required.extend(needed.into_iter().filter(|name| name != "generation"));
    for (name, property) in own {
        properties.entry(name).or_insert(property);
    }
    answer.insert("type".into(), "object".into());
    answer.insert("properties".into(), properties.into());
    answer.insert("required".into(), required.into());
    answer
}

fn answer(word: &str, answer: Schema, generator: &mut SchemaGenerator) -> Schema {
    let command = json!({ "const": word, "description": "The command." });
    let ok = json!({
        "type": "boolean",
        "description": "Whether the command did what it was asked; true exactly if the exit code is 0.",
    });
    let mut schema = object(answer, command, ok, generator);
    schema.insert("if".into(), json!({ "properties": { "ok": { "const": true } } }));
    schema.insert("then".into(), json!({ "not": { "required": ["error"] } }));
    schema.insert("else".into(), json!({ "required": ["error"] }));
    schema
}

fn failure(generator: &mut SchemaGenerator) -> Schema {
    let command = json!({
        "type": ["string", "null"],
        "description": "The command; null if not even that could be read.",
    });
    let ok = json!({ "const": false, "description": "The command failed." });
    let no_answer = NoAnswer::json_schema(generator);
    let mut schema = object(no_answer, command, ok, generator);
    schema.insert("description".into(), "Any command that failed without an answer.".into());
    if let Some(Value::Array(required)) = schema.get_mut("required") {
        required.push("error".into());
    }
    schema
}

/// Allows no field that is not described, and leaves out what only Rust knows.
fn finish(schema: &mut Schema) {
    transform_subschemas(&mut finish, schema);
    let Some(fields) = schema.as_object_mut() else { return };
    fields.retain(|name, value| name != "format" || value == "date-time");
    if let Some(Value::String(text)) = fields.get_mut("description") {
        *text = text.replace('\n', " ");
    }
    // A flattened field is described in a branch, where `additionalProperties` does not look.
    let is_branched = ["oneOf", "anyOf", "allOf"].iter().any(|key| fields.contains_key(*key));
    let closing = if is_branched { "unevaluatedProperties" } else { "additionalProperties" };
    if fields.contains_key("properties") && fields.contains_key("type") {
        fields.insert(closing.into(), false.into());
    }
    if is_branched && fields.contains_key("properties") {
        for key in ["oneOf", "anyOf", "allOf"] {
            let branches = fields.get_mut(key).and_then(Value::as_array_mut);
            branches.into_iter().flatten().for_each(open);
        }
    }
}

fn open(branch: &mut Value) {
    if let Some(fields) = branch.as_object_mut() {
        fields.remove("additionalProperties");
    }
}

fn generated() -> Value {
    let mut generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let mut definitions = Map::new();
    let mut objects = Vec::new();
    for (word, body) in Command::answers(&mut generator) {
        if body.get("not").is_some() {
            // It has no answer.
            continue;
        }
        let schema = answer(word, body, &mut generator);
        objects.push(json!({ "$ref": format!("#/$defs/command_{word}") }));
        definitions.insert(format!("command_{word}"), schema.to_value());
    }
    objects.push(json!({ "$ref": "#/$defs/command_failed" }));
    definitions.insert("command_failed".into(), failure(&mut generator).to_value());
    generator.subschema_for::<ProgressEvent>();
    definitions.extend(generator.take_definitions(false));
    let mut schema = json_schema!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What `modstore --json` prints on standard output",
        "description": "A line of `--progress json` is $defs/ProgressEvent.",
        "anyOf": objects,
        "$defs": definitions,
    });
    finish(&mut schema);
    schema.to_value()
}

fn golden() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/json.schema.json")
}

#[test]
fn the_schema_in_docs_is_the_one_of_the_code() {
    let text = format!("{}\n", serde_json::to_string_pretty(&generated()).unwrap());
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(golden(), &text).unwrap();
    }
    let written = fs::read_to_string(golden()).unwrap();
    assert!(written == text, "docs/json.schema.json is not the schema; `make schema` writes it");
}

#[test]
fn every_field_and_every_word_has_a_sentence() {
    let schema = generated();
    let mut silent = Vec::new();
    look("", &schema, &schema, &mut silent);
    assert!(silent.is_empty(), "no description:\n{}", silent.join("\n"));
}

fn look(path: &str, schema: &Value, root: &Value, silent: &mut Vec<String>) {
    let describes = |value: &Value| {
        let told = value.get("description").or_else(|| {
            let name = value.get("$ref")?.as_str()?.strip_prefix('#')?;
            root.pointer(name)?.get("description")
        });
        told.and_then(Value::as_str).is_some_and(|text| text.len() > 3)
    };
    match schema {
        Value::Object(fields) => {
            let properties = fields.get("properties").and_then(Value::as_object);
            let is_condition = |name: &str| matches!(name, "if" | "then" | "else");
            for (name, property) in properties.into_iter().flatten() {
                let is_tag = matches!(name.as_str(), "event" | "step");
                if !describes(property) && !is_tag && !path.ends_with("/if") {
                    silent.push(format!("{path}/{name}"));
                }
            }
            if fields.contains_key("const") && fields.len() == 2 && !describes(schema) {
                let is_tag =
                    path.ends_with("properties/event") || path.ends_with("properties/step");
                if !is_tag {
                    silent.push(format!("{path} {}", fields["const"]));
                }
            }
            for (name, value) in fields.iter().filter(|(name, _)| !is_condition(name)) {
                look(&format!("{path}/{name}"), value, root, silent);
            }
        }
        Value::Array(items) => {
            for (number, item) in items.iter().enumerate() {
                look(&format!("{path}/{number}"), item, root, silent);
            }
        }
        _ => {}
    }
}
