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

/// Reads the text of a `RECORD`, whose paths are from `site`.
pub(super) fn read(site: &Path, text: &[u8]) -> Result<Vec<RecordedFile>, csv::Error> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text);
    let too_many = || {
        let why = format!("more than {RECORDED} files");
        csv::Error::from(std::io::Error::new(std::io::ErrorKind::FileTooLarge, why))
    };
    let rows = reader.records().enumerate().map(|(number, row)| {
        if number == RECORDED {
            return Err(too_many());
        }
        let row = row?;
        let filled = |at: usize| row.get(at).filter(|text| !text.is_empty());
        Ok(RecordedFile {
            path: lexical(site, Path::new(filled(0).unwrap_or_default())),
            hash: filled(1).map(str::to_owned),
            size: filled(2).and_then(|size| size.parse().ok()),
        })
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
    fn a_record_that_is_no_text_is_an_error() {
        assert!(read(Path::new("/s"), b"a\xff,,\n").is_err());
    }
}
