//! A server that answers as it is told and keeps what it was sent, and the binary run as a user would.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use serde::Deserialize;
use serde_json::value::RawValue;

/// The body of a success.
pub(crate) const OK: &str = r#"{"code":0,"message":"OK","request_id":"2026112200000000000000000000000001","data":{}}"#;

/// One request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) line: String,
    pub(crate) headers: Vec<String>,
    pub(crate) body: String,
    pub(crate) at: SystemTime,
}

/// One answer: status line and body.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: &'static str,
    pub(crate) headers: &'static str,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn ok(body: &str) -> Self {
        Self { status: "200 OK", headers: "Content-Type: application/json\r\n", body: body.to_owned() }
    }
}

type Judge = dyn FnMut(&Request) -> Answer + Send;

/// A server on a free loopback port. It gives its answers in order and repeats the last one.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    pub(crate) fn answering(answers: impl IntoIterator<Item = Answer>) -> Self {
        let mut answers = answers.into_iter().collect::<VecDeque<_>>();
        Self::judging(move |_| {
            let next = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
            next.unwrap()
        })
    }

    /// A server whose answers depend on what was asked.
    pub(crate) fn judging(judge: impl FnMut(&Request) -> Answer + Send + 'static) -> Self {
        Self::start(Duration::ZERO, judge)
    }

    /// A server that accepts everything, `wait` after it was asked.
    pub(crate) fn accepting_after(wait: Duration) -> Self {
        Self::start(wait, |_| Answer::ok(OK))
    }

    fn start(wait: Duration, judge: impl FnMut(&Request) -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let judge: Arc<Mutex<Judge>> = Arc::new(Mutex::new(judge));
        let kept = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (kept, judge) = (Arc::clone(&kept), Arc::clone(&judge));
                // A client that goes away ends its connection, not the test.
                std::thread::spawn(move || drop(serve(&stream.unwrap(), &kept, wait, &judge)));
            }
        });
        Self { url, requests }
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

fn serve(stream: &TcpStream, kept: &Mutex<Vec<Request>>, wait: Duration, judge: &Mutex<Judge>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            match line.trim_end() {
                "" => break,
                line => head.push(line.to_owned()),
            }
        }
        let length =
            head.iter().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:").map(str::to_owned));
        let mut body = vec![0; length.map_or(0, |length| length.trim().parse().unwrap())];
        reader.read_exact(&mut body)?;
        let (line, body) = (head.remove(0), String::from_utf8(body).unwrap());
        let request = Request { line, headers: head, body, at: SystemTime::now() };
        kept.lock().unwrap().push(request.clone());
        std::thread::sleep(wait);
        let Answer { status, headers, body } = judge.lock().unwrap()(&request);
        let mut writer = stream;
        write!(writer, "HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())?;
    }
}

/// The repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A folder of its own for what one command leaves behind.
fn ledger() -> String {
    static COMMANDS: AtomicUsize = AtomicUsize::new(0);
    let number = COMMANDS.fetch_add(1, Ordering::Relaxed);
    format!("{}/ledgers/{}-{number}", env!("CARGO_TARGET_TMPDIR"), std::process::id())
}

/// The binary with `arguments`, in the repository's folder, without any `POSTBACK_*` variable but a ledger of its own.
pub(crate) fn postback(arguments: &[&str]) -> Command {
    program(env!("CARGO_BIN_EXE_postback"), arguments)
}

/// Another program in the place of the binary, such as one that runs it.
pub(crate) fn program(name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(name);
    command.args(arguments).current_dir(root()).env("NO_COLOR", "1");
    for (variable, _) in std::env::vars_os() {
        if variable.to_string_lossy().starts_with("POSTBACK_") {
            command.env_remove(variable);
        }
    }
    command.env("POSTBACK_LEDGER", ledger());
    command
}

/// What the binary said, with line ends and the paths of temporary folders as they are.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs `command` to its end.
pub(crate) fn said(command: &mut Command) -> Said {
    let Output { status, stdout, stderr } = command.output().unwrap();
    Said {
        code: status.code().unwrap(),
        stdout: String::from_utf8(stdout).unwrap(),
        stderr: String::from_utf8(stderr).unwrap(),
    }
}

/// Writes `content` to `name` in `folder` and returns the path as text.
pub(crate) fn file(folder: &Path, name: &str, content: impl AsRef<[u8]>) -> String {
    let path: PathBuf = folder.join(name);
    std::fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    data: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Identity<'a> {
    event_id: &'a str,
}

/// The events of all requests to `server`, as sent, sorted by event id.
pub(crate) fn arrived(server: &Server) -> Vec<String> {
    let requests = server.requests();
    let mut events: Vec<(String, String)> = Vec::new();
    for request in &requests {
        let body: Body<'_> = serde_json::from_str(&request.body).unwrap();
        for event in body.data {
            let identity: Identity<'_> = serde_json::from_str(event.get()).unwrap();
            events.push((identity.event_id.to_owned(), event.get().to_owned()));
        }
    }
    events.sort();
    events.into_iter().map(|(_, event)| event).collect()
}

/// The golden file `name`.
pub(crate) fn golden(name: &str) -> String {
    std::fs::read_to_string(root().join("tests/golden").join(name)).unwrap()
}
