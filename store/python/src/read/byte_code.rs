//! Byte code that a Python wrote by itself, in a `__pycache__` beside the source.
//!
//! Entries are read-only, and Python says nothing when it cannot write there. But root may write anywhere: a host that
//! runs as root, as in many containers, has byte code in the entries after the first import. Python trusts byte code that
//! names the source's time and size; so does this.

use std::{io::Read as _, os::unix::fs::MetadataExt as _, path::Path};

use modstore_core::disk::open_regular;

/// The name of the directories that Python keeps byte code in.
pub const DIRECTORY: &str = "__pycache__";

/// Magic number, flags, and the time and the size of the source.
const HEADER: usize = 16;

/// Whether this file is byte code of the source beside it as that is now.
#[must_use]
pub fn is_byte_code(file: &Path) -> bool {
    let read = || {
        let directory = file.parent().filter(|directory| directory.ends_with(DIRECTORY))?;
        let name = file.file_name()?.to_str()?.strip_suffix(".pyc")?;
        let (module, _tag) = name.split_once('.')?;
        let source = directory.parent()?.join(format!("{module}.py")).symlink_metadata().ok()?;
        let mut header = [0; HEADER];
        open_regular(file).ok()?.read_exact(&mut header).ok()?;
        // Both are kept as the lowest four bytes, and so they are compared.
        let [time, size] = [source.mtime().to_le_bytes(), source.size().to_le_bytes()];
        let is_by_time = header.get(4..8)? == [0; 4];
        Some(
            is_by_time
                && header.get(8..12)? == time.get(..4)?
                && header.get(12..)? == size.get(..4)?,
        )
    };
    read().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf};

    use super::*;

    #[test]
    fn byte_code_is_known_by_the_time_and_the_size_of_the_source_beside_it() {
        let place = tempfile::tempdir().unwrap();
        let cache = place.path().join(DIRECTORY);
        fs::create_dir(&cache).unwrap();
        let source = place.path().join("code.py");
        fs::write(&source, "12345").unwrap();
        let time = u32::try_from(source.metadata().unwrap().mtime()).unwrap();
        let write = |name: &str, flags: u32, time: u32, size: u32| -> PathBuf {
            let path = place.path().join(name);
            let fields = [0xa0d_u32, flags, time, size].map(u32::to_le_bytes).concat();
            fs::write(&path, [fields, b"code".to_vec()].concat()).unwrap();
            path
        };
        for (name, flags, time, size, expected) in [
            ("__pycache__/code.cpython-312.pyc", 0, time, 5, true),
            ("__pycache__/code.cpython-312.opt-1.pyc", 0, time, 5, true),
            ("__pycache__/code.cpython-312.pyc", 0, time + 1, 5, false),
            ("__pycache__/code.cpython-312.pyc", 0, time, 6, false),
            ("__pycache__/code.cpython-312.pyc", 1, time, 5, false),
            ("__pycache__/other.cpython-312.pyc", 0, time, 5, false),
            ("__pycache__/code.pyc", 0, time, 5, false),
            ("code.cpython-312.pyc", 0, time, 5, false),
        ] {
            let path = write(name, flags, time, size);
            assert_eq!(is_byte_code(&path), expected, "{name} {flags} {time} {size}");
        }
        let torn = cache.join("code.cpython-313.pyc");
        fs::write(&torn, "short").unwrap();
        assert!(!is_byte_code(&torn));
    }
}
