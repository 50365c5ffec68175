//! Scrapers that are slow, many, or mean.

use std::{
    io::{self, ErrorKind, Read as _, Write as _},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use rpcguard::metrics::MAX_CONNECTIONS;

use crate::{
    http::{self, connect},
    server::Server,
};

/// Other work of the daemon may wait for this long: this is a busy machine.
const PAUSE: Duration = Duration::from_millis(500);

/// A scrape takes some milliseconds.
const SCRAPE: Duration = Duration::from_secs(3);

/// The server closes a connection after ten seconds.
const DEADLINE: Duration = Duration::from_secs(14);

fn server() -> Server {
    Server::start(|| Ok("a_metric 1\n".to_owned()))
}

/// An honest scraper is served, and other work goes on.
#[track_caller]
fn is_unharmed(server: &Server) {
    let start = Instant::now();
    let answer = http::get(server.address, "/metrics").unwrap();
    assert_eq!((answer.status, &*answer.body), (200, "a_metric 1\n"));
    let (scrape, pause) = (start.elapsed(), server.longest_pause());
    assert!(scrape < SCRAPE, "a scrape took {scrape:?}");
    assert!(pause < PAUSE, "other work had to wait {pause:?}");
}

/// Whether the other end has closed a connection, without waiting.
fn is_closed(stream: &mut TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    let mut buffer = [0; 65536];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() != ErrorKind::WouldBlock,
        }
    }
}

#[test]
fn a_scraper_that_trickles_is_hung_up_on() {
    let server = server();
    let start = Instant::now();
    let mut slow = connect(server.address).unwrap();
    let mut silent = connect(server.address).unwrap();
    let request = b"GET /metrics HTTP/1.1\r\nHost: x\r\nX: "
        .iter()
        .chain(&[b'x'; 200]);
    let mut closed = false;
    for byte in request {
        is_unharmed(&server);
        if slow.write_all(&[*byte]).is_err() || start.elapsed() > DEADLINE {
            closed = true;
            break;
        }
        thread::sleep(Duration::from_millis(200));
    }
    assert!(
        closed && start.elapsed() < DEADLINE,
        "{:?}",
        start.elapsed()
    );
    assert!(is_closed(&mut silent), "one that says nothing is not");
}

#[test]
fn a_scraper_that_never_reads_is_hung_up_on() {
    // More than the buffers of two sockets hold.
    let text = "a_metric 1\n".repeat(4 << 20);
    let length = text.len();
    let server = Server::start(move || Ok(text.clone()));
    let mut deaf = connect(server.address).unwrap();
    deaf.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    let start = Instant::now();
    let index = http::get(server.address, "/").unwrap();
    assert_eq!(index.status, 200);
    thread::sleep(DEADLINE - start.elapsed());
    // What the buffers held, and no more.
    let mut read = 0;
    let mut buffer = vec![0; 1 << 20];
    loop {
        match deaf.read(&mut buffer) {
            Ok(0) => break,
            Ok(some) => read += some,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::ConnectionReset);
                break;
            }
        }
    }
    assert!(read < length, "all of it came");
    assert!(
        server.longest_pause() < PAUSE,
        "{:?}",
        server.longest_pause()
    );
}

#[test]
fn of_a_thousand_connections_few_are_kept_and_a_scrape_is_served_at_once() {
    const CONNECTIONS: u64 = 1000;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    let enough = (4 * CONNECTIONS).min(hard).max(soft);
    setrlimit(Resource::RLIMIT_NOFILE, enough, hard).unwrap();
    let server = server();
    let connections: io::Result<Vec<_>> = (0..CONNECTIONS)
        .map(|number| {
            let mut stream = connect(server.address)?;
            if number % 2 == 0 {
                // The server may have hung up already.
                let _ = stream.write_all(b"GET /metrics HTTP/1.1\r\nX: ");
            }
            Ok(stream)
        })
        .collect();
    let mut connections = connections.unwrap();
    is_unharmed(&server);
    let open = connections
        .iter_mut()
        .filter_map(|stream| (!is_closed(stream)).then_some(()))
        .count();
    assert!(open < MAX_CONNECTIONS, "{open} are open");
    assert!(open > 0, "none was kept: they were not counted");
}

#[test]
fn garbage_is_refused() {
    let server = server();
    let mut random = fastrand::Rng::with_seed(111);
    let huge = format!(
        "GET /metrics HTTP/1.1\r\nX: {}\r\n\r\n",
        "x".repeat(1 << 20)
    );
    let many = format!("GET /metrics HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(5000));
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(1 << 20));
    let body = format!(
        "POST /metrics HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n{}",
        "x".repeat(1 << 20)
    );
    let mut requests: Vec<Vec<u8>> = vec![
        huge.into(),
        many.into(),
        long.into(),
        body.into(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        b"GET /metrics HTTP/9.9\r\n\r\n".to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        vec![0; 100_000],
    ];
    for _ in 0..200 {
        let length = random.usize(1..2000);
        requests.push((0..length).map(|_| random.u8(..)).collect());
    }
    for request in requests {
        let mut stream = connect(server.address).unwrap();
        // It may close at any point; what counts is that it does, or is done with it.
        let _ = stream.write_all(&request);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer);
        let served = answer.starts_with("HTTP/1.1 200");
        assert!(
            !served,
            "{:?}",
            String::from_utf8_lossy(&request[..request.len().min(80)])
        );
    }
    // What is no business of a GET is not waited for.
    let more = "GET /metrics HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n";
    assert_eq!(http::ask(server.address, more).unwrap().status, 200);
    is_unharmed(&server);
}

#[test]
fn there_is_one_collection_at_a_time_and_one_a_second_whoever_asks() {
    let [running, most, collections] = [(); 3].map(|()| Arc::new(AtomicU64::new(0)));
    let server = {
        let (running, most) = (Arc::clone(&running), Arc::clone(&most));
        let collections = Arc::clone(&collections);
        Server::start(move || {
            most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            collections.fetch_add(1, Ordering::SeqCst);
            thread::sleep(Duration::from_millis(800));
            running.fetch_sub(1, Ordering::SeqCst);
            Ok("a_metric 1\n".to_owned())
        })
    };
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(3) {
        // Some hang up without waiting for the answer.
        for _ in 0..20 {
            let mut stream = connect(server.address).unwrap();
            stream
                .write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
                .unwrap();
        }
        is_unharmed(&server);
    }
    assert_eq!(most.load(Ordering::SeqCst), 1);
    // Each begins a second after the one before it has ended.
    let collections = collections.load(Ordering::SeqCst);
    assert!((2..=4).contains(&collections), "{collections}");
}
