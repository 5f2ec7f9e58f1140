//! What does a program look like that logs to a file, to OTLP and to syslog, one of which is dead?
//!
//! Nobody listens for OTLP here: its breaker opens, what was for it goes to the file, and the
//! program does not notice. The last line is the account.
#![expect(clippy::print_stdout, reason = "an example shows something")]

use std::{error::Error, net::UdpSocket, time::Duration};

use panelboard_tracing::{
    Pipeline, SinkConfig,
    sinks::{FileSink, OtlpGrpcSink, SyslogSink},
};
use tracing_subscriber::prelude::*;

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::temp_dir().join(format!("sinks-{}.log", std::process::id()));
    let daemon = UdpSocket::bind("127.0.0.1:0")?; // stands for a syslog daemon
    let file = FileSink::builder(&path).max_bytes(1 << 20).keep(3).gzip(true).open()?;
    let otlp = OtlpGrpcSink::new("http://127.0.0.1:1", "example")?;
    let syslog = SyslogSink::udp(daemon.local_addr()?.to_string());
    let (layer, guard) = Pipeline::builder()
        .sink(SinkConfig::new("file", file).standby())
        .sink(SinkConfig::new("otlp", otlp).fallback("file").batch_delay(Duration::ZERO))
        .sink(SinkConfig::new("syslog", syslog))
        .build()?;
    tracing_subscriber::registry().with(layer).init();

    let span = tracing::info_span!("checkout", request_id = "r-1").entered();
    (0..100).for_each(|order| tracing::info!(order, token = "t0p-s3cret", "paid"));
    drop(span);
    guard.pipeline().trip("otlp"); // sooner than after five failures
    println!("{}", guard.shutdown());
    println!("{}", std::fs::read_to_string(&path)?.lines().next().unwrap_or("nothing"));
    Ok(std::fs::remove_file(path)?)
}
