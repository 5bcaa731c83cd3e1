//! A depfile: the list that a build writes of what it has read, as compilers write it for `make`, or one path a line.

use std::path::{Component, Path, PathBuf};

/// The paths that a depfile lists, in no order.
pub(super) fn paths(text: &str) -> Vec<String> {
    if text.lines().any(is_rule) {
        return rules(text);
    }
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// `target: prerequisite …`, of which the targets are no news.
fn is_rule(line: &str) -> bool {
    line.split_once(':').is_some_and(|(target, rest)| {
        !target.is_empty() && (matches!(rest, "" | "\\") || rest.starts_with([' ', '\t']))
    })
}

fn rules(text: &str) -> Vec<String> {
    let joined = text.replace("\\\r\n", " ").replace("\\\n", " ");
    let rules = joined.lines().filter(|line| is_rule(line));
    let rest = rules.filter_map(|rule| rule.split_once(':').map(|(_, rest)| rest));
    rest.flat_map(words).collect()
}

/// Words that blanks part, unless there is a backslash before them.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut word) = (Vec::new(), String::new());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' if letters.peek().is_some_and(|next| matches!(next, ' ' | '#' | '\\')) => {
                word.extend(letters.next());
            }
            '$' if letters.peek() == Some(&'$') => word.extend(letters.next()),
            letter if letter.is_whitespace() => words.push(std::mem::take(&mut word)),
            letter => word.push(letter),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

/// A path as a build run in `at` meant it: below the scratch's `root`, or outside of it. `None` for what lies in
/// `private`, which no other program ever sees.
pub(super) fn placed(path: &str, at: &Path, root: &Path, private: &Path) -> Option<String> {
    let plain = plain(&at.join(path));
    if let Ok(below) = plain.strip_prefix(root) {
        return below.to_str().filter(|below| !below.is_empty()).map(str::to_owned);
    }
    (!plain.starts_with(private)).then(|| plain.to_str().map(str::to_owned))?
}

/// The path without `.` and `..`, by its text alone.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(plain.pop()),
            Component::CurDir => {}
            part => plain.push(part),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_of_make_and_plain_lines_are_both_read() {
        let rule = "out.js: main.ts \\\n  lib/a\\ b.ts $$x.ts\nmain.ts:\n";
        assert_eq!(paths(rule), ["main.ts", "lib/a b.ts", "$x.ts"]);
        assert_eq!(paths("main.ts\n\n  c:\\odd \n"), ["main.ts", "c:\\odd"]);
        assert_eq!(paths("/a b/c.ts\n"), ["/a b/c.ts"]);
        assert!(paths("").is_empty());
    }

    #[test]
    fn a_path_is_below_the_tree_or_outside_or_nobodys() {
        let (root, private) = (Path::new("/s/1/tree"), Path::new("/s/1"));
        let at = root.join("part");
        let placed = |path| placed(path, &at, root, private);
        assert_eq!(placed("main.ts").as_deref(), Some("part/main.ts"));
        assert_eq!(placed("../shared/./x").as_deref(), Some("shared/x"));
        assert_eq!(placed("/usr/lib/x").as_deref(), Some("/usr/lib/x"));
        assert_eq!((placed("/s/1/home/cache"), placed("..")), (None, None));
    }
}
