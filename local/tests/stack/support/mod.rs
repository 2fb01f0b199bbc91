//! A stack under test, and a merchant at a browser.

mod browser;
mod events;
mod hosts;
mod log;
mod table;
mod vk_hosts;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use evosync_connections::platform::{Clock, Entropy, Platform};
use evosync_connections::providers::Registry;
use jiff::Timestamp;
use local::testing::{ManualClock, repeatable_entropy};
use local::{Options, Stack};

pub(crate) use browser::{Browser, Page};
pub(crate) use events::{event, response_header};
pub(crate) use hosts::Host;
pub(crate) use log::{logged, logged_by, start_log};
pub(crate) use table::{Row, Table, text};
pub(crate) use vk_hosts::{VkCaller, VkHost};

/// Anna Smirnova's account at VK.
pub(crate) const ANNA: u64 = 1_000_001;
/// Ivan Petrov's account at VK.
pub(crate) const IVAN: u64 = 1_000_002;
/// Maria Orlova, who sells as Ромашка.
pub(crate) const ROMASHKA: &str = "demo|romashka";
/// Boris Klimov, who sells as Лавка у дома.
pub(crate) const LAVKA: &str = "demo|lavka";

/// A stack in memory, on ports the system chooses, with the clock in the test's hands.
pub(crate) struct TestStack {
    /// The stack.
    pub(crate) stack: Stack,
    /// Its time.
    pub(crate) clock: ManualClock,
}

impl TestStack {
    /// Starts a stack as the template describes it.
    pub(crate) async fn start() -> Self {
        Self::with_parameters([]).await
    }

    /// Starts a stack in whose browser Maria has signed in.
    pub(crate) async fn signed_in() -> (Self, Merchant) {
        let test = Self::start().await;
        let merchant = test.merchant(ROMASHKA).await;
        (test, merchant)
    }

    /// Starts a stack where Maria has signed in and connected Anna's account.
    pub(crate) async fn connected() -> (Self, Merchant) {
        let (test, merchant) = Self::signed_in().await;
        merchant.connect(ANNA).await;
        (test, merchant)
    }

    /// Starts a stack under VK ID where Maria has signed in and connected Anna's account.
    pub(crate) async fn connected_by_vk_id() -> (Self, Merchant) {
        let test = Self::with_parameters([("VkFlow", "vk_id")]).await;
        let merchant = test.merchant(ROMASHKA).await;
        merchant.connect(ANNA).await;
        (test, merchant)
    }

    /// Starts a stack with other template parameters.
    pub(crate) async fn with_parameters<const N: usize>(parameters: [(&str, &str); N]) -> Self {
        let clock = clock();
        let options = options(&clock, parameters);
        Self { stack: Stack::start(options).await.expect("the stack starts"), clock }
    }

    /// Starts a stack that keeps its data in a folder, where an earlier one's may be: its random numbers do not
    /// repeat.
    pub(crate) async fn kept_in<const N: usize>(folder: &Path, parameters: [(&str, &str); N]) -> Self {
        let clock = clock();
        let options = Options {
            folder: Some(folder.to_owned()),
            entropy: Entropy::system(),
            ..options(&clock, parameters)
        };
        Self { stack: Stack::start(options).await.expect("the stack starts"), clock }
    }

    /// Starts a stack with providers of the test's own in the product's place.
    pub(crate) async fn with_registry(registry: impl FnOnce(Clock) -> Arc<dyn Registry>) -> Self {
        let clock = clock();
        let registry = registry(Clock::new(clock.clone()));
        let started = Stack::start_with(options(&clock, []), registry).await;
        Self { stack: started.expect("the stack starts"), clock }
    }

    /// The clock, as something that is told the time by it.
    pub(crate) fn platform_clock(&self) -> Clock {
        Clock::new(self.clock.clone())
    }

    /// What the product runs on, with the stack's time and AWS.
    pub(crate) fn platform(&self) -> Platform {
        Platform {
            clock: self.platform_clock(),
            entropy: repeatable_entropy(),
            aws: self.stack.aws().sdk_config(),
        }
    }

    /// The address of one of the product's paths.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.stack.base_url())
    }

    /// A browser nobody has signed in with.
    pub(crate) fn browser(&self) -> Browser {
        Browser::new(self.stack.base_url())
    }

    /// A browser in which a demo person has signed in.
    pub(crate) async fn merchant(&self, person: &str) -> Merchant {
        let merchant = Merchant { product: self.stack.base_url().to_owned(), browser: self.browser() };
        merchant.sign_in(person).await;
        merchant
    }
}

fn clock() -> ManualClock {
    ManualClock::at(Timestamp::constant(1_795_320_960, 0))
}

fn options<const N: usize>(clock: &ManualClock, parameters: [(&str, &str); N]) -> Options {
    let owned = parameters.map(|(name, value)| (name.to_owned(), value.to_owned()));
    // The schedule does not run in tests; its period is what a deployment has, and so are the providers.
    let defaults = [("SweepEvery", "15"), ("Providers", "vk")];
    let mut parameters = HashMap::from(defaults.map(|(name, value)| (name.to_owned(), value.to_owned())));
    parameters.extend(owned);
    Options {
        port: 0,
        folder: None,
        clock: Clock::new(clock.clone()),
        entropy: repeatable_entropy(),
        parameters,
    }
}

/// A person at a browser.
pub(crate) struct Merchant {
    /// The address of the product.
    product: String,
    /// The browser.
    pub(crate) browser: Browser,
}

impl Merchant {
    /// Goes to the login page and chooses who to be; ends where the product leads.
    pub(crate) async fn sign_in(&self, person: &str) -> Page {
        let page = self.browser.open(&self.url("/login?continue")).await;
        let form = page.form("/authorize").with("person", person);
        self.browser.submit(form).await
    }

    /// Opens one of the product's pages, following redirects.
    pub(crate) async fn open(&self, path: &str) -> Page {
        self.browser.open(&self.url(path)).await
    }

    /// Follows the link to VK and stops at VK's consent page.
    pub(crate) async fn start_connecting(&self) -> Page {
        self.browser.follow(&self.url("/vk/connect")).await
    }

    /// Allows everything at VK's consent page; the address VK sends the browser back to.
    pub(crate) async fn allow(&self, consent: &Page, account: u64) -> String {
        let form = consent.form(&own_path(consent)).with("account", &account.to_string());
        self.browser.submit_without_following(form.with("decision", "allow")).await.location()
    }

    /// Refuses at VK's consent page; the address VK sends the browser back to.
    pub(crate) async fn refuse(&self, consent: &Page) -> String {
        let form = consent.form(&own_path(consent)).with("decision", "refuse");
        self.browser.submit_without_following(form).await.location()
    }

    /// Connects an account from beginning to end; the page it ends on.
    pub(crate) async fn connect(&self, account: u64) -> Page {
        let consent = self.start_connecting().await;
        let callback = self.allow(&consent, account).await;
        self.browser.come_from_elsewhere(&callback).await
    }

    /// Presses the disconnect button; the page it ends on.
    pub(crate) async fn disconnect(&self) -> Page {
        let page = self.open("/vk").await;
        self.browser.submit(page.form("/vk/disconnect")).await
    }

    /// Presses the sign-out button; the page it ends on.
    pub(crate) async fn sign_out(&self) -> Page {
        let page = self.open("/connections").await;
        self.browser.submit(page.form("/logout")).await
    }

    /// The state of VK on the dashboard.
    pub(crate) async fn dashboard(&self) -> String {
        self.open("/connections").await.text()
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.product)
    }
}

/// The path of a page whose form is sent to itself.
fn own_path(page: &Page) -> String {
    page.path().split('?').next().unwrap_or_default().to_owned()
}
