use super::*;
use crate::provider::OAuthError;
use crate::session::tokens::IssuedToken;

fn issued(token: &str, expires_at: i64) -> IssuedToken {
    IssuedToken {
        token: AccessToken::new(token.to_owned()),
        obtained_at: UnixTime::from_secs(expires_at - 300),
        refresh_from: UnixTime::from_secs(expires_at - 30),
        expires_at: UnixTime::from_secs(expires_at),
        scope: None,
    }
}

fn files() -> Target {
    Target {
        audience: Some("https://files.example".to_owned()),
        scope: None,
    }
}

fn tokens(refreshable: bool) -> TokenSet {
    TokenSet {
        access: issued("a", 300),
        others: std::collections::BTreeMap::new(),
        refresh_token: refreshable.then(|| RefreshToken::new("r".to_owned())),
        refresh_expires_at: None,
        id_token: None,
    }
}

fn need(refreshable: bool, at: i64) -> Need {
    Need::of(
        &tokens(refreshable),
        &Wanted::for_target(&Target::default()),
        Audiences::Resource,
        UnixTime::from_secs(at),
    )
}

#[test]
fn a_token_serves_alone_then_while_it_is_renewed_and_then_no_more() {
    assert_eq!(need(true, 269), Need::Nothing);
    assert_eq!(need(true, 270), Need::RefreshBeside);
    assert_eq!(need(true, 299), Need::RefreshBeside);
    assert_eq!(need(true, 300), Need::RefreshFirst);
}

#[test]
fn an_unrefreshable_token_serves_until_the_second_of_its_expiry() {
    assert_eq!(need(false, 299), Need::Nothing);
    assert_eq!(need(false, 300), Need::End);
}

#[test]
fn each_target_has_a_need_of_its_own() {
    let mut tokens = tokens(true);
    let wanted = Wanted::for_target(&files());
    let at = |tokens: &TokenSet, at| Need::of(tokens, &wanted, Audiences::Resource, UnixTime::from_secs(at));
    assert_eq!(at(&tokens, 0), Need::RefreshFirst);
    tokens.others.insert(files(), issued("f", 600));
    assert_eq!(at(&tokens, 300), Need::Nothing);
    assert_eq!(at(&tokens, 570), Need::RefreshBeside);
}

#[test]
fn what_cannot_be_had_ends_no_session_that_has_other_tokens() {
    let (tokens, wanted) = (tokens(false), Wanted::for_target(&files()));
    let with = |audiences, at| Need::of(&tokens, &wanted, audiences, UnixTime::from_secs(at));
    assert_eq!(with(Audiences::Resource, 0), Need::Unobtainable);
    assert_eq!(with(Audiences::Exchange, 0), Need::RefreshFirst);
    assert_eq!(with(Audiences::Exchange, 300), Need::End);
}

#[test]
fn a_refused_token_does_not_serve_and_its_successor_does() {
    let refused = AccessToken::new("a".to_owned());
    let wanted = Wanted::instead_of(&Target::default(), &refused);
    let mut tokens = tokens(true);
    let need = |tokens: &TokenSet| Need::of(tokens, &wanted, Audiences::Resource, UnixTime::from_secs(0));
    assert_eq!(need(&tokens), Need::RefreshFirst);
    tokens.access.token = AccessToken::new("b".to_owned());
    assert_eq!(need(&tokens), Need::Nothing);
}

#[test]
fn an_exchange_waits_for_a_login_s_token_that_lives() {
    let grant = |at| {
        let now = UnixTime::from_secs(at);
        Grant::of(&tokens(true), &files(), Audiences::Exchange, now).expect("a grant")
    };
    assert!(matches!(grant(299), Grant::Exchange(_)));
    let first = grant(300);
    assert!(matches!(&first, Grant::Refresh(target, _) if target.is_login()));
    assert!(!first.gives(&files()));
}

fn answered(answer: TokenAnswerError) -> ProviderError {
    ProviderError::TokenAnswer {
        answer,
        retry_after: Duration::ZERO,
    }
}

#[test]
fn only_invalid_grant_ends_a_session() {
    let of = |answer| verdict(&answered(answer), &Target::default());
    let refused = |code| TokenAnswerError::Refused(code, OAuthError::new("a_word"));
    assert_eq!(of(refused(OAuthErrorCode::InvalidGrant)), Verdict::GrantRefused);
    for code in [
        OAuthErrorCode::ClientOrRequest,
        OAuthErrorCode::Target,
        OAuthErrorCode::Other,
    ] {
        assert_eq!(of(refused(code)), Verdict::NotTaken, "{code:?}");
    }
    assert_eq!(of(TokenAnswerError::Unavailable), Verdict::NotTaken);
}

#[test]
fn a_refused_audience_concerns_its_route_alone() {
    let error = answered(TokenAnswerError::Refused(
        OAuthErrorCode::Target,
        OAuthError::new("invalid_target"),
    ));
    assert_eq!(verdict(&error, &files()), Verdict::TargetRefused);
}

#[test]
fn what_may_have_been_used_up_counts_as_lost() {
    let lost = |timed_out| ProviderError::AnswerLost {
        source: anyhow::anyhow!("reset"),
        timed_out,
    };
    let of = |error: ProviderError| verdict(&error, &Target::default());
    assert_eq!(of(lost(false)), Verdict::Lost { again_at_once: true });
    for error in [
        lost(true),
        ProviderError::TooLarge,
        ProviderError::Unproven(anyhow::anyhow!("about somebody else")),
        answered(TokenAnswerError::Malformed),
        answered(TokenAnswerError::BrokenGateway),
    ] {
        assert_eq!(of(error), Verdict::Lost { again_at_once: false });
    }
    assert_eq!(
        of(ProviderError::Unreachable(anyhow::anyhow!("refused"))),
        Verdict::NotTaken
    );
}
