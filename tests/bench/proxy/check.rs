//! Looks before anything is measured: a benchmark of error pages is the classic mistake.

use http::Method;

use crate::case::{Answer, Case};
use crate::contender::Contender;
use crate::upstream::{AUTHORIZATION, SMALL};

/// One answer of a contender.
#[derive(Debug)]
struct Told {
    status: u16,
    body: Vec<u8>,
}

/// Whether a contender does all that is asked of it.
///
/// # Panics
/// When it does not.
pub(crate) async fn does_its_work(contender: &Contender, cases: &[Case]) {
    for case in cases {
        answers_rightly(contender, case).await;
    }
    let path = Case {
        path: AUTHORIZATION,
        ..crate::case::SMALL_GET
    };
    let told = ask(contender, &path, contender.cookie().is_some()).await;
    let name = contender.name;
    let passed_on = String::from_utf8_lossy(&told.body);
    assert_eq!(told.status, 200, "{name} at {AUTHORIZATION}");
    let Some(_) = contender.cookie() else {
        assert_eq!(passed_on, "", "{name} has no token to pass on");
        return;
    };
    let is_access_token = passed_on
        .strip_prefix("Bearer ")
        .is_some_and(|token| token.split('.').count() == 3);
    assert!(
        is_access_token,
        "{name}: the upstream got no access token, but {} bytes beginning with {:?}",
        passed_on.len(),
        passed_on.chars().take(10).collect::<String>()
    );
    for case in cases {
        let told = ask(contender, case, false).await;
        assert!(
            matches!(told.status, 302 | 303 | 401 | 403),
            "{name} answers {} with {} to who is not signed in",
            case.name,
            told.status
        );
    }
}

/// Whether this case is answered as it has to be; looked at before and after each run.
///
/// # Panics
/// When it is not.
pub(crate) async fn answers_rightly(contender: &Contender, case: &Case) {
    let told = ask(contender, case, true).await;
    let is_right = match case.answer {
        Answer::Nothing => told.status == 204 && told.body.is_empty(),
        Answer::Small => told.status == 200 && told.body == SMALL.as_bytes(),
        Answer::Bytes(bytes) => {
            told.status == 200 && told.body.len() == bytes && told.body.iter().all(|byte| *byte == b'x')
        }
        Answer::LengthOfRequest => {
            let length = String::from_utf8_lossy(&told.body).parse::<usize>();
            told.status == 200 && length.is_ok_and(|length| length > case.body.unwrap_or_default())
        }
    };
    assert!(
        is_right,
        "{} answers {} with {} and {} bytes: {}",
        contender.name,
        case.name,
        told.status,
        told.body.len(),
        String::from_utf8_lossy(&told.body)
            .chars()
            .take(500)
            .collect::<String>()
    );
}

async fn ask(contender: &Contender, case: &Case, with_cookie: bool) -> Told {
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .expect("an HTTP client");
    let method = if case.body.is_some() {
        Method::POST
    } else {
        Method::GET
    };
    let address = format!("http://127.0.0.1:{}{}", contender.port, case.path);
    let mut request = client.request(method, address);
    for (name, value) in contender.headers(case.body.is_some()) {
        if with_cookie || name != "Cookie" {
            request = request.header(name, value);
        }
    }
    if let Some(bytes) = case.body {
        request = request.body("x".repeat(bytes));
    }
    let answer = request
        .send()
        .await
        .unwrap_or_else(|error| panic!("{} does not answer {}: {error:?}", contender.name, case.name));
    Told {
        status: answer.status().as_u16(),
        body: answer.bytes().await.expect("a whole answer").to_vec(),
    }
}
