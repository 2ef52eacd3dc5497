//! Connections that can be told to break, and a port that can be told to close.
//!
//! Everything else of HTTP is hyper's. A handler that wants a fault below HTTP tells its [`Connection`] what to send
//! instead of the answer that hyper is about to write, and how to end.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::response::{IntoResponse, Response};
use axum::serve::{IncomingStream, Listener};
use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};

/// Between attempts to listen again.
const RETRY_BIND: Duration = Duration::from_millis(20);

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// In order.
    Close,
    /// With a reset.
    Reset,
}

/// What a handler knows of the connection its request came on.
#[derive(Clone, Debug)]
pub(crate) struct Connection(Arc<Link>);

#[derive(Debug, Default)]
struct Link {
    requests: AtomicU64,
    instead: Mutex<Option<(Bytes, Ending)>>,
}

impl Connection {
    /// Counts a request and says whether the connection carried one before.
    pub(crate) fn is_reused(&self) -> bool {
        self.0.requests.fetch_add(1, Ordering::Relaxed) > 0
    }

    /// Sends `bytes` instead of the response that is given back, and ends the connection.
    pub(crate) fn end_with(&self, bytes: Bytes, ending: Ending) -> Response {
        *self.0.instead.lock().unwrap_or_else(PoisonError::into_inner) = Some((bytes, ending));
        ().into_response()
    }
}

impl Connected<IncomingStream<'_, Doors>> for Connection {
    fn connect_info(stream: IncomingStream<'_, Doors>) -> Self {
        Self(Arc::clone(&stream.io().link))
    }
}

/// Lets handlers close the port for a while.
#[derive(Clone, Debug)]
pub(crate) struct Port {
    closings: mpsc::Sender<Closing>,
    is_closed: Arc<AtomicBool>,
}

/// How long to close the port, and where to say that it is closed.
type Closing = (Duration, oneshot::Sender<()>);

impl Port {
    /// Closes the port for `duration`. When this returns, connections are refused.
    pub(crate) async fn close(&self, duration: Duration) {
        let (closed, is_closed) = oneshot::channel();
        // Without a listener there is nothing to close.
        if self.closings.send((duration, closed)).await.is_ok() {
            is_closed.await.ok();
        }
    }

    /// Whether connections are refused. Those that stand already should not be better off.
    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Relaxed)
    }
}

/// The listener: accepts connections that can break, and closes when told to.
#[derive(Debug)]
pub(crate) struct Doors {
    listener: Option<TcpListener>,
    address: SocketAddr,
    closings: mpsc::Receiver<Closing>,
    is_closed: Arc<AtomicBool>,
    reopen_at: Option<tokio::time::Instant>,
}

impl Doors {
    /// Takes over a listener that is bound to `address`.
    pub(crate) fn new(listener: TcpListener, address: SocketAddr) -> (Self, Port) {
        let (sender, closings) = mpsc::channel(1);
        let is_closed = Arc::new(AtomicBool::new(false));
        let port = Port { closings: sender, is_closed: Arc::clone(&is_closed) };
        (Self { listener: Some(listener), address, closings, is_closed, reopen_at: None }, port)
    }

    fn close(&mut self, (duration, closed): Closing) {
        self.listener = None;
        self.is_closed.store(true, Ordering::Relaxed);
        self.reopen_at = Some(tokio::time::Instant::now() + duration);
        // Whoever asked may be gone.
        closed.send(()).ok();
    }
}

impl Listener for Doors {
    type Io = Wire;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Wire, SocketAddr) {
        loop {
            let Some(listener) = &self.listener else {
                if let Some(at) = self.reopen_at {
                    tokio::time::sleep_until(at).await;
                }
                match TcpListener::bind(self.address).await {
                    Ok(listener) => {
                        self.listener = Some(listener);
                        self.is_closed.store(false, Ordering::Relaxed);
                    }
                    Err(_) => tokio::time::sleep(RETRY_BIND).await,
                }
                continue;
            };
            tokio::select! {
                Some(closing) = self.closings.recv() => self.close(closing),
                accepted = listener.accept() => match accepted {
                    Ok((stream, address)) => return (Wire { stream, link: Arc::default(), ending: None }, address),
                    // Out of descriptors, or a connection that was gone before it was taken.
                    Err(_) => tokio::time::sleep(RETRY_BIND).await,
                },
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

/// A connection that may send something else than it is given.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: TcpStream,
    link: Arc<Link>,
    /// What is sent instead, once that has begun.
    ending: Option<(Bytes, Ending)>,
}

impl Wire {
    /// Sends what was asked for, ends the connection, and says so to whoever writes.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let Some((bytes, ending)) = &mut self.ending else { return Poll::Ready(io::ErrorKind::BrokenPipe.into()) };
        while !bytes.is_empty() {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, bytes)) {
                Ok(0) => return Poll::Ready(io::ErrorKind::WriteZero.into()),
                Ok(written) => bytes.advance(written),
                Err(error) => return Poll::Ready(error),
            }
        }
        match ending {
            // A reset that cannot be made is a close, which is broken enough.
            Ending::Reset => drop(self.stream.set_zero_linger()),
            Ending::Close => drop(ready!(Pin::new(&mut self.stream).poll_shutdown(cx))),
        }
        Poll::Ready(io::ErrorKind::ConnectionReset.into())
    }

    fn is_ending(&mut self) -> bool {
        if self.ending.is_none() {
            self.ending = self.link.instead.lock().unwrap_or_else(PoisonError::into_inner).take();
        }
        self.ending.is_some()
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.is_ending() {
            return self.poll_end(cx).map(Err);
        }
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.ending.as_ref().is_some_and(|(_, ending)| *ending == Ending::Reset) {
            // Shut down in order first, it would not be a reset any more.
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
