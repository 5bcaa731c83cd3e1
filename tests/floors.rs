//! Imports go down: the floor plan of the library, held by reading its `use` lines.
//!
//! To change the architecture, change [`FLOORS`]. Tests at the end of a file may look anywhere.

#![expect(clippy::unwrap_used, reason = "helpers panic, and that is how a test fails")]

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// From the ground up. A folder imports only from those before it.
const FLOORS: [&str; 18] = [
    "cancel",
    "model",
    "disk",
    "commit",
    "program",
    "acquire",
    "build",
    "environment",
    "reclaim",
    "verify",
    "doctor",
    "declare",
    "consent",
    "update",
    "repair",
    "reset",
    "change_error",
    "store",
];

/// Calls that change a disk, which only `disk` makes.
const WRITES: [&str; 9] = [
    "fs::write(",
    "fs::rename(",
    "fs::remove_",
    "fs::create_dir",
    "fs::set_permissions(",
    "fs::hard_link(",
    "fs::copy(",
    "File::create",
    "unix::fs::symlink(",
];

#[test]
fn folders_import_only_from_the_floors_below() {
    let mut faults = Vec::new();
    for (path, text) in sources() {
        let own = floor_of(&path);
        for (line, import) in imports(&text) {
            let named = import.strip_prefix("crate::").and_then(|rest| rest.split("::").next());
            let Some(named) = named.and_then(floor) else { continue };
            if own.is_some_and(|own| named > own) {
                let (from, to) = (FLOORS[own.unwrap()], FLOORS[named]);
                faults.push(format!("{}:{line}: {from} may not import {to}", path.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_file_imports_only_from_files_declared_above_it_in_its_folder() {
    let sources = sources();
    let mut faults = Vec::new();
    for (folder, text) in sources.iter().filter(|(path, _)| path.ends_with("mod.rs")) {
        let (order, home_of) = declared(text);
        let name = folder.parent().unwrap().file_name().unwrap().to_str().unwrap();
        for (path, text) in &sources {
            if path.parent() != folder.parent() || path == folder {
                continue;
            }
            let own = path.file_stem().unwrap().to_str().unwrap();
            for (line, import) in imports(text) {
                let within = import
                    .strip_prefix("super::")
                    .or_else(|| import.strip_prefix(&format!("crate::{name}::")));
                let Some(first) = within.and_then(|rest| rest.split("::").next()) else { continue };
                let used = home_of.get(first).map_or(first, String::as_str);
                let place = |module: &str| order.iter().position(|each| each == module);
                if let (Some(own_place), Some(used_place)) = (place(own), place(used))
                    && used_place > own_place
                {
                    faults.push(format!(
                        "{}:{line}: {own} is declared before {used}, which it imports",
                        path.display()
                    ));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn only_disk_changes_the_disk() {
    // A bare mirror and a spilled pack are caches in a directory of their own; gix and a plain file write them.
    let caches = ["mirror", "pack_bytes", "host"];
    let mut faults = Vec::new();
    for (path, text) in sources() {
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if floor_of(&path) == floor("disk") || caches.iter().any(|cache| stem.starts_with(cache)) {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            if WRITES.iter().any(|call| line.contains(call)) && !line.trim_start().starts_with("//")
            {
                faults.push(format!("{}:{}: {}", path.display(), number + 1, line.trim()));
            }
        }
    }
    assert!(faults.is_empty(), "only disk/ may do this:\n{}", faults.join("\n"));
}

#[test]
fn ids_that_a_server_chooses_are_hashed_with_a_key() {
    // The tables of gix take the first bytes of an id for its hash: who chooses ids, chooses collisions.
    for (path, text) in sources() {
        assert!(!text.contains("hashtable"), "{} has a table without a key", path.display());
    }
}

#[test]
fn every_file_says_at_its_top_what_it_is() {
    for (path, text) in sources() {
        assert!(text.starts_with("//!"), "{} has no header", path.display());
    }
}

#[test]
fn only_a_page_writes_to_standard_output_and_error() {
    // Bars are drawn by indicatif, whose words all go through one function; clap prints its own help.
    let words =
        ["stdout()", "stderr()", "println!", "print!(", "set_message(", "set_prefix(", "/dev/tty"];
    let mut faults = Vec::new();
    for (path, text) in sources_of("cli/src") {
        for (number, line) in text.lines().enumerate() {
            // The last opens a terminal to read, for its settings.
            let asks = ["stderr().is_terminal()", "use_stderr()", "File::open(\"/dev/tty\")"];
            let is_asked = asks.iter().any(|ask| line.contains(ask));
            let is_bar = path.ends_with("bars.rs")
                && ["escaped(&shortened(text))", "module.to_string()"]
                    .iter()
                    .any(|it| line.contains(it));
            let writes = words.iter().any(|word| line.contains(word));
            if writes && !is_asked && !is_bar && !path.ends_with("page.rs") {
                faults.push(format!("{}:{}: {}", path.display(), number + 1, line.trim()));
            }
        }
    }
    assert!(faults.is_empty(), "only page.rs may do this:\n{}", faults.join("\n"));
}

#[test]
fn the_reader_of_imports_sees_nested_lists() {
    let text = "use crate::{\n    commit::{A, b::C},\n    disk,\n};\nuse super::x;\n";
    let found: Vec<String> = imports(text).into_iter().map(|(_, import)| import).collect();
    assert_eq!(found, ["crate::commit::A", "crate::commit::b::C", "crate::disk", "super::x"]);
}

/// Every source file of the library without the tests at its end, by path below `store/src`.
fn sources() -> Vec<(PathBuf, String)> {
    let found = sources_of("store/src");
    assert!(found.len() > 40, "the library is somewhere else");
    found
}

/// The same below another directory.
fn sources_of(directory: &str) -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(directory);
    let mut found = Vec::new();
    let mut open = vec![root.clone()];
    while let Some(directory) = open.pop() {
        for child in std::fs::read_dir(directory).unwrap() {
            let path = child.unwrap().path();
            let is_test =
                path.file_stem().is_some_and(|stem| stem.to_string_lossy().ends_with("tests"));
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") && !is_test {
                let text = std::fs::read_to_string(&path).unwrap();
                let text = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap().to_owned();
                found.push((path.strip_prefix(&root).unwrap().to_owned(), text));
            }
        }
    }
    assert!(found.len() > 10, "{directory} is somewhere else");
    found.sort();
    found
}

fn floor(name: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| *floor == name)
}

/// The floor a file is on; `lib.rs` is on none.
fn floor_of(path: &Path) -> Option<usize> {
    let first = path.components().next()?.as_os_str().to_str()?;
    floor(first.trim_end_matches(".rs"))
}

/// The modules that a `mod.rs` declares, in order, and the module each re-exported name comes from.
fn declared(text: &str) -> (Vec<String>, BTreeMap<String, String>) {
    let modules = text.lines().filter_map(|line| {
        let line = line.trim_start_matches("pub ").trim_start_matches("pub(crate) ");
        Some(line.strip_prefix("mod ")?.strip_suffix(';')?.to_owned())
    });
    let exported = imports(text).into_iter().filter_map(|(_, path)| {
        let (module, name) = path.split_once("::")?;
        Some((name.to_owned(), module.to_owned()))
    });
    (modules.collect(), exported.collect())
}

/// Every path that a `use` names, with its line, lists taken apart.
fn imports(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let line = line.trim_start_matches("pub(crate) ").trim_start_matches("pub(super) ");
        let Some(mut tree) =
            line.trim_start_matches("pub ").strip_prefix("use ").map(str::to_owned)
        else {
            continue;
        };
        while !tree.contains(';') {
            tree.push_str(lines.next().expect("a use ends").1);
        }
        let tree: String = tree.split(';').next().unwrap().split_whitespace().collect();
        take_apart("", &tree, &mut |path| found.push((number + 1, path)));
    }
    found
}

fn take_apart(prefix: &str, tree: &str, found: &mut impl FnMut(String)) {
    let Some((head, list)) = tree.split_once('{') else {
        return found(format!("{prefix}{tree}"));
    };
    let list = list.strip_suffix('}').expect("a list ends");
    let (mut depth, mut start) = (0, 0);
    for (at, byte) in list.bytes().chain([b',']).enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            b',' if depth == 0 => {
                if at > start {
                    take_apart(&format!("{prefix}{head}"), &list[start..at], found);
                }
                start = at + 1;
            }
            _ => {}
        }
    }
}
