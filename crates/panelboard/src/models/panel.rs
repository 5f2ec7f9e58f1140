//! The panel: one breaker for a key, eviction, the bound, the order of events, and listeners that
//! call back (B3, B7, B9, B11).

use std::sync::{Arc, Mutex, PoisonError};

use super::{
    explore::{explore_bounded, explore_long},
    plain,
};
use crate::{Event, Handle, Panel, PanelError, State};

/// A panel and the handles that its threads keep.
struct Board {
    panel: Panel<u32>,
    kept: Mutex<Vec<Handle>>,
}

impl Board {
    fn new(max_breakers: usize) -> Self {
        let config = plain().failure_threshold(1).build().expect("in range");
        let panel = Panel::builder().defaults(config).max_breakers(max_breakers).build();
        Self { panel, kept: Mutex::new(Vec::new()) }
    }

    /// With an idle breaker for key 7: closed, held by nobody, not used in this sweep.
    fn with_an_idle_one() -> Self {
        let board = Self::new(4);
        drop(board.panel.breaker(&7));
        board.panel.evict_idle();
        board
    }

    fn keep(&self, handle: Result<Handle, PanelError>) -> String {
        match handle {
            Ok(handle) => {
                self.kept.lock().unwrap_or_else(PoisonError::into_inner).push(handle);
                "kept".into()
            }
            Err(PanelError::Full { .. }) => "full".into(),
            Err(PanelError::Circle) => "circle".into(),
        }
    }

    /// Whether all handles of key 7 lead to the breaker that the panel holds.
    fn agree(&self) -> String {
        let live = self.panel.get(&7);
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let same = kept.iter().all(|kept| live.as_ref().is_some_and(|live| live.same_as(kept)));
        format!("{} of them, same: {same}", self.panel.len())
    }
}

#[test]
fn b9_two_first_callers_of_a_key_get_the_same_breaker() {
    explore_long(
        || Board::new(4),
        &[|b: &Board| b.keep(b.panel.breaker(&7)), |b: &Board| b.keep(b.panel.breaker(&7))],
        Board::agree,
        &["kept, kept | 1 of them, same: true"],
    );
}

#[test]
fn b9_a_breaker_that_is_looked_up_is_not_evicted_from_under_its_caller() {
    explore_long(
        Board::with_an_idle_one,
        &[
            |b: &Board| b.keep(b.panel.breaker(&7)),
            |b: &Board| format!("evicted {}", b.panel.evict_idle()),
        ],
        Board::agree,
        &["kept, evicted 0 | 1 of them, same: true", "kept, evicted 1 | 1 of them, same: true"],
    );
}

#[test]
fn b9_two_sweeps_evict_a_breaker_once() {
    explore_long(
        Board::with_an_idle_one,
        &[
            |b: &Board| format!("evicted {}", b.panel.evict_idle()),
            |b: &Board| format!("evicted {}", b.panel.evict_idle()),
        ],
        Board::agree,
        &[
            "evicted 1, evicted 0 | 0 of them, same: true",
            "evicted 0, evicted 1 | 0 of them, same: true",
        ],
    );
}

#[test]
fn b9_a_borrowed_use_keeps_a_breaker_for_a_sweep() {
    explore_long(
        Board::with_an_idle_one,
        &[
            |b: &Board| {
                let used = b.panel.with(&7, |breaker| breaker.state().as_str());
                used.unwrap_or("none").into()
            },
            |b: &Board| format!("evicted {}", b.panel.evict_idle()),
        ],
        Board::agree,
        &[
            "closed, evicted 0 | 1 of them, same: true",
            // Evicted first, and made anew by the use.
            "closed, evicted 1 | 1 of them, same: true",
        ],
    );
}

impl Board {
    fn sweep_twice(&self) -> String {
        let gone = [self.panel.evict_idle(), self.panel.evict_idle()];
        format!("evicted {gone:?}")
    }

    /// What a caller of key 7 finds from now on.
    fn found(&self) -> String {
        let found = self.panel.with(&7, |breaker| breaker.state().as_str());
        format!("{}, {} of them", found.unwrap_or("none"), self.panel.len())
    }
}

#[test]
fn b9_a_trip_within_a_borrowed_use_outlives_any_eviction() {
    explore_bounded(
        Board::with_an_idle_one,
        &[
            |b: &Board| {
                let tripped = b.panel.with(&7, |breaker| breaker.trip().is_some());
                format!("tripped {tripped:?}")
            },
            Board::sweep_twice,
        ],
        Board::found,
        &[
            "tripped Ok(true), evicted [0, 0] | open, 1 of them",
            // Before the use, which made another one.
            "tripped Ok(true), evicted [1, 0] | open, 1 of them",
            // Within it, while it was closed.
            "tripped Ok(true), evicted [0, 1] | open, 1 of them",
        ],
    );
}

#[test]
fn b9_a_breaker_that_is_tripped_and_let_go_is_not_evicted_as_closed() {
    explore_bounded(
        Board::with_an_idle_one,
        &[
            |b: &Board| {
                let handle = b.panel.breaker(&7).expect("there is room");
                format!("tripped {}", handle.trip().is_some())
            },
            Board::sweep_twice,
        ],
        Board::found,
        &[
            "tripped true, evicted [0, 0] | open, 1 of them",
            "tripped true, evicted [1, 0] | open, 1 of them",
        ],
    );
}

#[test]
fn b9_what_is_set_on_a_visit_outlives_an_eviction() {
    explore_bounded(
        Board::with_an_idle_one,
        &[
            |b: &Board| {
                let mut visited = 0;
                b.panel.each(|_, breaker| visited += u32::from(breaker.force_open().is_some()));
                format!("visited {visited}")
            },
            |b: &Board| format!("evicted {}", b.panel.evict_idle()),
        ],
        Board::found,
        &[
            "visited 1, evicted 0 | forced-open, 1 of them",
            "visited 1, evicted 1 | forced-open, 1 of them",
            "visited 0, evicted 1 | closed, 1 of them",
        ],
    );
}

#[test]
fn b11_two_keys_race_for_the_last_place() {
    explore_bounded(
        || Board::new(1),
        &[|b: &Board| b.keep(b.panel.breaker(&1)), |b: &Board| b.keep(b.panel.breaker(&2))],
        |b: &Board| b.panel.len().to_string(),
        &["kept, full | 1", "full, kept | 1"],
    );
}

/// A panel whose listener resets each breaker that opens, with a breaker for key 7.
fn board_that_resets() -> Board {
    let own: Arc<Mutex<Option<Panel<u32>>>> = Arc::default();
    let of_listener = Arc::clone(&own);
    let reset = move |event: &Event<u32>| {
        let panel = of_listener.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let (State::Open, Some(panel)) = (event.transition.to, panel) {
            let asked = panel.with(&event.key, |breaker| {
                breaker.reset();
                breaker.snapshot().generation
            });
            assert!(asked.is_ok(), "the breaker is there");
        }
    };
    let config = plain().failure_threshold(1).build().expect("in range");
    let panel = Panel::builder().defaults(config).on_transition(reset).build();
    *own.lock().unwrap_or_else(PoisonError::into_inner) = Some(panel.clone());
    let board = Board { panel, kept: Mutex::new(Vec::new()) };
    board.keep(board.panel.breaker(&7));
    board
}

#[test]
fn b7_a_listener_may_change_the_breaker_that_it_hears_of() {
    explore_long(
        board_that_resets,
        &[
            |b: &Board| {
                let tripped = b.panel.with(&7, |breaker| breaker.trip().is_some());
                format!("tripped {tripped:?}")
            },
            |b: &Board| {
                let state = b.panel.with(&7, |breaker| breaker.state());
                format!("saw {state:?}")
            },
        ],
        |b: &Board| {
            let shown = b.panel.with(&7, |breaker| {
                let shown = breaker.snapshot();
                format!("{} #{}", shown.state, shown.generation)
            });
            shown.unwrap_or_default()
        },
        &[
            "tripped Ok(true), saw Ok(Closed) | closed #2",
            "tripped Ok(true), saw Ok(Open) | closed #2",
        ],
    );
}

#[test]
fn b3_events_come_in_the_order_of_their_generations() {
    explore_long(
        || {
            let board = Board::new(4);
            board.keep(board.panel.breaker(&7));
            board
        },
        &[
            |b: &Board| {
                b.panel
                    .with(&7, |breaker| breaker.trip().is_some())
                    .map_or_else(|_| "none".into(), |tripped| format!("tripped {tripped}"))
            },
            |b: &Board| {
                b.panel
                    .with(&7, |breaker| breaker.reset().generation)
                    .map_or_else(|_| "none".into(), |generation| format!("reset#{generation}"))
            },
        ],
        |b: &Board| {
            let mut events = b.panel.subscribe_from(1);
            let mut told = String::new();
            while let Some(Ok(event)) = events.next() {
                let transition = event.transition;
                told +=
                    &format!("{}:{}>{} ", transition.generation, transition.from, transition.to);
            }
            told
        },
        &[
            "tripped true, reset#2 | 1:closed>open 2:open>closed ",
            "tripped true, reset#1 | 1:closed>closed 2:closed>open ",
        ],
    );
}

/// Keys 1 and 2 are a group of which one may be open.
fn group_of_two() -> Board {
    let config = plain().failure_threshold(1).build().expect("in range");
    let rules = crate::Group::new(0.5).expect("in range");
    let panel = Panel::builder().defaults(config).group(rules, |_| Some("both".into())).build();
    let board = Board { panel, kept: Mutex::new(Vec::new()) };
    board.keep(board.panel.breaker(&1));
    board.keep(board.panel.breaker(&2));
    board
}

impl Board {
    fn fail(&self, key: u32) -> String {
        let handle = self.panel.get(&key).expect("it is kept");
        handle.acquire().map_or_else(|_| "rejected".into(), |permit| super::ended(permit.failure()))
    }

    fn states(&self) -> String {
        let of = |key| self.panel.get(&key).map_or("-", |handle| handle.state().as_str());
        format!("{} {}", of(1), of(2))
    }
}

#[test]
fn groups_one_of_two_that_fail_together_opens() {
    explore_long(
        group_of_two,
        &[|b: &Board| b.fail(1), |b: &Board| b.fail(2)],
        Board::states,
        &["closed>open#1, held | open closed", "held, closed>open#1 | closed open"],
    );
}

#[test]
fn groups_a_place_that_a_reset_frees_is_taken_once() {
    explore_long(
        || {
            let board = group_of_two();
            board.fail(1);
            board
        },
        &[
            |b: &Board| {
                let handle = b.panel.get(&1).expect("it is kept");
                format!("reset#{}", handle.reset().generation)
            },
            |b: &Board| b.fail(2),
        ],
        |b: &Board| format!("{}, then {}", b.states(), b.fail(1)),
        &[
            "reset#2, held | closed closed, then closed>open#3",
            "reset#2, closed>open#1 | closed open, then held",
        ],
    );
}
