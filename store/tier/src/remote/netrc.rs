//! The login for a host in `~/.netrc`.
//!
//! Limits: no macros; no quotes, which curl knows and ftp does not.

use std::{env, path::PathBuf};

/// The user and password for a host.
pub(super) fn find(host: &str) -> Option<(String, String)> {
    let named = env::var_os("NETRC").map(PathBuf::from);
    let path = named.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".netrc")))?;
    read(&std::fs::read_to_string(path).ok()?, host)
}

fn read(text: &str, host: &str) -> Option<(String, String)> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let mut words = lines.flat_map(str::split_whitespace);
    let (mut is_ours, mut user, mut password) = (false, None, None);
    while let Some(word) = words.next() {
        match word {
            "machine" | "default" if user.is_some() && password.is_some() => break,
            "machine" => is_ours = words.next() == Some(host),
            "default" => is_ours = true,
            "login" if is_ours => user = words.next(),
            "password" if is_ours => password = words.next(),
            "login" | "password" | "account" => drop(words.next()),
            _ => {}
        }
    }
    Some((user?.to_owned(), password?.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_the_login_of_its_own_lines_or_the_default() {
        let text = "# a comment\nmachine a.example login me\n  password one\nmachine b.example\nlogin you password two\n\
                    default login any password three\n";
        let login = |host| read(text, host).map(|(user, password)| format!("{user}:{password}"));
        assert_eq!(login("a.example").unwrap(), "me:one");
        assert_eq!(login("b.example").unwrap(), "you:two");
        assert_eq!(login("c.example").unwrap(), "any:three");
        assert_eq!(read("machine a login me", "a"), None);
    }
}
