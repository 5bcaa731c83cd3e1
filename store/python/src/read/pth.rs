//! The lines of a `.pth` file, as Python's `site` reads them, and of a `.start` file.

use std::path::{Component, Path, PathBuf};

/// The effect of a line of a `.pth` file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// It puts this path on the import path, if it is there. Absolute.
    Path(PathBuf),
    /// It is run.
    Code(String),
}

impl Line {
    /// The modules that a line which is run begins by importing; for example
    /// `import __editable___x_finder; __editable___x_finder.install()`.
    pub fn imported(code: &str) -> Vec<&str> {
        let first = code.split(';').next().unwrap_or_default();
        let list = first.trim_start().strip_prefix("import").unwrap_or_default();
        let names = list.split(',').filter_map(|part| part.split_whitespace().next());
        names.collect()
    }
}

/// The file is not in UTF-8. How it is read then depends on the Python and its locale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotText;

/// The lines of a `.pth` file in `site` that have an effect.
pub fn lines(site: &Path, bytes: &[u8]) -> Result<Vec<Line>, NotText> {
    let line = |line: &str| {
        if line.starts_with("import ") || line.starts_with("import\t") {
            return Line::Code(line.trim_end().to_owned());
        }
        Line::Path(lexical(site, Path::new(line.trim_end())))
    };
    Ok(speaking(bytes)?.map(line).collect())
}

/// The modules of the functions that a `.start` file names, each as `package.module:function`.
pub(crate) fn started(bytes: &[u8]) -> Result<Vec<String>, NotText> {
    let module = |line: &str| line.split(':').next().unwrap_or_default().trim().to_owned();
    Ok(speaking(bytes)?.map(module).collect())
}

/// The lines that are neither empty nor remarks.
fn speaking(bytes: &[u8]) -> Result<impl Iterator<Item = &str>, NotText> {
    let text = std::str::from_utf8(bytes).map_err(|_| NotText)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines = text.split(['\n', '\r']);
    Ok(lines.filter(|line| !line.starts_with('#') && !line.trim().is_empty()))
}

/// `path` from `base`, without `.` and `..`: by its text alone, as Python does; links are not resolved.
pub fn lexical(base: &Path, path: &Path) -> PathBuf {
    let mut resolved = PathBuf::new();
    for component in base.join(path).components() {
        match component {
            Component::CurDir => {}
            // Above the root is the root.
            Component::ParentDir => drop(resolved.pop()),
            other => resolved.push(other),
        }
    }
    resolved
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Vec<Line> {
        lines(Path::new("/site"), text).unwrap()
    }

    #[test]
    fn lines_are_read_as_pythons_site_reads_them() {
        let path = |path: &str| Line::Path(path.into());
        let code = |code: &str| Line::Code(code.into());
        assert_eq!(read(b"/a/src"), [path("/a/src")], "no line end, as hatchling writes it");
        assert_eq!(
            read(b"/a/src\n/b\r\n# /c\n\n  \n/d \t\n"),
            [path("/a/src"), path("/b"), path("/d")]
        );
        assert_eq!(read(b"../x/./y\nrelative\n"), [path("/x/y"), path("/site/relative")]);
        assert_eq!(read(b"\xef\xbb\xbf/a b/\xc3\xa9\n"), [path("/a b/é")]);
        assert_eq!(read(b" /a\n"), [path("/site/ /a")], "Python keeps what stands before it");
        assert_eq!(
            read(b"import x; x.install()\nimport\ty\nimportant\n"),
            [code("import x; x.install()"), code("import\ty"), path("/site/important")]
        );
        assert_eq!(lines(Path::new("/site"), b"/a\xff\n"), Err(NotText));
    }

    #[test]
    fn the_modules_that_a_line_imports_are_named() {
        assert_eq!(Line::imported("import a_finder; a_finder.install()"), ["a_finder"]);
        assert_eq!(Line::imported("import sys, types as t,os;x = 1"), ["sys", "types", "os"]);
        assert_eq!(Line::imported("import\ta"), ["a"]);
    }

    #[test]
    fn a_start_file_names_functions() {
        let text = b"# a remark\n\n_editable_skbc_x:entrypoint\n a.b:c.d\n";
        assert_eq!(started(text).unwrap(), ["_editable_skbc_x", "a.b"]);
    }
}
