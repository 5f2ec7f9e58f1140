//! Does the token's state keep its promises, whatever comes in whatever order?

use std::{collections::HashSet, sync::Arc, time::Duration};

use super::*;
use crate::{correlation::CorrelationId, error::Operation};

const S: Duration = Duration::from_secs(1);

fn text(of: &str) -> Secret<String> {
    Secret::new(of.to_owned())
}

fn granted(token: Option<&str>, ttl: u64, renewable: bool) -> Came {
    let token = token.map(text);
    let ttl = Some(Duration::from_secs(ttl));
    Came::Granted(Granted { token, ttl, renewable })
}

fn error(kind: ErrorKind) -> Error {
    Error::unsent(Operation::RenewToken, kind, CorrelationId::from(7))
}

fn failed(kind: ErrorKind) -> Came {
    Came::Failed(error(kind))
}

fn refused() -> Came {
    Came::Refused(error(ErrorKind::Forbidden))
}

fn flight(state: &mut TokenState, now: Duration, early: bool) -> Flight {
    match state.begin(now, early) {
        Begin::Flight(flight) => flight,
        _ => panic!("nothing begins at {now:?}"),
    }
}

fn logged_in(ttl: u64, renewable: bool) -> TokenState {
    let mut state = TokenState::new(None, 0.5);
    let login = flight(&mut state, Duration::ZERO, false);
    assert_eq!(login.work, Work::LogIn);
    assert!(state.end(
        &login,
        granted(Some("t1"), ttl, renewable),
        (Duration::ZERO, Duration::ZERO),
        1.0
    ));
    state
}

fn shown(state: &TokenState, now: Duration) -> Option<String> {
    state.current(now).map(|(token, _)| token.expose().clone())
}

#[test]
fn a_token_is_renewed_before_its_end_and_once() {
    let mut state = logged_in(100, true);
    assert_eq!(state.due(Duration::ZERO), Some(50 * S));
    assert!(matches!(state.begin(49 * S, false), Begin::Nothing));
    let renewal = flight(&mut state, 50 * S, false);
    assert_eq!(renewal.work, Work::Renew);
    assert!(matches!(state.begin(50 * S, true), Begin::UnderWay));
    assert_eq!(shown(&state, 99 * S).as_deref(), Some("t1"), "good while it is renewed");
    assert!(state.end(&renewal, granted(None, 100, true), (50 * S, 51 * S), 1.0));
    assert_eq!(state.seen(50 * S), Some((1, Some(100 * S), true)), "from when it was sent");
    assert_eq!(state.figures().renewals, 1);
}

#[test]
fn a_renewal_of_an_older_token_changes_nothing() {
    let mut state = logged_in(100, true);
    let renewal = flight(&mut state, 60 * S, false);
    state.put(text("t2"));
    assert!(!state.end(&renewal, granted(Some("t1"), 500, true), (60 * S, 61 * S), 1.0));
    assert_eq!(shown(&state, 61 * S).as_deref(), Some("t2"));
    assert_eq!(state.figures().stale, 1);
    assert_eq!(flight(&mut state, 61 * S, false).work, Work::LookUp, "the new one's life");
}

#[test]
fn a_token_that_cannot_be_renewed_is_replaced_where_that_can_be_done() {
    let mut state = logged_in(100, false);
    let login = flight(&mut state, 50 * S, false);
    assert_eq!(login.work, Work::LogIn);
    assert_eq!(shown(&state, 51 * S).as_deref(), Some("t1"));
    assert!(state.end(&login, granted(Some("t2"), 100, false), (50 * S, 51 * S), 1.0));
    assert_eq!(shown(&state, 51 * S).as_deref(), Some("t2"));

    let mut fixed = TokenState::new(Some(Arc::new(text("t"))), 0.5);
    let look = flight(&mut fixed, Duration::ZERO, false);
    assert_eq!(look.work, Work::LookUp);
    assert!(fixed.end(&look, granted(None, 100, false), (Duration::ZERO, S), 1.0));
    assert!(fixed.due(S).is_none(), "it ends, and that is that");
    assert!(fixed.current(99 * S).is_some() && fixed.current(100 * S).is_none());
    assert!(matches!(fixed.begin(100 * S, true), Begin::Nothing));
}

#[test]
fn a_life_that_gets_shorter_is_not_renewed_for_ever() {
    let mut state = logged_in(100, true);
    let renewal = flight(&mut state, 50 * S, false);
    assert!(state.end(&renewal, granted(None, 40, true), (50 * S, 50 * S), 1.0));
    assert_eq!(flight(&mut state, 70 * S, false).work, Work::LogIn);
}

#[test]
fn a_refused_renewal_leads_to_a_log_in_and_a_failed_one_is_tried_again() {
    let mut state = logged_in(100, true);
    let renewal = flight(&mut state, 50 * S, false);
    state.end(&renewal, failed(ErrorKind::Timeout), (50 * S, 50 * S), 1.0);
    let told = state.begin(50 * S, false);
    assert!(matches!(told, Begin::NotYet(told) if told == error(ErrorKind::Timeout)));
    let again = flight(&mut state, 51 * S, false);
    assert_eq!(again.work, Work::Renew);
    state.end(&again, refused(), (51 * S, 51 * S), 1.0);
    assert_eq!(flight(&mut state, 51 * S, false).work, Work::LogIn);
}

#[test]
fn a_revoked_token_is_found_by_its_403_and_asked_about_once() {
    let mut state = logged_in(100, true);
    assert!(state.suspect(1, 10 * S) && state.suspect(1, 10 * S));
    let look = flight(&mut state, 10 * S, false);
    state.end(&look, granted(None, 90, true), (10 * S, 10 * S), 1.0);
    assert!(!state.suspect(1, 39 * S), "the server said a moment ago that it is good");
    assert!(state.suspect(1, 40 * S));
    let look = flight(&mut state, 40 * S, false);
    assert_eq!(look.work, Work::LookUp);
    assert!(matches!(state.begin(40 * S, false), Begin::UnderWay));
    state.end(&look, refused(), (40 * S, 40 * S), 1.0);
    assert!(state.is_settled(1) && state.current(40 * S).is_none());
    assert_eq!(flight(&mut state, 40 * S, false).work, Work::LogIn);
}

#[test]
fn a_life_of_no_seconds_is_one_that_ends_now_if_it_has_an_end() {
    let mut fixed = TokenState::new(Some(Arc::new(text("t"))), 0.5);
    let look = flight(&mut fixed, S, false);
    let ends = Came::Granted(Granted { token: None, ttl: Some(Duration::ZERO), renewable: true });
    assert!(fixed.end(&look, ends, (S, S), 1.0));
    assert!(fixed.current(S).is_none() && fixed.seen(S).is_none());

    let mut endless = TokenState::new(Some(Arc::new(text("t"))), 0.5);
    let look = flight(&mut endless, S, false);
    let no_end = || Came::Granted(Granted { token: None, ttl: None, renewable: false });
    assert!(endless.end(&look, no_end(), (S, S), 1.0));
    assert_eq!(endless.seen(1_000 * S), Some((0, None, false)));

    // What a renewal of a life that ends says is not that it ends no more.
    let mut state = logged_in(100, true);
    let renewal = flight(&mut state, 50 * S, false);
    assert!(state.end(&renewal, no_end(), (99 * S, 99 * S), 1.0));
    assert!(state.current(99 * S).is_none());
}

#[test]
fn a_renewal_by_hand_is_of_the_token_in_hand_and_no_look_up_stands_in_for_it() {
    let mut state = TokenState::new(Some(Arc::new(text("t"))), 0.5);
    let look = flight(&mut state, Duration::ZERO, false);
    assert!(matches!(state.renew(Duration::ZERO), Renewal::Later));
    state.end(&look, granted(None, 100, false), (Duration::ZERO, S), 1.0);
    let Renewal::Awaited(landed, Some(renewal)) = state.renew(S) else { panic!("it begins") };
    assert_eq!(renewal.work, Work::Renew, "whether it can be, the server says");
    let Renewal::Awaited(other, None) = state.renew(S) else { panic!("one at a time") };
    state.end(&renewal, refused(), (S, S), 1.0);
    assert!(Arc::ptr_eq(&landed, &other) && !state.is_awaited(&landed));
    assert_eq!(landed.get(), Some(&Err(error(ErrorKind::Forbidden))));

    // Nobody is told of a renewal that was for another token.
    let Renewal::Awaited(landed, Some(renewal)) = state.renew(S) else { panic!("it begins") };
    state.put(text("t2"));
    state.end(&renewal, granted(None, 100, true), (S, S), 1.0);
    assert!(landed.get().is_none() && !state.is_awaited(&landed));

    // Where it is of no use, a log-in is as good.
    let mut state = logged_in(100, false);
    let Renewal::Awaited(landed, Some(login)) = state.renew(S) else { panic!("it begins") };
    assert_eq!(login.work, Work::LogIn);
    state.end(&login, granted(Some("t2"), 100, false), (S, S), 1.0);
    assert_eq!(landed.get(), Some(&Ok(())));
    assert!(
        matches!(state.renew(200 * S), Renewal::Awaited(_, Some(one)) if one.work == Work::LogIn)
    );
    let mut none = TokenState::new(None, 0.5);
    none.forget();
    assert!(matches!(none.renew(S), Renewal::Nothing));
}

/// Every order of what can happen, to a depth: two flights that may end late, all results, a token
/// put by hand, time.
#[test]
fn whatever_the_order_one_flight_is_under_way_and_no_older_token_comes_back() {
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    enum Act {
        Begin,
        End(usize, u8),
        Put,
        Pass,
        Suspect,
    }
    let mut acts = vec![Act::Begin, Act::Put, Act::Pass, Act::Suspect];
    acts.extend((0..2).flat_map(|which| (0..3).map(move |came| Act::End(which, came))));
    let mut seen = HashSet::new();
    let mut scripts: Vec<Vec<Act>> = vec![Vec::new()];
    let depth = if cfg!(debug_assertions) { 5 } else { 6 };
    let mut run = 0_u32;
    while let Some(script) = scripts.pop() {
        let mut state = TokenState::new(None, 0.5);
        let (mut now, mut out, mut puts) = (Duration::ZERO, Vec::new(), 0);
        let mut newest = 0;
        for act in &script {
            match act {
                Act::Begin => {
                    if let Begin::Flight(flight) = state.begin(now, true) {
                        let live = out.iter().filter(|one: &&Flight| state.is_current(one));
                        assert_eq!(live.count(), 0, "{script:?}");
                        out.push(flight);
                    }
                }
                Act::End(which, came) if *which < out.len() => {
                    let flight = out.remove(*which);
                    let current = state.is_current(&flight);
                    let before = shown(&state, now);
                    let name = format!("t{}", state.generation + 1);
                    let came = match came {
                        0 => granted((flight.work == Work::LogIn).then_some(&*name), 20, true),
                        1 => refused(),
                        _ => failed(ErrorKind::Cut),
                    };
                    let taken = state.end(&flight, came, (now, now), 1.0);
                    assert_eq!(taken, current, "{script:?}");
                    assert_eq!(flight.landed.get().is_some(), current, "{script:?}");
                    if !taken {
                        assert_eq!(shown(&state, now), before, "{script:?}");
                    }
                }
                Act::Put => {
                    puts += 1;
                    state.put(text(&format!("p{puts}")));
                }
                Act::Pass => now += 7 * S,
                Act::Suspect => drop(state.suspect(state.generation, now)),
                Act::End(..) => {}
            }
            assert!(state.generation >= newest, "{script:?}");
            newest = state.generation;
            // Whoever waits is never left without anybody who comes back to it.
            let waits = state.current(now).is_none() && state.can_log_in();
            assert!(!waits || state.flight.is_some() || state.due(now).is_some(), "{script:?}");
        }
        run += 1;
        let flight = state.flight.as_ref().map(|one| (one.id, one.generation));
        let key = (shown(&state, now), flight, state.suspect, now, script.last().copied());
        seen.insert(key);
        if script.len() < depth {
            scripts.extend(acts.iter().map(|act| {
                let mut longer = script.clone();
                longer.push(*act);
                longer
            }));
        }
    }
    assert!(run > 100_000 && seen.len() > 200, "{run} scripts, {} ends", seen.len());
}
