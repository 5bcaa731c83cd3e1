//! Logins of `~/.netrc`, which git has from libcurl: for HTTP, before any credential helper is asked.
//!
//! An entry is for a host, whatever its scheme and port. The first entry of the host counts, or the first with the user
//! that the address names; `default` counts where no entry has the host's name.
//!
//! Limits: a regular file of [`MOST`] bytes. `$NETRC` is not read, because libcurl does not read it either.

use std::{env, fs::File, io::Read as _, path::Path};

use super::git_config::Account;

/// The most bytes of the file. Of a longer one nothing is used.
const MOST: u64 = 1 << 20;

/// What stands in the file.
#[derive(Debug, Default)]
pub(crate) struct Netrc {
    entries: Vec<Entry>,
}

#[derive(Default)]
struct Entry {
    /// `None` is `default`.
    machine: Option<String>,
    login: Option<String>,
    password: Option<String>,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Entry({:?})", self.machine)
    }
}

impl Netrc {
    /// The file in the home directory of the user; an empty one, if it is not there or cannot be used.
    pub(crate) fn of_home() -> Self {
        let home = env::home_dir().unwrap_or_default();
        read(&home.join(".netrc")).map(|text| Self::parse(&text)).unwrap_or_default()
    }

    /// The login for a host, with the name of this `user` if there is one.
    pub(crate) fn login(&self, host: &str, user: Option<&str>) -> Option<Account> {
        let is_host = |entry: &&Entry| {
            entry.machine.as_ref().is_some_and(|machine| machine.eq_ignore_ascii_case(host))
        };
        let of_host = || self.entries.iter().filter(is_host);
        let rest = self.entries.iter().filter(|entry| entry.machine.is_none());
        let found: Vec<&Entry> =
            if of_host().next().is_some() { of_host().collect() } else { rest.collect() };
        let is_user = |entry: &&&Entry| match (user, &entry.login) {
            (Some(user), Some(login)) => user == login,
            _ => true,
        };
        let entry = found.iter().filter(is_user).find(|entry| entry.password.is_some())?;
        let login = user.map(str::to_owned).or_else(|| entry.login.clone());
        Some(Account {
            username: login.unwrap_or_default(),
            password: entry.password.clone()?,
            oauth_refresh_token: None,
        })
    }

    fn parse(text: &str) -> Self {
        let mut entries: Vec<Entry> = Vec::new();
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            let Some(tokens) = tokens(line) else { break };
            let mut tokens = tokens.into_iter();
            // What follows a keyword may stand on the next line.
            while let Some(word) = tokens.next() {
                let mut value = || loop {
                    match tokens.next() {
                        Some(token) => break Some(token),
                        None => tokens = self::tokens(lines.next()?)?.into_iter(),
                    }
                };
                let last = entries.last_mut();
                match word.to_ascii_lowercase().as_str() {
                    "machine" => {
                        let Some(machine) = value() else { break };
                        entries.push(Entry { machine: Some(machine), ..Entry::default() });
                    }
                    "default" => entries.push(Entry::default()),
                    "login" => {
                        let login = value();
                        let _ = last.map(|entry| entry.login = login.or(entry.login.take()));
                    }
                    "password" => {
                        let password = value();
                        let _ =
                            last.map(|entry| entry.password = password.or(entry.password.take()));
                    }
                    "account" => drop(value()),
                    // A macro goes on to an empty line.
                    "macdef" => {
                        while lines.next().is_some_and(|line| !line.trim().is_empty()) {}
                        break;
                    }
                    _ => {}
                }
            }
        }
        Self { entries }
    }
}

fn read(path: &Path) -> Option<String> {
    // Opening a pipe would wait for ever.
    if !path.metadata().ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(MOST + 1).read_to_end(&mut bytes).ok()?;
    (bytes.len() as u64 <= MOST).then(|| String::from_utf8_lossy(&bytes).into_owned())
}

/// The words of a line, without a comment at its end. `None` where a quoted one has no end.
fn tokens(line: &str) -> Option<Vec<String>> {
    let mut found = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() && !rest.starts_with('#') {
        let (token, after) = match rest.strip_prefix('"') {
            Some(quoted) => unquoted(quoted)?,
            None => {
                let (token, after) =
                    rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len()));
                (token.to_owned(), after)
            }
        };
        found.push(token);
        rest = after.trim_start();
    }
    Some(found)
}

/// What stands before the closing quote, and what follows it.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut token = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((token, text.get(at + 1..).unwrap_or_default())),
            '\\' => token.push(match characters.next()?.1 {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                other => other,
            }),
            other => token.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(text: &str, host: &str, user: Option<&str>) -> Option<(String, String)> {
        let account = Netrc::parse(text).login(host, user)?;
        Some((account.username, account.password))
    }

    #[test]
    fn the_entry_of_the_host_gives_the_login() {
        let one = Some(("ci".to_owned(), "t".to_owned()));
        for text in [
            "machine h login ci password t",
            "machine h\n\tlogin ci\n\tpassword t\n",
            "machine\nh\nlogin\nci\npassword\nt",
            "MACHINE H LOGIN ci PASSWORD t",
            "machine g login x password y\nmachine h login ci password t",
            "machine h password t login ci",
            "machine h account a login ci password t",
            "machine h login ci password \"t\" # a comment",
            "# machine h login x password y\nmachine h login ci password t",
            "default login ci password t",
            "machine g login x password y\ndefault login ci password t",
            "macdef m\nmachine h login x password y\n\nmachine h login ci password t",
            "machine h login ci password t\ndefault login x password y",
        ] {
            assert_eq!(login(text, "h", None), one, "{text}");
        }
        for text in
            ["", "machine g login ci password t", "machine h login ci", "machine h \"login ci", "h"]
        {
            assert_eq!(login(text, "h", None), None, "{text}");
        }
    }

    #[test]
    fn the_user_in_an_address_chooses_the_entry() {
        let text = "machine h login a password 1\nmachine h login b password 2\ndefault login b password 3";
        let with = |user| login(text, "h", Some(user)).map(|(_, password)| password);
        assert_eq!(with("a").as_deref(), Some("1"));
        assert_eq!(with("b").as_deref(), Some("2"));
        assert_eq!(with("c"), None);
        assert_eq!(login(text, "g", Some("b")).unwrap().1, "3");
        assert_eq!(
            login("machine h password 1", "h", Some("c")).unwrap(),
            ("c".into(), "1".into())
        );
    }

    #[test]
    fn a_quoted_word_may_have_spaces_and_escapes() {
        let text = r#"machine h login "a b" password "x\"\\y#z\t""#;
        assert_eq!(login(text, "h", None), Some(("a b".into(), "x\"\\y#z\t".into())));
        assert_eq!(login("machine h login a password x#y", "h", None).unwrap().1, "x#y");
    }

    #[test]
    fn a_file_over_the_limit_or_no_regular_file_is_not_used() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("netrc");
        assert_eq!(read(&path), None);
        assert_eq!(read(place.path()), None);
        let length = usize::try_from(MOST).unwrap();
        std::fs::write(&path, vec![b'#'; length]).unwrap();
        assert_eq!(read(&path).map(|text| text.len()), Some(length));
        std::fs::write(&path, vec![b'#'; length + 1]).unwrap();
        assert_eq!(read(&path), None);
    }
}
