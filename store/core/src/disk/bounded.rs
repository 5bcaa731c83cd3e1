//! Reading files that other people may have put there: regular ones only, without waiting, up to a limit.
//!
//! A named pipe would be waited for, a device or a sparse file of terabytes would be read into memory. Here each is an
//! error at once, that says what lies there.
//!
//! In environments and work trees links are followed, as people use them there. The store's own files are never links:
//! one that was planted would lead what is written, or what is believed, elsewhere.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use gix::bstr::BStr;
use rustix::fs::{Mode, OFlags};

use super::open_tree::TreeAt;

/// Most bytes of one small file that is read whole: settings, metadata, lists of files.
pub const SMALL_FILE: u64 = 64 << 20;

/// Most bytes of a file of the store's own that is read whole: the journal, a manifest.
pub const OWN_FILE: u64 = 256 << 20;

/// The regular file `path`, opened to be read.
///
/// # Errors
/// When it cannot be opened, and when a pipe, a device, a socket or a directory lies there.
pub fn open_regular(path: &Path) -> io::Result<File> {
    regular(without_waiting(OpenOptions::new().read(true), OFlags::empty()).open(path)?)
}

/// The regular file `name` below an open directory, as [`open_regular`], without the walk to the directory.
fn open_at(directory: &File, name: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    Ok(File::from(rustix::fs::openat(directory, name, flags, Mode::empty())?))
}

/// The store's own regular file `path`, opened as `options` say.
///
/// # Errors
/// As [`open_regular`], and when a link lies there.
pub fn open_own(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    regular(without_waiting(options, OFlags::NOFOLLOW).open(path).map_err(of_link)?)
}

/// As [`open_own`], to be read, with its length: the look that finds out that it is regular tells that too.
pub(super) fn open_own_with_length(path: &Path) -> io::Result<(File, u64)> {
    let mut options = OpenOptions::new();
    let options = without_waiting(options.read(true), OFlags::NOFOLLOW);
    with_length(options.open(path).map_err(of_link)?)
}

/// The same for a file of a tree.
pub(super) fn open_in_tree(tree: TreeAt<'_>, file: &BStr) -> io::Result<(File, u64)> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let (top, below) = tree.find(file);
    let opened = rustix::fs::openat(top, &*below, flags | OFlags::NOFOLLOW, Mode::empty());
    with_length(File::from(opened.map_err(|error| of_link(error.into()))?))
}

fn with_length(file: File) -> io::Result<(File, u64)> {
    let meta = file.metadata()?;
    if meta.is_file() { Ok((file, meta.len())) } else { Err(not_regular()) }
}

/// Lets `options` neither wait for the other end of a pipe nor take a terminal.
fn without_waiting(options: &mut OpenOptions, besides: OFlags) -> &mut OpenOptions {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY | besides;
    options.custom_flags(flags.bits().cast_signed())
}

fn regular(file: File) -> io::Result<File> {
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(not_regular()),
    }
}

fn not_regular() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")
}

/// Says in plain words what systems say in different ones when a link is not followed.
pub(super) fn of_link(error: io::Error) -> io::Error {
    let code = error.raw_os_error().map(rustix::io::Errno::from_raw_os_error);
    match code {
        Some(rustix::io::Errno::LOOP | rustix::io::Errno::MLINK) => link_in_the_way(),
        _ => error,
    }
}

/// A link lies where the store never has one.
pub(super) fn link_in_the_way() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "a symbolic link, which is not followed here")
}

/// The whole regular file `path`, of `limit` bytes at most.
///
/// # Errors
/// As [`open_regular`], and [`io::ErrorKind::FileTooLarge`] when it is longer; then no more than `limit` bytes were read.
pub fn read_regular(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    read_opened(without_waiting(OpenOptions::new().read(true), OFlags::empty()).open(path)?, limit)
}

/// The file `name` below an open directory, as [`read_regular`] reads one.
///
/// # Errors
/// As [`read_regular`].
pub fn read_regular_at(directory: &File, name: &Path, limit: u64) -> io::Result<Vec<u8>> {
    read_opened(open_at(directory, name)?, limit)
}

fn read_opened(file: File, limit: u64) -> io::Result<Vec<u8>> {
    let meta = file.metadata()?;
    if meta.is_file() { read_of_length(&file, meta.len(), limit) } else { Err(not_regular()) }
}

/// The store's own file `path`, of [`OWN_FILE`] bytes at most.
///
/// # Errors
/// As [`read_regular`], and when a link lies there.
pub fn read_own(path: &Path) -> io::Result<Vec<u8>> {
    read_whole(&open_own(path, OpenOptions::new().read(true))?, OWN_FILE)
}

/// All of `file` from where it stands, of `limit` bytes at most.
///
/// # Errors
/// As [`read_regular`].
pub fn read_whole(file: &File, limit: u64) -> io::Result<Vec<u8>> {
    read_of_length(file, file.metadata()?.len(), limit)
}

fn read_of_length(mut file: &File, length: u64, limit: u64) -> io::Result<Vec<u8>> {
    let too_large = || {
        let why = format!("larger than the {limit} bytes that are read of such a file");
        io::Error::new(io::ErrorKind::FileTooLarge, why)
    };
    if length > limit {
        return Err(too_large());
    }
    // One byte more than there should be: a regular file gives fewer than are asked for only at its end.
    let mut bytes = vec![0; usize::try_from(length).unwrap_or_default().saturating_add(1)];
    let got = loop {
        match file.read(&mut bytes) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            got => break got?,
        }
    };
    bytes.truncate(got);
    if got as u64 != length {
        // A file may grow while it is read.
        let left = limit.saturating_add(1).saturating_sub(got as u64);
        file.take(left).read_to_end(&mut bytes)?;
    }
    if bytes.len() as u64 > limit { Err(too_large()) } else { Ok(bytes) }
}

/// The whole regular file `path` as text, of [`SMALL_FILE`] bytes at most.
///
/// # Errors
/// As [`read_regular`], and [`io::ErrorKind::InvalidData`] when it is not UTF-8.
pub fn read_regular_text(path: &Path) -> io::Result<String> {
    String::from_utf8(read_regular(path, SMALL_FILE)?)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_regular_file_or_too_large_is_an_error_at_once() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        rustix::fs::mknodat(
            rustix::fs::CWD,
            at("pipe"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
        std::os::unix::fs::symlink("/dev/zero", at("device")).unwrap();
        File::create(at("huge")).unwrap().set_len(1 << 40).unwrap();
        std::fs::write(at("good"), "text").unwrap();
        for name in ["pipe", "device", "."] {
            let error = read_regular(&at(name), 10).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{name}: {error}");
        }
        assert_eq!(read_regular(&at("huge"), 10).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(read_regular(&at("good"), 3).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(read_regular(&at("good"), 4).unwrap(), b"text");
        assert_eq!(read_regular_text(&at("good")).unwrap(), "text");
    }

    #[test]
    fn a_file_of_the_stores_own_is_never_a_link() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        std::fs::write(at("victim"), "text").unwrap();
        for (name, leads) in [("link", "victim"), ("dangling", "nowhere"), ("device", "/dev/zero")]
        {
            std::os::unix::fs::symlink(leads, at(name)).unwrap();
            let mut writing = OpenOptions::new();
            let writing = writing.read(true).write(true).create(true).truncate(true);
            for error in [
                read_own(&at(name)).unwrap_err(),
                open_own(&at(name), writing).map(drop).unwrap_err(),
            ] {
                assert!(error.to_string().contains("symbolic link"), "{name}: {error}");
            }
        }
        assert_eq!(read_own(&at("victim")).unwrap(), b"text");
        assert!(!at("nowhere").exists());
    }
}
