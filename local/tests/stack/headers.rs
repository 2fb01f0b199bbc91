//! The security headers, on every answer there is.

use crate::support::{ANNA, Page, ROMASHKA, TestStack};

const CSP: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; \
                   base-uri 'none'; object-src 'none'; frame-ancestors 'none'";

fn assert_secure(page: &Page) {
    let expected = [
        ("content-security-policy", CSP),
        ("strict-transport-security", "max-age=63072000"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ];
    for (name, value) in expected {
        assert_eq!(page.header(name), value, "{name} of {}", page.path());
    }
    for name in ["server", "x-powered-by"] {
        assert_eq!(page.header(name), "", "{name} of {}", page.path());
    }
}

/// The longest code the callback takes, in characters.
const LONGEST_CODE: usize = 512;

/// One answer of every kind: pages, redirects, refusals, files, failures.
async fn answers(test: &TestStack) -> Vec<Page> {
    let merchant = test.merchant(ROMASHKA).await;
    merchant.connect(ANNA).await;
    let mut answers = Vec::new();
    for path in [
        "/",
        "/connections",
        "/vk",
        "/vk?error=zzz",
        "/vk?error=%FF",
        "/vk/connect",
        "/vk/callback",
        "/login",
        "/login/callback",
        "/nope",
    ] {
        answers.push(merchant.browser.open_without_following(&test.url(path)).await);
    }
    let form = merchant.open("/vk").await.form("/vk/disconnect");
    answers.push(merchant.browser.submit_without_following(form.clone().without("csrf")).await);
    let large = form.clone().with("filler", &"a".repeat(100_000));
    answers.push(merchant.browser.submit_without_following(large).await);
    answers.push(merchant.browser.submit_without_following(form).await);
    let form = merchant.open("/connections").await.form("/logout");
    answers.push(merchant.browser.submit_without_following(form).await);
    answers.push(merchant.open("/login").await);
    test.stack.aws().calls().break_operation("BatchGetItem");
    let merchant = test.merchant(ROMASHKA).await;
    answers.push(merchant.open("/vk").await);
    answers
}

#[tokio::test]
async fn every_answer_has_the_security_headers() {
    let test = TestStack::start().await;
    let answers = answers(&test).await;
    let statuses: std::collections::BTreeSet<_> = answers.iter().map(|page| page.status.as_u16()).collect();
    assert_eq!(statuses.into_iter().collect::<Vec<_>>(), [200, 303, 400, 403, 404, 413, 503]);
    answers.iter().for_each(assert_secure);
}

/// The product's host may be one whose subdomains are others', so this is asked for.
#[tokio::test]
async fn https_covers_subdomains_where_the_operator_says_so() {
    let test = TestStack::with_parameters([("HstsSubDomains", "true")]).await;
    for path in ["/login", "/nope"] {
        let page = test.browser().open_without_following(&test.url(path)).await;
        assert_eq!(page.header("strict-transport-security"), "max-age=63072000; includeSubDomains", "{path}");
    }
}

#[tokio::test]
async fn personal_pages_are_not_cached_and_send_no_referrer() {
    let test = TestStack::start().await;
    for page in answers(&test).await {
        assert_eq!(page.header("cache-control"), "no-store", "{}", page.path());
        let policy = if page.status == 200 { "same-origin" } else { "no-referrer" };
        assert_eq!(page.header("referrer-policy"), policy, "{}", page.path());
        let media_type = if page.status == 303 { "" } else { "text/html; charset=utf-8" };
        assert_eq!(page.header("content-type"), media_type, "{}", page.path());
    }
}

#[tokio::test]
async fn files_have_the_security_headers_too() {
    let test = TestStack::start().await;
    let page = test.browser().open(&test.url("/nope")).await;
    let files = page.files();
    assert_eq!(files.len(), 2, "the style sheet and the icon");
    for path in files {
        assert!(path.starts_with("/assets/"), "{path}");
        let file = test.browser().open(&test.url(&path)).await;
        assert_eq!(file.status, 200);
        assert_secure(&file);
    }
}

#[tokio::test]
async fn every_cookie_is_closed_to_scripts_and_to_other_sites() {
    let test = TestStack::start().await;
    for page in answers(&test).await {
        for cookie in page.headers.get_all("set-cookie") {
            let cookie = cookie.to_str().unwrap();
            for attribute in ["HttpOnly", "SameSite=Lax", "Path=/"] {
                assert!(cookie.contains(attribute), "{attribute} of a cookie of {}", page.path());
            }
            assert!(!cookie.contains("Domain"), "{}", page.path());
        }
    }
}

#[tokio::test]
async fn ten_open_attempts_keep_the_request_headers_small() {
    let (_test, merchant) = TestStack::signed_in().await;
    let mut callback = String::new();
    for _ in 0..10 {
        let consent = merchant.start_connecting().await;
        callback = merchant.allow(&consent, ANNA).await;
    }
    let cookies = merchant.browser.cookie_bytes();
    assert!(cookies < 1_024, "{cookies} bytes of cookies");
    // What browsers send beside them is under two kilobytes; API Gateway takes ten.
    let longest = cookies + callback.len() + LONGEST_CODE + 2_048;
    assert!(longest < 10_240 / 2, "{longest} bytes of request line and headers");
}
