//! The bytes of an object as a blocking stream, for the readers of text.

use std::io::{self, Read};
use std::sync::Arc;

use bytes::{Buf, Bytes};
use datafusion::object_store::{GetOptions, GetRange, ObjectMeta, ObjectStore};
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use tokio::runtime::Handle;

/// The bytes of an object, fetched while they are read; the object must be the one that was listed.
pub(super) struct Stream {
    runtime: Handle,
    chunks: BoxStream<'static, io::Result<Bytes>>,
    chunk: Bytes,
}

impl Stream {
    /// Starts to fetch the object that `meta` describes, from `offset` on, which is in it. Blocks while it is read, so it belongs on a blocking thread of
    /// the runtime.
    pub(super) fn open(store: &Arc<dyn ObjectStore>, meta: &ObjectMeta, offset: u64) -> Self {
        let (store, meta) = (Arc::clone(store), meta.clone());
        let fetched = async move {
            let options = GetOptions {
                if_match: meta.e_tag.clone(),
                version: meta.version.clone(),
                range: (offset > 0).then_some(GetRange::Offset(offset)),
                ..GetOptions::default()
            };
            let found = store.get_opts(&meta.location, options).await.map_err(io::Error::from)?;
            Ok::<_, io::Error>(found.into_stream().map_err(io::Error::from))
        };
        let chunks = stream::once(fetched).try_flatten().boxed();
        Self { runtime: Handle::current(), chunks, chunk: Bytes::new() }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() {
            match self.runtime.block_on(self.chunks.next()) {
                Some(chunk) => self.chunk = chunk?,
                None => return Ok(0),
            }
        }
        let count = buffer.len().min(self.chunk.len());
        self.chunk.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}
