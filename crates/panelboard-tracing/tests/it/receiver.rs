//! What do sinks over HTTP post to in the tests? A scripted server, a fake, on a port of loopback.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

/// What was posted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Posted {
    pub(crate) path: String,
    /// With names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Posted {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let header = self.headers.iter().find(|(known, _)| known == name);
        header.map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("it is text")
    }
}

/// Answers each request as its script says, and remembers what was posted.
#[derive(Clone)]
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    posted: Arc<Mutex<Vec<Posted>>>,
}

impl Receiver {
    /// Each request gets the next answer, and from then on the last one. An answer is a status
    /// line's end and headers, as in `"429 No\r\nretry-after: 3"`.
    pub(crate) fn start(script: &'static [&'static str]) -> Self {
        Self::judging(move |before, _| script[before.min(script.len() - 1)])
    }

    /// The answer is by how many requests came before, and by what is posted.
    pub(crate) fn judging(
        judge: impl Fn(usize, &Posted) -> &'static str + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port of loopback");
        let address = listener.local_addr().expect("it has one");
        let posted: Arc<Mutex<Vec<Posted>>> = Arc::default();
        let own = Arc::clone(&posted);
        let judge: Arc<Judge> = Arc::new(judge);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (own, judge) = (Arc::clone(&own), Arc::clone(&judge));
                thread::spawn(move || serve(stream, &*judge, &own));
            }
        });
        Self { address, posted }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn posted(&self) -> Vec<Posted> {
        self.posted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

type Judge = dyn Fn(usize, &Posted) -> &'static str + Send + Sync;

fn serve(stream: TcpStream, judge: &Judge, posted: &Mutex<Vec<Posted>>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut writer = stream;
    loop {
        let mut request = Posted::default();
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        request.path = line.split(' ').nth(1)?.to_owned();
        loop {
            line.clear();
            reader.read_line(&mut line).ok()?;
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            request.headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        let length = request.header("content-length")?.parse().ok()?;
        request.body.resize(length, 0);
        reader.read_exact(&mut request.body).ok()?;
        let mut posted = posted.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = judge(posted.len(), &request);
        posted.push(request);
        drop(posted);
        let answer = format!("HTTP/1.1 {answer}\r\ncontent-length: 2\r\n\r\nno");
        writer.write_all(answer.as_bytes()).ok()?;
    }
}
