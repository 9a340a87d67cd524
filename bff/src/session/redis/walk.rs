//! A walk over all sessions: server after server, each with a cursor of its own, written `CURSOR@SERVER`.

use super::link::Shard;
use crate::session::store::StoreError;

/// The server and its cursor that a text names; without one, the beginning.
pub(super) fn place<'s, 'f>(
    shards: &'s [Shard],
    from: Option<&'f str>,
) -> Result<(&'s Shard, &'f str), StoreError> {
    let found = match from {
        None => shards.first().map(|shard| (shard, "0")),
        Some(from) => from.split_once('@').and_then(|(cursor, name)| {
            let shard = shards.iter().find(|shard| shard.to_string() == name)?;
            Some((shard, cursor))
        }),
    };
    // Whatever took the place of a server that is gone holds its sessions under cursors of its own.
    found.ok_or_else(|| {
        StoreError::Unreachable(anyhow::anyhow!(
            "the servers changed during the walk over all sessions; begin again"
        ))
    })
}

/// Where the walk goes on after a server gave this cursor.
pub(super) fn next(shards: &[Shard], shard: &Shard, cursor: &str) -> Option<String> {
    if cursor != "0" {
        return Some(format!("{cursor}@{shard}"));
    }
    let after = shards.iter().find(|other| *other > shard);
    after.map(|shard| format!("0@{shard}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(ports: &[u16]) -> Vec<Shard> {
        let shards = ports.iter().map(|port| Shard(Some(("::1".to_owned(), *port))));
        shards.collect()
    }

    #[test]
    fn a_walk_visits_every_server_and_ends() {
        let shards = servers(&[1, 2]);
        assert_eq!(place(&shards, None).unwrap(), (&shards[0], "0"));
        let on = next(&shards, &shards[0], "17").unwrap();
        assert_eq!(place(&shards, Some(&on)).unwrap(), (&shards[0], "17"));
        let on = next(&shards, &shards[0], "0").unwrap();
        assert_eq!(place(&shards, Some(&on)).unwrap(), (&shards[1], "0"));
        assert_eq!(next(&shards, &shards[1], "0"), None);
    }

    #[test]
    fn one_server_needs_no_name() {
        let only = [Shard(None)];
        let on = next(&only, &only[0], "17").unwrap();
        assert_eq!(place(&only, Some(&on)).unwrap(), (&only[0], "17"));
        assert_eq!(next(&only, &only[0], "0"), None);
    }

    #[test]
    fn a_walk_whose_server_is_gone_begins_again() {
        let on = next(&servers(&[1, 2]), &servers(&[2])[0], "17").unwrap();
        for from in [on.as_str(), "17", "", "@"] {
            assert!(place(&servers(&[1, 3]), Some(from)).is_err(), "{from:?}");
        }
    }
}
