//! Google Cloud Storage: the bucket of an address, with the login that is there.
//!
//! Limits: of the files that `GOOGLE_APPLICATION_CREDENTIALS` may name, those of a service account and of a user. For workload
//! identity federation, `credentials = ["gcloud", "auth", "print-access-token"]`.

use std::{env, path::PathBuf, sync::Arc};

use object_store::gcp::{
    GcpCredential, GoogleCloudStorage, GoogleCloudStorageBuilder, GoogleConfigKey as Setting,
};

use super::{
    address::BucketAddress,
    client::Client,
    printed::{Expiring, Printed},
    s3::no_retry,
    service::{Requests, is_safe},
};
use crate::TierOptions;

/// The bucket. No request is made.
pub(super) fn store(
    address: &BucketAddress,
    options: &TierOptions,
    client: Client,
) -> Result<GoogleCloudStorage, String> {
    let mut builder = GoogleCloudStorageBuilder::from_env()
        .with_bucket_name(&address.bucket)
        .with_http_connector(Requests(client))
        .with_retry(no_retry());
    if address.region.is_some() {
        return Err("a bucket of Google's is found without its region".to_owned());
    }
    if let Some(endpoint) = &address.endpoint {
        let uri = endpoint.as_str().parse().map_err(|_| "its endpoint cannot be read")?;
        if !is_safe(&uri) {
            return Err("its endpoint is not https://".to_owned());
        }
        builder = builder.with_base_url(endpoint.as_str().trim_end_matches('/'));
    }
    let has_own = builder.get_config_value(&Setting::ServiceAccount).is_some()
        || builder.get_config_value(&Setting::ServiceAccountKey).is_some();
    builder = if !options.credentials.is_empty() {
        builder.with_credentials(Arc::new(Printed::by(options.credentials.clone(), token)))
    } else if has_own || has_default_login() || is_in_google_cloud() {
        builder
    } else {
        builder.with_skip_signature(true)
    };
    builder.build().map_err(|_| {
        "its login cannot be read: expected a service account or a user in GOOGLE_APPLICATION_CREDENTIALS; \
         else set credentials = [\"gcloud\", \"auth\", \"print-access-token\"]"
            .to_owned()
    })
}

fn token(printed: &str) -> Option<Expiring<GcpCredential>> {
    let token = printed.trim();
    let is_token = !token.is_empty() && token.chars().all(|each| each.is_ascii_graphic());
    is_token.then(|| (GcpCredential { bearer: token.to_owned() }, None))
}

fn has_default_login() -> bool {
    let usual = || {
        let home = PathBuf::from(env::var_os("HOME")?);
        Some(home.join(".config/gcloud/application_default_credentials.json"))
    };
    let named = env::var_os("GOOGLE_APPLICATION_CREDENTIALS").is_some_and(|name| !name.is_empty());
    named || usual().is_some_and(|path| path.is_file())
}

/// Whether this machine is one of Google's, which have a login. Elsewhere asking for it would wait for a server that is not there.
fn is_in_google_cloud() -> bool {
    let product = std::fs::read_to_string("/sys/class/dmi/id/product_name");
    product.is_ok_and(|text| text.contains("Google")) || env::var_os("K_SERVICE").is_some()
}
