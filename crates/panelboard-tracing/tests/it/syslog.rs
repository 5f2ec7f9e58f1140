//! What does a syslog daemon get? Against sockets of the system; rsyslog is asked by
//! `cargo xtask real-sinks`.

use std::{
    io::Read as _,
    net::{TcpListener, TcpStream, UdpSocket},
    os::unix::net::UnixDatagram,
    time::Duration,
};

use panelboard_tracing::{
    SinkConfig,
    sinks::{Facility, SyslogSink},
};

use crate::rig::{LONG, Rig, builder, opens_after};

const NOW: Duration = Duration::from_millis(1);

fn rig(sink: SyslogSink) -> Rig {
    let sink = sink.app("shop").host("here").facility(Facility::Local0);
    let config = SinkConfig::new("syslog", sink).batch_delay(NOW).backoff(NOW, NOW);
    Rig::on_time(builder([config.timeout(Duration::from_millis(300)).breaker(opens_after(99))]))
}

/// The next message that is counted as RFC 6587 says.
fn counted(stream: &mut TcpStream) -> Option<String> {
    let mut length = Vec::new();
    let mut byte = [0];
    loop {
        stream.read_exact(&mut byte).ok()?;
        match byte[0] {
            b' ' => break,
            digit => length.push(digit),
        }
    }
    let length: usize = String::from_utf8(length).unwrap().parse().expect("a length");
    let mut message = vec![0; length];
    stream.read_exact(&mut message).ok()?;
    Some(String::from_utf8(message).expect("UTF-8"))
}

fn udp() -> (UdpSocket, Rig) {
    let socket = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
    socket.set_read_timeout(Some(LONG)).unwrap();
    let rig = rig(SyslogSink::udp(socket.local_addr().unwrap().to_string()));
    (socket, rig)
}

fn datagram(socket: &UdpSocket) -> String {
    let mut bytes = vec![0; 64 << 10];
    let length = socket.recv(&mut bytes).expect("a datagram");
    bytes.truncate(length);
    String::from_utf8(bytes).expect("UTF-8")
}

#[test]
fn a_message_is_what_rfc_5424_says() {
    let (socket, rig) = udp();
    rig.run(|| {
        let _span = tracing::info_span!("in", request_id = "r-1").entered();
        tracing::warn!(target: "pay", cents = 995, odd = "a]b\"c\\d", "paid\nin full");
    });
    let said = datagram(&socket);
    // Local0 is 16, a warning 4: 16 * 8 + 4.
    let rest = said.strip_prefix("<132>1 ").expect("priority and version");
    let (time, rest) = rest.split_once(' ').expect("a time");
    assert!(time.len() == 27 && time.ends_with('Z'), "{time}");
    let id = std::process::id();
    let expected = format!(
        "here shop {id} - [panelboard@32473 target=\"pay\" request_id=\"r-1\" cents=\"995\" \
         odd=\"a\\]b\\\"c\\\\d\"] paid\\nin full"
    );
    assert_eq!(rest, expected);
}

#[test]
fn what_is_too_large_for_a_datagram_is_cut_with_a_mark() {
    let (socket, rig) = udp();
    let large = "é".repeat(100_000);
    rig.run(|| tracing::info!(field = &large[..6_000], small = 1, "{large}"));
    let said = datagram(&socket);
    assert!(said.len() <= 8 << 10, "{} bytes", said.len());
    assert!(said.ends_with("…[cut]") && said.contains("left_out=\"1\""), "{said}");
    assert!(said.contains("small=\"1\" left"), "{said}");
}

#[test]
fn a_unix_socket_gets_datagrams() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(LONG)).unwrap();
    let rig = rig(SyslogSink::unix(&path));
    rig.info(["a", "b"]);
    for expected in ["] a", "] b"] {
        let mut bytes = [0; 4_096];
        let length = socket.recv(&mut bytes).expect("a datagram");
        let said = std::str::from_utf8(&bytes[..length]).unwrap();
        assert!(said.ends_with(expected), "{said}");
    }
}

#[test]
fn over_tcp_messages_are_counted_and_come_again_when_the_daemon_does() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let rig = rig(SyslogSink::tcp(address.to_string()));
    rig.info(["a", "b\nc"]);
    let (mut stream, _) = listener.accept().unwrap();
    assert!(counted(&mut stream).unwrap().ends_with("] a"));
    assert!(counted(&mut stream).unwrap().ends_with("] b\\nc"));
    // It goes away, and comes back: what is said meanwhile is kept.
    drop((stream, listener));
    rig.info(["d"]);
    rig.until("failed", |it| it.sink("syslog").unwrap().failures > 0);
    let listener = TcpListener::bind(address).unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    assert!(counted(&mut stream).unwrap().ends_with("] d"));
}

/// A daemon that takes nothing for a while, so that a message is taken in part: the rest of it
/// follows on the same connection, and each message comes once.
#[test]
fn a_daemon_that_stops_reading_gets_each_message_once() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let rig = rig(SyslogSink::tcp(listener.local_addr().unwrap().to_string()));
    let large = "x".repeat(7_000);
    // More than the buffers of both ends hold.
    const COUNT: u32 = 2_000;
    rig.run(|| (0..COUNT).for_each(|number| tracing::info!("{large} {number}")));
    let (mut stream, _) = listener.accept().unwrap();
    rig.until("late", |it| it.sink("syslog").unwrap().failures > 1);
    stream.set_read_timeout(Some(LONG)).unwrap();
    for number in 0..COUNT {
        let said = counted(&mut stream).expect("a message");
        assert!(said.ends_with(&format!("x {number}")), "{number}: {}", &said[said.len() - 20..]);
    }
    rig.settles();
    assert_eq!(rig.ledger("syslog").delivered, u64::from(COUNT));
}
