//! Places over the network against real servers, and against servers with faults.
//!
//! SeaweedFS is the object storage, with real signatures and conditions. What it does not do wrong, a scripted server does.

#![expect(clippy::unwrap_used, reason = "helpers panic, and that is how a test fails")]

use std::{
    io::{self, Read as _, Write as _},
    net::TcpStream,
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use modstore_core::Cancel;
use modstore_testbed::{
    BlackHole, FarWire, RefusedPort, RequestLog, ScriptedServer, SeaweedFs, TlsFront,
};
use modstore_tier::{Key, Objects, Published, TierAddress, TierError, TierOptions, open};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// Keys as a command prints them: a test must not change the environment of others.
fn printed(user: &str, secret: &str) -> Vec<String> {
    let json = format!(r#"{{"Version":1,"AccessKeyId":"{user}","SecretAccessKey":"{secret}"}}"#);
    vec!["echo".to_owned(), json]
}

fn of(user: &str) -> TierOptions {
    let credentials = printed(user, &format!("{user}-secret"));
    TierOptions { credentials, ..TierOptions::default() }
}

fn place(url: &str, options: &TierOptions) -> Box<dyn Objects> {
    open(&url.parse::<TierAddress>().unwrap(), options).unwrap()
}

/// A file with bytes, for `put`.
fn file(bytes: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    file
}

fn put(place: &dyn Objects, key: &Key, bytes: &[u8]) -> Result<Published, TierError> {
    place.put(key, bytes.into(), false, &Cancel::new())
}

fn read(place: &dyn Objects, key: &Key) -> io::Result<Option<Vec<u8>>> {
    let found = place.get(key, &Cancel::new()).map_err(io::Error::other)?;
    let Some(mut found) = found else { return Ok(None) };
    let mut bytes = Vec::new();
    found.bytes.read_to_end(&mut bytes)?;
    assert!(found.length.is_none_or(|length| length == bytes.len() as u64));
    Ok(Some(bytes))
}

/// Bytes that no two places of are alike.
fn bytes(length: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..length).map(|_| next()).collect()
}

#[test]
fn an_object_is_written_once_read_and_removed() {
    let Some(server) = SeaweedFs::start() else { return };
    let (place, key) = (place(&server.url("team"), &of("ci")), Key::commit(COMMIT));
    let content = bytes(300_000);
    assert!(read(&*place, &key).unwrap().is_none());
    assert_eq!(place.head(&key, &Cancel::new()).unwrap(), None);
    assert_eq!(put(&*place, &key, &content).unwrap(), Published::Written);
    assert_eq!(put(&*place, &key, b"another").unwrap(), Published::AlreadyThere);
    assert_eq!(place.observed().keeps_conditions, Some(true));
    assert!(place.observed().clock_ahead.unwrap().abs() < 5);
    assert_eq!(read(&*place, &key).unwrap().unwrap(), content);
    let (length, written) = place.head(&key, &Cancel::new()).unwrap().unwrap();
    assert_eq!(length, content.len() as u64);
    assert!(written.unwrap().elapsed().unwrap_or_default() < Duration::from_secs(60));
    let other = file(b"another");
    let replaced = place.put(&key, other.path().into(), true, &Cancel::new()).unwrap();
    assert_eq!(
        (replaced, &read(&*place, &key).unwrap().unwrap()[..]),
        (Published::Written, &b"another"[..])
    );
    place.delete(&key, &Cancel::new()).unwrap();
    place.delete(&key, &Cancel::new()).unwrap();
    assert!(read(&*place, &key).unwrap().is_none());
}

#[test]
fn a_prefix_may_have_spaces_and_letters_of_all_languages() {
    let Some(server) = SeaweedFs::start() else { return };
    let key = Key::commit(COMMIT);
    for (prefix, encoded) in [
        ("", ""),
        ("a b/größe/日本+1&x=(2)'!*", "a%20b/gr%C3%B6%C3%9Fe/%E6%97%A5%E6%9C%AC%2B1%26x=(2)'!*/"),
        ("per%25cent", "per%25cent/"),
    ] {
        let place = place(&server.url(prefix), &of("ci"));
        assert_eq!(put(&*place, &key, prefix.as_bytes()).unwrap(), Published::Written, "{prefix}");
        assert_eq!(read(&*place, &key).unwrap().unwrap(), prefix.as_bytes(), "{prefix}");
        assert_eq!(
            server.object(&format!("{encoded}{key}")).unwrap(),
            prefix.as_bytes(),
            "{prefix}"
        );
    }
}

#[test]
fn an_object_that_is_long_is_sent_in_parts() {
    let Some(server) = SeaweedFs::start() else { return };
    let (place, key) = (place(&server.url("team"), &of("ci")), Key::archive(&"ab".repeat(32)));
    let content = bytes(40 << 20);
    assert_eq!(put(&*place, &key, &content).unwrap(), Published::Written);
    assert_eq!(put(&*place, &key, &content).unwrap(), Published::AlreadyThere);
    assert!(read(&*place, &key).unwrap().unwrap() == content);
}

#[test]
fn a_wrong_secret_is_refused_and_shown_nowhere() {
    let Some(server) = SeaweedFs::start() else { return };
    for (user, secret, code) in [
        ("ci", "wr0ng-secret", "SignatureDoesNotMatch"),
        ("nobody", "wr0ng-secret", "InvalidAccessKeyId"),
    ] {
        let options = TierOptions { credentials: printed(user, secret), ..TierOptions::default() };
        let (place, key) = (place(&server.url("team"), &options), Key::commit(COMMIT));
        for _ in 0..2 {
            let error = read(&*place, &key).unwrap_err().to_string();
            assert!(error.contains("refused") && error.contains(code), "{error}");
            assert!(!error.contains("wr0ng"), "{error}");
        }
        let error = put(&*place, &key, b"x").unwrap_err();
        assert!(matches!(error, TierError::Refused { .. }), "{error}");
    }
    let options = TierOptions { credentials: vec!["false".into()], ..TierOptions::default() };
    let error = read(&*place(&server.url("team"), &options), &Key::commit(COMMIT)).unwrap_err();
    assert!(error.to_string().contains("false ended with exit code 1"), "{error}");
}

#[test]
fn a_key_that_may_only_read_reads() {
    let Some(server) = SeaweedFs::start() else { return };
    let key = Key::commit(COMMIT);
    assert_eq!(
        put(&*place(&server.url("team"), &of("ci")), &key, b"x").unwrap(),
        Published::Written
    );
    let reader = place(&server.url("team"), &of("reader"));
    assert_eq!(read(&*reader, &key).unwrap().unwrap(), b"x");
    assert!(read(&*reader, &Key::commit("ffff")).unwrap().is_none());
    let error = put(&*reader, &key, b"y").unwrap_err();
    assert!(matches!(&error, TierError::Refused { .. }), "{error}");
    assert!(error.to_string().contains("AccessDenied"), "{error}");
    // Nobody's login: requests are not signed, and this bucket is not for everybody.
    let nobody = read(&*place(&server.url("team"), &TierOptions::default()), &key).unwrap_err();
    assert!(nobody.to_string().contains("403"), "{nobody}");
}

#[test]
fn a_bucket_that_is_not_there_is_no_miss() {
    let Some(server) = SeaweedFs::start() else { return };
    let url = server.url("team").replace("s3://modules", "s3://another-bucket");
    let error = read(&*place(&url, &of("ci")), &Key::commit(COMMIT)).unwrap_err();
    assert!(error.to_string().contains("NoSuchBucket"), "{error}");
}

#[test]
fn sixteen_threads_read_at_once() {
    let Some(server) = SeaweedFs::start() else { return };
    let near = place(&server.url("team"), &of("ci"));
    let content = bytes(100_000);
    let keys: Vec<Key> = (0..16).map(|n| Key::commit(&format!("{n:040x}"))).collect();
    for key in &keys {
        put(&*near, key, &content).unwrap();
    }
    let wire = FarWire::to(server.port(), Duration::from_millis(300));
    let far = place(&server.url_by(wire.port(), "team"), &of("ci"));
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for key in &keys {
            scope.spawn(|| assert_eq!(read(&*far, key).unwrap().unwrap(), content));
        }
    });
    // A connection and a request each take a round trip; one after the other they were 9.6 s.
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    assert_eq!(wire.most_open(), 16);
    let before = wire.connections();
    assert_eq!(read(&*far, &keys[0]).unwrap().unwrap(), content);
    assert_eq!(wire.connections(), before, "a kept connection is used again");
}

#[test]
fn of_writers_at_once_one_writes() {
    let Some(server) = SeaweedFs::start() else { return };
    // It lets them in one after the other, which takes a while on a busy machine.
    let options = TierOptions { stall_timeout: Duration::from_secs(60), ..of("ci") };
    let place = place(&server.url("team"), &options);
    let (key, content, start) = (Key::commit(COMMIT), file(&bytes(200_000)), Barrier::new(16));
    let written = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                start.wait();
                let published =
                    place.put(&key, content.path().into(), false, &Cancel::new()).unwrap();
                written.fetch_add(usize::from(published == Published::Written), SeqCst);
            });
        }
    });
    assert_eq!(written.load(SeqCst), 1);
    assert_eq!(read(&*place, &key).unwrap().unwrap(), bytes(200_000));
}

#[test]
fn a_server_without_conditions_is_asked_before_it_is_written_to() {
    let Some(server) = SeaweedFs::start() else { return };
    let answer = "HTTP/1.1 501 Not Implemented\r\nContent-Length: 40\r\nConnection: close\r\n\r\n\
                  <Error><Code>NotImplemented</Code></Error>";
    let log = RequestLog::changing(server.port(), move |head| {
        let is_conditional = head.to_lowercase().contains("\r\nif-none-match:");
        is_conditional.then(|| answer.as_bytes().to_vec())
    });
    let (place, key) = (place(&server.url_by(log.port(), "team"), &of("ci")), Key::commit(COMMIT));
    assert_eq!(put(&*place, &key, b"x").unwrap(), Published::Written);
    assert_eq!(place.observed().keeps_conditions, Some(false));
    assert_eq!(put(&*place, &key, b"y").unwrap(), Published::AlreadyThere);
    assert_eq!(read(&*place, &key).unwrap().unwrap(), b"x");
}

/// A scripted S3.
fn scripted(answer: impl Fn(&str, &mut TcpStream) + Send + 'static) -> (ScriptedServer, String) {
    let server = ScriptedServer::start(answer);
    let url = format!("s3://b/p?region=r&endpoint=http://127.0.0.1:{}", server.port());
    (server, url)
}

fn answer(stream: &mut TcpStream, status: &str, headers: &str, body: &str) {
    let length = body.len();
    let text = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n{body}"
    );
    stream.write_all(text.as_bytes()).unwrap();
}

const OBJECT: &str = "ETag: \"1\"\r\nLast-Modified: Mon, 02 Jan 2023 03:04:05 GMT\r\n";

#[test]
fn a_missing_object_may_be_refused_to_those_who_may_not_list() {
    let (server, url) = scripted(|_, stream| {
        let body = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>";
        answer(stream, "403 Forbidden", "", body);
    });
    let place = place(&url, &of("ci"));
    let error = read(&*place, &Key::commit("aa")).unwrap_err().to_string();
    assert!(
        error.contains("403 AccessDenied: Access Denied (objects may not be read, or"),
        "{error}"
    );
    for key in ["bb", "cc"] {
        assert!(read(&*place, &Key::commit(key)).unwrap().is_none());
    }
    assert_eq!(server.heads().len(), 3);
}

#[test]
fn once_an_object_was_read_a_refusal_is_a_miss() {
    let (_server, url) = scripted(|head, stream| match head.contains("/aa/") {
        true => answer(stream, "200 OK", OBJECT, "text"),
        false => answer(stream, "403 Forbidden", "", "<Error><Code>AccessDenied</Code></Error>"),
    });
    let place = place(&url, &of("ci"));
    assert_eq!(read(&*place, &Key::commit("aa")).unwrap().unwrap(), b"text");
    assert!(read(&*place, &Key::commit("bb")).unwrap().is_none());
}

#[test]
fn a_server_that_is_busy_is_asked_once_more_when_it_says_so() {
    let (times, later) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(1)));
    let (counted, asked) = (Arc::clone(&times), Arc::clone(&later));
    let (_server, url) = scripted(move |_, stream| match counted.fetch_add(1, SeqCst) {
        0 => {
            let retry = format!("Retry-After: {}\r\n", asked.load(SeqCst));
            answer(stream, "503 Slow Down", &retry, "<Error><Code>SlowDown</Code></Error>");
        }
        _ => answer(stream, "200 OK", OBJECT, "text"),
    });
    let (place, key, begun) = (place(&url, &of("ci")), Key::commit(COMMIT), Instant::now());
    assert_eq!(read(&*place, &key).unwrap().unwrap(), b"text");
    assert!(begun.elapsed() >= Duration::from_secs(1));
    // A pause that is too long is not waited for.
    later.store(60, SeqCst);
    times.store(0, SeqCst);
    let begun = Instant::now();
    let error = place.get(&key, &Cancel::new()).err().unwrap();
    assert!(
        matches!(&error, TierError::Busy { cause, .. } if cause.contains("503 SlowDown")),
        "{error}"
    );
    assert!(begun.elapsed() < Duration::from_secs(1));
}

#[test]
fn a_body_that_is_cut_is_an_error() {
    let (_server, url) = scripted(|_, stream| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n{OBJECT}\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&[7; 990]).unwrap();
    });
    let error = read(&*place(&url, &of("ci")), &Key::commit(COMMIT)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{error}");
}

/// Limits that a test can wait for.
fn hasty(user: &str) -> TierOptions {
    let (connect_timeout, stall_timeout) = (Duration::from_millis(500), Duration::from_secs(1));
    TierOptions { connect_timeout, stall_timeout, ..of(user) }
}

#[test]
fn a_body_that_stalls_or_drips_is_given_up() {
    for pause in [Duration::from_secs(60), Duration::from_millis(150)] {
        let (_server, url) = scripted(move |_, stream| {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n{OBJECT}\r\n");
            let mut stream = stream.try_clone().unwrap();
            std::thread::spawn(move || {
                stream.write_all(head.as_bytes()).unwrap();
                while stream.write_all(b"x").is_ok() {
                    std::thread::sleep(pause);
                }
            });
        });
        let (place, begun) = (place(&url, &hasty("ci")), Instant::now());
        let error = read(&*place, &Key::commit(COMMIT)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{error}");
        assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    }
}

#[test]
fn a_server_that_is_not_there_costs_a_bounded_wait() {
    let refused = RefusedPort::reserve();
    let url = |port| format!("s3://b/p?region=r&endpoint=http://127.0.0.1:{port}");
    let begun = Instant::now();
    let error = place(&url(refused.port()), &hasty("ci")).get(&Key::commit("aa"), &Cancel::new());
    let error = error.err().unwrap();
    assert!(matches!(&error, TierError::Unreachable { .. }), "{error}");
    assert!(begun.elapsed() < Duration::from_millis(500), "{:?}", begun.elapsed());
    // One that takes the connection and says nothing.
    let (hole, begun) = (BlackHole::start(), Instant::now());
    let error = place(&url(hole.port()), &hasty("ci")).get(&Key::commit("aa"), &Cancel::new());
    let error = error.err().unwrap();
    assert!(error.to_string().contains("no byte came in time"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    // An address that nobody has, and a name.
    let begun = Instant::now();
    for host in ["192.0.2.1", "nowhere.invalid"] {
        let url = format!("https://{host}/x");
        let options = TierOptions { credentials: Vec::new(), ..hasty("ci") };
        let error = place(&url, &options).get(&Key::commit("aa"), &Cancel::new());
        let error = error.err().unwrap();
        assert!(matches!(&error, TierError::Unreachable { .. }), "{host}: {error:?}");
    }
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}

#[test]
fn a_wait_ends_when_the_command_is_stopped() {
    let hole = BlackHole::start();
    let url = format!("s3://b/p?region=r&endpoint=http://127.0.0.1:{}", hole.port());
    let (place, cancel, begun) = (place(&url, &of("ci")), Cancel::new(), Instant::now());
    let stop = cancel.clone();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        stop.cancel();
    });
    let error = place.get(&Key::commit(COMMIT), &cancel).err().unwrap();
    assert!(matches!(error, TierError::Cancelled), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[test]
fn redirects_are_named_and_not_followed() {
    let (server, url) = scripted(|_, stream| {
        let headers =
            "Location: https://elsewhere.example/secret\r\nx-amz-bucket-region: eu-west-1\r\n";
        answer(stream, "301 Moved Permanently", headers, "");
    });
    let error = read(&*place(&url, &of("ci")), &Key::commit(COMMIT)).unwrap_err().to_string();
    assert!(error.contains("the bucket is in eu-west-1: add ?region=eu-west-1"), "{error}");
    assert_eq!(server.heads().len(), 1);
    let moved = ScriptedServer::start(|_, stream| {
        answer(stream, "302 Found", "Location: https://elsewhere.example/secret\r\n", "");
    });
    let url = format!("http://127.0.0.1:{}/tier", moved.port());
    let error =
        read(&*place(&url, &TierOptions::default()), &Key::commit(COMMIT)).unwrap_err().to_string();
    assert!(
        error.contains("leads to elsewhere.example, and redirects are not followed"),
        "{error}"
    );
    assert!(!error.contains("secret"), "{error}");
}

#[test]
fn a_clock_that_is_wrong_is_named() {
    let (_server, url) = scripted(|_, stream| {
        let body =
            "<Error><Code>RequestTimeTooSkewed</Code><Message>too far apart</Message></Error>";
        answer(stream, "403 Forbidden", "Date: Mon, 02 Jan 2023 03:04:05 GMT\r\n", body);
    });
    let error = read(&*place(&url, &of("ci")), &Key::commit(COMMIT)).unwrap_err().to_string();
    assert!(error.contains("RequestTimeTooSkewed") && error.contains("ahead of its"), "{error}");
}

/// Gives out one object to whoever has this line in the head.
fn static_server(login: &'static str) -> ScriptedServer {
    ScriptedServer::start(move |head, stream| {
        if !head.to_lowercase().contains(&login.to_lowercase()) {
            return answer(stream, "401 Unauthorized", "", "please log in");
        }
        match head.contains("/tier/v1/git/sha1/01/") {
            true => answer(stream, "200 OK", OBJECT, "text"),
            false => answer(stream, "404 Not Found", "", "<html>nothing here</html>"),
        }
    })
}

#[test]
fn a_static_server_is_read_with_the_login_that_is_there() {
    let command = |text: &str| vec!["printf".to_owned(), text.to_owned()];
    for (line, user, credentials) in [
        (" /tier/", "", vec![]),
        ("authorization: Basic bWU6cGFzcyB3b3Jk\r\n", "me:pass%20word@", vec![]),
        ("authorization: Bearer t0ken\r\n", "", command("t0ken\\n")),
        ("X-Team: a b\r\n", "", command("X-Team: a b\\nX-Other: c\\n")),
    ] {
        let server = static_server(line);
        let options = TierOptions { credentials, ..TierOptions::default() };
        let place = place(&format!("http://{user}127.0.0.1:{}/tier/", server.port()), &options);
        assert_eq!(read(&*place, &Key::commit(COMMIT)).unwrap().unwrap(), b"text", "{line}");
        assert!(read(&*place, &Key::commit("ffff")).unwrap().is_none(), "{line}");
        let head = place.head(&Key::commit(COMMIT), &Cancel::new()).unwrap().unwrap();
        assert_eq!(head.0, 4);
        let error = put(&*place, &Key::commit(COMMIT), b"x").unwrap_err().to_string();
        assert!(error.contains("is only read; publish to s3://"), "{error}");
        assert!(!error.contains("word"), "{error}");
        assert!(!server.heads().iter().any(|head| head.starts_with("PUT")));
    }
}

#[test]
fn a_login_that_is_missing_or_wrong_is_an_error() {
    let server = static_server("authorization: Basic bWU6cGFzcyB3b3Jk\r\n");
    let place =
        place(&format!("http://127.0.0.1:{}/tier/", server.port()), &TierOptions::default());
    let error = read(&*place, &Key::commit(COMMIT)).unwrap_err().to_string();
    assert!(error.contains("refused") && error.contains("401"), "{error}");
}

#[test]
fn a_token_in_the_query_goes_with_every_request_and_is_not_shown() {
    let server = static_server("v1/git/sha1/01/");
    let url = format!("http://127.0.0.1:{}/tier?sv=1&sig=s3cret%3D", server.port());
    let place = place(&url, &TierOptions::default());
    assert_eq!(read(&*place, &Key::commit(COMMIT)).unwrap().unwrap(), b"text");
    assert!(
        server.heads()[0].contains(".pack?sv=1&sig=s3cret%3D HTTP/1.1"),
        "{:?}",
        server.heads()
    );
    let error = read(&*place, &Key::commit("ffff")).unwrap_err().to_string();
    assert!(!error.contains("s3cret"), "{error}");
}

#[test]
fn without_tls_only_this_machine_is_asked() {
    for (url, said) in [
        ("http://tier.example/x", "expected https://"),
        ("s3://b/p?endpoint=http://minio.example", "AWS_ALLOW_HTTP=true"),
        ("s3://key:secret@b/p", "use the environment"),
        ("s3://b/p?acl=public", "unknown `acl`"),
        ("gs://b/p?region=eu", "without its region"),
    ] {
        let error = open(&url.parse().unwrap(), &TierOptions::default()).err().unwrap().to_string();
        assert!(error.contains(said) && !error.contains("secret"), "{url}: {error}");
    }
}

#[test]
fn a_certificate_of_nobody_is_not_trusted() {
    let server = static_server("");
    let front = TlsFront::to(server.port());
    let place = place(&format!("https://127.0.0.1:{}/tier", front.port()), &TierOptions::default());
    let error = place.get(&Key::commit(COMMIT), &Cancel::new()).err().unwrap();
    assert!(
        matches!(&error, TierError::Unreachable { cause, .. } if cause.contains("TLS")),
        "{error}"
    );
    assert!(server.heads().iter().all(String::is_empty), "no request came");
}

#[test]
fn a_bucket_of_google_s_is_written_with_its_own_condition() {
    let server = ScriptedServer::start(|head, stream| {
        let mut body = vec![0; 4];
        match head.split(' ').next() {
            Some("PUT") if head.contains("x-goog-if-generation-match: 0") => {
                stream.read_exact(&mut body).unwrap();
                answer(
                    stream,
                    "412 Precondition Failed",
                    "",
                    "<Error><Code>PreconditionFailed</Code></Error>",
                );
            }
            Some("GET") => answer(stream, "200 OK", OBJECT, "text"),
            _ => answer(stream, "400 Bad Request", "", ""),
        }
    });
    let url = format!("gs://bucket/a%20b?endpoint=http://127.0.0.1:{}", server.port());
    let credentials = vec!["echo".to_owned(), "ya29.t0ken".to_owned()];
    let place = place(&url, &TierOptions { credentials, ..TierOptions::default() });
    assert_eq!(put(&*place, &Key::commit(COMMIT), b"text").unwrap(), Published::AlreadyThere);
    assert_eq!(read(&*place, &Key::commit(COMMIT)).unwrap().unwrap(), b"text");
    for head in server.heads() {
        assert!(head.to_lowercase().contains("authorization: bearer ya29.t0ken"), "{head}");
        assert!(
            head.contains(&format!("/bucket/a%20b%2Fv1%2Fgit%2Fsha1%2F01%2F{COMMIT}%2Epack ")),
            "{head}"
        );
    }
}

#[test]
fn an_object_that_is_too_long_is_not_read() {
    let (_server, url) = scripted(|_, stream| answer(stream, "200 OK", OBJECT, "texttext"));
    let options = TierOptions { max_object: 7, ..of("ci") };
    let error = place(&url, &options).get(&Key::commit(COMMIT), &Cancel::new()).err().unwrap();
    assert!(matches!(error, TierError::TooLong { most: 7, .. }), "{error}");
    // A static server need not say how long it is.
    let endless = ScriptedServer::start(|_, stream| {
        let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\ntexttext");
    });
    let url = format!("http://127.0.0.1:{}/tier", endless.port());
    let options = TierOptions { credentials: Vec::new(), ..options };
    let place = place(&url, &options);
    let mut found = place.get(&Key::commit(COMMIT), &Cancel::new()).unwrap().unwrap();
    let error = found.bytes.read_to_end(&mut Vec::new()).unwrap_err();
    assert_eq!((found.length, error.kind()), (None, io::ErrorKind::FileTooLarge), "{error}");
}

#[test]
fn a_kept_connection_that_the_server_closed_is_made_again() {
    let times = AtomicUsize::new(0);
    let server = ScriptedServer::start(move |_, stream| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n{OBJECT}\r\ntext");
        stream.write_all(head.as_bytes()).unwrap();
        if times.fetch_add(1, SeqCst) == 0 {
            // Closed while the next request is under way, which no look at the connection can foresee.
            assert_ne!(stream.read(&mut [0; 10]).unwrap(), 0);
        }
    });
    let url = format!("s3://b/p?region=r&endpoint=http://127.0.0.1:{}", server.port());
    let place = place(&url, &of("ci"));
    for _ in 0..3 {
        assert_eq!(read(&*place, &Key::commit(COMMIT)).unwrap().unwrap(), b"text");
    }
    assert_eq!(server.heads().len(), 3);
}
