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
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithHttpConfig};
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

/// Begins, with the environment's endpoint.
///
/// # Errors
/// An endpoint that is none.
pub(super) fn start() -> Result<Exporting, ExporterBuildError> {
    let builder = SpanExporter::builder().with_http().with_http_client(Post::default());
    let resource = Resource::builder().with_service_name("robo-trader").build();
    let provider = SdkTracerProvider::builder().with_batch_exporter(builder.build()?).with_resource(resource);
    Ok(Exporting(provider.build()))
}

impl Exporting {
    /// What hears the spans: ours, and nothing else.
    pub(super) fn layer<S: Subscriber + for<'a> LookupSpan<'a>>(&self) -> impl Layer<S> + use<S> {
        tracing_opentelemetry::layer().with_tracer(self.0.tracer("robo-trader")).with_filter(ours())
    }
}

fn ours() -> Targets {
    Targets::new().with_target(TRACES, LevelFilter::TRACE)
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
    use tracing::Level;

    use super::*;

    #[test]
    fn spans_are_ours_and_nobody_elses() {
        assert!(ours().would_enable(TRACES, &Level::TRACE));
        assert!(
            !ours().would_enable("robo_trader::tws", &Level::ERROR) && !ours().would_enable("hyper", &Level::ERROR)
        );
    }
}
