//! What a server's words mean: one class and one code for each refusal, over ssh, over HTTP and in git's protocol.
//!
//! The words are those of GitHub, GitLab, Bitbucket, Azure DevOps, CodeCommit, Gitea and Forgejo, Gerrit, gitolite,
//! sourcehut and git itself. They are compared without case, and without the words that hold a slash or a quoted name:
//! a repository may be called anything.
//!
//! Limits: English. Unknown words are a refusal before the server has given anything, and trouble afterwards.

use crate::errors::{LoginError, ServerError, TransportError, Words};

/// When a server said something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Before it gave anything.
    Asked,
    /// While it gave what was asked for.
    Giving,
}

/// What the words of a server mean.
pub(crate) fn judge(said: &str, moment: Moment) -> TransportError {
    recognised(said).unwrap_or_else(|| match moment {
        Moment::Asked => ServerError::Refused(Words::of(said)).into(),
        Moment::Giving => ServerError::Said(Words::of(said)).into(),
    })
}

/// What the words of a server mean, if they are known.
pub(crate) fn recognised(said: &str) -> Option<TransportError> {
    let words = Words::of(said);
    let text = comparable(words.text());
    let (meaning, _) =
        MEANINGS.iter().find(|(_, phrases)| phrases.iter().any(|phrase| holds(&text, phrase)))?;
    Some(match meaning {
        Meaning::NotGiven => ServerError::NotGiven(words.text().to_owned()).into(),
        Meaning::RateLimit => {
            ServerError::RateLimited { status: None, wait: None, said: words }.into()
        }
        Meaning::Trouble => ServerError::Said(words).into(),
        Meaning::Owner => ServerError::Owner(words).into(),
        Meaning::SingleSignOn => LoginError::SingleSignOn(words).into(),
        Meaning::Account => LoginError::Account(words).into(),
        Meaning::Quota => ServerError::Quota(words).into(),
        Meaning::Unavailable => ServerError::Unavailable(words).into(),
        Meaning::Login => LoginError::Refused(words).into(),
        Meaning::NoRepository => ServerError::NoRepository(words).into(),
        Meaning::NoRights => LoginError::NoRights(words).into(),
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    NotGiven,
    RateLimit,
    Trouble,
    Owner,
    SingleSignOn,
    Account,
    Quota,
    Unavailable,
    Login,
    NoRepository,
    NoRights,
}

/// The phrases of each meaning, in the order in which they are looked for. `a+b` is a text that has both.
const MEANINGS: [(Meaning, &[&str]); 11] = [
    (
        Meaning::NotGiven,
        &[
            "not our ref",
            "unadvertised object",
            "no such remote ref",
            "bad object",
            // The words of JGit, so of Gerrit and of other servers in Java.
            "want+not valid",
        ],
    ),
    (
        Meaning::RateLimit,
        &[
            "rate limit",
            "rate-limit",
            "rate exceeded",
            "too many requests",
            "requested too many times",
            "retry later",
            "exceeding usage",
            "exceeded+threshold",
            "throttl",
            "requests+try again later",
        ],
    ),
    (
        Meaning::Trouble,
        &[
            "temporarily",
            "try again",
            "under maintenance",
            "maintenance mode",
            "for maintenance",
            "in maintenance",
            "shutting down",
            "starting up",
            "internal error",
            "internal server error",
            "internal api",
            "api is not accessible",
            "not available at this time",
            "service unavailable",
            "bad gateway",
            "gateway time",
            "unreachable",
            "timed out",
            "timeout",
            "deadline exceeded",
            "overload",
            "heavy load",
            "out of memory",
            "cannot allocate",
            "unable to fork",
            "cannot fork",
            "fork failed",
            "too many open files",
            "no space left",
            "disk quota exceeded",
            "died of signal",
            "too many connections",
            "too many children",
            "connection refused",
        ],
    ),
    (Meaning::Owner, &["dubious ownership", "unsafe repository"]),
    (Meaning::SingleSignOn, &["saml", "single sign-on", "sso session", "enforced sso"]),
    (
        Meaning::Account,
        &[
            "account+suspended",
            "account+blocked",
            "account+deactivated",
            "account is disabled",
            "account has been disabled",
            "account was disabled",
            "account+locked",
            "account+prohibited",
            "user is blocked",
            "user is not active",
            "user is disabled",
            "user+deactivated",
            "user+suspended",
            "user+banned",
            "prohibit login",
            "password expired",
            "password has expired",
            "terms of service in order",
            "accept the terms",
            "captcha",
            "two-factor",
            "account is currently not available",
            "conditional access policy",
            "payment is overdue",
        ],
    ),
    (
        Meaning::Quota,
        &[
            "quota",
            "storage limit",
            "bandwidth limit",
            "size limit",
            "billing period",
            "free user limit",
            "plan limit",
        ],
    ),
    (
        Meaning::Unavailable,
        &[
            "dmca",
            "takedown",
            "taken down",
            "legal reasons",
            "repository unavailable",
            "repository is unavailable",
            "repository access blocked",
            "is disabled",
            "has been disabled",
            "was disabled",
            "is archived",
            "been archived",
            "is locked",
            "been locked",
            "is suspended",
            "been suspended",
            "is being migrated",
            "pending deletion",
            "marked for deletion",
            "is not active",
        ],
    ),
    (
        Meaning::Login,
        &[
            "permission denied (",
            "permission denied, please",
            "too many authentication failures",
            "no supported authentication",
            "no more authentication methods",
            "authentication failed",
            "authentication required",
            "invalid username",
            "invalid credentials",
            "bad credentials",
            "http basic: access denied",
            "password authentication",
            "account passwords",
            "key has expired",
            "key is expired",
            "key expired",
            "token has expired",
            "token expired",
            "token has been revoked",
            "invalid ssh key",
            "user unregistered",
            "key+no longer allowed",
            "key+not allowed",
        ],
    ),
    (
        Meaning::NoRepository,
        &[
            "does not appear to be a git",
            "not a git repository",
            "not a git archive",
            "repository not found",
            "project not found",
            "page not found",
            "could not be found",
            "cannot be found",
            "can't be found",
            "was not found",
            "is not found",
            "repository+not found",
            "project+not found",
            "repo+not found",
            "cannot find repository",
            "unable to find repository",
            "cannot find user",
            "can't find repository",
            "does not exist",
            "doesn't exist",
            "no longer exists",
            "no such repository",
            "no such project",
            "no such repo",
            "no such file or directory",
            "not exported",
            "unknown repository",
            "invalid repository",
            "invalid project",
        ],
    ),
    (
        Meaning::NoRights,
        &[
            "access denied",
            "access is denied",
            "permission denied",
            "permission to",
            "denied by",
            " denied",
            "not authorized",
            "not authorised",
            "unauthorized",
            "unauthorised",
            "not allowed",
            "not permitted",
            "forbidden",
            "insufficient",
            "permission",
            "not associated with",
            "not have access",
            "no access",
            "not have rights",
            "access rights",
            "access right",
            "not enabled",
            "not accessible",
            "access restriction",
            "allow list",
        ],
    ),
];

/// Whether the text has each part of the phrase.
fn holds(text: &str, phrase: &str) -> bool {
    phrase.split('+').all(|part| text.contains(part))
}

/// The text in lower case, without the words that may hold the name of a repository.
fn comparable(text: &str) -> String {
    let lower = text.to_lowercase();
    let parts = lower.split_inclusive(char::is_whitespace);
    let named = |word: &str| word.contains('/') || word.starts_with(['\'', '"', '`']);
    let kept: String = parts.map(|word| if named(word) { "_ " } else { word }).collect();
    kept.replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use modstore_core::model::{Class, FailureCode};

    use super::*;

    const PERMANENT: Class = Class::Permanent;

    /// What forges print, with the names changed.
    const REFUSALS: &[(FailureCode, &[&str])] = &[
        (
            FailureCode::NoSuchRepository,
            &[
                "ERROR: Repository not found.",
                "remote: Repository not found.",
                "remote: Not found.\nremote: Repository a/b not found",
                "remote: The project you were looking for could not be found or you don't have permission to view it.",
                "ERROR: The project you were looking for could not be found or you don't have permission to view it.",
                "conq: repository does not exist.",
                "Repository not found\nThe requested repository does not exist, or you do not have permission to access it.",
                "You may not have access to this repository or it no longer exists in this workspace.",
                "remote: TF401019: The Git repository with name or identifier clock does not exist or you do not have permissions for the operation you are attempting.",
                "TF200016: The following project does not exist: Clock.",
                "Gitea: Unknown\nCannot find repository: acme/clock",
                "Forgejo: Cannot find user/owner does not exist",
                "fatal: project acme/clock not found",
                "fatal: '/srv/x' does not appear to be a git repository",
                "access denied or repository not exported: /x.git",
                "fatal: 'clock.git': not a git archive",
                "fatal: repository 'internal-error' does not exist",
                "fatal: remote error: Git repository not found",
            ],
        ),
        (
            FailureCode::Authentication,
            &[
                "ERROR: Permission to acme/clock.git denied to reader.",
                "ERROR: The 'acme' organization has enabled or enforced SAML SSO.\nLog in there first.",
                "remote: The `acme' organization has enabled or enforced SAML SSO. To access\nremote: this repository, you must re-authorize the OAuth Application 'x'.",
                "remote: Cannot find valid SSO session. Please login via your group's SSO at https://gitlab.example/x",
                "ERROR: Your account is suspended. Please check your email for details.",
                "remote: Your account is disabled. Please see https://forge.example/account/billing",
                "remote: ERROR: Your account has been blocked.",
                "Your account has been deactivated by your administrator.",
                "Your password expired. Please access GitLab from a web browser to update your password.",
                "You (@me) must accept the Terms of Service in order to perform this action.",
                "You are not allowed to download code from this project.",
                "Git access over SSH is not allowed",
                "conq: repository access denied.",
                "conq: repository access denied. deployment key is not associated with the requested repository.",
                "CAPTCHA required\nYour Bitbucket account has been marked as requiring a CAPTCHA",
                "Unauthorized\nYour key may not access this repository.",
                "Gitea: Unauthorized\nUser: 3:reader with Key: 7:laptop is not authorized to read acme/clock.",
                "Forgejo: Unauthorized\nDeploy Key: 7:ci is not authorized to read acme/clock.",
                "TF401027: You need the Git 'GenericRead' permission to perform this action.",
                "TF30063: You are not authorized to access https://dev.azure.example/acme.",
                "remote: Public key authentication failed.",
                "FATAL: R any tools/clock reader DENIED by fallthru\n(or you mis-spelled the reponame)",
                "fatal: upload-pack not permitted on 'clock'",
                "fatal: remote error: upload-pack not permitted",
                "git@h: Permission denied (publickey).",
                "remote: Invalid username or token. Password authentication is not supported for Git operations.",
                "remote: HTTP Basic: Access denied. If a password was provided for Git authentication, the password was incorrect.",
                "remote: Forbidden",
                "GitLab: You must set up two-factor authentication.",
                "ERROR: Although you appear to have the correct authorization credentials,\nthe `acme' organization has enabled OAuth App access restrictions.",
                "ERROR: You're using an RSA key with SHA-1, which is no longer allowed.",
                "This account is currently not available.",
                "remote: Access to this repository is not allowed from your address.",
            ],
        ),
        (
            FailureCode::Unavailable,
            &[
                "ERROR: Repository 'acme/clock' is disabled.\nPlease ask the owner to check their account.",
                "remote: Access to this repository has been disabled by GitHub staff.",
                "remote: Repository unavailable due to DMCA takedown.\nremote: See the takedown notice for more details:",
                "Gitea: Unauthorized\nrepository acme/clock is disabled",
                "ERROR: This repository is archived and cannot be read.",
                "remote: The repository has been locked.",
            ],
        ),
        (
            FailureCode::Quota,
            &[
                "remote: This repository is over its data quota.",
                "Your workspace is over its plan limit. The repository is read-only.",
                "ERROR: The namespace storage limit has been reached.",
            ],
        ),
    ];

    #[test]
    fn each_refusal_that_forges_print_is_permanent_and_has_one_code() {
        for (code, texts) in REFUSALS {
            for text in *texts {
                for moment in [Moment::Asked, Moment::Giving] {
                    let meant = judge(text, moment);
                    assert_eq!((meant.class(), meant.code()), (PERMANENT, *code), "{text}");
                }
            }
        }
    }

    #[test]
    fn a_limit_on_requests_and_trouble_pass_by_themselves() {
        for (code, text) in [
            (FailureCode::RateLimited, "ERROR: You have exceeded a secondary rate limit."),
            (
                FailureCode::RateLimited,
                "This request was rate-limited due to too many requests.\nReduce the frequency of your requests or try again later.",
            ),
            (
                FailureCode::RateLimited,
                "This endpoint has been requested too many times. Try again later.",
            ),
            (FailureCode::RateLimited, "Rate limit for this resource has been exceeded"),
            (
                FailureCode::RateLimited,
                "TF400733: The request has been canceled: Request was blocked due to exceeding usage of resource 'Concurrency' in namespace 'User'.",
            ),
            (FailureCode::Server, "GitLab: Internal API unreachable"),
            (
                FailureCode::Server,
                "The git server, Gitaly, is not available at this time. Please contact your administrator.",
            ),
            (
                FailureCode::Server,
                "The repository is temporarily read-only. Please try again later.",
            ),
            (FailureCode::Server, "Gitea: Internal error\nFailed to get repository"),
            (FailureCode::Server, "error: cannot fork() for git: Resource temporarily unavailable"),
        ] {
            let meant = judge(text, Moment::Asked);
            assert_eq!((meant.class(), meant.code()), (Class::Transient, code), "{text}");
        }
    }

    #[test]
    fn unknown_words_are_a_refusal_only_before_the_server_gave_something() {
        let text = "Fetching over this port is no longer supported.";
        assert_eq!(judge(text, Moment::Asked).class(), Class::Permanent);
        assert_eq!(judge(text, Moment::Giving).class(), Class::Transient);
    }

    #[test]
    fn the_name_of_a_repository_decides_nothing() {
        for name in
            ["acme/rate-limit", "'temporarily'", "acme/timeout-dmca.git", "`a/internal error'"]
        {
            let meant = judge(&format!("ERROR: Repository {name} not found."), Moment::Asked);
            assert_eq!(meant.code(), FailureCode::NoSuchRepository, "{name}");
        }
    }
}
