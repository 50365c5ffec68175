//! Serving metrics over HTTP, to whoever asks however badly.
//!
//! What a client can take is bounded: so many connections, each for so long and with so large a header,
//! and one collection a second. When there are too many connections, the oldest is closed: a scraper that
//! comes while others hold connections open is served at once, and takes some milliseconds.

use std::{
    collections::VecDeque,
    convert::Infallible,
    sync::Arc,
    time::{Duration, Instant},
};

use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{ALLOW, CONTENT_TYPE as CONTENT_TYPE_HEADER, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Mutex,
    task::{AbortHandle, JoinSet},
    time,
};

use crate::{
    error::{Report, Result},
    foreign_text::lines,
};

/// What [`render`](super::render) returns, as HTTP calls it.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// How many connections are served at once.
pub const MAX_CONNECTIONS: usize = 16;

/// How long a connection may take in all: what Prometheus waits for a scrape, unless told otherwise.
const DEADLINE: Duration = Duration::from_secs(10);

/// The longest header that is read, in bytes: the least that hyper can be told.
const MAX_HEADER: usize = 8192;

/// How long what was collected is served.
const FRESH: Duration = Duration::from_secs(1);

/// How long to wait when no connection can be accepted, for want of file descriptors or memory.
const PAUSE: Duration = Duration::from_millis(100);

/// What is at `/`, for people who follow a link.
const INDEX: &str = "rpcguard: what its filters count is at /metrics\n";

/// Answers `GET /metrics` with what `collect` returns, such as [`render`](super::render) does. It is called
/// on a thread for blocking work, never twice at once, and at most once a second. Of the runtime, it
/// needs I/O and time.
///
/// It never ends: drop the future to stop, and all connections are closed.
pub async fn serve(
    listener: TcpListener,
    collect: impl Fn() -> Result<String> + Send + Sync + 'static,
) -> Infallible {
    let page = Arc::new(Page {
        collect: Arc::new(collect),
        latest: Arc::default(),
    });
    let mut connections = Connections::default();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => connections.add(stream, &page),
            Err(error) => {
                log::debug!("cannot accept a connection for metrics: {error}");
                time::sleep(PAUSE).await;
            }
        }
    }
}

/// The connections that are served.
#[derive(Default)]
struct Connections {
    tasks: JoinSet<()>,
    /// From the oldest to the newest.
    handles: VecDeque<AbortHandle>,
}

impl Connections {
    fn add(&mut self, stream: TcpStream, page: &Arc<Page>) {
        while self.tasks.try_join_next().is_some() {}
        self.handles.retain(|handle| !handle.is_finished());
        if self.handles.len() == MAX_CONNECTIONS
            && let Some(oldest) = self.handles.pop_front()
        {
            oldest.abort();
        }
        let connection = connection(stream, Arc::clone(page));
        self.handles.push_back(self.tasks.spawn(connection));
    }
}

/// Serves one request.
async fn connection(stream: TcpStream, page: Arc<Page>) {
    let service = service_fn(|request| {
        let page = Arc::clone(&page);
        async move { Ok::<_, Infallible>(page.answer(&request).await) }
    });
    let served = http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(MAX_HEADER)
        // There is a deadline for all of it.
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(stream), service);
    match time::timeout(DEADLINE, served).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => log::debug!("a client of the metrics: {error}"),
        Err(_) => log::debug!("a client of the metrics took more than {DEADLINE:?}"),
    }
}

type Collected = std::result::Result<Bytes, String>;

/// What is served.
struct Page {
    collect: Arc<dyn Fn() -> Result<String> + Send + Sync>,
    latest: Arc<Mutex<Option<(Instant, Collected)>>>,
}

impl Page {
    async fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let (status, text) = match (request.uri().path(), request.method()) {
            ("/metrics" | "/", method) if ![Method::GET, Method::HEAD].contains(method) => {
                (StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n".into())
            }
            ("/metrics", _) => match self.collected().await {
                Ok(text) => (StatusCode::OK, text),
                Err(why) => (StatusCode::INTERNAL_SERVER_ERROR, (why + "\n").into()),
            },
            ("/", _) => (StatusCode::OK, INDEX.into()),
            _ => (StatusCode::NOT_FOUND, INDEX.into()),
        };
        let mut response = Response::new(Full::new(text));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE_HEADER, HeaderValue::from_static(CONTENT_TYPE));
        if status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        }
        response
    }

    /// What was collected within the last second.
    async fn collected(&self) -> Collected {
        let mut latest = Arc::clone(&self.latest).lock_owned().await;
        if let Some((at, collected)) = &*latest
            && at.elapsed() < FRESH
        {
            return collected.clone();
        }
        let collect = Arc::clone(&self.collect);
        // The lock goes with the work: whoever asked may hang up before it is done.
        let work = tokio::task::spawn_blocking(move || {
            let collected = collect().map(Bytes::from);
            let collected = collected.map_err(|error| lines(&Report(&error).to_string()));
            if let Err(why) = &collected {
                log::warn!("cannot collect metrics: {why}");
            }
            *latest = Some((Instant::now(), collected.clone()));
            collected
        });
        let failed = |error| Err(format!("error: cannot collect metrics: {error}"));
        work.await.unwrap_or_else(failed)
    }
}
