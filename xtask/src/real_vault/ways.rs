//! Do the other ways hold on a real server: TLS, a token that was made elsewhere, renewed by hand,
//! lists, the cache, a mount with a breaker of its own, a namespace? What was sent, the server's
//! own record says.

use serde_json::json;

use super::{Scene, ask_server};

/// An address where nobody listens.
const NOBODY: &str = r#"{"connection_uri":"http://127.0.0.1:1","username":"a","password":"b",
    "verify_connection":false}"#;

impl Scene<'_> {
    /// The client is opened anew, at the server's other door.
    pub(super) fn over_tls(&mut self) -> Result<(), String> {
        let token = self.bao.token(60)?;
        let at = self.bao.over_tls();
        let (own, other) = (self.bao.file("ca.pem"), self.bao.file("other.pem"));
        self.ask(&format!("open {at} token {token} max_attempts=1 ca_file={other}"))?;
        let refused = self.ask("read traffic n")?;
        let unsent = refused["error"] == "Connect" && refused["maybe_done"] == false;
        self.story.check(unsent, "a server of another authority is told nothing");
        let settings = "mount_breakers=rabbitmq failure_threshold=2 backoff=10ms";
        self.must(
            &format!("open {at} token {token} ca_file={own} {settings}"),
            "over TLS, with a token that was made elsewhere",
        )?;
        let read = self.must("read traffic n", "it reads")?;
        self.story.check(read["value"] == "1", "what is there");
        let renewals = self.bao.requests(&["update"], "auth/token/renew-self")?;
        self.must("renew", "its token is renewed by hand")?;
        let renewals = self.bao.requests(&["update"], "auth/token/renew-self")? - renewals;
        let health = self.ask("health")?;
        let once = renewals == 1 && health["renewals"] == 1 && health["log_ins"] == 0;
        self.story.check(once, format!("by {renewals} request, says the server"));
        self.lists_and_caches()?;
        self.breaks_a_mount()?;
        self.in_a_namespace(&at, &own)
    }

    fn lists_and_caches(&mut self) -> Result<(), String> {
        for line in ["write list/a n 1", "write list/b/c n 1", "write1 list/a n 1"] {
            self.must(line, line)?;
        }
        let (two, one) = (self.ask("list list")?, self.ask("list1 list")?);
        let fits = two["names"] == json!(["a", "b/"]) && one["names"] == json!(["a"]);
        self.story.check(fits, format!("lists of both engines: {two} {one}"));
        self.must("delete1 list/a", "KV 1: deleted")?;
        let gone = self.ask("read1 list/a n")?;
        let deletes = self.bao.requests(&["delete"], "kv1/list/a")?;
        let once = gone["ok"] == true && gone["value"].is_null() && deletes == 1;
        self.story.check(once, "and gone, by one request");

        let path = "kv2/data/list/a";
        let before = self.bao.requests(&["read"], path)?;
        let mut seen = Vec::new();
        for line in ["cached", "cached", "cached", "write", "cached", "cached"] {
            match line {
                "write" => drop(self.must("write list/a n 2", "a write in between")?),
                _ => seen.push(self.ask("cached list/a n")?),
            }
        }
        let values: Vec<_> = seen.iter().map(|one| one["value"].clone()).collect();
        let asked = self.bao.requests(&["read"], path)? - before;
        let fits = values == ["1", "1", "1", "2", "2"] && asked == 2;
        self.story.check(fits, format!("5 reads through the cache are {asked} requests"));
        Ok(())
    }

    /// A mount whose other side is gone fails, and the others go on.
    fn breaks_a_mount(&mut self) -> Result<(), String> {
        self.bao.put("rabbitmq/config/connection", NOBODY)?;
        let path = "rabbitmq/creds/app";
        let before = self.bao.requests(&["read"], path)?;
        let mut told = Vec::new();
        for _ in 0..3 {
            let failed = self.ask("lease rabbitmq creds/app")?;
            told.push(json!([failed["error"], failed["attempts"]]));
        }
        let sent = self.bao.requests(&["read"], path)? - before;
        let expected = [json!(["Server", 1]), json!(["Server", 1]), json!(["Unavailable", 0])];
        let trips = told == expected && sent == 2;
        self.story.check(
            trips,
            format!("the breaker of a mount trips, after {sent} requests: {}", json!(told)),
        );
        let breakers = self.ask("health")?["breakers"].clone();
        let alone = breakers == json!({ "server": "closed", "mount rabbitmq": "open" });
        self.story.check(alone, format!("it alone: {breakers}"));
        self.must("read traffic n", "and the other mounts go on").map(drop)
    }

    fn in_a_namespace(&mut self, at: &str, authority: &str) -> Result<(), String> {
        self.bao.namespace("team")?;
        let root = self.bao.root.clone();
        let line = format!("open {at} token {root} ca_file={authority} namespace=team");
        self.must(&line, "in a namespace")?;
        self.must("write only/here n 7", "it writes")?;
        let read = self.ask("read only/here n")?;
        let status = |path: &str| -> Result<u16, String> {
            Ok(ask_server(self.bao.address(), "GET", path, &root, "")?.0)
        };
        let (here, there) = (status("team/kv2/data/only/here")?, status("kv2/data/only/here")?);
        let is_there = read["value"] == "7" && (here, there) == (200, 404);
        self.story.check(is_there, format!("what is there and nowhere else: {here}, {there}"));
        let sent = self.bao.requests(&["create", "update"], "team/kv2/data/only/here")?;
        self.story.check(sent == 1, format!("by {sent} request"));
        // A token without an end is not renewed, and nobody is told that it was.
        let refused = self.ask("renew")?;
        let is_told = refused["error"] == "BadRequest" && refused["attempts"] == 1;
        self.story
            .check(is_told, format!("a renewal that the server refuses is told so: {refused}"));
        Ok(())
    }
}
