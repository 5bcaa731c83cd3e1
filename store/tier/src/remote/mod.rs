//! Places over the network: object storage, and servers that give out files.
//!
//! Signatures, credentials and the names of headers are `object_store`'s, which others keep. Its requests go through the HTTP client
//! that this project has, on the thread that calls: there is no runtime, no second TLS and no other pool of threads. See
//! docs/decisions/0072.

mod exchange;
mod connections;
mod client;
mod explain;
mod inline;
mod body;
mod service;
mod printed;
mod netrc;
mod headers;
mod profile;
mod address;
mod s3;
mod gcs;
mod refusals;
mod bucket;
mod static_server;

use std::sync::Arc;

use object_store::ObjectStore;

use crate::{Objects, TierOptions};
use address::BucketAddress;
use bucket::Bucket;
use client::Client;
use static_server::StaticServer;

/// The place at an address. `place` is the address without a secret. The error says what is wrong with it.
pub(crate) fn open(
    place: String,
    scheme: &str,
    url: &str,
    options: &TierOptions,
) -> Result<Box<dyn Objects>, String> {
    let client = Client::new(options)?;
    if matches!(scheme, "http" | "https") {
        return Ok(Box::new(StaticServer::new(place, url, options, client)?));
    }
    let address = BucketAddress::read(url, options.endpoint.as_deref())?;
    let store: Arc<dyn ObjectStore> = match scheme {
        "gs" => Arc::new(gcs::store(&address, options, client)?),
        _ => Arc::new(s3::store(&address, options, client)?),
    };
    Ok(Box::new(Bucket::new(place, store, address.prefix, options)))
}
