//! Which fields may the section `[vault]` have? The ranges are those of the client, whose own check
//! comes after this one.

use super::{DAY, Kind, Section, Shape, field, ms, required};

pub(super) static VAULT: Section = Section {
    about: "Where keys whose secrets are in a Vault come from.",
    fields: &[
        required(
            "address",
            Kind::Text(Shape::Url),
            "The server: https://HOST:PORT, without a path.",
        ),
        field(
            "token",
            Kind::Secret,
            None,
            "A token, by env: or file: reference. It is renewed while it can be.",
        ),
        field("role_id", Kind::Secret, None, "An AppRole's id, by env: or file: reference."),
        field(
            "secret_id",
            Kind::Secret,
            None,
            "The AppRole's secret id, by env: or file: reference.",
        ),
        field(
            "approle_mount",
            Kind::Text(Shape::Mount),
            Some("\"approle\""),
            "Where AppRole is mounted, below auth/.",
        ),
        field("namespace", Kind::Text(Shape::Mount), None, "The namespace."),
        field(
            "ca_file",
            Kind::Text(Shape::File),
            None,
            "Certificate authorities to trust instead of the machine's, as PEM.",
        ),
        field(
            "refresh",
            Kind::Duration { min: ms(100), max: DAY },
            Some("\"1m\""),
            "How often each secret is looked at.",
        ),
        field(
            "failure_threshold",
            Kind::Count { min: 1, max: 20 },
            Some("5"),
            "Failures in a row that trip the Vault's breaker.",
        ),
        field(
            "recovery_timeout",
            Kind::Duration { min: ms(1_000), max: ms(300_000) },
            Some("\"30s\""),
            "The first open time; it doubles to a minute, or to itself if that is longer.",
        ),
        field(
            "half_open_max_calls",
            Kind::Count { min: 1, max: 10 },
            Some("1"),
            "Probes at once while half-open.",
        ),
        field(
            "mount_breakers",
            Kind::List(&Kind::Text(Shape::Mount)),
            None,
            "Up to 64 mounts with a breaker of their own.",
        ),
        field(
            "max_concurrent",
            Kind::Count { min: 1, max: 100 },
            Some("10"),
            "Requests to it at once.",
        ),
        field(
            "queue_multiplier",
            Kind::Count { min: 0, max: 10 },
            Some("3"),
            "How many times max_concurrent may wait. One more is refused, and asks again later.",
        ),
        field(
            "queue_timeout",
            Kind::Duration { min: ms(10), max: ms(300_000) },
            Some("\"30s\""),
            "How long a request may wait.",
        ),
        field(
            "timeout",
            Kind::Duration { min: ms(10), max: ms(300_000) },
            Some("\"10s\""),
            "How long one attempt may take.",
        ),
        field("max_attempts", Kind::Count { min: 1, max: 10 }, Some("3"), "Attempts of one look."),
        field(
            "backoff",
            Kind::Duration { min: ms(1), max: ms(10_000) },
            Some("\"100ms\""),
            "Between the first two attempts; it doubles.",
        ),
        field(
            "max_backoff",
            Kind::Duration { min: ms(1), max: ms(60_000) },
            Some("\"10s\""),
            "The longest of them, not below backoff.",
        ),
        field(
            "jitter",
            Kind::Share { min: 0.0, max: 0.5 },
            Some("0.1"),
            "How far a back-off or a renewal may be from its time, as a share.",
        ),
        field(
            "renew_after",
            Kind::Share { min: 0.1, max: 0.9 },
            None,
            "After which share of its life the token is renewed. None: two thirds.",
        ),
        field(
            "max_answer_bytes",
            Kind::Bytes { min: 1024, max: 32 << 20 },
            Some("\"1MiB\""),
            "The longest answer that is read.",
        ),
    ],
};
