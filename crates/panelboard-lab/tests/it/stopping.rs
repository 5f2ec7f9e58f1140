//! Can who watches a simulation see how far it is, and stop it?

use std::ops::ControlFlow;

use panelboard_lab::{Options, Scenario, Stopped, simulate};

const TEXT: &str = r#"
    [run]
    lasts = "20s"
    seeds = 4
    [[service]]
    name = "a"
    latency = { kind = "constant", mean = "5ms" }
    [[caller]]
    name = "x"
    calls = ["a"]
    rate = 20
"#;

#[test]
fn the_share_that_is_done_rises_to_all() {
    let scenario = Scenario::from_toml("s.toml", TEXT).unwrap();
    for threads in [1, 3] {
        let mut told = Vec::new();
        let watch = |done| {
            told.push(done);
            ControlFlow::Continue(())
        };
        simulate(&scenario, Options::default().threads(threads), watch).unwrap();
        // Two policies, four seeds, twenty buckets.
        assert_eq!(told.len(), 160);
        assert!(told.is_sorted(), "{told:?}");
        assert!((told[159] - 1.0).abs() < 1e-9, "{told:?}");
    }
}

#[test]
fn it_ends_when_it_is_told_to() {
    let scenario = Scenario::from_toml("s.toml", TEXT).unwrap();
    for threads in [1, 3] {
        let mut told = 0;
        let watch = |_| {
            told += 1;
            if told == 5 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let stopped = simulate(&scenario, Options::default().threads(threads), watch);
        assert_eq!((stopped, told), (Err(Stopped), 5));
    }
}
