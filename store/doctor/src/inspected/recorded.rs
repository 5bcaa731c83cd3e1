//! `RECORD` as text: hashes in its form, and some lines of it rewritten while all others stay as they are, byte for byte.

use std::path::{Path, PathBuf};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use modstore_python::{RecordedFile, lexical, small_bytes};
use sha2::{Digest as _, Sha256};

/// The hash of a file as `RECORD` writes it.
pub(crate) fn hash_of(content: &[u8]) -> String {
    format!("sha256={}", URL_SAFE_NO_PAD.encode(Sha256::digest(content)))
}

/// Whether a file differs from its record; one without a hash of a known kind does not.
pub(crate) fn is_changed(file: &RecordedFile) -> bool {
    let Some(hash) = file.hash.as_ref().filter(|hash| hash.starts_with("sha256=")) else {
        return false;
    };
    small_bytes(&file.path)
        .is_some_and(|content| hash_of(&content) != *hash && !is_in_hex(hash, &content))
}

/// Whether this is the hash of the content as flit writes it for a link, with digits.
fn is_in_hex(hash: &str, content: &[u8]) -> bool {
    let digits = hash.strip_prefix("sha256=").filter(|digits| digits.len() == 64);
    digits.is_some_and(|digits| {
        let real = Sha256::digest(content).into_iter().map(|byte| format!("{byte:02x}"));
        digits.eq_ignore_ascii_case(&real.collect::<String>())
    })
}

/// Whether a file is one that Python makes by itself.
pub(crate) fn is_byte_code(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "pyc")
}

/// The text of a `RECORD` in `site` with the hash and the size of these files, where it has any of them.
pub(crate) fn with_files(site: &Path, text: &str, files: &[(PathBuf, Vec<u8>)]) -> String {
    let line = |line: &str| {
        let end = line.trim_end_matches(['\r', '\n']);
        let written = fields(end).and_then(|(path, raw)| {
            let path = lexical(site, Path::new(&path));
            let (_, content) = files.iter().find(|(file, _)| *file == path)?;
            Some(format!("{raw},{},{}", hash_of(content), content.len()))
        });
        match written {
            Some(written) => written + line.get(end.len()..).unwrap_or_default(),
            None => line.to_owned(),
        }
    };
    text.split_inclusive('\n').map(line).collect()
}

/// The path of a line that has a hash, and that path as it is written. One without a hash is meant to have none.
fn fields(line: &str) -> Option<(String, &str)> {
    let (raw, rest) = match line.strip_prefix('"') {
        Some(quoted) => {
            let end = quoted.find("\",")?;
            line.split_at(end + 2)
        }
        None => line.split_at(line.find(',')?),
    };
    let path = match raw.strip_prefix('"').and_then(|raw| raw.strip_suffix('"')) {
        Some(inner) => inner.replace("\"\"", "\""),
        None => raw.to_owned(),
    };
    rest.starts_with(",sha256=").then_some((path, raw))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_in_digits_is_one_too() {
        let digits = "sha256=e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert!(is_in_hex(digits, b"") && !is_in_hex(digits, b"x"));
        assert!(!is_in_hex(&hash_of(b""), b""));
    }

    #[test]
    fn only_the_lines_of_files_that_were_written_change() {
        let site = Path::new("/s");
        let text = "a.pth,sha256=old,1\r\n\"b,c.pth\",sha256=old,2\n../x,sha256=y,3\nd-1.dist-info/RECORD,,\n";
        let files = [("/s/a.pth".into(), b"one".to_vec()), ("/s/b,c.pth".into(), b"".to_vec())];
        let one = "sha256=dpLDrTVAu4A8Ags67mbNiIcSMjTqDG5xQ8Ct1z_0Me0";
        let none = "sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU";
        assert_eq!(hash_of(b""), none);
        let expected = format!(
            "a.pth,{one},3\r\n\"b,c.pth\",{none},0\n../x,sha256=y,3\nd-1.dist-info/RECORD,,\n"
        );
        assert_eq!(with_files(site, text, &files), expected);
        assert_eq!(with_files(site, text, &[]), text);
    }
}
