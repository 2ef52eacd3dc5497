//! Whom the token is sent to: servers whose certificate is good, over TLS 1.2 or later, and nobody in between.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection};

use crate::server::{Answer, OK, Server, file, postback, said};
use crate::wire::{Ended, PURCHASES, TOKEN, deliver_in};

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Authority {
    let mut parameters = CertificateParams::new([]).unwrap();
    parameters.distinguished_name.push(rcgen::DnType::CommonName, name);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap()
}

/// What a server was sent, connection by connection.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<Vec<u8>>>>);

impl Seen {
    fn connections(&self) -> Vec<Vec<u8>> {
        self.0.lock().unwrap().clone()
    }
}

/// Serves connections with `serve`, which gives what it read of each; the URL names `localhost`.
fn listen(serve: impl Fn(TcpStream) -> Vec<u8> + Send + 'static) -> (String, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let seen = Seen::default();
    let kept = seen.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let read = serve(stream.unwrap());
            kept.0.lock().unwrap().push(read);
        }
    });
    (url, seen)
}

/// A server with a certificate of `authority` for `host`, which ends in `last_year`. It keeps what it could decrypt.
fn tls_server(authority: &Authority, host: &str, last_year: i32) -> (String, Seen) {
    serving(authority, host, last_year, answered)
}

/// One that serves connections with `serve`, which gives what it could decrypt of each.
fn serving(
    authority: &Authority,
    host: &str,
    last_year: i32,
    serve: fn(ServerConnection, TcpStream) -> Vec<u8>,
) -> (String, Seen) {
    let key = KeyPair::generate().unwrap();
    let mut parameters = CertificateParams::new([host.to_owned()]).unwrap();
    parameters.not_after = rcgen::date_time_ymd(last_year, 12, 31);
    let certificate = parameters.signed_by(&key, authority).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    listen(move |stream| serve(ServerConnection::new(Arc::clone(&config)).unwrap(), stream))
}

/// Answers the one request of a connection that may not come to stand; gives the bytes that came through it.
fn answered(connection: ServerConnection, stream: TcpStream) -> Vec<u8> {
    let mut stream = rustls::StreamOwned::new(connection, stream);
    let (mut read, mut piece) = (Vec::new(), [0; 4096]);
    while !read.ends_with(b"]}") {
        match stream.read(&mut piece) {
            Ok(length) if length > 0 => read.extend_from_slice(&piece[..length]),
            _ => return read,
        }
    }
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n";
    drop(write!(stream, "{head}Content-Length: {}\r\n\r\n{OK}", OK.len()));
    stream.conn.send_close_notify();
    drop(stream.flush());
    read
}

fn deliver(url: &str, authority: &Authority, variables: &[(&str, &str)]) -> Ended {
    let folder = tempfile::tempdir().unwrap();
    let trusted = file(folder.path(), "ca.pem", authority.pem());
    deliver_in(url, &["--ca-file", &trusted], |command| {
        command.env("POSTBACK_ACCESS_TOKEN", TOKEN).envs(variables.iter().copied());
    })
}

#[test]
fn an_authority_of_a_file_is_trusted_and_no_key_is_logged_and_no_proxy_asked() {
    let folder = tempfile::tempdir().unwrap();
    let (authority, proxy) = (authority("one"), Server::answering([Answer::ok(OK)]));
    let (url, seen) = tls_server(&authority, "localhost", 4_000);
    let keys = folder.path().join("keys");
    let mut variables = vec![("SSLKEYLOGFILE", keys.to_str().unwrap())];
    variables.extend(["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"].map(|name| (name, proxy.url.as_str())));
    let ended = deliver(&url, &authority, &variables);
    assert_eq!((ended.code, ended.places()), (0, [8, 0, 0, 0]), "{}", ended.stderr);
    let seen = seen.connections();
    assert!(seen.len() == 1 && String::from_utf8_lossy(&seen[0]).contains(TOKEN));
    assert!(!keys.exists(), "the keys of the connection were written down");
    assert!(proxy.requests().is_empty());
}

#[test]
fn a_bad_certificate_ends_the_run_after_three_attempts_and_nothing_is_sent() {
    let authorities = ["one", "other", "one"].map(authority);
    let [authority, other, namesake] = &authorities;
    for (host, last_year, trusted, said, hint) in [
        ("localhost", 2_020, authority, "expired", "clock"),
        ("example.test", 4_000, authority, "another host name", "host name"),
        ("localhost", 4_000, other, "unknown authority", "--ca-file"),
        ("localhost", 4_000, namesake, "unknown authority", "--ca-file"),
    ] {
        let (url, seen) = tls_server(authority, host, last_year);
        let ended = deliver(&url, trusted, &[]);
        assert_eq!((ended.code, ended.places()), (4, [0, 0, 0, 8]), "{said}: {}", ended.stderr);
        assert!(ended.stderr.contains(said) && ended.stderr.contains(hint), "{said}: {}", ended.stderr);
        assert!(ended.stderr.contains(&url), "{}", ended.stderr);
        assert_eq!(seen.connections(), vec![Vec::<u8>::new(); 3], "{said}");
    }
}

/// The first record of a connection, and then everything behind it, once `answer` is sent.
fn after(mut stream: TcpStream, answer: &[u8]) -> Vec<u8> {
    let mut read = vec![0; 5];
    stream.read_exact(&mut read).unwrap();
    read.resize(5 + usize::from(u16::from_be_bytes([read[3], read[4]])), 0);
    stream.read_exact(&mut read[5..]).unwrap();
    stream.write_all(answer).unwrap();
    drop(stream.read_to_end(&mut read));
    read
}

/// The types of the records in `bytes`.
fn records(mut bytes: &[u8]) -> Vec<u8> {
    let mut types = Vec::new();
    while let [kind, _, _, high, low, rest @ ..] = bytes {
        types.push(*kind);
        bytes = &rest[usize::from(u16::from_be_bytes([*high, *low]))..];
    }
    types
}

#[test]
fn a_server_that_speaks_nothing_newer_than_tls_1_1_gets_no_byte_of_a_request() {
    const HANDSHAKE: u8 = 22;
    const ALERT: u8 = 21;
    for minor in [1, 2] {
        // ServerHello: version, 32 random bytes, no session, TLS_RSA_WITH_AES_128_CBC_SHA, no compression.
        let hello = [&[3, minor][..], &[7; 32], &[0, 0x00, 0x2f, 0]].concat();
        let length = u8::try_from(hello.len()).unwrap();
        let hello = [&[HANDSHAKE, 3, minor, 0, length + 4, 2, 0, 0, length][..], &hello].concat();
        let protocol_version = vec![ALERT, 3, minor, 0, 2, 2, 70];
        for answer in [hello, protocol_version] {
            let (url, seen) = listen(move |stream| after(stream, &answer));
            let ended = deliver(&url, &authority("one"), &[]);
            assert_eq!((ended.code, ended.places()), (4, [0, 0, 0, 8]), "{}", ended.stderr);
            assert!(ended.stderr.contains("TLS handshake failed"), "{}", ended.stderr);
            assert!(ended.stderr.contains("TLS 1.2 or later"), "{}", ended.stderr);
            let connections = seen.connections();
            assert_eq!(connections.len(), 3);
            for sent in connections {
                assert!(records(&sent).iter().all(|kind| [HANDSHAKE, ALERT].contains(kind)), "{:?}", records(&sent));
                assert!(!String::from_utf8_lossy(&sent).contains(TOKEN));
            }
        }
    }
}

/// What a source says.
const ROWS: &str = "order_id,email\n007,a@shop.example\n";

/// Answers one request for a file, of which it knows no parts.
fn file_sent(connection: ServerConnection, stream: TcpStream) -> Vec<u8> {
    let mut stream = rustls::StreamOwned::new(connection, stream);
    let (mut read, mut piece) = (Vec::new(), [0; 4096]);
    while !read.ends_with(b"\r\n\r\n") {
        match stream.read(&mut piece) {
            Ok(length) if length > 0 => read.extend_from_slice(&piece[..length]),
            _ => return read,
        }
    }
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nConnection: close\r\n";
    let date = "Last-Modified: Mon, 01 Dec 2025 10:00:00 GMT\r\n";
    drop(write!(stream, "{head}{date}Content-Length: {}\r\n\r\n{ROWS}", ROWS.len()));
    stream.conn.send_close_notify();
    drop(stream.flush());
    read
}

#[test]
fn a_source_is_read_from_a_server_whose_authority_a_file_names() {
    let folder = tempfile::tempdir().unwrap();
    let (authority, proxy) = (authority("one"), Server::answering([Answer::ok(OK)]));
    let trusted = file(folder.path(), "ca.pem", authority.pem());
    let (url, seen) = serving(&authority, "localhost", 4_000, file_sent);
    let query = format!("SELECT order_id FROM '{url}/orders.csv?key=7'");
    let keys = folder.path().join("keys");
    let mut command = postback(&["sql", &query, "--format", "ndjson", "--ca-file", &trusted]);
    command.env("SSLKEYLOGFILE", &keys).env("POSTBACK_ACCESS_TOKEN", TOKEN);
    for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        command.env(name, &proxy.url);
    }
    let read = said(&mut command);
    assert_eq!((read.code, read.stdout.trim()), (0, r#"{"order_id":"007"}"#), "{}", read.stderr);
    for request in seen.connections() {
        let request = String::from_utf8(request).unwrap();
        assert!(request.starts_with("GET /orders.csv?key=7 HTTP/1.1"), "{request}");
        assert!(!request.contains(TOKEN) && !request.to_lowercase().contains("authorization"), "{request}");
    }
    assert!(!keys.exists() && proxy.requests().is_empty());
    let of_query = format!("SET postback.ca_file = '{trusted}'; {query}");
    let refused = said(&mut postback(&["sql", &of_query]));
    assert!(refused.code == 2 && refused.stderr.contains("POSTBACK_CA_FILE"), "{}", refused.stderr);
}

#[test]
fn a_source_behind_a_bad_certificate_is_refused_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let authorities = ["one", "other"].map(authority);
    let [authority, other] = &authorities;
    for (host, last_year, trusted, told, hint) in [
        ("localhost", 2_020, authority, "whose certificate is expired or not valid yet", "clock"),
        ("example.test", 4_000, authority, "whose certificate is for another host name", "address"),
        ("localhost", 4_000, other, "whose certificate is from an unknown authority", "--ca-file"),
    ] {
        let (url, seen) = serving(authority, host, last_year, file_sent);
        let trusted = file(folder.path(), "ca.pem", trusted.pem());
        for (location, variables) in [
            (format!("{url}/orders.csv"), vec![]),
            (
                "s3://shop/orders.csv".to_owned(),
                vec![
                    ("AWS_ENDPOINT_URL_S3", url.as_str()),
                    ("AWS_ACCESS_KEY_ID", "AKID"),
                    ("AWS_SECRET_ACCESS_KEY", "canary5e7d"),
                ],
            ),
            ("gs://shop/orders.csv".to_owned(), vec![("STORAGE_EMULATOR_HOST", url.as_str())]),
        ] {
            let query = format!("SELECT * FROM '{location}'");
            let mut command = postback(&["sql", &query, "--ca-file", &trusted]);
            let refused = said(command.envs(variables));
            assert_eq!(refused.code, 5, "{location}: {}", refused.stderr);
            for words in [told, hint, &location] {
                assert!(refused.stderr.contains(words), "{location}: no {words} in {}", refused.stderr);
            }
        }
        assert!(seen.connections().iter().all(Vec::is_empty), "{told}: nothing is asked of such a server");
    }
}

#[test]
fn a_file_of_authorities_that_cannot_be_used_ends_the_run_before_anything_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::answering([Answer::ok(OK)]);
    let run = |sql: &str, flags: &[&str], variable: Option<&str>| {
        let query = file(folder.path(), "purchases.sql", sql);
        let mut command = postback(&[&["run", &query, "--base-url", &server.url], flags].concat());
        command.env("POSTBACK_ACCESS_TOKEN", TOKEN).envs(variable.map(|path| ("POSTBACK_CA_FILE", path)));
        let said = said(&mut command);
        assert_eq!(said.code, 2, "{}", said.stderr);
        said.stderr
    };
    let empty = file(folder.path(), "empty.pem", "");
    let stderr = run(PURCHASES, &["--ca-file", &empty], None);
    assert!(stderr.contains("ca file holds no certificate") && stderr.contains(&empty), "{stderr}");
    let missing = Path::new(&empty).with_file_name("missing.pem").display().to_string();
    let stderr = run(PURCHASES, &[], Some(&missing));
    assert!(stderr.contains("ca file cannot be read") && stderr.contains(&missing), "{stderr}");
    let good = file(folder.path(), "ca.pem", authority("one").pem());
    let stderr = run(&format!("SET postback.ca_file = '{good}'; {PURCHASES}"), &[], None);
    assert!(stderr.contains("POSTBACK_CA_FILE"), "{stderr}");
    assert!(server.requests().is_empty());
}
