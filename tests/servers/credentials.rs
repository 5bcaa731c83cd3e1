//! Credentials by git's own order and rules, with git as the oracle: where git clones, modstore adds.
//!
//! Limits: what is sent to which place after a redirect is in `logins`.

use std::{fs, io::Write as _, os::unix::fs::PermissionsExt as _, time::Duration};

use modstore_testbed::{
    Fault, HttpServer, Proxy, Repo, Running, ScriptedServer, TestHome, skip_loudly,
};

use crate::world::clone_by_git;

const USER: &str = "me";
const PASSWORD: &str = "p w=x\"\\#";

/// A server with one private repository.
struct Private {
    server: HttpServer,
    repo: Repo,
    root: tempfile::TempDir,
}

impl Private {
    fn new() -> Self {
        Self::of(USER, PASSWORD)
    }

    fn of(user: &'static str, password: &'static str) -> Self {
        let root = tempfile::tempdir().expect("a temporary directory can be made");
        let repo = Repo::create(root.path(), "m");
        repo.write(&[("a", "1")]);
        let server = HttpServer::start(root.path());
        server.fault("m", Fault::BasicAuth { user, password });
        Self { server, repo, root }
    }

    fn url(&self, login: &str) -> String {
        self.server.url("m").replace("://", &format!("://{login}"))
    }

    fn place(&self) -> String {
        format!("http://127.0.0.1:{}", self.server.port())
    }
}

fn home() -> TestHome {
    TestHome::new(env!("CARGO_BIN_EXE_modstore"))
}

/// Makes a program in the home, which is on its PATH.
fn program(home: &mut TestHome, name: &str, script: &str) -> String {
    let place = home.user_home().join("bin");
    fs::create_dir_all(&place).expect("the home takes a directory");
    let path = place.join(name);
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("the home takes a file");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("the file is ours");
    let paths = std::env::var("PATH").expect("there is a PATH");
    home.env("PATH", format!("{}:{paths}", place.display()));
    path.display().to_string()
}

/// Adds the module in a store of its own, and says whether that worked, as it must where git clones.
#[track_caller]
fn as_git(what: &str, home: &TestHome, private: &Private, login: &str) -> bool {
    let url = private.url(login);
    let _ = fs::remove_dir_all(home.path());
    let oracle = clone_by_git(home, &url);
    let ran = home.run(&["add", &format!("git+{url}"), "--name", "m"]);
    assert_eq!(ran.status == 0, oracle.status == 0, "{what}: {oracle:?}\n{ran:?}");
    assert!(ran.status != 0 || home.tree("m") == private.repo.tree("main"), "{what}: {ran:?}");
    ran.status == 0
}

/// What a helper prints.
fn prints(user: &str, password: &str) -> String {
    let quoted = password.replace('\'', "'\\''");
    format!("test \"$1\" = get && printf '%s\\n' 'username={user}' 'password={quoted}'; exit 0")
}

#[test]
fn each_form_of_helper_and_of_section_works_as_with_git() {
    let private = Private::new();
    let mut home = home();
    let path = program(&mut home, "git-credential-mine", &prints(USER, PASSWORD));
    program(&mut home, "git-credential-wrong", &prints(USER, "wrong"));
    let asked = home.scratch().join("asked");
    program(
        &mut home,
        "git-credential-path",
        &format!(
            "cat > {0}; grep -q ^path=m.git {0} && {1}",
            asked.display(),
            prints(USER, PASSWORD)
        ),
    );
    program(&mut home, "git-credential-user", "echo \"username=me\"");
    program(&mut home, "git-credential-word", "printf '%s\\n' 'password=p w=x\"\\#'");
    program(
        &mut home,
        "git-credential-old",
        &format!("{}; echo password_expiry_utc=5", prints(USER, "old")).replace("exit 0; ", ""),
    );
    program(&mut home, "git-credential-quits", "echo quit=1");
    let at = private.place();
    let port = private.server.port();
    let of = |url: &str, text: &str| format!("[credential \"{url}\"]\n\t{text}\n");
    let plain = |text: &str| format!("[credential]\n\t{text}\n");
    let mine = "helper = mine";
    let (mut works, mut fails) = (0, 0);
    for (what, config) in [
        ("a name on PATH", plain(mine)),
        ("an absolute path", plain(&format!("helper = {path}"))),
        ("a shell command", plain(&format!("helper = !{path}"))),
        ("arguments", plain("helper = mine --with \\\"an argument\\\"")),
        ("a name that is nowhere", plain("helper = nowhere")),
        ("per place", of(&at, mine)),
        ("per place with a slash", of(&format!("{at}/"), mine)),
        ("per path of the owner", of(&format!("{at}/m.git"), mine)),
        ("per path of another", of(&format!("{at}/other"), mine)),
        ("per beginning of a name", of(&format!("{at}/m"), mine)),
        ("another port", of("http://127.0.0.1:1", mine)),
        ("another scheme", of(&format!("https://127.0.0.1:{port}"), mine)),
        ("without a port", of("http://127.0.0.1", mine)),
        ("a wildcard host", of(&format!("http://127.0.*.1:{port}"), mine)),
        ("a wildcard for less", of(&format!("http://*.1:{port}"), mine)),
        ("a user in the section", of(&at.replace("://", "://me@"), mine)),
        ("useHttpPath", plain("useHttpPath = true\n\thelper = path")),
        (
            "useHttpPath of the place",
            format!("{}{}", plain("helper = path"), of(&at, "useHttpPath = true")),
        ),
        ("no path without it", plain("helper = path")),
        ("an empty one takes back", plain("helper = wrong\n\thelper =\n\thelper = mine")),
        (
            "an empty one of the place",
            format!("{}{}", plain("helper = wrong"), of(&at, "helper =\n\thelper = mine")),
        ),
        ("an empty one at the end", plain("helper = mine\n\thelper =")),
        ("the first answers", plain("helper = mine\n\thelper = wrong")),
        ("the first is wrong", plain("helper = wrong\n\thelper = mine")),
        ("the first fails", plain("helper = \"!echo oops >&2; exit 1\"\n\thelper = mine")),
        ("two parts", plain("helper = user\n\thelper = word")),
        ("a user in the configuration", of(&at, "username = me\n\thelper = word")),
        ("another user in the configuration", of(&at, "username = you\n\thelper = word")),
        ("an old password", plain("helper = old")),
        ("an old password, then another", plain("helper = old\n\thelper = mine")),
        ("one that says stop", plain("helper = quits\n\thelper = mine")),
    ] {
        home.git_config(&config);
        match as_git(what, &home, &private, "") {
            true => works += 1,
            false => fails += 1,
        }
    }
    assert!(works > 12 && fails > 7, "{works} {fails}");
    assert!(private.root.path().is_dir());
}

#[test]
fn an_askpass_that_needs_no_terminal_is_asked_as_by_git() {
    let private = Private::new();
    let answer = "case \"$1\" in Username*) echo me;; *) printf '%s\\n' 'p w=x\"\\#';; esac";
    for variable in ["GIT_ASKPASS", "SSH_ASKPASS", "core.askPass"] {
        let mut home = home();
        let path = program(&mut home, "askpass", answer);
        if variable == "core.askPass" {
            home.git_config(&format!("[core]\n\taskPass = {path}\n"));
        } else {
            home.env(variable, &path);
        }
        assert!(as_git(variable, &home, &private, ""), "{variable}");
        assert!(as_git(variable, &home, &private, "me@"), "{variable}");
    }
    let mut home = home();
    let helper = program(&mut home, "git-credential-mine", &prints(USER, PASSWORD));
    let log = home.scratch().join("asked");
    let path = program(&mut home, "askpass", &format!("echo x >> {}; echo x", log.display()));
    home.env("GIT_ASKPASS", path).git_config(&format!("[credential]\n\thelper = {helper}\n"));
    assert!(as_git("a helper goes first", &home, &private, ""));
    assert!(!log.exists());
}

#[test]
fn a_login_in_netrc_is_used_as_by_git_and_before_helpers() {
    let private = Private::of("ci", "tok 123");
    let mut home = home();
    let log = home.scratch().join("asked");
    program(
        &mut home,
        "git-credential-late",
        &format!("cat > /dev/null; echo $1 >> {}; {}", log.display(), prints("ci", "tok 123")),
    );
    let (mut works, mut fails) = (0, 0);
    for (text, login) in [
        ("machine 127.0.0.1 login ci password \"tok 123\"\n", ""),
        ("machine 127.0.0.1\n  login ci\n  password \"tok 123\"\n", ""),
        ("machine 127.0.0.1 login ci password \"tok 123\"\n", "ci@"),
        ("machine 127.0.0.1 login ci password \"tok 123\"\n", "you@"),
        (
            "machine 127.0.0.1 login you password x\nmachine 127.0.0.1 login ci password \"tok 123\"\n",
            "ci@",
        ),
        ("default login ci password \"tok 123\"\n", ""),
        ("machine other login x password y\ndefault login ci password \"tok 123\"\n", ""),
        ("machine other login ci password \"tok 123\"\n", ""),
        (
            "macdef x\nmachine 127.0.0.1 login a password b\n\nmachine 127.0.0.1 login ci password \"tok 123\"\n",
            "",
        ),
        (
            "# machine 127.0.0.1 login a password b\nmachine 127.0.0.1 login ci password \"tok 123\"\n",
            "",
        ),
        ("machine 127.0.0.1 login ci password wrong\n", ""),
        ("machine localhost login ci password \"tok 123\"\n", ""),
        ("", ""),
    ] {
        fs::write(home.user_home().join(".netrc"), text).expect("the home takes a file");
        match as_git(text, &home, &private, login) {
            true => works += 1,
            false => fails += 1,
        }
    }
    assert!(works > 6 && fails > 3, "{works} {fails}");
    home.git_config("[credential]\n\thelper = late\n");
    let netrc = home.user_home().join(".netrc");
    fs::write(&netrc, "machine 127.0.0.1 login ci password \"tok 123\"\n").expect("it is ours");
    assert!(as_git("netrc before helpers", &home, &private, ""));
    assert!(!log.exists(), "{:?}", fs::read_to_string(&log));
    fs::write(&netrc, "machine 127.0.0.1 login ci password wrong\n").expect("it is ours");
    assert!(as_git("helpers after a wrong netrc", &home, &private, ""));
    // git and modstore, each.
    assert_eq!(fs::read_to_string(&log).unwrap_or_default(), "get\nstore\n".repeat(2));
}

#[test]
fn the_user_in_an_address_is_kept_and_chooses_the_account_in_later_updates() {
    let private = Private::of("office", "o-token");
    let mut home = home();
    let helper = program(
        &mut home,
        "accounts",
        "[ \"$1\" = get ] || exit 0\nuser=private\nwhile read -r line; do case \"$line\" in username=*) \
         user=${line#username=};; esac; done\necho username=$user; case $user in office) echo password=o-token;; *) echo \
         password=p-token;; esac",
    );
    home.git_config(&format!("[credential]\n\thelper = {helper}\n"));
    let url = private.url("office@");
    let ran = home.run(&["add", &format!("git+{url}"), "--name", "m"]).ok();
    assert!(!ran.stderr.contains("not stored"), "a user is no secret: {ran:?}");
    for file in ["modules.toml", "modules.lock"] {
        let text = fs::read_to_string(home.path().join(file)).expect("the store has it");
        assert!(text.contains("://office@127.0.0.1"), "{file}: {text}");
    }
    let shown = home.run(&["show", "m"]).ok();
    assert!(shown.stdout.contains("://office@127.0.0.1"), "{shown:?}");
    private.repo.write(&[("a", "2")]);
    home.run(&["update"]).ok();
    assert_eq!(home.tree("m"), private.repo.tree("main"));
    home.run(&["update", "--locked"]).ok();
    // As earlier versions wrote it: who asks does not change what is locked.
    let lock = home.path().join("modules.lock");
    let text = fs::read_to_string(&lock).expect("the store has it").replace("office@", "");
    fs::write(&lock, text).expect("it is ours");
    home.run(&["update", "--locked"]).ok();
}

#[test]
fn two_modules_with_two_users_of_one_repository_share_its_tree_and_not_their_logins() {
    let private = Private::of("a", "a-token");
    let mut home = home();
    let helper = program(
        &mut home,
        "accounts",
        "[ \"$1\" = get ] || exit 0\nwhile read -r line; do case \"$line\" in username=*) \
         user=${line#username=};; esac; done\necho username=$user; echo password=$user-token",
    );
    home.git_config(&format!("[credential]\n\thelper = {helper}\n"));
    let sources =
        [("of-a", private.url("a@")), ("of-b", private.url("b@")), ("of-both", private.url("a@"))];
    let sources = sources.map(|(name, url)| (name, format!("git+{url}")));
    let declared: Vec<(&str, &str)> =
        sources.iter().map(|(name, url)| (*name, url.as_str())).collect();
    home.declare(&declared);
    let ran = home.run(&["update", "--json"]).fails(1);
    let failed = &ran.json()["failed"];
    assert_eq!((failed.as_array().map(Vec::len), &failed[0]["module"]), (Some(1), &"of-b".into()));
    // Now both may read it.
    private.server.clear();
    private.repo.write(&[("a", "2")]);
    home.run(&["update"]).ok();
    assert_eq!(home.tree("of-b"), private.repo.tree("main"));
    let targets = ["of-a", "of-b", "of-both"].map(|name| fs::canonicalize(home.target(name)).ok());
    assert!(targets.iter().all(|target| target.is_some() && *target == targets[0]), "{targets:?}");
}

#[test]
fn helpers_keep_a_login_that_was_right_and_forget_one_that_was_wrong_as_with_git() {
    let private = Private::of("u", "p");
    let home = home();
    home.git_config("[credential]\n\thelper = store\n");
    let store = home.user_home().join(".git-credentials");
    let kept = || fs::read_to_string(&store).unwrap_or_default();
    let line = format!("http://u:p@127.0.0.1%3a{}\n", private.server.port());
    let url = private.url("u:p@");
    clone_by_git(&home, &url).ok();
    let of_git = kept();
    assert_eq!(of_git.to_lowercase(), line);
    fs::remove_file(&store).expect("git wrote it");
    home.run(&["add", &format!("git+{url}"), "--name", "m"]).ok();
    assert_eq!(kept(), of_git);
    // The next update has no password in its address, and needs none.
    private.repo.write(&[("a", "2")]);
    home.run(&["update"]).ok();
    assert_eq!(home.tree("m"), private.repo.tree("main"));
    private.server.clear();
    private.server.fault("m", Fault::BasicAuth { user: "u", password: "changed" });
    home.run(&["update"]).fails(1).says("the login was not accepted");
    assert_eq!(kept(), "", "the wrong one is forgotten");
    home.run(&["update"]).fails(1).says("the server wants a login");
}

/// Four private repositories of one place, declared with this login in their addresses.
fn declare_four(private: &Private, home: &TestHome, login: &str) {
    let names = ["m", "n", "o", "p"];
    for name in &names[1..] {
        if !private.root.path().join(format!("{name}.git")).exists() {
            Repo::create(private.root.path(), name).write(&[("a", name)]);
            private.server.fault(name, Fault::BasicAuth { user: "u", password: "p" });
        }
    }
    let at = |name: &str| private.server.url(name).replace("://", &format!("://{login}"));
    let sources = names.map(|name| (name, format!("git+{}", at(name))));
    let declared: Vec<(&str, &str)> = sources.iter().map(|(name, url)| (*name, &**url)).collect();
    let _ = fs::remove_dir_all(home.path());
    home.declare(&declared);
}

#[test]
fn a_login_that_one_repository_of_a_place_accepted_is_sent_along_for_the_others() {
    let private = Private::of("u", "p");
    let mut home = home();
    let helper = program(&mut home, "gives", &prints("u", "p"));
    let netrc = home.user_home().join(".netrc");
    let of_helper = format!("[credential]\n\thelper = {helper}\n");
    let by_path = format!("[credential \"{}/x\"]\n\thelper = x\n{of_helper}", private.place());
    let machine = "machine 127.0.0.1 login u password p\n";
    for (what, config, text, login, questions) in [
        ("a helper", &*of_helper, "", "", 1),
        ("netrc", "", machine, "", 1),
        // To this machine nobody can read what is sent, so it is sent at once.
        ("the address", "", "", "u:p@", 0),
        ("a user in the address", "", machine, "u@", 1),
        ("a helper for a path", &*by_path, "", "", 4),
    ] {
        home.git_config(config);
        fs::write(&netrc, text).expect("the home takes a file");
        declare_four(&private, &home, login);
        private.server.forget();
        home.run(&["update", "--jobs", "1"]).ok();
        let seen = private.server.stats().requests;
        let asked = seen
            .iter()
            .filter(|each| !each.headers.iter().any(|(name, _)| name == "authorization"));
        assert_eq!(asked.count(), questions, "{what}");
        // A listing and a pack of each.
        assert_eq!(seen.len(), 8 + questions, "{what}");
    }
}

#[test]
fn a_login_that_was_not_asked_for_keeps_no_repository_from_being_fetched() {
    let private = Private::of("u", "p");
    let mut home = home();
    let helper = program(&mut home, "gives", &prints("u", "p"));
    home.git_config(&format!("[credential]\n\thelper = {helper}\n"));
    declare_four(&private, &home, "");
    private.server.clear();
    private.server.fault("m", Fault::BasicAuth { user: "u", password: "p" });
    private.server.fault("n", Fault::RefusesHeader("authorization"));
    private.server.fault("o", Fault::BasicAuth { user: "other", password: "p" });
    let ran = home.run(&["update", "--jobs", "1"]).fails(1).says("the login was not accepted");
    assert!(!ran.stderr.contains("error: n:"), "{ran:?}");
    for name in ["m", "n", "p"] {
        assert!(home.target(name).join("a").is_file(), "{name}: {ran:?}");
    }
}

#[test]
fn a_login_for_a_proxy_is_kept_and_forgotten_as_by_git() {
    let private = Private::of("u", "p");
    private.server.clear();
    let proxy = Proxy::with_login("pu", "pp");
    let mut home = home();
    let log = home.scratch().join("asked");
    for (password, works) in [("pp", true), ("no", false)] {
        let heard = format!("(echo verb=$1; cat) >> {}", log.display());
        let helper = program(&mut home, "heard", &format!("{heard}; {}", prints("pu", password)));
        for login in ["pu@".to_owned(), format!("pu:{password}@")] {
            home.git_config(&format!(
                "[http]\n\tproxy = http://{login}127.0.0.1:{}\n[credential]\n\thelper = {helper}\n",
                proxy.port()
            ));
            // What helpers were told; git asks them once, modstore once in each way.
            let told = || {
                let text = fs::read_to_string(&log).unwrap_or_default();
                let _ = fs::remove_file(&log);
                let all = text.split("verb=").filter(|said| !said.starts_with("get")).map(|said| {
                    let mut lines: Vec<_> =
                        said.lines().filter(|line| !line.starts_with("capability")).collect();
                    lines.sort_unstable();
                    lines.join(" ")
                });
                all.filter(|said| !said.is_empty()).collect::<Vec<_>>()
            };
            let _ = fs::remove_dir_all(home.path());
            let oracle = clone_by_git(&home, &private.url(""));
            let by_git = told();
            let ran = home.run(&["add", &format!("git+{}", private.url("")), "--name", "m"]);
            assert_eq!((oracle.status == 0, ran.status == 0), (works, works), "{ran:?} {oracle:?}");
            assert_eq!(told(), by_git, "{login}: {ran:?}");
        }
    }
}

#[test]
fn helpers_are_asked_once_for_all_modules_of_a_place_unless_a_path_decides() {
    let private = Private::of("u", "p");
    for name in ["n", "o"] {
        Repo::create(private.root.path(), name).write(&[("a", name)]);
        private.server.fault(name, Fault::BasicAuth { user: "u", password: "p" });
    }
    let mut home = home();
    let log = home.scratch().join("asked");
    let helper = program(
        &mut home,
        "counts",
        &format!("cat > /dev/null; echo $1 >> {}; {}", log.display(), prints("u", "p")),
    );
    let sources = ["m", "n", "o"].map(|name| (name, format!("git+{}", private.server.url(name))));
    let declared: Vec<(&str, &str)> = sources.iter().map(|(name, url)| (*name, &**url)).collect();
    let at = private.place();
    for (config, times) in [
        (format!("[credential]\n\thelper = {helper}\n"), 1),
        (format!("[credential \"{at}\"]\n\thelper = {helper}\n"), 1),
        (format!("[credential]\n\tuseHttpPath = true\n\thelper = {helper}\n"), 3),
        (
            format!(
                "[credential \"{at}/none\"]\n\tuseHttpPath = true\n[credential]\n\thelper = {helper}\n"
            ),
            3,
        ),
    ] {
        let _ = fs::remove_dir_all(home.path());
        let _ = fs::remove_file(&log);
        home.git_config(&config);
        home.declare(&declared);
        home.run(&["update"]).ok();
        let asked = fs::read_to_string(&log).unwrap_or_default();
        let count = |verb: &str| asked.lines().filter(|line| *line == verb).count();
        assert_eq!((count("get"), count("store"), count("erase")), (times, times, 0), "{config}");
    }
}

#[test]
fn a_helper_that_never_answers_is_waited_for_once_and_not_by_each_module() {
    let private = Private::of("u", "p");
    for name in ["n", "o"] {
        Repo::create(private.root.path(), name).write(&[("a", name)]);
        private.server.fault(name, Fault::BasicAuth { user: "u", password: "p" });
    }
    let mut home = home();
    home.env("MODSTORE_PROGRESS_TIMEOUT", "3").env("MODSTORE_IDLE_TIMEOUT", "3");
    home.git_config("[credential]\n\thelper = \"!sleep 100; :\"\n");
    let sources = ["m", "n", "o"].map(|name| (name, format!("git+{}", private.server.url(name))));
    let declared: Vec<(&str, &str)> = sources.iter().map(|(name, url)| (*name, &**url)).collect();
    home.declare(&declared);
    let begun = std::time::Instant::now();
    let ran = home.run(&["update", "--json", "--jobs", "1"]).fails(1);
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}: {ran:?}", begun.elapsed());
    let failed = ran.json()["failed"].clone();
    let failed = failed.as_array().expect("a list");
    assert_eq!(failed.len(), 3, "{ran:?}");
    for module in failed {
        assert_eq!((&module["class"], &module["code"]), (&"transient".into(), &"program".into()));
        assert!(
            module["causes"][0]
                .as_str()
                .is_some_and(|text| text.matches("could not be used").count() == 1)
        );
    }
}

#[test]
fn a_token_of_a_helper_is_sent_as_it_is() {
    let port_and_heads = |config: &str| {
        let server = ScriptedServer::start(|_, stream| {
            let head = "HTTP/1.1 401 No\r\nWWW-Authenticate: Bearer realm=\"x\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            // A client that hangs up has read enough.
            let _ = stream.write_all(head.as_bytes());
        });
        let home = home();
        home.git_config(config);
        let url = format!("http://127.0.0.1:{}/m.git", server.port());
        assert_ne!(clone_by_git(&home, &url).status, 0);
        let of_git = server.heads();
        home.run(&["add", &format!("git+{url}")]).fails(1);
        let own = server.heads().split_off(of_git.len());
        let tokens = |heads: Vec<String>| -> Vec<String> {
            let lines = heads.iter().flat_map(|head| head.lines());
            lines
                .filter(|line| line.to_lowercase().starts_with("authorization"))
                .map(str::to_lowercase)
                .collect()
        };
        (tokens(of_git), tokens(own))
    };
    let helper = |words: &str| {
        format!(
            "[credential]\n\thelper = \"!f() {{ cat > /dev/null; test $1 = get && {words}; }}; f\"\n"
        )
    };
    let bearer =
        helper("echo capability[]=authtype && echo authtype=Bearer && echo credential=T0ken");
    let (of_git, own) = port_and_heads(&bearer);
    assert_eq!(of_git, ["authorization: bearer t0ken"]);
    // This process sends it, and git once more, which may know what to do with the refusal.
    assert!(!own.is_empty() && own.iter().all(|line| *line == of_git[0]), "{own:?}");
    let (_, own) = port_and_heads(&helper("echo username=u && echo password=p"));
    assert_eq!(own, Vec::<String>::new(), "a password is no bearer's token");
}

#[test]
fn what_helpers_say_who_give_no_login_is_in_the_error() {
    let private = Private::new();
    let home = home();
    let source = format!("git+{}", private.url(""));
    for (helper, words) in [
        ("!echo log in with the forge tool first >&2; exit 1", "log in with the forge tool first"),
        ("!echo quit=1; :", "told us to quit"),
        ("/nowhere/helper", "/nowhere/helper"),
    ] {
        home.git_config(&format!("[credential]\n\thelper = \"{helper}\"\n"));
        home.run(&["add", &source]).fails(1).says("the credential helpers gave none").says(words);
    }
    home.git_config("");
    home.run(&["add", &source]).fails(1).says("the server wants a login, and none is configured");
}

#[test]
fn without_a_git_program_a_login_in_netrc_or_in_the_address_works_and_helpers_are_missed() {
    let private = Private::of("u", "p");
    let mut home = home();
    let empty = home.scratch().join("empty");
    fs::create_dir(&empty).expect("the scratch takes a directory");
    home.env("PATH", &empty);
    let source = |login: &str| format!("git+{}", private.url(login));
    home.run(&["add", &source("u:p@"), "--name", "a"]).ok();
    home.git_config("[credential]\n\thelper = store\n");
    home.run(&["add", &source(""), "--name", "b"])
        .fails(1)
        .says("git, which asks them, is not installed");
    let netrc = home.user_home().join(".netrc");
    fs::write(netrc, "machine 127.0.0.1 login u password p\n").expect("the home takes a file");
    home.run(&["add", &source(""), "--name", "b"]).ok();
}

#[test]
fn nothing_that_a_helper_or_an_askpass_starts_can_ask_on_the_terminal() {
    let private = Private::new();
    let mut home = home();
    let path = program(
        &mut home,
        "asks",
        "echo \"$1\" > /dev/tty && read -r line < /dev/tty && echo $line",
    );
    home.env("GIT_ASKPASS", &path).env("MODSTORE_IDLE_TIMEOUT", "20");
    home.git_config(&format!("[credential]\n\thelper = \"!{path} helper\"\n"));
    let begun = std::time::Instant::now();
    let source = format!("git+{}", private.url(""));
    let line = format!("{} add {source} 2>&1", env!("CARGO_BIN_EXE_modstore"));
    // `script` makes a terminal that its command can open as /dev/tty.
    if !home.command_of("script".as_ref(), &["--version"]).status().is_ok_and(|it| it.success()) {
        return skip_loudly("`script` is missing");
    }
    let log = home.scratch().join("typescript");
    let log = log.to_str().expect("a plain path");
    let ran = Running::start(home.command_of("script".as_ref(), &["-qec", &line, log])).wait();
    let shown = format!("{}{}", ran.stdout, ran.stderr);
    assert!(shown.contains("the server wants a login"), "{shown}");
    assert!(!shown.contains("Username for"), "{shown}");
    assert!(begun.elapsed() < Duration::from_secs(15), "it was waited for: {shown}");
}
