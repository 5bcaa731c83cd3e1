//! The list of sources that a host gives on standard input, as JSON.
//!
//! What is no such list is an error that names the place and what was expected there; a source that is none is reported with
//! the others. Limits: [`MOST_BYTES`] and [`MOST_MODULES`].

use std::{
    io::{self, IsTerminal as _, Read},
    path::Path,
};

use modstore::{ModuleName, Source};
use modstore_core::model::{ParseSourceError, Subdirectory};
use serde_json::{Map, Value};

use crate::{exit::Exit, report::Failure};

/// The most bytes that are read.
const MOST_BYTES: u64 = 8 << 20;
/// The most sources that are taken.
const MOST_MODULES: usize = 10_000;
/// How it is written.
const FORM: &str = r#"{"modules":[{"source":"git+https://host/path@ref","name":"NAME","file":"PATH"}]}; `name` and `file` may be left out"#;

/// A source that a host needs, as it was written.
pub(super) struct RequiredItem {
    /// The text, without any secret.
    pub(super) text: String,
    pub(super) source: Result<Source, ParseSourceError>,
    pub(super) name: Option<ModuleName>,
    pub(super) file: Option<Subdirectory>,
}

/// Reads the list from standard input. `is_all`: whether nothing may follow it.
pub(super) fn from_stdin(is_all: bool) -> Result<Vec<RequiredItem>, Failure> {
    let stdin = io::stdin().lock();
    if stdin.is_terminal() {
        return Err(wrong("no list of sources was given on standard input"));
    }
    let value = value(stdin, is_all)?;
    let here = std::env::current_dir().map_err(|error| {
        Failure::of(Exit::Failed, &error).hint("change to a directory that exists")
    })?;
    items(&value, &here)
}

fn value(stdin: impl Read, is_all: bool) -> Result<Value, Failure> {
    let mut limited = stdin.take(MOST_BYTES);
    let mut values = serde_json::Deserializer::from_reader(&mut limited).into_iter::<Value>();
    let value = match values.next() {
        Some(Ok(value)) => value,
        Some(Err(error)) if error.is_io() => return Err(Failure::of(Exit::Failed, &error)),
        Some(Err(error)) => {
            let error = error.to_string();
            drop(values);
            return Err(too_long(&limited)
                .unwrap_or_else(|| wrong(&format!("standard input is not JSON: {error}"))));
        }
        None => return Err(wrong("standard input is empty")),
    };
    if is_all && let Some(next) = values.next() {
        let error =
            next.map_or_else(|error| error.to_string(), |_| "it goes on after its end".into());
        drop(values);
        return Err(too_long(&limited)
            .unwrap_or_else(|| wrong(&format!("standard input is not JSON: {error}"))));
    }
    Ok(value)
}

/// The failure of an input that was cut off at the limit.
fn too_long<R: Read>(limited: &io::Take<R>) -> Option<Failure> {
    let message = format!("standard input has more than {MOST_BYTES} bytes");
    (limited.limit() == 0).then(|| wrong(&message))
}

fn items(value: &Value, here: &Path) -> Result<Vec<RequiredItem>, Failure> {
    let fields = object("the list", value, &["modules"])?;
    let modules = fields.get("modules").ok_or_else(|| wrong("`modules` is not there"))?;
    let modules = modules.as_array().ok_or_else(|| expected("modules", "a list", modules))?;
    if modules.len() > MOST_MODULES {
        let message =
            format!("`modules` has {} sources, and {MOST_MODULES} is the most", modules.len());
        return Err(wrong(&message));
    }
    let home = std::env::home_dir();
    let item = |(number, value)| item(number, value, here, home.as_deref());
    modules.iter().enumerate().map(item).collect()
}

fn item(
    number: usize,
    value: &Value,
    here: &Path,
    home: Option<&Path>,
) -> Result<RequiredItem, Failure> {
    let place = format!("modules[{number}]");
    let fields = object(&place, value, &["source", "name", "file"])?;
    let source = text(&place, fields, "source")?
        .ok_or_else(|| wrong(&format!("`{place}.source` is not there")))?;
    let parsed = Source::parse(source, here, home);
    let shown = match &parsed {
        Ok(parsed) if parsed.has_secret() => parsed.to_string(),
        Ok(_) => source.to_owned(),
        Err(error) => error.text.clone(),
    };
    Ok(RequiredItem {
        text: shown,
        source: parsed,
        name: parse(&place, fields, "name")?,
        file: parse(&place, fields, "file")?,
    })
}

fn object<'v>(
    place: &str,
    value: &'v Value,
    known: &[&str],
) -> Result<&'v Map<String, Value>, Failure> {
    let fields = value.as_object().ok_or_else(|| expected(place, "an object", value))?;
    match fields.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => Err(wrong(&format!("`{place}` has the unknown key `{key}`"))),
        None => Ok(fields),
    }
}

/// A text; null is as good as none.
fn text<'v>(
    place: &str,
    fields: &'v Map<String, Value>,
    key: &str,
) -> Result<Option<&'v str>, Failure> {
    match fields.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(expected(&format!("{place}.{key}"), "a string", other)),
    }
}

fn parse<T: std::str::FromStr<Err: std::error::Error>>(
    place: &str,
    fields: &Map<String, Value>,
    key: &str,
) -> Result<Option<T>, Failure> {
    let parsed = text(place, fields, key)?.map(str::parse).transpose();
    parsed.map_err(|error: T::Err| wrong(&format!("`{place}.{key}`: {error}")))
}

fn expected(place: &str, what: &str, found: &Value) -> Failure {
    let found = match found {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    wrong(&format!("expected `{place}` to be {what}, and it is {found}"))
}

fn wrong(message: &str) -> Failure {
    Failure::new(Exit::Usage, message).hint(format!("write {FORM}"))
}
