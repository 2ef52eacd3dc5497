//! One exchange with a server that breaks the rules of HTTP, byte by byte.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use postback::api::{BaseUrl, Client, Options, RawResponse, Timeouts, TransportError, TransportKind};
use postback::delivery::response::{Fate, Grounds, classify};
use secrecy::SecretString;

use crate::server::OK;

const DOUBT: Fate = Fate::Doubtful { garbled: false };
/// More than the buffers between two programs take.
const LARGE: usize = 32 << 20;

/// A server that leaves each connection, with its number from 0, to `serve`. What `serve` gives back stays open.
fn serving(serve: impl Fn(usize, TcpStream) -> Option<TcpStream> + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (serve, open) = (Arc::new(serve), Arc::new(Mutex::new(Vec::new())));
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let (serve, open, stream) = (Arc::clone(&serve), Arc::clone(&open), stream.unwrap());
            std::thread::spawn(move || open.lock().unwrap().extend(serve(number, stream)));
        }
    });
    url
}

/// Reads the head of a request and gives the length of its body, or none at the end of the connection.
fn head(reader: &mut impl BufRead) -> Option<usize> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end().to_ascii_lowercase().split_once(':') {
            Some(("content-length", value)) => length = value.trim().parse().unwrap(),
            None if line.trim_end().is_empty() => return Some(length),
            _ => {}
        }
    }
}

/// Reads a whole request; says whether there was one.
fn request(reader: &mut impl BufRead) -> bool {
    head(reader).is_some_and(|length| reader.read_exact(&mut vec![0; length]).is_ok())
}

/// Reads one request of `stream`, then writes `first`, and `rest` again and again until the client goes.
fn endless(mut stream: TcpStream, first: &str, rest: &str) -> Option<TcpStream> {
    assert!(request(&mut BufReader::new(&stream)));
    stream.write_all(first.as_bytes()).ok()?;
    let rest = rest.repeat(4096 / rest.len() + 1);
    while stream.write_all(rest.as_bytes()).is_ok() {}
    None
}

/// As [`endless`], one byte in twenty milliseconds.
fn slow(mut stream: TcpStream, first: &str, rest: &str) -> Option<TcpStream> {
    assert!(request(&mut BufReader::new(&stream)));
    stream.write_all(first.as_bytes()).ok()?;
    stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    for byte in rest.bytes().cycle() {
        // The client says nothing more: reading is waiting, until it goes.
        if stream.read(&mut [0]).is_ok() {
            return None;
        }
        stream.write_all(&[byte]).ok()?;
    }
    None
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
}

fn client(url: &str) -> Client {
    let timeouts = Timeouts {
        first_byte: Duration::from_millis(900),
        idle: Duration::from_millis(500),
        total: Duration::from_millis(1_500),
        ..Timeouts::default()
    };
    let options = Options { timeouts, ..Options::default() };
    Client::with_options(&BaseUrl::parse(url).unwrap(), &SecretString::from("t0k3n"), options).unwrap()
}

/// A client that waits as long as in a run.
fn patient(url: &str) -> Client {
    Client::new(&BaseUrl::parse(url).unwrap(), &SecretString::from("t0k3n")).unwrap()
}

async fn exchange(url: &str) -> Result<RawResponse, TransportError> {
    client(url).track(Bytes::from_static(b"{}")).await
}

fn fate(exchange: &Result<RawResponse, TransportError>) -> Fate {
    classify(exchange, 2).fate
}

#[tokio::test]
async fn a_success_before_the_request_was_complete_is_in_doubt() {
    let body = Bytes::from(vec![b' '; LARGE]);
    for (status, json, expected) in [
        ("200 OK", OK, DOUBT),
        ("200 OK", r#"{"code":20001,"message":"some","request_id":"1"}"#, DOUBT),
        ("413 Content Too Large", "", Fate::TooLarge),
        ("200 OK", r#"{"code":40105,"message":"revoked","request_id":"1"}"#, Fate::Stop(Grounds::Credentials)),
    ] {
        let answer = answer(status, "", json);
        let url = serving(move |_, mut stream| {
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let length = head(&mut reader).unwrap();
            reader.read_exact(&mut vec![0; length / 2]).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
            Some(stream)
        });
        let exchange = patient(&url).track(body.clone()).await;
        assert!(exchange.as_ref().is_ok_and(|response| response.is_premature), "{exchange:?}");
        assert_eq!(fate(&exchange), expected, "{status} {json}");
    }
}

#[tokio::test]
async fn a_success_before_the_request_was_complete_and_then_a_reset_is_in_doubt() {
    let url = serving(|_, mut stream| {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let length = head(&mut reader).unwrap();
        reader.read_exact(&mut vec![0; length / 2]).unwrap();
        // Closed with bytes unread, which resets the connection.
        stream.write_all(answer("200 OK", "", OK).as_bytes()).ok()?;
        None
    });
    for _ in 0..5 {
        assert_eq!(fate(&patient(&url).track(vec![b' '; LARGE].into()).await), DOUBT);
    }
}

#[tokio::test]
async fn a_success_after_the_whole_request_is_one_whatever_its_size() {
    let url = serving(|_, mut stream| {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        while request(&mut reader) {
            stream.write_all(answer("200 OK", "", OK).as_bytes()).ok()?;
        }
        None
    });
    let client = patient(&url);
    for size in [2, 16 << 10, (16 << 10) + 1, 1 << 20, LARGE] {
        for _ in 0..4 {
            let exchange = client.track(vec![b' '; size].into()).await;
            assert_eq!(fate(&exchange), Fate::Accepted, "{size}: {exchange:?}");
        }
    }
}

#[tokio::test]
async fn a_second_answer_to_one_request_answers_no_other() {
    let connections = Arc::new(AtomicUsize::new(0));
    let opened = Arc::clone(&connections);
    let url = serving(move |number, mut stream| {
        opened.fetch_add(1, Ordering::SeqCst);
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        // Every other connection answers its first request twice, and to every other request says that it is busy.
        let success = answer("200 OK", "", OK);
        let busy = answer("200 OK", "", r#"{"code":50000,"message":"busy","request_id":"2"}"#);
        let mut next = if number % 2 == 0 { success.repeat(2) } else { busy.clone() };
        while request(&mut reader) {
            stream.write_all(next.as_bytes()).ok()?;
            next.clone_from(&busy);
        }
        None
    });
    for _ in 0..10 {
        let client = client(&url);
        let first = client.track(Bytes::from_static(b"{}")).await;
        let second = client.track(Bytes::from_static(b"{}")).await;
        assert!([Fate::Accepted, DOUBT].contains(&fate(&first)), "{first:?}");
        assert!(fate(&first) == DOUBT || fate(&second) == DOUBT, "{first:?} {second:?}");
    }
    assert!(connections.load(Ordering::SeqCst) >= 10);
}

#[tokio::test]
async fn what_comes_before_the_answer_is_not_the_answer() {
    for before in ["HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"] {
        for last in [OK, r#"{"code":50000,"message":"busy","request_id":"2"}"#] {
            let all = before.repeat(3) + &answer("200 OK", "", last);
            let url = serving(move |_, mut stream| {
                assert!(request(&mut BufReader::new(&stream)));
                stream.write_all(all.as_bytes()).ok()?;
                Some(stream)
            });
            let expected = if last == OK { Fate::Accepted } else { DOUBT };
            assert_eq!(fate(&exchange(&url).await), expected, "{before}");
        }
    }
}

#[tokio::test]
async fn answers_without_an_end_are_given_up() {
    let ok = "HTTP/1.1 200 OK\r\n";
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunk = format!("1000\r\n{}\r\n", "x".repeat(4096));
    for (name, first, rest, kind) in [
        ("headers", ok, "X-A: b\r\n", TransportKind::Broken),
        ("one header", "HTTP/1.1 200 OK\r\nX-A: ", "bbbbbbbb", TransportKind::Broken),
        ("one status line", "HTTP/1.1 200 ", "OK", TransportKind::Broken),
        ("informational answers", "", "HTTP/1.1 100 Continue\r\n\r\n", TransportKind::Timeout),
        ("body", chunked, &chunk, TransportKind::Oversize),
        ("chunk size", chunked, "0", TransportKind::Timeout),
        ("trailers", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", "X-A: b\r\n", TransportKind::Broken),
    ] {
        let (first, rest) = (first.to_owned(), rest.to_owned());
        let url = serving(move |_, stream| endless(stream, &first, &rest));
        // Where size is the limit, time must not be.
        let client = if kind == TransportKind::Timeout { client(&url) } else { patient(&url) };
        let error = client.track(Bytes::from_static(b"{}")).await.expect_err(name);
        assert_eq!((error.kind, error.before_first_byte), (kind, false), "{name}: {error:?}");
    }
}

#[tokio::test]
async fn answers_that_trickle_are_given_up() {
    for (name, first, rest) in [
        ("head", "HTTP/1.1 200 OK\r\n", "X-A: bbbbbbbbbbbbbbbbbbbbbbbbbbbb\r\n"),
        ("body", "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", " "),
        ("chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\n \r\n"),
    ] {
        let url = serving(move |_, stream| slow(stream, first, rest));
        let error = exchange(&url).await.expect_err(name);
        assert_eq!((error.kind, error.before_first_byte), (TransportKind::Timeout, false), "{name}: {error:?}");
    }
    for (name, first) in [("nothing", ""), ("half a body", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{")] {
        let url = serving(move |_, mut stream| {
            assert!(request(&mut BufReader::new(&stream)));
            stream.write_all(first.as_bytes()).ok()?;
            Some(stream)
        });
        let error = exchange(&url).await.expect_err(name);
        assert_eq!((error.kind, error.before_first_byte), (TransportKind::Timeout, false), "{name}: {error:?}");
    }
}

#[tokio::test]
async fn an_answer_has_at_most_a_hundred_headers_and_four_mebibytes() {
    let headers = |count: usize| (0..count).fold(String::new(), |all, number| all + &format!("X-{number}: a\r\n"));
    // The length of the body is a header, too.
    for (headers, size, kind) in [
        (headers(99), 9, None),
        (headers(100), 9, Some(TransportKind::Broken)),
        (String::new(), 4 << 20, None),
        (String::new(), (4 << 20) + 1, Some(TransportKind::Oversize)),
    ] {
        let answer = answer("200 OK", &headers, &" ".repeat(size));
        let url = serving(move |_, mut stream| {
            assert!(request(&mut BufReader::new(&stream)));
            stream.write_all(answer.as_bytes()).ok()?;
            Some(stream)
        });
        assert_eq!(exchange(&url).await.err().map(|error| error.kind), kind, "{size}");
    }
}

#[tokio::test]
async fn a_redirect_is_an_answer_wherever_it_points() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let elsewhere = serving(move |_, _| {
        counted.fetch_add(1, Ordering::SeqCst);
        None
    });
    let port = elsewhere.rsplit(':').next().unwrap();
    let here = Arc::new(AtomicUsize::new(0));
    let mut times = 0;
    for status in
        ["301 Moved Permanently", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect"]
    {
        for location in [
            "/open_api/v1.3/event/track".to_owned(),
            "?again=1".to_owned(),
            format!("{elsewhere}/open_api/v1.3/event/track/"),
            format!("http://localhost:{port}/open_api/v1.3/event/track/"),
            format!("https://127.0.0.1:{port}/open_api/v1.3/event/track/"),
            format!("//127.0.0.1:{port}/"),
        ] {
            let (count, answer) = (Arc::clone(&here), answer(status, &format!("Location: {location}\r\n"), ""));
            let url = serving(move |_, mut stream| {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                while request(&mut reader) {
                    count.fetch_add(1, Ordering::SeqCst);
                    stream.write_all(answer.as_bytes()).ok()?;
                }
                None
            });
            times += 1;
            assert_eq!(fate(&exchange(&url).await), Fate::Stop(Grounds::Configuration), "{status} {location}");
            assert_eq!(here.load(Ordering::SeqCst), times, "{status} {location}");
        }
    }
    assert_eq!(asked.load(Ordering::SeqCst), 0, "the token went elsewhere");
}
