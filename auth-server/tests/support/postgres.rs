//! A PostgreSQL server for the tests of one program, with a database for each test.
//!
//! It listens at a Unix socket in a folder of its own, and nowhere else. A shell stands between it and the tests, at the
//! other end of a pipe: when this process ends, in whichever way, the pipe closes, and the shell stops the server and
//! deletes the folder.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};

/// What the shell does: it makes the database, starts the server, says so, waits for the end of the pipe, and tidies up.
/// Signals that end the tests are not for it.
const KEEPER: &str = r#"
trap '' INT TERM HUP
cd "$folder"
finish() { cd /; rm -rf "$folder"; }
"$programs/initdb" -D "$folder/data" -U postgres -A trust -E UTF8 --locale=C -N >"$folder/initdb.log" 2>&1 ||
    { cat "$folder/initdb.log"; finish; exit 1; }
"$programs/postgres" -D "$folder/data" -k "$folder" -c listen_addresses= -c max_connections=300 -c fsync=off \
    -c synchronous_commit=off -c full_page_writes=off -c shared_buffers=32MB -c deadlock_timeout=200ms \
    >"$folder/server.log" 2>&1 </dev/null &
server=$!
tries=0
until grep -qs ready "$folder/data/postmaster.pid"; do
    tries=$((tries + 1))
    if [ $tries -gt 3000 ] || ! kill -0 $server 2>/dev/null; then
        cat "$folder/server.log"
        kill -KILL $server 2>/dev/null
        finish
        exit 1
    fi
    sleep 0.02
done
echo ready
exec >&- 2>&-
while read -r _; do :; done
kill -QUIT $server
wait $server
finish
"#;

/// A server with nothing in it.
#[derive(Debug)]
struct Server {
    /// Where its socket is.
    folder: PathBuf,
    _keeper: Child,
}

/// A URL of `[storage]` for a fresh and empty database on the server of this program.
///
/// # Panics
/// When PostgreSQL is not installed.
pub(crate) async fn fresh_database() -> String {
    static DATABASES: AtomicU32 = AtomicU32::new(0);

    let server = Server::of_this_program().await;
    let name = format!("test_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
    server.create_database(&name).await;
    server.url(&name)
}

/// All that a database holds, as text.
///
/// # Panics
/// When it cannot be had.
pub(crate) async fn dump(database: &str) -> Vec<u8> {
    let url = Server::of_this_program().await.url(database);
    run("pg_dump", &[&url]).await
}

/// Runs one of PostgreSQL's programs; gives its standard output.
///
/// # Panics
/// When it fails.
pub(crate) async fn run(program: &str, arguments: &[&str]) -> Vec<u8> {
    let mut command = Command::new(programs().expect("the programs").join(program));
    command.args(arguments);
    let ran = tokio::task::spawn_blocking(move || command.output())
        .await
        .expect("no panic")
        .expect("it runs");
    assert!(
        ran.status.success(),
        "{program}: {}",
        String::from_utf8_lossy(&ran.stderr)
    );
    ran.stdout
}

impl Server {
    async fn of_this_program() -> &'static Self {
        static SERVER: OnceLock<Server> = OnceLock::new();

        tokio::task::spawn_blocking(|| SERVER.get_or_init(Self::start))
            .await
            .expect("PostgreSQL starts")
    }

    fn start() -> Self {
        let programs = programs().expect(
            "PostgreSQL is not installed, and tests need it: run tests/setup.sh (on Debian: apt-get install postgresql)",
        );
        let folder = tempfile::Builder::new()
            .prefix("auth-pg-")
            .tempdir()
            .expect("a temporary folder")
            .keep();
        let mut command = Command::new("sh");
        command
            .args(["-c", KEEPER])
            .env("folder", &folder)
            .env("programs", programs)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            // Whoever ends the tests as a group does not end the one that tidies up.
            .process_group(0);
        // PostgreSQL refuses to run as root.
        if fs::metadata("/proc/self").expect("/proc").uid() == 0 {
            let (user, group) = nobody();
            chown(&folder, Some(user), Some(group)).expect("root may give it away");
            command.uid(user).gid(group);
        }
        let mut keeper = command.spawn().expect("a shell starts");
        let mut said = String::new();
        let mut output = BufReader::new(keeper.stdout.take().expect("it is piped"));
        while output.read_line(&mut said).expect("the shell talks") > 0 {
            if said.ends_with("ready\n") {
                return Self {
                    folder,
                    _keeper: keeper,
                };
            }
        }
        let ended = keeper.wait();
        panic!("PostgreSQL does not start: {ended:?}\n{said}");
    }

    fn url(&self, database: &str) -> String {
        format!(
            "postgres://postgres@localhost/{database}?host={}",
            self.folder.display()
        )
    }

    async fn create_database(&self, name: &str) {
        let options = PgConnectOptions::new_without_pgpass()
            .socket(&self.folder)
            .username("postgres")
            .database("postgres");
        let mut connection = options.connect().await.expect("PostgreSQL answers");
        sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name}")))
            .execute(&mut connection)
            .await
            .expect("a database is made");
        connection.close().await.expect("the connection closes");
    }
}

/// Where the server's programs are: Debian keeps them out of the way, by version.
fn programs() -> Option<PathBuf> {
    let by_version = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut places: Vec<PathBuf> = by_version
        .filter_map(|version| Some(version.ok()?.path().join("bin")))
        .collect();
    places.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    places.extend(std::env::split_paths(&path));
    // What stands there may be a link, and the other programs are where it leads.
    let initdb = places
        .iter()
        .rev()
        .find_map(|place| place.join("initdb").canonicalize().ok())?;
    initdb.parent().map(Path::to_owned)
}

fn nobody() -> (u32, u32) {
    let users = fs::read_to_string(Path::new("/etc/passwd")).expect("a list of users");
    let fields = users
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| fields[0] == "nobody")
        .expect("a user called nobody");
    let number = |text: &str| text.parse().expect("a number");
    (number(fields[2]), number(fields[3]))
}
