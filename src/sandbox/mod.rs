//! A local Events API: a real HTTP server that judges requests by the contract, de-duplicates like TikTok, and shows
//! what arrived on a web page.
//!
//! Invariants:
//! - A request is taken or refused as a whole; a refusal names the first failure and leaves no trace but its count.
//! - Checks come in TikTok's order: path and method, token present, token known, rate, JSON, envelope, events.
//! - Every event that arrived is counted once: unique, merged, dropped or refused.
//! - Verdicts come from the contract's tables, so a new field is judged without a line changed here.
//! - Memory is bounded: counts and 24-byte keys for all events, JSON for the last few thousand only.
//!
//! It has no accounts, hence no permissions to refuse, and no matching: what it calls unique is what TikTok would
//! have counted as an event, not what it could attribute. It never repeats a value in a message. Its private
//! routes show events as they arrived: hashed identifiers as digests, plain ones such as an IP address plainly.
//!
//! | route | answers |
//! |---|---|
//! | `POST /open_api/v1.3/event/track/` | TikTok's form: `code`, `message`, `request_id`, `data` |
//! | `GET /` | the page |
//! | `GET /state.json` | the [`Snapshot`] |
//! | `GET /events.ndjson` | the kept events that count, one line each, with their envelope |
//! | `POST /reset` | forgets everything that arrived |
//! | `GET /faults` | the fault script in force, and what it has done |
//! | `PUT /faults` | puts the script in the body in force: see [`faults`] |
//! | `DELETE /faults` | ends all faults |

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use self::faults::wire::{Connection, Doors};
use crate::contract::MAX_REQUESTS_PER_SECOND;
use crate::error::{Error, ErrorKind, Result};

#[cfg(test)]
mod cases;
mod dedup;
mod envelope;
pub mod faults;
mod json;
mod judge;
mod kinds;
mod page;
mod record;
mod rules;
mod server;
mod shape;
mod snapshot;
mod throttle;

pub use faults::Script;
pub use rules::Profile;
pub use snapshot::{Amount, Duplicate, EventCount, FaultCount, RefusalCount, RequestLine, Snapshot, WarningCount};

/// How long open connections may take to finish when the sandbox stops.
const STOP_TIME: Duration = Duration::from_secs(2);

/// The time in Unix seconds.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// How a sandbox behaves.
#[derive(Clone)]
pub struct Options {
    /// Where to listen; port 0 takes a free one.
    pub bind: SocketAddr,
    /// How strict to be.
    pub profile: Profile,
    /// The only token that is known; with none, any token is.
    pub token: Option<SecretString>,
    /// The time that events are judged and de-duplicated by.
    pub clock: Clock,
    /// Requests admitted in any second.
    pub requests_per_second: u64,
    /// Whether all events are kept for inspection, whatever memory they take.
    pub keep_all: bool,
    /// Which requests go wrong, and how.
    pub faults: Script,
}

impl Options {
    /// A free port of the loopback interface, the documented rules, any token, TikTok's rate limit.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self {
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            profile: Profile::default(),
            token: None,
            clock,
            requests_per_second: MAX_REQUESTS_PER_SECOND,
            keep_all: false,
            faults: Script::default(),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("bind", &self.bind).field("profile", &self.profile).finish_non_exhaustive()
    }
}

/// A running sandbox. Dropping it stops it too, without waiting for the requests in flight.
pub struct Sandbox {
    shared: Arc<server::Shared>,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<std::io::Result<()>>,
}

impl Sandbox {
    /// Binds and starts to serve.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] when the address cannot be bound.
    pub async fn start(options: Options) -> Result<Self> {
        let cannot_bind = |error| {
            Error::new(ErrorKind::Usage, "cannot listen for the sandbox")
                .context("address", options.bind)
                .hint("choose another address or port 0")
                .source(error)
        };
        let listener = TcpListener::bind(options.bind).await.map_err(cannot_bind)?;
        let address = listener.local_addr().map_err(cannot_bind)?;
        let (doors, port) = Doors::new(listener, address);
        let shared = Arc::new(server::Shared::new(options, address, port));
        let (stop, stopped) = oneshot::channel();
        let service = server::router(shared.clone()).into_make_service_with_connect_info::<Connection>();
        let serving = tokio::spawn(async move {
            let stopped = async { drop(stopped.await) };
            axum::serve(doors, service).with_graceful_shutdown(stopped).await
        });
        Ok(Self { shared, stop, serving })
    }

    /// What to set as the API's base URL, for example `http://127.0.0.1:40123`.
    #[must_use]
    pub fn base_url(&self) -> String {
        self.shared.base_url()
    }

    /// What arrived so far, in numbers.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.shared.snapshot()
    }

    /// The events that count, in the order of arrival, each a JSON object with `event_source`, `event_source_id` and
    /// `test_event_code` in front of its own keys: all of them with [`Options::keep_all`], else the last ones.
    #[must_use]
    pub fn events(&self) -> Vec<String> {
        self.shared.record().events().collect()
    }

    /// Puts another fault script in force, and numbers requests anew.
    pub fn set_faults(&self, script: Script) {
        self.shared.faults.set(script);
    }

    /// Forgets everything that arrived.
    pub fn reset(&self) {
        self.shared.reset();
    }

    /// Stops to listen and waits for the requests in flight, two seconds at most.
    pub async fn stop(self) {
        // An error only says that the server has ended already.
        self.stop.send(()).ok();
        let abort = self.serving.abort_handle();
        if tokio::time::timeout(STOP_TIME, self.serving).await.is_err() {
            abort.abort();
        }
    }
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox").field("base_url", &self.base_url()).finish_non_exhaustive()
    }
}
