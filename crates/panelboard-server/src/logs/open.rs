//! How does a sink of the configuration become one that writes?

use panelboard_tracing::{
    BuildError, Sink, SinkConfig,
    sinks::{Console, FileSink, HttpSink, LokiSink, OtlpHttpSink, SyslogSink},
};

use crate::config::{self, Address, Auth, File, To};

/// The sink with its settings. A file is opened, and its folder made; nothing else is touched yet.
pub(super) fn sink(of: &config::Sink) -> Result<SinkConfig, BuildError> {
    let mut sink = SinkConfig::boxed(&of.name, destination(&of.to)?)
        .level(of.level)
        .up_to(of.up_to)
        .buffer_records(of.buffer_records)
        .buffer_bytes(of.buffer_bytes)
        .drop_policy(of.drop)
        .batch_records(of.batch_records)
        .batch_bytes(of.batch_bytes)
        .timeout(of.timeout)
        .backoff(of.backoff, of.max_backoff)
        .breaker(of.breaker.clone());
    for (prefix, level) in &of.targets {
        sink = sink.target(prefix, *level);
    }
    if let Some(name) = &of.fallback {
        sink = sink.fallback(name);
    }
    if of.standby {
        sink = sink.standby();
    }
    if let Some((folder, bytes)) = &of.spill {
        sink = sink.spill(folder, *bytes);
    }
    if let Some(delay) = of.batch_delay {
        sink = sink.batch_delay(delay);
    }
    if let Some(attempts) = of.attempts {
        sink = sink.attempts(attempts);
    }
    Ok(sink)
}

/// A sink over HTTP with what it is asked with: each has the same methods for it, of its own.
macro_rules! asked {
    ($sink:expr, $http:ident) => {{
        let mut sink = $sink.gzip($http.gzip);
        sink = match &$http.auth {
            Auth::None => sink,
            Auth::Bearer(token) => sink.bearer(token.expose())?,
            Auth::Basic(user, password) => sink.basic(user, password.expose())?,
        };
        for (name, value) in &$http.headers {
            sink = sink.header(name, value.expose())?;
        }
        sink
    }};
}

fn destination(to: &To) -> Result<Box<dyn Sink>, BuildError> {
    Ok(match to {
        To::Stdout(format) => Box::new(Console::stdout().format(*format)),
        To::Stderr(format) => Box::new(Console::stderr().format(*format)),
        To::File(file) => Box::new(open(file)?),
        To::Syslog { address, app, facility } => {
            let syslog = match address {
                Address::Udp(place) => SyslogSink::udp(place),
                Address::Tcp(place) => SyslogSink::tcp(place),
                Address::Unix(path) => SyslogSink::unix(path),
            };
            Box::new(syslog.app(app).facility(*facility))
        }
        To::Http(http) => Box::new(asked!(HttpSink::new(&http.url)?, http)),
        To::Loki { http, tenant, labels } => {
            let mut loki = asked!(LokiSink::new(&http.url)?, http);
            if let Some(tenant) = tenant {
                loki = loki.tenant(tenant)?;
            }
            for (name, value) in labels {
                loki = loki.label(name, value);
            }
            Box::new(loki)
        }
        To::Otlp { http, service, labels } => {
            let mut otlp = asked!(OtlpHttpSink::new(&http.url, service)?, http);
            for (name, value) in labels {
                otlp = otlp.resource(name, value);
            }
            Box::new(otlp)
        }
    })
}

fn open(of: &File) -> Result<FileSink, BuildError> {
    let mut file = FileSink::builder(&of.path).format(of.format).gzip(of.gzip);
    if let Some(bytes) = of.rotate_bytes {
        file = file.max_bytes(bytes);
    }
    if let Some(period) = of.rotate_every {
        file = file.every(period);
    }
    if let Some(files) = of.keep_files {
        file = file.keep(files);
    }
    if let Some(time) = of.keep_for {
        file = file.keep_for(time);
    }
    file.open()
}
