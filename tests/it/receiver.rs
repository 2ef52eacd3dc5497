//! A receiver that judges and counts as TikTok does, behind a front that can act at named moments of a request.

use std::collections::BTreeSet;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use postback::sandbox::{Options, Sandbox, Script, Snapshot};
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::runtime::{Builder, Runtime};

/// Where the sandboxes live.
static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap());

/// What can be seen of a request from the outside, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Moment {
    /// The connection is accepted; nothing is read.
    Connected,
    /// The head is read.
    Head,
    /// Half of the body is read.
    HalfBody,
    /// The whole body is read, and nothing is counted yet.
    WholeBody,
    /// The events count, and no byte of the answer is written.
    Processed,
    /// Half of the answer is written.
    HalfAnswer,
    /// The whole answer is written.
    WholeAnswer,
}

/// How a request goes on after a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    GoOn,
    HangUp,
}

/// An event that arrived: its id, and all of it as it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) json: String,
}

/// A request whose whole body arrived.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    /// Which run it is of, from 0.
    pub(crate) run: usize,
    /// When its last byte had come.
    pub(crate) at: SystemTime,
    pub(crate) events: Vec<Event>,
}

type Hook = dyn FnMut(Moment, &[Event]) -> Next + Send;

/// The front, and the sandbox behind it.
pub(crate) struct Receiver {
    pub(crate) url: String,
    shared: Arc<Shared>,
    sandbox: Sandbox,
    door: Option<JoinHandle<()>>,
}

struct Shared {
    upstream: SocketAddr,
    wait: Duration,
    run: AtomicUsize,
    is_closed: AtomicUsize,
    hook: Mutex<Box<Hook>>,
    arrivals: Mutex<Vec<Arrival>>,
    connections: Mutex<Vec<JoinHandle<()>>>,
}

impl Receiver {
    /// Starts one that answers `wait` after it was asked, under the faults of `script`.
    pub(crate) fn start(wait: Duration, script: &str) -> Self {
        let sandbox = sandbox(script, true);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            upstream: sandbox.base_url().strip_prefix("http://").unwrap().parse().unwrap(),
            wait,
            run: AtomicUsize::new(0),
            is_closed: AtomicUsize::new(0),
            hook: Mutex::new(Box::new(|_, _| Next::GoOn)),
            arrivals: Mutex::default(),
            connections: Mutex::default(),
        });
        let behind = Arc::clone(&shared);
        let door = std::thread::spawn(move || behind.listen(&listener));
        Self { url, shared, sandbox, door: Some(door) }
    }

    /// Calls `hook` at every moment of run number `run`, one moment at a time. No request of an earlier run is left.
    pub(crate) fn during(&self, run: usize, hook: impl FnMut(Moment, &[Event]) -> Next + Send + 'static) {
        self.settle();
        self.shared.run.store(run, Ordering::SeqCst);
        *self.shared.hook.lock().unwrap_or_else(PoisonError::into_inner) = Box::new(hook);
    }

    /// Waits until every connection has ended, which it does soon after its client.
    pub(crate) fn settle(&self) {
        loop {
            let Some(connection) = self.shared.connections.lock().unwrap().pop() else { return };
            connection.join().unwrap();
        }
    }

    /// The requests whose whole body arrived.
    pub(crate) fn arrivals(&self) -> Vec<Arrival> {
        self.shared.arrivals.lock().unwrap().clone()
    }

    /// What the server counted.
    pub(crate) fn snapshot(&self) -> Snapshot {
        self.sandbox.snapshot()
    }

    /// Ids of the events that count.
    pub(crate) fn counted(&self) -> BTreeSet<String> {
        let id = |event: String| {
            let event: Value = serde_json::from_str(&event).unwrap();
            event["event_id"].as_str().unwrap().to_owned()
        };
        self.sandbox.events().into_iter().map(id).collect()
    }

    /// Forgets everything that arrived.
    pub(crate) fn forget(&self) {
        self.settle();
        self.sandbox.reset();
        self.shared.arrivals.lock().unwrap().clear();
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.shared.is_closed.store(1, Ordering::SeqCst);
        drop(TcpStream::connect(self.url.strip_prefix("http://").unwrap()));
        if let Some(door) = self.door.take() {
            door.join().ok();
        }
    }
}

impl Shared {
    fn listen(self: &Arc<Self>, listener: &TcpListener) {
        for stream in listener.incoming() {
            if self.is_closed.load(Ordering::SeqCst) == 1 {
                return;
            }
            let (shared, run) = (Arc::clone(self), self.run.load(Ordering::SeqCst));
            // A client that goes away ends its connection, not the test.
            let connection = std::thread::spawn(move || drop(shared.serve(&stream.unwrap(), run)));
            self.connections.lock().unwrap().push(connection);
        }
    }

    fn serve(&self, mut stream: &TcpStream, run: usize) -> io::Result<()> {
        self.reach(Moment::Connected, &[])?;
        let mut reader = BufReader::new(stream);
        let upstream = TcpStream::connect(self.upstream)?;
        let mut answers = BufReader::new(&upstream);
        while let Some((head, length)) = read_head(&mut reader)? {
            self.reach(Moment::Head, &[])?;
            let mut body = vec![0; length];
            let (first, second) = body.split_at_mut(length / 2);
            reader.read_exact(first)?;
            self.reach(Moment::HalfBody, &[])?;
            reader.read_exact(second)?;
            let (events, at) = (events(&body), SystemTime::now());
            self.reach(Moment::WholeBody, &events)?;
            std::thread::sleep(self.wait);
            self.arrivals.lock().unwrap().push(Arrival { run, at, events: events.clone() });
            (&upstream).write_all(&[head.as_bytes(), &body].concat())?;
            // A server that broke off is one to the client, too.
            let (head, length) = read_head(&mut answers)?.ok_or(io::ErrorKind::UnexpectedEof)?;
            let mut answer = head.into_bytes();
            let start = answer.len();
            answer.resize(start + length, 0);
            answers.read_exact(&mut answer[start..])?;
            self.reach(Moment::Processed, &events)?;
            let (first, second) = answer.split_at(answer.len() / 2);
            stream.write_all(first)?;
            self.reach(Moment::HalfAnswer, &events)?;
            stream.write_all(second)?;
            self.reach(Moment::WholeAnswer, &events)?;
        }
        Ok(())
    }

    fn reach(&self, moment: Moment, events: &[Event]) -> io::Result<()> {
        match self.hook.lock().unwrap()(moment, events) {
            Next::GoOn => Ok(()),
            Next::HangUp => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }
}

/// A sandbox without a front, under the faults of `script`.
pub(crate) fn sandbox(script: &str, keep_all: bool) -> Sandbox {
    let faults = Script::parse(script, "faults.toml").unwrap();
    let options = Options { keep_all, faults, ..Options::new(Arc::new(now)) };
    RUNTIME.block_on(Sandbox::start(options)).unwrap()
}

/// Unix seconds.
pub(crate) fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

/// The head of a message with its empty line, and the length of its body; `None` at the end of the connection.
fn read_head(reader: &mut impl BufRead) -> io::Result<Option<(String, usize)>> {
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let start = head.len();
        if reader.read_line(&mut head)? == 0 {
            return Ok(None);
        }
        let line = head[start..].trim_end().to_ascii_lowercase();
        if line.is_empty() {
            return Ok(Some((head, length)));
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
}

/// The events of a request body, as they are written in it.
pub(crate) fn events(body: &[u8]) -> Vec<Event> {
    #[derive(serde::Deserialize)]
    struct Body<'a> {
        #[serde(borrow)]
        data: Vec<&'a RawValue>,
    }
    #[derive(serde::Deserialize)]
    struct Named<'a> {
        event_id: &'a str,
    }
    let body: Body<'_> = serde_json::from_slice(body).unwrap();
    let event = |event: &RawValue| {
        let named: Named<'_> = serde_json::from_str(event.get()).unwrap();
        Event { id: named.event_id.to_owned(), json: event.get().to_owned() }
    };
    body.data.into_iter().map(event).collect()
}
