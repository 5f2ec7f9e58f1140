//! Is it known after a restart which sessions somebody has something left to do in?

use panelboard_store::{Append, Outcome, SessionPage, Store};

use crate::support::{Rig, append, clear, create, delete, id, kept, tag};

fn event(name: &str, unfinished: bool) -> Append {
    Append::event(&id(name), "run", "{}").unwrap().unfinished(unfinished)
}

fn says(store: &Store, name: &str, unfinished: bool) {
    kept(&store.append(event(name, unfinished)).unwrap());
}

fn names(page: &SessionPage) -> Vec<&str> {
    page.sessions.iter().map(|session| session.id.as_str()).collect()
}

#[test]
fn what_is_left_to_do_is_found_by_the_next_process_and_nothing_else_is() {
    let rig = Rig::new();
    for name in ["idle", "cut", "ended", "deleted", "noted", "cleared"] {
        create(&rig.store, name);
    }
    append(&rig.store, "idle", "1");
    for name in ["cut", "ended", "deleted", "noted", "cleared"] {
        says(&rig.store, name, true);
    }
    says(&rig.store, "ended", false);
    delete(&rig.store, "deleted");
    // Who says nothing changes nothing.
    append(&rig.store, "noted", "1");
    kept(&clear(&rig.store, "cleared", tag(&rig.store, "cleared")));
    let rig = rig.reopen();
    let first = rig.store.unfinished(None, 2).unwrap();
    assert_eq!(names(&first), ["cut", "noted"]);
    let rest = rig.store.unfinished(first.next, 2).unwrap();
    assert_eq!((names(&rest), rest.next), (vec!["cleared"], None));
    assert!(first.sessions[0].unfinished && !rig.store.session(&id("ended")).unwrap().unfinished);
}

#[test]
fn nothing_is_settled_that_was_written_to_meanwhile() {
    let rig = Rig::new();
    create(&rig.store, "a");
    says(&rig.store, "a", true);
    let seen = rig.store.session(&id("a")).unwrap();
    says(&rig.store, "a", true);
    let settle = |seq| kept(&rig.store.settle(&id("a"), seen.epoch, seq).unwrap()).outcome;
    assert_eq!(settle(seen.tag.seq), Outcome::Same);
    assert_eq!(names(&rig.store.unfinished(None, 2).unwrap()), ["a"]);
    assert_eq!(settle(2), Outcome::New);
    assert_eq!(settle(2), Outcome::Same);
    let rig = rig.reopen();
    assert_eq!(names(&rig.store.unfinished(None, 2).unwrap()), [""; 0]);
    assert_eq!(tag(&rig.store, "a").seq, 2, "it is no record");
}
