//! Who takes what is pushed to Loki? A local server that answers at once, and is none.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use crate::now;

/// Answers each request with 204, or takes what comes and never answers.
pub(crate) struct Receiver {
    port: u16,
    /// Counts for a person, and to wait for.
    requests: Arc<AtomicU64>,
}

/// Nothing more comes for so long: it was all.
const QUIET: Duration = Duration::from_millis(30);
const LIMIT: Duration = Duration::from_secs(10);

impl Receiver {
    pub(crate) fn start(answers: bool) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let port = listener.local_addr()?.port();
        let requests: Arc<AtomicU64> = Arc::default();
        let own = Arc::clone(&requests);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let own = Arc::clone(&own);
                thread::spawn(move || serve(stream, answers, &own));
            }
        });
        Ok(Self { port, requests })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Until more than so many have come, and no more come.
    #[cfg_attr(
        not(feature = "loki"),
        expect(dead_code, reason = "ours says itself when it is done")
    )]
    pub(crate) fn wait_quiet(&self, before: u64) -> io::Result<()> {
        let start = now();
        let (mut seen, mut since) = (self.requests(), now());
        while seen == before || since.elapsed() < QUIET {
            if start.elapsed() > LIMIT {
                return Err(io::Error::other("nothing was pushed"));
            }
            thread::park_timeout(Duration::from_millis(1));
            if self.requests() != seen {
                (seen, since) = (self.requests(), now());
            }
        }
        Ok(())
    }
}

fn serve(stream: TcpStream, answers: bool, requests: &AtomicU64) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = stream;
    let mut line = String::new();
    let mut body = Vec::new();
    loop {
        let mut length = 0;
        loop {
            line.clear();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let header = line.trim_end().to_ascii_lowercase();
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            if header.is_empty() {
                break;
            }
        }
        body.resize(length, 0);
        reader.read_exact(&mut body)?;
        requests.fetch_add(1, Ordering::Relaxed);
        if answers {
            writer.write_all(b"HTTP/1.1 204 No Content\r\n\r\n")?;
        }
    }
}
