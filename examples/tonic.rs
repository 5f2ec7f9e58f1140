//! A tonic channel behind a breaker that reads `grpc-status`, also from the trailers.
//!
//! `cargo run -p panelboard-tower --example tonic`

#![expect(clippy::print_stdout, reason = "an example shows what happens")]

use std::error::Error;

use panelboard::{Config, Panel};
use panelboard_tower::{BreakerLayer, Grpc, rejection};
use tokio::net::TcpListener;
use tonic::{
    Request, Response, Status,
    transport::{Endpoint, Server, server::TcpIncoming},
};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse,
    health_client::HealthClient,
    health_server::{Health, HealthServer},
};
use tower::ServiceBuilder;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = Server::builder().add_service(HealthServer::new(Scripted));
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));

    let config = Config::builder().failure_threshold(2).build()?;
    let panel: Panel = Panel::builder().defaults(config).build();
    let breaker = panel.breaker("health")?;
    let channel = ServiceBuilder::new()
        .layer(BreakerLayer::new(breaker.clone()).classify(Grpc))
        .service(Endpoint::from_shared(format!("http://{address}"))?.connect_lazy());
    let mut client = HealthClient::new(channel);

    // NOT_FOUND is the caller's own mistake; UNAVAILABLE is the service's.
    for service in ["well", "unknown", "unknown", "down", "down", "well"] {
        let request = HealthCheckRequest { service: service.into() };
        let told = match client.check(request).await {
            Ok(answer) => format!("answered {}", answer.into_inner().status),
            Err(status) => match rejection(&status) {
                Some(rejected) => rejected.state.to_string(),
                None => format!("{:?}", status.code()),
            },
        };
        println!("{service:<8} {told:<14} the breaker is {}", breaker.state());
    }
    Ok(())
}

/// Answers with the status that it is asked for.
struct Scripted;

#[tonic::async_trait]
impl Health for Scripted {
    type WatchStream = tokio_stream::Empty<Result<HealthCheckResponse, Status>>;

    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        match request.into_inner().service.as_str() {
            "down" => Err(Status::unavailable("down")),
            "unknown" => Err(Status::not_found("unknown")),
            _ => Ok(Response::new(HealthCheckResponse { status: 1 })),
        }
    }

    async fn watch(
        &self,
        _: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        Ok(Response::new(tokio_stream::empty()))
    }
}
