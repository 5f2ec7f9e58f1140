//! Is what racing clients see of a session, over HTTP, an order of calls on a naive one?
//!
//! Short histories against the real server: threads that submit under every policy, cancel, clear,
//! write, read and take out of the queue, and a witness who reads the log as it grows. Each is
//! judged by `panelboard-histories`. `PANELBOARD_SESSION_HISTORIES` says how many.

mod provider;
mod recorder;

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use panelboard_histories::{Verdict, histories};
use panelboard_server::config::Environment;
use serde_json::{Value, json};

use self::provider::Fake;
use self::recorder::{Client, Recorder};
use crate::http::get;
use crate::program::InProcess;
use crate::sessions::Chat;

/// How many may wait in a session: few, so that the queue is full at times.
const QUEUE: usize = 3;
/// Histories under way at one time.
const AT_ONCE: u64 = 8;
/// Calls of each thread.
const CALLS: usize = 6;

/// An answer that must have been given, in words, and how it is known.
type Mark = (&'static str, fn(&Value) -> bool);

/// What must have been seen in so many histories that each rule was put to the test.
const MARKS: [Mark; 10] = [
    ("a submission that was refused", |body| body["code"] == "session-busy"),
    ("a full queue", |body| body["code"] == "queue-full"),
    ("a replacement of another memory", |body| body["code"] == "stale-tag"),
    ("a key that was used for something else", |body| body["code"] == "idempotency-mismatch"),
    ("a run that had left the queue", |body| body["code"] == "already-started"),
    ("a cancel that changed something", |body| body["changed"] == true),
    ("a cancel that changed nothing", |body| body["changed"] == false),
    ("a key that was sent again", |body| body["replayed"] == true),
    ("a place in the queue", |body| body["position"].is_number()),
    ("a clear", |body| body["era"].is_number() && body["seq"].is_number()),
];

/// The same, of events.
const ENDS: [&str; 6] =
    ["succeeded", "cancelled", "superseded", "rolled_back", "consumed", "failed"];

#[test]
fn s10_what_racing_clients_see_is_an_order_of_calls_on_a_naive_session() {
    let wanted = number("PANELBOARD_SESSION_HISTORIES", 200);
    let first = number("PANELBOARD_SEED", 1);
    let fake = Fake::start();
    let config = format!(
        "[sessions]\nmax_queue = {QUEUE}\ngrace = \"2s\"\n\
         [[provider]]\nname = \"fake\"\nkind = \"openai-compatible\"\n\
         base_url = \"http://{}/v1\"\nkeys = [{{ name = \"key-1\", secret = \"env:FAKE_KEY\" }}]\n\
         [[model]]\nname = \"fast\"\ntargets = [\"fake/model\"]\n",
        fake.addr
    );
    let server = InProcess::serve(&config, &Environment::empty().with("FAKE_KEY", "any"));
    let sum = thread::scope(|scope| {
        let work = |part: u64| {
            let (fake, addr) = (&fake, server.addr);
            move || {
                let mut sum = Sum::default();
                for seed in (first..first + wanted).filter(|seed| seed % AT_ONCE == part) {
                    sum.add(seed, &record(Chat::new(addr, &format!("h{seed}")), fake, seed));
                }
                sum
            }
        };
        let parts: Vec<_> = (0..AT_ONCE).map(|part| scope.spawn(work(part))).collect();
        parts.into_iter().map(|part| part.join().unwrap()).fold(Sum::default(), Sum::and)
    });
    sum.tell(wanted);
}

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |text| text.parse().expect("a number"))
}

/// One history: 4 to 8 threads on a session, all that they were told and all that it wrote.
fn record(chat: Chat, fake: &Fake, seed: u64) -> Vec<Value> {
    let made = json!({ "id": chat.session });
    assert_eq!(crate::http::post(chat.addr, "/v1/sessions", &made.to_string()).status, 201);
    let recorder = Recorder::default();
    let last = AtomicU64::new(u64::MAX);
    let pace = fake.pace(&chat.session);
    thread::scope(|scope| {
        let (chat, recorder, last) = (&chat, &recorder, &last);
        let witness = scope.spawn(move || witness(chat, recorder, last));
        let threads: Vec<_> = (0..4 + seed % 5)
            .map(|thread| {
                let mut client = Client::new(chat, recorder, &pace, seed * 16 + thread);
                scope.spawn(move || (0..CALLS).for_each(|_| client.call()))
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        // Everything may come to its end; who is last waits for that.
        pace.open();
        let mut client = Client::new(chat, recorder, &pace, seed);
        client.come_to_rest();
        // The next one is the last event, for which the witness wakes up.
        // Relaxed, both: it carries only itself, and who reads an older one asks once more.
        last.store(client.note() + 1, Ordering::Relaxed);
        client.note();
        witness.join().unwrap();
        client.look_at_all();
    });
    recorder.into_entries()
}

/// Reads the log as it grows, from its beginning to the `last` event, and says what it was shown.
fn witness(chat: &Chat, recorder: &Recorder, last: &AtomicU64) {
    let epoch = chat.view()["epoch"].as_str().unwrap().to_owned();
    let (mut seq, mut after) = (0, format!("{epoch}-0"));
    while seq < last.load(Ordering::Relaxed) {
        let page = get(chat.addr, &chat.path(&format!("/events?after={after}&wait=5")));
        assert_eq!(page.status, 200, "{}", page.body);
        let page = page.json();
        page["next"].as_str().unwrap().clone_into(&mut after);
        for event in page["events"].as_array().unwrap() {
            recorder.shown(event);
            seq = event["seq"].as_u64().unwrap();
        }
    }
}

/// What all histories came to.
#[derive(Default)]
struct Sum {
    calls: usize,
    overlapping: usize,
    spoiled: usize,
    answers: Vec<Value>,
    ends: Vec<Value>,
}

impl Sum {
    #[expect(clippy::print_stderr, reason = "a record that is refused is shown")]
    fn add(&mut self, seed: u64, record: &[Value]) {
        let history = histories(record, QUEUE).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
        let history = history.first().expect("a session");
        assert_eq!(history.holes(), 0, "seed {seed}: the witness missed something");
        if let Verdict::NoOrder(stuck) = history.judge() {
            record.iter().for_each(|entry| eprintln!("{entry}"));
            panic!("seed {seed}: {stuck}");
        }
        assert_eq!(history.judge(), Verdict::AnOrder, "seed {seed}");
        self.calls += history.calls();
        self.overlapping += history.overlapping();
        // What would be said of a server that answers a little differently.
        if let Some(wrong) = spoil(record, seed) {
            let wrong = histories(&wrong, QUEUE).expect("a record").remove(0);
            let verdict = wrong.judge();
            assert!(matches!(verdict, Verdict::NoOrder(_)), "seed {seed}: a wrong answer passed");
            self.spoiled += 1;
        }
        let of = |kind: &'static str| record.iter().filter(move |entry| entry["k"] == kind);
        self.answers.extend(of("answered").map(|entry| entry["body"].clone()));
        let ended = of("frame").filter(|entry| entry["frame"]["event"] == "run.finished");
        self.ends.extend(ended.map(|entry| entry["frame"]["data"]["status"].clone()));
    }

    fn and(mut self, other: Self) -> Self {
        self.calls += other.calls;
        self.overlapping += other.overlapping;
        self.spoiled += other.spoiled;
        self.answers.extend(other.answers);
        self.ends.extend(other.ends);
        self
    }

    #[expect(clippy::print_stdout, reason = "a test says how much it has tried")]
    fn tell(&self, wanted: u64) {
        let Self { calls, overlapping, spoiled, ends, .. } = self;
        println!(
            "sessions: {wanted} histories of {calls} calls; {overlapping} calls began while \
             another ran, {} runs ended, {spoiled} histories were spoiled and refused",
            ends.len()
        );
        for (what, is) in MARKS {
            let count = self.answers.iter().filter(|body| is(body)).count();
            println!("  {what}: {count}");
            assert!(count > 0 || wanted < 200, "nobody saw this: {what}");
        }
        for end in ENDS {
            let count = ends.iter().filter(|status| *status == end).count();
            println!("  runs that {end}: {count}");
            assert!(count > 0 || wanted < 200, "no run {end}");
        }
        assert!(overlapping * 2 > *calls, "calls overlapped in {overlapping} of {calls} only");
        assert!(*spoiled as u64 * 10 > wanted * 9, "only {spoiled} histories could be spoiled");
    }
}

/// The same record with one answer changed to what no order explains.
fn spoil(record: &[Value], seed: u64) -> Option<Vec<Value>> {
    let mut wrong = record.to_vec();
    let start = seed as usize % wrong.len();
    let mut places = (0..wrong.len()).map(|step| (start + step) % record.len());
    let place = places.find(|place| {
        let body = &record[*place]["body"];
        let cleared = body["era"].is_number() && body["seq"].is_number();
        record[*place]["k"] == "answered" && (cleared || body["tag"].is_string())
    })?;
    let body = &mut wrong[place]["body"];
    // A memory, or a clear, that never was.
    if body["tag"].is_string() {
        body["tag"] = "77.77".into();
    } else {
        body["era"] = 77.into();
    }
    Some(wrong)
}
