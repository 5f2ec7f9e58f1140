//! How are many runs made, and their results put together, whatever the number of threads?

use std::{
    fmt,
    ops::ControlFlow,
    sync::{Mutex, PoisonError},
    thread,
};

use panelboard::Clock;

use crate::{
    calls::RecordedCall,
    engine::{Breakers, Bucket, Engine},
    judge::{Verdict, judge},
    plan::Plan,
    report::{Report, Sums},
    scenario::Scenario,
};

/// How often a scenario is run, and on how much of the machine.
///
/// ```
/// use panelboard_lab::Options;
///
/// let options = Options::default().seed(7).seeds(3).threads(2);
/// assert_ne!(options, Options::default());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    seed: Option<u64>,
    seeds: Option<u32>,
    threads: Option<usize>,
}

impl Options {
    /// The first seed, in place of the scenario's `run.seed`.
    ///
    /// ```
    /// use panelboard_lab::Options;
    ///
    /// assert_eq!(Options::default().seed(7), Options::default().seed(7));
    /// ```
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Runs of each policy, in place of `run.seeds`: 1 to 1,000; what is outside is taken as the
    /// nearer end.
    ///
    /// ```
    /// use panelboard_lab::Options;
    ///
    /// assert_eq!(Options::default().seeds(0), Options::default().seeds(1));
    /// ```
    #[must_use]
    pub fn seeds(mut self, seeds: u32) -> Self {
        self.seeds = Some(seeds.clamp(1, 1_000));
        self
    }

    /// Threads that run at the same time; 1 to 256. Without it, one for each processor. The result
    /// is the same whatever it is.
    ///
    /// ```
    /// use panelboard_lab::Options;
    ///
    /// assert_eq!(Options::default().threads(1_000), Options::default().threads(256));
    /// ```
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = Some(threads.clamp(1, 256));
        self
    }
}

/// Whoever watched a simulation has stopped it.
///
/// ```
/// use panelboard_lab::Stopped;
///
/// assert_eq!(Stopped.to_string(), "stopped before its end");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped;

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("stopped before its end")
    }
}

impl std::error::Error for Stopped {}

/// Runs a scenario: each of its policies, with each of its seeds.
///
/// `watch` is told the share that is done, from 0 to 1, and says whether to go on. It is called by
/// the threads that simulate, one at a time, at least once for each bucket of each run: it may
/// wait, and then they wait. It never comes back to a smaller share.
///
/// The same scenario and seeds give the same report, to the last bit, whatever the number of
/// threads.
///
/// ```
/// use panelboard_lab::{Measure, Options, PolicyReport, Scenario, simulate};
/// use std::ops::ControlFlow;
///
/// let text = r#"
///     [run]
///     lasts = "1m"
///     seeds = 3
///     [[service]]
///     name = "provider"
///     latency = { kind = "exponential", mean = "50ms" }
///     episode = [{ kind = "errors", at = "20s", lasts = "20s", after = "1ms" }]
///     [[caller]]
///     name = "app"
///     calls = ["provider"]
///     rate = 20
///     retries = 2
/// "#;
/// let scenario = Scenario::from_toml("hard.toml", text)?;
/// let report = simulate(&scenario, Options::default(), |_| ControlFlow::Continue(()))?;
/// let [none, defaults] = ["none", "defaults"].map(|name| report.policy(name));
/// let wasted = |policy: Option<&PolicyReport>| policy?.estimate(Measure::WastedCalls).mean;
/// assert!(wasted(defaults) < wasted(none));
/// println!("{}", report.table());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`Stopped`], if `watch` said so.
pub fn simulate(
    scenario: &Scenario,
    options: Options,
    watch: impl FnMut(f64) -> ControlFlow<()> + Send,
) -> Result<Report, Stopped> {
    let mut plan = scenario.plan.clone();
    plan.run.seed = options.seed.unwrap_or(plan.run.seed);
    plan.run.seeds = options.seeds.unwrap_or(plan.run.seeds);
    let runs = plan.policies.len() * plan.run.seeds as usize;
    let processors = || thread::available_parallelism().map_or(1, usize::from);
    let threads = options.threads.unwrap_or_else(processors).min(runs);
    let shared = Mutex::new(Shared {
        next: 0,
        runs,
        done: 0.0,
        stopped: false,
        watch,
        timelines: vec![vec![Sums::default(); plan.buckets()]; plan.policies.len()],
        verdicts: vec![None; runs],
    });
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| work(&plan, &shared));
        }
    });
    let shared = shared.into_inner().unwrap_or_else(PoisonError::into_inner);
    if shared.stopped {
        return Err(Stopped);
    }
    let verdicts: Vec<Verdict> = shared.verdicts.into_iter().flatten().collect();
    Ok(Report::new(&plan, &verdicts, &shared.timelines))
}

/// Runs a scenario once, without any breaker, and tells `each` every call that ends, in the order
/// of their ends: what callers would have recorded, for [`tune`](crate::tune) to replay.
///
/// A call's time counts from the beginning of the run as if that were the epoch, and its key is
/// what a breaker would stand for: caller, service and, if each has its own, node. Calls that are
/// out when the run ends are not told. `seed` stands in place of `run.seed`; `watch` is as for
/// [`simulate`].
///
/// ```
/// use panelboard_lab::{CallReader, CallsWriter, Scenario, record};
/// use std::ops::ControlFlow;
///
/// let text = r#"
///     [run]
///     lasts = "1m"
///     [[service]]
///     name = "provider"
///     latency = { kind = "constant", mean = "50ms" }
///     [[caller]]
///     name = "app"
///     calls = ["provider"]
///     rate = 20
///     arrivals = "even"
/// "#;
/// let scenario = Scenario::from_toml("calm.toml", text)?;
/// let mut writer = CallsWriter::new(Vec::new())?;
/// let mut wrong = None;
/// record(
///     &scenario,
///     None,
///     &mut |call| wrong = wrong.take().or(writer.write(call).err()),
///     |_| ControlFlow::Continue(()),
/// )?;
/// let read = CallReader::default().csv("calls.csv", &writer.finish()?[..])?;
/// assert!(wrong.is_none() && (1_190..=1_200).contains(&read.recording.calls()));
/// assert_eq!(read.recording.keys().next(), Some("app/provider"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`Stopped`], if `watch` said so.
pub fn record(
    scenario: &Scenario,
    seed: Option<u64>,
    each: &mut dyn FnMut(&RecordedCall<'_>),
    mut watch: impl FnMut(f64) -> ControlFlow<()>,
) -> Result<(), Stopped> {
    let (plan, (clock, hand)) = (&scenario.plan, Clock::manual());
    let seed = seed.unwrap_or(plan.run.seed);
    let breakers = Breakers::new(plan, None, seed, &clock);
    let engine = Engine::new(plan, seed, &breakers, hand).telling(each);
    engine.run(&mut watch).continue_value().ok_or(Stopped)?;
    Ok(())
}

/// What the threads share, behind one lock that is held to add one result, or to ask `watch`.
struct Shared<W> {
    next: usize,
    runs: usize,
    /// Runs, and shares of them.
    done: f64,
    stopped: bool,
    watch: W,
    /// Whole numbers, so that the order in which they are added does not matter.
    timelines: Vec<Vec<Sums>>,
    /// Each in the place of its run.
    verdicts: Vec<Option<Verdict>>,
}

fn work<W: FnMut(f64) -> ControlFlow<()>>(plan: &Plan, shared: &Mutex<Shared<W>>) {
    let lock = || shared.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let number = {
            let mut shared = lock();
            if shared.stopped || shared.next == shared.runs {
                return;
            }
            shared.next += 1;
            shared.next - 1
        };
        let seeds = plan.run.seeds as usize;
        let (policy, seed) = (number / seeds, plan.run.seed.wrapping_add((number % seeds) as u64));
        let mut told = 0.0;
        let mut tell = |share: f64| {
            let mut shared = lock();
            shared.done += share - told;
            told = share;
            let done = (shared.done / shared.runs as f64).min(1.0);
            if !shared.stopped && (shared.watch)(done).is_break() {
                shared.stopped = true;
            }
            if shared.stopped { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let Some((verdict, timeline)) = run(plan, policy, seed, &mut tell) else { return };
        let mut shared = lock();
        shared.verdicts[number] = Some(verdict);
        for (sum, bucket) in shared.timelines[policy].iter_mut().zip(&timeline) {
            sum.add(bucket);
        }
    }
}

/// One run; none if it was stopped.
fn run(
    plan: &Plan,
    policy: usize,
    seed: u64,
    watch: &mut dyn FnMut(f64) -> ControlFlow<()>,
) -> Option<(Verdict, Vec<Bucket>)> {
    let (clock, hand) = Clock::manual();
    let breakers = Breakers::new(plan, plan.policies[policy].breaker.as_ref(), seed, &clock);
    let outcome = Engine::new(plan, seed, &breakers, hand).run(watch).continue_value()?;
    Some((judge(plan, &outcome), outcome.timeline))
}
