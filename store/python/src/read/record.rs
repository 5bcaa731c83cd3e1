//! The files that an installer recorded for a distribution: `RECORD`, a table of path, hash and size.

use std::path::{Path, PathBuf};

use super::{limits::RECORDED, pth::lexical};

/// A file in `RECORD`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedFile {
    /// Where it is. Absolute.
    pub path: PathBuf,
    /// For example `sha256=…`, without padding; none for a file that cannot have one.
    pub hash: Option<String>,
    /// How many bytes it has.
    pub size: Option<u64>,
}

/// Reads the text of a `RECORD`, whose paths are from `site`. Hardly one has a quoted field, and without any a line is split
/// at its commas.
pub(super) fn read(site: &Path, text: &[u8]) -> Result<Vec<RecordedFile>, csv::Error> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    match str::from_utf8(text) {
        Ok(plain) if !plain.contains(['"', '\r']) => {
            let lines = plain.split('\n').filter(|line| !line.is_empty());
            let rows = lines.take(RECORDED + 1).enumerate().map(|(number, line)| {
                let mut fields = line.split(',');
                let mut next = || fields.next().unwrap_or_default();
                if number == RECORDED {
                    Err(too_many())
                } else {
                    Ok(file(site, [next(), next(), next()]))
                }
            });
            rows.collect()
        }
        _ => read_quoted(site, text),
    }
}

fn file(site: &Path, [path, hash, size]: [&str; 3]) -> RecordedFile {
    // As some wheels made on Windows have it; Python has unpacked them into directories.
    let is_windows = path.contains('\\') && !site.join(path).exists();
    let path = if is_windows { path.replace('\\', "/") } else { path.to_owned() };
    RecordedFile {
        path: lexical(site, Path::new(&path)),
        hash: (!hash.is_empty()).then(|| hash.to_owned()),
        size: size.parse().ok(),
    }
}

fn too_many() -> csv::Error {
    let why = format!("more than {RECORDED} files");
    csv::Error::from(std::io::Error::new(std::io::ErrorKind::FileTooLarge, why))
}

fn read_quoted(site: &Path, text: &[u8]) -> Result<Vec<RecordedFile>, csv::Error> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text);
    let rows = reader.records().enumerate().map(|(number, row)| {
        if number == RECORDED {
            return Err(too_many());
        }
        let row = row?;
        let field = |at: usize| row.get(at).unwrap_or_default();
        Ok(file(site, [field(0), field(1), field(2)]))
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_names_files_from_the_site_on() {
        let text = "../../../bin/run-me,sha256=qJde,296\r\n\"a,b.py\",sha256=x,1\nm-1.0.dist-info/RECORD,,\n/abs/x,,\n";
        let read = read(Path::new("/v/lib/python3.12/site-packages"), text.as_bytes()).unwrap();
        let paths: Vec<&str> = read.iter().map(|file| file.path.to_str().unwrap()).collect();
        let site = "/v/lib/python3.12/site-packages";
        let expected = [
            "/v/bin/run-me",
            &format!("{site}/a,b.py"),
            &format!("{site}/m-1.0.dist-info/RECORD"),
            "/abs/x",
        ];
        assert_eq!(paths, expected);
        assert_eq!((read[0].hash.as_deref(), read[0].size), (Some("sha256=qJde"), Some(296)));
        assert_eq!((read[2].hash.as_deref(), read[2].size), (None, None));
    }

    #[test]
    fn a_record_of_windows_names_files_by_their_parts() {
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join("odd\\name.py"), "").unwrap();
        let text = "\u{feff}pkg\\__init__.py,,\r\nodd\\name.py,,\r\n";
        let read = read(place.path(), text.as_bytes()).unwrap();
        let expected = ["pkg/__init__.py", "odd\\name.py"].map(|name| place.path().join(name));
        assert_eq!(read.iter().map(|it| it.path.clone()).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn lines_without_quotes_are_read_as_the_table_that_they_are() {
        proptest::proptest!(|(lines in proptest::collection::vec("[a-z/.,=0-9 ]{0,12}", 0..9), end in "\n?")| {
            let text = lines.join("\n") + &end;
            let site = Path::new("/v/site");
            let (plain, table) = (read(site, text.as_bytes()), read_quoted(site, text.as_bytes()));
            proptest::prop_assert_eq!(plain.unwrap(), table.unwrap());
        });
    }

    #[test]
    fn a_record_that_is_no_text_is_an_error() {
        assert!(read(Path::new("/s"), b"a\xff,,\n").is_err());
    }
}
