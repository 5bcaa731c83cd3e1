//! The page of a forge that shows what lies between two commits.
//!
//! Limits: only the known public forges; whether a self-hosted server has such a page does not show in its address.

use super::{Origin, Revision};

impl Origin {
    /// The address of the page that compares two commits of this repository; none, if it is not at a known public forge.
    #[must_use]
    pub fn comparison(&self, from: Revision, to: Revision) -> Option<String> {
        let (host, path) = self.as_str().split_once('/')?;
        let page = match host {
            "github.com" | "codeberg.org" => format!("compare/{from}...{to}"),
            "gitlab.com" => format!("-/compare/{from}...{to}"),
            // Here the newer commit comes first.
            "bitbucket.org" => format!("branches/compare/{to}..{from}"),
            _ => return None,
        };
        (from != to).then(|| format!("https://{host}/{path}/{page}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RemoteUrl;

    #[test]
    fn a_known_forge_has_a_page_and_another_server_has_none() {
        let (a, b) = (Revision::from_bytes([0xaa; 20]), Revision::from_bytes([0xbb; 20]));
        let page = |url: &str, to| url.parse::<RemoteUrl>().unwrap().origin().comparison(a, to);
        let (old, new) = (a.to_string(), b.to_string());
        let table = [
            (
                "git@github.com:me/tool.git",
                format!("https://github.com/me/tool/compare/{old}...{new}"),
            ),
            (
                "https://token@codeberg.org/me/tool",
                format!("https://codeberg.org/me/tool/compare/{old}...{new}"),
            ),
            (
                "https://gitlab.com/g/sub/tool",
                format!("https://gitlab.com/g/sub/tool/-/compare/{old}...{new}"),
            ),
            (
                "https://bitbucket.org/me/tool",
                format!("https://bitbucket.org/me/tool/branches/compare/{new}..{old}"),
            ),
        ];
        for (url, expected) in table {
            assert_eq!(page(url, b), Some(expected), "{url}");
            assert_eq!(page(url, a), None, "one commit is not compared with itself");
        }
        for url in
            ["https://git.example.com/me/tool", "https://github.com:444/me/tool", "file:///a"]
        {
            assert_eq!(page(url, b), None, "{url}");
        }
    }
}
