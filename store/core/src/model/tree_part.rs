//! [`TreePart`]: what a subdirectory leads to in a tree, where links of the tree are followed.
//!
//! Lexical, by the list of the tree and the texts of its links, so it says the same before a tree is in the store and
//! after. A link is followed wherever it stands on the way, as the kernel would follow it, and never out of the tree.
//!
//! Limits: a link whose text is not UTF-8 is taken for one that leads nowhere.

use gix::bstr::{BStr, BString};

use super::{FileKind, Manifest, Subdirectory};

/// The most links that are followed on one way; the kernel follows as many.
const MOST_LINKS: usize = 40;

/// What a subdirectory leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TreePart {
    /// A directory, without links on the way; empty for the whole tree.
    Directory(String),
    /// A single file, without links on the way.
    File(String),
}

/// Why a subdirectory leads to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TreePartError {
    /// The tree has nothing at this path.
    #[error("there is no directory or file of that name")]
    Missing,
    /// A link on the way leads to what is not in the tree.
    #[error("`{link}` is a link to `{text}`, which is not in the tree")]
    Dangling {
        /// The link.
        link: String,
        /// Its text.
        text: String,
    },
    /// A link on the way leads to a file, and there is more of the way.
    #[error("`{link}` is a link to `{text}`, which is a file and no directory")]
    NoDirectory {
        /// The link.
        link: String,
        /// Its text.
        text: String,
    },
    /// A link on the way leads out of the tree.
    #[error("`{link}` is a link to `{text}`, which is outside of the tree")]
    Outside {
        /// The link.
        link: String,
        /// Its text.
        text: String,
    },
    /// The links lead to each other.
    #[error("`{link}` is one of more than {MOST_LINKS} links that lead to each other")]
    Loop {
        /// The last one that was followed.
        link: String,
    },
}

/// A link that was followed.
struct Link {
    path: String,
    text: String,
    /// How many steps are left when those of its text are done.
    rest: usize,
}

impl TreePart {
    /// Follows `subdirectory`. `text_of` reads the text of a link at a path.
    ///
    /// # Errors
    /// Names the link that leads nowhere, where there is one on the way.
    pub fn find(
        manifest: &Manifest,
        subdirectory: &Subdirectory,
        text_of: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, TreePartError> {
        let mut way: Vec<String> = steps(subdirectory.as_str());
        let mut at: Vec<String> = Vec::new();
        // Those in whose texts the way is.
        let mut links: Vec<Link> = Vec::new();
        let mut followed = 0;
        while let Some(step) = way.pop() {
            links.retain(|link| link.rest <= way.len());
            if step == ".." {
                at.pop().ok_or_else(|| outside(&links))?;
                continue;
            }
            at.push(step);
            let path = at.join("/");
            match manifest.find(BStr::new(&path)).map(|(_, file)| file.kind) {
                Some(FileKind::Symlink) => {
                    at.pop();
                    let (text, rest) = (text_of(&path).unwrap_or_default(), way.len());
                    way.extend(steps(&text));
                    links.push(Link { path, text, rest });
                    followed += 1;
                    check_links(&links, followed)?;
                }
                Some(FileKind::File | FileKind::Executable) if way.is_empty() => {
                    return Ok(Self::File(path));
                }
                Some(FileKind::File | FileKind::Executable) => {
                    return Err(no_directory(&links, way.len()));
                }
                None if manifest.below(BStr::new(&path)).is_empty() => {
                    return Err(missing(&links));
                }
                None => {}
            }
        }
        Ok(Self::Directory(at.join("/")))
    }

    /// The path in the tree; empty for the whole tree.
    #[must_use]
    pub fn path(&self) -> &str {
        match self {
            Self::Directory(path) | Self::File(path) => path,
        }
    }

    /// The path in it of a path in the tree that belongs to it; a single file has its own name.
    #[must_use]
    pub fn path_in(&self, path: &BStr) -> BString {
        let directory = match self {
            Self::Directory(directory) => directory,
            Self::File(file) => file.rsplit_once('/').map_or("", |(directory, _)| directory),
        };
        let rest = path.strip_prefix(directory.as_bytes()).unwrap_or(path);
        rest.strip_prefix(b"/").unwrap_or(rest).into()
    }

    /// Whether this path of the tree belongs to it.
    #[must_use]
    pub fn contains(&self, path: &BStr) -> bool {
        let rest = path.strip_prefix(self.path().as_bytes());
        self.path().is_empty() || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    }
}

/// The steps of a path, the first one last.
fn steps(path: &str) -> Vec<String> {
    let steps = path.split('/').filter(|step| !matches!(*step, "" | "."));
    steps.rev().map(str::to_owned).collect()
}

fn check_links(links: &[Link], followed: usize) -> Result<(), TreePartError> {
    let Some(Link { path, text, .. }) = links.last() else { return Ok(()) };
    if text.starts_with('/') {
        return Err(outside(links));
    }
    if text.is_empty() {
        return Err(missing(links));
    }
    if followed > MOST_LINKS {
        return Err(TreePartError::Loop { link: path.clone() });
    }
    Ok(())
}

/// Nothing is there: the link at fault is the one in whose text the step was, and none where a person wrote it.
fn missing(links: &[Link]) -> TreePartError {
    match links.last() {
        Some(Link { path, text, .. }) => {
            TreePartError::Dangling { link: path.clone(), text: text.clone() }
        }
        None => TreePartError::Missing,
    }
}

/// A file is there and more is left: a link whose text ends here leads to a file.
fn no_directory(links: &[Link], left: usize) -> TreePartError {
    match links.iter().find(|link| link.rest == left) {
        Some(Link { path, text, .. }) => {
            TreePartError::NoDirectory { link: path.clone(), text: text.clone() }
        }
        None => missing(links),
    }
}

fn outside(links: &[Link]) -> TreePartError {
    match links.last() {
        Some(Link { path, text, .. }) => {
            TreePartError::Outside { link: path.clone(), text: text.clone() }
        }
        None => TreePartError::Missing,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::model::{ContentHash, TreeFile};

    /// What a subdirectory leads to in a tree of these files, and of these links with their texts.
    fn found(
        files: &[&str],
        links: &[(&str, &str)],
        subdirectory: &str,
    ) -> Result<TreePart, TreePartError> {
        let file = |path: &str, kind| TreeFile {
            path: path.into(),
            kind,
            size: 1,
            content: ContentHash::of(path.as_bytes()),
        };
        let all = files.iter().map(|path| file(path, FileKind::File));
        let all = all.chain(links.iter().map(|(path, _)| file(path, FileKind::Symlink)));
        let manifest = Manifest::new(all.collect()).unwrap();
        let texts: HashMap<_, _> = links.iter().copied().collect();
        let subdirectory = subdirectory.parse().unwrap();
        TreePart::find(&manifest, &subdirectory, |path| Some(texts.get(path)?.to_string()))
    }

    const FILES: [&str; 3] = ["packages/clock/main.py", "packages/clock/src/x.py", "tools/one.py"];

    #[test]
    fn a_link_leads_to_its_directory_or_file_wherever_it_stands_on_the_way() {
        let links = [
            ("plugins/clock", "../packages/clock"),
            ("again", "plugins/clock"),
            ("all", "packages"),
            ("here", "."),
            ("tool", "tools/one.py"),
            ("packages/clock/up", "../.."),
        ];
        let directory = |path: &str| Ok(TreePart::Directory(path.to_owned()));
        for (subdirectory, part) in [
            ("packages/clock", directory("packages/clock")),
            ("plugins/clock", directory("packages/clock")),
            ("again", directory("packages/clock")),
            ("again/src", directory("packages/clock/src")),
            ("all/clock", directory("packages/clock")),
            ("here", directory("")),
            ("here/here/all/clock/up/tools", directory("tools")),
            ("tools/one.py", Ok(TreePart::File("tools/one.py".to_owned()))),
            ("tool", Ok(TreePart::File("tools/one.py".to_owned()))),
            ("again/main.py", Ok(TreePart::File("packages/clock/main.py".to_owned()))),
        ] {
            assert_eq!(found(&FILES, &links, subdirectory), part, "{subdirectory}");
        }
    }

    #[test]
    fn what_leads_nowhere_is_named_with_the_link_that_is_at_fault() {
        let links = [
            ("lost", "packages/clok"),
            ("through", "tools/one.py/x"),
            ("out", "../../x"),
            ("root", "/etc"),
            ("a", "b"),
            ("b", "a"),
            ("good", "packages/clock"),
            ("file", "tools/one.py"),
            ("packages/clock/file", "../../file"),
            ("over", "good/nothing"),
            ("far", "good/file/x"),
        ];
        let pair = |link: &str, text: &str| (link.to_owned(), text.to_owned());
        let dangling = |(link, text)| TreePartError::Dangling { link, text };
        let outside = |(link, text)| TreePartError::Outside { link, text };
        let no_directory = |(link, text)| TreePartError::NoDirectory { link, text };
        for (subdirectory, error) in [
            ("packages/clok", TreePartError::Missing),
            ("tools/one.py/x", TreePartError::Missing),
            ("lost", dangling(pair("lost", "packages/clok"))),
            ("lost/more", dangling(pair("lost", "packages/clok"))),
            ("through", dangling(pair("through", "tools/one.py/x"))),
            ("out", outside(pair("out", "../../x"))),
            ("root/x", outside(pair("root", "/etc"))),
            ("a", TreePartError::Loop { link: "a".to_owned() }),
            // The link is good, and what the person wrote behind it is not.
            ("good/nothing", TreePartError::Missing),
            ("good/main.py/x", TreePartError::Missing),
            ("file/x", no_directory(pair("file", "tools/one.py"))),
            ("good/file/x", no_directory(pair("packages/clock/file", "../../file"))),
            ("over", dangling(pair("over", "good/nothing"))),
            ("over/x", dangling(pair("over", "good/nothing"))),
            ("far", no_directory(pair("packages/clock/file", "../../file"))),
        ] {
            assert_eq!(found(&FILES, &links, subdirectory), Err(error), "{subdirectory}");
        }
    }
}
