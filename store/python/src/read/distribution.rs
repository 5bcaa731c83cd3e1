//! [`Distribution`]: an installed project, by its `.dist-info` or `.egg-info`. Its name and version are in the name of
//! that directory; the rest is read when a caller asks for it.

use std::path::{Path, PathBuf};

use modstore_core::{disk::DiskError, model::DistributionName};

use super::{
    direct_url::DirectUrl,
    limits::small_if_there,
    metadata::{EntryPoint, Metadata},
    record::{self, RecordedFile},
};

/// The metadata in an egg: a directory or an archive of its own on the import path, as `setup.py install` made them.
const EGG_INFO: &str = "EGG-INFO";

/// A project that is installed in a site directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Distribution {
    /// Its name.
    pub name: DistributionName,
    /// Its version, as its directory's name has it.
    pub version: Option<String>,
    /// Its `.dist-info` or `.egg-info`, by its path. An old `.egg-info` may be a file.
    pub directory: PathBuf,
    /// Where it came from, when not from an index.
    pub direct_url: Option<DirectUrl>,
    /// The site directory.
    pub(super) site: PathBuf,
}

/// The metadata of a distribution cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DistributionError {
    /// The disk.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// Its `RECORD` is no table.
    #[error("{} is no table of files", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: csv::Error,
    },
}

impl Distribution {
    /// The distribution of this `.dist-info` or `.egg-info`.
    #[must_use]
    pub fn at(directory: &Path) -> Option<Self> {
        let (parent, name) = (directory.parent()?, directory.file_name()?.to_str()?);
        match name {
            EGG_INFO => Self::named(parent.parent()?, parent.file_name()?.to_str()?),
            name => Self::named(parent, name),
        }
    }

    /// The distribution that the name of a `.dist-info`, an `.egg-info` or an egg in `site` stands for.
    pub(super) fn named(site: &Path, file_name: &str) -> Option<Self> {
        let (stem, kind) = file_name.rsplit_once('.')?;
        let (name, version) = match kind {
            "dist-info" => stem.rsplit_once('-').map(|(name, version)| (name, Some(version)))?,
            // `name-1.0-py3.12`, or `name` alone beside an editable's packages.
            "egg-info" => match stem.split_once('-') {
                Some((name, rest)) => (name, rest.split('-').next()),
                None => (stem, None),
            },
            // `name-1.0-py3.8`, or with a platform behind that.
            "egg" => stem.split_once('-').map(|(name, rest)| (name, rest.split('-').next()))?,
            _ => return None,
        };
        let directory = site.join(file_name);
        Some(Self {
            name: name.parse().ok()?,
            version: version.map(str::to_owned),
            directory: if kind == "egg" { directory.join(EGG_INFO) } else { directory },
            direct_url: None,
            site: site.to_owned(),
        })
    }

    /// Whether it is an editable install, by its own directory.
    #[must_use]
    pub fn is_editable(&self) -> bool {
        self.direct_url.as_ref().is_some_and(|url| url.is_editable)
    }

    /// Its `METADATA`, if it has one.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn metadata(&self) -> Result<Option<Metadata>, DistributionError> {
        let names = ["METADATA", "PKG-INFO", ""];
        for name in names {
            let path =
                if name.is_empty() { self.directory.clone() } else { self.directory.join(name) };
            // Anything else of that name is an error; the directory itself is none.
            if path.is_file() || (!name.is_empty() && path.exists()) {
                let metadata = text(&path)?.map(|text| Metadata::read(&text));
                return Ok(metadata.map(|metadata| self.with_requires(metadata)));
            }
        }
        Ok(None)
    }

    /// An `.egg-info` of older setuptools has its requirements in a file of their own.
    fn with_requires(&self, mut metadata: Metadata) -> Metadata {
        if metadata.requires.is_empty()
            && let Ok(Some(text)) = text(&self.directory.join("requires.txt"))
        {
            metadata.requires = requires_of_egg(&text);
        }
        metadata
    }

    /// Its version, as its directory's name has it, or else its metadata.
    #[must_use]
    pub fn known_version(&self) -> Option<String> {
        self.version.clone().or_else(|| self.metadata().ok()??.version)
    }

    /// Its entry points.
    ///
    /// # Errors
    /// When `entry_points.txt` is there and cannot be read.
    pub fn entry_points(&self) -> Result<Vec<EntryPoint>, DistributionError> {
        let text = text(&self.directory.join("entry_points.txt"))?;
        Ok(text.map(|text| EntryPoint::all(&text)).unwrap_or_default())
    }

    /// The installer that installed it: `uv`, `pip`.
    ///
    /// # Errors
    /// When `INSTALLER` is there and cannot be read.
    pub fn installer(&self) -> Result<Option<String>, DistributionError> {
        Ok(text(&self.directory.join("INSTALLER"))?.map(|text| text.trim().to_owned()))
    }

    /// The installed files, if they were recorded.
    ///
    /// # Errors
    /// See [`DistributionError`].
    pub fn record(&self) -> Result<Option<Vec<RecordedFile>>, DistributionError> {
        self.record_where(|_| true)
    }

    /// The recorded files, if the bytes of `RECORD` are `wanted`: most records need not be parsed to see that they have
    /// none of some names.
    pub(super) fn record_where(
        &self,
        wanted: impl FnOnce(&[u8]) -> bool,
    ) -> Result<Option<Vec<RecordedFile>>, DistributionError> {
        let path = self.directory.join("RECORD");
        let Some(bytes) = small_if_there(&path)?.filter(|bytes| wanted(bytes)) else {
            return Ok(None);
        };
        let files = record::read(&self.site, &bytes);
        files.map(Some).map_err(|source| DistributionError::Record { path, source })
    }
}

/// The requirements in a `requires.txt`, without those of extras: sections are `[EXTRA]`, `[:MARKER]` or `[EXTRA:MARKER]`.
fn requires_of_egg(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut section = "";
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(name) = line.strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
            section = name;
        } else if section.is_empty() {
            found.push(line.to_owned());
        } else if let Some(marker) = section.strip_prefix(':') {
            found.push(format!("{line} ; {marker}"));
        }
    }
    found
}

fn text(path: &Path) -> Result<Option<String>, DiskError> {
    // An old `.egg-info` is a file; it has nothing below it.
    if path.parent().is_some_and(Path::is_file) {
        return Ok(None);
    }
    Ok(small_if_there(path)?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirements_of_an_egg_are_read_with_their_markers_and_without_extras() {
        let text = "six>=1.0\nb\n\n[:python_version < \"3\"]\nfutures\n\n[dev]\npytest\n\n[dev:os_name == \"nt\"]\nx\n";
        assert_eq!(requires_of_egg(text), ["six>=1.0", "b", "futures ; python_version < \"3\""]);
    }
}
