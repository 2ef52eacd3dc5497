//! An S3 server on loopback that keeps its objects in a folder, counts what it sends, and fails as it is told.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};

/// The key that the server knows. The secret is a canary: it may be in nothing that anybody reads.
pub(crate) const KEY: (&str, &str) = ("AKIDCANARY1f", "canary5e7d-secret");

/// One request, and what was sent for it.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) authorization: String,
    pub(crate) if_match: bool,
    pub(crate) bytes: u64,
}

/// How an answer fails.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// Another status, with a header and a body.
    Status(u16, (&'static str, &'static str), &'static str),
    /// Half of the body, and then the connection breaks.
    Half,
    /// Nothing for this long.
    Wait(Duration),
}

type Faults = dyn FnMut(&Asked) -> Option<Fault> + Send;

#[derive(Clone)]
struct Server {
    service: S3Service,
    asked: Arc<Mutex<Vec<Asked>>>,
    arrived: Arc<AtomicUsize>,
    faults: Arc<Mutex<Box<Faults>>>,
}

/// A running server; its objects lie in `bucket/key` of its folder.
pub(crate) struct S3 {
    pub(crate) url: String,
    folder: tempfile::TempDir,
    asked: Arc<Mutex<Vec<Asked>>>,
    arrived: Arc<AtomicUsize>,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Drop for S3 {
    fn drop(&mut self) {
        // An answer that is waited with is not waited for.
        self.runtime.take().unwrap().shutdown_background();
    }
}

impl S3 {
    /// A server that asks for [`KEY`].
    pub(crate) fn start() -> Self {
        Self::failing(|_| None)
    }

    /// One that fails as `faults` say.
    pub(crate) fn failing(faults: impl FnMut(&Asked) -> Option<Fault> + Send + 'static) -> Self {
        Self::serving(Some(SimpleAuth::from_single(KEY.0, KEY.1)), faults)
    }

    /// One that asks for no key.
    pub(crate) fn public() -> Self {
        Self::serving(None, |_| None)
    }

    fn serving(auth: Option<SimpleAuth>, faults: impl FnMut(&Asked) -> Option<Fault> + Send + 'static) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(folder.path()).unwrap());
        if let Some(auth) = auth {
            builder.set_auth(auth);
        }
        let asked = Arc::default();
        let arrived = Arc::default();
        let server = Server {
            service: builder.build(),
            asked: Arc::clone(&asked),
            arrived: Arc::clone(&arrived),
            faults: Arc::new(Mutex::new(Box::new(faults))),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = axum::Router::new().fallback(answer).with_state(server);
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { url, folder, asked, arrived, runtime: Some(runtime) }
    }

    /// Puts an object.
    pub(crate) fn put(&self, path: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Puts all files of `folder` below `prefix`.
    pub(crate) fn put_all(&self, prefix: &str, folder: &Path) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let name = path.file_name().unwrap().to_str().unwrap();
                self.put(&format!("{prefix}/{name}"), std::fs::read(&path).unwrap());
            }
        }
    }

    /// Requests that have come, answered or not.
    pub(crate) fn arrived(&self) -> usize {
        self.arrived.load(Ordering::SeqCst)
    }

    /// What it has answered so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

async fn answer(State(server): State<Server>, request: Request) -> Response {
    let runtime = tokio::runtime::Handle::current();
    // A request of axum is not shared between threads, so that one thread answers it.
    tokio::task::spawn_blocking(move || runtime.block_on(answered(&server, request))).await.unwrap()
}

async fn answered(server: &Server, request: Request) -> Response {
    server.arrived.fetch_add(1, Ordering::SeqCst);
    let header = |name: &str| request.headers().get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
    let mut asked = Asked {
        method: request.method().to_string(),
        path: request.uri().path().to_owned(),
        query: request.uri().query().unwrap_or_default().to_owned(),
        authorization: header("authorization"),
        if_match: request.headers().contains_key("if-match"),
        bytes: 0,
    };
    let fault = (server.faults.lock().unwrap())(&asked);
    if let Some(Fault::Wait(wait)) = fault {
        tokio::time::sleep(wait).await;
    }
    let response = if let Some(Fault::Status(status, (name, value), body)) = fault {
        Response::builder().status(status).header(name, value).body(Body::from(body)).unwrap()
    } else {
        let (parts, body) = request.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let request = s3s::HttpRequest::from_parts(parts, s3s::Body::from(body));
        server.service.call(request).await.unwrap().map(Body::new)
    };
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    asked.bytes = body.len() as u64;
    server.asked.lock().unwrap().push(asked);
    if let Some(Fault::Half) = fault {
        let half = body.slice(..body.len() / 2);
        let broken = std::io::Error::other("the connection breaks");
        let pieces: [Result<Bytes, std::io::Error>; 2] = [Ok(half), Err(broken)];
        return Response::from_parts(parts, Body::from_stream(futures::stream::iter(pieces)));
    }
    Response::from_parts(parts, Body::from(body))
}
