//! What a test's stack logs.

use std::cell::{Cell, RefCell};
use std::io;
use std::sync::Once;

use serde_json::Value;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::dynamic_filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

thread_local! {
    /// What this thread has logged. A test and its stack run on one thread.
    static LOG: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static COLLECTING: Cell<bool> = const { Cell::new(false) };
}

/// Writes into this thread's log.
struct Log;

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOG.with_borrow_mut(|log| log.extend_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Starts collecting, at the finest level there is.
pub(crate) fn start_log() {
    static START: Once = Once::new();
    START.call_once(|| {
        let collecting = dynamic_filter_fn(|_, _| COLLECTING.get());
        let lines = tracing_subscriber::fmt::layer().json().with_writer(|| Log).with_filter(collecting);
        tracing_subscriber::registry().with(lines).init();
    });
    COLLECTING.set(true);
}

/// What has been logged since.
pub(crate) fn logged() -> String {
    LOG.with_borrow(|log| String::from_utf8_lossy(log).into_owned())
}

/// The lines of a target, in order.
pub(crate) fn logged_by(target: &str) -> Vec<Value> {
    let log = logged();
    let lines = log.lines().filter(|line| line.contains(&format!("\"target\":\"{target}\"")));
    lines.map(|line| serde_json::from_str(line).expect("a JSON line")).collect()
}
