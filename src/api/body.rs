//! A request body that knows whether all of it has left.
//!
//! The connection takes a piece, and drops it when it has written it. The last byte is a piece of its own, which is handed
//! out once the one before is gone: whoever has got it has written all the others. Of what the operating system still
//! holds nobody knows, so that a body which is small enough to be taken at once is one piece.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

/// Bytes that every socket takes without waiting for the other side.
const TAKEN_AT_ONCE: usize = 16 << 10;

/// The body.
#[derive(Debug)]
pub(super) struct Body {
    /// All but the last piece.
    most: Bytes,
    last: Bytes,
    progress: Progress,
}

/// How far the body has come.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    most_has_left: AtomicBool,
    is_handed_out: AtomicBool,
    waiting: Mutex<Option<Waker>>,
}

impl Body {
    /// The body of these bytes, and where to ask about it.
    pub(super) fn new(bytes: Bytes) -> (Self, Progress) {
        let progress = Progress::default();
        let (mut most, mut last) = (Bytes::new(), bytes);
        if last.len() > TAKEN_AT_ONCE {
            most = last.split_to(last.len() - 1);
        } else {
            progress.0.most_has_left.store(true, Ordering::Release);
        }
        (Self { most, last, progress: progress.clone() }, progress)
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if !self.most.is_empty() {
            let piece = Piece { bytes: std::mem::take(&mut self.most), progress: self.progress.clone() };
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from_owner(piece)))));
        }
        if !self.progress.0.has_left(context) {
            return Poll::Pending;
        }
        self.progress.0.is_handed_out.store(true, Ordering::Release);
        let last = std::mem::take(&mut self.last);
        Poll::Ready((!last.is_empty()).then(|| Ok(Frame::data(last))))
    }

    fn is_end_stream(&self) -> bool {
        self.most.is_empty() && self.last.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact((self.most.len() + self.last.len()) as u64)
    }
}

impl Progress {
    /// Whether every byte was given to the operating system, or the last one is about to be.
    pub(super) fn is_complete(&self) -> bool {
        self.0.is_handed_out.load(Ordering::Acquire)
    }
}

impl Shared {
    /// Whether all but the last piece has left; if not, `context` is woken when it has.
    fn has_left(&self, context: &Context<'_>) -> bool {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let has_left = self.most_has_left.load(Ordering::Acquire);
        *waiting = (!has_left).then(|| context.waker().clone());
        has_left
    }
}

/// A piece of the body, which says when it is gone.
#[derive(Debug)]
struct Piece {
    bytes: Bytes,
    progress: Progress,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        let shared = &self.progress.0;
        let waiting = {
            let mut waiting = shared.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            shared.most_has_left.store(true, Ordering::Release);
            waiting.take()
        };
        if let Some(waker) = waiting {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body::Body as _;

    use super::*;

    fn next(body: &mut Body) -> Poll<Option<Bytes>> {
        let frame = Pin::new(body).poll_frame(&mut Context::from_waker(Waker::noop()));
        frame.map(|frame| frame.map(|Ok(frame)| frame.into_data().expect("no trailers")))
    }

    #[test]
    fn the_last_byte_waits_until_all_others_have_left() {
        let bytes = Bytes::from(vec![7; TAKEN_AT_ONCE + 1]);
        let (mut body, progress) = Body::new(bytes.clone());
        assert_eq!(body.size_hint().exact(), Some(bytes.len() as u64));
        let Poll::Ready(Some(most)) = next(&mut body) else { panic!("a piece") };
        assert_eq!(most.len(), TAKEN_AT_ONCE);
        assert!(next(&mut body).is_pending() && !progress.is_complete() && !body.is_end_stream());
        drop(most);
        assert!(!progress.is_complete());
        assert_eq!(next(&mut body), Poll::Ready(Some(bytes.slice(TAKEN_AT_ONCE..))));
        assert!(progress.is_complete() && body.is_end_stream());
    }

    #[test]
    fn a_small_body_is_one_piece() {
        let (mut body, progress) = Body::new(Bytes::from_static(b"{}"));
        assert!(!progress.is_complete());
        assert_eq!(next(&mut body), Poll::Ready(Some(Bytes::from_static(b"{}"))));
        assert!(progress.is_complete() && body.is_end_stream());
    }
}
