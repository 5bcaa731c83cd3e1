//! [`address`]: the address that the url of a submodule means, as git has it.

/// The address that `url` means in a repository that came from `parent`: an address begins with `./` or `../` when it is
/// relative to that of its repository. A local path becomes a `file://` address.
#[must_use]
pub(crate) fn address(parent: &str, url: &str) -> String {
    let is_relative = url.starts_with("./") || url.starts_with("../");
    let address = if is_relative { joined(parent, url) } else { url.to_owned() };
    match address.strip_prefix('/') {
        Some(_) => format!("file://{address}"),
        None => with_scheme(address),
    }
}

/// As git joins the two: each `../` takes a name off the address, or what follows its colon.
fn joined(parent: &str, url: &str) -> String {
    let (mut base, mut rest) = (parent.strip_suffix('/').unwrap_or(parent).to_owned(), url);
    let mut separator = '/';
    loop {
        if let Some(after) = rest.strip_prefix("../") {
            rest = after;
            match base.rfind('/').or_else(|| {
                separator = ':';
                base.rfind(':')
            }) {
                Some(end) => base.truncate(end),
                None => base = ".".to_owned(),
            }
        } else if let Some(after) = rest.strip_prefix("./") {
            rest = after;
        } else {
            break;
        }
    }
    let joined = format!("{base}{separator}{rest}");
    joined.strip_suffix('/').map_or(joined.clone(), str::to_owned)
}

/// `host:path` without a user, which is ssh, as an address that says so.
fn with_scheme(address: String) -> String {
    let Some((host, path)) = address.split_once(':') else { return address };
    let is_scp = !host.contains(['/', '@']) && !path.starts_with("//") && !path.starts_with(':');
    match path.strip_prefix('/') {
        Some(absolute) if is_scp => format!("ssh://{host}/{absolute}"),
        None if is_scp => format!("ssh://{host}/~/{path}"),
        _ => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_url_means_what_git_makes_of_it() {
        for (parent, url, meant) in [
            ("https://h/o/r.git", "../x.git", "https://h/o/x.git"),
            ("https://h/o/r.git/", "../x.git/", "https://h/o/x.git"),
            ("https://h/o/r", "../../p/x", "https://h/p/x"),
            ("https://u:pw@h/o/r", "../x", "https://u:pw@h/o/x"),
            ("https://h/o/r", "./x", "https://h/o/r/x"),
            ("https://h/o/r", "./../x", "https://h/o/x"),
            ("git@h:o/r.git", "../x.git", "git@h:o/x.git"),
            ("git@h:r.git", "../x.git", "git@h:x.git"),
            ("ssh://git@h/o/r", "../x", "ssh://git@h/o/x"),
            ("file:///srv/r", "../x", "file:///srv/x"),
            ("https://h/o/r", "https://other/x", "https://other/x"),
            ("https://h/o/r", "git@h:o/x", "git@h:o/x"),
            ("https://h/o/r", "/srv/x", "file:///srv/x"),
            ("https://h/o/r", "h:o/x", "ssh://h/~/o/x"),
            ("https://h/o/r", "h:/o/x", "ssh://h/o/x"),
            ("https://h/o/r", "ext::sh -c x", "ext::sh -c x"),
        ] {
            assert_eq!(address(parent, url), meant, "{url} in {parent}");
        }
    }
}
