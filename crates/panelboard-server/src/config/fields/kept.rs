//! Which fields say what is kept, and for how long: the store, its sessions, the log of calls?

use super::{DAY, Kind, Section, Shape, field, ms};

/// For what may last.
const TEN_YEARS_MS: u64 = 10 * 31_557_600 * 1_000;

pub(super) static STORE: Section = Section {
    about: "Where sessions are kept.",
    fields: &[
        field(
            "path",
            Kind::Text(Shape::Path),
            Some("\"panelboard.db\""),
            "The file; it is made if it is not there. `:memory:`: nothing survives the process.",
        ),
        field(
            "max_bytes",
            Kind::Bytes { min: 1 << 20, max: 1 << 40 },
            Some("\"1GiB\""),
            "The size that the file may grow to. At the limit nothing new is taken, with 503.",
        ),
    ],
};

/// What a submission does if a run holds its session, as written.
const POLICIES: &[&str] = &["reject", "enqueue", "interrupt", "rollback", "steer"];

/// What a run waits for, as written.
const EXCLUSIVE: &[&str] = &["physical", "logical"];

pub(super) static SESSIONS: Section = Section {
    about: "Chats, each with one run at a time.",
    fields: &[
        field(
            "on_conflict",
            Kind::OneOf(POLICIES),
            Some("\"reject\""),
            "What a submission that does not say so does if a run holds its session.",
        ),
        field(
            "exclusive",
            Kind::OneOf(EXCLUSIVE),
            Some("\"physical\""),
            "What a run waits for when the one before it was told to stop: its task, or nothing. \
             Then what that had not finished is not kept.",
        ),
        field(
            "max_sessions",
            Kind::Count { min: 1, max: 10_000_000 },
            Some("100000"),
            "Sessions in memory. At the limit a further one is answered with 503.",
        ),
        field(
            "max_queue",
            Kind::Count { min: 1, max: 10_000 },
            Some("64"),
            "Runs that wait in one session. One more is answered with 429.",
        ),
        field(
            "max_input_bytes",
            Kind::Bytes { min: 1024, max: 512 << 10 },
            Some("\"256KiB\""),
            "The longest input. A longer one is answered with 413.",
        ),
        field(
            "grace",
            Kind::Duration { min: ms(0), max: ms(600_000) },
            Some("\"5s\""),
            "From the order to stop until a run is aborted.",
        ),
        field(
            "hard_grace",
            Kind::Duration { min: ms(0), max: ms(600_000) },
            Some("\"5s\""),
            "From the abort until a run that does not end is given up.",
        ),
        field(
            "run_timeout",
            Kind::Duration { min: ms(1), max: DAY },
            Some("\"10m\""),
            "How long a run may hold its session. Then it is stopped.",
        ),
        field(
            "idle_after",
            Kind::Duration { min: ms(1), max: DAY },
            Some("\"5m\""),
            "After so long without use a session leaves the memory; its name loads it again.",
        ),
        field(
            "expire_after",
            Kind::Duration { min: ms(1_000), max: ms(TEN_YEARS_MS) },
            None,
            "A session that is in no memory and that nobody has written to for so long is deleted. \
             None: never.",
        ),
        field(
            "max_connections",
            Kind::Count { min: 1, max: 1_000_000 },
            Some("16384"),
            "Sockets and streams of sessions at once. One more is answered with 429.",
        ),
        field(
            "max_subscriptions",
            Kind::Count { min: 1, max: 10_000 },
            Some("64"),
            "Sessions that one socket may follow. One more is refused.",
        ),
        field(
            "max_commands_per_second",
            Kind::Count { min: 1, max: 1_000_000 },
            Some("1000"),
            "Commands that one socket may send at once, and in each second. Who sends more is \
             closed with 4429.",
        ),
        field(
            "ring_events",
            Kind::Count { min: 1, max: 1_000_000 },
            Some("1024"),
            "Events of each session in memory. Older ones are read from the store.",
        ),
        field(
            "snapshot_every",
            Kind::Count { min: 1, max: 1_000_000_000 },
            Some("512"),
            "Records that come to a session until the store has a new snapshot of it.",
        ),
        field(
            "snapshot_bytes",
            Kind::Bytes { min: 1, max: 1 << 30 },
            Some("\"4MiB\""),
            "Bytes of records that come to a session until the store has a new snapshot of it.",
        ),
        field(
            "keep_events",
            Kind::Count { min: 0, max: 1_000_000_000 },
            Some("10000"),
            "Events of each session that stay in the store behind a snapshot. Who was away for \
             longer gets the whole state.",
        ),
        field(
            "write_timeout",
            Kind::Duration { min: ms(10), max: ms(600_000) },
            Some("\"10s\""),
            "How long somebody may take nothing of what he is sent. Then a socket is closed with \
             4408, and any other connection is cut, of a stream of events or of the gateway.",
        ),
        field(
            "ping_interval",
            Kind::Duration { min: ms(10), max: ms(600_000) },
            Some("\"25s\""),
            "How often a socket is pinged.",
        ),
        field(
            "ping_timeout",
            Kind::Duration { min: ms(20), max: ms(3_600_000) },
            Some("\"55s\""),
            "A socket from which nothing is heard for so long is closed.",
        ),
    ],
};

pub(super) static CALLS: Section = Section {
    about: "The log of calls to providers: when, who, how it ended, how long it took; no content.",
    fields: &[
        field("log", Kind::Switch, Some("true"), "Whether calls are logged."),
        field(
            "path",
            Kind::Text(Shape::Path),
            None,
            "The file. None: beside the store's, `panelboard-calls.db` for `panelboard.db`. \
             `:memory:`: nothing survives the process.",
        ),
        field(
            "keep",
            Kind::Duration { min: ms(1_000), max: ms(TEN_YEARS_MS) },
            Some("\"7days\""),
            "How long a call stays in the log. What is older goes within an hour.",
        ),
        field(
            "max_rows",
            Kind::Count { min: 1, max: 1 << 40 },
            Some("5000000"),
            "Calls in the log. At the limit the oldest go.",
        ),
        field(
            "max_bytes",
            Kind::Bytes { min: 1 << 20, max: 1 << 40 },
            Some("\"512MiB\""),
            "The size that the file may grow to. At the limit the oldest calls go.",
        ),
        field(
            "queue",
            Kind::Count { min: 1, max: 1 << 20 },
            Some("8192"),
            "Calls that wait for the disk. One more is not logged, and counted.",
        ),
    ],
};

pub(super) static JOBS: Section = Section {
    about: "Simulations and analyses, each on a thread of its own.",
    fields: &[
        field(
            "max_running",
            Kind::Count { min: 1, max: 1_000 },
            Some("10"),
            "Jobs that run at once, each on one processor. More wait.",
        ),
        field(
            "max_queue",
            Kind::Count { min: 1, max: 1_000_000 },
            Some("10000"),
            "Jobs that wait. One more is answered with 429.",
        ),
        field(
            "max_jobs",
            Kind::Count { min: 1, max: 1_000_000 },
            Some("20000"),
            "Jobs that are known. At the limit the one that ended first goes; if none has, one \
             more is answered with 429.",
        ),
        field(
            "max_paused",
            Kind::Count { min: 1, max: 1_000 },
            Some("64"),
            "Jobs that are paused while they run: each keeps its thread. One more is not paused.",
        ),
        field(
            "max_args_bytes",
            Kind::Bytes { min: 1024, max: 256 << 10 },
            Some("\"256KiB\""),
            "The longest arguments. Longer ones are answered with 413.",
        ),
        field(
            "grace",
            Kind::Duration { min: ms(0), max: ms(600_000) },
            Some("\"5s\""),
            "From the order to stop until a job that has not ended is shown as stuck.",
        ),
        field(
            "keep",
            Kind::Duration { min: ms(1_000), max: ms(TEN_YEARS_MS) },
            Some("\"1day\""),
            "How long a job that has ended is known. A pinned one stays.",
        ),
    ],
};
