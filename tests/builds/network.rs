//! The report that this is all about, live: a host in a network of its own, whose cable is pulled while it is cold.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
};

use modstore_testbed::{CutNetwork, Host, HttpServer, Repo, skip_loudly};
use serde_json::Value;

use super::world::World;

/// Waits until the far end reaches this server: a cable that is put back works a moment later.
fn wait_for(network: &CutNetwork, url: &str) {
    let script = "import sys, urllib.request, urllib.error\ntry: urllib.request.urlopen(sys.argv[1], timeout=2)\nexcept urllib.error.HTTPError: pass";
    let reached = (0..100).any(|_| {
        let mut python = Command::new("python3");
        python.args(["-c", script, url]).env("PATH", std::env::var_os("PATH").unwrap());
        let mut there = network.wrap(&python);
        there.stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    });
    assert!(reached, "the cable is put back, and no server answers");
}

/// Has the module built by this command, in a host that starts without a network: it is tried once, and that passes.
/// Gives the host, and its report of that scan.
fn fails_without_network(world: &World, network: &CutNetwork, command: &str) -> (Host, Value) {
    let toml = world.home.path().join("modules.toml");
    let text = std::fs::read_to_string(&toml).unwrap();
    let before = text.lines().find(|line| line.starts_with("command")).unwrap();
    std::fs::write(&toml, text.replace(before, command)).unwrap();
    network.cut();
    let mut host = Host::start_as(network.wrap(&Host::command(&world.home)));
    let scan = host.scan();
    assert_eq!(
        (scan["failed"][0]["class"].as_str(), world.starts()),
        (Some("transient"), 1),
        "{scan}"
    );
    (host, scan)
}

#[test]
fn a_host_that_started_without_a_network_recovers_by_itself_with_exactly_one_build() {
    let Some(network) = CutNetwork::new() else { return };
    let mut world = World::new();
    let root = world.home.scratch().join("served");
    std::fs::create_dir(&root).unwrap();
    let registry = Repo::create(&root, "dependency");
    registry.write(&[("lib.txt", "from the registry\n")]);
    let server = HttpServer::start_on(&root, network.near());
    world.home.env("READS", "").env("MODSTORE_RETRY_AFTER", "0.2");
    // Its build needs the network: it has git fetch what it depends on.
    let url = server.url("dependency");
    let shell = format!(
        "command = [\"sh\", \"-c\", \"echo x >> $BOOK/starts; timeout 3 git -c http.lowSpeedTime=2 clone -q {url} dep || exit 75; mkdir made; echo echo $(cat dep/lib.txt) > made/run.sh\"]"
    );
    let (mut host, _) = fails_without_network(&world, &network, &shell);
    let status = host.status();
    assert_eq!(status["failing"][0]["attempt"]["stage"], "build", "{status}");
    assert_eq!(host.run("tool"), "unknown module tool");
    network.restore();
    wait_for(&network, &url);
    let mut scan = host.scan();
    for _ in 0..100 {
        if scan["ok"] == true {
            break;
        }
        assert_eq!(scan["deferred"][0]["why"], "not-due", "{scan}");
        std::thread::sleep(std::time::Duration::from_millis(50));
        scan = host.scan();
    }
    assert_eq!((scan["ok"].as_bool(), world.starts()), (Some(true), 1), "{scan}");
    assert_eq!(host.run("tool"), "from the registry");
    assert_eq!((host.scan()["ok"].as_bool(), world.starts()), (Some(true), 0));
    // Without a network again: the current version stays, and an edit does not lose it.
    network.cut();
    world.edit("tool", "changed");
    let scan = host.scan();
    assert_eq!(scan["failed"][0]["class"], "transient", "{scan}");
    assert_eq!(host.run("tool"), "from the registry");
    let since = host.status()["failing"][0]["current_since"].clone();
    assert!(since.is_string(), "the age of the current version");
}

/// A registry with one package of npm's own, served as files; it is gone when dropped.
struct Registry {
    server: Child,
    url: String,
}

impl Registry {
    /// Gets the package by npm, once; `None` where npm, or its registry, is missing.
    fn start(root: &Path, network: &CutNetwork) -> Option<Self> {
        std::fs::create_dir_all(root.join("t")).unwrap();
        let mut npm = Command::new("npm");
        npm.args(["pack", "--json", "is-number@7.0.0"]).current_dir(root.join("t"));
        let packed =
            npm.env("HOME", root).output().ok().filter(|packed| packed.status.success())?;
        let told: serde_json::Value = serde_json::from_slice(&packed.stdout).ok()?;
        let integrity = told[0]["integrity"].as_str()?.to_owned();
        let port = {
            let listener = std::net::TcpListener::bind((network.near(), 0)).unwrap();
            listener.local_addr().unwrap().port()
        };
        let url = format!("http://{}:{port}", network.near());
        let tarball = format!("{url}/t/is-number-7.0.0.tgz");
        let version = serde_json::json!({
            "name": "is-number", "version": "7.0.0", "dist": {"tarball": tarball, "integrity": integrity},
        });
        let package = serde_json::json!({
            "name": "is-number", "dist-tags": {"latest": "7.0.0"}, "versions": {"7.0.0": version},
        });
        std::fs::write(root.join("is-number"), package.to_string()).unwrap();
        let mut python = Command::new("python3");
        python.args([
            "-m",
            "http.server",
            &port.to_string(),
            "--bind",
            &network.near().to_string(),
        ]);
        let server =
            python.current_dir(root).stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()?;
        let up = (0..200).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(20));
            std::net::TcpStream::connect((network.near(), port)).is_ok()
        });
        up.then_some(Self { server, url })
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // Fails only for one that has ended by itself.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

#[test]
fn a_real_npm_build_that_found_no_registry_is_made_at_a_later_scan_once_there_is_one() {
    let Some(network) = CutNetwork::new() else { return };
    let mut world = World::new();
    let Some(registry) = Registry::start(&world.home.scratch().join("registry"), &network) else {
        return skip_loudly("npm, or its registry, is missing");
    };
    world.home.env("MODSTORE_RETRY_AFTER", "0.2");
    let install =
        "npm install --no-audit --no-fund --fetch-retries=0 --fetch-timeout=2000 --registry";
    let shell = format!(
        "command = [\"sh\", \"-c\", \"echo x >> $BOOK/starts; {install} {} is-number@7.0.0 && mkdir made && mv node_modules made/ && echo echo $(grep -c version made/node_modules/is-number/package.json) > made/run.sh\"]",
        registry.url
    );
    let (mut host, scan) = fails_without_network(&world, &network, &shell);
    assert!(scan["failed"][0]["causes"].to_string().contains("npm error"), "{scan}");
    network.restore();
    wait_for(&network, &registry.url);
    let shown = (0..100).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(100));
        host.scan()["ok"] == true
    });
    assert!(shown, "{}", host.status());
    assert_eq!((world.starts(), host.run("tool").as_str()), (1, "1"));
    assert_eq!((host.scan()["ok"].as_bool(), world.starts()), (Some(true), 0));
}
