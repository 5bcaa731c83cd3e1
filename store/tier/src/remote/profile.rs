//! A profile of AWS's own files.
//!
//! Keys in it are read. All other kinds of it, single sign-on and roles to assume among them, are left to AWS's own command line,
//! which knows them.

use std::{collections::BTreeMap, env, path::PathBuf, time::SystemTime};

use object_store::aws::AwsCredential;

use super::printed::Expiring;

/// What a profile says.
#[derive(Default)]
pub(super) struct Profile {
    pub(super) region: Option<String>,
    pub(super) login: Option<ProfileLogin>,
}

/// How the login of a profile is found.
pub(super) enum ProfileLogin {
    Keys(AwsCredential),
    /// By a command that prints it as JSON.
    Command(Vec<String>),
}

/// The profile that the environment names, or `default`.
pub(super) fn find() -> Profile {
    let name = env::var("AWS_PROFILE").ok().filter(|name| !name.is_empty());
    let name = name.unwrap_or_else(|| "default".to_owned());
    let file = |variable: &str, usual: &str| {
        let home = || Some(PathBuf::from(env::var_os("HOME")?).join(usual));
        let path = env::var_os(variable).map(PathBuf::from).or_else(home);
        path.and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default()
    };
    let credentials = file("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials");
    let config = file("AWS_CONFIG_FILE", ".aws/config");
    read(&name, &credentials, &config)
}

fn read(name: &str, credentials: &str, config: &str) -> Profile {
    let mut found = section(config, &[name, &format!("profile {name}")]);
    found.extend(section(credentials, &[name]));
    let value = |key: &str| found.get(key).map(ToString::to_string);
    let keys = (value("aws_access_key_id"), value("aws_secret_access_key"));
    let by_aws = ["sso_session", "sso_start_url", "role_arn", "login_session", "source_profile"];
    let login = if let (Some(key_id), Some(secret_key)) = keys
        && !found.contains_key("role_arn")
    {
        let token = value("aws_session_token");
        Some(ProfileLogin::Keys(AwsCredential { key_id, secret_key, token }))
    } else if let Some(command) = value("credential_process") {
        // A person writes it as a line for a shell.
        Some(ProfileLogin::Command(["sh", "-c", &command].map(String::from).into()))
    } else if by_aws.iter().any(|key| found.contains_key(*key)) {
        let command =
            ["aws", "configure", "export-credentials", "--format", "process", "--profile", name];
        Some(ProfileLogin::Command(command.map(String::from).into()))
    } else {
        None
    };
    Profile { region: value("region"), login }
}

/// The lines of a section, in a file of sections.
fn section(text: &str, names: &[&str]) -> BTreeMap<String, String> {
    let mut is_ours = false;
    let mut found = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with(['#', ';'])) {
        if let Some(name) = line.trim().strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            is_ours =
                names.contains(&name.split_whitespace().collect::<Vec<_>>().join(" ").as_str());
        } else if let Some((key, value)) = line.split_once('=').filter(|_| is_ours) {
            // A line that is indented belongs to the one before.
            if !line.starts_with([' ', '\t']) {
                found.insert(key.trim().to_lowercase(), value.trim().to_owned());
            }
        }
    }
    found
}

/// Keys as AWS's programs print them.
pub(super) fn printed_keys(json: &str) -> Option<Expiring<AwsCredential>> {
    let json: serde_json::Value = serde_json::from_str(json).ok()?;
    let text = |key: &str| json.get(key)?.as_str().map(String::from);
    let expires = text("Expiration").and_then(|time| time.parse::<jiff::Timestamp>().ok());
    let login = AwsCredential {
        key_id: text("AccessKeyId")?,
        secret_key: text("SecretAccessKey")?,
        token: text("SessionToken"),
    };
    Some((login, expires.map(SystemTime::from)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREDENTIALS: &str = "[default]\naws_access_key_id = AKIA1\naws_secret_access_key=se=cret\n\n[ci]\n\
                               aws_access_key_id=AKIA2\naws_secret_access_key=two\naws_session_token=token\n";
    const CONFIG: &str = "[default]\nregion = eu-west-1\ns3 =\n  region = nested\n[profile sso]\nsso_session = x\n\
                          region=us-west-2\n[profile run]\ncredential_process = /bin/print --for me\n\
                          [profile role]\nrole_arn = arn:x\nsource_profile = ci\n";

    fn login(name: &str) -> (Option<String>, String) {
        let profile = read(name, CREDENTIALS, CONFIG);
        let login = match profile.login {
            None => String::new(),
            Some(ProfileLogin::Keys(keys)) => {
                format!("{} {} {}", keys.key_id, keys.secret_key, keys.token.unwrap_or_default())
            }
            Some(ProfileLogin::Command(command)) => command.join(" "),
        };
        (profile.region, login)
    }

    #[test]
    fn a_profile_has_keys_or_a_command() {
        assert_eq!(login("default"), (Some("eu-west-1".into()), "AKIA1 se=cret ".into()));
        assert_eq!(login("ci"), (None, "AKIA2 two token".into()));
        let by_aws = "aws configure export-credentials --format process --profile";
        assert_eq!(login("sso"), (Some("us-west-2".into()), format!("{by_aws} sso")));
        assert_eq!(login("role"), (None, format!("{by_aws} role")));
        assert_eq!(login("run"), (None, "sh -c /bin/print --for me".into()));
        assert_eq!(login("other"), (None, String::new()));
    }

    #[test]
    fn printed_keys_say_when_they_expire() {
        let json = r#"{"Version":1,"AccessKeyId":"A","SecretAccessKey":"S","SessionToken":"T","Expiration":"2026-01-02T03:04:05Z"}"#;
        let (keys, expires) = printed_keys(json).unwrap();
        assert_eq!((keys.key_id.as_str(), keys.token.as_deref()), ("A", Some("T")));
        assert_eq!(
            expires.unwrap(),
            SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_767_323_045)
        );
        assert!(printed_keys("{}").is_none());
    }
}
