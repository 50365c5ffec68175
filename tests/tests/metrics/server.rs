//! A server of metrics, beside other work of the same runtime.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rpcguard::{Result, metrics};
use tokio::{net::TcpListener, runtime, sync::oneshot, time};

use crate::http;

/// A server on a port of its own, on a thread with a runtime that does something else as well, as the
/// daemon's does.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    longest_pause: Arc<AtomicU64>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves what `collect` returns, on loopback of the calling thread's network namespace.
    pub(crate) fn start(collect: impl Fn() -> Result<String> + Send + Sync + 'static) -> Self {
        let (stop, stopped) = oneshot::channel();
        let (tell, told) = mpsc::channel();
        let longest_pause = Arc::new(AtomicU64::new(0));
        let pause = Arc::clone(&longest_pause);
        let thread = thread::spawn(move || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async move {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                tell.send(listener.local_addr().unwrap()).unwrap();
                tokio::select! {
                    never = metrics::serve(listener, collect) => match never {},
                    never = other_work(&pause) => match never {},
                    _ = stopped => {}
                }
            });
        });
        Self {
            address: told.recv().unwrap(),
            longest_pause,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// How long the other work has had to wait at most.
    pub(crate) fn longest_pause(&self) -> Duration {
        Duration::from_millis(self.longest_pause.load(Ordering::Relaxed))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.stop.take().map(|stop| stop.send(()));
        let ended = self.thread.take().map(JoinHandle::join);
        if !thread::panicking() {
            ended.unwrap().unwrap();
        }
    }
}

/// Something that is to be done every ten milliseconds.
async fn other_work(longest_pause: &AtomicU64) -> std::convert::Infallible {
    let mut last = Instant::now();
    loop {
        time::sleep(Duration::from_millis(10)).await;
        let pause = u64::try_from(last.elapsed().as_millis()).unwrap();
        longest_pause.fetch_max(pause, Ordering::Relaxed);
        last = Instant::now();
    }
}

#[test]
fn metrics_are_where_prometheus_looks_and_nothing_else_is_there() {
    let server = Server::start(|| Ok("a_metric 1\n".to_owned()));
    let get = |path| http::get(server.address, path).unwrap();
    let metrics = get("/metrics");
    assert_eq!((metrics.status, &*metrics.body), (200, "a_metric 1\n"));
    let head = metrics.head.to_lowercase();
    let kind = format!("content-type: {}", metrics::CONTENT_TYPE);
    assert!(head.contains(&kind), "{head}");
    assert!(head.contains("content-length: 11"), "{head}");
    assert_eq!(get("/metrics?name[]=x").status, 200);
    let index = get("/");
    assert_eq!(index.status, 200);
    assert!(index.body.contains("/metrics"));
    for path in ["/metrics/", "/favicon.ico", "//metrics", "/../metrics"] {
        assert_eq!(get(path).status, 404, "{path}");
    }

    let ask = |method: &str| {
        let request = format!("{method} /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
        http::ask(server.address, &request).unwrap()
    };
    let head = ask("HEAD");
    assert_eq!((head.status, &*head.body), (200, ""));
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW"] {
        let answer = ask(method);
        assert_eq!(answer.status, 405, "{method}");
        assert!(answer.head.to_lowercase().contains("allow: get, head"));
    }
}

#[test]
fn what_cannot_be_collected_is_said_and_collected_later() {
    let broken = Arc::new(AtomicU64::new(1));
    let is_broken = Arc::clone(&broken);
    let server = Server::start(move || {
        if is_broken.load(Ordering::Relaxed) == 0 {
            return Ok("a_metric 1\n".to_owned());
        }
        Err(rpcguard::Error::NothingAttached)
    });
    let get = || http::get(server.address, "/metrics").unwrap();
    let answer = get();
    assert_eq!(answer.status, 500);
    assert!(answer.body.contains("error: no interface"), "{answer:?}");
    assert!(answer.body.contains("hint: "), "{answer:?}");
    broken.store(0, Ordering::Relaxed);
    thread::sleep(Duration::from_millis(1100));
    assert_eq!(get().status, 200);
}

#[test]
fn a_collection_that_panics_is_an_error_and_no_end() {
    let server = Server::start(|| panic!("on purpose"));
    for _ in 0..2 {
        assert_eq!(http::get(server.address, "/metrics").unwrap().status, 500);
    }
    assert_eq!(http::get(server.address, "/").unwrap().status, 200);
}
