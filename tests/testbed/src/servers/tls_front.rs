//! A front that speaks TLS, with a certificate and an authority of its own, before a server that does not.
//!
//! Limits: loopback only; one certificate each, for 127.0.0.1, `localhost` and `far.invalid` unless it is for another name.

use std::{
    fs::File,
    io::{self, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use rustix::event::{PollFd, PollFlags, poll};
use rustls::{
    HandshakeKind, RootCertStore, ServerConfig, ServerConnection,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::WebPkiClientVerifier,
};

use crate::repositories::run;

/// The certificate that a front shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certificate {
    /// Of the authority of the front.
    Signed,
    /// Of no authority but itself, as `openssl req -x509` makes it; [`TlsFront::authority`] is the certificate.
    SelfSigned,
    /// Of the authority of the front, for the name `other.invalid` only.
    OtherName,
}

/// A forwarding port in front of another.
#[derive(Debug)]
pub struct TlsFront {
    port: u16,
    server: u16,
    place: tempfile::TempDir,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    whole: AtomicUsize,
    resumed: AtomicUsize,
    gone: AtomicBool,
}

impl TlsFront {
    /// Leads to a loopback port. Needs the program `openssl`.
    pub fn to(server: u16) -> Self {
        Self::start(server, Certificate::Signed, false)
    }

    /// The same, with a certificate that may not be trusted.
    pub fn with_certificate(server: u16, certificate: Certificate) -> Self {
        Self::start(server, certificate, false)
    }

    /// The same, for clients only that show a certificate of the same authority: [`TlsFront::client`].
    pub fn for_known_clients(server: u16) -> Self {
        Self::start(server, Certificate::Signed, true)
    }

    fn start(server: u16, certificate: Certificate, asks_clients: bool) -> Self {
        let place = tempfile::tempdir().expect("a temporary directory can be made");
        make_certificates(place.path(), certificate);
        let config = Arc::new(server_config(place.path(), asks_clients));
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        let counts = Arc::new(Counts::default());
        let accepting = Arc::clone(&counts);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if accepting.gone.load(Ordering::SeqCst) {
                    return;
                }
                let (config, counts) = (Arc::clone(&config), Arc::clone(&accepting));
                thread::spawn(move || {
                    // Clients that go away, or do not trust us, are what it is made for.
                    let _ = forward(config, &client, server, &counts);
                    let _ = client.shutdown(Shutdown::Both);
                });
            }
        });
        Self { port, server, place, counts }
    }

    /// The port to connect to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A URL of the server, made to lead through here.
    pub fn url(&self, url: &str) -> String {
        let secure = url.replacen("http://", "https://", 1);
        secure.replacen(&format!(":{}/", self.server), &format!(":{}/", self.port), 1)
    }

    /// The certificate of the authority that a client has to trust, as PEM.
    pub fn authority(&self) -> PathBuf {
        self.place.path().join("ca.pem")
    }

    /// The directory with that certificate alone, by the name that OpenSSL looks for.
    pub fn authorities(&self) -> PathBuf {
        self.place.path().join("authorities")
    }

    /// A client's certificate and its key, as PEM.
    pub fn client(&self) -> (PathBuf, PathBuf) {
        (self.place.path().join("client.pem"), self.place.path().join("client.key"))
    }

    /// Handshakes so far: whole ones, and those that went on from an earlier one.
    pub fn handshakes(&self) -> (usize, usize) {
        let Counts { whole, resumed, .. } = &*self.counts;
        (whole.load(Ordering::SeqCst), resumed.load(Ordering::SeqCst))
    }
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        self.counts.gone.store(true, Ordering::SeqCst);
        // Wakes the accepting thread; if it is gone there is nothing to wake.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

const NAMES: &str = "subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:far.invalid";

fn make_certificates(place: &Path, certificate: Certificate) {
    let openssl = |args: &[&str]| {
        let mut openssl = Command::new("openssl");
        run(openssl.current_dir(place).args(args), b"");
    };
    let new = ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    let own =
        ["-x509", "-days", "30", "-subj", "/CN=testbed", "-keyout", "ca.key", "-out", "ca.pem"];
    let is_self_signed = certificate == Certificate::SelfSigned;
    let named = if is_self_signed { &["-addext", NAMES][..] } else { &[] };
    openssl(&[&new[..], &own, named].concat());
    let names = if certificate == Certificate::OtherName {
        "subjectAltName=DNS:other.invalid"
    } else {
        NAMES
    };
    let write = |name: &str, text: &str| {
        std::fs::write(place.join(name), text).expect("the directory can be written to");
    };
    write("names", &format!("{names}\n"));
    write("client-names", "extendedKeyUsage=clientAuth\n");
    for (leaf, extensions) in [("leaf", "names"), ("client", "client-names")] {
        let [key, asked, signed] = ["key", "csr", "pem"].map(|kind| format!("{leaf}.{kind}"));
        let subject = format!("/CN={leaf}");
        openssl(&[&new[..], &["-subj", &subject, "-keyout", &key, "-out", &asked]].concat());
        openssl(
            &[
                &[
                    "x509", "-req", "-in", &asked, "-CA", "ca.pem", "-CAkey", "ca.key", "-days",
                    "30",
                ][..],
                &["-CAcreateserial", "-extfile", extensions, "-out", &signed],
            ]
            .concat(),
        );
    }
    if is_self_signed {
        for kind in ["key", "pem"] {
            std::fs::copy(place.join(format!("ca.{kind}")), place.join(format!("leaf.{kind}")))
                .expect("openssl wrote it");
        }
    }
    let authorities = place.join("authorities");
    std::fs::create_dir(&authorities)
        .and_then(|()| std::fs::copy(place.join("ca.pem"), authorities.join("ca.pem")))
        .expect("the directory can be written to");
    openssl(&["rehash", "authorities"]);
}

fn server_config(place: &Path, asks_clients: bool) -> ServerConfig {
    let read = |name: &str| BufReader::new(File::open(place.join(name)).expect("openssl wrote it"));
    let chain: Result<Vec<CertificateDer<'static>>, _> =
        CertificateDer::pem_reader_iter(read("leaf.pem")).collect();
    let key = PrivateKeyDer::from_pem_reader(read("leaf.key")).expect("it is a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("the provider has all versions");
    let builder = if asks_clients {
        let mut authorities = RootCertStore::empty();
        let own = CertificateDer::from_pem_reader(read("ca.pem")).expect("it is a certificate");
        authorities.add(own).expect("it is of an authority");
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(authorities), provider).build();
        builder.with_client_cert_verifier(verifier.expect("there is an authority"))
    } else {
        builder.with_no_client_auth()
    };
    let mut config = builder
        .with_single_cert(chain.expect("it is a certificate"), key)
        .expect("certificate and key fit");
    config.ticketer = rustls::crypto::ring::Ticketer::new().expect("there are random numbers");
    config
}

fn forward(
    config: Arc<ServerConfig>,
    client: &TcpStream,
    server: u16,
    counts: &Counts,
) -> io::Result<()> {
    let server = TcpStream::connect((Ipv4Addr::LOCALHOST, server))?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let mut tls = ServerConnection::new(config).map_err(io::Error::other)?;
    let mut is_counted = false;
    loop {
        while tls.wants_write() {
            tls.write_tls(&mut &*client)?;
        }
        if let (false, Some(kind)) = (is_counted, tls.handshake_kind()) {
            is_counted = true;
            let resumed = kind == HandshakeKind::Resumed;
            let count = if resumed { &counts.resumed } else { &counts.whole };
            count.fetch_add(1, Ordering::SeqCst);
        }
        let mut ready = [PollFd::new(client, PollFlags::IN), PollFd::new(&server, PollFlags::IN)];
        poll(&mut ready, None)?;
        let [from_client, from_server] = ready.map(|each| !each.revents().is_empty());
        if from_client && !receive(&mut tls, client, &server)? {
            return Ok(());
        }
        if from_server {
            let mut part = [0; 16 * 1024];
            match (&server).read(&mut part)? {
                0 => {
                    tls.send_close_notify();
                    tls.write_tls(&mut &*client)?;
                    return Ok(());
                }
                read => tls.writer().write_all(part.get(..read).unwrap_or_default())?,
            }
        }
    }
}

/// Takes what the client has sent; false at its end.
fn receive(
    tls: &mut ServerConnection,
    client: &TcpStream,
    mut server: &TcpStream,
) -> io::Result<bool> {
    if tls.read_tls(&mut &*client)? == 0 {
        return Ok(false);
    }
    let state = match tls.process_new_packets() {
        Ok(state) => state,
        Err(error) => {
            // The alert that says why.
            tls.write_tls(&mut &*client)?;
            return Err(io::Error::other(error));
        }
    };
    let mut text = vec![0; state.plaintext_bytes_to_read()];
    tls.reader().read_exact(&mut text)?;
    server.write_all(&text)?;
    Ok(!state.peer_has_closed())
}
