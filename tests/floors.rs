//! Imports go down: the floor plan of every crate, held by reading its `use` lines.
//!
//! The `mod` lines of a file are the floor plan of its folder, in reading order: a file or folder imports only from those
//! above it. To change the architecture, change their order. Between crates, cargo holds the
//! same. Tests at the end of a file may look anywhere.

#![expect(clippy::unwrap_used, reason = "helpers panic, and that is how a test fails")]

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// The library, from the ground up.
const CRATES: [&str; 6] = ["core", "fetch", "python", "doctor", "tier", "modstore"];

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
    let library = CRATES.iter().map(|krate| format!("store/{krate}/src"));
    for krate in library.chain(["cli/src".to_owned()]) {
        let sources = sources_of(&krate);
        for (plan, text) in &sources {
            let found = Folder::new(plan, text).faults(&sources).into_iter();
            faults.extend(found.map(|fault| format!("{krate}/{fault}")));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn no_type_name_stands_twice_in_a_crate() {
    let library = CRATES.map(|krate| format!("store/{krate}/src"));
    for krate in library.into_iter().chain(["cli/src".to_owned()]) {
        let mut places: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
        for (path, text) in sources_of(&krate) {
            for name in text.lines().filter_map(type_name) {
                places.entry(name.to_owned()).or_default().push(path.clone());
            }
        }
        // The guides of a doc test are not compiled into the crate.
        places.retain(|name, paths| paths.len() > 1 && name != "Hosts");
        assert!(places.is_empty(), "{krate}: {places:#?}");
    }
}

/// The type that a line begins to declare.
fn type_name(line: &str) -> Option<&str> {
    let visibilities = ["pub(crate) ", "pub(super) ", "pub "];
    let line = visibilities.iter().find_map(|it| line.strip_prefix(it)).unwrap_or(line);
    let kinds = ["struct ", "enum ", "trait ", "type "];
    let rest = kinds.iter().find_map(|kind| line.strip_prefix(kind))?;
    rest.split(|c: char| !c.is_alphanumeric() && c != '_').next()
}

#[test]
fn the_library_s_page_shows_at_most_sixty_names_and_the_errors_apart() {
    let page = std::fs::read_to_string(repository().join("store/modstore/src/lib.rs")).unwrap();
    let (public, _) = page.split_once("#[doc(hidden)]").unwrap();
    let modules: Vec<&str> = public.matches("pub mod").collect();
    assert_eq!(modules.len(), 1, "modules are private, but for the errors; the page lists names");
    let names = shown(public, "\npub use ");
    assert!((40..=60).contains(&names.len()), "{} names: {names:?}", names.len());
    assert!(
        !names.iter().any(|name| name.ends_with("Error")),
        "errors stand in `errors`: {names:?}"
    );
    let errors = shown(public, "\n    pub use ");
    assert!(errors.iter().all(|name| name.ends_with("Error")), "only errors: {errors:?}");
}

/// The names that the page's `pub use` lists at one depth bring.
fn shown(page: &str, opening: &str) -> Vec<String> {
    let lists = page.split(opening).skip(1).filter_map(|rest| rest.split_once(';'));
    lists
        .map(|(list, _)| format!("use {list};"))
        .flat_map(|list| imports(&list))
        .map(|(_, path)| path.rsplit("::").next().unwrap().to_owned())
        .collect()
}

#[test]
fn crates_stand_on_one_another_in_one_direction() {
    for (floor, krate) in CRATES.iter().enumerate() {
        let manifest = repository().join("store").join(krate).join("Cargo.toml");
        let manifest = std::fs::read_to_string(manifest).unwrap();
        for above in CRATES.iter().skip(floor) {
            let named = format!("\nmodstore-{above}.workspace");
            assert!(!manifest.contains(&named), "{krate} may not depend on {above}");
        }
    }
}

/// A folder of modules, whose order is in the file that declares them.
struct Folder {
    /// The path of the folder below `src`.
    path: PathBuf,
    /// The modules declared, in order.
    order: Vec<String>,
    /// The module that each re-exported name comes from.
    home_of: BTreeMap<String, String>,
}

impl Folder {
    fn new(plan: &Path, text: &str) -> Self {
        let (order, home_of) = declared(text);
        Self { path: folder_of(plan), order, home_of }
    }

    /// The imports from modules declared further down.
    fn faults(&self, sources: &[(PathBuf, String)]) -> Vec<String> {
        let mut faults = Vec::new();
        for (path, text) in sources {
            let inside = path.strip_prefix(&self.path).ok();
            let Some(own) = inside.and_then(first).and_then(|module| self.place(module)) else {
                continue;
            };
            for (line, import) in imports(text) {
                let Some(used) = self.within(path, &import) else { continue };
                let module = self.home_of.get(&used).unwrap_or(&used);
                if self.place(module).is_some_and(|used| used > own) {
                    let own = self.order.get(own).map_or("", String::as_str);
                    faults
                        .push(format!("{}:{line}: {own} may not import {module}", path.display()));
                }
            }
        }
        faults
    }

    /// The first name that an import names within this folder.
    fn within(&self, path: &Path, import: &str) -> Option<String> {
        let absolute = absolute(path, import)?;
        let inside = absolute.strip_prefix(&self.path).ok()?;
        first(inside).map(str::to_owned)
    }

    fn place(&self, module: &str) -> Option<usize> {
        self.order.iter().position(|each| each == module)
    }
}

/// An import as a path below `src`: `super::x` in `a/b.rs` is `a/x`.
fn absolute(path: &Path, import: &str) -> Option<PathBuf> {
    let mut parts = import.split("::").peekable();
    let mut at = folder_of(path);
    match *parts.peek()? {
        "crate" => {
            parts.next();
            at = PathBuf::new();
        }
        "super" => {
            while parts.next_if_eq(&"super").is_some() {
                at = at.parent()?.to_owned();
            }
        }
        _ => return None,
    }
    at.extend(parts);
    Some(at)
}

/// The folder of the modules that a file declares: for `a/mod.rs` and for `a.rs` it is `a`.
fn folder_of(path: &Path) -> PathBuf {
    let is_root = ["mod.rs", "lib.rs", "main.rs"].iter().any(|root| path.ends_with(root));
    if is_root { path.parent().unwrap().to_owned() } else { path.with_extension("") }
}

/// The module that a path begins with.
fn first(path: &Path) -> Option<&str> {
    path.components().next()?.as_os_str().to_str().map(|name| name.trim_end_matches(".rs"))
}

#[test]
fn only_disk_changes_the_disk() {
    // A bare mirror is a cache in a directory of its own; gix and plain calls write it.
    let cache = "fetch/src/mirror";
    let mut faults = Vec::new();
    for (path, text) in sources() {
        if path.starts_with("core/src/disk") || path.starts_with(cache) {
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

/// Every source file of the library without the tests at its end, by path below `store`.
fn sources() -> Vec<(PathBuf, String)> {
    let below = |krate: &&str| {
        let place = Path::new(*krate).join("src");
        let found = sources_of(&format!("store/{krate}/src"));
        found.into_iter().map(move |(path, text)| (place.join(path), text))
    };
    let found: Vec<_> = CRATES.iter().flat_map(below).collect();
    assert!(found.len() > 40, "the library is somewhere else");
    found
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The same below another directory.
fn sources_of(directory: &str) -> Vec<(PathBuf, String)> {
    let root = repository().join(directory);
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

/// The modules that a `mod.rs` declares, in order, and the module each re-exported name comes from.
fn declared(text: &str) -> (Vec<String>, BTreeMap<String, String>) {
    let modules = text.lines().filter_map(|line| {
        let line = line.trim_start_matches("pub ").trim_start_matches("pub(crate) ");
        Some(line.strip_prefix("mod ")?.strip_suffix(';')?.to_owned())
    });
    let exported = imports(text).into_iter().filter_map(|(_, path)| {
        let (module, name) = path.strip_prefix("self::").unwrap_or(&path).split_once("::")?;
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
