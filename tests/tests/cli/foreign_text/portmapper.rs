//! A portmapper whose list of registrations is hostile.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream, UdpSocket},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

fn string(bytes: &[u8]) -> Vec<u8> {
    let mut encoded = [words(&[bytes.len() as u32]), bytes.to_vec()].concat();
    encoded.resize(encoded.len().next_multiple_of(4), 0);
    encoded
}

/// A reply to whatever was asked: a list of one registration.
fn reply(call: &[u8]) -> Vec<u8> {
    let xid = call.first_chunk().copied().map_or(0, u32::from_be_bytes);
    [
        words(&[xid, 1, 0, 0, 0, 0]),
        words(&[1, 100_000, 4]),
        string(b"\x1b[2J\nforged"),
        string(b"\xc2\x9b1m\xe2\x80\xae"),
        string(b"\xff\x07"),
        words(&[0]),
    ]
    .concat()
}

/// Serves while `body` runs.
pub(super) fn serve(udp: &UdpSocket, tcp: &TcpListener, body: impl FnOnce()) {
    let over = AtomicBool::new(false);
    let tick = Duration::from_millis(20);
    udp.set_read_timeout(Some(tick)).unwrap();
    tcp.set_nonblocking(true).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let mut call = [0; 2048];
                if let Ok((length, client)) = udp.recv_from(&mut call) {
                    // The client may have what it wanted.
                    let _ = udp.send_to(&reply(&call[..length]), client);
                }
            }
        });
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                match tcp.accept() {
                    Ok((stream, _)) => converse(stream),
                    Err(_) => thread::sleep(tick),
                }
            }
        });
        let _end = End(&over);
        body();
    });
}

/// Ends the server, also if the test fails.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn converse(mut stream: TcpStream) {
    stream.set_nonblocking(false).unwrap();
    let limit = Some(Duration::from_millis(500));
    stream.set_read_timeout(limit).unwrap();
    stream.set_write_timeout(limit).unwrap();
    let mut mark = [0; 4];
    while stream.read_exact(&mut mark).is_ok() {
        let length = (u32::from_be_bytes(mark) & 0x7fff_ffff) as usize;
        let mut call = vec![0; length.min(4096)];
        if stream.read_exact(&mut call).is_err() {
            break;
        }
        let reply = reply(&call);
        let record = [words(&[1 << 31 | reply.len() as u32]), reply].concat();
        if stream.write_all(&record).is_err() {
            break;
        }
    }
}
