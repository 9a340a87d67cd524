use std::sync::mpsc::{self, Receiver, Sender};

use tracing::subscriber::with_default;

use super::*;

/// How long a thread may take for what it does in a moment, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// Hands on each piece that is written.
struct Pieces(Sender<String>);

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = String::from_utf8(bytes.to_vec()).unwrap();
        self.0
            .send(piece)
            .map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn start() -> (
    impl tracing::Subscriber + Send + Sync,
    Flusher<Pieces>,
    Receiver<String>,
) {
    let (sent, pieces) = mpsc::channel();
    let (lines, flusher) = lines(Pieces(sent));
    let builder = tracing_subscriber::fmt().with_max_level(Level::TRACE);
    let builder = builder.without_time().with_ansi(false).with_writer(lines);
    (builder.finish(), flusher, pieces)
}

fn access(number: usize) {
    tracing::info!(target: "bff::access", "request {number}");
}

/// The numbers of the requests in what was written.
fn requests(log: &str) -> Vec<usize> {
    let lines = log.lines().filter_map(|line| line.split_once("request "));
    lines.map(|(_, number)| number.parse().unwrap()).collect()
}

#[test]
fn what_is_no_line_of_the_access_log_is_written_when_its_event_is_over() {
    let (subscriber, _flusher, pieces) = start();
    with_default(subscriber, || {
        tracing::info!(target: "bff::audit", "session ended");
        assert!(pieces.try_recv().unwrap().contains("session ended"));
        tracing::info!("of the program");
        assert!(pieces.try_recv().unwrap().contains("of the program"));
        tracing::warn!(target: "bff::access", "a warning");
        assert!(pieces.try_recv().unwrap().contains("a warning"));
    });
}

#[test]
fn lines_stay_in_their_order() {
    let (subscriber, flusher, pieces) = start();
    with_default(subscriber, || {
        for number in 0..100 {
            access(2 * number);
            tracing::info!(target: "bff::audit", "request {}", 2 * number + 1);
            let written: Vec<String> = pieces.try_iter().collect();
            assert!(
                written
                    .last()
                    .unwrap()
                    .ends_with(&format!("{}\n", 2 * number + 1))
            );
            assert_eq!(requests(&written.concat()), [2 * number, 2 * number + 1]);
        }
        access(200);
    });
    drop(flusher);
    assert_eq!(requests(&pieces.try_iter().collect::<String>()), [200]);
}

#[test]
fn a_line_of_the_access_log_waits_for_no_other() {
    let (subscriber, _flusher, pieces) = start();
    with_default(subscriber, || {
        for number in 0..2 {
            access(number);
            let written = pieces.recv_timeout(PATIENCE).unwrap();
            assert_eq!(requests(&written), [number]);
        }
    });
}

#[test]
fn two_threads_lose_nothing_and_no_line_is_torn() {
    const EACH: usize = 5_000;
    let (subscriber, flusher, pieces) = start();
    let subscriber = tracing::Dispatch::new(subscriber);
    thread::scope(|scope| {
        for first in [0, EACH] {
            let subscriber = subscriber.clone();
            scope.spawn(move || {
                tracing::dispatcher::with_default(&subscriber, || (first..first + EACH).for_each(access));
            });
        }
    });
    drop(flusher);
    let pieces: Vec<String> = pieces.try_iter().collect();
    for piece in &pieces {
        assert!(piece.len() <= PIECE && piece.ends_with('\n'), "{piece}");
    }
    let written = requests(&pieces.concat());
    let (first, second): (Vec<usize>, Vec<usize>) = written.iter().partition(|number| **number < EACH);
    assert_eq!(first, (0..EACH).collect::<Vec<_>>());
    assert_eq!(second, (EACH..2 * EACH).collect::<Vec<_>>());
    assert!(
        pieces.len() < EACH,
        "{} pieces: the lines did not gather",
        pieces.len()
    );
}

#[test]
fn a_line_longer_than_a_piece_is_written_whole() {
    let (subscriber, flusher, pieces) = start();
    let long = "x".repeat(3 * PIECE);
    with_default(subscriber, || {
        access(1);
        tracing::info!(target: "bff::access", long, "request 2");
        access(3);
    });
    drop(flusher);
    let log = pieces.try_iter().collect::<String>();
    assert!(log.contains(&long) && log.lines().count() == 3, "{log}");
}

#[test]
fn when_the_flusher_has_ended_no_line_waits() {
    let (subscriber, flusher, pieces) = start();
    with_default(subscriber, || {
        access(1);
        drop(flusher);
        assert_eq!(requests(&pieces.try_iter().collect::<String>()), [1]);
        access(2);
        assert_eq!(requests(&pieces.try_recv().unwrap()), [2]);
    });
}

#[test]
fn a_reader_that_went_away_ends_nothing() {
    let (subscriber, flusher, pieces) = start();
    drop(pieces);
    with_default(subscriber, || {
        access(1);
        tracing::error!("nobody reads this");
    });
    drop(flusher);
}
