//! As much of a browser as the journeys need: cookies by host, redirects, forms, and the headers
//! that tell a site who caused a request.

use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use axum::http::header::{ACCEPT_LANGUAGE, COOKIE, LOCATION, ORIGIN, SET_COOKIE};
use axum::http::{HeaderMap, Method, StatusCode};
use reqwest::redirect;
use scraper::{Html, Selector};
use url::Url;

/// More redirects than any journey takes.
const MOST_REDIRECTS: usize = 10;

static BODY: LazyLock<Selector> = LazyLock::new(|| parse_selector("body"));
static LINKS: LazyLock<Selector> = LazyLock::new(|| parse_selector("a[href]"));
static FILES: LazyLock<Selector> = LazyLock::new(|| parse_selector("link[href]"));
static FIELDS: LazyLock<Selector> = LazyLock::new(|| parse_selector("input[type=hidden], input[checked]"));

/// A browser with its cookies.
pub(crate) struct Browser {
    http: reqwest::Client,
    /// By host and name: cookies do not tell ports apart (RFC 6265, section 8.5).
    cookies: Mutex<BTreeMap<(String, String), String>>,
    product: String,
    /// What it sends as `Accept-Language`.
    languages: Mutex<Option<&'static str>>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Page {
    /// Where it came from.
    pub(crate) url: Url,
    /// Its status.
    pub(crate) status: StatusCode,
    /// Its headers.
    pub(crate) headers: HeaderMap,
    /// Its body.
    pub(crate) body: String,
}

/// A form of a page, ready to be posted.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    action: Url,
    fields: Vec<(String, String)>,
    headers: HeaderMap,
}

/// One request to make.
struct Step {
    method: Method,
    url: Url,
    fields: Vec<(String, String)>,
    headers: HeaderMap,
}

impl Browser {
    /// A browser without cookies. Links and forms count as those of `product`'s own pages.
    pub(crate) fn new(product: &str) -> Self {
        let http = reqwest::Client::builder()
            .redirect(redirect::Policy::none())
            .build()
            .expect("a plain client builds");
        Self { http, cookies: Mutex::default(), product: product.to_owned(), languages: Mutex::default() }
    }

    /// Prefers these languages from now on.
    pub(crate) fn prefer(&self, languages: &'static str) {
        *self.languages.lock().unwrap_or_else(PoisonError::into_inner) = Some(languages);
    }

    /// Types an address in, and follows redirects.
    pub(crate) async fn open(&self, url: &str) -> Page {
        self.run(Step::get(url).with("sec-fetch-site", "none"), true).await
    }

    /// Types an address in, and stops at the first answer.
    pub(crate) async fn open_without_following(&self, url: &str) -> Page {
        self.run(Step::get(url).with("sec-fetch-site", "none"), false).await
    }

    /// Follows a link of the product's own page, and redirects after it.
    pub(crate) async fn follow(&self, url: &str) -> Page {
        self.run(Step::get(url).with("sec-fetch-site", "same-origin"), true).await
    }

    /// Arrives from another site, and follows redirects.
    pub(crate) async fn come_from_elsewhere(&self, url: &str) -> Page {
        self.run(Step::get(url).with("sec-fetch-site", "cross-site"), true).await
    }

    /// Arrives from another site, and stops at the first answer.
    pub(crate) async fn come_from_elsewhere_without_following(&self, url: &str) -> Page {
        self.run(Step::get(url).with("sec-fetch-site", "cross-site"), false).await
    }

    /// Posts a form, and follows redirects.
    pub(crate) async fn submit(&self, form: Form) -> Page {
        self.run(Step::post(form), true).await
    }

    /// Posts a form, and stops at the first answer.
    pub(crate) async fn submit_without_following(&self, form: Form) -> Page {
        self.run(Step::post(form), false).await
    }

    /// The value of a cookie of the product.
    pub(crate) fn cookie(&self, name: &str) -> Option<String> {
        let key = (host_of(&self.product), name.to_owned());
        self.cookies.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned()
    }

    /// How long the product's cookies are together, in bytes.
    pub(crate) fn cookie_bytes(&self) -> usize {
        let cookies = self.cookies.lock().unwrap_or_else(PoisonError::into_inner);
        let own = cookies.iter().filter(|((host, _), _)| *host == host_of(&self.product));
        own.map(|((_, name), value)| name.len() + value.len()).sum()
    }

    /// Sets a cookie of the product, as only its owner or an attacker could.
    pub(crate) fn set_cookie(&self, name: &str, value: &str) {
        let key = (host_of(&self.product), name.to_owned());
        self.cookies.lock().unwrap_or_else(PoisonError::into_inner).insert(key, value.to_owned());
    }

    /// Forgets a cookie of the product.
    pub(crate) fn forget_cookie(&self, name: &str) {
        let key = (host_of(&self.product), name.to_owned());
        self.cookies.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
    }

    async fn run(&self, mut step: Step, follow: bool) -> Page {
        for _ in 0..MOST_REDIRECTS {
            let origin = step.url.origin();
            let page = self.request(step).await;
            if !follow || !page.status.is_redirection() {
                return page;
            }
            step = Step::get(&page.location());
            let site = if step.url.origin() == origin { "same-origin" } else { "cross-site" };
            step = step.with("sec-fetch-site", site);
        }
        panic!("more than {MOST_REDIRECTS} redirects");
    }

    async fn request(&self, step: Step) -> Page {
        let mut request = self.http.request(step.method.clone(), step.url.clone()).headers(step.headers);
        if step.method == Method::POST {
            request = request.form(&step.fields);
        }
        if let Some(languages) = *self.languages.lock().unwrap_or_else(PoisonError::into_inner) {
            request = request.header(ACCEPT_LANGUAGE, languages);
        }
        let cookies = self.cookies_for(&step.url);
        if !cookies.is_empty() {
            request = request.header(COOKIE, cookies);
        }
        let answer = request.send().await.expect("the stack answers");
        let (status, headers) = (answer.status(), answer.headers().clone());
        self.keep_cookies(&step.url, &headers);
        let body = answer.text().await.expect("the answer is text");
        Page { url: step.url, status, headers, body }
    }

    fn cookies_for(&self, url: &Url) -> String {
        let host = url.host_str().unwrap_or_default();
        let cookies = self.cookies.lock().unwrap_or_else(PoisonError::into_inner);
        let own = cookies.iter().filter(|((cookie_host, _), _)| cookie_host == host);
        own.map(|((_, name), value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    fn keep_cookies(&self, url: &Url, headers: &HeaderMap) {
        let host = url.host_str().unwrap_or_default();
        let mut cookies = self.cookies.lock().unwrap_or_else(PoisonError::into_inner);
        for line in headers.get_all(SET_COOKIE).iter().filter_map(|line| line.to_str().ok()) {
            let (pair, attributes) = line.split_once(';').unwrap_or((line, ""));
            let Some((name, value)) = pair.split_once('=') else { continue };
            let key = (host.to_owned(), name.to_owned());
            if attributes.split(';').any(|attribute| attribute.trim() == "Max-Age=0") {
                cookies.remove(&key);
            } else {
                cookies.insert(key, value.to_owned());
            }
        }
    }
}

impl Step {
    fn get(url: &str) -> Self {
        Self { method: Method::GET, url: parse(url), fields: Vec::new(), headers: HeaderMap::new() }
    }

    fn post(form: Form) -> Self {
        Self { method: Method::POST, url: form.action, fields: form.fields, headers: form.headers }
    }

    fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.insert(name, axum::http::HeaderValue::from_static(value));
        self
    }
}

impl Page {
    /// Where a redirect leads.
    pub(crate) fn location(&self) -> String {
        let location = self.headers.get(LOCATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        self.url.join(location).map(String::from).unwrap_or_default()
    }

    /// The path and query it came from.
    pub(crate) fn path(&self) -> String {
        match self.url.query() {
            Some(query) => format!("{}?{query}", self.url.path()),
            None => self.url.path().to_owned(),
        }
    }

    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// What a person reads: the words of the body.
    pub(crate) fn text(&self) -> String {
        let html = self.html();
        let body = html.select(&BODY).flat_map(|body| body.text());
        body.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ")
    }

    /// Where its links lead.
    pub(crate) fn links(&self) -> Vec<String> {
        self.addresses(&LINKS)
    }

    /// The files that a browser loads with it.
    pub(crate) fn files(&self) -> Vec<String> {
        self.addresses(&FILES)
    }

    /// The form that posts to a path, with its hidden and checked fields, posted as a browser posts
    /// a page's own form.
    pub(crate) fn form(&self, action: &str) -> Form {
        let html = self.html();
        let form = parse_selector(&format!("form[method=post][action='{action}']"));
        let form = html.select(&form).next().expect("the page has the form");
        let fields =
            form.select(&FIELDS).filter_map(|field| Some((field.attr("name")?, field.attr("value")?)));
        let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let mut headers = HeaderMap::new();
        let origin = self.url.origin().ascii_serialization();
        if let Ok(origin) = origin.parse() {
            headers.insert(ORIGIN, origin);
        }
        headers.insert("sec-fetch-site", axum::http::HeaderValue::from_static("same-origin"));
        let action = self.url.join(action).expect("the action is a path");
        Form { action, fields, headers }
    }

    fn html(&self) -> Html {
        Html::parse_document(&self.body)
    }

    fn addresses(&self, of: &Selector) -> Vec<String> {
        let html = self.html();
        html.select(of).filter_map(|element| element.attr("href")).map(str::to_owned).collect()
    }
}

impl Form {
    /// The form with a field set, instead of any value it had.
    #[must_use]
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.fields.retain(|(field, _)| field != name);
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The form without a field.
    #[must_use]
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.fields.retain(|(field, _)| field != name);
        self
    }

    /// The form posted with another header, or without it.
    #[must_use]
    pub(crate) fn with_header(mut self, name: &'static str, value: Option<&'static str>) -> Self {
        self.headers.remove(name);
        if let Some(value) = value {
            self.headers.insert(name, axum::http::HeaderValue::from_static(value));
        }
        self
    }

    /// The form posted to another path of the same host.
    #[must_use]
    pub(crate) fn to(mut self, path: &str) -> Self {
        self.action.set_path(path);
        self
    }

    /// The value of a field.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }
}

fn parse_selector(css: &str) -> Selector {
    Selector::parse(css).expect("a selector of CSS")
}

fn host_of(url: &str) -> String {
    parse(url).host_str().unwrap_or_default().to_owned()
}

fn parse(url: &str) -> Url {
    Url::parse(url).expect("the address is absolute")
}
