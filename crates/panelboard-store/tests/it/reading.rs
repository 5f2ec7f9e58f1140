//! Does a reader get all of it, page by page, and is it told when it can't?

use panelboard_store::{Append, Change, Class, Effect, NewItem, Position, ReadError, Tag};

use crate::support::{Rig, append, clear, create, delete, id, item, kept, owner, tag};

#[test]
fn a_log_is_read_page_by_page() {
    let rig = Rig::new();
    create(&rig.store, "a");
    let sent: Vec<_> = (0..25)
        .map(|n| rig.store.append(item("a", &n.to_string()).owner(owner(1, n))).unwrap())
        .collect();
    sent.iter().for_each(|receipt| drop(kept(receipt)));
    let (mut after, mut read, mut pages) = (0, Vec::new(), 0);
    loop {
        let page = rig.store.log(&id("a"), after, 10).unwrap();
        assert_eq!(page.tag, Tag { era: 0, seq: 25 });
        read.extend(page.records);
        after = read.last().unwrap().seq;
        pages += 1;
        if !page.more {
            break;
        }
    }
    assert_eq!((pages, read.len()), (3, 25));
    for (record, n) in read.iter().zip(0..) {
        assert_eq!(
            (record.seq, record.owner, &*record.body),
            (n + 1, owner(1, n), &*n.to_string())
        );
    }
    let end = rig.store.log(&id("a"), 25, 10).unwrap();
    assert!(end.records.is_empty() && !end.more, "a position at the end is no other log");
    assert_eq!(rig.store.log(&id("a"), 26, 10), Err(ReadError::Ahead { head: 25 }));
    assert_eq!(rig.store.log(&id("a"), u64::MAX, 10), Err(ReadError::Ahead { head: 25 }));
}

#[test]
fn a_page_is_bounded_by_its_bytes_too() {
    let rig = Rig::new();
    create(&rig.store, "a");
    let body = format!("\"{}\"", "x".repeat(1_000_000));
    let sent: Vec<_> =
        (0..12).map(|_| rig.store.append(item("a", &body).class(Class::Os)).unwrap()).collect();
    sent.iter().for_each(|receipt| drop(kept(receipt)));
    let page = rig.store.log(&id("a"), 0, 1_000).unwrap();
    assert_eq!((page.records.len(), page.more), (9, true));
    let rest = rig.store.log(&id("a"), 9, 1_000).unwrap();
    assert_eq!((rest.records.len(), rest.more), (3, false));
    let page = rig.store.memory(&id("a"), None, 1_000).unwrap();
    assert_eq!((page.items.len(), page.next), (9, Some(Position { seq: 9, index: 0 })));
    let rest = rig.store.memory(&id("a"), page.next, 1_000).unwrap();
    assert_eq!((rest.items.len(), rest.next), (3, None));
}

#[test]
fn a_memory_is_read_page_by_page_within_a_record_too() {
    let rig = Rig::new();
    create(&rig.store, "a");
    append(&rig.store, "a", "0");
    let items: Vec<_> = (1..8).map(|n| NewItem::new("message", n.to_string()).unwrap()).collect();
    let import = Change::import(&id("a"), tag(&rig.store, "a"), &items).unwrap();
    kept(&rig.store.change(import).unwrap());
    append(&rig.store, "a", "8");
    let (mut next, mut read) = (None, Vec::new());
    loop {
        let page = rig.store.memory(&id("a"), next, 4).unwrap();
        read.extend(page.items.iter().map(|item| item.body.to_string()));
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    assert_eq!(read, (0..9).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[test]
fn the_log_tells_what_each_record_does() {
    let rig = Rig::new();
    create(&rig.store, "a");
    let at = rig.store.session(&id("a")).unwrap();
    let change = |change: Change| kept(&rig.store.change(change).unwrap());
    let now = || tag(&rig.store, "a");
    kept(&rig.store.append(Append::event(&id("a"), "run.started", "{}").unwrap()).unwrap());
    append(&rig.store, "a", "1");
    change(Change::import(&id("a"), now(), &[]).unwrap());
    change(Change::rollback(&id("a"), now(), 1));
    change(Change::replace(&id("a"), now(), &[]).unwrap());
    let page = rig.store.log(&id("a"), 0, 10).unwrap();
    let told: Vec<_> = page.records.iter().map(|r| (r.effect, r.kind.to_string())).collect();
    let expected = [
        (Effect::Event, "run.started"),
        (Effect::Item, "message"),
        (Effect::Import, "memory.imported"),
        (Effect::Rollback, "session.rolled_back"),
        (Effect::Replace, "memory.replaced"),
    ]
    .map(|(effect, kind)| (effect, kind.to_owned()));
    assert_eq!((told, page.epoch), (expected.to_vec(), at.epoch));
    change(Change::clear(&id("a"), now()));
    let page = rig.store.log(&id("a"), 5, 10).unwrap();
    assert_eq!((page.records[0].effect, page.records[0].era), (Effect::Clear, 1));
}

#[test]
fn sessions_are_listed_in_the_order_in_which_they_came() {
    let rig = Rig::new();
    for name in ["c", "a", "d", "b"] {
        create(&rig.store, name);
    }
    delete(&rig.store, "a");
    let (mut next, mut listed) = (None, Vec::new());
    loop {
        let page = rig.store.sessions(next, 2).unwrap();
        listed.extend(page.sessions.iter().map(|session| session.id.to_string()));
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    assert_eq!(listed, ["c", "d", "b"]);
    // A new life comes at the end.
    create(&rig.store, "a");
    let all = rig.store.sessions(None, 10).unwrap().sessions;
    assert_eq!(all.last().unwrap().id.as_str(), "a");
    kept(&clear(&rig.store, "a", all.last().unwrap().tag));
}
