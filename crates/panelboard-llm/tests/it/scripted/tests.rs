//! Does the scripted provider do what its script says, byte for byte?

use bytes::{Bytes, BytesMut};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Deaf, Gate, Refusing, Reply, Scripted, Stats};

/// A client that speaks just enough HTTP, so that no library smooths over what arrives.
struct Client {
    socket: TcpStream,
}

impl Client {
    async fn connect(provider: &Scripted) -> Self {
        assert_eq!(provider.base_url(), format!("http://{}/v1", provider.addr()));
        Self { socket: TcpStream::connect(provider.addr()).await.expect("it listens") }
    }

    async fn ask(provider: &Scripted, key: &str) -> Self {
        let mut client = Self::connect(provider).await;
        client.send(key, "{}").await;
        client
    }

    async fn send(&mut self, key: &str, body: &str) {
        let head = format!("POST /v1/x HTTP/1.1\r\nauthorization: Bearer {key}\r\nX-Seen: 1\r\n");
        let rest = format!("content-length: {}\r\n\r\n{body}", body.len());
        self.socket.write_all((head + &rest).as_bytes()).await.expect("it reads");
    }

    async fn read_until(&mut self, needle: &str) -> String {
        let mut seen = BytesMut::new();
        while !String::from_utf8_lossy(&seen).contains(needle) {
            let n = self.socket.read_buf(&mut seen).await.expect("no reset");
            assert_ne!(n, 0, "ended before {needle:?}: {seen:?}");
        }
        String::from_utf8_lossy(&seen).into_owned()
    }

    async fn read_to_end(&mut self) -> std::io::Result<Bytes> {
        let mut seen = Vec::new();
        self.socket.read_to_end(&mut seen).await.map(|_| seen.into())
    }
}

/// What a key answers, to the last byte, when the connection ends with it.
async fn check(reply: Reply, want: &str) {
    let provider = Scripted::start().await;
    provider.always("k", reply);
    let got = Client::ask(&provider, "k").await.read_to_end().await.expect("no reset");
    assert_eq!(String::from_utf8_lossy(&got), want);
}

#[tokio::test]
async fn a_reply_goes_over_the_wire_as_scripted() {
    let head = "HTTP/1.1 200 Scripted\r\n";
    let length = "content-length: 2\r\n\r\n";
    let rows = [
        (Reply::status(200).body("hi").then_close(), format!("{head}{length}hi")),
        (
            Reply::status(200).header("a", "b").body("hi").then_close(),
            format!("{head}a: b\r\n{length}hi"),
        ),
        (Reply::status(200).body("hi").drip().then_close(), format!("{head}{length}hi")),
        (
            Reply::status(200).body("hi").forged_length(9).then_close(),
            format!("{head}content-length: 9\r\n\r\nhi"),
        ),
        (Reply::status(200).body("hi").until_close(), format!("{head}connection: close\r\n\r\nhi")),
        (
            Reply::status(200).chunked().body("hi").then_close(),
            format!("{head}transfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"),
        ),
        (
            Reply::status(200).chunked().body("hi").cut(),
            format!("{head}transfer-encoding: chunked\r\n\r\n2\r\nhi\r\n"),
        ),
        (Reply::garbage("no HTTP"), "no HTTP".into()),
        (Reply::hang_up(), String::new()),
        (Reply::status(200).body("hi").raw("!!").cut(), format!("{head}{length}hi!!")),
    ];
    for (reply, want) in rows {
        check(reply, &want).await;
    }
}

#[tokio::test]
async fn replies_come_from_the_closure_then_the_queue_then_the_standing_one() {
    let provider = Scripted::start().await;
    provider.on_times("k", 2, &Reply::error(503, "overloaded", "full"));
    provider.always("k", Reply::chat("hello"));
    provider.decide(|request| {
        (request.key == "k" && request.n == 1).then(|| Reply::json(418, &json!({"n": 1})))
    });
    let mut client = Client::connect(&provider).await;
    for status in [418, 503, 503, 200, 200] {
        client.send("k", r#"{"a":1}"#).await;
        client.read_until(&format!("HTTP/1.1 {status}")).await;
    }
    let mut nobody = Client::ask(&provider, "other").await;
    nobody.read_until("scripted no reply").await;
    let seen = provider.wait_until("k", |seen| seen.ended == 5).await;
    assert_eq!((seen.hits, seen.in_flight, seen.max_in_flight), (5, 0, 1));
    assert_eq!(seen.last().json(), json!({"a": 1}));
    assert_eq!(seen.last().header("x-seen"), Some("1"));
    assert_eq!((seen.last().method.as_str(), seen.last().path.as_str()), ("POST", "/v1/x"));
    assert_eq!((provider.total().hits, provider.connections()), (6, 2));
}

#[tokio::test]
async fn a_gate_holds_the_stream_where_it_stands() {
    let (provider, head, middle) = (Scripted::start().await, Gate::new(), Gate::new());
    let reply = Reply::stream().role().word("one").gate(&middle).word("two").finish();
    provider.always("k", reply.behind(&head));
    let mut client = Client::ask(&provider, "k").await;
    head.reached(1).await;
    assert_eq!(provider.stats("k").sent_bytes, 0);
    head.pass(1);
    client.read_until("\"one\"").await;
    middle.reached(1).await;
    assert_eq!(provider.stats("k").in_flight, 1);
    middle.pass_all();
    assert!(client.read_until("[DONE]").await.contains("\"two\""));
    Reply::stream_of(&["a"]).event("ping", &json!({}));
}

#[tokio::test]
async fn a_client_that_leaves_is_seen_at_once_wherever_the_answer_stands() {
    let gate = Gate::new();
    let scripts = [
        Reply::silence(),
        Reply::stream().word("a").hang(),
        Reply::chat("held").behind(&gate),
        Reply::stream().endless("data: x\n\n"),
        Reply::status(200).forged_length(1 << 40).endless("x"),
    ];
    for script in scripts {
        let provider = Scripted::start().await;
        provider.always("k", script);
        let client = Client::ask(&provider, "k").await;
        provider.wait_until("k", |seen| seen.in_flight == 1).await;
        drop(client);
        let seen = provider.wait_until("k", |seen| seen.in_flight == 0).await;
        assert_eq!((seen.aborted, seen.ended, seen.cut), (1, 0, 0));
    }
}

#[tokio::test]
async fn a_reset_reaches_the_client_as_an_error() {
    let provider = Scripted::start().await;
    provider.always("k", Reply::stream().word("a").reset());
    let error = Client::ask(&provider, "k").await.read_to_end().await.expect_err("a reset");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    provider.wait_until("k", |seen| seen.cut == 1).await;
}

#[tokio::test]
async fn a_kept_connection_can_die_when_it_is_used_again() {
    let provider = Scripted::start().await;
    provider.on("k", Reply::chat("once").then_stale());
    let mut client = Client::ask(&provider, "k").await;
    client.read_until("once").await;
    client.send("k", "{}").await;
    client.read_to_end().await.expect_err("a reset");
    let seen = provider.wait_until("k", |seen| seen.stale == 1).await;
    assert_eq!(seen.hits, 1);
}

#[tokio::test]
async fn a_provider_goes_down_and_comes_back_at_the_same_address() {
    let provider = Scripted::start().await;
    provider.on("k", Reply::silence()).always("k", Reply::chat("back").then_close());
    let mut held = Client::ask(&provider, "k").await;
    provider.wait_until("k", |seen| seen.in_flight == 1).await;
    provider.down().await;
    assert!(held.read_to_end().await.is_ok_and(|rest| rest.is_empty()), "ended without a byte");
    assert_eq!(provider.wait_until("k", |seen| seen.in_flight == 0).await.cut, 1);
    TcpStream::connect(provider.addr()).await.expect_err("refused");
    provider.up().await;
    Client::ask(&provider, "k").await.read_until("back").await;
}

#[tokio::test]
async fn connections_wait_while_nobody_accepts() {
    let provider = Scripted::start().await;
    provider.always("k", Reply::chat("late"));
    provider.stop_accepting();
    let mut client = Client::ask(&provider, "k").await;
    assert_eq!(provider.stats("k").hits, Stats::default().hits);
    provider.accept_again();
    client.read_until("late").await;
}

#[tokio::test]
async fn a_refusing_port_refuses_and_a_deaf_one_says_nothing() {
    let refusing = Refusing::start();
    let address = |url: &str| url.replace("http://", "").replace("/v1", "");
    let refused = TcpStream::connect(address(&refusing.base_url())).await.expect_err("refused");
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    let deaf = Deaf::start().await;
    let connect = TcpStream::connect(address(&deaf.base_url()));
    let wait = std::time::Duration::from_millis(100);
    tokio::time::timeout(wait, connect).await.expect_err("no answer to the handshake");
}
