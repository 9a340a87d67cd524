use super::*;

fn digest(name: &str) -> Digest {
    Digest::of(name.as_bytes())
}

const LIMITS: PushedLimits = PushedLimits {
    per_client: 5,
    per_network: 3,
};

const KEPT: PushedLimits = PushedLimits {
    per_client: 12,
    per_network: 6,
};

async fn push(store: &Store, name: &str, client_id: &str, network: Option<&str>, now: i64) -> bool {
    let new = NewPushedRequest {
        digest: digest(name),
        client_id,
        network: network.map(digest),
        parameters: "a=1",
        expires_at: at(now + 90),
    };
    store.add_pushed_request(&new, LIMITS, at(now)).await.unwrap()
}

async fn open(store: &Store, name: &str, browser: &str, now: i64) -> Option<String> {
    open_of(store, "bff", name, browser, now).await
}

async fn open_of(store: &Store, client_id: &str, name: &str, browser: &str, now: i64) -> Option<String> {
    let opening = Opening {
        digest: digest(name),
        client_id,
        browser: digest(browser),
        opened_ends: at(now + 1800),
        limits: KEPT,
    };
    store.open_pushed_request(&opening, at(now)).await.unwrap()
}

#[tokio::test]
async fn x_18_only_so_many_requests_wait_for_each_client_and_network() {
    let (store, _folder) = store().await;
    let mut kept = 0;
    for n in 0..20 {
        kept += i64::from(push(&store, &format!("bff{n}"), "bff", None, 0).await);
    }
    assert_eq!(kept, LIMITS.per_client);
    for n in 0..20 {
        let network = if n % 2 == 0 { "a" } else { "b" };
        kept += i64::from(push(&store, &format!("app{n}"), "app", Some(network), 0).await);
    }
    assert_eq!(kept, 2 * LIMITS.per_client, "three from a and two from b");
    assert!(!push(&store, "c", "app", Some("c"), 89).await);
    assert!(
        push(&store, "c", "app", Some("c"), 90).await,
        "the others ran out"
    );
    assert_eq!(store.sweep(at(89)).await.unwrap(), 0);
    assert_eq!(store.sweep(at(180)).await.unwrap(), 11);
}

#[tokio::test]
async fn x_18_requests_that_were_opened_and_left_keep_nobody_out() {
    let (store, _folder) = store().await;
    for n in 0..20 {
        let name = format!("bff{n}");
        assert!(push(&store, &name, "bff", None, n).await, "{name}");
        assert!(open(&store, &name, "b", n).await.is_some(), "{name}");
    }
    for n in 0..8 {
        let name = format!("app{n}");
        assert!(push(&store, &name, "app", Some("a"), 0).await, "{name}");
        assert!(open_of(&store, "app", &name, "b", 0).await.is_some(), "{name}");
    }
    for (client_id, kind, kept) in [("bff", "bff", 12), ("app", "app", 6)] {
        let mut live = 0;
        for n in 0..20 {
            let opened = open_of(&store, client_id, &format!("{kind}{n}"), "b", 1000).await;
            live += i64::from(opened.is_some());
        }
        assert_eq!(
            live, kept,
            "of {client_id} those beyond the limit lived no longer"
        );
    }
    assert!(push(&store, "last", "bff", None, 1000).await);
    assert!(open(&store, "last", "b", 1089).await.is_some());
    assert!(
        open(&store, "last", "b", 1090).await.is_none(),
        "there are still too many"
    );
}

#[tokio::test]
async fn the_first_browser_has_the_request_and_no_other() {
    let (store, _folder) = store().await;
    assert!(push(&store, "r", "bff", None, 0).await);
    let opened = join_all((0..20).map(|n| {
        let store = &store;
        async move { open(store, "r", &n.to_string(), 89).await.map(|_| n) }
    }))
    .await;
    let [first] = opened.into_iter().flatten().collect::<Vec<i32>>()[..] else {
        panic!("one browser has it")
    };
    let (mine, yours) = (first.to_string(), (first + 1).to_string());
    assert_eq!(open(&store, "r", &mine, 1888).await.as_deref(), Some("a=1"));
    assert_eq!(open(&store, "r", &yours, 1888).await, None);
    assert_eq!(
        open(&store, "r", &mine, 1889).await,
        None,
        "looks do not prolong it"
    );
}

#[tokio::test]
async fn a_request_that_ran_out_is_not_opened() {
    let (store, _folder) = store().await;
    assert!(push(&store, "r", "bff", None, 0).await);
    assert_eq!(open(&store, "r", "b", 90).await, None);
    assert!(push(&store, "other", "app", None, 0).await);
    assert_eq!(
        open(&store, "other", "b", 0).await,
        None,
        "it is another client's"
    );
}

#[tokio::test]
async fn of_many_codes_for_one_request_one_is_stored() {
    let (store, _folder) = store().await;
    add_session(&store, &Digest::of(b"key"), LIFETIMES).await;
    assert!(push(&store, "r", "bff", None, 0).await);
    let added = join_all((0..50).map(|_| async {
        let code = NewCode {
            pushed: Some(digest("r")),
            ..new_code(&Code::generate())
        };
        store.add_code_of_session(&code, at(1)).await.unwrap()
    }))
    .await;
    let count = |wanted| added.iter().filter(|added| **added == wanted).count();
    assert_eq!((count(CodeAdded::Now), count(CodeAdded::RequestGone)), (1, 49));
}

#[tokio::test]
async fn a_request_outlives_a_session_that_brings_no_code() {
    let (store, _folder) = store().await;
    assert!(push(&store, "r", "bff", None, 0).await);
    let code = |sid: &str| NewCode {
        pushed: Some(digest("r")),
        sid: sid.to_owned(),
        ..new_code(&Code::generate())
    };
    let without = store.add_code_of_session(&code("nobody"), at(1)).await.unwrap();
    assert_eq!(without, CodeAdded::SessionOver);
    let key = Digest::of(b"key");
    let signed_in = sign_in(&store, &key, "s", Some(code("s")), LIFETIMES).await;
    assert_eq!(signed_in, SignInStored::Now("s".to_owned()));
    let again = Digest::of(b"again");
    let gone = sign_in(&store, &again, "t", Some(code("t")), LIFETIMES).await;
    assert_eq!(gone, SignInStored::RequestGone);
    let session = store.use_session(&again, LIFETIMES, at(1)).await.unwrap();
    assert_eq!(session, None, "nothing was stored");
}
