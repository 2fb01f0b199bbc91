//! Answers that are held back, so that a test can act while a request is under way.

use tokio::sync::watch;

/// Whether answers are held back.
#[derive(Default)]
pub(crate) struct Held(watch::Sender<bool>);

impl Held {
    pub(crate) fn hold(&self) {
        self.0.send_replace(true);
    }

    pub(crate) fn release(&self) {
        self.0.send_replace(false);
    }

    /// Resolves once no answer is held back.
    pub(crate) async fn released(&self) {
        let mut held = self.0.subscribe();
        let _ = held.wait_for(|held| !held).await;
    }
}
