//! What every form of a source means, or where and with what advice it is refused.

use std::path::{Path, PathBuf};

use proptest::{prelude::*, string::string_regex};

use crate::model::{
    ArchiveKind, ArchiveSource, ArchiveUrl, Contents, Expected, GitSource, ModuleName,
    ParseSourceError, Reference, RemoteUrl, Revision, Source, Submodules,
};

const COMMIT: &str = "00112233445566778899aabbccddeeff00112233";
const SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn parse(text: &str) -> Result<Source, ParseSourceError> {
    Source::parse(text, Path::new("/base"), Some(Path::new("/home/me")))
}

fn source(text: &str) -> Source {
    parse(text).unwrap_or_else(|error| panic!("{text}: {error}, hint {:?}", error.suggestion))
}

fn git(url: &str, reference: Option<&str>, subdirectory: Option<&str>) -> Source {
    Source::Git(GitSource {
        url: url.parse().unwrap(),
        reference: reference.map(|text| text.parse().unwrap()),
        subdirectory: subdirectory.map(|text| text.parse().unwrap()),
        contents: Contents::default(),
    })
}

#[test]
fn every_form_of_the_design_means_what_it_says() {
    let (main, dir) = (Some("main"), Some("a/b"));
    let table = [
        ("git+https://h/o/r", git("https://h/o/r", None, None)),
        ("git+https://h/o/r@main", git("https://h/o/r", main, None)),
        ("git+https://h/o/r@main#subdirectory=a/b", git("https://h/o/r", main, dir)),
        ("git+http://h/o/r@main", git("http://h/o/r", main, None)),
        ("git+ssh://git@h/o/r@main", git("ssh://git@h/o/r", main, None)),
        ("git+git://h/o/r@main", git("git://h/o/r", main, None)),
        ("git+file:///srv/r@main", git("file:///srv/r", main, None)),
        ("https://h/o/r.git", git("https://h/o/r.git", None, None)),
        ("https://h/o/r.git@main#subdirectory=a/b", git("https://h/o/r.git", main, dir)),
        ("https://github.com/o/r", git("https://github.com/o/r", None, None)),
        ("https://gitlab.com/g/sub/r@main", git("https://gitlab.com/g/sub/r", main, None)),
        ("ssh://git@h/o/r", git("ssh://git@h/o/r", None, None)),
        ("git://h/o/r", git("git://h/o/r", None, None)),
        ("file:///srv/r.git", git("file:///srv/r.git", None, None)),
        ("file:///srv/r.git@main", git("file:///srv/r.git", main, None)),
        ("git@h:o/r", git("git@h:o/r", None, None)),
        ("git@h:o/r.git@main#subdirectory=a/b", git("git@h:o/r.git", main, dir)),
    ];
    for (text, meant) in table {
        assert_eq!(source(text), meant, "{text}");
    }
}

#[test]
fn every_form_amplifier_accepts_means_what_its_author_meant() {
    let (main, dir) = (Some("main"), Some("a"));
    let table = [
        ("git+https://h/o/r#egg=x&subdirectory=a", git("https://h/o/r", None, dir)),
        ("git+https://h/o/r#subdirectory=a&egg=x", git("https://h/o/r", None, dir)),
        ("git+https://h/o/r.git@main", git("https://h/o/r.git", main, None)),
        ("git+https://h/Org/Repo", git("https://h/Org/Repo", None, None)),
        ("git+https://h/o/r/@main", git("https://h/o/r", main, None)),
        ("git+https://h:443/o/r", git("https://h:443/o/r", None, None)),
        ("git+https://user:tok@h/o/r", git("https://user:tok@h/o/r", None, None)),
        ("git+ssh://git@h/o/r", git("ssh://git@h/o/r", None, None)),
        ("git+git@github.com:o/r@main", git("git@github.com:o/r", main, None)),
        ("ssh://git@h/o/r", git("ssh://git@h/o/r", None, None)),
        ("git@h:o/r", git("git@h:o/r", None, None)),
        ("git://h/o/r", git("git://h/o/r", None, None)),
        ("git+https://h/o/r@feature/x@2", git("https://h/o/r", Some("feature/x@2"), None)),
        ("git+https://h/o/r#subdirectory=", git("https://h/o/r", None, None)),
        ("git+https://h/o/r#", git("https://h/o/r", None, None)),
        ("GIT+HTTPS://h/o/r", git("https://h/o/r", None, None)),
        ("~/m", Source::Linked("/home/me/m".into())),
        ("/a/b#subdirectory=c", Source::Linked("/a/b/c".into())),
    ];
    for (text, meant) in table {
        assert_eq!(source(text), meant, "{text}");
    }
}

#[test]
fn a_path_is_a_linked_directory() {
    let table = [
        ("/abs", "/abs"),
        ("/abs/./x//y/", "/abs/x/y"),
        ("./x", "/base/x"),
        ("../x", "/base/../x"),
        (".", "/base"),
        ("..", "/base/.."),
        ("~", "/home/me"),
        ("~/x y", "/home/me/x y"),
        ("/a/c#/x", "/a/c#/x"),
        ("/a/b@main", "/a/b@main"),
        ("/a/b.git", "/a/b.git"),
        ("./b#egg=x&subdirectory=c%20d", "/base/b/c d"),
        ("/a\nb", "/a\nb"),
        ("/a#egg=x#egg=", "/a#egg=x"),
        ("/a#subdirectory=x#subdirectory=c", "/a#subdirectory=x/c"),
    ];
    for (text, path) in table {
        assert_eq!(source(text), Source::Linked(PathBuf::from(path)), "{text}");
    }
}

#[test]
fn a_ref_begins_where_the_path_ends() {
    let table = [
        ("git+https://h/r@v1", "https://h/r", Some("v1")),
        ("git+https://h/r@a/b@c", "https://h/r", Some("a/b@c")),
        ("git+https://h/r.git/@v1", "https://h/r.git", Some("v1")),
        ("git+https://h/@scope/r@v1", "https://h/@scope/r", Some("v1")),
        ("git+https://h/@scope/r", "https://h/@scope/r", None),
        ("git+https://h/npm/@scope/r", "https://h/npm/@scope/r", None),
        ("git+https://h/npm/@scope/r@v1", "https://h/npm/@scope/r", Some("v1")),
        ("git+https://h/npm/@scope/r.git@v1", "https://h/npm/@scope/r.git", Some("v1")),
        ("git+https://h/o/r/@v1", "https://h/o/r", Some("v1")),
        ("git+file:///My Project/r@v1", "file:///My Project/r", Some("v1")),
        ("git+ssh://git@h/My Project/r", "ssh://git@h/My Project/r", None),
        ("git+https://h/a@b/r.git", "https://h/a@b/r.git", None),
        ("git+https://h/a@b/r.git@v1", "https://h/a@b/r.git", Some("v1")),
        ("git+https://u:p@h/r", "https://u:p@h/r", None),
        ("git+https://u@x.y:p@h/r@v1", "https://u@x.y:p@h/r", Some("v1")),
        ("git+https://h/r@refs/heads/x", "https://h/r", Some("refs/heads/x")),
        ("git+https://h/r@refs/tags/x", "https://h/r", Some("refs/tags/x")),
        ("git+https://h/r@fix%231", "https://h/r", Some("fix#1")),
        ("git+ssh://git@h:2222/r@v1", "ssh://git@h:2222/r", Some("v1")),
        ("me@[::1]:r@v1", "me@[::1]:r", Some("v1")),
        ("git+file:///a@b/r.git@v1", "file:///a@b/r.git", Some("v1")),
    ];
    for (text, url, reference) in table {
        assert_eq!(source(text), git(url, reference, None), "{text}");
    }
    let commit = source(&format!("git+https://h/r@{COMMIT}"));
    let Source::Git(commit) = commit else { panic!("not a repository") };
    assert_eq!(commit.reference, Some(Reference::Commit(COMMIT.parse::<Revision>().unwrap())));
}

#[test]
fn an_archive_is_named_with_its_checksum_and_packed_as_its_name_says() {
    let table = [
        ("archive+https://h/x.tar.gz", "", ArchiveKind::TarGz),
        ("archive+https://h/x.tgz", "&subdirectory=a/b", ArchiveKind::TarGz),
        ("archive+http://h:8080/x.tar.zst", "&egg=x", ArchiveKind::TarZst),
        ("archive+file:///srv/x.zip", "", ArchiveKind::Zip),
    ];
    for (url, fields, kind) in table {
        let Source::Archive(archive) = source(&format!("{url}#sha256={SHA256}{fields}")) else {
            panic!("{url} is not an archive");
        };
        assert_eq!(archive.url.kind(), kind, "{url}");
        assert_eq!(format!("archive+{}", archive.url), url);
        assert_eq!(blake3::Hash::from_bytes(archive.sha256).to_hex().as_str(), SHA256);
    }
    let swapped = format!("archive+https://h/x.zip#subdirectory=a&sha256={SHA256}");
    assert!(source(&swapped).to_string().ends_with("&subdirectory=a"));
}

#[test]
fn an_archive_of_a_forge_is_known_by_its_address_and_called_after_its_repository() {
    let table = [
        ("archive+https://github.com/o/r/archive/refs/tags/v1.zip", ArchiveKind::Zip, "r"),
        ("archive+https://github.com/o/r/tarball/v1", ArchiveKind::TarGz, "r"),
        ("archive+https://codeload.github.com/o/r/zip/refs/tags/v1", ArchiveKind::Zip, "r"),
        (
            "archive+https://gitlab.com/g/s/r/-/archive/v1/r-v1.tar.gz?ref_type=tags",
            ArchiveKind::TarGz,
            "r",
        ),
        ("archive+https://h/dl/tool?archive=tar.gz", ArchiveKind::TarGz, "tool"),
        ("archive+https://me@h/dl/tool-1.zip?api-version=1", ArchiveKind::Zip, "tool-1"),
    ];
    for (url, kind, name) in table {
        let text = format!("{url}#sha256={SHA256}");
        let parsed = source(&text);
        let Source::Archive(archive) = &parsed else { panic!("{text}") };
        assert_eq!((archive.url.kind(), parsed.to_string()), (kind, text.clone()));
        assert_eq!(format!("archive+{}", archive.url.address().expose()), url);
        assert_eq!(ModuleName::guess_from(&parsed).map(|it| it.to_string()).as_deref(), Some(name));
    }
    let secret = format!("archive+https://h/x.zip?token=s3cr3t#sha256={SHA256}");
    let error = parse(&secret).expect_err("a query that may hold a secret");
    assert_eq!(error.expected, Expected::NoQuery);
    assert!(!error.to_string().contains("s3cr3t"), "{error}");
}

#[test]
fn what_is_no_source_is_refused_where_it_goes_wrong_with_a_suggestion() {
    let table = [
        ("", 0, None),
        (" /a", 0, Some("/a")),
        ("name", 0, Some("./name")),
        ("owner/repo", 0, Some("git+https://github.com/owner/repo")),
        ("name/sub/x", 0, Some("./name/sub/x")),
        ("github.com/o/r@main", 0, Some("git+https://github.com/o/r@main")),
        (
            "foundation:behaviors/x",
            10,
            Some("git+https://host/owner/foundation#subdirectory=behaviors/x"),
        ),
        ("github.com:o/r", 10, Some("git@github.com:o/r")),
        ("work:o/r.git", 4, Some("git@work:o/r.git")),
        ("box:/srv/r.git", 3, Some("git+ssh://box/srv/r.git")),
        ("<https://h/o/r>", 6, Some("https://h/o/r")),
        ("path:../x", 4, Some("../x")),
        ("file:./x", 4, Some("./x")),
        ("bzr+lp:x", 6, None),
        ("workspace:*", 9, None),
        ("owner/repo:main", 10, None),
        ("box:~/r", 3, Some("git+ssh://box/~/r")),
        ("[git@h:2222]:o/r.git", 0, Some("git+ssh://git@h:2222/o/r.git")),
        ("[::1]:/srv/r", 0, Some("git+ssh://[::1]/srv/r")),
        ("git+[h]:/srv/r", 4, Some("git+ssh://h/srv/r")),
        ("C:\\a\\b", 0, Some("C:/a/b")),
        ("C:/a", 0, Some("C:/a")),
        ("\\\\server\\share", 0, Some("//server/share")),
        ("~you/x", 0, None),
        ("git+/srv/r", 0, Some("git+file:///srv/r")),
        ("https:/h/r.git", 0, Some("git+https://h/r.git")),
        ("https://h/o/r", 0, Some("git+https://h/o/r")),
        ("https://h/x.md", 0, Some("git+https://h/x.md")),
        ("https://h/x.zip", 0, Some("archive+https://h/x.zip#sha256=<64 hex digits>")),
        ("file:///srv/r", 0, Some("git+file:///srv/r for a repository or /srv/r for a directory")),
        ("file:///C:/a", 7, None),
        (
            "zip+https://h/x.zip#subdirectory=a",
            0,
            Some("archive+https://h/x.zip#sha256=<64 hex digits>&subdirectory=a"),
        ),
        ("zip+file:///x.zip", 0, Some("archive+file:///x.zip#sha256=<64 hex digits>")),
        ("archive+https://h/x.zip", 23, Some("archive+https://h/x.zip#sha256=<64 hex digits>")),
        ("archive+https://h/x.rar#sha256=0", 23, None),
        ("archive+https://h/x.zip#sha256=12", 31, None),
        ("archive+ssh://h/x.zip", 8, None),
        ("hg+https://h/r", 0, None),
        ("ftp://h/r.git", 0, None),
        ("git+https://", 12, None),
        ("git+https://h", 13, None),
        ("git+https://h@main", 18, None),
        ("git+https:///r", 12, None),
        ("git+https://h:x/r", 14, None),
        ("git+ssh://git@h:o/r", 16, Some("git+ssh://git@h/o/r")),
        ("git+https://h/r@", 16, None),
        ("git+https://h/r@a b", 16, None),
        ("git+https://h/r@-x", 16, None),
        ("git+https://h/r@a%20b", 16, None),
        ("git+https://h/r?x=1@main", 15, Some("git+https://h/r")),
        ("git+https://h/r/../s", 16, None),
        ("git+https://h/r#subdirectory=../../x", 29, None),
        ("git+https://h/r#subdirectory=/x", 29, None),
        ("git+https://h/r#subdirectory=a%2f..", 29, None),
        ("git+https://h/r#subdirectory=.git", 29, None),
        ("git+https://h/r#subdirectory=a&subdirectory=b", 31, None),
        ("git+https://h/r#egg=x&sub=a", 22, None),
        ("git+https://h/r#sha256=00", 16, None),
        ("git+https://h/r#main", 16, Some("git+https://h/r@main")),
        ("git+https://h/r#branch=main", 16, Some("git+https://h/r@main")),
        ("git@h:", 6, None),
        ("git@-h:r", 4, None),
        ("/a\0b", 2, None),
        ("/a#subdirectory=..", 16, None),
        (
            "https://github.com/o/r/tree/main/a/b",
            0,
            Some("git+https://github.com/o/r@main#subdirectory=a/b"),
        ),
        (
            "git+https://github.com/o/r/blob/main/x",
            4,
            Some("git+https://github.com/o/r@main#subdirectory=x"),
        ),
        (
            "git+https://gitlab.example/g/s/r/-/tree/main/x",
            4,
            Some("git+https://gitlab.example/g/s/r@main#subdirectory=x"),
        ),
        ("git+https://h/a b@main", 15, Some("git+https://h/a%20b")),
        (
            "https://github.com/o/r/archive/refs/tags/v1.zip",
            0,
            Some("archive+https://github.com/o/r/archive/refs/tags/v1.zip#sha256=<64 hex digits>"),
        ),
        (
            "git+https://github.com/o/r/zipball/v1",
            4,
            Some("archive+https://github.com/o/r/zipball/v1#sha256=<64 hex digits>"),
        ),
        (
            "https://codeload.github.com/o/r/zip/v1",
            0,
            Some("archive+https://codeload.github.com/o/r/zip/v1#sha256=<64 hex digits>"),
        ),
        (
            "https://h/o/r?archive=tar.gz",
            0,
            Some("archive+https://h/o/r?archive=tar.gz#sha256=<64 hex digits>"),
        ),
        ("https://gitlab.com/o/r/-/tree/v1", 0, Some("git+https://gitlab.com/o/r@v1")),
        (
            "https://codeberg.org/o/r/src/branch/x/a",
            0,
            Some("git+https://codeberg.org/o/r@x#subdirectory=a"),
        ),
        ("https://github.com/o", 0, Some("git+https://github.com/<owner>/<repository>")),
    ];
    for (text, at, suggestion) in table {
        let error = parse(text).expect_err(text);
        assert_eq!((error.at, error.suggestion.as_deref()), (at, suggestion), "{text}: {error}");
    }
    let homeless = Source::parse("~/x", Path::new("/base"), None).unwrap_err();
    assert_eq!(homeless.expected, Expected::KnownHome);
}

/// Spellings of other tools, and what they mean as a source.
const FOREIGN: [(&str, &str); 75] = [
    (
        "git::https://github.com/o/r.git//modules/x?ref=v1",
        "git+https://github.com/o/r.git@v1#subdirectory=modules/x",
    ),
    ("git::https://h/o/r.git", "git+https://h/o/r.git"),
    ("git::https://h/o/r//sub?ref=v1&depth=1", "git+https://h/o/r@v1#subdirectory=sub"),
    ("git::ssh://git@h/o/r.git//sub?ref=v1", "git+ssh://git@h/o/r.git@v1#subdirectory=sub"),
    ("git::git@github.com:o/r.git//sub", "git@github.com:o/r.git#subdirectory=sub"),
    ("github.com/o/r//sub?ref=v1", "git+https://github.com/o/r@v1#subdirectory=sub"),
    (
        "https://github.com/o/r.git//modules/x",
        "git+https://github.com/o/r.git#subdirectory=modules/x",
    ),
    (
        "https://github.com/o/r//modules/x?ref=v1",
        "git+https://github.com/o/r@v1#subdirectory=modules/x",
    ),
    ("github:o/r", "git+https://github.com/o/r"),
    ("github:o/r#v1", "git+https://github.com/o/r@v1"),
    ("github:o/r#semver:^1.2", "git+https://github.com/o/r@<tag>"),
    ("github:o/r@v1", "git+https://github.com/o/r@v1"),
    ("github:o/r/v1", "git+https://github.com/o/r@v1"),
    ("github:o/r/v1?dir=x", "git+https://github.com/o/r@v1#subdirectory=x"),
    ("github:o/r?ref=v1&dir=a/b", "git+https://github.com/o/r@v1#subdirectory=a/b"),
    ("github:o/r?host=git.example.com", "git+https://git.example.com/o/r"),
    ("github:o/r/sub#dev", "git+https://github.com/o/r@dev#subdirectory=sub"),
    ("gh:o/r", "git+https://github.com/o/r"),
    ("gitlab:o/r#main", "git+https://gitlab.com/o/r@main"),
    ("bitbucket:o/r", "git+https://bitbucket.org/o/r"),
    ("codeberg:o/r", "git+https://codeberg.org/o/r"),
    ("sourcehut:~u/r", "git+https://git.sr.ht/~u/r"),
    ("gist:0123456789abcdef", "git+https://gist.github.com/0123456789abcdef.git"),
    ("pkg:github/o/r@v1#a/b", "git+https://github.com/o/r@v1#subdirectory=a/b"),
    ("o/r@v1", "git+https://github.com/o/r@v1"),
    ("o/r#v1", "git+https://github.com/o/r@v1"),
    ("o/r/sub/dir@v1", "git+https://github.com/o/r@v1#subdirectory=sub/dir"),
    ("github.com/o/r@v1.2.3", "git+https://github.com/o/r@v1.2.3"),
    ("github.com/o/r/sub@v1.2.3", "git+https://github.com/o/r@v1.2.3#subdirectory=sub"),
    ("github.com/o/r/v2@v2.1.0", "git+https://github.com/o/r@v2.1.0"),
    ("github.com/o/r@latest", "git+https://github.com/o/r"),
    (
        "github.com/o/r@v0.0.0-20230101000000-abcdef123456",
        "git+https://github.com/o/r@abcdef123456",
    ),
    (
        "git+https://h/o/r?ref=main&rev=0123456789012345678901234567890123456789",
        "git+https://h/o/r@0123456789012345678901234567890123456789",
    ),
    (
        "git+https://h/o/r?branch=main#0123456789012345678901234567890123456789",
        "git+https://h/o/r@0123456789012345678901234567890123456789",
    ),
    ("git+https://h/o/r?tag=v1", "git+https://h/o/r@v1"),
    ("git+https://h/o/r.git#v1", "git+https://h/o/r.git@v1"),
    ("git+https://h/o/r.git#semver:1.x", "git+https://h/o/r.git@<tag>"),
    ("git+ssh://git@h/o/r.git#v1", "git+ssh://git@h/o/r.git@v1"),
    ("git@h:o/r.git#v1", "git@h:o/r.git@v1"),
    ("git+https://h/o/r#commit=v1", "git+https://h/o/r@v1"),
    ("git+https://h/o/r#head=dev", "git+https://h/o/r@dev"),
    ("git+https://h/o/r#path:/packages/x", "git+https://h/o/r#subdirectory=packages/x"),
    ("git+https://h/o/r#main&path:/packages/x", "git+https://h/o/r@main#subdirectory=packages/x"),
    (
        "https://github.com/o/r.git#main:docker/x",
        "git+https://github.com/o/r.git@main#subdirectory=docker/x",
    ),
    (
        "git+https://h/o/r.git#/collections/x/,devel",
        "git+https://h/o/r.git@devel#subdirectory=collections/x",
    ),
    ("https://h/o/r.git?ref=v1", "git+https://h/o/r.git@v1"),
    ("git@h:o/r.git?ref=v1", "git@h:o/r.git@v1"),
    ("git+git@h:o/r.git?ref=v1", "git@h:o/r.git@v1"),
    ("git@h:o/r.git//sub?ref=v1&depth=1", "git@h:o/r.git@v1#subdirectory=sub"),
    ("me@h:o/r?rev=abc&dir=a/b", "me@h:o/r@abc#subdirectory=a/b"),
    ("name @ git+https://h/o/r@v1", "git+https://h/o/r@v1"),
    ("name[extra] @ git+https://h/o/r@v1 ; python_version>'3'", "git+https://h/o/r@v1"),
    ("name@git+https://h/o/r@v1", "git+https://h/o/r@v1"),
    ("-e git+https://h/o/r@v1#egg=x", "git+https://h/o/r@v1#egg=x"),
    ("git clone https://h/o/r.git", "git+https://h/o/r.git"),
    ("git clone git@h:o/r.git", "git@h:o/r.git"),
    (
        "https://github.com/o/r/tree/refs/heads/main/x",
        "git+https://github.com/o/r@refs/heads/main#subdirectory=x",
    ),
    (
        "https://github.com/o/r/tree/main/a%20b?tab=readme-ov-file#x",
        "git+https://github.com/o/r@main#subdirectory=a b",
    ),
    (
        "https://www.github.com/o/r/commit/0123456789012345678901234567890123456789",
        "git+https://github.com/o/r@0123456789012345678901234567890123456789",
    ),
    ("https://github.com/o/r/releases/tag/v1", "git+https://github.com/o/r@v1"),
    ("https://github.com/o/r/pull/7/files", "git+https://github.com/o/r@refs/pull/7/head"),
    ("https://github.com/o/r/issues/7", "git+https://github.com/o/r"),
    (
        "https://raw.githubusercontent.com/o/r/main/a/b.py",
        "git+https://github.com/o/r@main#subdirectory=a/b.py",
    ),
    (
        "https://gitlab.com/g/s/r/-/tree/main/x?ref_type=heads",
        "git+https://gitlab.com/g/s/r@main#subdirectory=x",
    ),
    ("https://gitlab.com/g/r/tree/main/x", "git+https://gitlab.com/g/r@main#subdirectory=x"),
    (
        "https://gitlab.example/g/s/r/-/blob/main/x.py",
        "git+https://gitlab.example/g/s/r@main#subdirectory=x.py",
    ),
    (
        "https://gitlab.example/g/r/-/merge_requests/3/diffs",
        "git+https://gitlab.example/g/r@refs/merge-requests/3/head",
    ),
    ("https://gitea.example/o/r/src/tag/v1/x", "git+https://gitea.example/o/r@v1#subdirectory=x"),
    ("https://bitbucket.org/o/r/src/main/x", "git+https://bitbucket.org/o/r@main#subdirectory=x"),
    ("https://bitbucket.org/o/r/branch/feature/x", "git+https://bitbucket.org/o/r@feature/x"),
    (
        "https://bb.example/projects/PRJ/repos/r/browse/a?at=refs%2Fheads%2Fmain",
        "git+https://bb.example/scm/prj/r.git@refs/heads/main#subdirectory=a",
    ),
    (
        "https://dev.azure.com/o/My%20P/_git/r?path=/a/b&version=GBmain",
        "git+https://dev.azure.com/o/My%20P/_git/r@refs/heads/main#subdirectory=a/b",
    ),
    ("https://git.sr.ht/~u/r/tree/main/item/a", "git+https://git.sr.ht/~u/r@main#subdirectory=a"),
    (
        "https://huggingface.co/o/r/tree/main/a",
        "git+https://huggingface.co/o/r@main#subdirectory=a",
    ),
    (
        "https://huggingface.co/datasets/o/r/blob/main/a.txt",
        "git+https://huggingface.co/datasets/o/r@main#subdirectory=a.txt",
    ),
];

#[test]
fn a_spelling_of_another_tool_is_refused_with_the_source_that_it_means() {
    for (text, meant) in FOREIGN {
        let error = parse(text).expect_err(text);
        assert_eq!(error.suggestion.as_deref(), Some(meant), "{text}: {error}");
        // pip's name of what is built is read, and not kept.
        if !meant.contains('<') && !meant.contains("#egg=") {
            assert_eq!(source(meant).to_string(), meant, "{text}");
        }
    }
}

#[test]
fn what_only_looks_like_a_spelling_of_another_tool_is_not_explained_as_one() {
    for text in [
        "hg+https://h/o/r",
        "svn+https://h/o/r",
        "npm:left-pad",
        "pkg:npm/left-pad@1",
        "s3::https://h/b/k",
        "git+https://h/r?token=x",
        "git+https://h/r?ref=a&token=x",
        "git+https://h/r#workspace=x",
    ] {
        let suggestion = parse(text).expect_err(text).suggestion.unwrap_or_default();
        let invented = suggestion.contains('@') || suggestion.contains("host/owner");
        assert!(!invented, "{text}: {suggestion}");
    }
    let place = parse("tools:clock").unwrap_err().suggestion;
    assert_eq!(place.as_deref(), Some("git+https://host/owner/tools#subdirectory=clock"));
    for text in [
        "git+https://h/tree/main",
        "git+https://h/o/tree/x",
        "git@h:o/r/tree/main",
        "git@h:o/what?",
        "git@h:o/r?token=x",
        "git@h:o/r?ref=a&token=x",
    ] {
        assert_eq!(source(text).to_string(), text);
    }
}

#[test]
fn a_suggestion_that_is_complete_is_itself_a_source() {
    for text in [
        "owner/repo",
        "name",
        "github.com/o/r@main",
        "github.com:o/r",
        "https://h/o/r",
        "git+ssh://git@h:o/r",
        "git+https://h/r#main",
        "https://github.com/o/r/tree/main/a/b",
        "git+https://h/r?x=1@main",
        "git+/srv/r",
    ] {
        source(&parse(text).unwrap_err().suggestion.unwrap());
    }
}

#[test]
fn no_error_and_no_display_holds_a_secret() {
    let secret = "s3cr3t";
    for text in [
        "git+https://u:s3cr3t@h/r@main",
        "git+https://glpat-s3cr3t@h/r",
        "https://u:s3cr3t@h/r",
        "https://u:s3cr3t@github.com/o/r",
        "https://u:s3cr3t@github.com/o/r/tree/main/x",
        "git+https://u:s3cr3t@h/r?x=1",
        "git+https://h/r?token=s3cr3t",
        "git+https://h/r#token=s3cr3t",
        "git+https://u:s3cr3t@h/r#main",
        "git+https://u:s3cr3t@h/r#x=y",
        "git+https://u:s3cr3t@h/r@a b",
        "git+https://u:s3cr3t@h:x/r",
        "git+https://u:s3cr3t@",
        "git+https://u:s3cr3t/x@h/r",
        "git+https://u:x/s3cr3t@h:x@h/r",
        "git+https://u:x#s3cr3t@h/r",
        "git+https://u:x?s3cr3t@h/r",
        "git+https://u:12#s3cr3t@h/r",
        "https:/u:s3cr3t@h/r",
        "git+ssh://git:s3cr3t@h/r",
        "ssh://git:s3cr3t@h:o/r",
        "u:s3cr3t@h:o/r",
        "u.v:s3cr3t@h:o/r",
        "hg+https://u:s3cr3t@h/r",
        "zip+https://u:s3cr3t@h/x.zip",
        "archive+https://u:s3cr3t@h/x.zip",
        "archive+https://u:s3cr3t@h/x.zip?sig=s3cr3t#sha256=1",
        "https://u:s3cr3t@h/x.zip",
        &format!("archive+https://u:s3cr3t@h/x.zip#sha256={SHA256}"),
    ] {
        let shown = match parse(text) {
            Ok(source) => {
                assert!(source.has_secret(), "{text}");
                format!("{source} {source:?} {source:#?} {}", source.to_toml_text())
            }
            Err(error) => format!("{error} {error:?}"),
        };
        assert!(!shown.contains(secret), "{text}: {shown}");
    }
}

#[test]
fn what_is_written_to_a_file_has_no_secret_and_no_stars() {
    let table = [
        ("git+https://u:tok@h/r@v1#subdirectory=a", "git+https://u@h/r@v1#subdirectory=a"),
        ("git+https://oauth2:tok@h/r", "git+https://h/r"),
        ("git+ssh://git:pw@h/r", "git+ssh://git@h/r"),
        ("https://ghp_tok@github.com/o/r", "git+https://github.com/o/r"),
        ("https://me@github.com/o/r", "git+https://me@github.com/o/r"),
        ("git+https://me@h/r@v1", "git+https://me@h/r@v1"),
    ];
    for (text, written) in table {
        assert_eq!(source(text).to_toml_text(), written);
    }
    let stars = source("git+https://u:tok@h/r").to_string();
    assert_eq!(parse(&stars).unwrap_err().expected, Expected::UnhiddenSecret);
}

#[test]
fn a_module_is_called_after_the_last_part_of_its_source() {
    let table = [
        ("git+https://h/o/My.Repo.git@main", Some("My.Repo")),
        ("git+https://h/o/r#subdirectory=modules/hooks-x", Some("hooks-x")),
        ("git@h:r.git", Some("r")),
        ("git+file:///srv/r/.git", Some("r")),
        ("/srv/my dir", Some("my-dir")),
        ("git+https://h/.github", Some("github")),
        ("/", None),
        (&format!("archive+https://h/x-1.0.tar.gz#sha256={SHA256}"), Some("x-1.0")),
    ];
    for (text, name) in table {
        let guess = ModuleName::guess_from(&source(text));
        assert_eq!(guess.as_ref().map(ModuleName::as_str), name, "{text}");
    }
}

fn urls() -> impl Strategy<Value = String> {
    let host = "[a-z]{1,8}(\\.[a-z]{2,3})?(:[1-9][0-9]{0,3})?";
    let path = "(/[A-Za-z0-9~_%-]{1,6}){1,3}(\\.git)?";
    let spelling = format!(
        "((https|http|git|ssh)://{host}|ssh://[a-z]{{1,4}}@{host}|file://){path}\
         |[a-z]{{1,4}}@[a-z]{{1,8}}:[A-Za-z0-9_~-][A-Za-z0-9/_~ -]{{0,8}}[a-z](\\.git)?"
    );
    string_regex(&spelling)
        .unwrap()
        .prop_filter("only what reads as an address", |text| text.parse::<RemoteUrl>().is_ok())
}

fn contents() -> impl Strategy<Value = Contents> {
    let path = "[a-z0-9 %#&=/@.,ü-]{1,12}|true|false";
    let paths = prop::collection::vec(path, 0..3);
    let at = paths.prop_map(|paths| {
        Submodules::at(paths.iter().filter_map(|path| path.parse().ok()).collect())
    });
    let submodules = prop_oneof![Just(Submodules::All), at];
    (submodules, any::<bool>()).prop_map(|(submodules, lfs)| Contents { submodules, lfs })
}

fn sources() -> impl Strategy<Value = Source> {
    let name = "[A-Za-z0-9%#/@._-]{1,12}";
    let reference = prop_oneof![name, Just(COMMIT.to_owned())].prop_map(|text| text.parse().ok());
    let subdirectory = prop_oneof![Just(String::new()), "[a-z0-9 %#&=/@.ü-]{1,12}".boxed()]
        .prop_map(|text| text.parse().ok());
    let archive = "https://[a-z]{1,5}(/[a-z%0-9]{1,4}){1,2}\\.(zip|tgz|tar\\.gz|tar\\.zst)";
    prop_oneof![
        (urls(), reference, subdirectory.clone(), contents()).prop_map(
            |(url, reference, subdirectory, contents)| {
                let url = url.parse().unwrap();
                Source::Git(GitSource { url, reference, subdirectory, contents })
            }
        ),
        "(/[a-zA-Z0-9 @:%~.ü-]{1,6}){1,4}".prop_map(|path| Source::linked(Path::new(&path))),
        (archive, any::<[u8; 32]>(), subdirectory).prop_filter_map(
            "only what reads as an archive",
            |(url, sha256, subdirectory)| {
                let url = ArchiveUrl::read(&url).ok()?;
                Some(Source::Archive(ArchiveSource { url, sha256, subdirectory }))
            }
        ),
    ]
}

#[test]
fn what_is_wanted_beyond_the_tree_is_written_only_where_it_is_not_usual() {
    let with = |submodules, lfs| {
        let Source::Git(mut git) = git("https://h/o/r", None, Some("a")) else { unreachable!() };
        git.contents = Contents { submodules, lfs };
        Source::Git(git)
    };
    let paths = ["vendor/x", "b"].map(|path| path.parse().unwrap());
    let table = [
        ("", with(Submodules::All, false)),
        ("&lfs=true", with(Submodules::All, true)),
        ("&submodules=false", with(Submodules::None, false)),
        ("&submodules=b,vendor/x&lfs=true", with(Submodules::At(paths.into()), true)),
    ];
    for (fields, meant) in table {
        let text = format!("git+https://h/o/r#subdirectory=a{fields}");
        assert_eq!(source(&text), meant, "{text}");
        assert_eq!(meant.to_string(), text);
        assert_eq!(meant.without_contents().to_string(), "git+https://h/o/r#subdirectory=a");
    }
    assert_eq!(source("git+https://h/r#lfs=false&submodules=true"), git("https://h/r", None, None));
    for (text, expected) in [
        ("git+https://h/r#submodules=", Expected::Submodules),
        ("git+https://h/r#submodules=../a", Expected::Submodules),
        ("git+https://h/r#lfs=yes", Expected::Flag),
        ("git+https://h/r#lfs=true&lfs=true", Expected::Once("lfs".into())),
        ("archive+https://h/r.zip#lfs=true", Expected::FragmentKey("lfs".into())),
    ] {
        assert_eq!(parse(text).map_err(|error| error.expected), Err(expected), "{text}");
    }
}

#[test]
fn a_login_that_begins_like_something_else_is_still_a_login_when_it_is_read_back() {
    for login in ["git+x", "~x"] {
        let text = format!("git+{login}@h:o/r@main");
        let odd = source(&text);
        assert_eq!(odd, git(&format!("{login}@h:o/r"), Some("main"), None));
        assert_eq!(odd.to_string(), text);
        assert_eq!(parse(&text), Ok(odd));
    }
}

#[test]
fn what_is_no_repository_at_a_forge_is_none_in_any_spelling() {
    for text in ["https://github.com/r.git", "ssh://git@github.com/r.git", "git://github.com/a/b/c"]
    {
        let spelled = [text.to_owned(), format!("git+{text}")];
        for text in spelled {
            assert_eq!(parse(&text).map_err(|error| error.expected), Err(Expected::Repository));
        }
    }
}

#[test]
fn a_plus_with_nothing_before_it_is_refused_where_it_stands() {
    for text in ["+https://h/o/r.git", "+ssh://h/o/r", "+https://h\u{40d}#subdirectory=.://h/r"] {
        let error = parse(text).unwrap_err();
        assert_eq!((error.at, error.expected), (0, Expected::Scheme), "{text}");
    }
}

#[test]
fn a_directory_with_a_mark_in_its_name_reads_back() {
    for path in ["/a#egg=x", "/a#subdirectory=x/y", "/a#egg=x#subdirectory=y", "/a#egg=/b"] {
        let linked = Source::linked(Path::new(path));
        assert_eq!(parse(&linked.to_string()), Ok(linked), "{path}");
    }
}

proptest! {
    #[test]
    fn a_source_without_a_secret_reads_back_from_what_it_prints(source in sources()) {
        // The address of a forge's page never becomes a source, so it is not asked to read back.
        prop_assert_eq!(parse(&source.to_string()), Ok(source.clone()));
        prop_assert_eq!(parse(&source.to_toml_text()), Ok(source));
    }

    #[test]
    fn no_text_makes_reading_panic_and_a_refusal_points_into_it(
        text in "([a-z+]{0,8}(://|:|@|/)?){0,3}[a-z:@/#?&=%.~\\\\ü\\[\\] \u{0}-]{0,24}",
    ) {
        match parse(&text) {
            Ok(source) => {
                let shown = source.to_string();
                if !source.has_secret() {
                    prop_assert_eq!(parse(&shown), Ok(source));
                }
            }
            Err(error) => prop_assert!(error.text.is_char_boundary(error.at), "{:?}", error),
        }
    }
}
