//! What becomes of a call at its service, from its arrival to the end of the work on it?

use super::{
    Engine,
    queue::Who,
    service::{Call, Fate, Taken},
    slab::Slab,
};

/// Work that is going on, whether its caller still waits for it or not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Job {
    call: Call,
    service: u16,
    fate: Fate,
    /// It takes a server, in this life of the service. None: an error that needs none.
    life: Option<u32>,
}

impl Engine<'_, '_> {
    /// A call comes to a service.
    pub(super) fn offer(&mut self, number: usize, call: Call) {
        let service = &mut self.services[number];
        match service.take(call, self.now, self.phase) {
            Taken::Begins(fate) => self.begin(number, call, fate),
            Taken::Waits => {
                self.requests.at_mut(call.request).waits = true;
                if let Some(crash) = service.collapses() {
                    self.fall(number, crash, self.now.saturating_add(crash.collapse_down));
                }
            }
            Taken::Refused { retry_after } => self.fails(call.request, retry_after),
            Taken::FailsAfter(time) => {
                let job = Job { call, service: number as u16, fate: Fate::Failed, life: None };
                let job = put(&mut self.jobs, job);
                self.queue.push(self.now.saturating_add(time), Who::Job(job));
            }
            Taken::Lost => {}
        }
    }

    fn begin(&mut self, number: usize, call: Call, fate: Fate) {
        let service = &mut self.services[number];
        let life = Some(service.life);
        let ends = service.begin(call, fate, self.now, self.phase);
        let job = put(&mut self.jobs, Job { call, service: number as u16, fate, life });
        self.queue.push(ends, Who::Job(job));
    }

    /// Work has ended: its caller is told, if it still waits, and the server takes the next call.
    pub(super) fn work_ends(&mut self, job: u32) {
        let Job { call, service, fate, life } = *self.jobs.at(job);
        self.jobs.free(job);
        let number = usize::from(service);
        if let Some(life) = life {
            let service = &mut self.services[number];
            if service.life != life {
                // Its service has fallen since, and the caller was told then.
                return;
            }
            service.release(self.now, self.phase);
        }
        if self.is_out(call) {
            match fate {
                Fate::Served => self.succeeds(call.request),
                Fate::Failed => self.fails(call.request, None),
                // The time-out of this moment tells the caller.
                Fate::Hangs => {}
            }
        }
        if life.is_some() {
            self.fill(number);
        }
    }

    /// Servers that are free take calls that wait.
    fn fill(&mut self, number: usize) {
        loop {
            let requests = &self.requests;
            let is_gone = |call: Call| !requests.at(call.request).waits_for(call);
            let next = self.services[number].next(self.now, self.phase, is_gone);
            let Some((call, fate)) = next else { return };
            if self.is_out(call) {
                self.requests.at_mut(call.request).waits = false;
            }
            self.begin(number, call, fate);
        }
    }

    /// Something about a service changes: an episode begins or ends, it comes up, or warms up.
    pub(super) fn change(&mut self, number: usize) {
        let (now, phase) = (self.now, self.phase);
        let service = &mut self.services[number];
        service.count(now, phase);
        let was_sick = service.condition.sick;
        service.look(now);
        let (is_sick, crash) = (service.condition.sick, service.condition.crash);
        if let Some((crash, until)) = crash.filter(|(_, until)| !service.is_down_until(*until)) {
            self.fall(number, crash, until);
        }
        match (was_sick, is_sick) {
            (false, true) => self.watch.begins(number, now),
            (true, false) => self.watch.ends(number),
            _ => {}
        }
        let service = &mut self.services[number];
        let next = service.change(now);
        service.well &= !service.is_sick(now);
        self.lanes[2 * self.callers.len() + number] = next;
        self.fill(number);
    }

    /// A service goes down: whoever waits for it is told at once.
    fn fall(&mut self, number: usize, crash: crate::plan::Crash, until: u64) {
        let mut left = std::mem::take(&mut self.left);
        let service = &mut self.services[number];
        service.count(self.now, self.phase);
        let life = service.life;
        service.fall(crash, until, &mut left);
        let next = service.change(self.now);
        self.lanes[2 * self.callers.len() + number] = next;
        let of_it = |job: &&mut Job| job.life == Some(life) && usize::from(job.service) == number;
        left.extend(self.jobs.places_mut().filter(of_it).map(|job| job.call));
        for call in left.drain(..) {
            // A place of a job that is free again still holds a call: it has ended long ago.
            if self.is_out(call) {
                self.requests.at_mut(call.request).waits = false;
                self.fails(call.request, None);
            }
        }
        self.left = left;
    }
}

fn put(jobs: &mut Slab<Job>, job: Job) -> u32 {
    jobs.put(|| job, |place| *place = job)
}
