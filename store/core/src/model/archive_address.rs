//! How an archive is packed, and which repository it is of, by its address: by the end of its name, or as forges write it.
//!
//! Limits: the forms of GitHub, GitLab, Bitbucket, Gitea and Forgejo, sourcehut and Azure DevOps. Other fields of a query may hold
//! a secret, and are refused.

/// How an archive is packed, which its name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ArchiveKind {
    /// `.tar.gz`, `.tgz`
    TarGz,
    /// `.tar.zst`
    TarZst,
    /// `.zip`
    Zip,
}

impl ArchiveKind {
    const ENDINGS: [(&str, Self); 4] = [
        (".tar.gz", Self::TarGz),
        (".tgz", Self::TarGz),
        (".tar.zst", Self::TarZst),
        (".zip", Self::Zip),
    ];

    /// The kind an archive of this name is, and the name without its ending.
    #[must_use]
    pub fn split_name(name: &str) -> Option<(&str, Self)> {
        Self::ENDINGS.into_iter().find_map(|(ending, kind)| {
            let (stem, tail) = name.split_at_checked(name.len().checked_sub(ending.len())?)?;
            tail.eq_ignore_ascii_case(ending).then_some((stem, kind))
        })
    }
}

/// The fields of a query that forges and tools write into the address of an archive, and that hold no secret.
const FIELDS: [&str; 16] = [
    "archive",
    "format",
    "$format",
    "ref",
    "ref_type",
    "sha",
    "at",
    "path",
    "prefix",
    "filename",
    "version",
    "versiondescriptor.version",
    "versiondescriptor.versiontype",
    "versiondescriptor[version]",
    "versiondescriptor[versiontype]",
    "api-version",
];

/// Whether each field of the query, without its `?`, is one that may be written down.
pub(super) fn may_be_written(query: &str) -> bool {
    fields(query).all(|(key, _)| FIELDS.contains(&key.to_ascii_lowercase().as_str()))
}

/// How the archive at this address is packed.
pub(super) fn kind_of(host: Option<&str>, path: &str, query: &str) -> Option<ArchiveKind> {
    let parts = parts(path);
    let by_forge = match parts.as_slice() {
        [_, _, packed, ..] if host == Some("codeload.github.com") => named(packed),
        // GitHub, on any host: `/o/r/zipball/v1`, `/repos/o/r/tarball/v1`, `/api/v3/repos/o/r/zipball`.
        [_, _, "zipball", ..]
        | ["repos", _, _, "zipball", ..]
        | [_, _, "repos", _, _, "zipball", ..] => Some(ArchiveKind::Zip),
        [_, _, "tarball", ..]
        | ["repos", _, _, "tarball", ..]
        | [_, _, "repos", _, _, "tarball", ..] => Some(ArchiveKind::TarGz),
        // GitLab's API without an ending.
        [.., "repository", "archive"] if fields(query).all(|(key, _)| key != "format") => {
            Some(ArchiveKind::TarGz)
        }
        _ => None,
    };
    let by_name = || ArchiveKind::split_name(path).map(|(_, kind)| kind);
    let by_query = || {
        let mut packed = fields(query)
            .filter(|(key, _)| matches!(*key, "archive" | "format" | "$format"))
            .map(|(_, value)| value);
        packed.find_map(named)
    };
    by_forge.or_else(by_name).or_else(by_query)
}

/// The name of the repository that a forge packed, where the address has it.
pub(super) fn repository<'p>(host: Option<&str>, path: &'p str) -> Option<&'p str> {
    match parts(path).as_slice() {
        [_, name, _, ..] if host == Some("codeload.github.com") => Some(*name),
        [_, name, "zipball" | "tarball", ..]
        | ["repos", _, name, "zipball" | "tarball", ..]
        | [_, _, "repos", _, name, "zipball" | "tarball", ..]
        // GitHub, Gitea, Forgejo, sourcehut.
        | [_, name, "archive", ..]
        | ["api", "v1", "repos", _, name, "archive", ..]
        // Bitbucket.
        | [_, name, "get", _] => Some(*name),
        // GitLab, with groups in groups.
        parts => {
            let at = parts.windows(2).position(|two| two == ["-", "archive"])?;
            parts.get(at.checked_sub(1)?).copied()
        }
    }
}

fn parts(path: &str) -> Vec<&str> {
    path.split('/').filter(|part| !part.is_empty()).collect()
}

fn fields(query: &str) -> impl Iterator<Item = (&str, &str)> {
    let fields = query.split('&').filter(|field| !field.is_empty());
    fields.map(|field| field.split_once('=').unwrap_or((field, "")))
}

/// The kind that is called so.
fn named(name: &str) -> Option<ArchiveKind> {
    match name.to_ascii_lowercase().as_str() {
        "zip" | "legacy.zip" => Some(ArchiveKind::Zip),
        "tar.gz" | "tgz" | "targz" | "legacy.tar.gz" => Some(ArchiveKind::TarGz),
        "tar.zst" | "tzst" => Some(ArchiveKind::TarZst),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_s_name_says_how_it_is_packed() {
        let table = [
            ("x.tar.gz", Some(("x", ArchiveKind::TarGz))),
            ("x.TGZ", Some(("x", ArchiveKind::TarGz))),
            ("x.tar.zst", Some(("x", ArchiveKind::TarZst))),
            ("a/x-1.0.zip", Some(("a/x-1.0", ArchiveKind::Zip))),
            ("x.tar", None),
            ("zip", None),
            ("ü", None),
        ];
        for (name, parts) in table {
            assert_eq!(ArchiveKind::split_name(name), parts, "{name}");
        }
    }

    #[test]
    fn an_address_of_a_forge_says_how_the_archive_is_packed_and_which_repository_it_is_of() {
        let (zip, gz) = (Some(ArchiveKind::Zip), Some(ArchiveKind::TarGz));
        for (host, path, query, kind, name) in [
            ("github.com", "/o/r/archive/refs/tags/v1.zip", "", zip, Some("r")),
            ("github.com", "/o/r/archive/v1.tar.gz", "", gz, Some("r")),
            ("github.com", "/o/r/zipball/v1", "", zip, Some("r")),
            ("github.com", "/o/r/tarball/refs/heads/x.zip", "", gz, Some("r")),
            ("codeload.github.com", "/o/r/zip/refs/tags/v1", "", zip, Some("r")),
            ("codeload.github.com", "/o/r/tar.gz/refs/tags/v1.zip", "", gz, Some("r")),
            ("codeload.github.com", "/o/r/legacy.tar.gz/v1", "", gz, Some("r")),
            ("api.github.com", "/repos/o/r/zipball", "", zip, Some("r")),
            ("ghe.example", "/api/v3/repos/o/r/tarball/v1", "", gz, Some("r")),
            ("gitlab.com", "/g/s/r/-/archive/v1/r-v1.zip", "", zip, Some("r")),
            ("gitlab.com", "/g/s/r/-/archive/v1/r-v1.tar.gz", "ref_type=tags", gz, Some("r")),
            ("gitlab.com", "/api/v4/projects/1/repository/archive.zip", "sha=v1", zip, None),
            ("gitlab.com", "/api/v4/projects/1/repository/archive", "sha=v1", gz, None),
            ("bitbucket.org", "/o/r/get/v1.tar.gz", "", gz, Some("r")),
            (
                "bb.example",
                "/rest/api/latest/projects/P/repos/r/archive",
                "at=v1&format=zip",
                zip,
                None,
            ),
            ("codeberg.org", "/o/r/archive/v1.zip", "", zip, Some("r")),
            ("git.sr.ht", "/~o/r/archive/v1.tar.gz", "", gz, Some("r")),
            ("h", "/o/r", "archive=tar.gz", gz, None),
            ("h", "/o/r/items", "path=/&$format=zip", zip, None),
            ("h", "/x.tar.zst", "", Some(ArchiveKind::TarZst), None),
            ("h", "/x", "", None, None),
            ("h", "/x", "format=rar", None, None),
        ] {
            assert_eq!(kind_of(Some(host), path, query), kind, "{host}{path}?{query}");
            assert_eq!(repository(Some(host), path), name, "{host}{path}");
        }
    }

    #[test]
    fn a_field_that_may_hold_a_secret_is_not_written_down() {
        for query in ["", "archive=zip", "ref_type=heads&path=a/b", "$format=zip&api-version=7.0"] {
            assert!(may_be_written(query), "{query}");
        }
        for query in ["token=x", "archive=zip&private_token=x", "X-Amz-Signature=x", "x"] {
            assert!(!may_be_written(query), "{query}");
        }
    }
}
