//! The same measurements with a thousand, a hundred thousand and a million sessions in a store.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use bff::session::registry::Renewed;
use bff::session::store::{LeaseHolder, Leased};
use e2e::redis::Redis;
use redb::Database;
use resource_server::time::Clock as _;

use crate::meter::{Cost, Latencies};
use crate::table::{Table, grouped};
use crate::{lookups, memory};
use e2e::sessions::content::{self, Serves};
use e2e::sessions::{Node, Place, Ticket, at_once};

const LEVELS: [usize; 2] = [1_000, 100_000];
/// How many sessions of a level are renewed and used.
const SAMPLE: usize = 10_000;
const LEASE: Duration = Duration::from_secs(30);
const ALONE: usize = 200;
const NOTHING: u64 = 0;
const DEFAULT_MAX_BYTES: u64 = 64 * 1_024 * 1_024;

struct Party<'p> {
    place: &'p Place,
    ring: &'p str,
    redis: Option<&'p Redis>,
    empty: f64,
    tickets: Vec<Ticket>,
    table: Table,
}

pub(crate) async fn measure(place: &Place, ring: &str, sessions: usize, redis: Option<&Redis>) {
    let mut party = Party {
        place,
        ring,
        redis,
        empty: used_memory(redis).await,
        tickets: Vec::new(),
        table: Table::new("sessions"),
    };
    let mut levels: Vec<_> = LEVELS.into_iter().filter(|level| *level < sessions).collect();
    levels.push(sessions);
    for level in levels {
        party.table.column(grouped(level));
        party.measure(level).await;
    }
    party.table.print();
    let sample = party.sample(memory::MOST_OPENED);
    memory::compare(place, ring, &sample).await;
}

impl Party<'_> {
    async fn measure(&mut self, level: usize) {
        let node = Node::open(self.place, self.ring, NOTHING).await;
        self.sign_in(&node, level).await;
        self.look_up(&node).await;
        self.renew(&node).await;
        self.use_again(&node).await;
        node.store.close().await;
        self.weigh().await;
        let readings = memory::of_child(self.place, self.ring, DEFAULT_MAX_BYTES, &self.sample(SAMPLE)).await;
        self.table
            .put("lookup in memory: p50 µs", format!("{:.2}", readings.hit_p50));
        self.table.put(
            "lookup in memory: CPU µs each",
            format!("{:.2}", readings.hit_cpu),
        );
    }

    /// Sessions spread evenly over all that began; their keys are random, so they are spread over the store, too.
    fn sample(&self, size: usize) -> Vec<Ticket> {
        let step = self.tickets.len().div_ceil(size);
        self.tickets.iter().step_by(step).cloned().collect()
    }

    /// Fills the store up to the level; the last tenth counts.
    async fn sign_in(&mut self, node: &Node, level: usize) {
        let counted = (level / 10).max(1_000).min(level) - ALONE;
        let first = level - ALONE - counted;
        let mut begun = node.sign_in(self.tickets.len(), first).await;
        self.tickets.append(&mut begun);
        let signing_in = node.sign_in(first, first + counted);
        let (cost, mut begun) = Cost::of(self.redis, counted, signing_in).await;
        self.tickets.append(&mut begun);
        self.rate("logins", &cost);

        let mut each = Vec::new();
        for number in level - ALONE..level {
            let started = Instant::now();
            let mut begun = node.sign_in(number, number + 1).await;
            each.push(started.elapsed());
            self.tickets.append(&mut begun);
        }
        let each = Latencies::new(each);
        self.table.put("a login alone: p50 / p99 µs", each.p50_and_p99());
    }

    fn rate(&mut self, what: &str, cost: &Cost) {
        self.table.put(&format!("{what}: a second"), cost.a_second());
        self.table.put(&format!("{what}: CPU µs each"), cpu_of(cost));
    }

    /// One after the other, with nothing in memory. What a lookup is made of is measured beside it.
    async fn look_up(&mut self, node: &Node) {
        let sample = self.sample(lookups::SAMPLE);
        for (kind, each, cost) in lookups::measure(node, &sample, self.redis).await {
            self.table
                .put(&format!("{kind}: p50 / p99 µs"), each.p50_and_p99());
            self.table.put(&format!("{kind}: CPU µs each"), cpu_of(&cost));
        }
    }

    /// What a refresh asks of the store: the session, the right to refresh it, room for its new tokens.
    async fn renew(&mut self, node: &Node) {
        let holder = &LeaseHolder::generate();
        let (mut finding_costs, mut renewing_costs) = (None, None);
        for _ in 0..self.rounds() {
            let sample = self.sample(SAMPLE);
            let finding = sample.iter().map(|(id, key)| async move {
                let found = node.registry.find(id, key, false).await.unwrap();
                found.expect("it lives")
            });
            let (cost, opened) = Cost::of(self.redis, sample.len(), at_once(finding)).await;
            finding_costs = Some(cost.and(finding_costs));

            let renewing = opened.into_iter().map(|session| async move {
                let leased = node.registry.lease(&session, holder, LEASE).await.unwrap();
                assert!(matches!(leased, Leased::Yours { .. }));
                let tokens = content::tokens(Serves::for_minutes(node.clock.now()));
                let renewed = node.registry.renew(&session, tokens).await.unwrap();
                assert!(matches!(renewed, Renewed::Stored(_)));
            });
            let (cost, _) = Cost::of(self.redis, sample.len(), at_once(renewing)).await;
            renewing_costs = Some(cost.and(renewing_costs));
        }
        self.rate("lookups, many at once", &finding_costs.expect("a round"));
        self.rate(
            "refreshes, lease and new tokens",
            &renewing_costs.expect("a round"),
        );
    }

    /// A use that is written down, as that of a busy session once a minute.
    async fn use_again(&mut self, node: &Node) {
        let mut total = None;
        for _ in 0..self.rounds() {
            node.clock.advance(Duration::from_secs(61));
            let sample = self.sample(SAMPLE);
            let using = sample.iter().map(|(id, key)| async move {
                let found = node.registry.find(id, key, true).await.unwrap();
                found.expect("it lives");
            });
            let (cost, _) = Cost::of(self.redis, sample.len(), at_once(using)).await;
            total = Some(cost.and(total));
        }
        self.rate("uses written down", &total.expect("a round"));
    }

    fn rounds(&self) -> usize {
        SAMPLE.div_ceil(self.tickets.len().min(SAMPLE))
    }

    /// What the sessions take where they rest.
    async fn weigh(&mut self) {
        let sessions = self.tickets.len() as f64;
        let a_session = |bytes: f64| format!("{:.0}", bytes / sessions);
        match (self.place, self.redis) {
            (Place::File(path), _) => {
                let rest = Rest::of(path);
                self.table.put("file: MiB", mebibytes(rest.length as f64));
                self.table.put(
                    "file: bytes a session on the disk",
                    a_session(rest.on_disk as f64),
                );
                self.table.put(
                    "file: bytes a session in pages that are used",
                    a_session(rest.in_pages as f64),
                );
                self.table.put(
                    "file: bytes a session in keys and values",
                    a_session(rest.stored as f64),
                );
            }
            (Place::Redis(_), redis) => {
                let used = used_memory(redis).await - self.empty;
                self.table
                    .put("memory of Redis: bytes a session", a_session(used));
                let resident: f64 = redis.expect("a Redis").info("memory", "used_memory_rss").await;
                self.table
                    .put("memory of Redis: resident, MiB", mebibytes(resident));
            }
        }
    }
}

struct Rest {
    length: u64,
    on_disk: u64,
    in_pages: u64,
    stored: u64,
}

impl Rest {
    /// Of a file that nobody has open.
    fn of(path: &Path) -> Self {
        let file = fs::metadata(path).expect("the store's file");
        let database = Database::open(path).expect("the store is closed");
        let transaction = database.begin_write().expect("nobody else writes");
        let stats = transaction.stats().expect("a sound file");
        transaction.abort().expect("nothing was written");
        Self {
            length: file.len(),
            on_disk: file.blocks() * 512,
            in_pages: stats.allocated_pages() * u64::try_from(stats.page_size()).unwrap(),
            stored: stats.stored_bytes(),
        }
    }
}

async fn used_memory(redis: Option<&Redis>) -> f64 {
    match redis {
        Some(redis) => redis.info("memory", "used_memory").await,
        None => 0.0,
    }
}

fn mebibytes(bytes: f64) -> String {
    format!("{:.0}", bytes / 1_048_576.0)
}

/// Of this process; and of Redis.
fn cpu_of(cost: &Cost) -> String {
    if cost.redis_cpu.is_zero() {
        format!("{:.1}", cost.cpu_each())
    } else {
        format!("{:.1} + {:.1}", cost.cpu_each(), cost.redis_cpu_each())
    }
}
