//! Fifty at once, over two stores on one database, as two nodes have them.

use super::*;

const MANY: usize = 50;

/// Two nodes and the user "u".
pub(super) async fn nodes() -> ([Store; 2], Option<tempfile::TempDir>) {
    let (config, folder) = fresh().await;
    let here = store_at(&config).await;
    let there = Store::open(&config).await.unwrap();
    ([here, there], folder)
}

fn sids() -> Vec<String> {
    (0..MANY).map(|number| format!("s{number}")).collect()
}

fn code_of(code: &Code, sid: &str) -> NewCode {
    NewCode {
        sid: sid.to_owned(),
        ..new_code(code)
    }
}

async fn begin(store: &Store, key: &Digest, sid: &str, code: Option<NewCode>) -> SignInStored {
    sign_in(store, key, sid, code, LIFETIMES).await
}

async fn count(store: &Store, what: &'static str) -> i64 {
    sqlx::query_scalar(what).fetch_one(&store.reader).await.unwrap()
}

/// That nothing is signed in, nor will be by what is on its way.
async fn assert_all_over(store: &Store, of: &str) {
    for (what, left) in [
        (
            "sessions",
            count(store, "SELECT count(*) FROM sign_in_session").await,
        ),
        (
            "grants",
            count(store, "SELECT count(*) FROM family WHERE ended_at IS NULL").await,
        ),
        (
            "codes",
            count(
                store,
                "SELECT count(*) FROM authorization_code WHERE used_at IS NULL",
            )
            .await,
        ),
    ] {
        assert_eq!(left, 0, "{what} survive {of}");
    }
}

#[tokio::test]
async fn x_2_of_rotations_of_one_token_at_two_nodes_one_happens() {
    let (nodes, _folder) = nodes().await;
    let (first, _) = family(&nodes[0]).await;
    let rotated = join_all((0..MANY).map(|n| rotate(&nodes[n % 2], &first, 1))).await;
    assert_eq!(rotated.into_iter().flatten().count(), 1);
    let generation = count(&nodes[1], "SELECT generation FROM family").await;
    assert_eq!(generation, 2);
}

#[tokio::test]
async fn x_2_of_redemptions_of_one_code_at_two_nodes_one_happens_and_is_undone() {
    let (nodes, _folder) = nodes().await;
    let code = Code::generate();
    add_code(&nodes[0], &new_code(&code)).await;
    let redeemed = join_all((0..MANY).map(|n| {
        let (store, code) = (&nodes[n % 2], &code);
        async move { redeem(store, code, &RefreshToken::generate(FamilyId::generate()), 1).await }
    }))
    .await;
    let won = redeemed
        .iter()
        .filter(|redeemed| matches!(redeemed, Redeemed::Now(..)));
    assert_eq!(won.count(), 1);
    let replays = redeemed
        .iter()
        .filter(|redeemed| matches!(redeemed, Redeemed::Replayed { .. }));
    assert_eq!(replays.count(), 1, "it is ended once");
    assert_all_over(&nodes[0], "a replay").await;
}

#[tokio::test]
async fn x_2_no_rotation_survives_a_revocation_at_another_node() {
    let (nodes, _folder) = nodes().await;
    let mut tokens = Vec::new();
    for _ in 0..MANY {
        tokens.push(family(&nodes[0]).await.0);
    }
    join_all(tokens.iter().enumerate().map(|(n, token)| {
        let (here, there) = (&nodes[n % 2], &nodes[(n + 1) % 2]);
        async move {
            let revoked = here.end_family(token.family(), EndReason::Revoked, at(1));
            let (rotated, revoked) = tokio::join!(rotate(there, token, 1), revoked);
            revoked.unwrap();
            if let Some(next) = rotated {
                assert!(rotate(here, &next, 1).await.is_none());
            }
        }
    }))
    .await;
    assert_all_over(&nodes[0], "a revocation").await;
}

/// A sign-out meets an exchange of the session's code, another code for it, and a sign-in that would go on with it.
#[tokio::test]
async fn x_2_nothing_of_a_session_survives_a_sign_out_at_another_node() {
    let (nodes, _folder) = nodes().await;
    let sids = sids();
    let mut codes = Vec::new();
    for sid in &sids {
        let code = Code::generate();
        let key = Digest::of(sid.as_bytes());
        let stored = begin(&nodes[0], &key, sid, Some(code_of(&code, sid))).await;
        assert_eq!(stored, SignInStored::Now(sid.clone()));
        codes.push(code);
    }
    join_all(sids.iter().zip(&codes).enumerate().map(|(n, (sid, code))| {
        let (here, there) = (&nodes[n % 2], &nodes[(n + 1) % 2]);
        async move {
            let first = RefreshToken::generate(FamilyId::generate());
            let another = code_of(&Code::generate(), sid);
            let (key, former) = (
                Digest::of(format!("{sid} again").as_bytes()),
                Digest::of(sid.as_bytes()),
            );
            let again = NewSignIn {
                key: &key,
                session: session(&format!("{sid} afresh")),
                credentials: CredentialsVersion::default(),
                former: Some(FormerSession::OfSameUser(&former, session(sid))),
                code: None,
            };
            let (_, added, again, ended) = tokio::join!(
                redeem(there, code, &first, 1),
                there.add_code_of_session(&another, at(1)),
                there.sign_in(again, LIFETIMES, at(1)),
                here.end_sign_in(sid, at(1)),
            );
            ended.unwrap();
            let _ = added.unwrap();
            // Typed again after the sign-out, it is another session, which has nothing to do with it.
            if again.unwrap() != SignInStored::Now(sid.clone()) {
                here.end_sign_in(&format!("{sid} afresh"), at(1)).await.unwrap();
            }
        }
    }))
    .await;
    assert_all_over(&nodes[0], "a sign-out").await;
}

#[tokio::test]
async fn x_9_no_sign_in_survives_that_its_user_is_disabled_at_another_node() {
    let (nodes, _folder) = nodes().await;
    let sids = sids();
    let sign_ins = sids.iter().enumerate().map(|(n, sid)| {
        let store = &nodes[n % 2];
        async move {
            let code = Code::generate();
            let key = Digest::of(sid.as_bytes());
            let stored = begin(store, &key, sid, Some(code_of(&code, sid))).await;
            if stored != SignInStored::UserDisabled {
                let first = RefreshToken::generate(FamilyId::generate());
                let another = code_of(&Code::generate(), sid);
                let (_, added) = tokio::join!(
                    redeem(store, &code, &first, 1),
                    store.add_code_of_session(&another, at(1)),
                );
                let _ = added.unwrap();
            }
        }
    });
    let disabled = async {
        // Not before the first of them is through.
        while count(&nodes[0], "SELECT count(*) FROM authorization_code").await < 5 {
            tokio::task::yield_now().await;
        }
        nodes[0]
            .change_user("u", UserChange::Disable, at(1))
            .await
            .unwrap()
    };
    let (_, ended) = tokio::join!(join_all(sign_ins), disabled);
    assert!(!ended.unwrap().is_empty());
    assert_all_over(&nodes[0], "that the user was disabled").await;
}

/// Accounts and addresses cross each other: whoever took them in the order in which they are named would wait forever.
#[tokio::test]
async fn attempts_at_two_nodes_wait_for_each_other_in_one_order() {
    let (nodes, _folder) = nodes().await;
    let limits = AttemptLimits {
        failures: 30,
        window: Duration::from_secs(60),
    };
    let (account, address) = (Digest::of(b"account"), Digest::of(b"address"));
    let attempts = join_all((0..2 * MANY).map(|n| {
        let store = &nodes[n % 2];
        async move {
            let mut buckets = [(account, limits), (address, limits)];
            if n % 2 == 0 {
                buckets.reverse();
            }
            let claimed = store.claim_attempt(&buckets, at(0)).await.unwrap();
            if claimed && n % 4 < 2 {
                let (first, second) = (buckets[0].0, buckets[1].0);
                store.forgive_attempt(&[], &[first, second]).await.unwrap();
            }
            claimed
        }
    }))
    .await;
    let claimed = attempts.iter().filter(|claimed| **claimed).count();
    assert!(claimed >= 30, "{claimed}");
    let highest = count(&nodes[0], "SELECT max(failures) FROM sign_in_attempt").await;
    assert!(highest <= 30, "{highest}");
}

#[tokio::test]
async fn two_nodes_that_sweep_delete_each_row_once() {
    let (nodes, _folder) = nodes().await;
    for number in 0..4 * MANY {
        let key = Digest::of(format!("{number}").as_bytes());
        add_session(&nodes[0], &key, LIFETIMES).await;
    }
    let swept = join_all((0..8).map(|n| nodes[n % 2].sweep(at(1000)))).await;
    let swept: u64 = swept.into_iter().map(Result::unwrap).sum();
    assert_eq!(swept, 4 * MANY as u64);
}
