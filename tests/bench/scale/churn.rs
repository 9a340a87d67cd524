//! Whether the file of the embedded store grows when sessions come and go.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use bff::session::registry::EndReason;

use crate::meter::Cost;
use crate::table::{Table, grouped};
use e2e::sessions::{Node, Place, Ticket, at_once};

const ROUNDS: usize = 4;
const MEBIBYTE: u64 = 1_048_576;

/// Nine in ten sessions end and as many begin, again and again.
pub(crate) async fn measure(folder: &Path, ring: &str, sessions: usize) {
    let file = folder.join("churn.redb");
    let place = Place::File(file.clone());
    let node = Node::open(&place, ring, 0).await;
    let mut table = Table::new("round");
    let mut living = node.sign_in(0, sessions).await;
    let mut users = sessions;
    for round in 1..=ROUNDS {
        table.column(round.to_string());
        table.put("sessions", grouped(living.len()));
        table.put("file, MiB", length(&file));
        let over = living.split_off(living.len() / 10);
        let (cost, ()) = Cost::of(None, over.len(), end(&node, &over)).await;
        table.put("nine in ten end: logouts a second", cost.a_second());
        table.put("… file, MiB", length(&file));
        living.extend(node.sign_in(users, users + over.len()).await);
        users += over.len();
        table.put("as many begin: file, MiB", length(&file));
    }
    end(&node, &living).await;
    node.store.close().await;
    let emptied = length(&file);
    let node = Node::open(&place, ring, 0).await;
    node.store.close().await;
    table.print();
    println!(
        "All ended and closed: {emptied} MiB; opened and closed once more: {} MiB.\n",
        length(&file)
    );
    fs::remove_file(file).expect("the store is closed");
}

async fn end(node: &Node, tickets: &[Ticket]) {
    let ending = tickets.iter().map(|(id, key)| async move {
        node.registry.end(key, EndReason::Logout).await.unwrap();
        node.store.drop_ticket(&id.record_key()).await.unwrap();
    });
    at_once(ending).await;
}

/// Its length, and what of it is on the disk.
fn length(file: &Path) -> String {
    let file = fs::metadata(file).expect("the store's file");
    format!(
        "{} ({} on the disk)",
        file.len() / MEBIBYTE,
        file.blocks() * 512 / MEBIBYTE
    )
}
