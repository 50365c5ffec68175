//! Questions to a portmapper over a connection.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    os::unix::net::UnixStream,
    path::Path,
    time::{Duration, Instant},
};

use super::{Call, read_record, record::RECORD_MARK_LEN, reply, udp::is_timeout};
use crate::sys::unix_socket;

/// So many records that are no reply are looked at, for one that is.
const MAX_STRAY: u32 = 16;

/// What portmappers are connected to.
trait Stream: Read + Write {
    fn set_timeout(&self, timeout: Duration) -> io::Result<()>;
}

impl Stream for TcpStream {
    fn set_timeout(&self, timeout: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(timeout))?;
        self.set_write_timeout(Some(timeout))
    }
}

impl Stream for UnixStream {
    fn set_timeout(&self, timeout: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(timeout))?;
        self.set_write_timeout(Some(timeout))
    }
}

/// A connection to a portmapper.
pub struct Connection {
    stream: Box<dyn Stream + Send>,
    /// The address that it was made from, for TCP.
    pub from: Option<SocketAddr>,
}

impl Connection {
    /// Connects over TCP.
    ///
    /// # Errors
    ///
    /// Those of connect(2); [`io::ErrorKind::TimedOut`] after `patience`.
    pub fn tcp(address: SocketAddr, patience: Duration) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, patience)?;
        let from = stream.local_addr().ok();
        Ok(Self {
            stream: Box::new(stream),
            from,
        })
    }

    /// Connects to a socket of the file system, without waiting for a listener whose queue is full.
    ///
    /// # Errors
    ///
    /// Those of connect(2); [`io::ErrorKind::WouldBlock`] if the queue is full.
    pub fn unix(path: &Path) -> io::Result<Self> {
        Ok(Self {
            stream: Box::new(unix_socket::connect_now(path)?),
            from: None,
        })
    }

    /// Asks, and waits for the reply: all of it within `patience`. Returns the message.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::TimedOut`]; [`io::ErrorKind::InvalidData`] for what is no reply;
    /// [`io::ErrorKind::UnexpectedEof`] if the connection ends; and other errors of the stream.
    pub fn ask(&mut self, call: &Call, xid: u32, patience: Duration) -> io::Result<Vec<u8>> {
        let mut stream = UntilDeadline {
            stream: &mut *self.stream,
            deadline: Instant::now() + patience,
        };
        stream.write_all(&call.record(xid))?;
        let no_reply = || {
            let what = "records came that are no reply to the call";
            io::Error::new(io::ErrorKind::InvalidData, what)
        };
        for strays in 0..MAX_STRAY {
            let message = match read_record(&mut stream) {
                Ok(message) => message,
                Err(_) if strays != 0 => return Err(no_reply()),
                Err(error) => return Err(error),
            };
            if reply::read(xid, &message).is_some() {
                return Ok(message);
            }
        }
        Err(no_reply())
    }

    /// How long a call is on a connection, without its record mark, in bytes.
    #[must_use]
    pub fn request_len(call: &Call) -> usize {
        call.record(0).len() - RECORD_MARK_LEN
    }
}

/// Gives up at a point in time, also on somebody who sends a byte now and then.
struct UntilDeadline<'a> {
    stream: &'a mut dyn Stream,
    deadline: Instant,
}

impl UntilDeadline<'_> {
    fn in_time<T>(&mut self, act: impl FnOnce(&mut dyn Stream) -> io::Result<T>) -> io::Result<T> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.stream.set_timeout(left)?;
        act(self.stream).map_err(|error| {
            if is_timeout(&error) {
                io::ErrorKind::TimedOut.into()
            } else {
                error
            }
        })
    }
}

impl Read for UntilDeadline<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.in_time(|stream| stream.read(buffer))
    }
}

impl Write for UntilDeadline<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.in_time(|stream| stream.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{self, ErrorKind, Write as _},
        net::{TcpListener, TcpStream},
        thread,
        time::{Duration, Instant},
    };

    use super::{super::xdr::words, Call, Connection};

    const PATIENCE: Duration = Duration::from_millis(500);

    fn record(values: &[u32]) -> Vec<u8> {
        let body = words(values);
        [words(&[1 << 31 | body.len() as u32]), body].concat()
    }

    /// Asks a server that does this to its connection.
    fn ask_a_server(serve: impl FnOnce(TcpStream) + Send + 'static) -> io::Result<Vec<u8>> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        // Left to itself: the client goes when it has what it wanted.
        thread::spawn(move || serve(listener.accept().unwrap().0));
        Connection::tcp(address, PATIENCE)?.ask(&Call::null(2), 7, PATIENCE)
    }

    fn writes(bytes: Vec<u8>) -> impl FnOnce(TcpStream) {
        move |mut stream| {
            // The client may have had enough.
            let _ = stream.write_all(&bytes);
            thread::sleep(2 * PATIENCE);
        }
    }

    #[test]
    fn the_reply_is_found_among_other_records_and_in_fragments() {
        let reply = [7, 1, 0, 0, 0, 0];
        let fragments = [
            words(&[8, 7, 1]),
            words(&[0]),
            words(&[1 << 31 | 16, 0, 0, 0, 0]),
        ];
        let sent = [record(&[8, 1, 0, 0, 0, 0]), record(&[]), fragments.concat()].concat();
        assert_eq!(ask_a_server(writes(sent)).unwrap(), words(&reply));
    }

    #[test]
    fn what_is_no_reply_is_refused() {
        for (sent, kind) in [
            (
                record(&[8, 1, 0, 0, 0, 0]).repeat(20),
                ErrorKind::InvalidData,
            ),
            (record(&[8, 1, 0, 0, 0, 0]), ErrorKind::InvalidData),
            (words(&[u32::MAX, 1, 2]), ErrorKind::InvalidData),
            (
                b"HTTP/1.1 400 Bad Request\r\n".to_vec(),
                ErrorKind::InvalidData,
            ),
            (words(&[1 << 31 | 24, 7]), ErrorKind::TimedOut),
            (Vec::new(), ErrorKind::TimedOut),
        ] {
            assert_eq!(ask_a_server(writes(sent)).unwrap_err().kind(), kind);
        }
        let ended = ask_a_server(drop).unwrap_err().kind();
        assert!(matches!(
            ended,
            ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset
        ));
    }

    #[test]
    fn somebody_who_sends_a_byte_now_and_then_is_not_waited_for() {
        let started = Instant::now();
        let asked = ask_a_server(|mut stream| {
            for byte in record(&[7, 1, 0, 0, 0, 0]) {
                if stream.write_all(&[byte]).is_err() {
                    break;
                }
                thread::sleep(PATIENCE / 4);
            }
        });
        assert_eq!(asked.unwrap_err().kind(), ErrorKind::TimedOut);
        assert!(started.elapsed() < 2 * PATIENCE);
    }
}
