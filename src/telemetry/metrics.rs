//! Metrics as log lines ("Specification: Embedded metric format" in the CloudWatch user guide): no
//! call, no client, no permission.
//!
//! A metric is an event of the target [`METRICS`]: each number in it is a metric, a text is a
//! dimension. Every metric also has the dimension `FunctionName`.

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::domain::ErrorCode;

/// The target that makes an event metrics instead of a line.
pub const METRICS: &str = "metrics";

const NAMESPACE: &str = "EvoSync/Connections";
const FUNCTION: &str = "FunctionName";

/// Counts a way to a connection that ended with an error.
pub fn count_failure(code: ErrorCode) {
    tracing::info!(target: METRICS, Failures = 1, ErrorCode = code.code());
}

/// Counts a sign-in that was begun and failed.
pub fn count_sign_in_failure() {
    tracing::info!(target: METRICS, SignInFailures = 1);
}

/// Writes events as embedded metrics.
pub(super) struct EmbeddedMetrics {
    function: String,
}

impl EmbeddedMetrics {
    pub(super) fn new(function: String) -> Self {
        Self { function }
    }

    fn document(&self, values: Values, now: Timestamp) -> Value {
        let metrics: Vec<_> =
            values.numbers.keys().map(|name| json!({"Name": name, "Unit": unit(name)})).collect();
        let mut dimensions = vec![vec![FUNCTION.to_owned()]];
        dimensions.extend(values.texts.keys().map(|name| vec![FUNCTION.to_owned(), name.clone()]));
        let mut document = Map::from_iter([
            (
                "_aws".to_owned(),
                json!({
                    "Timestamp": now.as_millisecond(),
                    "CloudWatchMetrics": [{"Namespace": NAMESPACE, "Dimensions": dimensions, "Metrics": metrics}],
                }),
            ),
            (FUNCTION.to_owned(), json!(self.function)),
        ]);
        document.extend(values.texts);
        document.extend(values.numbers);
        document.into()
    }
}

/// The unit of a metric: the names of times end so.
fn unit(name: &str) -> &'static str {
    if name.ends_with("Seconds") || name.ends_with("Age") { "Seconds" } else { "Count" }
}

impl<S, N> FormatEvent<S, N> for EmbeddedMetrics
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    #[expect(clippy::disallowed_methods, reason = "log lines are stamped by the machine's clock")]
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> std::fmt::Result {
        let mut values = Values::default();
        event.record(&mut values);
        writeln!(writer, "{}", self.document(values, Timestamp::now()))
    }
}

#[derive(Default)]
struct Values {
    numbers: Map<String, Value>,
    texts: Map<String, Value>,
}

impl Visit for Values {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.numbers.insert(field.name().to_owned(), json!(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.numbers.insert(field.name().to_owned(), json!(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.numbers.insert(field.name().to_owned(), json!(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.texts.insert(field.name().to_owned(), json!(value));
    }

    /// Whatever has no place in a metric.
    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn written(events: impl FnOnce()) -> Vec<Value> {
        let lines = Lines::default();
        let writer = lines.clone();
        let layer = fmt::layer()
            .event_format(EmbeddedMetrics::new("stack-callback".to_owned()))
            .with_writer(move || writer.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), events);
        let bytes = lines.0.lock().unwrap().clone();
        bytes
            .split(|b| *b == b'\n')
            .filter(|l| !l.is_empty())
            .map(|l| serde_json::from_slice(l).unwrap())
            .collect()
    }

    #[test]
    fn a_failure_is_counted_altogether_and_by_its_code() {
        let lines = written(|| count_failure(ErrorCode::NoToken));
        let directive = &lines[0]["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(directive["Namespace"], "EvoSync/Connections");
        assert_eq!(directive["Dimensions"], json!([["FunctionName"], ["FunctionName", "ErrorCode"]]));
        assert_eq!(directive["Metrics"], json!([{"Name": "Failures", "Unit": "Count"}]));
        assert_eq!(lines[0]["FunctionName"], "stack-callback");
        assert_eq!((&lines[0]["ErrorCode"], &lines[0]["Failures"]), (&json!("no_token"), &json!(1)));
        assert!(lines[0]["_aws"]["Timestamp"].is_i64());
    }

    #[test]
    fn several_numbers_are_several_metrics_of_one_line() {
        let lines = written(|| tracing::info!(target: METRICS, SweepSeconds = 1.5, SweepFinished = 1));
        assert_eq!(lines.len(), 1);
        let units = &lines[0]["_aws"]["CloudWatchMetrics"][0]["Metrics"];
        assert_eq!(
            *units,
            json!([{"Name": "SweepFinished", "Unit": "Count"}, {"Name": "SweepSeconds", "Unit": "Seconds"}])
        );
        assert_eq!(lines[0]["SweepSeconds"], 1.5);
    }
}
