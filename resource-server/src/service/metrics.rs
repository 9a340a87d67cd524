use std::fmt::Write as _;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::{HttpResponse, web};

use crate::problem::Problem;
use crate::status_list::{StatusFigures, StatusLists};

/// `/metrics`, if status lists are followed: there is nothing else to count.
pub(super) fn configure(app: &mut web::ServiceConfig, lists: &[StatusLists]) {
    if lists.is_empty() {
        return;
    }
    app.app_data(web::Data::new(lists.to_vec()));
    app.service(
        web::resource("/metrics")
            .get(tell)
            .head(tell)
            .default_service(web::to(async || Problem::method_not_allowed("GET, HEAD"))),
    );
}

async fn tell(lists: web::Data<Vec<StatusLists>>) -> HttpResponse {
    let figures = lists.iter().map(StatusLists::figures);
    let figures = figures.fold(StatusFigures::default(), StatusFigures::and);
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"))
        .body(exposition(figures))
}

/// The text format of Prometheus.
fn exposition(figures: StatusFigures) -> String {
    let mut text = String::new();
    let mut family = |name: &str, kind: &str, help: &str, samples: &[(&str, u64)]| {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, value) in samples {
            let _ = writeln!(text, "{name}{labels} {value}");
        }
    };
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
