//! Who may ask: what of a foreign page, a foreign name, a missing token?

use panelboard_server::config::Environment;

use crate::http::{CHAT, breaker, get, raw, send};
use crate::program::{InProcess, pretend};

const TRIP: &str = "/v1/breakers/pretend-a/key-1/trip";
const CHATS: &str = "/v1/chat/completions";

#[track_caller]
fn status(server: &InProcess, method: &str, path: &str, headers: &[(&str, &str)]) -> u16 {
    let body = if path == CHATS { CHAT } else { "" };
    send(server.addr, method, path, headers, body).status
}

#[test]
fn only_our_own_names_are_served() {
    let server = InProcess::serve(
        &pretend("[server]\nallowed_hosts = [\"panel.example\"]\n"),
        &Environment::empty(),
    );
    let ours =
        ["localhost", "LOCALHOST:99", "127.0.0.1", "127.0.0.9:1", "[::1]:8080", "panel.example:1"];
    let foreign = [
        "evil.example",
        "evil.example:8080",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "10.0.0.1",
        "",
        "localhost@evil.example",
    ];
    for host in ours {
        assert_eq!(status(&server, "GET", "/v1/breakers", &[("host", host)]), 200, "{host}");
        assert_eq!(status(&server, "POST", CHATS, &[("host", host)]), 200, "{host}");
    }
    for host in foreign {
        for path in
            ["/", "/v1/breakers", "/v1/calls", "/v1/events?format=json", "/status", "/metrics"]
        {
            assert_eq!(status(&server, "GET", path, &[("host", host)]), 403, "{host} {path}");
        }
        assert_eq!(status(&server, "POST", TRIP, &[("host", host)]), 403, "{host}");
        assert_eq!(status(&server, "POST", CHATS, &[("host", host)]), 403, "{host}");
        assert_eq!(status(&server, "GET", "/health", &[("host", host)]), 200, "{host}");
    }
    assert_eq!(breaker(server.addr, "pretend-a/key-1")["state"], "closed");
}

#[test]
fn a_second_host_or_one_in_the_first_line_does_not_help() {
    let server = InProcess::serve(&pretend(""), &Environment::empty());
    let rows = [
        "GET /status HTTP/1.1\r\nhost: localhost\r\nhost: evil.example\r\nconnection: \
        close\r\n\r\n",
        "GET http://evil.example/status HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
        "GET /status HTTP/1.0\r\n\r\n",
    ];
    for request in rows {
        let answer = raw(server.addr, request.as_bytes());
        assert!(matches!(answer.status, 400 | 403), "{request}: {}", answer.status);
    }
}

#[test]
fn only_our_own_pages_change_something() {
    let server = InProcess::serve(
        &pretend("[server]\nallowed_origins = [\"https://panel.example\"]\n"),
        &Environment::empty(),
    );
    let own = format!("http://{}", server.addr);
    let host = server.addr.to_string();
    let allowed = [own.as_str(), "https://panel.example", "HTTPS://Panel.Example"];
    let foreign = [
        "http://evil.example",
        "null",
        "http://localhost:3000",
        "https://panel.example.evil.example",
        "",
    ];
    for origin in allowed {
        let headers = [("host", host.as_str()), ("origin", origin)];
        assert_eq!(
            status(&server, "POST", "/v1/breakers/pretend-a/reset", &headers),
            200,
            "{origin}"
        );
    }
    for origin in foreign {
        let headers = [("host", host.as_str()), ("origin", origin)];
        for path in [TRIP, "/v1/faults", CHATS] {
            assert_eq!(status(&server, "POST", path, &headers), 403, "{origin} {path}");
        }
        assert_eq!(status(&server, "GET", "/v1/breakers", &headers), 200, "{origin}");
    }
    let twice = [("origin", own.as_str()), ("origin", "http://evil.example")];
    assert_eq!(status(&server, "POST", TRIP, &twice), 403);
    for site in ["cross-site", "same-site"] {
        assert_eq!(status(&server, "POST", TRIP, &[("sec-fetch-site", site)]), 403, "{site}");
    }
    let refused = send(server.addr, "POST", TRIP, &[("origin", "http://evil.example")], "");
    assert_eq!(refused.header("content-type"), Some("application/problem+json"));
    let problem = refused.json();
    assert_eq!(problem["type"], "urn:panelboard:problem:foreign-origin");
    assert_eq!(problem["request_id"].as_str(), refused.header("x-request-id"));
    assert_eq!(breaker(server.addr, "pretend-a/key-1")["state"], "closed");
}

/// With a client key and an admin token.
fn with_tokens() -> InProcess {
    let env = Environment::empty().with("ADMIN", "admin-canary").with("CLIENT", "client-canary");
    let tokens = "[server]\nadmin_token = \"env:ADMIN\"\nclient_keys = [\"env:CLIENT\"]\n";
    InProcess::serve(&pretend(tokens), &env)
}

#[test]
fn tokens_open_what_they_are_for() {
    let server = with_tokens();
    let basic = "Basic YW55Ym9keTphZG1pbi1jYW5hcnk="; // anybody:admin-canary
    let rows: [(&str, u16, u16); 9] = [
        // authorization, the gateway's answer, the panel's answer
        ("", 401, 401),
        ("Bearer client-canary", 200, 401),
        ("bearer client-canary", 200, 401),
        ("Bearer admin-canary", 200, 200),
        (basic, 200, 200),
        ("Bearer client-canar", 401, 401),
        ("Bearer client-canaryx", 401, 401),
        ("client-canary", 401, 401),
        ("Bearer", 401, 401),
    ];
    for (authorization, gateway, panel) in rows {
        let headers = [("authorization", authorization)];
        assert_eq!(status(&server, "POST", CHATS, &headers), gateway, "{authorization}");
        assert_eq!(status(&server, "GET", "/v1/models", &headers), gateway, "{authorization}");
        for path in ["/", "/v1/breakers", "/v1/events?format=json", "/status", "/metrics"] {
            assert_eq!(status(&server, "GET", path, &headers), panel, "{authorization} {path}");
        }
        assert_eq!(
            status(&server, "POST", "/v1/breakers/pretend-a/reset", &headers),
            panel,
            "{authorization}"
        );
        // There is no Vault, as who may ask is told.
        let of_vault = status(&server, "POST", "/v1/vault/breakers/server/trip", &headers);
        assert_eq!(of_vault, if panel == 200 { 404 } else { panel }, "{authorization}");
        assert_eq!(status(&server, "GET", "/health", &headers), 200);
        assert_eq!(status(&server, "GET", "/ready", &headers), 200);
    }
}

#[test]
fn a_refused_token_is_told_in_the_shape_of_the_path() {
    let server = with_tokens();
    let gateway = send(server.addr, "POST", CHATS, &[("authorization", "Bearer x")], CHAT);
    assert_eq!(gateway.json()["error"]["code"], "invalid_api_key");
    assert_eq!(gateway.json()["error"]["type"], "authentication_error");
    let panel = get(server.addr, "/v1/breakers");
    assert_eq!(panel.json()["status"], 401);
    assert!(panel.header("www-authenticate").unwrap().starts_with("Basic"));
    for reply in [gateway, panel] {
        assert!(!format!("{reply:?}").contains("canary"));
    }
}

#[test]
fn with_client_keys_a_gateway_serves_under_any_name() {
    let server = with_tokens();
    let headers = [("host", "gateway.internal:8080"), ("authorization", "Bearer client-canary")];
    assert_eq!(status(&server, "POST", CHATS, &headers), 200);
    let admin = [("host", "gateway.internal:8080"), ("authorization", "Bearer admin-canary")];
    assert_eq!(status(&server, "GET", "/v1/breakers", &admin), 403);
}
