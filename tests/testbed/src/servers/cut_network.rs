//! A network with a cable that can be pulled: commands run in a network namespace of their own, joined to this one by a
//! pair of virtual interfaces.
//!
//! Limits: Linux and root only, elsewhere it skips loudly; IPv4, one address at each end, no name service; a test
//! process that is killed leaves its namespace behind.

use std::{
    ffi::OsStr,
    net::Ipv4Addr,
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

use crate::system::{attempt, is_root, skip_loudly};

/// A namespace whose only way out is to [`CutNetwork::near`].
#[derive(Debug)]
pub struct CutNetwork {
    name: String,
    near: Ipv4Addr,
}

impl CutNetwork {
    /// Makes one, connected.
    pub fn new() -> Option<Self> {
        if !cfg!(target_os = "linux") || !is_root() {
            skip_loudly("network namespaces need Linux and root");
            return None;
        }
        static MADE: AtomicU32 = AtomicU32::new(0);
        let (process, number) = (std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        // Names and addresses are the machine's: tests in neighbouring processes must not meet in a /30.
        let [_, _, high, low] = (process.wrapping_mul(4).wrapping_add(number) << 2).to_be_bytes();
        let near = Ipv4Addr::new(10, 213, high, low | 1);
        let network = Self { name: format!("ms{process}x{number}"), near };
        network.connect().map_err(|why| skip_loudly(&why)).ok()?;
        Some(network)
    }

    /// The address in this namespace, where a server for the commands must listen.
    pub fn near(&self) -> Ipv4Addr {
        self.near
    }

    /// A command that will run at the far end. Surroundings are up to the caller, as with [`crate::TestHome`].
    pub fn wrap(&self, command: &Command) -> Command {
        let mut wrapped = Command::new("ip");
        wrapped
            .args(["netns", "exec", &self.name])
            .arg(command.get_program())
            .args(command.get_args());
        wrapped.env_clear();
        for (name, value) in command.get_envs().filter_map(|(name, value)| Some((name, value?))) {
            wrapped.env(name, value);
        }
        if let Some(dir) = command.get_current_dir() {
            wrapped.current_dir(dir);
        }
        wrapped
    }

    /// Pulls the cable: packets vanish, connections stay and receive nothing.
    pub fn cut(&self) {
        self.set_link("down");
    }

    /// Puts it back.
    pub fn restore(&self) {
        self.set_link("up");
    }

    fn connect(&self) -> Result<(), String> {
        let (near, far) = (format!("{}n", self.name), format!("{}f", self.name));
        let [a, b, c, d] = self.near.octets();
        let (here, there) = (format!("{}/30", self.near), format!("{a}.{b}.{c}.{}/30", d + 1));
        ip(["netns", "add", &self.name])?;
        ip(["link", "add", &near, "type", "veth", "peer", "name", &far, "netns", &self.name])?;
        ip(["address", "add", &here, "dev", &near])?;
        ip(["link", "set", &near, "up"])?;
        ip(["-n", &self.name, "address", "add", &there, "dev", &far])?;
        ip(["-n", &self.name, "link", "set", "lo", "up"])?;
        ip(["-n", &self.name, "link", "set", &far, "up"])
    }

    fn set_link(&self, state: &str) {
        // The near end: the far one keeps its route, so its packets vanish instead of being refused.
        ip(["link", "set", &format!("{}n", self.name), state])
            .unwrap_or_else(|why| panic!("{why}"));
    }
}

impl Drop for CutNetwork {
    fn drop(&mut self) {
        // Takes both interfaces with it; nothing can be done about a failure here.
        let _ = ip(["netns", "delete", &self.name]);
    }
}

fn ip<const N: usize>(args: [&str; N]) -> Result<(), String> {
    attempt(Command::new("ip").args(args.map(OsStr::new)))
}
