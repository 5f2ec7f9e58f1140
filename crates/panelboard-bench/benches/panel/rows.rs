//! The scenario table: rows, contestants, goals.

use std::{
    collections::HashMap,
    hint::black_box,
    sync::{Arc, Mutex},
};

use dashmap::DashMap;
use foldhash::fast::RandomState;
use panelboard::Breaker;
use panelboard_bench::{BackToBack, Bar, Contestant, Row, Work};

use crate::maps::{Get, KEY_LENGTH, KEYS, Kept, Look, OURS, With, key};

pub(crate) fn all() -> Vec<Row> {
    vec![hot_key(), random_keys(), whole_call()]
}

fn hot_key() -> Row {
    Row {
        name: "hot-key",
        short: "hot key",
        what: "find a hot key, read the state",
        goal: vec![Bar::Within("HashMap", 1.5), Bar::Flat(1.1), Bar::TimesTwo("DashMap", 4.0)],
        contestants: contestants(one_key, read),
        ..Row::default()
    }
}

fn random_keys() -> Row {
    Row {
        name: "random-keys",
        short: "random keys",
        what: "find a random key, read the state",
        goal: vec![Bar::One(55.0), Bar::Flat(1.1), Bar::Within("HashMap", 1.5)],
        warm_up: 2 * KEYS,
        contestants: contestants(every_key, read),
        ..Row::default()
    }
}

fn whole_call() -> Row {
    Row {
        name: "whole-call",
        short: "whole call",
        what: "find a hot key, acquire, success",
        goal: vec![Bar::Within("HashMap", 1.5), Bar::Flat(1.1)],
        contestants: contestants(one_key, call),
        ..Row::default()
    }
}

#[inline]
fn read(breaker: &Breaker) {
    black_box(breaker.state());
}

#[inline]
fn call(breaker: &Breaker) {
    if let Ok(permit) = breaker.acquire() {
        permit.success();
    }
}

/// Which key each call asks for, over and over.
type Order = fn() -> Vec<usize>;

fn one_key() -> Vec<usize> {
    vec![KEYS / 2]
}

/// Every key once, in the same random order for every contestant (Fisher and Yates, xorshift).
fn every_key() -> Vec<usize> {
    let mut order: Vec<usize> = (0..KEYS).collect();
    let mut random = 1_u64;
    for last in (1..KEYS).rev() {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        order.swap(last, (random % (last as u64 + 1)) as usize);
    }
    order
}

fn contestants(
    order: Order,
    work: impl Fn(&Breaker) + Copy + Send + Sync + 'static,
) -> Vec<Contestant> {
    vec![
        contestant::<With>(OURS, order, work),
        contestant::<Get>("panel.get", order, work),
        contestant::<Kept>("handle", order, work),
        contestant::<HashMap<String, Arc<Breaker>, RandomState>>("HashMap", order, work),
        contestant::<papaya::HashMap<String, Arc<Breaker>, RandomState>>("papaya", order, work),
        contestant::<DashMap<String, Arc<Breaker>, RandomState>>("DashMap", order, work),
        contestant::<Mutex<HashMap<String, Arc<Breaker>, RandomState>>>("Mutex", order, work),
    ]
}

fn contestant<L: Look>(
    name: &'static str,
    order: Order,
    work: impl Fn(&Breaker) + Copy + Send + Sync + 'static,
) -> Contestant {
    Contestant::new(name, move || {
        let map = L::new();
        let order = order();
        // One after the other in memory: a caller has its key at hand.
        let names: String = order.iter().map(|&number| key(number)).collect();
        Work::new::<BackToBack>(move |call| {
            let place = call % order.len();
            let name = &names[place * KEY_LENGTH..(place + 1) * KEY_LENGTH];
            map.look(order[place], name, work);
        })
    })
}
