//! A login belongs to the place that asks for it, and git is the oracle: each combination of a login and a way to the
//! repository is tried with git and with modstore, and the requests to each place are compared.
//!
//! Where git tells a place what was meant for another, modstore does not; that is the one difference allowed.
//! Limits: no TLS, so that a redirect from https to http is not tried here.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;

use modstore_testbed::{Fault, HttpServer, Repo, ScriptedServer, TestHome};

use crate::world::clone_by_git;

/// A way to be known: what stands before the host, git's configuration, and what the first place accepts.
struct Login {
    name: &'static str,
    written: &'static str,
    config: String,
    accepted: (&'static str, &'static str),
}

/// What all logins of the second place's own have in them, and no login of the first place has.
const OF_SECOND: &str = "s3cond";

/// What the first place does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum First {
    Gives,
    AsksAndGives,
    LeadsToItself,
    Leads,
    AsksAndLeads,
}

/// What the second place does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Second {
    Gives,
    Asks,
    AsksForThePack,
}

/// Two places, by another port or by another name of the same server.
struct Places {
    first: HttpServer,
    second: Option<HttpServer>,
    repo: Repo,
    root: tempfile::TempDir,
}

/// The headers sent to the two places: which place, the header, its value.
type Told = BTreeSet<(&'static str, String, String)>;

impl Places {
    fn new(by_name: bool) -> Self {
        let root = tempfile::tempdir().expect("a temporary directory can be made");
        let repo = Repo::create(root.path(), "m");
        repo.write(&[("a", "1")]);
        let first = HttpServer::start(root.path());
        let second = (!by_name).then(|| HttpServer::start(root.path()));
        // The same repository by another name, to redirect to without redirecting that.
        let alias = root.path().join("there.git");
        std::os::unix::fs::symlink(repo.path(), alias).expect("the directory takes a link");
        Places { first, second, repo, root }
    }

    fn at_first(&self) -> String {
        format!("http://127.0.0.1:{}", self.first.port())
    }

    fn at_second(&self) -> String {
        match &self.second {
            Some(second) => format!("http://127.0.0.1:{}", second.port()),
            None => format!("http://localhost:{}", self.first.port()),
        }
    }

    fn second_server(&self) -> &HttpServer {
        self.second.as_ref().unwrap_or(&self.first)
    }

    fn behave(&self, first: First, second: Second, login: &Login) {
        let servers = [Some(&self.first), self.second.as_ref()];
        servers.into_iter().flatten().for_each(HttpServer::clear);
        let (user, password) = login.accepted;
        if matches!(first, First::AsksAndGives | First::AsksAndLeads) {
            self.first.fault("m", Fault::BasicAuth { user, password });
        }
        let there = format!("{}/there.git", self.at_second());
        match first {
            First::LeadsToItself => {
                self.first.fault("m", Fault::Redirect { to: self.first.url("there") });
                self.first.fault("there", Fault::BasicAuth { user, password });
                return;
            }
            First::Leads | First::AsksAndLeads => {
                self.first.fault("m", Fault::Redirect { to: there });
            }
            First::Gives | First::AsksAndGives => {}
        }
        let auth = Fault::BasicAuth { user: "own", password: OF_SECOND };
        match second {
            Second::Gives => {}
            Second::Asks => self.second_server().fault("there", auth),
            Second::AsksForThePack => self.second_server().fault_on_fetch("there", auth),
        }
    }

    /// The headers sent since the last call.
    fn told(&self) -> Told {
        let mut told = Told::new();
        for server in [Some(&self.first), self.second.as_ref()].into_iter().flatten() {
            for seen in server.stats().requests {
                let header =
                    |name| seen.headers.iter().find(|(known, _)| known == name).map(|(_, v)| v);
                let host = format!("http://{}", header("host").expect("HTTP/1.1 has a host"));
                let place = if host == self.at_first() { "first" } else { "second" };
                for name in ["authorization", "x-secret", "cookie"] {
                    let values = seen.headers.iter().filter(|(known, _)| known == name);
                    told.extend(values.map(|(_, value)| (place, name.to_owned(), value.clone())));
                }
            }
            server.forget();
        }
        told
    }
}

fn logins(places: &Places) -> Vec<Login> {
    let (first, second) = (places.at_first(), places.at_second());
    let helper = |section: &str, user: &str, password: &str| {
        format!(
            "[credential{section}]\n helper = \"!f() {{ cat >/dev/null; test $1 = get && echo username={user} && echo \
             password={password}; }}; f\"\n"
        )
    };
    let of = |url: &str| format!(" \"{url}\"");
    let header =
        |section: &str, text: &str| format!("[http{section}]\n extraHeader = \"{text}\"\n");
    // `first:first`, as the first place accepts it.
    let authorization = "Authorization: Basic Zmlyc3Q6Zmlyc3Q=";
    let own = helper(&of(&second), "own", OF_SECOND);
    let login = |name, written, config, accepted| Login { name, written, config, accepted };
    vec![
        login("nothing", "", String::new(), ("no", "body")),
        login("a token in the address", "t0ken@", String::new(), ("t0ken", "")),
        login("a token and the second's helper", "t0ken@", own.clone(), ("t0ken", "")),
        login("user and password in the address", "u:p@", String::new(), ("u", "p")),
        login("user, password and the second's helper", "u:p@", own.clone(), ("u", "p")),
        login("a helper for the first", "", helper(&of(&first), "h", "first"), ("h", "first")),
        login("a helper for the second", "", own.clone(), ("no", "body")),
        login("a helper for all", "", helper("", "own", OF_SECOND), ("own", OF_SECOND)),
        login(
            "helpers for each",
            "",
            format!("{own}{}", helper(&of(&first), "h", "first")),
            ("h", "first"),
        ),
        login("a header for all", "", header("", "X-Secret: for all"), ("no", "body")),
        login("a header for the first", "", header(&of(&first), authorization), ("first", "first")),
        login(
            "a header for all and one for the first",
            "",
            format!("{}{}", header("", "X-Secret: for all"), header(&of(&first), authorization)),
            ("first", "first"),
        ),
        login(
            "a header and the second's helper",
            "",
            format!("{own}{}", header(&of(&first), "X-Secret: for the first")),
            ("no", "body"),
        ),
    ]
}

/// Whether this login may be sent to this place.
fn is_of(place: &str, value: &str, login: &Login) -> bool {
    let own = value.contains("b3duOnMzY29uZA");
    match place {
        "second" => own,
        _ => !own || login.accepted.1 == OF_SECOND,
    }
}

/// Whether the second place was sent its own login, and let it pass.
fn compare(places: &Places, login: &Login, first: First, second: Second) -> bool {
    let what = format!("{}; the first {first:?}, the second {second:?}", login.name);
    places.behave(first, second, login);
    let home = TestHome::new(env!("CARGO_BIN_EXE_modstore"));
    home.git_config(&login.config);
    let url =
        format!("{}/m.git", places.at_first()).replace("://", &format!("://{}", login.written));
    places.told();
    let oracle = clone_by_git(&home, &url);
    let git_told = places.told();
    let ran = home.run(&["add", &format!("git+{url}"), "--name", "m"]);
    let told = places.told();
    for (place, header, value) in &told {
        assert!(
            is_of(place, value, login),
            "{what}: the {place} was sent {header}: {value}\n{ran:?}"
        );
        // The login in an address is sent to its place at once, which saves a request each time.
        let written = *place == "first" && login.written == "u:p@";
        let told_by_git = git_told.contains(&(place, header.clone(), value.clone()));
        assert!(told_by_git || written, "{what}: git does not tell the {place} {header}: {value}");
    }
    let leaks = git_told.iter().any(|(place, _, value)| !is_of(place, value, login));
    assert!(
        ran.status == 0 || oracle.status != 0 || leaks,
        "{what}: git clones, and this fails: {ran:?}"
    );
    assert!(ran.status != 0 || home.tree("m") == places.repo.tree("main"), "{what}: {ran:?}");
    ran.status == 0 && told.iter().any(|(place, ..)| *place == "second")
}

fn compare_all(by_name: bool) {
    let places = Places::new(by_name);
    let mut welcome = 0;
    for login in logins(&places) {
        for first in [First::Gives, First::AsksAndGives, First::LeadsToItself] {
            compare(&places, &login, first, Second::Gives);
        }
        for first in [First::Leads, First::AsksAndLeads] {
            for second in [Second::Gives, Second::Asks, Second::AsksForThePack] {
                welcome += usize::from(compare(&places, &login, first, second));
            }
        }
    }
    assert!(welcome > 5, "logins are for the second place too: {welcome}");
}

#[test]
fn each_place_gets_the_login_that_git_sends_it_and_none_that_is_meant_for_another_port() {
    compare_all(false);
}

#[test]
fn each_place_gets_the_login_that_git_sends_it_and_none_that_is_meant_for_another_name() {
    compare_all(true);
}

#[test]
fn a_header_of_the_configuration_goes_along_on_its_place_and_not_to_another() {
    let places = Places::new(false);
    let home = TestHome::new(env!("CARGO_BIN_EXE_modstore"));
    home.git_config("[http]\n extraHeader = X-Secret: s3cret\n extraHeader = Cookie: s3cret\n");
    places.first.fault("m", Fault::Redirect { to: places.first.url("there") });
    places.first.fault("there", Fault::Redirect { to: format!("{}/m.git", places.at_second()) });
    home.run(&["add", &format!("git+{}", places.first.url("m"))]).ok();
    let first = places.first.stats().requests;
    let secrets = |seen: &modstore_testbed::RecordedRequest| {
        seen.headers.iter().filter(|(_, value)| value == "s3cret").count()
    };
    assert_eq!(first.iter().map(secrets).collect::<Vec<_>>(), [2, 2]);
    let second = places.second_server().stats().requests;
    assert!(second.len() > 1 && second.iter().all(|seen| secrets(seen) == 0), "{second:?}");
}

#[test]
fn a_login_in_a_location_is_used_at_that_place_and_printed_nowhere() {
    const SECRET: &str = "s3cr3t-0f-th3-l0cat10n";
    let places = Places::new(false);
    let second = places.second_server();
    let to = second.url_with_secret("there", "me", SECRET);
    places.first.fault("m", Fault::Redirect { to });
    second.fault("there", Fault::BasicAuth { user: "me", password: SECRET });
    let url = places.first.url("m");
    let home = TestHome::new(env!("CARGO_BIN_EXE_modstore"));
    clone_by_git(&home, &url).ok();
    home.run(&["add", &format!("git+{url}"), "-v"]).ok();
    second.clear();
    let wrong = [
        Fault::BasicAuth { user: "me", password: "another" },
        Fault::Status(500),
        Fault::Redirect { to: format!("ftp://me:{SECRET}@127.0.0.1/m.git") },
        Fault::Redirect { to: format!("http://me:{SECRET}@127.0.0.1:1/m.git") },
        Fault::Redirect { to: format!("http://me:{SECRET}@[::bad/m.git") },
        Fault::Redirect { to: format!("http://me:{SECRET}@127.0.0.1:{}/m", second.port()) },
    ];
    for fault in wrong {
        second.clear();
        second.fault("there", fault.clone());
        for way in [&["update"][..], &["update", "-v"], &["update", "--json", "--progress", "json"]]
        {
            let ran = home.run(way);
            assert!(!format!("{ran:?}").contains(SECRET), "{fault:?}: {ran:?}");
        }
    }
    assert_eq!(home.grep_bytes(SECRET), Vec::<std::path::PathBuf>::new());
    let told = |seen: &modstore_testbed::RecordedRequest| {
        seen.headers.iter().any(|(k, _)| k == "authorization")
    };
    assert!(!places.first.stats().requests.iter().any(told));
}

#[test]
fn helpers_receive_about_a_login_only_the_answer_of_its_own_place() {
    let places = Places::new(false);
    let home = TestHome::new(env!("CARGO_BIN_EXE_modstore"));
    let log = home.scratch().join("helper");
    let helper = |user: &str, password: &str| {
        format!(
            "!f() {{ echo $1 {user} >> {}; cat >/dev/null; test $1 = get && echo username={user} && echo \
             password={password}; }}; f",
            log.display()
        )
    };
    let config =
        |url: String, helper: String| format!("[credential \"{url}\"]\n helper = \"{helper}\"\n");
    home.git_config(&format!(
        "{}{}",
        config(places.at_first(), helper("h", "first")),
        config(places.at_second(), helper("own", OF_SECOND)),
    ));
    let told = || {
        let text = fs::read_to_string(&log).unwrap_or_default();
        fs::write(&log, "").expect("the file is ours");
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let there = || Fault::Redirect { to: format!("{}/there.git", places.at_second()) };
    let source = format!("git+{}", places.first.url("m"));
    let second = places.second_server();

    // The first accepts its login, and leads to a place that wants another.
    places.first.fault("m", Fault::BasicAuth { user: "h", password: "first" });
    places.first.fault("m", there());
    second.fault("there", Fault::BasicAuth { user: "own", password: OF_SECOND });
    home.run(&["add", &source]).fails(1).says("the server wants a login");
    assert_eq!(told(), ["get h"], "a login that another place refused is not forgotten");

    places.first.clear();
    places.first.fault("m", there());
    home.run(&["add", &source]).ok();
    assert_eq!(told(), ["get own", "store own"]);

    places.repo.write(&[("a", "2")]);
    second.clear();
    second.fault("there", Fault::BasicAuth { user: "own", password: "changed" });
    home.run(&["update"]).fails(1).says("the login was not accepted");
    assert_eq!(told(), ["get own", "erase own"]);
}

#[test]
fn as_many_redirects_are_followed_as_git_follows() {
    let places = Places::new(false);
    for (number, expected) in [(20, 0), (21, 1)] {
        places.first.clear();
        for at in 0..number {
            let next = if at + 1 == number { "m".to_owned() } else { format!("r{}", at + 1) };
            let fault = Fault::Redirect { to: places.first.url(&next) };
            places.first.fault(&format!("r{at}"), fault);
        }
        let home = TestHome::new(env!("CARGO_BIN_EXE_modstore"));
        let url = places.first.url("r0");
        assert_eq!(clone_by_git(&home, &url).status.min(1), expected, "{number}");
        home.run(&["add", &format!("git+{url}"), "--name", "m"]).fails(expected);
    }
}

#[test]
fn a_location_of_every_form_is_followed_as_by_git() {
    let places = Places::new(false);
    let port = places.second_server().port();
    let listing = "info/refs?service=git-upload-pack";
    let leak = |text: String| -> &'static str { text.leak() };
    for to in [
        leak(format!("/there.git/{listing}")),
        leak(format!("../../there.git/{listing}")),
        leak(format!("../../x/./../there.git/{listing}")),
        leak(format!("//127.0.0.1:{port}/there.git/{listing}")),
        leak(format!("HTTP://127.0.0.1:{port}/there.git/{listing}")),
        leak(format!("http://127.0.0.1:{port}/there.git/{listing}#part")),
        leak(format!("http://127.0.0.1:{port}/there.git/info/refs")),
        leak(format!("http:/there.git/{listing}")),
        leak("there.git".to_owned()),
    ] {
        places.first.clear();
        places.first.fault("m", Fault::StatusWithHeader(302, "Location", to));
        let home = TestHome::new(env!("CARGO_BIN_EXE_modstore"));
        let url = places.first.url("m");
        let (oracle, ran) = (clone_by_git(&home, &url), home.run(&["add", &format!("git+{url}")]));
        assert!(
            ran.status == 0 || oracle.status != 0,
            "{to}: git follows, and this does not: {ran:?}"
        );
    }
}

#[test]
fn a_redirect_of_the_pack_is_followed_only_where_the_configuration_says_so() {
    let places = Places::new(false);
    let there = format!("{}/there.git", places.at_second());
    places.first.fault_on_fetch("m", Fault::Redirect { to: there.clone() });
    let url = places.first.url("m").replace("://", "://u:p@");
    for (value, follows) in [("true", true), ("initial", false), ("false", false)] {
        let home = TestHome::new(env!("CARGO_BIN_EXE_modstore"));
        home.git_config(&format!(
            "[http]\n followRedirects = {value}\n extraHeader = X-Secret: x\n"
        ));
        places.told();
        assert_eq!(clone_by_git(&home, &url).status == 0, follows, "{value}");
        places.told();
        let ran = home.run(&["add", &format!("git+{url}")]);
        assert_eq!(ran.status == 0, follows, "{value}: {ran:?}");
        let told = places.told();
        assert!(told.iter().all(|(place, ..)| *place == "first"), "{value}: {told:?}");
    }
    places.first.clear();
    places.first.fault("m", Fault::Redirect { to: there });
    for (value, status) in [("true", 0), ("initial", 0), ("false", 1)] {
        let home = TestHome::new(env!("CARGO_BIN_EXE_modstore"));
        home.git_config(&format!("[http]\n followRedirects = {value}\n"));
        assert_eq!(clone_by_git(&home, &url).status.min(1), status, "{value}");
        home.run(&["add", &format!("git+{url}")]).fails(status);
    }
    assert!(places.root.path().is_dir());
}

#[test]
fn a_kind_of_login_that_is_not_known_is_named_and_gets_no_password() {
    let places = Places::new(false);
    let kind = "Digest realm=\"git\", qop=\"auth\", nonce=\"abc\"";
    places.first.fault("m", Fault::StatusWithHeader(401, "WWW-Authenticate", kind));
    let home = TestHome::new(env!("CARGO_BIN_EXE_modstore"));
    home.git_config("[credential]\n helper = \"!f() { echo username=me; echo password=x; }; f\"\n");
    let source = format!("git+{}", places.first.url("m"));
    home.run(&["add", &source]).fails(1).says("a login by Digest");
    let is_digest = |(_, _, value): &(_, _, String)| value.starts_with("Digest ");
    assert!(
        places.told().iter().all(is_digest),
        "git may answer in kind, and nothing else is sent"
    );
}

#[test]
fn a_login_in_one_modules_address_is_not_used_for_another_module() {
    let places = Places::new(false);
    places.first.fault("m", Fault::BasicAuth { user: "u", password: "p" });
    let home = TestHome::new(env!("CARGO_BIN_EXE_modstore"));
    let url = places.first.url("m");
    let with = url.replace("://", "://u:p@");
    assert_ne!(clone_by_git(&home, &url).status, 0);
    home.declare(&[("with", &format!("git+{with}")), ("without", &format!("git+{url}"))]);
    let ran = home.run(&["update", "--json"]).fails(1);
    assert_eq!(ran.json()["updated"][0]["module"], "with", "{ran:?}");
    assert_eq!(ran.json()["failed"][0]["module"], "without", "{ran:?}");
    home.declare(&[("with", &format!("git+{with}")), ("too", &format!("git+{with}@main"))]);
    places.told();
    home.run(&["update"]).ok();
    let entries = fs::read_dir(home.path().join("entries")).expect("the store has entries");
    assert_eq!(entries.count(), 1);
}

/// A place that answers with the text that `of` makes of a request's head.
fn plain(of: impl Fn(&str) -> String + Send + 'static) -> ScriptedServer {
    ScriptedServer::start(move |head, stream| {
        // A client that hangs up has read enough.
        let _ = write!(stream, "HTTP/1.1 {}", of(head));
    })
}

#[test]
fn an_archive_that_moved_is_fetched_with_the_login_of_where_it_is_now() {
    let asks = "401 No\r\nWWW-Authenticate: Basic realm=x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let gives = "200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc";
    // `own:s3cond`
    let own = "Basic b3duOnMzY29uZA==";
    let second_place =
        plain(move |head| (if head.contains(own) { gives } else { asks }).to_owned());
    let second = second_place.port();
    let first_place = plain(move |_| {
        format!(
            "302 Found\r\nLocation: http://127.0.0.1:{second}/y\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        )
    });
    let first = first_place.port();
    let home = TestHome::new(env!("CARGO_BIN_EXE_modstore"));
    let section = |port: u16, user: &str, password: &str| {
        format!(
            "[credential \"http://127.0.0.1:{port}\"]\n helper = \"!f() {{ echo username={user}; echo \
             password={password}; }}; f\"\n"
        )
    };
    home.git_config(&format!(
        "{}{}[http]\n extraHeader = X-Secret: x\n",
        section(first, "h", "first"),
        section(second, "own", OF_SECOND)
    ));
    let sum = "0".repeat(64);
    for login in ["", "t0ken@"] {
        // It is no archive; its checksum proves that it came.
        let source = format!("archive+http://{login}127.0.0.1:{first}/x.tar.gz#sha256={sum}");
        let ran = home.run(&["add", &source, "--name", "m"]).fails(1);
        assert!(ran.stderr.contains("ba7816bf8f01cfea"), "{ran:?}");
    }
    let (told, told_first) = (second_place.heads(), first_place.heads());
    let lower: Vec<_> = told.iter().map(|head| head.to_lowercase()).collect();
    assert!(
        told.iter().all(|head| !head.contains("Authorization") || head.contains(own)),
        "{told:?}"
    );
    assert!(lower.iter().all(|head| !head.contains("x-secret")), "{lower:?}");
    assert!(told_first.iter().all(|head| !head.to_lowercase().contains("authorization")));
    assert_eq!((told.len(), told_first.len()), (4, 2));
}
