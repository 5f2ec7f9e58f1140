//! What happens next?
//!
//! # Two kinds of places
//! Most of what a simulation waits for comes in the order in which it was asked for: the next
//! arrival of a caller, its time-outs, which all lie equally far ahead. Those stand in lanes, one
//! number each for its head. What is left, ends of work and of pauses, stands in a heap with four
//! children to a node, whose entries are one number each: time, then the order of asking, then who.
//! Two events of one moment so come in an order that does not depend on the heap's shape.

/// Of the heap: who it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    /// The work on a call is done, by the job's number.
    Job(u32),
    /// A request's pause is over, by its number.
    Pause(u32),
}

const PAUSE: u32 = 1 << 31;
const CHILDREN: usize = 4;

/// Ends of work and of pauses, soonest first.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// 64 bits time, 32 bits order, 32 bits who.
    heap: Vec<u128>,
    order: u32,
}

impl Queue {
    /// When the soonest is; the largest number if there is none.
    #[inline]
    pub(super) fn head(&self) -> u64 {
        self.heap.first().map_or(u64::MAX, |entry| (entry >> 64) as u64)
    }

    pub(super) fn push(&mut self, at: u64, who: Who) {
        let who = match who {
            Who::Job(number) => number,
            Who::Pause(number) => number | PAUSE,
        };
        // It may come round after four thousand million events; then two of the same nanosecond may
        // change places, as they would in every other run of the same seed.
        self.order = self.order.wrapping_add(1);
        let entry = u128::from(at) << 64 | u128::from(self.order) << 32 | u128::from(who);
        let mut hole = self.heap.len();
        self.heap.push(entry);
        while hole > 0 {
            let parent = (hole - 1) / CHILDREN;
            if self.heap[parent] <= entry {
                break;
            }
            self.heap[hole] = self.heap[parent];
            hole = parent;
        }
        self.heap[hole] = entry;
    }

    /// Takes the soonest.
    pub(super) fn pop(&mut self) -> Option<Who> {
        let last = self.heap.pop()?;
        let Some(&top) = self.heap.first() else { return Some(who(last)) };
        let heap = &mut self.heap[..];
        let mut hole = 0;
        loop {
            let first = hole * CHILDREN + 1;
            let Some(children) = heap.get(first..heap.len().min(first + CHILDREN)) else { break };
            let Some((least, entry)) = least(children) else { break };
            if last <= entry {
                break;
            }
            heap[hole] = entry;
            hole = first + least;
        }
        heap[hole] = last;
        Some(who(top))
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.heap.len()
    }
}

#[inline]
fn least(children: &[u128]) -> Option<(usize, u128)> {
    let (first, rest) = children.split_first()?;
    let mut found = (0, *first);
    for (i, &entry) in rest.iter().enumerate() {
        if entry < found.1 {
            found = (i + 1, entry);
        }
    }
    Some(found)
}

#[inline]
fn who(entry: u128) -> Who {
    let who = entry as u32;
    if who & PAUSE == 0 { Who::Job(who) } else { Who::Pause(who & !PAUSE) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soonest_comes_first_and_equals_in_the_order_of_asking() {
        let mut queue = Queue::default();
        let mut state = 1_u64;
        let mut asked = Vec::new();
        for number in 0..5_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let at = state >> 55;
            queue.push(at, Who::Job(number));
            asked.push((at, number));
        }
        asked.sort_unstable();
        for (at, number) in asked {
            assert_eq!(queue.head(), at);
            assert_eq!(queue.pop(), Some(Who::Job(number)));
        }
        assert_eq!((queue.head(), queue.pop(), queue.len()), (u64::MAX, None, 0));
    }

    #[test]
    fn pauses_and_jobs_are_told_apart() {
        let mut queue = Queue::default();
        queue.push(7, Who::Pause(3));
        queue.push(5, Who::Job(3));
        assert_eq!([queue.pop(), queue.pop()], [Some(Who::Job(3)), Some(Who::Pause(3))]);
    }
}
