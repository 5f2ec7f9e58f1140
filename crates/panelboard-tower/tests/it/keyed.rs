//! Does each request ask the breaker of its own key, and no other?

use std::{
    borrow::Cow,
    io,
    sync::atomic::{AtomicUsize, Ordering},
};

use http::{Request, Response};
use panelboard::{Handle, Panel, PanelError, State};
use panelboard_tower::{BreakerLayer, Breakers, CallLayer, CallPermit, Error, NoPermit, host};
use tower::{Layer, Service, service_fn};

use crate::support::{Script, config, now};

fn panel() -> Panel {
    Panel::builder().defaults(config().build().unwrap()).build()
}

#[test]
fn a_key_that_fails_leaves_the_others_alone() {
    let panel = panel();
    let service = service_fn(async |request: Request<()>| {
        let status = if request.uri().host() == Some("bad") { 500 } else { 200 };
        let response = Response::builder().status(status);
        response.body(Script::new([]).knowing_its_end()).map_err(io::Error::other)
    });
    let mut service = BreakerLayer::keyed(panel.clone(), host).layer(service);
    let mut get = |uri: &str| now(service.call(Request::get(uri).body(()).unwrap()));
    for _ in 0..3 {
        assert!(get("http://good/a").is_ok());
        let _ = get("http://bad/a");
    }
    assert!(matches!(get("http://bad/other/path"), Err(Error::Rejected(_))));
    assert!(get("http://good/a").is_ok());
    assert_eq!(panel.len(), 2);
    assert_eq!(panel.breaker("bad").map(|breaker| breaker.state()), Ok(State::Open));
    assert_eq!(panel.breaker("good").map(|breaker| breaker.state()), Ok(State::Closed));
}

#[test]
fn the_host_is_that_of_the_uri_or_of_the_header() {
    let of = |uri: &str, header: Option<&str>| {
        let mut request = Request::get(uri);
        if let Some(header) = header {
            request = request.header("host", header);
        }
        host(&request.body(()).unwrap()).into_owned()
    };
    assert_eq!(of("http://a:81/x", None), "a:81");
    assert_eq!(of("http://a/x", Some("b")), "a");
    assert_eq!(of("/x", Some("b:80")), "b:80");
    assert_eq!(of("/x", None), "");
}

#[test]
fn a_layer_shows_what_it_is_made_of() {
    let layer = BreakerLayer::keyed(panel(), host::<()>);
    assert!(format!("{layer:?}").starts_with("BreakerLayer { breakers: Keyed { .. }, classify: "));
}

static CLONES: AtomicUsize = AtomicUsize::new(0);

#[derive(PartialEq, Eq, Hash)]
struct Counted(u32);

impl Clone for Counted {
    fn clone(&self) -> Self {
        CLONES.fetch_add(1, Ordering::Relaxed);
        Self(self.0)
    }
}

#[test]
fn a_borrowed_key_is_cloned_only_for_a_new_breaker() {
    let panel: Panel<Counted> = Panel::builder().build();
    let layer = CallLayer::keyed(panel, |key: &Counted| Cow::Borrowed(key));
    let mut service = layer.layer(service_fn(async |_: Counted| Ok::<_, io::Error>(())));
    assert!(now(service.call(Counted(1))).is_ok());
    let made = CLONES.load(Ordering::Relaxed);
    assert!(made > 0);
    for _ in 0..5 {
        assert!(now(service.call(Counted(1))).is_ok());
    }
    assert_eq!(CLONES.load(Ordering::Relaxed), made);
}

#[test]
fn a_panel_without_room_is_an_error_and_no_call() {
    let panel: Panel = Panel::builder().max_breakers(1).build();
    let _held = panel.breaker("another").expect("there is room for one");
    let mut calls = 0;
    let mut service =
        CallLayer::keyed(panel, |key: &&'static str| Cow::Borrowed(*key)).layer(service_fn(|_| {
            calls += 1;
            std::future::ready(Ok::<_, io::Error>(()))
        }));
    let answer = now(service.call("key"));
    assert!(matches!(answer, Err(Error::Panel(PanelError::Full { max_breakers: 1 }))));
    drop(service);
    assert_eq!(calls, 0);
}

#[test]
fn a_permit_holds_its_breaker_in_the_panel() {
    let panel: Panel = Panel::builder().max_breakers(1).build();
    let mut service = CallLayer::keyed(panel.clone(), |key: &&'static str| Cow::Borrowed(*key))
        .layer(service_fn(|_| std::future::pending::<io::Result<()>>()));
    let call = service.call("one");
    let other = now(service.call("two"));
    assert!(matches!(other, Err(Error::Panel(_))), "a breaker with a call out was evicted");
    drop(call);
    assert!(panel.get("one").is_some());
}

#[test]
fn breakers_may_be_chosen_by_hand() {
    #[derive(Clone)]
    struct ByParity([Handle; 2]);
    impl Breakers<u32> for ByParity {
        fn acquire(&self, n: &u32) -> Result<CallPermit, NoPermit> {
            Ok(self.0[(n % 2) as usize].acquire_owned()?.into())
        }
    }
    let panel = panel();
    let breakers = ["even", "odd"].map(|key| panel.breaker(key).expect("there is room"));
    breakers[1].force_open();
    let layer = CallLayer::new(ByParity(breakers));
    let mut service = layer.layer(service_fn(async |n: u32| Ok::<_, io::Error>(n)));
    assert!(matches!(now(service.call(2)), Ok(2)));
    assert!(matches!(now(service.call(3)), Err(Error::Rejected(_))));
}
