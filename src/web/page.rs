//! The page, embedded: three files, no build step, nothing from anywhere else.

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

/// What a browser may do with the page: only what it brought itself.
pub const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HTML: &str = include_str!("page/index.html");
const SCRIPT: &str = include_str!("page/app.js");
const CHART: &str = include_str!("page/chart.js");
const STATE: &str = include_str!("page/state.js");
const STYLE: &str = include_str!("page/style.css");

fn file(kind: &'static str, text: &'static str) -> Response {
    ([(CONTENT_TYPE, kind)], text).into_response()
}

pub(super) async fn html() -> Response {
    file("text/html; charset=utf-8", HTML)
}

pub(super) async fn script() -> Response {
    file("text/javascript; charset=utf-8", SCRIPT)
}

pub(super) async fn chart() -> Response {
    file("text/javascript; charset=utf-8", CHART)
}

pub(super) async fn state() -> Response {
    file("text/javascript; charset=utf-8", STATE)
}

pub(super) async fn style() -> Response {
    file("text/css; charset=utf-8", STYLE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_keeps_to_its_policy() {
        for part in ["<script>", "<style", " style=", " onclick", "javascript:", "http://", "https://"] {
            assert!(!HTML.contains(part), "{part} in index.html");
        }
        for script in [SCRIPT, CHART, STATE] {
            for part in
                ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "https://", "localStorage"]
            {
                assert!(!script.contains(part), "{part} in a script");
            }
        }
        assert!(!STYLE.contains("url(") && !STYLE.contains("@import"));
    }
}
