//! Does the call site allocate?

use std::time::Duration;

use panelboard_tracing::{Batch, SinkConfig};

use crate::rig::{LONG, Rig, builder};

/// Of this thread: what the pipeline's own threads do is not the program's time.
#[test]
fn an_event_allocates_nothing_in_the_steady_state() {
    let sink = SinkConfig::new("main", |_: &Batch<'_>| Ok(()));
    let rig = Rig::on_time(builder([sink]).drain(Duration::from_secs(1)));
    let name = String::from("a name");
    let say = || {
        let _outer = tracing::info_span!("outer", request_id = "r-1").entered();
        let inner = tracing::info_span!("inner", id = 7);
        inner.in_scope(|| {
            allocation_counter::measure(|| {
                for number in 0..100 {
                    tracing::info!(number, name, share = 0.5, list = ?[1, 2], "said {number}");
                }
            })
        })
    };
    let counted = rig.run(|| {
        // Until buffers go round: those that are on their way are not there to be used again.
        for _ in 0..20 {
            say();
            assert!(rig.pipeline.flush(LONG).is_complete());
        }
        say()
    });
    assert_eq!(counted.count_total, 0, "{counted:?}");
}
