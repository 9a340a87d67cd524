use std::fmt::Write as _;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::{HttpResponse, web};

use crate::actix::Protection;
use crate::issuers::IssuerKeys;
use crate::problem::Problem;
use crate::status_list::{StatusFigures, StatusLists};

/// `/metrics`: the issuers' keys, and the status lists of those of which they are followed. `Protection` is there already.
pub(super) fn configure(app: &mut web::ServiceConfig, lists: &[StatusLists]) {
    app.app_data(web::Data::new(lists.to_vec()));
    app.service(
        web::resource("/metrics")
            .get(tell)
            .head(tell)
            .default_service(web::to(async || Problem::method_not_allowed("GET, HEAD"))),
    );
}

async fn tell(protection: web::Data<Protection>, lists: web::Data<Vec<StatusLists>>) -> HttpResponse {
    let keys: Vec<_> = protection.issuers().keys().collect();
    let figures = lists.iter().map(StatusLists::figures);
    let figures = figures.fold(StatusFigures::default(), StatusFigures::and);
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"))
        .body(exposition(&keys, figures))
}

/// The text format of Prometheus.
fn exposition(keys: &[IssuerKeys<'_>], figures: StatusFigures) -> String {
    let mut text = String::new();
    let mut family = |name: &str, kind: &str, help: &str, samples: &[(&str, u64)]| {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, value) in samples {
            let _ = writeln!(text, "{name}{labels} {value}");
        }
    };
    // An issuer is spelled as an address is when it is parsed: nothing in it has to be escaped.
    let label = |keys: &IssuerKeys<'_>| format!("{{issuer=\"{}\"}}", keys.issuer);
    let labels: Vec<String> = keys.iter().map(label).collect();
    let mut of_each = |name: &str, help: &str, is: fn(&IssuerKeys<'_>) -> bool| {
        let samples = labels.iter().zip(keys);
        let samples: Vec<_> = samples
            .map(|(label, keys)| (label.as_str(), u64::from(is(keys))))
            .collect();
        family(name, "gauge", help, &samples);
    };
    of_each(
        "resource_server_issuer_keys_usable",
        "Whether there are keys of the issuer, so that its tokens can be judged.",
        |keys| keys.are_usable,
    );
    of_each(
        "resource_server_issuer_reached",
        "Whether the issuer's keys could be had when they were last asked for.",
        |keys| keys.fault.is_none(),
    );
    family(
        "resource_server_status_list_fetches_total",
        "counter",
        "Looks at status lists.",
        &[
            ("{outcome=\"renewed\"}", figures.renewed),
            ("{outcome=\"unchanged\"}", figures.unchanged),
            ("{outcome=\"failed\"}", figures.failed),
        ],
    );
    family(
        "resource_server_status_refusals_total",
        "counter",
        "Uses of tokens that were refused because of their status.",
        &[("", figures.refused)],
    );
    family(
        "resource_server_status_unknown_total",
        "counter",
        "Uses of tokens whose status list could not be had.",
        &[
            ("{answer=\"accepted\"}", figures.unchecked),
            ("{answer=\"unavailable\"}", figures.unavailable),
        ],
    );
    family(
        "resource_server_status_lists",
        "gauge",
        "Status lists that are followed.",
        &[
            ("{state=\"reached\"}", figures.lists - figures.lists_out_of_reach),
            ("{state=\"out_of_reach\"}", figures.lists_out_of_reach),
        ],
    );
    text
}
