//! The changes of a commit, and a commit as `git fast-import` reads it.
//!
//! Commit times are minutes after a fixed start.

const FIRST_COMMIT_TIME: u64 = 1_700_000_000;

/// One difference between a commit and its parent. Paths are bytes, `/` between names.
#[derive(Debug, Clone)]
pub enum Change {
    /// A regular file with this content.
    Write(Vec<u8>, Vec<u8>),
    /// An executable file with this content.
    Exec(Vec<u8>, Vec<u8>),
    /// A symbolic link with this text.
    Symlink(Vec<u8>, Vec<u8>),
    /// The path, and all below it, is gone.
    Delete(Vec<u8>),
    /// A submodule at this path, at this commit id (40 hex digits).
    Gitlink(Vec<u8>, String),
}

impl Change {
    /// A regular file.
    pub fn write(path: impl AsRef<[u8]>, content: impl AsRef<[u8]>) -> Self {
        Self::Write(path.as_ref().to_vec(), content.as_ref().to_vec())
    }

    /// An executable file.
    pub fn exec(path: impl AsRef<[u8]>, content: impl AsRef<[u8]>) -> Self {
        Self::Exec(path.as_ref().to_vec(), content.as_ref().to_vec())
    }

    /// A symbolic link.
    pub fn symlink(path: impl AsRef<[u8]>, text: impl AsRef<[u8]>) -> Self {
        Self::Symlink(path.as_ref().to_vec(), text.as_ref().to_vec())
    }

    /// A path, and all below it, gone.
    pub fn delete(path: impl AsRef<[u8]>) -> Self {
        Self::Delete(path.as_ref().to_vec())
    }

    /// A submodule. Its `.gitmodules` is a file like any other and written as one.
    pub fn gitlink(path: impl AsRef<[u8]>, commit: &str) -> Self {
        Self::Gitlink(path.as_ref().to_vec(), commit.to_owned())
    }

    /// The bytes of the file that it writes.
    pub(crate) fn content(&self) -> &[u8] {
        match self {
            Self::Write(_, content) | Self::Exec(_, content) => content,
            _ => &[],
        }
    }

    fn append_to(&self, stream: &mut Vec<u8>) {
        let (mode, path, content) = match self {
            Self::Write(path, content) => ("100644", path, content),
            Self::Exec(path, content) => ("100755", path, content),
            Self::Symlink(path, text) => ("120000", path, text),
            Self::Delete(path) => {
                stream.extend([b"D ", quoted(path).as_slice(), b"\n"].concat());
                return;
            }
            Self::Gitlink(path, commit) => {
                stream.extend(
                    [format!("M 160000 {commit} ").as_bytes(), &quoted(path), b"\n"].concat(),
                );
                return;
            }
        };
        stream.extend([format!("M {mode} inline ").as_bytes(), &quoted(path), b"\n"].concat());
        append_data(stream, content);
    }
}

/// A commit as `git fast-import` reads it.
pub(crate) struct ImportedCommit<'a> {
    pub(crate) branch: &'a str,
    pub(crate) mark: usize,
    /// An id, or `:` and the mark of an earlier commit.
    pub(crate) parent: Option<&'a str>,
    /// Minutes after the first commit time.
    pub(crate) minute: u64,
    pub(crate) message: &'a str,
}

impl ImportedCommit<'_> {
    /// The commit with these changes, to be written to the program.
    pub(crate) fn stream(&self, changes: &[Change]) -> Vec<u8> {
        let Self { branch, mark, parent, minute, message } = self;
        let time = FIRST_COMMIT_TIME + 60 * minute;
        let mut stream = format!(
            "commit refs/heads/{branch}\nmark :{mark}\ncommitter Test <test@example.com> {time} +0000\n"
        )
        .into_bytes();
        append_data(&mut stream, message.as_bytes());
        if let Some(parent) = parent {
            stream.extend(format!("from {parent}\n").into_bytes());
        }
        changes.iter().for_each(|change| change.append_to(&mut stream));
        stream
    }
}

fn append_data(stream: &mut Vec<u8>, content: &[u8]) {
    stream.extend(format!("data {}\n", content.len()).into_bytes());
    stream.extend(content);
    stream.push(b'\n');
}

fn quoted(path: &[u8]) -> Vec<u8> {
    let mut out = vec![b'"'];
    for byte in path {
        match byte {
            b'"' | b'\\' => out.extend([b'\\', *byte]),
            b'\n' => out.extend(b"\\n"),
            _ => out.push(*byte),
        }
    }
    out.push(b'"');
    out
}
