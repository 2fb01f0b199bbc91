//! One invocation of the sweep. The run's row and a row for each part say how far the sweep is; an
//! invocation begins a run or joins it, leases parts, and goes on where the part's row says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};

use evosync_connections::providers::Check;
use evosync_connections::sealing::TokenKeys;
use evosync_connections::store::StoreError;
use evosync_connections::store::sweep::{
    Cursor, Lease, Part, PartOf, Progress, RowKey, Run, ScanPage, Segment, SweepStore,
};
use evosync_connections::telemetry::METRICS;
use futures_util::future::try_join_all;
use futures_util::{StreamExt as _, TryStreamExt as _, join, stream};
use jiff::{SignedDuration, Timestamp};
use lambda_runtime::Context;
use tokio::sync::mpsc;

use crate::check::{Asked, Checker};
use crate::closing::Closing;
use crate::deadline::Deadline;
use crate::page::{CheckedPage, PageChecker};
use crate::rate_limit::RateLimit;
use crate::renew::Renewing;
use crate::summary::Summary;
use crate::wake::{PartMessage, Wake};
use crate::{Function, SweepError};

/// Suspects that one segment remembers. More are a mass failure.
const MOST_SUSPECTS: usize = 200;

/// Pages in work at once: while the last checks of one are in flight, the next begins.
const PAGES_AT_ONCE: usize = 2;

/// A lease outlives its worker's deadline by this much, so that a killed worker's part is free by the next
/// tick and a living one's is not.
const LEASE_MARGIN: SignedDuration = SignedDuration::from_secs(2);

/// How long a part is leased by a worker that has no deadline.
const LEASE_WITHOUT_DEADLINE: SignedDuration = SignedDuration::from_mins(15);

/// One invocation.
pub(crate) struct Worker<'a> {
    function: &'a Function,
    store: &'a dyn SweepStore,
    keys: &'a TokenKeys,
    deadline: &'a Deadline,
    correlation_id: &'a str,
    id: String,
}

impl<'a> Worker<'a> {
    pub(crate) fn new(
        function: &'a Function,
        keys: &'a TokenKeys,
        deadline: &'a Deadline,
        context: &'a Context,
    ) -> Self {
        let store = function.store.as_ref();
        let id = random_id(function);
        Self { function, store, keys, deadline, correlation_id: &context.request_id, id }
    }

    /// Does what the function was woken for.
    pub(crate) async fn work(&self, wake: &Wake) -> Result<Summary, SweepError> {
        match wake {
            Wake::Tick => self.tick(false).await,
            Wake::Operator => self.tick(true).await,
            Wake::Part(message) => match self.store.run().await? {
                Some(run) if run.id == message.run && run.finished_at.is_none() => {
                    self.part(run, message.part()).await
                }
                _ => Ok(Summary::default()),
            },
        }
    }

    /// Begins a run unless one is unfinished, and wakes its parts, or does them where there is no queue.
    async fn tick(&self, forced: bool) -> Result<Summary, SweepError> {
        let run = self.begin_or_join(forced).await?;
        let mut parts: Vec<_> = run.open.iter().copied().map(Part::Segment).collect();
        if parts.is_empty() {
            parts.push(Part::Closing);
        }
        if let Some(queue) = &self.function.queue {
            for part in parts {
                queue.send(PartMessage::new(&run.id, part)).await;
            }
            return Ok(Summary { run: run.id, ..Summary::default() });
        }
        let mut summary = Summary { run: run.id.clone(), ..Summary::default() };
        for part in parts {
            summary = self.part(run.clone(), part).await?;
        }
        Ok(summary)
    }

    async fn begin_or_join(&self, forced: bool) -> Result<Run, SweepError> {
        let previous = self.store.run().await?;
        let now = self.function.platform.clock.now();
        if let Some(previous) = &previous {
            self.measure_length(previous, now);
        }
        if let Some(run) = previous.as_ref().filter(|run| run.finished_at.is_none()) {
            return Ok(run.clone());
        }
        let run = self.new_run(previous.as_ref(), forced, now);
        // Another tick may be quicker.
        Ok(self.store.begin(previous.as_ref().map(|run| run.id.as_str()), &run).await?)
    }

    fn new_run(&self, previous: Option<&Run>, forced: bool, now: Timestamp) -> Run {
        // One worker at a time where nothing wakes others: one segment, one lease.
        let segments = if self.function.queue.is_some() { self.function.bounds.segments } else { 1 };
        Run {
            id: random_id(self.function),
            started_at: now,
            segments,
            forced,
            catching_up: previous.map(catching_up).unwrap_or_default(),
            open: (0..segments).collect(),
            given_up: BTreeSet::new(),
            finished_at: None,
            allow_until: None,
        }
    }

    /// The length of the last run, or the age of the current one, in periods of the schedule.
    fn measure_length(&self, run: &Run, now: Timestamp) {
        let length = run.finished_at.unwrap_or(now).duration_since(run.started_at);
        let periods = length.as_secs_f64() / self.function.bounds.cadence.sweep.as_secs_f64();
        tracing::info!(target: METRICS, SweepPeriods = periods);
    }

    /// Does a part, unless it is done, and what follows from it.
    async fn part(&self, mut run: Run, part: Part) -> Result<Summary, SweepError> {
        if let Part::Segment(number) = part
            && run.open.contains(&number)
        {
            let (done, summary) = self.segment(&run, number).await?;
            if !done {
                return Ok(summary);
            }
            match self.store.complete(&run.id, number).await? {
                Some(completed) if completed.open.is_empty() => run = completed,
                _ => return Ok(summary),
            }
        }
        if run.open.is_empty() && run.finished_at.is_none() {
            return self.close(&run).await;
        }
        Ok(Summary { run: run.id, ..Summary::default() })
    }

    /// Does a segment from where its row says. Whether it is complete, and what was seen of it.
    async fn segment(&self, run: &Run, number: u32) -> Result<(bool, Summary), SweepError> {
        let part = PartOf { run: &run.id, part: Part::Segment(number) };
        let seen = |summary: Summary| Summary { run: run.id.clone(), ..summary };
        let Some(progress) = self.store.lease(part, self.lease()).await? else {
            tracing::info!(run = run.id, segment = number, "another worker has the segment");
            return Ok((false, seen(Summary::default())));
        };
        if progress.done {
            return Ok((true, seen(counts(&progress))));
        }
        let mut work = SegmentWork { part, progress, partial: None, lost: false };
        let outcome = self.check_pages(run, number, &mut work).await;
        if !work.lost && !work.progress.done {
            // Whoever comes next goes on from here at once.
            self.store.checkpoint(part, &self.id, &work.progress, true).await?;
        }
        outcome?;
        let mut summary = counts(&work.progress);
        summary.add(&work.partial.unwrap_or_default());
        if !work.lost && !work.progress.done {
            tracing::warn!(run = run.id, segment = number, unreached = summary.unreached, "out of time");
            if let Some(queue) = &self.function.queue {
                queue.send(PartMessage::new(&run.id, part.part)).await;
            }
        }
        Ok((work.progress.done, seen(summary)))
    }

    async fn check_pages(
        &self,
        run: &Run,
        number: u32,
        work: &mut SegmentWork<'_>,
    ) -> Result<(), SweepError> {
        let share = 1.0 / f64::from(run.segments);
        let checker = &self.checker(run, run.attempt_id(&self.id), share);
        let concurrency = self.concurrency();
        let cadence = self.function.bounds.cadence;
        let pages = &PageChecker { store: self.store, checker, run, cadence, concurrency };
        let (segment, cursor) = (Segment { number, of: run.segments }, work.progress.cursor.clone());
        let stop = AtomicBool::new(false);
        let (done, taken) = mpsc::channel(1);
        let check = async {
            let mut finished = self
                .pages(segment, cursor, &stop)
                .map_ok(|page| async move { Ok(pages.check(page).await) })
                .try_buffered(PAGES_AT_ONCE)
                .boxed();
            while let Some(page) = finished.next().await {
                // Where nobody takes pages any more, what is in flight comes to its end nevertheless: a
                // renewal must not be dropped.
                let _ = done.send(page).await;
            }
            drop(done);
        };
        let take = async {
            let outcome = self.take_pages(taken, run, checker, work).await;
            stop.store(true, Ordering::Relaxed);
            outcome
        };
        // Checks go on while progress is written down.
        let ((), outcome) = join!(check, take);
        outcome
    }

    async fn take_pages(
        &self,
        mut pages: mpsc::Receiver<Result<CheckedPage, StoreError>>,
        run: &Run,
        checker: &Checker<'_>,
        work: &mut SegmentWork<'_>,
    ) -> Result<(), SweepError> {
        while let Some(page) = pages.recv().await.transpose()? {
            work.take(page);
            if work.partial.is_some() {
                return Ok(());
            }
            if !self.store.checkpoint(work.part, &self.id, &work.progress, work.progress.done).await? {
                work.lost = true;
                return Ok(());
            }
            self.share_what_is_given_up(run, checker).await?;
        }
        Ok(())
    }

    /// The pages of a segment after a cursor, until the deadline or until told to stop.
    fn pages(
        &self,
        segment: Segment,
        after: Option<Cursor>,
        stop: &AtomicBool,
    ) -> impl stream::Stream<Item = Result<ScanPage, StoreError>> {
        stream::try_unfold(Some(after), move |at| async move {
            let goes_on = !self.deadline.has_passed() && !stop.load(Ordering::Relaxed);
            let Some(after) = at.filter(|_| goes_on) else { return Ok(None) };
            let page = self.store.scan(segment, after).await?;
            let next = page.next.clone().map(Some);
            Ok(Some((page, next)))
        })
    }

    /// Tells other workers which providers are given up, and learns it from them.
    async fn share_what_is_given_up(&self, run: &Run, checker: &Checker<'_>) -> Result<(), StoreError> {
        let Some(now) = self.store.run().await? else { return Ok(()) };
        checker.learn_what_is_given_up(&now);
        for (provider, asked) in checker.providers.iter() {
            if asked.limit.has_given_up() && !now.given_up.contains(provider.key()) {
                tracing::error!(provider = provider.key(), "provider given up until the next run");
                self.store.give_up(&run.id, provider).await?;
            }
        }
        Ok(())
    }

    /// Ends a run whose segments are complete.
    async fn close(&self, run: &Run) -> Result<Summary, SweepError> {
        let part = PartOf { run: &run.id, part: Part::Closing };
        let mut summary = Summary { run: run.id.clone(), ..Summary::default() };
        if self.store.lease(part, self.lease()).await?.is_none() {
            return Ok(summary);
        }
        let segments = (0..run.segments)
            .map(|number| self.store.progress(PartOf { run: &run.id, part: Part::Segment(number) }));
        let segments = try_join_all(segments).await?;
        let mut suspects = Vec::new();
        let mut left_out = 0;
        for progress in segments.into_iter().flatten() {
            summary.add(&counts(&progress));
            left_out += progress.suspects_left_out;
            suspects.extend(progress.suspects);
        }
        let decided = self.decide(run, suspects, left_out, &mut summary).await;
        if !matches!(decided, Ok(true)) {
            self.store.checkpoint(part, &self.id, &Progress::default(), true).await?;
            if let (Ok(false), Some(queue)) = (&decided, &self.function.queue) {
                queue.send(PartMessage::new(&run.id, Part::Closing)).await;
            }
            return decided.map(|_| summary).map_err(SweepError::from);
        }
        self.finish(run, summary).await
    }

    async fn decide(
        &self,
        run: &Run,
        suspects: Vec<RowKey>,
        left_out: u64,
        summary: &mut Summary,
    ) -> Result<bool, StoreError> {
        let checker = &self.checker(run, run.attempt_id(&format!("{}.closing", self.id)), 1.0);
        let closing = Closing { store: self.store, checker, run, concurrency: self.concurrency() };
        let decided = closing.decide(suspects, left_out, summary).await;
        self.share_what_is_given_up(run, checker).await?;
        decided
    }

    async fn finish(&self, run: &Run, summary: Summary) -> Result<Summary, SweepError> {
        let summary = Summary { finished: true, forced: run.forced, ..summary };
        let now = self.function.platform.clock.now();
        let text = serde_json::to_string(&summary).unwrap_or_default();
        if self.store.finish(&run.id, now, &text).await? {
            summary.report(now.duration_since(run.started_at));
        }
        Ok(summary)
    }

    /// A checker that may call each provider at a share of the highest rate.
    fn checker(&self, run: &Run, attempt: String, share: f64) -> Checker<'_> {
        let platform = &self.function.platform;
        let limit = |check: &dyn Check| {
            let highest = check.max_rps().unwrap_or(self.function.bounds.max_rps);
            let rps = f64::from(highest.get()) * share;
            RateLimit::new(platform.clock.clone(), rps, self.concurrency())
        };
        let renewing = |provider, check: &dyn Check| {
            let renew = self.function.renewers.get(provider);
            renew.map(|renew| Renewing::new(renew.as_ref(), limit(check)))
        };
        let checker = Checker {
            store: self.store,
            providers: self.function.providers.map(|provider, check| Asked {
                provider,
                check: check.as_ref(),
                renewing: renewing(provider, check.as_ref()),
                limit: limit(check.as_ref()),
            }),
            keys: self.keys,
            platform,
            deadline: self.deadline,
            attempt,
            correlation_id: self.correlation_id,
        };
        checker.learn_what_is_given_up(run);
        checker
    }

    fn concurrency(&self) -> usize {
        usize::try_from(self.function.bounds.concurrency.get()).unwrap_or(usize::MAX)
    }

    fn lease(&self) -> Lease<'_> {
        let now = self.function.platform.clock.now();
        let until = match self.deadline.end() {
            Some(end) => end.saturating_add(LEASE_MARGIN),
            None => now.saturating_add(LEASE_WITHOUT_DEADLINE),
        };
        Lease { worker: &self.id, now, until: until.unwrap_or(Timestamp::MAX) }
    }
}

/// A segment in work.
struct SegmentWork<'a> {
    part: PartOf<'a>,
    progress: Progress,
    /// What was seen of a page that is not complete. It is read again, and counted then.
    partial: Option<Summary>,
    /// Whether another worker has the segment by now.
    lost: bool,
}

impl SegmentWork<'_> {
    fn take(&mut self, page: CheckedPage) {
        if page.out_of_time > 0 {
            self.partial = Some(page.summary);
            return;
        }
        let mut counts = counts(&self.progress);
        counts.add(&page.summary);
        self.progress.counts = serde_json::to_value(&counts).unwrap_or_default();
        self.progress.suspects_left_out += page.suspects_left_out;
        for suspect in page.suspects {
            if self.progress.suspects.len() < MOST_SUSPECTS {
                self.progress.suspects.insert(suspect);
            } else {
                self.progress.suspects_left_out += 1;
            }
        }
        self.progress.done = page.next.is_none();
        self.progress.cursor = page.next;
    }
}

fn counts(progress: &Progress) -> Summary {
    serde_json::from_value(progress.counts.clone()).unwrap_or_default()
}

/// What the next run must catch up on: connections of a provider that was given up were not all asked about.
/// Nothing but what an earlier run left, where an operator asked for the run: it asked about those too that
/// were not due.
fn catching_up(previous: &Run) -> BTreeMap<String, Timestamp> {
    let since = |key: &String| {
        let since = previous.catching_up.get(key).copied();
        let since = since.or_else(|| (!previous.forced).then_some(previous.started_at))?;
        Some((key.clone(), since))
    };
    previous.given_up.iter().filter_map(since).collect()
}

fn random_id(function: &Function) -> String {
    format!("{:016x}", u64::from_be_bytes(function.platform.entropy.bytes()))
}
