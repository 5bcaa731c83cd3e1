//! A cable that is pulled, and put back.

use std::time::Duration;

use modstore_testbed::{CutNetwork, Fault, HttpServer, Repo, Running, TestHome};

use crate::day::noise;

/// A module at the far end of a network, installed, with something new to fetch.
struct Far {
    network: CutNetwork,
    server: HttpServer,
    repo: Repo,
    home: TestHome,
    _root: tempfile::TempDir,
}

impl Far {
    fn begun() -> Option<Self> {
        let network = CutNetwork::new()?;
        let root = tempfile::tempdir().expect("a temporary directory can be made");
        let repo = Repo::create(root.path(), "m");
        let server = HttpServer::start_on(root.path(), network.near());
        let mut home = TestHome::new(env!("CARGO_BIN_EXE_modstore"));
        home.env("MODSTORE_IDLE_TIMEOUT", "1").env("MODSTORE_CONNECT_TIMEOUT", "1");
        home.declare(&[("m", &format!("git+{}", server.url("m")))]);
        repo.write(&[("a", "1")]);
        let far = Self { network, server, repo, home, _root: root };
        far.update().wait().ok();
        far.repo.commit("main", &[modstore_testbed::Change::write("noise", noise(1))]);
        Some(far)
    }

    fn update(&self) -> Running {
        Running::start(self.network.wrap(&self.home.command(&["update"])))
    }

    #[track_caller]
    fn is_first(&self) {
        assert_eq!(self.home.tree("m"), self.repo.tree("main~1"));
        assert_eq!(self.home.leftovers(), Vec::<std::path::PathBuf>::new());
    }

    #[track_caller]
    fn recovers(&mut self) {
        // The neighbours have to find each other first.
        self.home.env("MODSTORE_CONNECT_TIMEOUT", "20");
        self.network.restore();
        self.server.clear();
        self.update().wait().ok();
        assert_eq!(self.home.tree("m"), self.repo.tree("main"));
        assert_eq!(self.home.leftovers(), Vec::<std::path::PathBuf>::new());
    }
}

#[test]
fn an_update_without_a_network_fails_in_time_and_the_next_one_with_it_succeeds() {
    let Some(mut far) = Far::begun() else { return };
    far.network.cut();
    far.update().wait_within(Duration::from_secs(20)).fails(1).says("no connection within 1 s");
    far.is_first();
    far.recovers();
}

#[test]
fn an_update_whose_network_goes_away_in_the_middle_of_a_pack_fails_in_time() {
    let Some(mut far) = Far::begun() else { return };
    let name = far.network.near();
    // The pack stops, and from then on nothing gets through, not even the end of the connection.
    let (reached, reaching) = std::sync::mpsc::channel();
    far.server.fault(
        "m",
        Fault::on_pack(50_000, move || {
            // The receiver is gone when the second run comes by.
            let _ = reached.send(());
            std::thread::sleep(Duration::from_millis(300));
        }),
    );
    let running = far.update();
    reaching
        .recv_timeout(Duration::from_secs(20))
        .unwrap_or_else(|_| panic!("no pack was sent from {name}"));
    far.network.cut();
    running.wait_within(Duration::from_secs(20)).fails(1).says("the server was silent for 1 s");
    assert!(far.server.stats().faults_fired > 0);
    far.is_first();
    far.recovers();
}

#[test]
fn an_update_outlives_a_network_that_comes_back_in_time() {
    let Some(mut far) = Far::begun() else { return };
    far.home.env("MODSTORE_IDLE_TIMEOUT", "20");
    let (reached, reaching) = std::sync::mpsc::channel();
    let (go, going) = std::sync::mpsc::channel::<()>();
    let going = std::sync::Mutex::new(going);
    far.server.fault(
        "m",
        Fault::on_pack(50_000, move || {
            let _ = reached.send(());
            // Until the cable is pulled.
            let _ = going
                .lock()
                .expect("no thread panics with it")
                .recv_timeout(Duration::from_secs(20));
        }),
    );
    let running = far.update();
    reaching.recv_timeout(Duration::from_secs(20)).expect("a pack is sent");
    far.network.cut();
    go.send(()).expect("the server waits");
    std::thread::sleep(Duration::from_millis(300));
    far.network.restore();
    running.wait_within(Duration::from_secs(60)).ok();
    assert_eq!(far.home.tree("m"), far.repo.tree("main"));
}
