//! A home with modules that a builder of our own builds, and the book of its starts.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use modstore_testbed::TestHome;
use serde_json::Value;

/// Appends to the book, then does as the flags beside it say, then makes `run.sh` of `main.txt`.
const BUILDER: &str = r#"#!/bin/sh
echo "$MODSTORE_TEST_NAME" >> "$BOOK/starts"
echo "looking at $MODSTORE_TEST_NAME" >&2
if [ -e "$BOOK/offline" ]; then
    echo "error: could not resolve host registry.example" >&2
    exit 1
fi
if [ -e "$BOOK/code" ]; then exit "$(cat "$BOOK/code")"; fi
if [ -e "$BOOK/slow" ]; then sleep "$(cat "$BOOK/slow")"; fi
if grep -q 'syntax error' main.txt; then
    echo "error: Expected ';' at main.txt:1:2" >&2
    exit 1
fi
if [ -n "$BROKEN" ] && [ "$MODSTORE_TEST_NAME" = "$BROKEN" ]; then exit 65; fi
mkdir -p made
printf 'echo %s\n' "$(cat main.txt)" > made/run.sh
[ -z "$READS" ] || { cat $READS > made/read || exit 65; echo "made: $READS" > deps; }
"#;

/// The home, the builder, and the directories of the modules.
pub(crate) struct World {
    pub(crate) home: TestHome,
    book: PathBuf,
    extra: String,
}

impl World {
    /// With one module, `tool`, that says `one`.
    pub(crate) fn new() -> Self {
        Self::with(&["tool"], "")
    }

    /// With these modules, and more in the `build` table of each.
    pub(crate) fn with(modules: &[&str], extra: &str) -> Self {
        let mut home = TestHome::in_memory(env!("CARGO_BIN_EXE_modstore"));
        let book = home.scratch().join("book");
        fs::create_dir(&book).unwrap();
        let builder = book.join("builder");
        fs::write(&builder, BUILDER).unwrap();
        fs::set_permissions(&builder, fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(book.join("version"), "1\n").unwrap();
        home.env("BOOK", &book).env("MODSTORE_RETRY_AFTER", "0.02");
        home.env("MODSTORE_ALLOW_BUILDS", "1");
        let world = Self { home, book, extra: extra.to_owned() };
        for module in modules {
            fs::create_dir_all(world.source(module)).unwrap();
            world.edit(module, "one");
        }
        world.declare(modules);
        world
    }

    pub(crate) fn source(&self, module: &str) -> PathBuf {
        self.home.scratch().join("src").join(module)
    }

    pub(crate) fn book(&self, name: &str) -> PathBuf {
        self.book.join(name)
    }

    /// The `build` table of a module.
    pub(crate) fn build(&self, module: &str) -> String {
        let (builder, book) = (self.book.join("builder"), &self.book);
        let version = book.join("version");
        format!(
            "command = [\"env\", \"MODSTORE_TEST_NAME={module}\", \"{}\"]\noutput = \"made\"\n\
             env = [\"BOOK\", \"BROKEN\", \"READS\"]\ntoolchain = [\"cat\", \"{}\"]\n{}\n",
            builder.display(),
            version.display(),
            self.extra,
        )
    }

    pub(crate) fn declare(&self, modules: &[&str]) {
        let text: String = modules
            .iter()
            .map(|module| {
                let source = self.source(module);
                let build = self.build(module);
                format!(
                    "[modules.{module}]\nsource = \"{}\"\n[modules.{module}.build]\n{build}\n",
                    source.display()
                )
            })
            .collect();
        self.home.write_modules(&text);
    }

    /// Declares `tool` from this source.
    pub(crate) fn declare_tool(&self, source: &str) {
        let build = self.build("tool");
        self.home.write_modules(&format!(
            "[modules.tool]\nsource = \"{source}\"\n[modules.tool.build]\n{build}\n"
        ));
    }

    /// What the module will say.
    pub(crate) fn edit(&self, module: &str, text: &str) {
        fs::write(self.source(module).join("main.txt"), format!("{text}\n")).unwrap();
    }

    /// Sets or clears a flag that the builder looks at.
    pub(crate) fn flag(&self, name: &str, value: Option<&str>) {
        match value {
            Some(value) => fs::write(self.book.join(name), value).unwrap(),
            None => fs::remove_file(self.book.join(name)).unwrap(),
        }
    }

    /// How often a builder was started since the last time.
    pub(crate) fn starts(&self) -> usize {
        let starts = fs::read_to_string(self.book.join("starts")).unwrap_or_default();
        let _ = fs::remove_file(self.book.join("starts"));
        starts.lines().count()
    }

    /// The output of the module, from the current entry.
    pub(crate) fn says(&self, module: &str) -> Option<String> {
        says(&self.home, module)
    }

    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str], exit: i32) -> Value {
        json(&self.home, arguments, exit)
    }

    /// A scan that ends with this code; how often a builder was started, and the output of the scan.
    #[track_caller]
    pub(crate) fn scan(&self, exit: i32) -> (usize, Value) {
        let told = self.json(&["scan"], exit);
        (self.starts(), told)
    }

    /// The same when what waits for its time is due.
    #[track_caller]
    pub(crate) fn scan_when_due(&self, exit: i32) -> (usize, Value) {
        for _ in 0..200 {
            let status = self.json(&["status"], 0);
            let next = status["failing"][0]["attempt"]["next"].as_str().map(str::to_owned);
            let now = stamp_now(&self.home);
            if next.is_none_or(|next| next <= now) {
                return self.scan(exit);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("it is never due");
    }

    /// The module's binding in the store.
    pub(crate) fn served(&self) -> Value {
        self.json(&["show", "tool"], 0)["current"].clone()
    }

    pub(crate) fn attempt(&self) -> Value {
        self.json(&["status"], 0)["failing"][0]["attempt"].clone()
    }
}

pub(crate) fn says(home: &TestHome, module: &str) -> Option<String> {
    let text = fs::read_to_string(home.target(module).join("run.sh")).ok()?;
    Some(text.trim().strip_prefix("echo ").unwrap_or(&text).to_owned())
}

#[track_caller]
pub(crate) fn json(home: &TestHome, arguments: &[&str], exit: i32) -> Value {
    let value = home.run(&[&["--json"], arguments].concat()).fails(exit).json();
    let schema: Value =
        serde_json::from_str(include_str!("../../docs/json.schema.json")).expect("a schema");
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> =
        validator.iter_errors(&value).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(errors.is_empty(), "{value:#}\n{errors:#?}");
    value
}

/// What the store's clock says, as it writes it.
fn stamp_now(home: &TestHome) -> String {
    let probe = home.scratch().join("clock");
    fs::write(&probe, "").unwrap();
    let since = fs::metadata(&probe).unwrap().modified().unwrap();
    let since = since.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    let output = std::process::Command::new("date")
        .args(["-u", "-d", &format!("@{since:.3}"), "+%Y-%m-%dT%H:%M:%S.%3NZ"])
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Every module in a list.
pub(crate) fn names(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|one| one["module"].as_str().unwrap()).collect()
}

pub(crate) fn flip(path: &Path, at: usize) {
    use std::os::unix::fs::MetadataExt as _;
    let meta = fs::metadata(path).unwrap();
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o444)).unwrap();
    let time = format!("@{}", meta.mtime());
    let done = std::process::Command::new("touch").args(["-d", &time]).arg(path).status().unwrap();
    assert!(done.success());
}
