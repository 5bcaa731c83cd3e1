//! Reading files that other people may have put there: regular ones only, without waiting, up to a limit.
//!
//! A named pipe would be waited for, a device or a sparse file of terabytes would be read into memory. Here each is an
//! error at once, that says what lies there.
//!
//! Limits: links are followed, as environments and work trees use them.

use std::{
    fs::File,
    io::{self, Read as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use rustix::fs::OFlags;

/// Most bytes of one small file that is read whole: settings, metadata, lists of files.
pub(crate) const SMALL_FILE: u64 = 64 << 20;

/// Most bytes of a file of the store's own that is read whole: the journal, a manifest.
pub(crate) const OWN_FILE: u64 = 256 << 20;

/// The regular file `path`, opened to be read.
///
/// # Errors
/// When it cannot be opened, and when a pipe, a device, a socket or a directory lies there.
pub(crate) fn open_regular(path: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file =
        std::fs::OpenOptions::new().read(true).custom_flags(flags.bits() as i32).open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")),
    }
}

/// The whole regular file `path`, of `limit` bytes at most.
///
/// # Errors
/// As [`open_regular`], and [`io::ErrorKind::FileTooLarge`] when it is longer; then no more than `limit` bytes were read.
pub(crate) fn read_regular(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let file = open_regular(path)?;
    let length = file.metadata()?.len();
    let too_large = || {
        let why = format!("larger than the {limit} bytes that are read of such a file");
        io::Error::new(io::ErrorKind::FileTooLarge, why)
    };
    if length > limit {
        return Err(too_large());
    }
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    // A file may grow while it is read.
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit { Err(too_large()) } else { Ok(bytes) }
}

/// The whole regular file `path` as text, of [`SMALL_FILE`] bytes at most.
///
/// # Errors
/// As [`read_regular`], and [`io::ErrorKind::InvalidData`] when it is not UTF-8.
pub(crate) fn read_regular_text(path: &Path) -> io::Result<String> {
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
}
