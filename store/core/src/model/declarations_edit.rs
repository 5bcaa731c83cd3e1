//! Adding and removing modules in `modules.toml`, keeping all else byte for byte.
//!
//! Text in, text out: the caller writes the file. A comment directly above a module's header goes with
//! the module; one that a blank line separates from it stays.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use toml_edit::{Array, DocumentMut, InlineTable, Item, Table, TableLike, Value};

use super::source::written_path;
use super::toml_fields::{self, TomlFault};
use super::{Contents, Keep, KeptPattern, ModuleName, Source};

/// What a file that `add` makes begins with.
const HEADER: &str = "\
# The modules of this store; `modstore add` and `modstore remove` edit this file, and so may you.
# source: git+https://host/path@ref#subdirectory=dir, or a local directory to link.
";

/// Editors of other systems begin a file with it.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// `modules.toml` was not edited.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The text is not TOML, so nothing can be changed in it safely.
    #[error("line {line}, column {column}: {fault}")]
    Toml {
        /// The line, from 1.
        line: usize,
        /// The column, from 1, in characters.
        column: usize,
        /// What is wrong there.
        fault: TomlFault,
    },
    /// `modules`, or the module, is there but no table.
    #[error("expected `{0}` to be a table")]
    NotATable(String),
    /// There is nothing to remove.
    #[error("module `{0}` is not declared")]
    NotDeclared(ModuleName),
    /// There is nothing to unlink.
    #[error("module `{0}` is not linked")]
    NotLinked(ModuleName),
    /// The path is not kept, so that it cannot be left out.
    #[error("module `{module}` does not keep {kept}")]
    NotKept {
        /// The module.
        module: ModuleName,
        /// The path.
        kept: String,
    },
    /// TOML holds only Unicode text.
    #[error("the path {} is not Unicode text, and modules.toml can hold no other", .0.display())]
    PathText(PathBuf),
    /// On file systems that fold case the two would be one.
    #[error("`{name}` differs from the declared `{other}` only in case")]
    SameButCase {
        /// The name to add.
        name: ModuleName,
        /// The name that is there.
        other: String,
    },
}

/// The text with module `name` coming from `source`, without its secret; only the source, and what is wanted of it,
/// changes if the module is declared already.
///
/// # Errors
/// See [`EditError`].
pub fn add_module(text: &str, name: &ModuleName, source: &Source) -> Result<String, EditError> {
    add_modules(text, [(name, source)])
}

/// As [`add_module`], for many.
///
/// # Errors
/// See [`EditError`].
pub fn add_modules<'m>(
    text: &str,
    added: impl IntoIterator<Item = (&'m ModuleName, &'m Source)>,
) -> Result<String, EditError> {
    let mut text = if text.trim().is_empty() { HEADER } else { text };
    let mut document = document(text)?;
    let mut trailing = document.trailing().as_str().unwrap_or_default().to_owned();
    let mut folded = folded_names(modules(&mut document)?);
    for (name, source) in added {
        if let Some(item) = modules(&mut document)?.get_mut(name.as_str()) {
            let not_a_table = || EditError::NotATable(name.to_string());
            set_source(item.as_table_like_mut().ok_or_else(not_a_table)?, source);
            continue;
        }
        if let Some(other) = folded.insert(name.as_str().to_ascii_lowercase(), name.to_string()) {
            return Err(EditError::SameButCase { name: name.clone(), other });
        }
        let table = document
            .get_mut("modules")
            .and_then(Item::as_table_mut)
            .filter(|table| !table.is_dotted());
        match table {
            Some(table) => {
                table.insert(name.as_str(), Item::Table(module_table(source, &trailing, text)));
                document.set_trailing("");
                // The next one stands behind this one's last line.
                (trailing, text) = (String::new(), "\n");
            }
            None => {
                let mut inline = InlineTable::new();
                set_source(&mut inline, source);
                modules(&mut document)?.insert(name.as_str(), Item::Value(inline.into()));
            }
        }
    }
    Ok(document.to_string())
}

/// Each name, by what a file system that folds case takes it for.
fn folded_names(modules: &dyn TableLike) -> BTreeMap<String, String> {
    modules.iter().map(|(name, _)| (name.to_ascii_lowercase(), name.to_owned())).collect()
}

/// The text without module `name`, its build, the comment directly above it, and its place in groups.
///
/// # Errors
/// See [`EditError`].
pub fn remove_module(text: &str, name: &ModuleName) -> Result<String, EditError> {
    let mut document = document(text)?;
    let removed = modules(&mut document)?.remove(name.as_str());
    let removed = removed.ok_or_else(|| EditError::NotDeclared(name.clone()))?;
    leave_groups(&mut document, name);
    if let Item::Table(table) = removed
        && let Some(position) = table.position()
    {
        keep_comments(&mut document, &table, position);
    }
    let left = document.to_string();
    let top = top_comment(text);
    if left.starts_with(top) {
        Ok(left)
    } else {
        Ok(format!("{top}{}", left.trim_start_matches('\n')))
    }
}

fn leave_groups(document: &mut DocumentMut, name: &ModuleName) {
    let groups = document.get_mut("groups").and_then(Item::as_table_like_mut);
    for (_, group) in groups.into_iter().flat_map(|groups| groups.iter_mut()) {
        if let Some(members) = group.as_array_mut() {
            members.retain(|member| member.as_str() != Some(name.as_str()));
        }
    }
}

/// The text with module `name` linked to the directory `path`, which stands in for its source.
///
/// # Errors
/// See [`EditError`].
pub fn link_module(text: &str, name: &ModuleName, path: &Path) -> Result<String, EditError> {
    let path = path.to_str().ok_or_else(|| EditError::PathText(path.to_owned()))?;
    let mut document = document(text)?;
    set_value(module_of(&mut document, name)?, "linked", written_path(path).into());
    Ok(document.to_string())
}

/// The text with module `name` linked to nothing any more, so that its source counts again.
///
/// # Errors
/// See [`EditError`].
pub fn unlink_module(text: &str, name: &ModuleName) -> Result<String, EditError> {
    let mut document = document(text)?;
    let removed = module_of(&mut document, name)?.remove("linked");
    removed.map(|_| document.to_string()).ok_or_else(|| EditError::NotLinked(name.clone()))
}

/// The text with module `name` keeping these paths as well, and the others not any more.
///
/// # Errors
/// See [`EditError`].
pub fn keep_paths(
    text: &str,
    name: &ModuleName,
    (kept, not_kept): (&[KeptPattern], &[KeptPattern]),
) -> Result<String, EditError> {
    let not_kept_by = |kept| EditError::NotKept { module: name.clone(), kept };
    let mut document = document(text)?;
    let module = module_of(&mut document, name)?;
    let mut list = match module.get(Keep::KEY) {
        None => Array::new(),
        Some(item) => {
            let list = item.as_array().ok_or_else(|| not_kept_by("a list of paths".to_owned()))?;
            list.clone()
        }
    };
    let pattern = |value: &Value| value.as_str()?.parse::<KeptPattern>().ok();
    for gone in not_kept {
        let before = list.len();
        list.retain(|value| pattern(value).as_ref() != Some(gone));
        if list.len() == before {
            return Err(not_kept_by(format!("`{gone}`")));
        }
    }
    for new in kept {
        if !list.iter().any(|value| pattern(value).as_ref() == Some(new)) {
            list.push(new.to_string());
        }
    }
    if list.is_empty() {
        module.remove(Keep::KEY);
    } else {
        set_value(module, Keep::KEY, list.into());
    }
    Ok(document.to_string())
}

/// `text` as `change` makes it, with the line ends that it had, and the byte order mark.
///
/// # Errors
/// Those of `change`.
pub fn with_same_line_ends<E>(
    text: &str,
    change: impl FnOnce(&str) -> Result<String, E>,
) -> Result<String, E> {
    let rest = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    let mark = text.strip_suffix(rest).unwrap_or_default();
    let has_returns = rest.split_inclusive('\n').next().is_some_and(|line| line.ends_with("\r\n"));
    let after = match has_returns {
        true => change(&rest.replace("\r\n", "\n"))?.replace('\n', "\r\n"),
        false => change(rest)?,
    };
    Ok(format!("{mark}{after}"))
}

fn module_of<'d>(
    document: &'d mut DocumentMut,
    name: &ModuleName,
) -> Result<&'d mut dyn TableLike, EditError> {
    let not_declared = || EditError::NotDeclared(name.clone());
    let module = modules(document)?.get_mut(name.as_str()).ok_or_else(not_declared)?;
    module.as_table_like_mut().ok_or_else(|| EditError::NotATable(name.to_string()))
}

/// The comments a text begins with, up to the last blank line among them. They would go with the first
/// module where it is written as a key and not as a table.
fn top_comment(text: &str) -> &str {
    let is_comment = |line: &&str| line.trim().is_empty() || line.trim_start().starts_with('#');
    let bytes = text.split_inclusive('\n').take_while(is_comment).map(str::len).sum();
    let comments = text.get(..bytes).unwrap_or_default();
    comments.rfind("\n\n").and_then(|blank| comments.get(..blank + 2)).unwrap_or_default()
}

fn document(text: &str) -> Result<DocumentMut, EditError> {
    text.parse().map_err(|error| {
        let (line, column, fault) = toml_fields::located(text, toml_fields::syntax(text, &error));
        EditError::Toml { line, column, fault }
    })
}

fn modules(document: &mut DocumentMut) -> Result<&mut dyn TableLike, EditError> {
    let item = document.entry("modules").or_insert_with(|| {
        let mut table = Table::new();
        // No `[modules]` line of its own: `[modules.NAME]` says it.
        table.set_implicit(true);
        Item::Table(table)
    });
    item.as_table_like_mut().ok_or_else(|| EditError::NotATable("modules".to_owned()))
}

/// Sets the source, and the keys that say what is wanted of it. A key that says what is usual may stay.
fn set_source(module: &mut dyn TableLike, source: &Source) {
    let text = source.without_contents().to_toml_text();
    set_value(module, "source", text.into());
    let values = source.contents().map(Contents::values);
    let is_repository = values.is_some();
    for (key, value) in Contents::KEYS.into_iter().zip(values.unwrap_or_default()) {
        let is_usual = |there: &Value| is_repository && Contents::is_usual(key, there);
        match value {
            Some(value) => set_value(module, key, value),
            None if module.get(key).and_then(Item::as_value).is_some_and(is_usual) => {}
            None => drop(module.remove(key)),
        }
    }
}

fn set_value(module: &mut dyn TableLike, key: &str, new: Value) {
    match module.get_mut(key).and_then(Item::as_value_mut) {
        Some(value) => {
            // The comment behind the old value stays where it is.
            let decor = value.decor().clone();
            *value = new;
            *value.decor_mut() = decor;
        }
        None => {
            module.insert(key, Item::Value(new));
        }
    }
}

/// A `[modules.NAME]` to stand at the end of `text`, behind the comments that end it.
fn module_table(source: &Source, trailing: &str, text: &str) -> Table {
    let mut table = Table::new();
    set_source(&mut table, source);
    let line_end = if text.ends_with('\n') || trailing.is_empty() { "" } else { "\n" };
    let blank = if text.ends_with("\n\n") { "" } else { "\n" };
    table.decor_mut().set_prefix(format!("{trailing}{line_end}{blank}"));
    table
}

/// Puts what stood above the removed table, but apart from it, before whatever comes next.
fn keep_comments(document: &mut DocumentMut, removed: &Table, position: isize) {
    let prefix = removed.decor().prefix().and_then(|prefix| prefix.as_str()).unwrap_or_default();
    let kept = prefix.rfind("\n\n").map_or("", |blank| prefix.get(..blank + 2).unwrap_or_default());
    let join = |next: &str| format!("{kept}{}", next.trim_start_matches('\n'));
    let is_first = position == 0;
    let next = next_position(document.as_table(), position);
    if kept.trim().is_empty() && !is_first {
        return;
    }
    match next.and_then(|next| table_at(document.as_table_mut(), next)) {
        Some(table) => {
            let after =
                table.decor().prefix().and_then(|prefix| prefix.as_str()).unwrap_or_default();
            let joined = join(after);
            table.decor_mut().set_prefix(joined);
        }
        None => {
            let joined = join(document.trailing().as_str().unwrap_or_default());
            document.set_trailing(joined);
        }
    }
}

fn next_position(table: &Table, after: isize) -> Option<isize> {
    let below = table.iter().filter_map(|(_, item)| next_position(item.as_table()?, after));
    let own =
        table.position().filter(|&own| own > after && !table.is_implicit() && !table.is_dotted());
    below.chain(own).min()
}

fn table_at(table: &mut Table, position: isize) -> Option<&mut Table> {
    if table.position() == Some(position) && !table.is_implicit() && !table.is_dotted() {
        return Some(table);
    }
    table.iter_mut().find_map(|(_, item)| table_at(item.as_table_mut()?, position))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Declarations;

    fn add(text: &str, name: &str, source: &str) -> Result<String, EditError> {
        let source = Source::parse(source, Path::new("/base"), None).unwrap();
        add_module(text, &name.parse().unwrap(), &source)
    }

    fn remove(text: &str, name: &str) -> Result<String, EditError> {
        remove_module(text, &name.parse().unwrap())
    }

    #[test]
    fn an_edit_keeps_the_line_ends_and_the_byte_order_mark() {
        let name: ModuleName = "other".parse().unwrap();
        let source = Source::parse("./x", Path::new("/base"), None).unwrap();
        for (mark, line_end) in [("", "\n"), ("", "\r\n"), ("\u{feff}", "\n"), ("\u{feff}", "\r\n")]
        {
            let text = format!("{mark}{}", WRITTEN.replace('\n', line_end));
            let added =
                with_same_line_ends(&text, |text| add_module(text, &name, &source)).unwrap();
            assert!(added.starts_with(mark) && added.contains("[modules.other]"), "{added:?}");
            let ends = added.matches('\n').count();
            assert_eq!(ends * (line_end.len() - 1), added.matches("\r\n").count(), "{added:?}");
            let removed = with_same_line_ends(&added, |text| remove_module(text, &name)).unwrap();
            assert_eq!(removed.trim_end(), text.trim_end());
        }
    }

    #[test]
    fn paths_to_keep_come_and_go_and_all_else_stays() {
        let name = "a".parse().unwrap();
        let pattern = |text: &str| text.parse::<KeptPattern>().unwrap();
        let text = "# mine\n[modules.a] # it\nsource = '/x' # here\n";
        let change = |text: &str, kept: &[&str], not: &[&str]| {
            let read = |texts: &[&str]| texts.iter().map(|it| pattern(it)).collect::<Vec<_>>();
            keep_paths(text, &name, (&read(kept), &read(not)))
        };
        let one = change(text, &["user/", "x.json"], &[]).unwrap();
        assert_eq!(one, format!("{text}keep = [\"user/**\", \"x.json\"]\n"));
        assert_eq!(change(&one, &["user/**"], &[]).unwrap(), one, "it is kept already");
        let two = change(&one, &["*.db"], &["user/"]).unwrap();
        assert!(
            two.ends_with("keep = [ \"x.json\", \"*.db\"]\n")
                || two.contains("[\"x.json\", \"*.db\"]"),
            "{two}"
        );
        let none = change(&two, &[], &["x.json", "*.db"]).unwrap();
        assert_eq!(none, text);
        let missing = change(text, &[], &["user/"]).unwrap_err().to_string();
        assert_eq!(missing, "module `a` does not keep `user/**`");
    }

    #[test]
    fn linking_and_unlinking_leaves_the_text_as_it_was() {
        let name = "a".parse().unwrap();
        let linked = link_module(WRITTEN, &name, Path::new("/src/a")).unwrap();
        let declared = Declarations::parse(&linked, Path::new("/"), None);
        assert!(declared.is_err() || linked.contains("linked = \"/src/a\""));
        assert_eq!(unlink_module(&linked, &name).unwrap(), WRITTEN);
        assert_eq!(unlink_module(WRITTEN, &name), Err(EditError::NotLinked(name.clone())));
        let unknown = "z".parse().unwrap();
        assert!(matches!(
            link_module(WRITTEN, &unknown, Path::new("/")),
            Err(EditError::NotDeclared(_))
        ));
    }

    const WRITTEN: &str = "\
# mine
#   do not touch

# about a
[modules.a]   # first
source   =   'git+https://h/a'  # why
build.command = [ 'make',
  'all' ]

# between

# about b
[modules.b]
source = \"/b\"
# end of b

[modules.a.build.x] # nonsense, but kept
[modules.c]
source = \"/c\"
# the end
";

    #[test]
    fn adding_to_an_empty_file_writes_a_two_line_header_and_the_module() {
        for empty in ["", "\n", "  \n\n"] {
            let text = add(empty, "a", "git+https://h/a@main").unwrap();
            assert_eq!(text, format!("{HEADER}\n[modules.a]\nsource = \"git+https://h/a@main\"\n"));
        }
    }

    #[test]
    fn what_is_wanted_beyond_the_tree_is_written_in_keys_of_its_own() {
        let written = add("", "a", "git+https://h/a@main#submodules=x,b&lfs=true").unwrap();
        let module = "\
[modules.a]
source = \"git+https://h/a@main\"
submodules = [\"b\", \"x\"]
lfs = true
";
        assert_eq!(written, format!("{HEADER}\n{module}"));
        let changed = add(&written, "a", "git+https://h/a@main#submodules=false").unwrap();
        assert!(changed.ends_with("main\"\nsubmodules = false\n"), "{changed}");
        let usual = add(&changed, "a", "git+https://h/a@main").unwrap();
        assert!(usual.ends_with("main\"\n"), "{usual}");
        let said = format!("{usual}submodules = true # always\n");
        assert_eq!(add(&said, "a", "git+https://h/a@main").unwrap(), said);
        let linked = add(&said, "a", "/a").unwrap();
        assert!(!linked.contains("submodules"), "a directory has none: {linked}");
        let inline = add("modules.z.source = '/z'\n", "a", "git+https://h/a#lfs=true").unwrap();
        assert!(inline.contains("lfs = true"), "{inline}");
    }

    #[test]
    fn adding_appends_and_leaves_every_byte_before_as_it_was() {
        for before in [
            WRITTEN.replace("[modules.a.build.x] # nonsense, but kept\n", "").as_str(),
            "# only a comment\n",
            "# only a comment",
            "[modules]\n",
            "[modules.z]\nsource = '/z'",
            "[modules.z]\nsource = '/z'\n# end\n\n",
        ] {
            let text = add(before, "new", "/new").unwrap();
            let tail = text.strip_prefix(before).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(tail.trim_start(), "[modules.new]\nsource = \"/new\"\n", "{text}");
            assert!(text.contains("\n\n[modules.new]"), "{text}");
            let twice = add(&text, "new.2", "/new2").unwrap();
            assert_eq!(twice, format!("{text}\n[modules.\"new.2\"]\nsource = \"/new2\"\n"));
        }
    }

    #[test]
    fn adding_many_writes_what_adding_them_one_by_one_writes() {
        let names: Vec<ModuleName> = ["x", "new.2", "y"].map(|name| name.parse().unwrap()).into();
        let source = Source::parse("git+https://h/r#lfs=true", Path::new("/"), None).unwrap();
        for before in
            ["", "# c", "[modules.z]\nsource = '/z'", "modules = { a = { source = '/a' } }\n"]
        {
            let one_by_one = names
                .iter()
                .try_fold(before.to_owned(), |text, name| add_module(&text, name, &source));
            let at_once = add_modules(before, names.iter().map(|name| (name, &source)));
            // In a table of one line, a comma may have a space before it.
            let plain = |text: Result<String, EditError>| text.unwrap().replace(" ,", ",");
            assert_eq!(plain(at_once), plain(one_by_one), "{before}");
        }
        let twins = ["a", "A"].map(|name| name.parse().unwrap());
        let twins = add_modules("", twins.iter().map(|name| (name, &source)));
        assert!(matches!(twins, Err(EditError::SameButCase { .. })), "{twins:?}");
    }

    #[test]
    fn adding_a_declared_module_changes_its_source_and_nothing_else() {
        let before = WRITTEN.replace("[modules.a.build.x] # nonsense, but kept\n", "");
        let text = add(&before, "a", "git+https://h/new").unwrap();
        assert_eq!(text, before.replace("'git+https://h/a'", "\"git+https://h/new\""));
    }

    #[test]
    fn adding_works_in_whatever_way_the_tables_are_written() {
        for before in [
            "modules.a.source = '/a'\n",
            "modules.a = { source = '/a' }\n",
            "modules = { a = { source = '/a' } }\n",
            "[modules]\na.source = '/a'\n",
            "[modules]\na = { source = '/a' } # why\n",
        ] {
            let text = add(&add(before, "b", "/b").unwrap(), "a", "/new").unwrap();
            let read = Declarations::parse(&text, Path::new("/base"), None);
            let read = read.unwrap_or_else(|error| panic!("{error}\n{text}"));
            let sources: Vec<String> =
                read.modules.iter().map(|(name, each)| format!("{name} {}", each.source)).collect();
            assert_eq!(sources, ["a /new", "b /b"], "{text}");
            assert_eq!(text.contains("# why"), before.contains("# why"));
            let left = remove(&remove(&text, "a").unwrap(), "b").unwrap();
            let left = Declarations::parse(&left, Path::new("/base"), None).unwrap();
            assert_eq!(left, Declarations::default());
        }
    }

    #[test]
    fn removing_takes_the_module_with_its_comment_and_leaves_the_rest() {
        let before = WRITTEN.replace("[modules.a.build.x] # nonsense, but kept\n", "");
        let without_b = before.replace("# about b\n[modules.b]\nsource = \"/b\"\n", "");
        assert_eq!(remove(&before, "b").unwrap(), without_b);
        let (_, from_a) = before.split_once("# about a").unwrap();
        let (_, from_between) = from_a.split_once("# between").unwrap();
        let without_a = format!("# mine\n#   do not touch\n\n# between{from_between}");
        assert_eq!(remove(&before, "a").unwrap(), without_a);
        let without_c = before.replace("[modules.c]\nsource = \"/c\"\n", "");
        assert_eq!(remove(&before, "c").unwrap(), without_c);
    }

    #[test]
    fn removing_what_was_added_gives_the_text_from_before() {
        for before in [HEADER, "# x\n", "[modules.z]\nsource = '/z'\n"] {
            let added = add(before, "a", "/a").unwrap();
            assert_eq!(remove(&added, "a").unwrap().trim_end(), before.trim_end());
            assert_eq!(add(&remove(&added, "a").unwrap(), "a", "/a").unwrap(), added);
        }
    }

    #[test]
    fn a_comment_that_stands_apart_at_the_top_outlives_the_first_module_however_it_is_written() {
        for module in [
            "[modules.a]\nsource = '/a'\n",
            "modules.a.source = '/a'\n",
            "modules.a = { source = '/a' }\n",
        ] {
            for rest in ["", "\n# end\n"] {
                let text = remove(&format!("# top\n\n# about a\n{module}{rest}"), "a").unwrap();
                assert!(text.starts_with("# top\n"), "{module}: {text}");
                assert!(
                    !text.contains("about") && text.contains("# end") != rest.is_empty(),
                    "{text}"
                );
            }
        }
    }

    #[test]
    fn an_edit_that_cannot_be_right_changes_nothing() {
        let a = "[modules.a]\nsource = '/a'\n";
        assert!(matches!(add(a, "A", "/x"), Err(EditError::SameButCase { .. })));
        assert!(matches!(remove(a, "b"), Err(EditError::NotDeclared(_))));
        assert!(matches!(remove("", "b"), Err(EditError::NotDeclared(_))));
        assert!(matches!(add("modules = 1", "a", "/x"), Err(EditError::NotATable(_))));
        assert!(matches!(add("[modules]\na = 1", "a", "/x"), Err(EditError::NotATable(_))));
        let broken = add("[modules.a]\nsource =", "b", "/x");
        assert!(matches!(broken, Err(EditError::Toml { line: 2, .. })), "{broken:?}");
    }

    #[test]
    fn a_secret_is_never_written() {
        let text = add("", "a", "git+https://u:tok@h/a").unwrap();
        assert!(text.contains("\"git+https://u@h/a\"") && !text.contains("tok@"), "{text}");
    }
}
