//! `--tcp`: no new connections, and none cut.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use rpcguard_tests::{lab::Host, packet::rpc, site::PATIENCE};

use crate::{
    in_both_modes,
    segment::{HOST, Segment},
};

/// How long to wait for a connection that must not be made.
const IMPATIENCE: Duration = Duration::from_millis(400);

fn connect(client: &Host, family: usize, limit: Duration) -> std::io::Result<TcpStream> {
    let server = SocketAddr::new(HOST[family], 111);
    client.enter(|| TcpStream::connect_timeout(&server, limit))
}

/// Calls the procedure that does nothing over a connection.
fn call(mut connection: &TcpStream) {
    // RFC 5531 section 11: one record in one fragment, its length after the bit that says so.
    const LAST_FRAGMENT: u32 = 1 << 31;
    let call = rpc::call(2, 0);
    let mark = (LAST_FRAGMENT | call.len() as u32).to_be_bytes();
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    connection.write_all(&[&mark[..], &call].concat()).unwrap();
    let mut reply = [0; 4 + 24];
    connection.read_exact(&mut reply).unwrap();
    assert_eq!(reply[4..8], call[..4], "the transaction id");
}

#[test]
fn new_connections_of_strangers_are_refused_and_old_ones_live_on() {
    let test = "new_connections_of_strangers_are_refused_and_old_ones_live_on";
    in_both_modes(test, |mode| {
        let Some(segment) = Segment::or_skip(test) else {
            return;
        };
        segment.attach(mode, "--allow 192.0.2.16 --allow 2001:db8::10");
        let old = [0, 1].map(|family| connect(&segment.stranger, family, PATIENCE).unwrap());
        old.iter().for_each(call);
        segment.rpcguard("set eth0 --tcp on");
        for family in [0, 1] {
            let refused = connect(&segment.stranger, family, IMPATIENCE);
            assert!(refused.is_err(), "{refused:?}");
            call(&connect(&segment.friend, family, PATIENCE).unwrap());
        }
        old.iter().for_each(call);
        assert!(segment.packets("unlisted") >= 2);
        // A connection is one packet to the filter.
        assert_eq!(segment.packets("allowed"), 2);
        segment.rpcguard("set eth0 --tcp off");
        call(&connect(&segment.stranger, 0, PATIENCE).unwrap());
        segment.rpcguard("detach eth0");
    });
}
