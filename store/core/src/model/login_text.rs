//! What stands before the `@` of an address: which part of it is a secret, and which names an account.
//!
//! A user name is no secret: it chooses the account, and stays in what is written and printed. A password is one. A lone name
//! that is a token by its looks is one too, because forges document `https://TOKEN@host`.
//!
//! Limits: a token that looks like a name is taken for a name. git keeps and shows both.

use std::ops::Range;

/// How the tokens of forges begin.
const TOKENS: [&str; 15] = [
    "ghp_",
    "gho_",
    "ghs_",
    "ghu_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "gldt-",
    "glcbt-",
    "glptt-",
    "gloas-",
    "ATBB",
    "ATCTT",
    "ATATT",
    "eyJ",
];

/// Names that say that the password is a token, and name no account.
const PLACEHOLDERS: [&str; 8] = [
    "x-access-token",
    "x-oauth-basic",
    "x-token-auth",
    "oauth2",
    "oauth2accesstoken",
    "gitlab-ci-token",
    "private-token",
    "token",
];

/// The shortest texts that are tokens by their letters and digits alone, and how often these change in one.
const RANDOM: [(usize, usize); 2] = [(20, 4), (12, 6)];

/// The part of `user`, `user:password` or `token` that is a secret.
///
/// Except over ssh, a user with an empty or a placeholder password is one, because forges document
/// `https://TOKEN:x-oauth-basic@host`.
pub(super) fn secret_in_login(login: &str, ssh: bool) -> Option<Range<usize>> {
    match login.split_once(':') {
        None if ssh || login.is_empty() || !is_token(login) => None,
        None => Some(0..login.len()),
        Some((user, password)) => {
            let placeholder = password.is_empty() || password == "x-oauth-basic";
            let whole = user.is_empty() || is_token(user) || (placeholder && !ssh);
            Some(if whole { 0..login.len() } else { user.len() + 1..login.len() })
        }
    }
}

/// The user of `user:password@`, if it names an account that may be written down without its password.
pub(super) fn account(user: &str) -> Option<&str> {
    let is_placeholder = PLACEHOLDERS.iter().any(|name| user.eq_ignore_ascii_case(name));
    (!user.is_empty() && !is_placeholder).then_some(user)
}

/// The part before the `@` of an address that may be printed.
#[must_use]
pub fn printable_login(login: &str, ssh: bool) -> &str {
    match secret_in_login(login, ssh) {
        None => login,
        Some(secret) => login.get(..secret.start).unwrap_or_default().trim_end_matches(':'),
    }
}

/// Whether a name before `@` is a login name there (`ssh://git@…`) and never a token.
pub(super) fn is_ssh(scheme: &str) -> bool {
    scheme.to_ascii_lowercase().ends_with("ssh")
}

/// Whether a name looks like a token: it begins like one, or it is long and letters and digits change in it as in no name.
fn is_token(name: &str) -> bool {
    if TOKENS.iter().any(|begin| name.starts_with(begin)) {
        return true;
    }
    let is_one_word = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    let kinds: Vec<bool> =
        name.bytes().filter(u8::is_ascii_alphanumeric).map(|byte| byte.is_ascii_digit()).collect();
    let changes = kinds.iter().zip(kinds.iter().skip(1)).filter(|(a, b)| a != b).count();
    is_one_word && RANDOM.iter().any(|(length, least)| name.len() >= *length && changes >= *least)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lone_name_is_a_token_only_by_its_looks() {
        for token in [
            "ghp_abc",
            "github_pat_11ABC",
            "glpat-x",
            "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b",
            "k7v2m3qz5xw4n6p8r1t9y0u2",
            "ATBB7sd8f7sd8f7sd8f",
            "t0k3n-t0-k33p",
            "123e4567-e89b-12d3-a456-426614174000",
        ] {
            assert_eq!(secret_in_login(token, false), Some(0..token.len()), "{token}");
            assert_eq!(secret_in_login(token, true), None, "{token}");
            assert_eq!(printable_login(token, false), "");
        }
        for name in [
            "me",
            "office",
            "first.last%40example.com",
            "jenkins-service-account-01",
            "Alice-at-111122223333",
            "x7k2q9",
            "web3-dev2-team1",
            "a-very-long-name-of-an-account",
            "deploy+token-123",
        ] {
            assert_eq!(secret_in_login(name, false), None, "{name}");
            assert_eq!(printable_login(name, false), name);
        }
    }

    #[test]
    fn a_password_is_a_secret_and_its_user_is_not() {
        for (login, shown) in [
            ("me:pw", "me"),
            ("me:p:w", "me"),
            (":pw", ""),
            ("token:", ""),
            ("token:x-oauth-basic", ""),
            ("ghp_abc:x", ""),
        ] {
            assert_eq!(printable_login(login, false), shown, "{login}");
        }
        assert_eq!(printable_login("git:pw", true), "git");
    }

    #[test]
    fn a_name_that_stands_for_a_token_is_no_account() {
        assert_eq!(account("me"), Some("me"));
        for name in ["oauth2", "X-Access-Token", ""] {
            assert_eq!(account(name), None, "{name}");
        }
    }
}
