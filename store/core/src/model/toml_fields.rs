//! Reading typed fields out of TOML, with the place of whatever is wrong.
//!
//! No secret can reach a fault: it never quotes a value, and the parser's own message is taken without the
//! line it would show.

use toml_edit::{Document, Item, TableLike, TomlError, Value};

use super::{deceptive::is_deceptive, nearest::nearest, written::line_and_column};

/// What is wrong with a file as TOML, whatever the file is for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TomlFault {
    /// It is not TOML; a key or table that is there twice is this too.
    #[error("{0}")]
    Syntax(String),
    /// A merge left both sides in the file.
    #[error("a merge conflict is not resolved: this line begins with `{0}`")]
    Conflict(&'static str),
    /// A key that means nothing here.
    #[error("unknown key `{key}`{}", nearest.map(|known| format!(", did you mean `{known}`?")).unwrap_or_default())]
    UnknownKey {
        /// The key as written.
        key: String,
        /// The known key that is spelled most alike, if any is.
        nearest: Option<&'static str>,
    },
    /// A key that must be there is not.
    #[error("expected a `{0}`")]
    Missing(&'static str),
    /// The value is of the wrong type or form.
    #[error("expected `{key}` to be {expected}")]
    Expected {
        /// The key.
        key: String,
        /// What the value should be, with its article.
        expected: &'static str,
    },
}

/// A fault and the byte of the text where it is.
pub(super) type Placed<F> = (usize, F);

/// 1-based line and column of the fault, and the fault.
pub(super) fn located<F>(text: &str, (at, fault): Placed<F>) -> (usize, usize, F) {
    let (line, column) = line_and_column(text, at);
    (line, column, fault)
}

pub(super) fn document(text: &str) -> Result<Document<&str>, Placed<TomlFault>> {
    Document::parse(text).map_err(|error| syntax(text, &error))
}

/// Why `text` is not TOML, and where.
pub(super) fn syntax(text: &str, error: &TomlError) -> Placed<TomlFault> {
    if let Some((at, mark)) = conflict(text) {
        return (at, TomlFault::Conflict(mark));
    }
    let message = error.message().lines().next().unwrap_or_default();
    (error.span().map_or(0, |span| span.start), TomlFault::Syntax(message.to_owned()))
}

/// The first line that git writes around the sides of a conflict. None of them is TOML, but for a part of a string.
fn conflict(text: &str) -> Option<(usize, &'static str)> {
    let mut at = 0;
    text.split_inclusive('\n').find_map(|line| {
        let begin = at;
        at += line.len();
        let marks = ["<<<<<<<", "|||||||", "=======", ">>>>>>>"].into_iter();
        marks.filter(|mark| line.starts_with(mark)).map(|mark| (begin, mark)).next()
    })
}

/// A table, and the byte where its name is.
#[derive(Clone, Copy)]
pub(super) struct Fields<'t> {
    table: &'t dyn TableLike,
    at: usize,
}

impl<'t> Fields<'t> {
    pub(super) fn root(document: &'t Document<&str>) -> Self {
        Self { table: document.as_table(), at: 0 }
    }

    /// Where key `key` is, or else the table.
    pub(super) fn at(&self, key: &str) -> usize {
        self.table.key(key).and_then(toml_edit::Key::span).map_or(self.at, |span| span.start)
    }

    /// Where the value of `key` is.
    pub(super) fn value_at(&self, key: &str) -> usize {
        self.table.get(key).and_then(Item::span).map_or_else(|| self.at(key), |span| span.start)
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &'t str> {
        self.table.iter().map(|(key, _)| key)
    }

    pub(super) fn only(&self, known: &[&'static str]) -> Result<(), Placed<TomlFault>> {
        let Some(key) = self.keys().find(|key| !known.contains(key)) else { return Ok(()) };
        let nearest = nearest(key, known.iter().copied());
        Err((self.at(key), TomlFault::UnknownKey { key: key.to_owned(), nearest }))
    }

    pub(super) fn wrong(&self, key: &str, expected: &'static str) -> Placed<TomlFault> {
        (self.value_at(key), TomlFault::Expected { key: key.to_owned(), expected })
    }

    pub(super) fn table(&self, key: &str) -> Result<Option<Fields<'t>>, Placed<TomlFault>> {
        let Some(item) = self.table.get(key) else { return Ok(None) };
        let table = item.as_table_like().ok_or_else(|| self.wrong(key, "a table"))?;
        Ok(Some(Fields { table, at: self.at(key) }))
    }

    /// The tables of `[[key]]`; none, where there is no such key.
    pub(super) fn tables(&self, key: &str) -> Result<Vec<Fields<'t>>, Placed<TomlFault>> {
        let Some(item) = self.table.get(key) else { return Ok(Vec::new()) };
        let list = item.as_array_of_tables();
        let list = list.ok_or_else(|| {
            (
                self.at(key),
                TomlFault::Expected { key: key.to_owned(), expected: "written [[tier]]" },
            )
        })?;
        let at = |table: &toml_edit::Table| table.span().map_or(self.at, |span| span.start);
        Ok(list.iter().map(|table| Fields { table, at: at(table) }).collect())
    }

    pub(super) fn text(&self, key: &str) -> Result<Option<&'t str>, Placed<TomlFault>> {
        let Some(item) = self.table.get(key) else { return Ok(None) };
        item.as_str().map(Some).ok_or_else(|| self.wrong(key, "a string"))
    }

    pub(super) fn integer(&self, key: &str) -> Result<Option<i64>, Placed<TomlFault>> {
        let Some(item) = self.table.get(key) else { return Ok(None) };
        item.as_integer().map(Some).ok_or_else(|| self.wrong(key, "an integer"))
    }

    pub(super) fn boolean(&self, key: &str) -> Result<Option<bool>, Placed<TomlFault>> {
        let Some(item) = self.table.get(key) else { return Ok(None) };
        item.as_bool().map(Some).ok_or_else(|| self.wrong(key, "true or false"))
    }

    pub(super) fn texts(&self, key: &str) -> Result<Option<Vec<String>>, Placed<TomlFault>> {
        let Some(item) = self.table.get(key) else { return Ok(None) };
        let list = item.as_array().and_then(|array| {
            array.iter().map(|value| value.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
        });
        list.map(Some).ok_or_else(|| self.wrong(key, "a list of strings"))
    }

    pub(super) fn required<T>(
        &self,
        key: &'static str,
        value: Option<T>,
    ) -> Result<T, Placed<TomlFault>> {
        value.ok_or((self.at, TomlFault::Missing(key)))
    }
}

/// The value of a key, read from its text.
pub(super) fn parsed<T>(
    fields: &Fields<'_>,
    key: &str,
    expected: &'static str,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, Placed<TomlFault>> {
    let Some(text) = fields.text(key)? else { return Ok(None) };
    read(text).map(Some).ok_or_else(|| fields.wrong(key, expected))
}

/// A string in TOML, with deceptive characters as escapes: a server chooses the name of the branch that its HEAD leads
/// to.
pub(super) fn to_toml(text: String) -> String {
    if !text.contains(is_deceptive) {
        return Value::from(text).to_string();
    }
    let escape = |c: char| match c {
        '"' | '\\' => format!("\\{c}"),
        c if is_deceptive(c) => format!("\\U{:08X}", u32::from(c)),
        c => c.to_string(),
    };
    format!("\"{}\"", text.chars().map(escape).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_merge_conflict_is_named_by_its_first_line_and_a_string_that_looks_like_one_is_none() {
        for (before, mark) in
            [("", "<<<<<<< HEAD"), ("a = 1\n", "======="), ("a = 1\n", ">>>>>>> b")]
        {
            let text = format!("{before}{mark}\nb = 2\n");
            let (at, fault) = document(&text).unwrap_err();
            assert_eq!(at, before.len());
            let said =
                format!("a merge conflict is not resolved: this line begins with `{}`", &mark[..7]);
            assert_eq!(fault.to_string(), said);
        }
        assert!(document("a = \"\"\"\n=======\n\"\"\"\n").is_ok());
        let (_, fault) = document("a = = 1\n").unwrap_err();
        assert!(matches!(fault, TomlFault::Syntax(_)), "{fault}");
    }
}
