//! Spans of what takes time (dialling, reconciling, a batch of decisions, its append, an order's way to the socket),
//! sent to an OpenTelemetry collector: where `OTEL_EXPORTER_OTLP_ENDPOINT` says, by HTTP and protobuf.
//!
//! A span that ends is left in a bounded queue, or dropped where that is full; a thread of its own sends them. Nothing
//! waits for a collector.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::level_filters::LevelFilter;
use tracing::{Subscriber, info, warn};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::registry::LookupSpan;

use crate::runner::TRACES;

/// How long one export may take.
const WITHIN: Duration = Duration::from_secs(10);
/// How long the last spans may take when the daemon ends.
const LAST_WITHIN: Duration = Duration::from_secs(2);

/// Sends what is left when it is dropped.
#[derive(Debug)]
pub(super) struct Exporting(SdkTracerProvider);

impl Drop for Exporting {
    fn drop(&mut self) {
        if let Err(error) = self.0.shutdown_with_timeout(LAST_WITHIN) {
            info!("the last spans were not sent: {error}");
        }
    }
}

/// Begins; `endpoint`: another one than the environment's.
///
/// # Errors
/// An endpoint that is none.
pub(super) fn start(endpoint: Option<String>) -> Result<Exporting, ExporterBuildError> {
    let builder = SpanExporter::builder().with_http().with_http_client(Post::default());
    let builder = match endpoint {
        Some(endpoint) => builder.with_endpoint(endpoint),
        None => builder,
    };
    let resource = Resource::builder().with_service_name("robo-trader").build();
    let provider = SdkTracerProvider::builder().with_batch_exporter(builder.build()?).with_resource(resource);
    Ok(Exporting(provider.build()))
}

impl Exporting {
    /// What hears the spans: ours, and nothing else.
    pub(super) fn layer<S: Subscriber + for<'a> LookupSpan<'a>>(&self) -> impl Layer<S> + use<S> {
        let ours = Targets::new().with_target(TRACES, LevelFilter::TRACE);
        tracing_opentelemetry::layer().with_tracer(self.0.tracer("robo-trader")).with_filter(ours)
    }
}

/// The way to the collector, by the client that alerts go by. It blocks the exporter's own thread.
#[derive(Debug, Default)]
struct Post {
    failing: AtomicBool,
}

impl Post {
    fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (parts, body) = request.into_parts();
        let config = ureq::Agent::config_builder().timeout_global(Some(WITHIN)).http_status_as_error(false);
        let answer = ureq::Agent::from(config.build()).run(Request::from_parts(parts, body.to_vec()));
        let failed = answer.as_ref().map_or(true, |answer| !answer.status().is_success());
        match (failed, self.failing.swap(failed, Ordering::Relaxed)) {
            // Told once: it may be away for days.
            (true, false) => warn!("spans do not get through to the collector: is OTEL_EXPORTER_OTLP_ENDPOINT right?"),
            (false, true) => info!("spans get through again"),
            (true, true) | (false, false) => {}
        }
        let (parts, mut body) = answer?.into_parts();
        Ok(Response::from_parts(parts, Bytes::from(body.read_to_vec()?)))
    }
}

impl HttpClient for Post {
    fn send_bytes<'own, 'sent>(
        &'own self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'sent>>
    where
        'own: 'sent,
    {
        Box::pin(async move { self.send(request) })
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use tracing::{trace_span, warn_span};
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[test]
    fn a_span_arrives_at_the_collector_and_nothing_but_ours() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}/v1/traces", listener.local_addr().unwrap());
        let collector = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let (mut bytes, mut part) = (Vec::new(), [0; 4_096]);
            loop {
                let read = stream.read(&mut part).unwrap();
                bytes.extend_from_slice(&part[..read]);
                let text = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
                let Some(head) = text.find("\r\n\r\n") else { continue };
                let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
                if bytes.len() >= head + 4 + length.unwrap_or(0_usize) {
                    break;
                }
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
            String::from_utf8_lossy(&bytes).into_owned()
        });
        let exporting = start(Some(endpoint)).unwrap();
        let subscriber = tracing_subscriber::registry().with(exporting.layer());
        tracing::subscriber::with_default(subscriber, || {
            trace_span!(target: TRACES, "journal.append", facts = 3).in_scope(|| {});
            warn_span!("somebody_elses").in_scope(|| {});
        });
        drop(exporting);
        let heard = collector.join().unwrap();
        assert!(heard.starts_with("POST /v1/traces "), "{heard}");
        for part in ["robo-trader", "journal.append", "facts"] {
            assert!(heard.contains(part), "{part}: {heard}");
        }
        assert!(!heard.contains("somebody_elses"), "{heard}");
    }
}
