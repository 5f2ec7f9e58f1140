//! Does a tonic channel behind a breaker count what its server says in head and trailers?

use std::{net::SocketAddr, sync::Arc, time::Duration};

use panelboard::{Breaker, State};
use panelboard_tower::{BreakerLayer, Grpc, rejection, unavailable_grpc};
use tokio::net::TcpListener;
use tonic::{
    Code, Request, Response, Status,
    transport::{Channel, Endpoint, Server, server::TcpIncoming},
};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse,
    health_client::HealthClient,
    health_server::{Health, HealthServer},
};
use tower::Layer;

use crate::support::{closed, probe_is_out, probing};

/// Answers with the status that is asked for, or is well.
struct Scripted;

type Answers = Vec<Result<HealthCheckResponse, Status>>;

#[tonic::async_trait]
impl Health for Scripted {
    type WatchStream = tokio_stream::Iter<std::vec::IntoIter<Result<HealthCheckResponse, Status>>>;

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
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let well = Ok(HealthCheckResponse { status: 1 });
        let answers: Answers = match request.into_inner().service.as_str() {
            "down" => vec![well, Err(Status::unavailable("down"))],
            _ => vec![well],
        };
        Ok(Response::new(tokio_stream::iter(answers)))
    }
}

async fn server() -> SocketAddr {
    let (address, incoming) = listen().await;
    let server = Server::builder().add_service(HealthServer::new(Scripted));
    tokio::spawn(server.serve_with_incoming(incoming));
    address
}

async fn listen() -> (SocketAddr, TcpIncoming) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    (listener.local_addr().unwrap(), TcpIncoming::from(listener))
}

fn channel(address: SocketAddr) -> Channel {
    Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy()
}

fn asking(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.into() }
}

fn guarded(
    breaker: &Arc<Breaker>,
    address: SocketAddr,
) -> HealthClient<panelboard_tower::BreakerService<Channel, Arc<Breaker>, Grpc>> {
    let layer = BreakerLayer::new(Arc::clone(breaker)).classify(Grpc);
    HealthClient::new(layer.layer(channel(address)))
}

#[tokio::test]
async fn a_unary_call_closes_by_its_trailers() {
    let (breaker, _hand) = probing();
    let mut client = guarded(&breaker, server().await);
    assert_eq!(client.check(asking("")).await.unwrap().into_inner().status, 1);
    assert_eq!(breaker.state(), State::Closed);
}

#[tokio::test]
async fn a_status_of_the_service_trips_and_the_rejection_is_found() {
    let (breaker, _hand) = closed();
    let mut client = guarded(&breaker, server().await);
    assert_eq!(client.check(asking("unknown")).await.unwrap_err().code(), Code::NotFound);
    assert_eq!((breaker.state(), breaker.snapshot().counts.ignored), (State::Closed, 1));
    assert_eq!(client.check(asking("down")).await.unwrap_err().code(), Code::Unavailable);
    assert_eq!(breaker.state(), State::Open);
    let status = client.check(asking("")).await.unwrap_err();
    let rejected = rejection(&status).expect("it is in the status's sources");
    assert_eq!(rejected.retry_after, Some(Duration::from_secs(10)));
}

#[tokio::test]
async fn a_rejection_can_be_a_status() {
    let (breaker, _hand) = closed();
    breaker.trip();
    let layer = BreakerLayer::new(breaker).classify(Grpc).rejected_with(unavailable_grpc);
    let mut client = HealthClient::new(layer.layer(channel(server().await)));
    let status = client.check(asking("")).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Unavailable, "rejected by a breaker"));
    assert_eq!(status.metadata().get("grpc-retry-pushback-ms").unwrap(), "10000");
}

#[tokio::test]
async fn a_stream_counts_by_how_it_ends() {
    let address = server().await;
    for (service, state) in [("", State::Closed), ("down", State::Open)] {
        let (breaker, _hand) = probing();
        let mut client = guarded(&breaker, address);
        let mut stream = client.watch(asking(service)).await.unwrap().into_inner();
        assert_eq!(stream.message().await.unwrap().unwrap().status, 1);
        assert!(probe_is_out(&breaker));
        let end = stream.message().await;
        assert_eq!(end.is_err(), state == State::Open, "{service:?}");
        assert_eq!(breaker.state(), state, "{service:?}");
    }
    let (breaker, _hand) = probing();
    let mut client = guarded(&breaker, address);
    let stream = client.watch(asking("")).await.unwrap().into_inner();
    assert!(probe_is_out(&breaker));
    drop(stream);
    assert_eq!((breaker.state(), breaker.would_admit()), (State::HalfOpen, true));
}

#[tokio::test]
async fn a_tonic_server_answers_for_its_breaker() {
    let (breaker, _hand) = closed();
    let (address, incoming) = listen().await;
    let layer = BreakerLayer::new(Arc::clone(&breaker)).classify(Grpc);
    let server = Server::builder()
        .layer(layer.rejected_with(unavailable_grpc))
        .add_service(HealthServer::new(Scripted));
    tokio::spawn(server.serve_with_incoming(incoming));
    let mut client = HealthClient::new(channel(address));
    assert_eq!(client.check(asking("")).await.unwrap().into_inner().status, 1);
    assert_eq!(client.check(asking("down")).await.unwrap_err().message(), "down");
    assert_eq!(breaker.state(), State::Open);
    let status = client.check(asking("")).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Unavailable, "rejected by a breaker"));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_a_failure() {
    let (address, incoming) = listen().await;
    drop(incoming);
    let (breaker, _hand) = closed();
    let mut client = guarded(&breaker, address);
    assert!(client.check(asking("")).await.is_err());
    assert_eq!(breaker.state(), State::Open);
}
