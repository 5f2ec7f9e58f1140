//! Does a gateway whose breakers throttle ask a dead provider ever less, without opening?

use panelboard_server::config::Environment;
use serde_json::json;

use crate::http::{breaker, chat, post};
use crate::program::{InProcess, pretend};

const KEYS: [&str; 3] = ["pretend-a/key-1", "pretend-a/key-2", "pretend-b/key-1"];

#[test]
fn a_dead_provider_is_asked_ever_less_and_is_back_without_a_probe() {
    let lines = "[gateway]\nmax_resends = 0\n[breaker]\nadaptive_k = 2.0\nwindow = \"1h\"\n";
    let server = InProcess::serve(&pretend(lines), &Environment::empty());
    let addr = server.addr;
    let put = |fault: &str| {
        for key in KEYS {
            let order = json!({ "key": key, "fault": fault }).to_string();
            assert_eq!(post(addr, "/v1/faults", &order).status, 200);
        }
    };
    let counted = |what: &str| -> u64 {
        KEYS.iter().map(|key| breaker(addr, key)["counts"][what].as_u64().unwrap()).sum()
    };
    put("500");
    let mut throttled = 0;
    for _ in 0..30 {
        let reply = chat(addr);
        assert!(reply.status >= 500);
        throttled += u64::from(reply.body.contains("(throttled)"));
    }
    let (asked, rejected) = (counted("failures"), counted("rejected"));
    assert!((3..=20).contains(&asked), "{asked} of 30 calls were made");
    // Who was rejected by one key has asked the next.
    assert!(throttled > 5 && rejected > 20, "{throttled} {rejected}");
    for key in KEYS {
        assert_eq!(breaker(addr, key)["state"], "closed", "{key}");
    }
    // The window still has all of it, and now and then a call is let through.
    put("none");
    assert!((0..500).any(|_| chat(addr).status == 200), "it is served again");
}
