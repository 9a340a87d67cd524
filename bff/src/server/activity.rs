use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::limits::{Limits, REST, REST_PACE, WRITE_STALL};
use super::turns::Turn;

/// What a connection is doing: its socket, its requests and its watchman share one.
#[derive(Debug)]
pub(super) struct Activity {
    requests: Cell<usize>,
    /// Since when there is no request.
    quiet_since: Cell<Instant>,
    /// Since when a head is awaited: from connecting for the first one, from its first byte for later ones.
    head_since: Cell<Option<Instant>>,
    /// Bytes of HTTP/2 say nothing about heads.
    reads_heads: Cell<bool>,
    /// What was read last ends as a head does, so that nothing of another one can have come behind it.
    head_is_last: Cell<bool>,
    /// The latest request had no body.
    was_bare: Cell<bool>,
    /// Since when the client takes none of what is written to it.
    stalled_since: Cell<Option<Instant>>,
    request_began: Notify,
    turn: Cell<Turn>,
}

/// Why a connection is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GivenUp {
    /// Nobody asks for anything.
    Idle,
    /// A head does not come to its end.
    SlowHead,
    /// The answer is not read.
    Stalled,
    /// Nobody has asked for anything for a while: the connection stays, and what it holds for reading and writing goes.
    Resting,
}

impl Activity {
    /// Of a connection that was accepted now.
    pub(super) fn begin() -> Rc<Self> {
        let now = Instant::now();
        Rc::new(Self {
            requests: Cell::new(0),
            quiet_since: Cell::new(now),
            head_since: Cell::new(Some(now)),
            reads_heads: Cell::new(true),
            head_is_last: Cell::new(false),
            was_bare: Cell::new(false),
            stalled_since: Cell::new(None),
            request_began: Notify::new(),
            turn: Cell::default(),
        })
    }

    /// From now on the bytes are frames.
    pub(super) fn speaks_http2(&self) {
        self.reads_heads.set(false);
    }

    /// The client sent this.
    pub(super) fn note_read(&self, bytes: &[u8]) {
        // What comes while a request is under way may be left unread for a while: of that nothing is certain.
        let is_read_at_once = self.requests.get() == 0;
        self.head_is_last
            .set(is_read_at_once && bytes.ends_with(b"\r\n\r\n"));
        if self.awaits_head() {
            self.head_since.set(Some(Instant::now()));
        }
    }

    /// Whether what the client sends now begins a request.
    pub(super) fn awaits_head(&self) -> bool {
        self.reads_heads.get() && self.requests.get() == 0 && self.head_since.get().is_none()
    }

    pub(super) fn turn(&self) -> Turn {
        self.turn.get()
    }

    pub(super) fn set_turn(&self, turn: Turn) {
        self.turn.set(turn);
    }

    /// The client takes what is written to it, or does not.
    pub(super) fn note_write(&self, is_taken: bool) {
        if is_taken {
            self.stalled_since.set(None);
        } else if self.stalled_since.get().is_none() {
            self.stalled_since.set(Some(Instant::now()));
        }
    }

    /// A request is under way for as long as the result lives. `is_bare` is whether it is certain that it has no body.
    pub(super) fn begin_request(self: &Rc<Self>, is_bare: bool) -> InFlight {
        self.was_bare.set(is_bare);
        self.requests.set(self.requests.get() + 1);
        self.head_since.set(None);
        self.request_began.notify_waiters();
        InFlight(Rc::clone(self))
    }

    /// Waits for a request; at once if one is under way.
    pub(super) async fn is_asked(&self) {
        if self.requests.get() == 0 {
            self.request_began.notified().await;
        }
    }

    /// Waits until there is a reason to give the connection up, or at least what its protocol needs.
    pub(super) async fn given_up(&self, limits: &Limits, rests: &Rests) -> GivenUp {
        let mut may_rest_from = None;
        loop {
            let now = Instant::now();
            let (due, reason) = self.due(now, limits);
            let look_again = now + self.interval(limits);
            let until = match reason {
                Some(GivenUp::Resting) if due <= now => {
                    if self.quiet_since.get() + limits.keep_alive <= now {
                        return GivenUp::Idle;
                    }
                    let from = may_rest_from.take().or_else(|| rests.next(now));
                    if from.is_some_and(|from| from <= now) {
                        return GivenUp::Resting;
                    }
                    may_rest_from = from;
                    from.map_or(look_again, |from| from.min(look_again))
                }
                Some(reason) if due <= now => return reason,
                // A head may begin, or a write stall, right after this look.
                _ => {
                    may_rest_from = None;
                    due.min(look_again)
                }
            };
            sleep_until(until).await;
        }
    }

    fn due(&self, now: Instant, limits: &Limits) -> (Instant, Option<GivenUp>) {
        if let Some(since) = self.stalled_since.get() {
            return (since + WRITE_STALL, Some(GivenUp::Stalled));
        }
        // What waits for its turn has sent its next request.
        if self.requests.get() > 0 || self.turn.get() == Turn::Waiting {
            return (now + self.interval(limits), None);
        }
        match self.head_since.get() {
            Some(since) => (since + limits.head_timeout, Some(GivenUp::SlowHead)),
            None if REST < limits.keep_alive && self.is_between_requests() => {
                (self.quiet_since.get() + REST, Some(GivenUp::Resting))
            }
            None => (self.quiet_since.get() + limits.keep_alive, Some(GivenUp::Idle)),
        }
    }

    /// Whether all that came has been answered, and all answers have been taken: for certain, and not only as it seems. A body
    /// that is still to come would be read as the next request.
    fn is_between_requests(&self) -> bool {
        self.reads_heads.get() && self.was_bare.get() && self.head_is_last.get()
    }

    /// How long the watchman may look away: seldom at what cannot rest.
    fn interval(&self, limits: &Limits) -> Duration {
        let shortest = limits.head_timeout.min(limits.keep_alive).min(WRITE_STALL);
        match (self.reads_heads.get(), self.requests.get()) {
            (true, 0) => shortest.min(REST),
            (true, _) if self.was_bare.get() => shortest.min(2 * REST),
            _ => shortest,
        }
    }

    /// Waits for as long as nobody has to ask for anything.
    pub(super) async fn is_idle(&self, limits: &Limits) {
        sleep_until(self.quiet_since.get() + limits.keep_alive).await;
    }
}

/// When the connections of a worker may rest: not many of them at the same moment. What a burst of them gives back, the allocator would
/// keep until the next burst, and nobody else would be served meanwhile.
#[derive(Debug)]
pub(super) struct Rests(Cell<Instant>);

impl Rests {
    pub(super) fn begin() -> Self {
        Self(Cell::new(Instant::now()))
    }

    /// From when on the next one may. `None` when so many are to rest before it that it should ask again later: whoever has
    /// a time and goes away does not give it back.
    fn next(&self, now: Instant) -> Option<Instant> {
        let next = self.0.get().max(now);
        (next <= now + REST).then(|| {
            self.0.set(next + REST_PACE);
            next
        })
    }
}

/// A request under way, until its answer's body is done with.
#[derive(Debug)]
pub(super) struct InFlight(Rc<Activity>);

impl Drop for InFlight {
    fn drop(&mut self) {
        let Self(activity) = self;
        activity.requests.set(activity.requests.get() - 1);
        activity.quiet_since.set(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        max_connections: 1,
        head_timeout: Duration::from_secs(10),
        keep_alive: Duration::from_secs(75),
    };

    async fn seconds_until_given_up(activity: &Activity) -> (GivenUp, u64) {
        let begin = Instant::now();
        let reason = activity.given_up(&LIMITS, &Rests::begin()).await;
        (reason, begin.elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn who_connects_and_says_nothing_has_the_time_of_a_head() {
        let activity = Activity::begin();

        assert_eq!(seconds_until_given_up(&activity).await, (GivenUp::SlowHead, 10));
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_that_trickle_in_do_not_prolong_a_head() {
        let activity = Activity::begin();
        drop(activity.begin_request(false));
        tokio::time::advance(Duration::from_secs(30)).await;
        activity.note_read(b"GET /");
        tokio::time::advance(Duration::from_secs(7)).await;
        activity.note_read(b"GET /");

        assert_eq!(seconds_until_given_up(&activity).await, (GivenUp::SlowHead, 3));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_may_be_idle_for_as_long_as_it_is_kept_alive() {
        let activity = Activity::begin();
        drop(activity.begin_request(false));

        assert_eq!(seconds_until_given_up(&activity).await, (GivenUp::Idle, 75));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_rests_only_if_nothing_can_be_on_its_way() {
        for (read, is_bare, reason) in [
            (&b"GET / HTTP/1.1\r\n\r\n"[..], true, GivenUp::Resting),
            // A body may still come.
            (b"GET / HTTP/1.1\r\n\r\n", false, GivenUp::Idle),
            // The next head has begun to come.
            (b"GET / HTTP/1.1\r\n\r\nGET", true, GivenUp::Idle),
            (b"\r\n", true, GivenUp::Idle),
        ] {
            let activity = Activity::begin();
            activity.note_read(read);
            drop(activity.begin_request(is_bare));

            let (given_up, seconds) = seconds_until_given_up(&activity).await;

            let expected = if reason == GivenUp::Resting { 2 } else { 75 };
            assert_eq!((given_up, seconds), (reason, expected), "{read:?} {is_bare}");
        }
    }

    /// One that nobody has asked for anything since now.
    fn quiet() -> Rc<Activity> {
        let activity = Activity::begin();
        activity.note_read(b"GET / HTTP/1.1\r\n\r\n");
        drop(activity.begin_request(true));
        activity
    }

    #[tokio::test(start_paused = true)]
    async fn connections_do_not_rest_all_at_once_and_all_of_them_do() {
        const MANY: u32 = 10_000;
        let (rests, begin) = (Rests::begin(), Instant::now());
        let rested = (0..MANY).map(async |_| {
            assert_eq!(quiet().given_up(&LIMITS, &rests).await, GivenUp::Resting);
            begin.elapsed()
        });

        let mut rested = futures_util::future::join_all(rested).await;

        rested.sort_unstable();
        assert_eq!(rested[0], REST);
        // Timers go off at whole milliseconds.
        for from in [0, 500, 2000, 4000] {
            let from = REST + REST_PACE * from;
            let within = rested
                .iter()
                .filter(|at| (from..from + REST_PACE * 100).contains(*at));
            let count = within.count();
            assert!((95..=105).contains(&count), "{count} from {from:?}");
        }
        let last = rested[rested.len() - 1];
        assert!(last <= 3 * REST + REST_PACE * MANY, "{last:?}");
    }

    /// Somebody could take all times of an hour, and leave.
    #[tokio::test(start_paused = true)]
    async fn a_wait_for_a_rest_is_short_and_hides_nothing() {
        let (rests, begin) = (Rests::begin(), Instant::now());
        assert!((0..1_000_000).any(|_| rests.next(begin).is_none()));
        assert_eq!(quiet().given_up(&LIMITS, &rests).await, GivenUp::Resting);
        assert!(begin.elapsed() <= 3 * REST, "{:?}", begin.elapsed());

        // Nobody can rest for as long as others do all the time.
        let takes_all = async {
            loop {
                while rests.next(Instant::now()).is_some() {}
                sleep_until(Instant::now() + REST_PACE).await;
            }
        };
        let given_up = async |activity: Rc<Activity>, begins: Option<&[u8]>| {
            let waits = async {
                sleep_until(Instant::now() + REST + REST_PACE * 10).await;
                let begin = Instant::now();
                begins.inspect(|bytes| activity.note_read(bytes));
                activity.note_write(begins.is_some());
                begin
            };
            let (reason, begin) = tokio::join!(activity.given_up(&LIMITS, &rests), waits);
            (reason, begin.elapsed().as_secs())
        };
        let all = async {
            assert_eq!(given_up(quiet(), Some(b"G")).await, (GivenUp::SlowHead, 10));
            assert_eq!(given_up(quiet(), None).await, (GivenUp::Stalled, 60));
            let (activity, begin) = (quiet(), Instant::now());
            let reason = activity.given_up(&LIMITS, &rests).await;
            assert!(matches!(reason, GivenUp::Idle | GivenUp::Resting), "{reason:?}");
            assert!(
                begin.elapsed() <= LIMITS.keep_alive + REST,
                "{:?}",
                begin.elapsed()
            );
        };
        tokio::select! {
            () = takes_all => {}
            () = all => {}
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_the_turn_of_a_request_is_not_idle() {
        let (activity, rests) = (quiet(), Rests::begin());
        activity.set_turn(Turn::Waiting);
        let patience = tokio::time::timeout(Duration::from_secs(3600), activity.given_up(&LIMITS, &rests));
        assert!(patience.await.is_err());
    }

    /// Behind a queue of requests some may not have been looked at yet.
    #[tokio::test(start_paused = true)]
    async fn a_connection_does_not_rest_after_what_came_while_a_request_was_under_way() {
        let activity = Activity::begin();
        activity.note_read(b"GET / HTTP/1.1\r\n\r\n");
        let request = activity.begin_request(true);
        activity.note_read(b"GET / HTTP/1.1\r\n\r\n");
        drop(request);

        assert_eq!(seconds_until_given_up(&activity).await, (GivenUp::Idle, 75));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_whose_answer_is_not_taken_does_not_rest() {
        let activity = Activity::begin();
        activity.note_read(b"GET / HTTP/1.1\r\n\r\n");
        drop(activity.begin_request(true));
        activity.note_write(false);

        assert_eq!(seconds_until_given_up(&activity).await, (GivenUp::Stalled, 60));
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_may_take_its_time_but_its_answer_has_to_be_read() {
        let activity = Activity::begin();
        let request = activity.begin_request(false);
        let rests = Rests::begin();
        let patience = tokio::time::timeout(Duration::from_secs(3600), activity.given_up(&LIMITS, &rests));
        assert!(patience.await.is_err());
        activity.note_write(false);

        assert_eq!(seconds_until_given_up(&activity).await, (GivenUp::Stalled, 60));
        drop(request);
    }

    #[tokio::test(start_paused = true)]
    async fn frames_of_http2_are_no_heads() {
        let activity = Activity::begin();
        activity.speaks_http2();
        drop(activity.begin_request(false));
        activity.note_read(b"GET /");

        assert_eq!(seconds_until_given_up(&activity).await, (GivenUp::Idle, 75));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stall_is_seen_in_time_however_long_the_other_limits_are() {
        let hour = Duration::from_secs(3600);
        let limits = Limits {
            head_timeout: hour,
            keep_alive: hour,
            ..LIMITS
        };
        let activity = Activity::begin();
        let _request = activity.begin_request(false);
        let begin = Instant::now();
        let stalls = async {
            sleep_until(begin + Duration::from_secs(1)).await;
            activity.note_write(false);
        };

        let rests = Rests::begin();
        let (reason, ()) = tokio::join!(activity.given_up(&limits, &rests), stalls);

        assert_eq!((reason, begin.elapsed().as_secs()), (GivenUp::Stalled, 61));
    }
}
