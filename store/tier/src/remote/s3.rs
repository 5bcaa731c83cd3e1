//! S3, and what speaks it: the bucket of an address, with the login that is there.

use std::env;

use object_store::{
    BackoffConfig, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey as Setting},
};

use super::{
    address::{BucketAddress, server},
    client::Client,
    printed::Printed,
    profile::{self, ProfileLogin, printed_keys},
    service::{Requests, is_safe},
};
use crate::TierOptions;

/// One try: a second one is a matter of [`Client`].
pub(super) fn no_retry() -> RetryConfig {
    RetryConfig { backoff: BackoffConfig::default(), max_retries: 0, ..RetryConfig::default() }
}

/// The bucket. No request is made.
pub(super) fn store(
    address: &BucketAddress,
    options: &TierOptions,
    client: Client,
) -> Result<AmazonS3, String> {
    let mut builder = with_environment(AmazonS3Builder::new())
        .with_bucket_name(&address.bucket)
        .with_http_connector(Requests(client))
        .with_retry(no_retry())
        // Not every server has the other kind.
        .with_disable_bulk_delete(true);
    let profile = profile::find();
    let value = |builder: &AmazonS3Builder, setting| builder.get_config_value(&setting);
    let endpoint =
        value(&builder, Setting::S3Endpoint).or_else(|| value(&builder, Setting::Endpoint));
    let endpoint = match (&address.endpoint, endpoint) {
        (Some(endpoint), _) => Some(endpoint.clone()),
        (None, Some(text)) => Some(server(&text)?),
        (None, None) => None,
    };
    let region = address.region.clone().or_else(|| value(&builder, Setting::Region));
    let is_r2 = endpoint.as_ref().and_then(|url| url.host_str());
    let is_r2 = is_r2.is_some_and(|host| host.ends_with(".r2.cloudflarestorage.com"));
    let region = region.or_else(|| is_r2.then(|| "auto".to_owned())).or(profile.region);
    if let Some(region) = region {
        builder = builder.with_region(region);
    }
    if let Some(endpoint) = endpoint {
        let uri = endpoint.as_str().parse().map_err(|_| "its endpoint cannot be read")?;
        let is_allowed = env::var("AWS_ALLOW_HTTP").is_ok_and(|value| value == "true");
        if !is_safe(&uri) && !is_allowed {
            return Err("its endpoint is not https://; AWS_ALLOW_HTTP=true allows that".to_owned());
        }
        builder = builder.with_allow_http(true);
        builder = builder.with_config(Setting::S3Endpoint, endpoint.as_str().trim_end_matches('/'));
    } else if !address.bucket.contains('.') {
        builder = builder.with_virtual_hosted_style_request(true);
    }
    with_login(builder, options, profile.login)
        .build()
        .map_err(|_| "its settings in the environment (AWS_…) do not fit together".to_owned())
}

/// The settings in the environment. Empty ones are what CI makes of secrets that are not there.
fn with_environment(mut builder: AmazonS3Builder) -> AmazonS3Builder {
    for (name, value) in env::vars_os() {
        if let (Some(name), Some(value)) = (name.to_str(), value.to_str())
            && name.starts_with("AWS_")
            && !value.is_empty()
            && let Ok(setting) = name.to_ascii_lowercase().parse()
        {
            builder = builder.with_config(setting, value);
        }
    }
    builder
}

/// The first login that is there: a command, the environment, a profile, the machine. Else requests are not signed, as is right
/// for a bucket that is public.
fn with_login(
    builder: AmazonS3Builder,
    options: &TierOptions,
    profile: Option<ProfileLogin>,
) -> AmazonS3Builder {
    let has = |setting| builder.get_config_value(&setting).is_some();
    let has_own = has(Setting::AccessKeyId)
        || (has(Setting::WebIdentityTokenFile) && has(Setting::RoleArn))
        || has(Setting::ContainerCredentialsRelativeUri)
        || has(Setting::ContainerCredentialsFullUri);
    let by = |command| std::sync::Arc::new(Printed::by(command, printed_keys));
    if !options.credentials.is_empty() {
        return builder.with_credentials(by(options.credentials.clone()));
    }
    match profile {
        _ if has_own => builder,
        Some(ProfileLogin::Keys(keys)) => {
            let builder =
                builder.with_access_key_id(keys.key_id).with_secret_access_key(keys.secret_key);
            match keys.token {
                Some(token) => builder.with_token(token),
                None => builder,
            }
        }
        Some(ProfileLogin::Command(command)) => builder.with_credentials(by(command)),
        None if is_in_ec2() => builder,
        None => builder.with_skip_signature(true),
    }
}

/// Whether this machine is one of EC2's, which have a login. Elsewhere asking for it would wait for a server that is not there.
fn is_in_ec2() -> bool {
    let is_off = env::var("AWS_EC2_METADATA_DISABLED").is_ok_and(|value| value == "true");
    let is = |file: &str| {
        let text = std::fs::read_to_string(format!("/sys/class/dmi/id/{file}"));
        text.is_ok_and(|text| text.to_lowercase().contains("amazon"))
    };
    !is_off && (is("sys_vendor") || is("bios_version"))
}

#[cfg(test)]
mod tests {
    use crc_fast::{CrcAlgorithm, Digest};

    #[test]
    fn what_stands_in_for_crc_fast_computes_the_checksum_that_s3_expects() {
        // `check` of CRC-64/NVME in the catalogue of parametrised CRC algorithms.
        let checks: [(&[u8], u64); 3] =
            [(b"", 0), (b"123456789", 0xae8b_1486_0a79_9888), (&[0; 4096], 0x6482_d367_eb22_b64e)];
        for (bytes, expected) in checks {
            for cut in [0, bytes.len() / 2, bytes.len()] {
                let mut digest = Digest::new(CrcAlgorithm::Crc64Nvme);
                let (first, rest) = bytes.split_at(cut);
                digest.update(first);
                digest.update(rest);
                assert_eq!(digest.finalize(), expected, "{} bytes, cut at {cut}", bytes.len());
            }
        }
    }
}
