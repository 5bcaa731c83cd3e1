//! The testbed of tests, benchmarks and the demo: real git repositories, real servers with faults, random numbers,
//! measuring and plots. It knows no store.
//!
//! A caller makes a [`Repo`] or a [`Corpus`] and serves it with an [`HttpServer`] (or through `file://`). Servers listen on
//! loopback, on ports the kernel chose, and end when their value is dropped or the process ends.
//!
//! With the feature `laboratory` there are the runs that the command line offers: the `Churn` of its benchmark, its
//! `Demo` and its `SelfTest`. With `full` there are, for tests, a home with the command line in it (`TestHome`), other servers, mounted
//! file systems, networks and Pythons; with `packs`, packs written object by object.
//!
//! Helpers panic, with everything the failing program said, since a panic is how a test fails. Those named `try_…` and
//! those for benchmarks give an error.
//! Not here: assertions about the store itself, which each kind of test makes for itself.

mod random;
mod scratch;
mod declarations;
mod repositories;
mod http;
mod measure;
#[cfg(feature = "laboratory")]
mod failure;
#[cfg(feature = "laboratory")]
mod churn;
#[cfg(feature = "laboratory")]
mod sandbox;
#[cfg(feature = "laboratory")]
mod demo;
#[cfg(feature = "laboratory")]
mod selftest;
pub mod sabotage;

#[cfg(feature = "full")]
mod system;
#[cfg(feature = "full")]
mod servers;
#[cfg(feature = "full")]
mod programs;

pub use declarations::modules_toml;
pub use http::{Fault, HttpServer, RecordedRequest, ServedPack, Stats, pkt_line};
pub use measure::{
    Bar, Bars, DiskUsage, Line, Reader, Reads, Rounds, cpu_time, files_below, peak_memory,
    reset_peak_memory,
};
pub use random::Random;
pub use repositories::{
    Change, Contents, Corpus, GitError, Item, ModuleFiles, Repo, Shape, git, listing, share,
};
pub use scratch::Scratch;

#[cfg(feature = "laboratory")]
pub use churn::{
    Act, BenchDisk, BenchPhase, BenchReader, BenchRound, Churn, Course, Fetched, LiveEntries,
    Meter, Phase, Subject, Upstream, middle, serve,
};
#[cfg(feature = "laboratory")]
pub use demo::{Demo, DemoError, DemoStep, Played};
#[cfg(feature = "laboratory")]
pub use failure::LabError;
#[cfg(feature = "laboratory")]
pub use selftest::{Machine, Outcome, SelfTest, Trial};

#[cfg(feature = "packs")]
pub use repositories::{Delta, PackWriter, commit_object, deflate, object_id, tree_object};

#[cfg(feature = "full")]
pub use repositories::{lfs_oid, lfs_pointer};

#[cfg(feature = "full")]
pub use programs::{
    Backend, Host, Project, Python, PythonTools, Ran, Running, TestHome, Venv, has_strace,
    on_terminal, on_terminal_of, until,
};
#[cfg(feature = "full")]
pub use servers::{
    BlackHole, Certificate, CutNetwork, FarWire, Giftless, GitDaemon, LfsFault, LfsRequest,
    LfsServer, Nginx, Proxy, RefusedPort, RequestLog, ScriptedServer, SeaweedFs, SshServer,
    TlsFront, Wire,
};
#[cfg(feature = "full")]
pub use system::{BindMount, Mount, Unsynced, skip_loudly};
