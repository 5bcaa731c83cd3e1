//! For programs: one JSON object per line.
//!
//! A module that is being received, and hashing, are told at most ten times a second.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use modstore::{Event, Step, model::ModuleName};
use serde_json::{Value, json};

use super::lines::doing_text;
use crate::page::on_stderr;

const PAUSE: Duration = Duration::from_millis(100);

/// The objects.
#[derive(Debug, Default)]
pub(super) struct Objects {
    told: Mutex<BTreeMap<Option<ModuleName>, Instant>>,
}

impl Objects {
    pub(super) fn happened(&self, event: Event<'_>) {
        match event {
            Event::Module { module, step: Step::Receiving { .. } }
                if !self.is_time(Some(module)) => {}
            Event::Hashing { bytes, of } if bytes < of && !self.is_time(None) => {}
            _ => object(event).iter().for_each(say),
        }
    }

    /// Whether this module, or hashing, should be told again.
    fn is_time(&self, module: Option<&ModuleName>) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let key = module.cloned();
        match told.get(&key) {
            Some(last) if now.duration_since(*last) < PAUSE => false,
            _ => {
                told.insert(key, now);
                true
            }
        }
    }
}

fn object(event: Event<'_>) -> Option<Value> {
    Some(match event {
        Event::Began { modules } => json!({"event": "began", "modules": modules}),
        Event::Module { module, step } => step_object(module, step),
        Event::Waiting { holder } => json!({
            "event": "waiting",
            "holder": holder.map(|holder| json!({
                "pid": holder.pid, "command": holder.command, "since": crate::time::stamp(holder.since.saturating_mul(1000)),
            })),
        }),
        Event::Warning { module, text } => {
            json!({"event": "warning", "module": module, "text": text})
        }
        Event::Environment { prefix, doing } => {
            json!({"event": "environment", "environment": prefix.display().to_string(), "text": doing_text(doing, true)?})
        }
        Event::Notice { text } => json!({"event": "notice", "text": text}),
        Event::Hashing { bytes, of } => json!({"event": "hashing", "bytes": bytes, "of": of}),
        Event::Committing => json!({"event": "committing"}),
        Event::Shown { generation } => json!({"event": "shown", "generation": generation.number()}),
        Event::Deleting { done, of } => json!({"event": "deleting", "done": done, "of": of}),
        _ => return None,
    })
}

fn step_object(module: &ModuleName, step: Step<'_>) -> Value {
    let mut object = match step {
        Step::Listing => json!({"step": "listing"}),
        Step::Receiving { bytes, objects, of } => {
            json!({"step": "receiving", "bytes": bytes, "objects": objects, "of": of})
        }
        Step::Remote(text) => json!({"step": "remote", "text": text}),
        Step::Unchanged => json!({"step": "unchanged"}),
        Step::Fetched => json!({"step": "fetched"}),
        Step::Building => json!({"step": "building"}),
        Step::Says(text) => json!({"step": "says", "text": text}),
        Step::Waiting => json!({"step": "waiting"}),
        Step::Failed(text) => json!({"step": "failed", "text": text}),
        _ => json!({"step": "other"}),
    };
    if let Value::Object(object) = &mut object {
        object.insert("event".into(), "module".into());
        object.insert("module".into(), module.as_str().into());
    }
    object
}

fn say(object: &Value) {
    on_stderr(|to| to.json(object));
}
