//! Bytes to and from a server: connections that can be given up, HTTP, programs such as ssh, whose login goes where,
//! and the git configuration of this host that decides about all of it.
//!
//! Knows nothing of refs, packs or trees.

mod pace;
mod bands;
mod remembered;
mod remembered_lanes;
mod lanes;
mod watch;
mod addresses;
mod tcp;
mod http_text;
mod git_environment;
mod credential_helpers;
mod helper_logins;
mod url_match;
mod http_settings;
mod configuration;
mod git_config;
mod refusal;
mod process;
mod kept;
mod shared_ssh;
mod http_agent;
mod git_words;
mod git_helper;
mod git_copy;
mod netrc;
mod login;
mod http_request;
mod http_refusal;
mod http;
mod download;
mod access;
mod connect;
mod ways;

pub(crate) use access::Access;
pub(crate) use connect::{BoxedTransport, Dialing, Link};
pub(crate) use download::{Download, PlainDownload, cause};
pub(crate) use git_config::{
    GitConfig, LANES, LOGINS, LONG_LISTINGS, PLACE, RemoteUrl, is_plain_repository,
    minimal_repository,
};
pub(crate) use git_environment::{leave_repository, speak_english};
pub(crate) use http::{HttpClient, SideQuestion};
pub(crate) use http_agent::HttpAgents;
pub(crate) use http_refusal::asked_wait;
pub(crate) use http_request::{Headers, Response};
pub(crate) use http_text::{HttpOrigin, http_origin, resolved};
pub(crate) use lanes::is_of_a_crowd;
pub use lanes::{Lane, Lanes};
pub(crate) use pace::Pace;
pub(crate) use process::{StderrTail, fault_from_stderr};
pub(crate) use refusal::{Moment, judge, recognised};
pub(crate) use remembered::Remembered;
pub(crate) use watch::Watch;
pub use ways::{Way, WayTaken};
pub(crate) use ways::{Ways, because_of, git_may_do_better, is_dropped, truer};
