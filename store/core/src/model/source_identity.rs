//! What is the same in all spellings of a source.

use super::{Contents, Source};

impl Source {
    /// A text that two sources have in common exactly if they mean the same: the repository by its Origin, whatever
    /// scheme, account, port or ending was written, with the reference, the part and what is wanted of it. An archive is
    /// what its checksum says. Holds no secret.
    #[must_use]
    pub fn identity(&self) -> String {
        let part = self.subdirectory().map(ToString::to_string).unwrap_or_default();
        match self {
            Self::Git(git) => {
                let reference = git.reference.as_ref().map(ToString::to_string).unwrap_or_default();
                let contents = if git.contents == Contents::USUAL {
                    String::new()
                } else {
                    git.contents.fields().into_iter().flatten().collect::<Vec<_>>().join("&")
                };
                format!("git {}\n{reference}\n{part}\n{contents}", git.url.origin())
            }
            Self::Archive(archive) => {
                let sum = blake3::Hash::from_bytes(archive.sha256).to_hex();
                format!("archive {sum}\n{}\n{part}", archive.url.is_of_forge())
            }
            Self::Linked(path) => format!("linked {}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn identity(text: &str) -> String {
        Source::parse(text, Path::new("/"), None).unwrap().identity()
    }

    #[test]
    fn spellings_of_one_source_have_one_identity() {
        let written = identity("git+https://example.com/o/r@main#subdirectory=a/b");
        for other in [
            "git+https://EXAMPLE.com/o/r.git@main#subdirectory=a/b",
            "git+https://me:tok@example.com:443/o/r/@main#subdirectory=./a//b/",
            "git@example.com:o/r.git@main#subdirectory=a/b",
            "git+ssh://git@example.com/o/r@main#egg=x&subdirectory=a/b",
        ] {
            assert_eq!(identity(other), written, "{other}");
        }
    }

    #[test]
    fn what_means_something_else_has_another_identity() {
        let sum = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let different = [
            "git+https://h/r".to_owned(),
            "git+https://h/r@main".to_owned(),
            "git+https://h/r#subdirectory=main".to_owned(),
            "git+https://h/r#lfs=true".to_owned(),
            "git+https://h/r#submodules=false".to_owned(),
            "git+https://h/s".to_owned(),
            "/h/r".to_owned(),
            format!("archive+https://h/a.zip#sha256={sum}"),
            format!("archive+https://h/a.zip#sha256={sum}&subdirectory=a"),
        ];
        let identities: std::collections::BTreeSet<String> =
            different.iter().map(|text| identity(text)).collect();
        assert_eq!(identities.len(), different.len(), "{identities:#?}");
    }
}
