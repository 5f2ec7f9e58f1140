//! The scenario table: rows, contestants, goals.

use std::{
    collections::HashMap,
    hint::black_box,
    sync::{Arc, Mutex},
};

use dashmap::DashMap;
use foldhash::fast::RandomState;
use panelboard::Breaker;
use panelboard_bench::{Bar, Calls, Contestant, Row, Work};

use crate::maps::{Get, KEYS, Kept, Look, OURS, With, key};

/// How many keys are drawn: more than there are, so that none is always near the front.
const DRAWN: usize = 1 << 16;

pub(crate) fn all() -> Vec<Row> {
    vec![hot_key(), random_keys(), whole_call()]
}

fn hot_key() -> Row {
    Row {
        name: "hot-key",
        what: "find a hot key, read the state",
        goal: vec![
            Bar::Within("HashMap", 1.5),
            Bar::Flat(1.1),
            Bar::Locked(0.0),
            Bar::TimesTwo("DashMap", 4.0),
        ],
        stretch: None,
        added: false,
        contestants: contestants(one_key, read),
    }
}

fn random_keys() -> Row {
    Row {
        name: "random-keys",
        what: "find a random key, read the state",
        goal: vec![Bar::One(55.0), Bar::Flat(1.1), Bar::Within("HashMap", 1.5)],
        stretch: None,
        added: false,
        contestants: contestants(any_key, read),
    }
}

fn whole_call() -> Row {
    Row {
        name: "whole-call",
        what: "find a hot key, acquire, success",
        goal: vec![Bar::Within("HashMap", 1.5), Bar::Flat(1.1), Bar::Locked(0.0)],
        stretch: None,
        added: false,
        contestants: contestants(one_key, call),
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

fn one_key(_: u64) -> usize {
    KEYS / 2
}

fn any_key(drawn: u64) -> usize {
    (drawn % KEYS as u64) as usize
}

fn contestants(
    draw: fn(u64) -> usize,
    work: impl Fn(&Breaker) + Copy + Send + Sync + 'static,
) -> Vec<Contestant> {
    vec![
        contestant::<With>(OURS, draw, work),
        contestant::<Get>("panel.get", draw, work),
        contestant::<Kept>("handle", draw, work),
        contestant::<HashMap<String, Arc<Breaker>, RandomState>>("HashMap", draw, work),
        contestant::<papaya::HashMap<String, Arc<Breaker>, RandomState>>("papaya", draw, work),
        contestant::<DashMap<String, Arc<Breaker>, RandomState>>("DashMap", draw, work),
        contestant::<Mutex<HashMap<String, Arc<Breaker>, RandomState>>>("Mutex", draw, work),
    ]
}

fn contestant<L: Look>(
    name: &'static str,
    draw: fn(u64) -> usize,
    work: impl Fn(&Breaker) + Copy + Send + Sync + 'static,
) -> Contestant {
    Contestant::new(name, move || {
        let map = L::new();
        let keys: Vec<String> = (0..KEYS).map(key).collect();
        let order: Vec<usize> = numbers().take(DRAWN).map(draw).collect();
        Work::new(Calls::BackToBack, move |call| {
            let number = order[call % DRAWN];
            map.look(number, &keys[number], work);
        })
    })
}

/// The same random numbers for every contestant (splitmix64).
fn numbers() -> impl Iterator<Item = u64> {
    (1_u64..).map(|n| {
        let mut x = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    })
}
