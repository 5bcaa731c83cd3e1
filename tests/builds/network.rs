//! The report that this is all about, live: a host in a network of its own, whose cable is pulled while it is cold.

use modstore_tests::{CutNetwork, Host, HttpServer, Repo};

use super::world::World;

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
    let toml = world.home.path().join("modules.toml");
    let text = std::fs::read_to_string(&toml).unwrap();
    let command = text.lines().find(|line| line.starts_with("command")).unwrap().to_owned();
    let url = server.url("dependency");
    let shell = format!(
        "command = [\"sh\", \"-c\", \"echo x >> $BOOK/starts; timeout 3 git -c http.lowSpeedTime=2 clone -q {url} dep || exit 75; mkdir made; echo echo $(cat dep/lib.txt) > made/run.sh\"]"
    );
    std::fs::write(&toml, text.replace(&command, &shell)).unwrap();
    network.cut();
    let mut host = Host::start_as(network.wrap(&Host::command(&world.home)));
    let scan = host.scan();
    assert_eq!(
        (scan["failed"][0]["class"].as_str(), world.starts()),
        (Some("transient"), 1),
        "{scan}"
    );
    let status = host.status();
    assert_eq!(status["attempts"][0]["stage"], "build", "{status}");
    assert_eq!(host.run("tool"), "unknown module tool");
    network.restore();
    let mut scan = host.scan();
    for _ in 0..100 {
        if scan["ok"] == true {
            break;
        }
        assert_eq!(scan["waiting"][0]["why"], "until", "{scan}");
        std::thread::sleep(std::time::Duration::from_millis(50));
        scan = host.scan();
    }
    assert_eq!((scan["ok"].as_bool(), world.starts()), (Some(true), 1), "{scan}");
    assert_eq!(host.run("tool"), "from the registry");
    assert_eq!((host.scan()["ok"].as_bool(), world.starts()), (Some(true), 0));
    // Without a network again: what is shown stays, and an edit does not lose it.
    network.cut();
    world.edit("tool", "changed");
    let scan = host.scan();
    assert_eq!(scan["failed"][0]["class"], "transient", "{scan}");
    assert_eq!(host.run("tool"), "from the registry");
    let since = host.status()["attempts"][0]["serving_since"].clone();
    assert!(since.is_string(), "the age of what is shown");
}
