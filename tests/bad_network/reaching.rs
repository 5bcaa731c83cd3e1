//! Servers that cannot be reached, or that never say a word.

use modstore_testbed::{BlackHole, RefusedPort};

use crate::day::{Day, Trouble};

const TRANSIENT: Trouble<'_> =
    Trouble { class: "transient", stage: "resolve", words: &[], hint: "" };

#[test]
fn an_unknown_host_is_called_so_whatever_is_spoken() {
    let day = Day::begun();
    for scheme in ["http", "git", "ssh"] {
        let trouble = Trouble {
            words: &[
                "could not reach",
                "no-such-host.invalid/m",
                "the host name could not be resolved",
            ],
            hint: "check the host name",
            ..TRANSIENT
        };
        day.endures_source(&format!("git+{scheme}://no-such-host.invalid/m.git"), &trouble);
    }
}

#[test]
fn a_refused_connection_is_called_so_whatever_is_spoken() {
    let day = Day::begun();
    let port = RefusedPort::reserve();
    for scheme in ["http", "git", "ssh"] {
        let trouble = Trouble {
            words: &["could not reach", "127.0.0.1", "the connection was refused"],
            hint: "check that the server runs",
            ..TRANSIENT
        };
        day.endures_source(&format!("git+{}", port.url(scheme, "m")), &trouble);
    }
}

#[test]
fn a_server_that_never_says_a_word_is_given_up_on_whatever_is_spoken() {
    let mut day = Day::begun();
    day.home.env("MODSTORE_IDLE_TIMEOUT", "0.4");
    let hole = BlackHole::start();
    for scheme in ["http", "git", "ssh"] {
        let trouble = Trouble {
            words: &["the server was silent for 400 ms"],
            hint: "MODSTORE_IDLE_TIMEOUT",
            ..TRANSIENT
        };
        day.endures_source(&format!("git+{}", hole.url(scheme, "m")), &trouble);
    }
}
