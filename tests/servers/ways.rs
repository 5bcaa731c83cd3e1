//! The two ways to an HTTP server: by modstore itself, and through git's own transport. git is the oracle: what it clones
//! with some configuration, modstore adds, by whichever way.
//!
//! Limits: no TLS.

use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use modstore_testbed::{
    Fault, GitDaemon, HttpServer, Ran, RecordedRequest, Repo, Running, ScriptedServer, TestHome,
};

/// A server with one repository, and a home.
struct Place {
    server: HttpServer,
    repo: Repo,
    home: TestHome,
    root: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let root = tempfile::tempdir().expect("a temporary directory can be made");
        let repo = Repo::create(root.path(), "m");
        repo.write(&[("a", "1"), ("d/b", "2")]);
        let server = HttpServer::start(root.path());
        Self { server, repo, home: TestHome::new(env!("CARGO_BIN_EXE_modstore")), root }
    }

    fn port(&self) -> u16 {
        self.server.port()
    }

    /// Clones with git, as the home is configured.
    fn git(&self, url: &str, more: &[&str]) -> Ran {
        let clone = self.home.scratch().join("clone");
        let _ = fs::remove_dir_all(&clone);
        let place = clone.to_str().expect("a plain path");
        let args = [&["clone", "-q"], more, &[url, place]].concat();
        let mut command = self.home.command_of("git".as_ref(), &args);
        command.env("GIT_TERMINAL_PROMPT", "0");
        Running::start(command).wait()
    }

    /// Adds the repository at `url` to a store that is new.
    fn add(&self, url: &str) -> Ran {
        let _ = Command::new("chmod").args(["-R", "u+w"]).arg(self.home.path()).output();
        let _ = fs::remove_dir_all(self.home.path());
        self.home.run(&["add", &format!("git+{url}"), "--name", "m", "--json"])
    }

    /// The headers that the server got since the last call, but for those that every client writes its own way.
    fn heard(&self) -> Vec<Vec<(String, String)>> {
        let ours = |(name, _): &(String, String)| {
            name.starts_with("x-") || ["cookie", "authorization"].contains(&name.as_str())
        };
        let of = |seen: RecordedRequest| seen.headers.into_iter().filter(ours).collect();
        let heard = self.server.stats().requests.into_iter().map(of).collect();
        self.server.forget();
        heard
    }
}

/// The way and the reason in the answer of an update that speaks to one host.
fn way(ran: &Ran) -> (String, Option<String>) {
    let answer = ran.json();
    let taken = &answer["update"]["transports"][0];
    let taken = if taken.is_null() { &answer["transports"][0] } else { taken };
    let text = |key: &str| taken[key].as_str().map(str::to_owned);
    (text("way").unwrap_or_else(|| panic!("no way: {ran:?}")), text("reason"))
}

#[test]
fn with_each_configuration_modstore_succeeds_where_git_does_and_says_by_which_way() {
    let mut place = Place::new();
    let port = place.port();
    let here = place.server.url("m");
    let cookies = place.home.scratch().join("cookies");
    fs::write(&cookies, "127.0.0.1\tFALSE\t/\tFALSE\t2147483647\to\tgit-me\n").unwrap();
    let cookies = cookies.display().to_string();
    let far = format!("http://far.invalid:{port}/m.git");
    let ours = ("modstore", None);
    let git = |reason| ("git", Some(reason));
    for (config, variable, url, (expected, reason)) in [
        (String::new(), None, &here, ours),
        (format!("[http]\n cookieFile = {cookies}"), None, &here, git("http.cookieFile")),
        (
            format!("[http \"http://127.0.0.1:{port}\"]\n cookieFile = {cookies}"),
            None,
            &here,
            git("http.cookieFile"),
        ),
        (format!("[http \"http://127.0.0.1\"]\n cookieFile = {cookies}"), None, &here, ours),
        (
            format!("[http]\n curloptResolve = far.invalid:{port}:127.0.0.1"),
            None,
            &far,
            git("http.curloptResolve"),
        ),
        ("[http]\n version = HTTP/1.1\n postBuffer = 1m".to_owned(), None, &here, ours),
        ("[http]\n version = HTTP/2".to_owned(), None, &here, git("http.version")),
        ("[http]\n emptyAuth".to_owned(), None, &here, git("http.emptyAuth")),
        ("[http]\n delegation = always".to_owned(), None, &here, git("http.delegation")),
        ("[http]\n sslVersion = tlsv1.2".to_owned(), None, &here, git("http.sslVersion")),
        ("[http]\n schannelCheckRevoke = false".to_owned(), None, &here, ours),
        (
            format!("[http]\n proxy = http://127.0.0.1:{port}"),
            None,
            &far,
            git("in this process: the proxy refused"),
        ),
        (
            "[http]\n proxy = socks5://127.0.0.1:1".to_owned(),
            Some(("no_proxy", "127.0.0.0/8")),
            &here,
            git("http.proxy"),
        ),
        (
            "[http]\n proxy = http://127.0.0.1:1".to_owned(),
            Some(("no_proxy", "127.0.0.0/8")),
            &here,
            git("no_proxy"),
        ),
        (
            "[http]\n proxy = http://127.0.0.1:1".to_owned(),
            Some(("no_proxy", "127.0.0.1")),
            &here,
            ours,
        ),
        (String::new(), Some(("GIT_SSL_CIPHER_LIST", "")), &here, git("GIT_SSL_CIPHER_LIST")),
        (String::new(), Some(("GIT_SSL_NO_VERIFY", "1")), &here, ours),
        (String::new(), Some(("MODSTORE_TRANSPORT", "git")), &here, git("transport = \"git\"")),
        (
            "[protocol]\n version = 0\n[http]\n version = HTTP/2".to_owned(),
            None,
            &here,
            git("http.version"),
        ),
    ] {
        place.home.git_config(&config);
        for name in ["no_proxy", "GIT_SSL_CIPHER_LIST", "GIT_SSL_NO_VERIFY", "MODSTORE_TRANSPORT"] {
            place.home.without_env(name);
        }
        if let Some((name, value)) = variable {
            place.home.env(name, value);
        }
        let what = format!("{config} {variable:?}");
        place.heard();
        place.git(url, &["--depth=1"]).ok();
        let git_heard = place.heard();
        let ran = place.add(url).ok();
        let heard = place.heard();
        assert_eq!(place.home.tree("m"), place.repo.tree("main"), "{what}");
        let (taken, because) = way(&ran);
        assert_eq!(taken, expected, "{what}: {ran:?}");
        let because = because.as_deref();
        assert!(
            because == reason || because.zip(reason).is_some_and(|(b, r)| b.starts_with(r)),
            "{what}: {because:?}"
        );
        assert_eq!(git_heard.last(), heard.last(), "{what}: the server is sent what git sends");
    }
}

#[test]
fn where_git_fails_modstore_fails_and_keeps_its_words() {
    let mut place = Place::new();
    let here = place.server.url("m");
    for (config, variable, code, words) in [
        ("[http]\n proxy = socks5h://127.0.0.1:1", None, "connection", "connect to 127.0.0.1"),
        ("[http]\n sslVerify = perhaps", None, "program", "bad boolean config value"),
        (
            "[http]\n curloptResolve = 127.0.0.1:1:x",
            Some(("GIT_SSL_CIPHER_LIST", "nonsense")),
            "program",
            "curlopt_resolve",
        ),
    ] {
        place.home.git_config(config);
        place.home.without_env("GIT_SSL_CIPHER_LIST");
        if let Some((name, value)) = variable {
            place.home.env(name, value);
        }
        let oracle = place.git(&here, &[]);
        let ran = place.add(&here);
        assert_eq!(ran.status == 0, oracle.status == 0, "{config}: {oracle:?} {ran:?}");
        if ran.status != 0 {
            let failed = &ran.json()["update"]["failed"][0].clone();
            let failed =
                if failed.is_null() { ran.json()["failed"][0].clone() } else { failed.clone() };
            assert_eq!(failed["code"], code, "{config}: {ran:?}");
            assert!(failed.to_string().to_lowercase().contains(words), "{config}: {failed}");
        }
    }
}

/// What sends which of the headers that stand in all these forms is found out from git.
#[test]
fn the_configuration_is_read_as_git_reads_it() {
    let mut place = Place::new();
    let port = place.port();
    let url = place.server.url("m");
    let with_user = url.replace("://", "://u@");
    let included = place.home.user_home().join("included");
    fs::write(&included, "[http]\n extraHeader = X-From: include\n").unwrap();
    let included = included.display().to_string();
    let header = |section: &str, value: &str| {
        let section = section.replace("PORT", &port.to_string());
        format!("[http \"{section}\"]\n extraHeader = \"X-From: {value}\"\n")
    };
    let general = "[http]\n extraHeader = \"X-From: general\"\n";
    let parameters = format!("'http.http://127.0.0.1:{port}/.extraheader'='X-From: parameter'");
    for (config, variables, url) in [
        (general.to_owned(), &[][..], &url),
        (header("http://*.0.*.1:PORT/", "wild") + general, &[], &url),
        (general.to_owned() + &header("http://127.0.0.1:PORT/m.git", "path"), &[], &url),
        (
            header("http://127.0.0.1:PORT/m.git", "path")
                + &header("http://127.0.0.1:PORT", "host"),
            &[],
            &url,
        ),
        (header("http://127.0.0.1:PORT/m", "half a name"), &[], &url),
        (header("HTTP://127.0.0.1:PORT/x/../", "dots"), &[], &url),
        (header("http://u@127.0.0.1:PORT", "user"), &[], &with_user),
        (header("http://u@127.0.0.1:PORT", "user"), &[], &url),
        (format!("{general}[http]\n extraHeader =\n extraHeader = \"X-From: after\"\n"), &[], &url),
        (format!("{general}[include]\n path = {included}\n"), &[], &url),
        (format!("[includeIf \"gitdir:/\"]\n path = {included}\n"), &[], &url),
        ("[includeif \"gitdir:/**\"]\n path = included\n".to_owned(), &[], &url),
        (format!("[includeIf \"gitdir:/nowhere/\"]\n path = {included}\n"), &[], &url),
        (general.to_owned(), &[("GIT_CONFIG_PARAMETERS", parameters.as_str())], &url),
        (
            String::new(),
            &[
                ("GIT_CONFIG_COUNT", "2"),
                ("GIT_CONFIG_KEY_0", "http.extraHeader"),
                ("GIT_CONFIG_VALUE_0", "X-From: count"),
                ("GIT_CONFIG_KEY_1", "include.path"),
                ("GIT_CONFIG_VALUE_1", included.as_str()),
            ],
            &url,
        ),
        (general.to_owned(), &[("GIT_CONFIG_GLOBAL", included.as_str())], &url),
    ] {
        place.home.git_config(&config);
        for (name, value) in variables {
            place.home.env(name, value);
        }
        for forced in ["auto", "git"] {
            place.home.env("MODSTORE_TRANSPORT", forced);
            place.heard();
            place.git(url, &["--depth=1"]).ok();
            let by_git = place.heard();
            let ran = place.add(url).ok();
            let heard = place.heard();
            let what = format!("{config} {variables:?} {forced}");
            assert_eq!(heard.first(), by_git.first(), "{what}: {ran:?}");
            assert_eq!(heard.last(), by_git.last(), "{what}: {ran:?}");
        }
        for (name, _) in variables {
            place.home.without_env(name);
        }
    }
}

#[test]
fn an_update_through_git_fetches_differences_and_links_what_is_unchanged() {
    let place = Place::new();
    let source = format!("git+{}", place.server.url("m"));
    place.home.write_modules(&format!("transport = \"git\"\n[modules.m]\nsource = \"{source}\"\n"));
    let ran = place.home.run(&["update", "--json"]).ok();
    assert_eq!(way(&ran), ("git".into(), Some("transport = \"git\"".into())));
    place.repo.write(&[("a", "changed")]);
    let ran = place.home.run(&["update", "--json"]).ok();
    assert_eq!(ran.json()["cost"]["files_linked"], 1, "{ran:?}");
    assert_eq!(place.home.tree("m"), place.repo.tree("main"));
    let ran = place.home.run(&["update", "-v"]).ok();
    assert!(ran.stdout.contains("through git (transport = \"git\")"), "{ran:?}");
    // A commit by its id, and one module beside another.
    let id = place.repo.rev("main").unwrap();
    place.home.run(&["add", &format!("{source}@{id}"), "--name", "pinned"]).ok();
    assert_eq!(place.home.tree("pinned"), place.repo.tree("main"));
}

/// A server of files, without any program behind it.
fn dumb_server(root: &Path) -> ScriptedServer {
    let root = root.to_owned();
    ScriptedServer::start(move |head, stream| {
        let path = head.split(' ').nth(1).unwrap_or_default();
        let path = path.split('?').next().unwrap_or_default().trim_start_matches('/');
        let file = fs::read(root.join(path));
        let status = if file.is_ok() { "200 OK" } else { "404 Not Found" };
        let body = file.unwrap_or_default();
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        let send = |stream: &mut TcpStream| stream.write_all(&[head.as_bytes(), &body].concat());
        // A client that hangs up has what it wants.
        let _ = send(stream);
    })
}

#[test]
fn a_server_of_plain_files_gives_branches_tags_and_commits_as_it_does_to_git() {
    let place = Place::new();
    place.repo.git(&["tag", "-a", "-m", "one", "v1"]);
    let first = place.repo.rev("main").unwrap();
    place.repo.write(&[("a", "2")]);
    place.repo.git(&["update-server-info"]);
    let server = dumb_server(place.root.path());
    let url = format!("http://127.0.0.1:{}/m.git", server.port());
    place.git(&url, &[]).ok();
    for (reference, commit) in
        [("", "main"), ("@main", "main"), ("@v1", "v1"), (&format!("@{first}"), "v1")]
    {
        let ran = place.add(&format!("{url}{reference}")).ok();
        assert_eq!(place.home.tree("m"), place.repo.tree(commit), "{reference}");
        assert_eq!(way(&ran).0, "git");
    }
    place.repo.write(&[("a", "3")]);
    place.repo.git(&["update-server-info"]);
    place.add(&url).ok();
    assert_eq!(place.home.tree("m"), place.repo.tree("main"));
    let tmp = place.home.path().parent().unwrap().join("tmp");
    assert_eq!(fs::read_dir(tmp).unwrap().count(), 0, "no copy is left behind");
    // Nothing is there: the error of modstore is no less true than git's.
    let missing = format!("http://127.0.0.1:{}/none.git", server.port());
    place.git(&missing, &[]).fails(128).says("not found");
    assert!(place.add(&missing).stdout.contains("no-such-repository"));
}

#[test]
fn a_connection_that_a_server_of_plain_files_drops_is_made_once_more() {
    let place = Place::new();
    place.repo.git(&["update-server-info"]);
    let front = |drops: usize| {
        let (dumb, left) = (dumb_server(place.root.path()), AtomicUsize::new(drops));
        ScriptedServer::start(move |head, stream| {
            let drop_one = |left: usize| left.checked_sub(1);
            let is_object = head.contains("/objects/") && !head.contains("/info/");
            if !is_object || left.fetch_update(Relaxed, Relaxed, drop_one).is_err() {
                let mut behind = TcpStream::connect(("127.0.0.1", dumb.port())).unwrap();
                behind.write_all(format!("{}\r\n\r\n", head.trim_end()).as_bytes()).unwrap();
                // A client that hangs up has what it wants.
                let _ = std::io::copy(&mut behind, stream);
            }
        })
    };
    let once = front(1);
    place.add(&format!("http://127.0.0.1:{}/m.git", once.port())).ok();
    assert_eq!(place.home.tree("m"), place.repo.tree("main"));
    let always = front(usize::MAX);
    let ran = place.add(&format!("http://127.0.0.1:{}/m.git", always.port()));
    assert_eq!(ran.json()["update"]["failed"][0]["code"], "connection", "{ran:?}");
}

#[test]
fn a_server_of_version_0_behind_gits_transport_gives_the_same_tree() {
    let mut place = Place::new();
    place.server.fault("m", Fault::ForceProtocolV0);
    place.home.env("MODSTORE_TRANSPORT", "git");
    place.add(&place.server.url("m")).ok();
    assert_eq!(place.home.tree("m"), place.repo.tree("main"));
    place.repo.write(&[("a", "2")]);
    place.home.run(&["update"]).ok();
    assert_eq!(place.home.tree("m"), place.repo.tree("main"));
}

#[test]
fn a_bundle_is_a_source_as_it_is_for_git() {
    let place = Place::new();
    place.repo.git(&["tag", "-a", "-m", "one", "v1"]);
    let bundle = place.home.scratch().join("r.bundle");
    place.repo.git(&["bundle", "create", "-q", bundle.to_str().unwrap(), "--all"]);
    for reference in ["", "@main", "@v1"] {
        place.add(&format!("file://{}{reference}", bundle.display())).ok();
        assert_eq!(place.home.tree("m"), place.repo.tree("main"), "{reference}");
    }
    fs::write(&bundle, "# v2 git bundle\nnonsense").unwrap();
    assert_eq!(place.add(&format!("file://{}", bundle.display())).status, 1);
}

#[test]
fn core_git_proxy_connects_to_a_server_of_git_s_own_protocol_as_for_git() {
    let mut place = Place::new();
    let heard = place.home.scratch().join("heard");
    let daemon = GitDaemon::start(place.root.path());
    let port = daemon.port();
    // A program that is asked for any host and port connects to the server.
    let script = format!(
        "echo \"$@\" >> {}\nexec python3 -c '\nimport os, socket, sys, threading\n\
         s = socket.create_connection((\"127.0.0.1\", {port}))\n\
         def up():\n    while True:\n        d = os.read(0, 65536)\n        if not d:\n            s.shutdown(1)\n            return\n        s.sendall(d)\n\
         threading.Thread(target=up, daemon=True).start()\n\
         while True:\n    d = s.recv(65536)\n    if not d:\n        os._exit(0)\n    os.write(1, d)\n'",
        heard.display()
    );
    let there = program(&place.home.scratch(), "through", &script).display().to_string();
    let nowhere = program(&place.home.scratch(), "nowhere", "exit 1").display().to_string();
    let far = "git://far.invalid/m.git";
    for (config, variable, url, works) in [
        (format!("gitProxy = {there}"), None, far, true),
        (format!("gitProxy = {there} for far.invalid"), None, far, true),
        (format!("gitProxy = {there} for invalid"), None, far, true),
        (format!("gitProxy = {there} for other.invalid"), None, far, false),
        (format!("gitProxy = {there} for r.invalid"), None, far, false),
        (format!("gitProxy = {nowhere} for far.invalid\n gitProxy = {there}"), None, far, false),
        (format!("gitProxy = {there}\n gitProxy = {nowhere} for far.invalid"), None, far, true),
        (format!("gitProxy = none for far.invalid\n gitProxy = {there}"), None, far, false),
        (format!("gitProxy = {nowhere}"), Some(&there), far, true),
        (String::new(), Some(&there), "git://far.invalid:77/m.git", true),
        (String::new(), Some(&nowhere), far, false),
        (String::new(), None, far, false),
    ] {
        place.home.git_config(&format!("[core]\n {config}\n"));
        place.home.without_env("GIT_PROXY_COMMAND");
        if let Some(program) = variable {
            place.home.env("GIT_PROXY_COMMAND", program);
        }
        let asked = || {
            let text = fs::read_to_string(&heard).unwrap_or_default();
            let _ = fs::remove_file(&heard);
            text.lines().next().map(str::to_owned)
        };
        let oracle = place.git(url, &[]);
        let by_git = asked();
        let ran = place.add(url);
        let what = format!("{config} {variable:?} {url}");
        assert_eq!(
            (oracle.status == 0, ran.status == 0),
            (works, works),
            "{what}: {oracle:?} {ran:?}"
        );
        assert_eq!(asked(), by_git, "{what}");
        if works {
            assert_eq!(place.home.tree("m"), place.repo.tree("main"), "{what}");
        }
    }
}

#[test]
fn a_copy_that_git_makes_is_not_larger_than_its_limit() {
    let mut place = Place::new();
    let large = place.home.scratch().join("large");
    fs::write(&large, modstore_testbed::Random::of(1).bytes(3 << 20)).unwrap();
    let id = place.repo.git(&["hash-object", "-w", large.to_str().unwrap()]);
    let tree = format!("100644 blob {}\tlarge\n", id.trim());
    let list = place.home.scratch().join("list");
    fs::write(&list, tree).unwrap();
    let git = place.repo.path().display().to_string();
    let script = format!(
        "cd {git} && t=$(git mktree < {}) && c=$(git -c user.name=a -c user.email=a commit-tree -m x $t) && git branch -f large $c",
        list.display()
    );
    let made = Command::new("sh").args(["-ec", &script]).env("GIT_DIR", &git).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    place.repo.git(&["update-server-info"]);
    let bundle = place.home.scratch().join("r.bundle");
    place.repo.git(&["bundle", "create", "-q", bundle.to_str().unwrap(), "--all"]);
    let server = dumb_server(place.root.path());
    place.server.fault("m", Fault::ForceProtocolV0);
    let old = place.server.url("m");
    let dumb = format!("http://127.0.0.1:{}/m.git", server.port());
    for (url, forced) in
        [(dumb, "auto"), (format!("file://{}", bundle.display()), "auto"), (old, "git")]
    {
        place.home.env("MODSTORE_TRANSPORT", forced).env("MODSTORE_COPY_BYTES", "2000000");
        let ran = place.add(&format!("{url}@large")).fails(1);
        let said = &ran.stdout;
        for words in ["larger than 2000000 bytes", "\"limit\"", "permanent", "MODSTORE_COPY_BYTES"]
        {
            assert!(said.contains(words), "{url} {words}: {ran:?}");
        }
        let tmp = place.home.path().parent().unwrap().join("tmp");
        assert_eq!(fs::read_dir(tmp).unwrap().count(), 0, "{url}: no copy is left behind");
        place.home.env("MODSTORE_COPY_BYTES", "20000000");
        place.add(&format!("{url}@large")).ok();
        assert_eq!(fs::metadata(place.home.target("m").join("large")).unwrap().len(), 3 << 20);
    }
}

#[test]
fn git_is_given_no_more_memory_than_its_limit() {
    let mut place = Place::new();
    // Two hundred million zeros are some kilobytes in a pack, and git holds them whole.
    let script = "id=$(head -c 200000000 /dev/zero | git hash-object -w --stdin) && t=$(printf '100644 blob %s\\tz\\n' $id | git mktree) \
                  && c=$(git -c user.name=a -c user.email=a commit-tree -m x $t) && git branch -f zeros $c";
    let made = Command::new("sh").args(["-ec", script]).env("GIT_DIR", place.repo.path()).output();
    assert!(made.as_ref().is_ok_and(|made| made.status.success()), "{made:?}");
    let bundle = place.home.scratch().join("r.bundle");
    place.repo.git(&["bundle", "create", "-q", bundle.to_str().unwrap(), "zeros"]);
    let url = format!("file://{}@zeros", bundle.display());
    place.home.env("MODSTORE_GIT_MEMORY", "150000000");
    let ran = place.add(&url).fails(1);
    for words in
        ["more than 150000000 bytes of memory", "\"limit\"", "permanent", "MODSTORE_GIT_MEMORY"]
    {
        assert!(ran.stdout.contains(words), "{words}: {ran:?}");
    }
    place.home.without_env("MODSTORE_GIT_MEMORY");
    place.add(&url).ok();
    assert_eq!(fs::metadata(place.home.target("m").join("z")).unwrap().len(), 200_000_000);
}

fn program(place: &Path, name: &str, script: &str) -> PathBuf {
    let path = place.join(name);
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn without_a_git_program_the_setting_that_needs_it_is_named_and_other_hosts_go_on() {
    let mut place = Place::new();
    let empty = place.home.scratch().join("empty");
    fs::create_dir(&empty).unwrap();
    place.home.env("PATH", &empty);
    let other = HttpServer::start(place.root.path());
    place
        .home
        .git_config(&format!("[http \"http://127.0.0.1:{}\"]\n cookieFile = /c\n", place.port()));
    let url = |server: &HttpServer| format!("git+{}", server.url("m"));
    place.home.declare(&[("m", &url(&place.server)), ("other", &url(&other))]);
    let ran = place.home.run(&["update"]).fails(1);
    let ran = ran.says("git is needed for http.cookieFile").says("install git");
    assert_eq!(place.home.tree("other"), place.repo.tree("main"), "{ran:?}");
}

#[test]
fn a_password_of_the_address_is_no_argument_of_a_program() {
    let mut place = Place::new();
    let log = place.home.scratch().join("log");
    let bin = place.home.scratch().join("bin");
    fs::create_dir(&bin).unwrap();
    program(
        &bin,
        "git",
        &format!("echo \"$@\" >> {}; PATH=${{PATH#*:}}; exec git \"$@\"", log.display()),
    );
    let path = std::env::var("PATH").unwrap();
    place.home.env("PATH", format!("{}:{path}", bin.display())).env("MODSTORE_TRANSPORT", "git");
    place.server.fault("m", Fault::BasicAuth { user: "me", password: "s3cr3t" });
    place.add(&place.server.url_with_secret("m", "me", "s3cr3t")).ok();
    assert_eq!(place.home.tree("m"), place.repo.tree("main"));
    let seen = fs::read_to_string(log).unwrap();
    assert!(seen.contains("remote-https") && !seen.contains("s3cr3t"), "{seen}");
    let ran = place.add(&place.server.url_with_secret("m", "me", "wr0ng"));
    assert!(
        ran.stdout.contains("authentication")
            && !ran.stdout.contains("wr0ng")
            && !ran.stderr.contains("wr0ng"),
        "{ran:?}"
    );
}

#[test]
fn offline_starts_no_git_either() {
    let place = Place::new();
    place.home.git_config("[http]\n cookieFile = /c\n");
    let source = format!("git+{}", place.server.url("m"));
    place.home.run(&["--offline", "add", &source]).fails(1).says("the network is not to be used");
    assert!(place.server.stats().requests.is_empty());
}
