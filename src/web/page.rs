//! The page, embedded: a few files, no build step, nothing from anywhere else.

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

/// What a browser may do with the page: only what it brought itself.
pub const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A file of the page.
#[derive(Debug)]
pub struct PageFile {
    /// Where it is served.
    pub path: &'static str,
    /// Its `Content-Type`.
    pub kind: &'static str,
    /// What is in it.
    pub text: &'static str,
}

/// The page itself.
pub(super) const START: &str = "/";

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Every file of the page, and nothing else: what is routed, and what the guard lets everybody have. No data is in
/// them: they are served so that the token can be entered.
pub const FILES: &[PageFile] = &[
    PageFile { path: START, kind: "text/html; charset=utf-8", text: include_str!("page/index.html") },
    PageFile { path: "/app.js", kind: SCRIPT, text: include_str!("page/app.js") },
    PageFile { path: "/chart.js", kind: SCRIPT, text: include_str!("page/chart.js") },
    PageFile { path: "/state.js", kind: SCRIPT, text: include_str!("page/state.js") },
    PageFile { path: "/style.css", kind: "text/css; charset=utf-8", text: include_str!("page/style.css") },
];

/// Whether a path is one of the page's own files.
pub(super) fn has(path: &str) -> bool {
    FILES.iter().any(|file| file.path == path)
}

impl PageFile {
    pub(super) fn answer(&self) -> Response {
        ([(CONTENT_TYPE, self.kind)], self.text).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_keeps_to_its_policy() {
        for file in FILES {
            let words: &[&str] = match file.kind {
                SCRIPT => &[
                    "innerHTML",
                    "outerHTML",
                    "insertAdjacentHTML",
                    "document.write",
                    "eval(",
                    "https://",
                    "localStorage",
                ],
                kind if kind.starts_with("text/css") => &["url(", "@import"],
                _ => &["<script>", "<style", " style=", " onclick", "javascript:", "http://", "https://"],
            };
            for word in words {
                assert!(!file.text.contains(word), "{word} in {}", file.path);
            }
        }
    }

    #[test]
    fn whatever_the_page_loads_is_one_of_its_files_and_every_file_is_there() {
        let mut named = std::collections::BTreeSet::from(["/".to_owned()]);
        for file in FILES {
            for before in ["src=\"", "rel=\"stylesheet\" href=\"", "from \"."] {
                let rest = file.text.split(before).skip(1);
                named.extend(rest.map(|rest| rest.split('"').next().unwrap_or_default().to_owned()));
            }
        }
        let served: std::collections::BTreeSet<String> = FILES.iter().map(|file| file.path.to_owned()).collect();
        assert_eq!(served, named);
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/web/page");
        assert_eq!(std::fs::read_dir(folder).unwrap().count(), FILES.len());
    }
}
