//! The parts of an address of object storage.

use object_store::path::Path;
use url::Url;

/// `s3://bucket/prefix?region=…&endpoint=…`
#[derive(Debug)]
pub(super) struct BucketAddress {
    pub(super) bucket: String,
    pub(super) prefix: Path,
    pub(super) region: Option<String>,
    pub(super) endpoint: Option<Url>,
}

impl BucketAddress {
    /// Reads an address. `endpoint` is what the configuration names.
    pub(super) fn read(url: &str, endpoint: Option<&str>) -> Result<Self, String> {
        let expected = "expected s3://BUCKET/PREFIX?region=REGION&endpoint=URL";
        let url = Url::parse(url).map_err(|error| format!("{error}; {expected}"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err("keys do not belong into this address: use the environment".to_owned());
        }
        let bucket = url.host_str().filter(|bucket| !bucket.is_empty());
        let bucket =
            bucket.ok_or_else(|| format!("there is no bucket in it; {expected}"))?.to_owned();
        if url.port().is_some() {
            return Err(format!("a bucket has no port; {expected}"));
        }
        let prefix = percent_encoding::percent_decode_str(url.path()).decode_utf8();
        let prefix = prefix.map_err(|_| "its path is not text".to_owned())?;
        let prefix = Path::parse(prefix.trim_matches('/')).map_err(|error| error.to_string())?;
        let (mut region, mut endpoint) = (None, endpoint.map(String::from));
        for (name, value) in url.query_pairs() {
            match name.as_ref() {
                "region" => region = Some(value.into_owned()),
                "endpoint" => endpoint = Some(value.into_owned()),
                other => return Err(format!("unknown `{other}` after the `?`; {expected}")),
            }
        }
        let endpoint = endpoint.map(|text| server(&text)).transpose()?;
        Ok(Self { bucket, prefix, region, endpoint })
    }
}

/// The address of a server.
pub(super) fn server(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).ok().filter(|url| {
        matches!(url.scheme(), "http" | "https") && url.has_host() && url.query().is_none()
    });
    let url = url.ok_or_else(|| "its endpoint is no https:// address".to_owned())?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("keys do not belong into the endpoint: use the environment".to_owned());
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_bucket_a_prefix_a_region_and_an_endpoint() {
        let text = "s3://my-bucket/for%20the/Größe team/?region=eu-west-1&endpoint=https://s3.example:9000";
        let read = BucketAddress::read(text, Some("https://other.example")).unwrap();
        assert_eq!(read.bucket, "my-bucket");
        assert_eq!(read.prefix.as_ref(), "for the/Größe team");
        assert_eq!(read.region.unwrap(), "eu-west-1");
        assert_eq!(read.endpoint.unwrap().as_str(), "https://s3.example:9000/");
        let read = BucketAddress::read("s3://b", Some("https://other.example")).unwrap();
        assert_eq!((read.prefix.as_ref(), read.endpoint.is_some()), ("", true));
    }

    #[test]
    fn what_is_wrong_with_an_address_is_said_without_its_secret() {
        for text in [
            "s3:///x",
            "s3://key:secret@bucket/x",
            "s3://b?token=secret",
            "s3://b:90/x",
            "s3://b/a//b",
            "s3://b/../x?endpoint=secret",
            "s3://b?endpoint=https://me:secret@host",
        ] {
            let error = BucketAddress::read(text, None).unwrap_err();
            assert!(!error.contains("secret"), "{text}: {error}");
        }
    }
}
